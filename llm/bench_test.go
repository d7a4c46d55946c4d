package llm_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"example.com/pagila-api/llm"
)

// BenchmarkLongAnswer streams answers in pieces of ten bytes. The time and the memory for a byte
// have to be the same for a long answer as for a short one.
func BenchmarkLongAnswer(b *testing.B) {
	component, err := summaryComponent()
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("%d_bytes", size), func(b *testing.B) {
			body := strings.Repeat(delta("ten bytes."), size/10) + finish("stop") + done
			c, err := llm.New(llm.Config{
				Provider: "openai", BaseURL: "http://upstream.test", Summary: component, MaxBytes: int64(len(body)),
				HTTPClient: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
					return stream(strings.NewReader(body)), nil
				})},
			})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				got := 0
				_, err := c.Ask(b.Context(), llm.NewQuestion("?", nil), func(piece string) error {
					got += len(piece)
					return nil
				})
				if err != nil || got != size {
					b.Fatalf("%d bytes, %v", got, err)
				}
			}
		})
	}
}

// benchClient is a client whose upstream has no socket: what is measured is ours.
func benchClient(tb testing.TB, answer func(*http.Request) io.Reader) *llm.Client {
	tb.Helper()
	component, err := summaryComponent()
	if err != nil {
		tb.Fatal(err)
	}
	c, err := llm.New(llm.Config{Provider: "openai", BaseURL: "http://upstream.test", Summary: component, HTTPClient: &http.Client{
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) { return stream(answer(r)), nil }),
	}})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// BenchmarkChunk is what one piece of an answer costs from the upstream's bytes to the caller.
func BenchmarkChunk(b *testing.B) {
	const pieces = 1000
	body := strings.Repeat(delta("word "), pieces) + finish("stop") + done
	c := benchClient(b, func(*http.Request) io.Reader { return strings.NewReader(body) })
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Ask(b.Context(), llm.NewQuestion("?", nil), func(string) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*pieces), "ns/chunk")
}

// BenchmarkIdleStream is the memory of a stream that waits for its next piece.
func BenchmarkIdleStream(b *testing.B) {
	const streams = 1000
	for b.Loop() {
		before := memory()
		ctx, cancel := context.WithCancel(b.Context())
		open, ended := openStreams(ctx, b, streams)
		for range streams {
			<-open
		}
		b.ReportMetric(float64(memory()-before)/streams, "B/stream")
		cancel()
		for range streams {
			<-ended
		}
	}
}

// wholeCatalogue has as many films as Pagila, with as many names.
func wholeCatalogue() []llm.Film {
	films := make([]llm.Film, 1000)
	for i := range films {
		films[i] = film()
		films[i].ID, films[i].Title = int32(i+1), fmt.Sprintf("TITLE%d NUMBER%d", i, i%7)
		films[i].Description = strings.Repeat(films[i].Title+" ", 10)
		films[i].Actors = nil
		for j := range 5 {
			films[i].Actors = append(films[i].Actors, fmt.Sprintf("FIRST%d LAST%d", (i+j*j)%200, (i+j*j)%200))
		}
	}
	return films
}

// BenchmarkNewQuestion prepares a question that every film may answer.
func BenchmarkNewQuestion(b *testing.B) {
	films := wholeCatalogue()
	b.ReportAllocs()
	for b.Loop() {
		if len(llm.NewQuestion("Why are short PG comedies under 1 dollar so funny?", films).Sources()) != 8 {
			b.Fatal("not eight films")
		}
	}
}

// TestQuestionKeepsLittle shows that a stream does not hold the catalogue in memory as long as it
// lasts. It is not parallel, since it measures the memory of the whole program.
func TestQuestionKeepsLittle(t *testing.T) {
	const limit = 100 << 10
	questions := make([]llm.Question, 10)
	before := memory()
	for i := range questions {
		questions[i] = llm.NewQuestion("Which PG films are short?", wholeCatalogue())
	}
	if each := (memory() - before) / int64(len(questions)); each > limit {
		t.Errorf("a question keeps %d bytes, want %d at most", each, limit)
	}
	runtime.KeepAlive(questions)
}

// memory is what the program's heap and stacks take.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// openStreams opens streams that send one piece and then nothing, until the context ends.
func openStreams(ctx context.Context, tb testing.TB, n int) (open <-chan struct{}, ended <-chan error) {
	tb.Helper()
	c := benchClient(tb, func(r *http.Request) io.Reader {
		return io.MultiReader(strings.NewReader(delta("He")), reader(func([]byte) (int, error) {
			<-r.Context().Done()
			return 0, r.Context().Err()
		}))
	})
	opened, end := make(chan struct{}, n), make(chan error, n)
	for range n {
		go func() {
			_, err := c.Ask(ctx, llm.NewQuestion("?", []llm.Film{film()}), func(string) error {
				opened <- struct{}{}
				return nil
			})
			end <- err
		}()
	}
	return opened, end
}

// BenchmarkAbortedStreams aborts 10,000 streams at each turn and wants all their goroutines gone.
func BenchmarkAbortedStreams(b *testing.B) {
	for b.Loop() {
		abortStreams(b, 10_000)
	}
}

// TestAbortedStreams is the same with fewer, at each run of the tests. It is not parallel, since it
// counts the goroutines of the whole program.
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
			tb.Fatal("an aborted stream is a success")
		}
	}
	// A goroutine that has done its last deed may still be on its way out.
	for limit := time.Now().Add(30 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(limit) {
			tb.Fatalf("%d goroutines are left", runtime.NumGoroutine()-before)
		}
	}
}
