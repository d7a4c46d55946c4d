package upstreamtest

import "runtime"

// Memory is the size of the program's heap and stacks after a garbage collection.
func Memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse) //nolint:gosec // no heap overflows this
}
