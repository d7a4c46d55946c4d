// Command bench compares the server with small hand-written servers and with PostgreSQL alone, side by side on one
// machine:
//
//	go run ./server/bench                                       # everything, which takes some 12 minutes
//	go run ./server/bench -operations films,film -rounds 3      # a part of it
//	go run ./server/bench -server bin/new,bin/old -against ""   # two builds of the server
//
// It starts a private PostgreSQL with Pagila, the server as users run it, and the twins (see package twin). Everything
// takes turns in each round. Only ratios within a round mean anything: the report has their median and their range.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"example.com/pagila-api/server/bench/twin"
)

// The kinds of twins.
const (
	equal = twin.Equal
	naive = twin.Naive
)

// partForLoad is the part of the cores that the load may use: one of so many.
const partForLoad = 4

// options are the flags.
type options struct {
	servers, operations, against []string
	rounds                       int
	warmUp, window, fixedWindow  time.Duration
	output, costs                string
	twin                         string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case interrupted: // the other errors are its consequences
		fmt.Fprintln(os.Stderr, "bench: interrupted")
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.twin != "" {
		return serveTwin(ctx, o.twin, os.Stdin, os.Stdout)
	}
	// The load needs little. More processors would take time from the systems, because Go's scheduler spins for a while
	// before it lets an idle one sleep.
	runtime.GOMAXPROCS(max(1, runtime.NumCPU()/partForLoad))
	return compareSystems(ctx, o, os.Stdout, func(step string) { fmt.Fprintln(os.Stderr, "  "+step) })
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	list := func(target *[]string, name, value, usage string) {
		*target = split(value)
		flags.Func(name, usage+", separated by commas (default "+value+")", func(value string) error { *target = split(value); return nil })
	}
	list(&o.servers, "server", "bin/pagila-api", "builds of the server; the first is compared with the others")
	list(&o.operations, "operations", strings.Join(operationNames, ","), "what clients do")
	list(&o.against, "against", "equal,naive,pgbench", "what the server is compared with")
	flags.IntVar(&o.rounds, "rounds", 5, "number of rounds")
	flags.DurationVar(&o.warmUp, "warm-up", 300*time.Millisecond, "time before each measurement")
	flags.DurationVar(&o.window, "window", 1500*time.Millisecond, "length of a measurement of the peak")
	flags.DurationVar(&o.fixedWindow, "fixed-window", 4*time.Second, "length of a measurement at a fixed rate")
	flags.StringVar(&o.output, "output", "", "file for the report; it is printed in any case")
	flags.StringVar(&o.costs, "costs", "", "table of make bench-check, which has the server's allocations")
	flags.StringVar(&o.twin, "twin", "", "run as a twin; for the benchmark itself")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	for _, name := range o.operations {
		if !slices.Contains(operationNames, name) {
			return o, fmt.Errorf("there is no operation %q: choose from %s", name, strings.Join(operationNames, ", "))
		}
	}
	for _, name := range o.against {
		if !slices.Contains([]string{equal, naive, pgbench}, name) {
			return o, fmt.Errorf("the server cannot be compared with %q", name)
		}
	}
	if len(o.servers) == 0 || len(o.operations) == 0 || o.rounds < 1 {
		return o, errors.New("name a server, an operation and a number of rounds")
	}
	return o, nil
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

// compareSystems runs the benchmark and writes the report.
func compareSystems(ctx context.Context, o options, w io.Writer, progress func(string)) (err error) {
	dir, err := os.MkdirTemp("", "pagila-api-log-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	db, err := openDatabase(ctx, progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	shop, err := openShop(ctx, db)
	if err != nil {
		return err
	}
	progress("recording what the server sends to PostgreSQL")
	ops, recording, err := record(ctx, o.servers[0], dir, db, shop)
	if err != nil {
		return err
	}
	b := &bench{
		db: db, shop: shop, recording: recording, warmUp: o.warmUp, window: o.window,
		fixedWindow: o.fixedWindow, progress: progress,
		results: map[string]map[*process][]measurement{},
	}
	defer func() {
		for _, p := range b.systems {
			err = errors.Join(err, p.stop())
		}
	}()
	if err := b.start(ctx, o, dir); err != nil {
		return err
	}
	progress("comparing the responses of the twins with those of the server")
	ops = chosen(ops, o.operations)
	for _, p := range b.systems {
		if p.kind == server {
			continue
		}
		if err := compare(ctx, ops, shop, b.systems[0], p); err != nil {
			return err
		}
	}
	if err := b.run(ctx, ops, o.rounds); err != nil {
		return err
	}
	return b.report(ops, o, w)
}

// start starts the systems.
func (b *bench) start(ctx context.Context, o options, dir string) (err error) {
	if o.costs != "" {
		if b.costs, err = readCosts(o.costs); err != nil {
			return err
		}
	}
	for i, binary := range o.servers {
		name := "server"
		if i > 0 {
			name = "server " + binary
		}
		p, err := startServer(ctx, name, binary, b.db.url, dir)
		if err != nil {
			return err
		}
		b.systems = append(b.systems, p)
	}
	for _, kind := range []string{equal, naive} {
		if !slices.Contains(o.against, kind) {
			continue
		}
		p, err := startTwin(ctx, kind, b.db.url, dir, b.recording)
		if err != nil {
			return err
		}
		b.systems = append(b.systems, p)
	}
	if slices.Contains(o.against, pgbench) {
		b.alone = findPgbench(b.db)
		if b.alone == nil {
			b.progress("pgbench is not installed: the report has no figures of PostgreSQL alone")
		}
	}
	return nil
}

// chosen returns the operations with these names. Those that write need each other.
func chosen(ops []operation, names []string) []operation {
	writes := slices.Contains(names, rent) || slices.Contains(names, giveBack)
	return slices.DeleteFunc(slices.Clone(ops), func(o operation) bool {
		if o.targets == nil {
			return !writes
		}
		return !slices.Contains(names, o.name)
	})
}

// run runs the rounds.
func (b *bench) run(ctx context.Context, ops []operation, rounds int) error {
	for n := range rounds {
		b.progress(fmt.Sprintf("round %d of %d", n+1, rounds))
		for i := 0; i < len(ops); i++ {
			together := ops[i : i+1]
			if ops[i].name == rent { // what is rented is then returned
				together = ops[i : i+2]
				i++
			}
			if err := b.round(ctx, n, together); err != nil {
				return err
			}
		}
	}
	return nil
}
