package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/pagila-api/llm"
	"example.com/pagila-api/server"
	"example.com/pagila-api/server/internal/contract"
)

func withLimits(l server.Limits) option { return func(d *server.Deps) { d.Limits = l } }

// A client that calls the language model too often is told when it may call again. Other requests do not
// count, and other clients are not affected.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	a := start(t, withLimits(server.Limits{PerMinute: 3}), func(d *server.Deps) { d.TrustedProxies = []string{"127.0.0.1"} })
	from := func(client string) *received {
		return a.call(t, http.MethodPost, "/ai/summary", `{"film_id": 1}`, "X-Forwarded-For", client)
	}
	for range 3 {
		from("192.0.2.1").want(t, 200)
	}
	for range 2 { // rejected calls do not count, so the wait does not grow
		rejected := from("192.0.2.1")
		rejected.wantProblem(t, 429, "rate_limited")
		if seconds, err := strconv.Atoi(rejected.header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 20 {
			t.Errorf("Retry-After is %q, want 1 to 20", rejected.header.Get("Retry-After"))
		}
	}
	a.get(t, "/ai/ask?question=x", "X-Forwarded-For", "192.0.2.1").wantProblem(t, 429, "rate_limited")
	a.call(t, http.MethodPost, "/ai/handoff", `{"question": "x"}`, "X-Forwarded-For", "192.0.2.1").wantProblem(t, 429, "rate_limited")
	a.get(t, "/films", "X-Forwarded-For", "192.0.2.1").want(t, 200)
	from("192.0.2.2").want(t, 200)
	// An IPv6 network counts as one client.
	for i := range 3 {
		from("2001:db8::"+strconv.Itoa(i+1)).want(t, 200)
	}
	from("2001:db8::ffff").wantProblem(t, 429, "rate_limited")
	from("2001:db8:0:1::1").want(t, 200)
}

// A client that is not a trusted proxy cannot pretend to be another client.
func TestRateLimitIgnoresForgedAddresses(t *testing.T) {
	t.Parallel()
	a := start(t, withLimits(server.Limits{PerMinute: 1}))
	a.call(t, http.MethodPost, "/ai/summary", `{"film_id": 1}`, "X-Forwarded-For", "192.0.2.1").want(t, 200)
	a.call(t, http.MethodPost, "/ai/summary", `{"film_id": 1}`, "X-Forwarded-For", "192.0.2.2").wantProblem(t, 429, "rate_limited")
}

// The number of concurrent calls is limited. A call that ends, in any way, makes room for another.
func TestConcurrencyLimit(t *testing.T) {
	t.Parallel()
	started, leave := make(chan struct{}), make(chan struct{})
	a := start(t, withLimits(server.Limits{Concurrent: 2}), withModel(scripted{
		ask: func(ctx context.Context, q llm.Question, emit func(string) error) (llm.Result, error) {
			if q.Text == "quick" {
				return llm.Result{FinishReason: "stop"}, emit("done")
			}
			if err := emit("thinking"); err != nil {
				return llm.Result{}, err
			}
			started <- struct{}{}
			select {
			case <-leave:
				panic("the cat is on the keyboard")
			case <-ctx.Done():
				return llm.Result{}, ctx.Err()
			}
		},
	}))
	bodies := []io.ReadCloser{a.open(t, "/ai/ask?question=slow", ""), a.open(t, "/ai/ask?question=slow", "")}
	<-started
	<-started
	busy := a.get(t, "/ai/ask?question=quick")
	busy.wantProblem(t, 503, "llm_busy")
	if busy.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	a.get(t, "/films").want(t, 200)

	leave <- struct{}{} // one panics
	bodies[0].Close()   // the client of the other one disconnects
	bodies[1].Close()
	deadline := time.Now().Add(30 * time.Second)
	for free := 0; free < 2; {
		switch status := a.get(t, "/ai/ask?question=quick").status; {
		case status == 200:
			free++
		case status != 503 || time.Now().After(deadline):
			t.Fatalf("status %d", status)
		}
	}
}

