package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/server"
	"example.com/pagila-api/server/internal/contract"
	"example.com/pagila-api/store"
)

// held is a store whose films can be read only after the release. A lock in the database would not do, because a call
// waits for one for a limited time.
type held struct {
	server.Store
	released chan struct{}
}

// holdFilms makes a server wait until release is called, or the request ends, whenever it reads films.
func holdFilms() (hold func(*server.Deps), release func()) {
	released := make(chan struct{})
	return func(d *server.Deps) { d.Store = held{d.Store, released} }, func() { close(released) }
}

func (h held) Films(ctx context.Context, q store.FilmQuery) (store.Page[store.Film], error) {
	h.wait(ctx)
	return h.Store.Films(ctx, q)
}

func (h held) Film(ctx context.Context, id int32) (store.FilmDetail, error) {
	h.wait(ctx)
	return h.Store.Film(ctx, id)
}

func (h held) wait(ctx context.Context) {
	select {
	case <-h.released:
	case <-ctx.Done():
	}
}

// inFlight waits until the given number of requests use the database.
func (a *testAPI) inFlight(t *testing.T, want int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d requests use the database", want), func() bool { return server.InFlight(a.server) == want })
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !is(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// The database does not respond, and the limit of requests that wait for it is reached. Every further request that
// needs the database is rejected at once. Requests that do not need it succeed.
func TestAdmission(t *testing.T) {
	t.Parallel()
	const limit = 5
	hold, release := holdFilms()
	a := start(t, withLimits(server.Limits{InFlight: limit}), withDocumentedCredentials, hold)
	var wg sync.WaitGroup
	for i := range limit {
		wg.Go(func() { a.get(t, fmt.Sprintf("/films?page=%d", i+1)).want(t, 200) })
	}
	a.inFlight(t, limit)

	const trace = "00-0af7651916cd43dd8448eb211c80319c-"
	wantBusy := func(path string, got *received) {
		t.Helper()
		p := got.wantProblem(t, 503, "server_busy")
		if path, _, _ := strings.Cut(path, "?"); !strings.HasPrefix(path, p.Instance) || p.Instance == "" || p.RequestID != "rejected-1" {
			t.Errorf("%s: instance %q, request_id %q", path, p.Instance, p.RequestID)
		}
		if h := got.header; h.Get("Retry-After") != "1" || h.Get("Cache-Control") != "no-store" ||
			!strings.HasPrefix(h.Get("traceparent"), trace) || !strings.HasSuffix(h.Get("traceparent"), "-00") {
			t.Errorf("%s: the headers are %v", path, h)
		}
	}
	for _, r := range exampleRequests(t, usesDatabase) {
		r = r.with("X-Request-ID", "rejected-1").with("traceparent", trace+"b7ad6b7169203331-00")
		wantBusy(r.target(), r.send(t, a))
		r.body = strings.Repeat(" ", 2<<20)
		if hasBody(r.Operation) {
			wantBusy(r.target(), r.send(t, a))
		}
	}
	for _, path := range []string{"/films?page=0", "/films/%22%3Cx%3E%5C%C3%A9&'", "/films/" + strings.Repeat("%C3%A9", 200)} {
		wantBusy(path, a.get(t, path, "X-Request-ID", "rejected-1", "traceparent", trace+"b7ad6b7169203331-00"))
	}
	head := a.call(t, http.MethodHead, "/films", "").want(t, 503)
	if len(head.header.Get("X-Request-ID")) != 16 || len(head.header.Get("traceparent")) != 55 || len(head.body) != 0 {
		t.Errorf("HEAD: the headers are %v, the body %q", head.header, head.body)
	}

	for _, r := range exampleRequests(t, func(op *contract.Operation) bool { return !usesDatabase(op) }) {
		r.send(t, a).want(t, 200)
	}
	for _, path := range []string{"/nowhere", "/films/", "//films", "/films/1/2", "/ai"} {
		a.get(t, path).want(t, 404)
	}
	a.call(t, http.MethodDelete, "/films", "").want(t, 405)
	a.get(t, "/ai/ask?question=x", "Last-Event-ID", "1").want(t, 204)

	release()
	wg.Wait()
	a.inFlight(t, 0)
	a.get(t, "/films").want(t, 200)
	a.server.Close()
	if log := a.log.String(); strings.Contains(log, `"level":"ERROR"`) || strings.Contains(log, "rejected-1") || !strings.Contains(log, `"max_in_flight":5`) {
		t.Errorf("the log is %s", log)
	}
}

// A slot is released, however the request ends.
func TestAdmissionEndsWithTheRequest(t *testing.T) {
	t.Parallel()
	a := start(t, withLimits(server.Limits{InFlight: 1}), func(d *server.Deps) { d.Store = fragile{d.Store} })
	for name, end := range map[string]func(){
		"success":    func() { a.get(t, "/films/1").want(t, 200) },
		"no such":    func() { a.get(t, "/films/2147483647").want(t, 404) },
		"fault":      func() { a.get(t, "/films/31").wantProblem(t, 500, "internal_error") },
		"panic":      func() { a.get(t, "/films/32").wantProblem(t, 500, "internal_error") },
		"bad":        func() { a.get(t, "/films/nonsense").want(t, 400) },
		"no token":   func() { a.get(t, "/customers/1/rentals/1").want(t, 401) },
		"no such AI": func() { a.call(t, http.MethodPost, "/ai/summary", `{"film_id": 2147483647}`).want(t, 404) },
		"abort": func() {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL+"/films/33", nil)
			if err != nil {
				t.Fatal(err)
			}
			gone := make(chan error, 1)
			go func() {
				response, err := a.Client().Do(r)
				if err == nil {
					response.Body.Close()
				}
				gone <- err
			}()
			a.inFlight(t, 1)
			a.get(t, "/films").wantProblem(t, 503, "server_busy")
			leave()
			if err := <-gone; err == nil {
				t.Error("the request got a response")
			}
		},
	} {
		end()
		a.inFlight(t, 0)
		if got := a.get(t, "/films"); got.status != 200 {
			t.Errorf("after %s: status %d", name, got.status)
		}
		a.inFlight(t, 0)
	}
}

// fragile is a store with three unusual films.
type fragile struct{ server.Store }

func (s fragile) Film(ctx context.Context, id int32) (store.FilmDetail, error) {
	switch id {
	case 31:
		return store.FilmDetail{}, io.ErrNoProgress
	case 32:
		panic("the film tears")
	case 33:
		<-ctx.Done()
		return store.FilmDetail{}, ctx.Err()
	}
	return s.Store.Film(ctx, id)
}

// A request that waits for the language model or for a slow client does not occupy a slot.
func TestAdmissionIsForTheDatabaseOnly(t *testing.T) {
	t.Parallel()
	started, leave := make(chan struct{}), make(chan struct{})
	wait := func() { started <- struct{}{}; <-leave }
	a := start(t, withLimits(server.Limits{InFlight: 1}), withModel(thinking{scripted{
		ask: func(_ context.Context, _ llm.Question, emit func(string) error) (llm.Result, error) {
			wait()
			return llm.Result{FinishReason: "stop"}, emit("x")
		},
		summarize: func(context.Context, llm.Film) (llm.Summary, llm.Result, error) {
			wait()
			return llm.Summary{Title: "X", Rating: "PG"}, llm.Result{}, nil
		},
	}, wait}))
	var wg sync.WaitGroup
	for range 2 {
		for _, call := range []func(){
			func() { a.get(t, "/ai/ask?question=x").want(t, 200) },
			func() { a.get(t, "/ai/ask?question=x", "Accept", "text/event-stream").want(t, 200) },
			func() { a.call(t, http.MethodPost, "/ai/summary", `{"film_id": 1}`).want(t, 200) },
			func() { a.call(t, http.MethodPost, "/ai/handoff", `{"question": "x"}`).want(t, 200) },
		} {
			wg.Go(call)
			<-started
			a.inFlight(t, 0)
			a.get(t, "/films").want(t, 200)
		}
	}

	slow, err := new(net.Dialer).DialContext(t.Context(), "tcp", a.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	// "100 Continue" comes when the server reads the body.
	fmt.Fprint(slow, "POST /ai/handoff HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 17\r\nExpect: 100-continue\r\n\r\n")
	if line, err := bufio.NewReader(slow).ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("got %q, %v", line, err)
	}
	a.get(t, "/films").want(t, 200)
	close(leave)
	wg.Wait()
}

// thinking is a scripted model that takes a while to hand off.
type thinking struct {
	scripted
	wait func()
}

func (m thinking) Handoff(context.Context, llm.Question) (llm.Handoff, error) {
	m.wait()
	return llm.Handoff{Agent: llm.AgentModel, Answer: "x"}, nil
}

// A rejection leaves the connection open, although the body was not read.
func TestRejectionKeepsTheConnection(t *testing.T) {
	t.Parallel()
	a := start(t, withLimits(server.Limits{InFlight: 1}))
	server.Fill(a.server)
	for i := range 5 {
		var conn httptrace.GotConnInfo
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) { conn = got }})
		body := strings.NewReader(`{"question": "` + strings.Repeat("x", 10_000) + `"}`)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.URL+"/ai/handoff", body)
		if err != nil {
			t.Fatal(err)
		}
		a.do(t, r).wantProblem(t, 503, "server_busy")
		if conn.Reused != (i > 0) {
			t.Errorf("request %d: reused is %t", i+1, conn.Reused)
		}
	}
}

