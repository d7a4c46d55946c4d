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
	// enoughGarbage is the garbage in bytes from which a collection is rare enough. A server without streams never
	// has as much in use, so for it this changes nothing.
	enoughGarbage = 16 << 20
	// minPercent bounds how often a large heap is collected. At 15 a collection comes almost seven times as often as by
	// default.
	minPercent = 15
)

// limitGarbage keeps the garbage of a server with many open streams small. What they hold stays in use for minutes,
// and they allocate almost nothing while they wait. By default Go would reserve the same amount again for garbage. The
// function that it returns ends this. A value of GOGC in the environment has priority.
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
	if percent := percentFor(inUse()); percent != g.percent {
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
func percentFor(used uint64) int {
	return int(min(max(defaultPercent*enoughGarbage/max(used, 1), minPercent), defaultPercent))
}

// inUse returns the bytes that GOGC refers to: those of objects and stacks which the last collection found in use.
func inUse() uint64 {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64() + samples[1].Value.Uint64()
}
