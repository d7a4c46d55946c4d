package main

import (
	"runtime"
	"runtime/metrics"
	"testing"
)

func TestLimitGarbage(t *testing.T) { //nolint:paralleltest // GOGC is a setting of the whole process
	t.Setenv("GOGC", "")
	end := limitGarbage()
	defer end()
	held := make([]byte, 8*enoughGarbage)
	awaitPercent(t, minPercent, minPercent)
	runtime.KeepAlive(held)
	held = make([]byte, 2*enoughGarbage)
	awaitPercent(t, minPercent+1, defaultPercent/2) // the test itself uses some memory, too
	runtime.KeepAlive(held)
	awaitPercent(t, defaultPercent, defaultPercent)
}

// The operator's own value of GOGC stays as it is.
func TestLimitGarbageOfOperator(t *testing.T) {
	t.Setenv("GOGC", "75")
	before := percent()
	end := limitGarbage()
	held := make([]byte, 8*enoughGarbage)
	for range 3 {
		runtime.GC()
	}
	runtime.KeepAlive(held)
	if end(); percent() != before {
		t.Errorf("GOGC is %d, want %d", percent(), before)
	}
}

// awaitPercent collects garbage until GOGC is in this range. The finalizer that sets it runs some time after each
// collection.
func awaitPercent(t *testing.T, least, most uint64) {
	t.Helper()
	for p := percent(); p < least || p > most; p = percent() {
		runtime.GC()
	}
}

func percent() uint64 {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