// The first rejections are sent at once. A flood of them is delayed by a second at most, and not at all once
// the client has disconnected.
func TestRejectionRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := busy(t)
		start := time.Now()
		reject := func(ctx context.Context) (after time.Duration) {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/films", nil))
			if w.Code != http.StatusServiceUnavailable {
				t.Errorf("status %d", w.Code)
			}
			return time.Since(start)
		}
		var wg sync.WaitGroup
		var atOnce, late atomic.Int32
		for range 1000 {
			wg.Go(func() {
				switch after := reject(t.Context()); {
				case after == 0:
					atOnce.Add(1)
				case after > time.Second:
					late.Add(1)
				}
			})
		}
		synctest.Wait()
		for range 3 {
			func() {
				defer func() {
					if p := recover(); p != http.ErrAbortHandler { //nolint:errorlint // it is this very value or another panic
						t.Errorf("got %v", p)
					}
				}()
				gone, leave := context.WithCancel(t.Context())
				leave()
				reject(gone)
			}()
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("the rejections of disconnected clients are delayed by %s", took)
		}
		wg.Wait()
		if n := atOnce.Load(); n < 200 || n > 220 || late.Load() != 0 {
			t.Errorf("%d rejections were sent at once, want 200 or a few more, and %d after more than a second", n, late.Load())
		}
		<-time.After(time.Minute)
		start = time.Now()
		if after := reject(t.Context()); after != 0 {
			t.Errorf("after the flood, a rejection takes %s", after)
		}
	})
}