// A request that finds the model busy, or does not need it, does not count as a call.
func TestRateLimitCountsCalls(t *testing.T) {
	t.Parallel()
	leave := make(chan struct{})
	a := start(t, withLimits(server.Limits{PerMinute: 2, Concurrent: 1}), withModel(scripted{
		ask: func(ctx context.Context, _ llm.Question, emit func(string) error) (llm.Result, error) {
			if err := emit("x"); err != nil {
				return llm.Result{}, err
			}
			select {
			case <-leave:
			case <-ctx.Done():
			}
			return llm.Result{FinishReason: "stop"}, nil
		},
	}))
	body := a.open(t, "/ai/ask?question=x", "")
	if _, err := io.ReadFull(body, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		a.get(t, "/ai/ask?question=x").wantProblem(t, 503, "llm_busy")
		a.get(t, "/ai/ask?question=x", "Last-Event-ID", "1").want(t, 204)
		a.call(t, http.MethodHead, "/ai/ask?question=x", "").want(t, 503)
	}
	close(leave)
	if _, err := io.ReadAll(body); err != nil {
		t.Fatal(err)
	}
	a.log.line(t, a.get(t, "/healthz").header.Get("X-Request-ID"))
	for a.get(t, "/ai/ask?question=x").status != 200 { // the slot is released a moment after the end of the answer
		if t.Context().Err() != nil {
			t.Fatal("the slot is not released")
		}
	}
	a.get(t, "/ai/ask?question=x").wantProblem(t, 429, "rate_limited")
}

// Plain text has no keep-alives, and they do not send the head before its time.
func TestNoKeepAlive(t *testing.T) {
	t.Parallel()
	const keepAlive = 10 * time.Millisecond
	failure := &llm.Error{Kind: llm.KindTruncated, Err: errors.New("cut")}
	a := start(t, withLimits(server.Limits{KeepAlive: keepAlive}), withModel(scripted{
		ask: func(_ context.Context, q llm.Question, emit func(string) error) (llm.Result, error) {
			if q.Text == "fails" {
				<-time.After(5 * keepAlive) // the silence itself is what is tested
				return llm.Result{}, failure
			}
			err := emit("one ")
			<-time.After(5 * keepAlive)
			return llm.Result{FinishReason: "stop"}, errors.Join(err, emit("two"))
		},
	}))
	if got := a.get(t, "/ai/ask?question=x").want(t, 200); string(got.body) != "one two" {
		t.Errorf("got %q", got.body)
	}
	a.get(t, "/ai/ask?question=fails", "Accept", "text/event-stream").wantProblem(t, 502, "llm_bad_response")
}

// While the model thinks, an event stream has keep-alives.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	more := make(chan struct{})
	a := start(t, withLimits(server.Limits{KeepAlive: 10 * time.Millisecond}), withModel(scripted{
		ask: func(ctx context.Context, q llm.Question, emit func(string) error) (llm.Result, error) {
			if err := emit("one "); err != nil {
				return llm.Result{}, err
			}
			select {
			case <-more:
			case <-ctx.Done():
			}
			return llm.Result{FinishReason: "stop"}, emit("two")
		},
	}))
	lines := bufio.NewReader(a.open(t, "/ai/ask?question=x", "text/event-stream"))
	readEvent(t, lines) // sources
	readEvent(t, lines) // delta
	for range 3 {
		for _, want := range []string{": keep-alive\n", "\n"} {
			if line, err := lines.ReadString('\n'); err != nil || line != want {
				t.Fatalf("got %q, %v, want %q", line, err, want)
			}
		}
	}
	more <- struct{}{}
	for {
		if name, data := readEvent(t, lines); name == "delta" {
			if data != `{"text":"two"}` {
				t.Errorf("got %s", data)
			}
			break
		}
	}
}

// Keep-alives at the same moment as chunks or the end do not damage the stream.
func TestKeepAliveBetweenChunks(t *testing.T) {
	t.Parallel()
	chunks := slices.Repeat([]string{"chunk"}, 300)
	a := start(t, withLimits(server.Limits{KeepAlive: time.Nanosecond}), withModel(says(nil, chunks...)))
	const comment = ": keep-alive\n\n"
	comments := 0
	// On a busy machine the timer rarely fires before the end.
	for round := 0; round < 10 || comments == 0 && round < 2000; round++ {
		body := string(a.get(t, "/ai/ask?question=x", "Accept", "text/event-stream").want(t, 200).body)
		comments += strings.Count(body, comment)
		lines := bufio.NewReader(strings.NewReader(strings.ReplaceAll(body, comment, "")))
		for i, want := range slices.Concat([]string{"sources"}, slices.Repeat([]string{"delta"}, len(chunks)), []string{"done"}) {
			if line, _ := lines.Peek(4); !strings.HasPrefix(string(line), "id: ") {
				t.Fatalf("event %d begins with %q", i+1, line)
			}
			if name, data := readEvent(t, lines); name != want || !json.Valid([]byte(data)) {
				t.Fatalf("event %d is %s %s, want %s", i+1, name, data, want)
			}
		}
		if rest, _ := io.ReadAll(lines); len(rest) != 0 {
			t.Fatalf("after the last event: %q", rest)
		}
	}
	if comments == 0 {
		t.Error("there was no keep-alive")
	}
}

