package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"example.com/pagila-api/server/bench/load"
	"example.com/pagila-api/server/bench/twin"
)

const (
	// clientCount is the number of connections of the closed loop: as many as the server has to the database.
	clientCount = poolSize
	// openCount is the number of connections at a fixed rate. It is so large that requests hardly ever wait for one.
	openCount = 64
	// partOfPeak is the part of the server's peak at which latencies are measured.
	partOfPeak = 0.7
	// tooMuch is the part of a system's own peak from which its latencies would grow with the length of the window.
	tooMuch = 0.9
	// partForWarmUp is the part of the returns that are for the warm-up: one of so many.
	partForWarmUp = 5
)

// kinds of processes, beside those of the twins
const server = "server"

// errNothing says that a window was too short.
var errNothing = errors.New("no request ended in the time of the measurement")

// measurement is what one round measured of one system and operation. What is not known is NaN.
type measurement struct {
	rate        float64 // requests per second at the peak
	fixedRate   float64 // at which the latencies were measured
	p50, p99    float64 // in milliseconds
	cpu         float64 // of the process, in milliseconds a request at the peak
	postgresCPU float64
	allocations float64 // a request
}

// unknown returns a measurement without any figure.
func unknown() measurement {
	none := math.NaN()
	return measurement{rate: none, fixedRate: none, p50: none, p99: none, cpu: none, postgresCPU: none, allocations: none}
}

// bench measures systems in turns.
type bench struct {
	db      *database
	shop    *shop
	systems []*process
	warmUp  time.Duration
	window  time.Duration // of a peak
	// fixedWindow is longer, because p99 depends on the few requests that a garbage collection delays.
	fixedWindow time.Duration
	progress    func(string)
	recording   twin.Recording
	alone       *process                              // pgbench, or nil
	costs       map[string]float64                    // the server's allocations by operation
	results     map[string]map[*process][]measurement // by operation and system, with one for each round
}

// sources returns the requests of an operation for a system, for the warm-up and then for the measurement.
func (b *bench) sources(o operation, p *process) (warmUp, measured load.Source) {
	switch o.name {
	case rent:
		next := b.shop.rentals(p)
		return next, next
	case giveBack: // returns are faster than rentals, so that the warm-up could use them up
		next := b.shop.returns(p)
		return atMost(len(b.shop.open)/partForWarmUp, next), next
	default:
		next := o.reads(p)
		return next, next
	}
}

// atMost returns the first n requests of a source.
func atMost(n int, next load.Source) load.Source {
	var taken atomic.Int64
	return func() (load.Request, bool) {
		if taken.Add(1) > int64(n) {
			return load.Request{}, false
		}
		return next()
	}
}

// findings are the measurements of one round, by operation and system.
type findings map[string]map[*process]*measurement

