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
	held := make([]byte, 64<<20*runtime.GOMAXPROCS(0))
	awaitPercent(t, minPercent, minPercent)
	runtime.KeepAlive(held)
	awaitPercent(t, defaultPercent+1, maxPercent)
}

func TestPercentFor(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		used       uint64 // in MiB
		processors int
		want       int
	}{
		{0, 2, maxPercent},
		{4, 2, maxPercent},
		{8, 2, 150},
		{12, 2, 66},
		{16, 2, 50},
		{16, 4, 150},
		{100, 2, minPercent},
		{100, 16, 64},
	} {
		if got := percentFor(row.used<<20, row.processors); got != row.want {
			t.Errorf("%d MiB in use, %d processors: GOGC is %d, want %d", row.used, row.processors, got, row.want)
		}
	}
}

// The operator's own value of GOGC stays as it is.
func TestLimitGarbageOfOperator(t *testing.T) {
	t.Setenv("GOGC", "75")
	before := percent()
	end := limitGarbage()
	held := make([]byte, 64<<20*runtime.GOMAXPROCS(0))
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
