package upstream_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"example.com/pagila-api/llm/upstream"
	"example.com/pagila-api/llm/upstream/upstreamtest"
)

// Time and memory per byte have to be the same for long and short answers. The chunks have ten bytes.
func BenchmarkLongAnswer(b *testing.B) {
	for _, size := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("%d_bytes", size), func(b *testing.B) {
			body := strings.Repeat(delta("ten bytes."), size/10) + finish("stop") + done
			c := newModel(b, upstream.Config{
				Provider: "openai", BaseURL: "http://upstream.test", MaxBytes: int64(len(body)),
				HTTPClient: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
					return stream(strings.NewReader(body)), nil
				})},
			})
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				got := 0
				_, err := generate(b.Context(), c, func(chunk string) error {
					got += len(chunk)
					return nil
				})
				if err != nil || got != size {
					b.Fatalf("%d bytes, %v", got, err)
				}
			}
		})
	}
}

// benchModel is a model whose upstream has no socket, so that only our own work is measured.
func benchModel(tb testing.TB, answer func(*http.Request) io.Reader) *upstream.Model {
	tb.Helper()
	return newModel(tb, upstream.Config{Provider: "openai", BaseURL: "http://upstream.test", HTTPClient: upstreamtest.Client(func(r *http.Request) (*http.Response, error) {
		return stream(answer(r)), nil
	})})
}

// BenchmarkChunk measures the cost of one chunk of an answer, from the upstream's bytes to the caller.
func BenchmarkChunk(b *testing.B) {
	const chunks = 1000
	body := strings.Repeat(delta("word "), chunks) + finish("stop") + done
	c := benchModel(b, func(*http.Request) io.Reader { return strings.NewReader(body) })
	b.ReportAllocs()
	for b.Loop() {
		if _, err := generate(b.Context(), c, func(string) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*chunks), "ns/chunk")
}

// BenchmarkCallFragments measures a call whose arguments arrive in chunks of ten bytes.
func BenchmarkCallFragments(b *testing.B) {
	arguments := strings.Repeat(callsPart(moreArguments(0, "ten bytes.")), 1000)
	body := callsPart(headGalaxy) + callsPart(moreArguments(0, `{"q":"`)) + arguments + callsPart(moreArguments(0, `"}`)) + callsEnd
	c := benchModel(b, func(*http.Request) io.Reader { return strings.NewReader(body) })
	b.ReportAllocs()
	for b.Loop() {
		if _, answer, err := askWithTools(b.Context(), c); err != nil || len(answer.Calls) != 1 {
			b.Fatal(err)
		}
	}
}

// BenchmarkIdleStream measures the memory of a stream that waits for its next chunk.
func BenchmarkIdleStream(b *testing.B) {
	const streams = 1000
	for b.Loop() {
		before := upstreamtest.Memory()
		ctx, cancel := context.WithCancel(b.Context())
		open, ended := openStreams(ctx, b, streams)
		for range streams {
			<-open
		}
		b.ReportMetric(float64(upstreamtest.Memory()-before)/streams, "B/stream")
		cancel()
		for range streams {
			<-ended
		}
	}
}

// openStreams opens streams that send one chunk and then nothing until the context ends.
func openStreams(ctx context.Context, tb testing.TB, n int) (open <-chan struct{}, ended <-chan error) {
	tb.Helper()
	c := benchModel(tb, func(r *http.Request) io.Reader {
		return io.MultiReader(strings.NewReader(delta("He")), reader(func([]byte) (int, error) {
			<-r.Context().Done()
			return 0, r.Context().Err()
		}))
	})
	opened, end := make(chan struct{}, n), make(chan error, n)
	for range n {
		go func() {
			_, err := generate(ctx, c, func(string) error {
				opened <- struct{}{}
				return nil
			})
			end <- err
		}()
	}
	return opened, end
}

// BenchmarkAbortedStreams aborts 10,000 streams per iteration and waits for all their goroutines to end.
func BenchmarkAbortedStreams(b *testing.B) {
	for b.Loop() {
		abortStreams(b, 10_000)
	}
}

// Aborted streams leave no goroutines. The test is not parallel, because it counts the goroutines of the
// whole program.
func TestAbortedStreams(t *testing.T) { abortStreams(t, 500) }

func abortStreams(tb testing.TB, n int) {
	tb.Helper()
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(context.Background())
	open, ended := openStreams(ctx, tb, n)
	for range n {
		<-open
	}
	cancel()
	for range n {
		if err := <-ended; err == nil {
			tb.Fatal("an aborted stream was a success")
		}
	}
	// A goroutine may take a moment to end after its last operation.
	for limit := time.Now().Add(30 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(limit) {
			tb.Fatalf("%d goroutines are left", runtime.NumGoroutine()-before)
		}
	}
}
