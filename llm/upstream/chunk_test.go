package upstream_test

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// A chunk takes few allocations. Garbage collection is what delays the chunks of many streams at once. The test is not
// parallel, because it counts the allocations of the whole program.
func TestAllocationsOfChunk(t *testing.T) {
	const few, many, limit = 100, 1100, 8 // it takes 6
	count := func(chunks int) uint64 {
		body := strings.Repeat(delta("word "), chunks) + finish("stop") + done
		c := benchModel(t, func(*http.Request) io.Reader { return strings.NewReader(body) })
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := generate(t.Context(), c, func(string) error { return nil }); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.Mallocs - before.Mallocs
	}
	count(few) // what is allocated once
	if n := (int64(count(many)) - int64(count(few))) / (many - few); n > limit {
		t.Errorf("a chunk takes %d allocations, want at most %d", n, limit)
	}
}
