package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/pagila-api/store/pgtest"
)

// The benchmarks of /ai/ask run the program as a process of its own, between an upstream and clients:
//
//	go test -run '^$' -bench Ask -benchtime 3x ./server/cmd/pagila-api

// silentModel is a language model that begins an answer, and then waits for the client to disconnect.
type silentModel struct {
	left chan<- time.Time // receives the time when a stream ends; may be nil
}

func (m silentModel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if callsTool(w, r) {
		return
	}
	if m.left != nil {
		defer func() { m.left <- time.Now() }()
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for range heldChunks {
		_, _ = w.Write(appendChunk(nil, time.Now()))
	}
	if http.NewResponseController(w).Flush() == nil {
		<-r.Context().Done()
	}
}

// heldChunks is the number of chunks after which an answer is certain not to be a comment before a call of a tool.
const heldChunks = 16

// serveSilent serves the program in front of a silentModel.
func serveSilent(b *testing.B, m silentModel) (url string, s *served) {
	b.Helper()
	model := httptest.NewServer(m)
	b.Cleanup(model.Close)
	s = serveModel(b, model.URL)
	return s.url + askPath, s
}

// serveModel serves the program in front of a model, as users run it.
func serveModel(b *testing.B, url string) *served {
	b.Helper()
	return serveProgram(b, environment(b, "DATABASE_URL="+pgtest.New(b), "OPENAI_BASE_URL="+url,
		"LLM_RATE_LIMIT=0", "LLM_MAX_CALLS=0", "LOG_LEVEL=error", "CHECK_RESPONSES=false"))
}

const askPath = "/ai/ask?question=Hello"

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

// way is a way from the upstream to the clients.
type way struct {
	name   string
	url    string
	pid    int // of the process in between, or 0
	delays []time.Duration
	cpu    time.Duration
}

// BenchmarkAskLatency measures the delay of a chunk on its way from the upstream, with 200 streams of 50 chunks a
// second each: directly, through a reverse proxy of net/http, and through the server, in turns. What the reverse
// proxy adds is what Go's HTTP client and server, and another process on the same cores, add at least.
func BenchmarkAskLatency(b *testing.B) {
	model := startRole(b, asUpstream, "GOGC=off") // its pauses would delay the chunks of all three
	proxy := startRole(b, asProxy, proxyTarget+"="+model.url)
	server := serveModel(b, model.url)
	ways := []*way{
		{name: "direct", url: model.url},
		{name: "proxy", url: proxy.url, pid: proxy.pid},
		{name: "server", url: server.url + askPath, pid: server.cmd.Process.Pid},
	}
	client := newClient(b)
	for b.Loop() {
		for _, w := range ways {
			w.measure(b, client)
		}
	}
	for _, q := range []struct {
		name string
		at   float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		for _, w := range ways {
			slices.Sort(w.delays)
			b.ReportMetric(w.quantile(q.at), q.name+"-"+w.name+"-ms")
		}
	}
	for _, w := range ways[1:] {
		b.ReportMetric(float64(w.cpu.Nanoseconds())/1000/float64(len(w.delays)), "cpu-"+w.name+"-µs/chunk")
	}
}

func (w *way) quantile(q float64) float64 {
	return float64(w.delays[int(q*float64(len(w.delays)-1))].Microseconds()) / 1000
}

// measure opens all streams, and adds the delays of the chunks that are sent within a second.
func (w *way) measure(b *testing.B, client *http.Client) {
	b.Helper()
	// Each stream begins with searches, and its first text is held back. None of that is measured.
	const warmUp, window, chunks = time.Second, time.Second, int(time.Second / streamInterval)
	type arrival struct {
		sent  time.Time
		delay time.Duration
	}
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a pause of the clients is not a delay of the server
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	var open, done sync.WaitGroup
	open.Add(benchStreams)
	arrivals := make([][]arrival, benchStreams)
	for i := range arrivals {
		arrivals[i] = make([]arrival, 0, 16*chunks)
		done.Go(func() {
			begun := sync.OnceFunc(open.Done)
			defer begun()
			err := stream(ctx, client, w.url, func(sent time.Time) {
				arrivals[i] = append(arrivals[i], arrival{sent, time.Since(sent)})
				begun()
			})
			if ctx.Err() == nil {
				b.Errorf("the stream ended: %v", err)
			}
		})
	}
	open.Wait()
	<-time.After(warmUp)
	begin, cpu := time.Now(), cpuTime(b, w.pid)
	<-time.After(window)
	end := time.Now()
	w.cpu += cpuTime(b, w.pid) - cpu
	<-time.After(warmUp) // until the last of them have arrived
	cancel()
	done.Wait()
	before := len(w.delays)
	for _, a := range slices.Concat(arrivals...) {
		if a.sent.After(begin) && a.sent.Before(end) {
			w.delays = append(w.delays, a.delay)
		}
	}
	if n, want := len(w.delays)-before, benchStreams*chunks; n < want*95/100 {
		b.Fatalf("%d chunks arrived, want about %d", n, want)
	}
}

// BenchmarkAskIdleStreams measures the resident memory of an open, silent stream, with 2,000 of them at once: through
// a reverse proxy of net/http, and through the server, in turns. The memory is read when the last stream has opened. So
// it includes the garbage of opening the streams, up to the next collection, and for the server the results of a search,
// which the model may still need. Each turn is a new process, since a process keeps the memory of ended streams.
func BenchmarkAskIdleStreams(b *testing.B) {
	model := httptest.NewServer(silentModel{})
	b.Cleanup(model.Close)
	var proxied, served int64
	for b.Loop() {
		proxy := startRole(b, asProxy, proxyTarget+"="+model.URL)
		proxied += idleStreamMemory(b, proxy.url, proxy.pid)
		server := serveModel(b, model.URL)
		served += idleStreamMemory(b, server.url+askPath, server.cmd.Process.Pid)
	}
	b.ReportMetric(float64(proxied)/float64(b.N)/1024, "proxy-KiB/stream")
	b.ReportMetric(float64(served)/float64(b.N)/1024, "server-KiB/stream")
}

// idleStreamMemory returns by how many bytes each stream increases a process.
func idleStreamMemory(b *testing.B, url string, pid int) int64 {
	b.Helper()
	const streams, atOnce = 2000, 16 // each of them searches the database first
	ctx, cancel := context.WithCancel(b.Context())
	client := newClient(b)
	var done sync.WaitGroup
	open := func(n int) {
		var opened sync.WaitGroup
		opened.Add(n)
		opening := make(chan struct{}, atOnce)
		for range n {
			opening <- struct{}{}
			done.Go(func() {
				begun := sync.OnceFunc(func() { <-opening; opened.Done() })
				defer begun()
				err := stream(ctx, client, url, func(time.Time) { begun() })
				if ctx.Err() == nil {
					b.Errorf("the stream ended: %v", err)
				}
			})
		}
		opened.Wait()
	}
	open(atOnce) // what a process needs once, such as the connections to the database, does not count
	before := residentMemory(b, pid)
	open(streams)
	after := residentMemory(b, pid)
	cancel()
	done.Wait()
	return (after - before) / streams
}

// BenchmarkAskClientLeaves measures the time between the disconnection of a client and the end of the
// upstream's stream.
func BenchmarkAskClientLeaves(b *testing.B) {
	left := make(chan time.Time, 1)
	through, _ := serveSilent(b, silentModel{left: left})
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

// cpuTime returns the CPU time that a process has used, or 0 for no process.
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	if pid == 0 {
		return 0
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Skip("reads a process's CPU time as Linux shows it: ", err)
	}
	const utime, stime, tick = 11, 12, 10 * time.Millisecond // from the state on, the third field of proc(5)
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, err1 := strconv.Atoi(fields[utime])
	system, err2 := strconv.Atoi(fields[stime])
	if err := errors.Join(err1, err2); err != nil {
		b.Fatal(err)
	}
	return time.Duration(user+system) * tick
}
