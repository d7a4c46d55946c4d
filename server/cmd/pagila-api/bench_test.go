package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/pagila-api/store/pgtest"
)

// The benchmarks of /ai/ask run the program as a process of its own, between an upstream and
// clients in this one:
//
//	go test -run '^$' -bench Ask -benchtime 5x ./server/cmd/pagila-api

// modelServer is a language model with OpenAI's protocol. At each interval it writes a chunk that contains the
// time. After the last chunk it waits for the client to disconnect if hangs is set.
type modelServer struct {
	interval time.Duration
	chunks   int
	hangs    bool
	left     chan<- time.Time // receives the time when a stream ends; may be nil
}

func (u modelServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if u.left != nil {
		defer func() { u.left <- time.Now() }()
	}
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	tick := time.NewTicker(u.interval)
	defer tick.Stop()
	for range u.chunks {
		fmt.Fprintf(w, `data: {"choices":[{"index":0,"delta":{"content":"%d "}}]}`+"\n\n", time.Now().UnixNano())
		if control.Flush() != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
	if u.hangs {
		<-r.Context().Done()
		return
	}
	fmt.Fprint(w, `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
}

// serveUpstream serves u and the program in front of it.
func serveUpstream(b *testing.B, u modelServer) (direct, through string, s *served) {
	b.Helper()
	model := httptest.NewServer(u)
	b.Cleanup(model.Close)
	s = serveProgram(b, environment(b, "DATABASE_URL="+pgtest.New(b), "OPENAI_BASE_URL="+model.URL,
		"LLM_RATE_LIMIT=0", "LLM_MAX_CALLS=0", "LOG_LEVEL=error",
		"CHECK_RESPONSES=false")) // as users run it
	return model.URL + "/chat/completions", s.url + "/ai/ask?question=Hello", s
}

// stream reads a stream and calls chunk for each timestamp in it.
func stream(ctx context.Context, client *http.Client, url string, chunk func(sent time.Time)) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	// A timestamp consists of digits and ends with a space, both in the upstream's events and in plain text.
	in := bufio.NewReader(response.Body)
	for {
		text, err := in.ReadString(' ')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		digits := text[strings.LastIndexAny(text, "\"\n}")+1 : len(text)-1]
		if nanos, err := strconv.ParseInt(digits, 10, 64); err == nil {
			chunk(time.Unix(0, nanos))
		}
	}
}

// newClient returns a client without a limit of connections.
func newClient(b *testing.B) *http.Client {
	b.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 4096, DialContext: (&net.Dialer{}).DialContext}
	b.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// BenchmarkAskLatency measures the latency that the server adds to a chunk, with 200 streams of 50 chunks per
// second each. Rounds with and without the server alternate.
func BenchmarkAskLatency(b *testing.B) {
	// The warm-up is not measured: 200 streams begin at once, each with a search of the catalogue.
	const streams, chunks, warmUp = 200, 150, 50
	direct, through, _ := serveUpstream(b, modelServer{interval: 20 * time.Millisecond, chunks: chunks})
	client := newClient(b)
	round := func(url string) []time.Duration {
		var (
			wg  sync.WaitGroup
			mu  sync.Mutex
			all []time.Duration
		)
		ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
		defer cancel()
		for i := range streams {
			wg.Go(func() {
				select { // the requests of real clients are spread too
				case <-time.After(time.Duration(i) * 20 * time.Millisecond / streams):
				case <-ctx.Done():
				}
				delays := make([]time.Duration, 0, chunks)
				if err := stream(ctx, client, url, func(sent time.Time) { delays = append(delays, time.Since(sent)) }); err != nil {
					b.Error(err)
				}
				delays = delays[min(warmUp, len(delays)):]
				mu.Lock()
				all = append(all, delays...)
				mu.Unlock()
			})
		}
		wg.Wait()
		if len(all) != streams*(chunks-warmUp) {
			b.Fatalf("%d chunks arrived, want %d", len(all), streams*(chunks-warmUp))
		}
		return all
	}
	var past, via []time.Duration
	for b.Loop() {
		past = append(past, round(direct)...)
		via = append(via, round(through)...)
	}
	quantile := func(d []time.Duration, q float64) float64 {
		return float64(d[int(q*float64(len(d)-1))].Microseconds()) / 1000
	}
	slices.Sort(past)
	slices.Sort(via)
	for _, q := range []struct {
		name string
		at   float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		b.ReportMetric(quantile(past, q.at), q.name+"-direct-ms")
		b.ReportMetric(quantile(via, q.at), q.name+"-server-ms")
		b.ReportMetric(quantile(via, q.at)-quantile(past, q.at), q.name+"-added-ms")
	}
}

// BenchmarkAskIdleStreams measures the resident memory of an open, silent stream, with 2,000 of them at once.
// Most of it belongs to libraries: Go's HTTP server and langchaingo's adapter alone took 82 to 84 KiB (Go
// 1.26, amd64), for five goroutines and their buffers.
func BenchmarkAskIdleStreams(b *testing.B) {
	const streams = 2000
	_, through, s := serveUpstream(b, modelServer{interval: time.Nanosecond, chunks: 1, hangs: true})
	client := newClient(b)
	before := residentMemory(b, s.cmd.Process.Pid) // only once: the process reuses the memory of ended streams
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		var open, done sync.WaitGroup
		open.Add(streams)
		for range streams {
			done.Go(func() {
				first := sync.OnceFunc(open.Done)
				defer first()
				err := stream(ctx, client, through, func(time.Time) { first() })
				if ctx.Err() == nil {
					b.Errorf("the stream ended: %v", err)
				}
			})
		}
		open.Wait()
		b.ReportMetric(float64(residentMemory(b, s.cmd.Process.Pid)-before)/streams/1024, "KiB/stream")
		cancel()
		done.Wait()
	}
}

// BenchmarkAskClientLeaves measures the time between the disconnection of a client and the end of the
// upstream's stream.
func BenchmarkAskClientLeaves(b *testing.B) {
	left := make(chan time.Time, 1)
	_, through, _ := serveUpstream(b, modelServer{interval: time.Nanosecond, chunks: 1, hangs: true, left: left})
	client := newClient(b)
	var delays []time.Duration
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		var gone time.Time
		_ = stream(ctx, client, through, func(time.Time) { // the error is that ctx was canceled
			gone = time.Now()
			cancel()
		})
		delays = append(delays, (<-left).Sub(gone))
		cancel()
	}
	slices.Sort(delays)
	b.ReportMetric(float64(delays[len(delays)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(delays[len(delays)-1].Microseconds())/1000, "max-ms")
}

// residentMemory returns the resident memory of a process in bytes.
func residentMemory(b *testing.B, pid int) int64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Skip("reads a process's memory as Linux shows it: ", err)
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmRSS:" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return kib << 10
		}
	}
	b.Fatalf("no VmRSS: %s", status)
	return 0
}