// A browser's EventSource that reconnects after the end is told to stop. This uses neither the model nor the
// database, and does not count as a call.
func TestLastEventID(t *testing.T) {
	t.Parallel()
	a := start(t, withLimits(server.Limits{PerMinute: 1, Concurrent: 1}), withModel(says(nil, "once")))
	a.get(t, "/ai/ask?question=x").want(t, 200)
	for _, ids := range [][]string{{"3"}, {"0"}, {""}, {"a b"}, {"1", "2"}} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			for _, accept := range []string{"text/event-stream", "*/*", "text/plain"} {
				r, err := http.NewRequestWithContext(t.Context(), method, a.URL+"/ai/ask?question=x", nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header["Last-Event-Id"], r.Header["Accept"] = ids, []string{accept}
				if response := a.do(t, r).want(t, 204); len(response.body) != 0 {
					t.Errorf("%s with %q got %q", method, ids, response.body)
				}
			}
		}
	}
	a.get(t, "/ai/ask", "Last-Event-ID", "3").wantProblem(t, 400, "invalid_request")
	a.get(t, "/ai/ask?question=x").wantProblem(t, 429, "rate_limited")
}

// costly are the requests that count as calls to the language model.
func costly(t *testing.T) []request {
	t.Helper()
	return exampleRequests(t, func(op *contract.Operation) bool { return op.Documents(429) && op.ID != "createToken" })
}

// methods returns the methods by which an operation can be called.
func methods(op *contract.Operation) []string {
	if isGET(op) {
		return []string{http.MethodGet, http.MethodHead}
	}
	return []string{op.Method}
}

// noExemption are headers that do not exempt a request from the limits.
var noExemption = []struct{ name, value string }{
	{"Accept", "text/event-stream"},
	{"Accept", "*/*;q=0"},
	{"Cache-Control", "no-cache"},
	{"Expect", "100-continue"},
	{"If-None-Match", "*"},
	{"Last-Event-ID", "3"}, // exempt on /ai/ask only
	{"Last-Event-ID", ""},
	{"Purpose", "prefetch"},
	{"Range", "bytes=0-0"},
	{"X-HTTP-Method-Override", "HEAD"},
	{"X-Method-Override", "OPTIONS"},
	{"X-Original-URL", "/healthz"},
}

// No header exempts a call from the rate limit.
func TestNoHeaderIsExemptFromRateLimit(t *testing.T) {
	t.Parallel()
	a := start(t, withDocumentedCredentials, withLimits(server.Limits{PerMinute: 1}), func(d *server.Deps) { d.TrustedProxies = []string{"127.0.0.1"} })
	client := 0
	for _, r := range costly(t) {
		for _, header := range noExemption {
			if header.name == "Last-Event-ID" && r.ID == "askQuestion" {
				continue
			}
			for _, method := range methods(r.Operation) {
				client++
				r := r.with(header.name, header.value).with("X-Forwarded-For", fmt.Sprintf("198.51.%d.%d", client/250, 1+client%250))
				for _, want := range []int{200, 429} {
					if got := r.sendAs(t, a, method); got.status != want {
						t.Errorf("%s %s with %s: %q: status %d, want %d", method, r.ID, header.name, header.value, got.status, want)
					}
				}
			}
		}
	}
}

// No header exempts a call from the limit of concurrent calls.
func TestNoHeaderIsExemptFromConcurrencyLimit(t *testing.T) {
	t.Parallel()
	started, leave := make(chan struct{}), make(chan struct{})
	a := start(t, withDocumentedCredentials, withLimits(server.Limits{Concurrent: 1}), withModel(scripted{
		summarize: func(context.Context, llm.Film) (llm.Summary, llm.Result, error) {
			started <- struct{}{}
			<-leave
			return llm.Summary{Title: "X", Rating: "PG"}, llm.Result{}, nil
		},
	}))
	var wg sync.WaitGroup
	wg.Go(func() { a.call(t, http.MethodPost, "/ai/summary", `{"film_id": 1}`, "Last-Event-ID", "1").want(t, 200) })
	<-started
	for _, r := range costly(t) {
		for _, header := range noExemption {
			if header.name == "Last-Event-ID" && r.ID == "askQuestion" {
				continue
			}
			for _, method := range methods(r.Operation) {
				if got := r.with(header.name, header.value).sendAs(t, a, method); got.status != 503 {
					t.Errorf("%s %s with %s: %q: status %d, want 503", method, r.ID, header.name, header.value, got.status)
				}
			}
		}
	}
	close(leave)
	wg.Wait()
	if log := a.log.String(); strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("a limit that is reached is logged as an error: %s", log)
	}
}
