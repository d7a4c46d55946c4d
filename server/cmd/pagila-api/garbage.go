package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

const (
	// defaultPercent is Go's default of GOGC: a collection begins when the garbage is as large as what is in use.
	defaultPercent = 100
	// heapGoal is the size of the heap, in bytes for each processor, at which a collection begins if little is in use.
	heapGoal = 10 << 20
	// leastGarbage is the garbage, in bytes for each processor, that is left alone if much is in use. Collections come
	// as often on a large machine as on a small one, because its processors produce more garbage.
	leastGarbage = 4 << 20
	// minPercent and maxPercent bound GOGC. At 15 a collection comes almost seven times as often as by default.
	minPercent, maxPercent = 15, 400
)

// limitGarbage adapts GOGC to the server. By default the garbage may become as large as what is in use. That is little
// in a server without streams: it would collect garbage ten times a second under load, and each time delay its requests.
// It is much in a server with thousands of open streams, which hold memory for minutes and allocate almost nothing while
// they wait. The function that it returns ends this. A value of GOGC in the environment has priority.
func limitGarbage() (end func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	g := &garbage{percent: defaultPercent}
	g.await()
	return g.end
}

// garbage adjusts GOGC after each collection.
type garbage struct {
	mu      sync.Mutex
	percent int // GOGC now
	ended   bool
}

// await waits for the end of the next collection, which finds an object that nothing refers to.
func (g *garbage) await() {
	type object struct{ garbage *garbage }
	runtime.SetFinalizer(&object{g}, func(o *object) { o.garbage.adjust() })
}

// adjust sets GOGC for what the last collection has found in use.
func (g *garbage) adjust() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return
	}
	if percent := percentFor(inUse(), runtime.GOMAXPROCS(0)); percent != g.percent {
		g.percent = percent
		debug.SetGCPercent(percent) // stops the program for some microseconds
	}
	g.await()
}

// end sets GOGC to the default.
func (g *garbage) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	debug.SetGCPercent(defaultPercent)
}

// percentFor returns GOGC for a number of bytes in use.
func percentFor(used uint64, processors int) int {
	used, n := max(used, 1), uint64(processors) //nolint:gosec // GOMAXPROCS is at least 1
	garbage := max(n*heapGoal, used+n*leastGarbage) - used
	return int(min(max(100*garbage/used, minPercent), maxPercent))
}

// inUse returns the bytes that GOGC refers to: those of objects and stacks which the last collection found in use.
func inUse() uint64 {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64() + samples[1].Value.Uint64()
}