// round measures an operation, or the two that write, with every system. The systems begin in another order in each
// round. First all of them run at their peak, because that of the server decides at which rate the latencies are
// measured.
func (b *bench) round(ctx context.Context, n int, ops []operation) error {
	found := findings{}
	for _, o := range ops {
		found[o.name] = map[*process]*measurement{}
	}
	turns := rotated(b.systems, n)
	for _, p := range turns {
		err := b.turn(ctx, p, ops, func(o operation) (err error) {
			found[o.name][p], err = b.peak(ctx, o, p)
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := b.pgbenchPeaks(ctx, n, ops, found); err != nil {
		return err
	}
	for _, p := range turns {
		err := b.turn(ctx, p, ops, func(o operation) error {
			m := found[o.name][p]
			m.fixedRate = fixedRate(found[o.name][b.systems[0]].rate, m.rate)
			return b.latencies(ctx, o, p, m)
		})
		if err != nil {
			return err
		}
	}
	for name, each := range found {
		b.keep(name, each)
	}
	return nil
}

// turn measures operations with one system, and undoes what they wrote.
func (b *bench) turn(ctx context.Context, p *process, ops []operation, measure func(operation) error) error {
	for _, o := range ops {
		if err := measure(o); err != nil {
			return fmt.Errorf("%s, %s: %w", o.name, p.name, err)
		}
	}
	if ops[0].targets == nil {
		return b.shop.reset(ctx)
	}
	return nil
}

// keep adds the measurements of a round to the results.
func (b *bench) keep(operation string, found map[*process]*measurement) {
	if b.results[operation] == nil {
		b.results[operation] = map[*process][]measurement{}
	}
	for p, m := range found {
		b.results[operation][p] = append(b.results[operation][p], *m)
	}
}

func rotated(systems []*process, n int) []*process {
	n %= len(systems)
	return slices.Concat(systems[n:], systems[:n])
}

// fixedRate returns the rate for a system: that for all of them, unless this one cannot keep up.
func fixedRate(serverPeak, peak float64) float64 {
	if rate := partOfPeak * serverPeak; rate <= tooMuch*peak {
		return rate
	}
	return partOfPeak * peak
}

// peak measures a closed loop.
func (b *bench) peak(ctx context.Context, o operation, p *process) (*measurement, error) {
	clients, err := load.Dial(ctx, p.address, clientCount)
	if err != nil {
		return nil, err
	}
	defer clients.Close()
	warmUp, next := b.sources(o, p)
	if _, err := clients.Closed(b.warmUp, warmUp); err != nil {
		return nil, err
	}
	before, err := b.used(ctx, p)
	if err != nil {
		return nil, err
	}
	result, err := clients.Closed(b.window, next)
	if err != nil {
		return nil, err
	}
	after, err := b.used(ctx, p)
	if err != nil {
		return nil, err
	}
	count := float64(len(result.Latencies))
	if count == 0 {
		return nil, errNothing
	}
	m := &measurement{
		rate:        result.Rate(),
		cpu:         milliseconds(after.cpu-before.cpu) / count,
		postgresCPU: milliseconds(after.postgres-before.postgres) / count,
		allocations: float64(after.allocations-before.allocations) / count,
	}
	if !after.cpuKnown {
		m.cpu, m.postgresCPU = math.NaN(), math.NaN()
	}
	if p.kind == server {
		m.allocations = b.allocationsOf(o)
	}
	return m, nil
}

// latencies measures at the fixed rate.
func (b *bench) latencies(ctx context.Context, o operation, p *process, m *measurement) error {
	clients, err := load.Dial(ctx, p.address, openCount)
	if err != nil {
		return err
	}
	defer clients.Close()
	warmUp, next := b.sources(o, p)
	if _, err := clients.Open(m.fixedRate, b.warmUp, warmUp); err != nil {
		return err
	}
	result, err := clients.Open(m.fixedRate, b.fixedWindow, next)
	if err != nil {
		return err
	}
	if len(result.Latencies) == 0 {
		return errNothing
	}
	m.p50, m.p99 = milliseconds(result.Quantile(0.5)), milliseconds(result.Quantile(0.99))
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// use is what a system has used so far.
type use struct {
	cpu, postgres time.Duration
	cpuKnown      bool
	allocations   uint64
}

func (b *bench) used(ctx context.Context, p *process) (u use, err error) {
	if u.allocations, err = p.allocations(ctx); err != nil {
		return u, err
	}
	if u.postgres, err = b.db.cpu(ctx); err != nil {
		return u, err
	}
	u.cpu, u.cpuKnown = processTime(p.cmd.Process.Pid)
	return u, nil
}

// spread is the median of some values, with the smallest and the largest.
type spread struct{ median, least, most float64 }

func spreadOf(values []float64) spread {
	sorted := slices.Sorted(slices.Values(values))
	if len(sorted) == 0 {
		return spread{math.NaN(), math.NaN(), math.NaN()}
	}
	middle := sorted[len(sorted)/2]
	if len(sorted)%2 == 0 {
		middle = (middle + sorted[len(sorted)/2-1]) / 2
	}
	return spread{middle, sorted[0], sorted[len(sorted)-1]}
}