// A delayed rejection is not sent if a slot has become free by then.
func TestDelayedRequestsTakeAFreeSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := busy(t)
		var mu sync.Mutex
		codes := map[gen.ProblemCode]int{}
		var wg sync.WaitGroup
		for range 300 { // a third of them exceeds the rate
			wg.Go(func() {
				w := httptest.NewRecorder()
				s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/films", nil))
				var p gen.Problem
				if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				codes[p.Code]++
			})
		}
		synctest.Wait()
		mu.Lock()
		rejected := codes[gen.ProblemCodeServerBusy]
		mu.Unlock()
		server.Free(s)
		wg.Wait()
		// The server has no database yet, which it notices after the first check of the slots.
		if codes[gen.ProblemCodeServerBusy] != rejected || codes[gen.ProblemCodeNotReady] != 300-rejected || rejected == 300 {
			t.Errorf("%d were rejected at first, and the codes are then %v", rejected, codes)
		}
	})
}

// The document that is assembled by hand equals that of any other error.
func TestRejectionDocument(t *testing.T) {
	t.Parallel()
	s := busy(t)
	got := httptest.NewRecorder()
	s.ServeHTTP(got, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/films/a%22b?x=1", nil))
	want, err := json.Marshal(gen.Problem{
		Type: "about:blank", Title: "Service Unavailable", Status: 503, Code: gen.ProblemCodeServerBusy,
		Detail:   "The server is busy with other requests. Nothing was done.",
		Instance: "/films/a%22b", RequestID: got.Header().Get("X-Request-ID"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Body.String() != string(want) {
		t.Errorf("got %s, want %s", got.Body, want)
	}
}

// The log has one line per second at most, and counts every rejection.
func TestRejectionsAreLoggedTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &logBuffer{}
		add, write := server.NewRejections(slog.New(slog.NewJSONHandler(log, nil)))
		want := func(counts ...int) {
			t.Helper()
			synctest.Wait()
			var got []int
			for line := range strings.Lines(log.String()) {
				var entry struct{ Rejected int }
				if err := json.Unmarshal([]byte(line), &entry); err != nil {
					t.Fatal(err)
				}
				got = append(got, entry.Rejected)
			}
			if fmt.Sprint(got) != fmt.Sprint(counts) {
				t.Errorf("the log has %v, want %v", got, counts)
			}
		}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range 50 {
					add()
				}
			})
		}
		wg.Wait()
		want()
		<-time.After(time.Second)
		want(1000)
		<-time.After(10 * time.Second)
		want(1000)
		for range 30 { // three seconds of a burst
			add()
			<-time.After(110 * time.Millisecond)
		}
		<-time.After(time.Second)
		want(1000, 10, 10, 10)
		add()
		write() // the server ends
		want(1000, 10, 10, 10, 1)
		<-time.After(time.Second)
		want(1000, 10, 10, 10, 1)
	})
}

// busy returns a server without a free slot.
func busy(tb testing.TB) *server.Server {
	tb.Helper()
	s, err := server.New(server.Deps{
		Contract: loadContract(tb), Logger: slog.New(slog.DiscardHandler), Limits: server.Limits{InFlight: 1},
	})
	if err != nil {
		tb.Fatal(err)
	}
	server.Fill(s)
	return s
}

// sink is a response writer that costs nothing.
type sink struct{ header http.Header }

func (s sink) Header() http.Header         { return s.header }
func (s sink) Write(p []byte) (int, error) { return len(p), nil }
func (s sink) WriteHeader(int)             {}

// Under overload there are many rejections for each success, so they have to be cheap.
func TestRejectionIsCheap(t *testing.T) { //nolint:paralleltest // AllocsPerRun forbids it
	s, r, w := busy(t), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/customers/1/rentals/2", nil), sink{http.Header{}}
	const maxAllocs = 8
	if allocs := testing.AllocsPerRun(100, func() { clear(w.header); s.ServeHTTP(w, r) }); allocs > maxAllocs {
		t.Errorf("a rejection allocates %v times, want %d at most", allocs, maxAllocs)
	}
}

func BenchmarkRejection(b *testing.B) {
	s, w := busy(b), sink{http.Header{}}
	server.Unpace(s)
	for name, header := range map[string]http.Header{"plain": {}, "traced": {
		"X-Request-Id": {"b-1"}, "Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
	}} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/films?category=Comedy", nil)
			maps.Copy(r.Header, header)
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				s.ServeHTTP(w, r)
			}
		})
	}
}
