package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/server"
)

// scripted is a language model with the behaviour that a test specifies.
type scripted struct {
	ask       func(ctx context.Context, q llm.Question, emit func(string) error) (llm.Result, error)
	summarize func(ctx context.Context, f llm.Film) (llm.Summary, llm.Result, error)
	problem   string
}

func (s scripted) Info() llm.Info {
	return llm.Info{Provider: "scripted", Model: "script-1", AskPrompt: "ask@1", SummaryPrompt: "summary@1", Problem: s.problem}
}

// Ask tells the observer of one film before the first chunk.
func (s scripted) Ask(ctx context.Context, q llm.Question, o llm.Observer) (llm.Result, error) {
	told := false
	return s.ask(ctx, q, func(chunk string) error {
		if !told {
			told = true
			if err := o.Sources(llm.Sources{Films: []llm.Source{{FilmID: 7, Title: "AIRPLANE SIERRA"}}, Total: 58}); err != nil {
				return err
			}
		}
		return o.Chunk(chunk)
	})
}

func (scripted) Handoff(context.Context, llm.Question) (llm.Handoff, error) {
	return llm.Handoff{}, errors.New("no script")
}

func (s scripted) Summarize(ctx context.Context, f llm.Film) (llm.Summary, llm.Result, error) {
	return s.summarize(ctx, f)
}

// says returns a model that writes the chunks and then fails with err, unless that is nil.
func says(err error, chunks ...string) scripted {
	return scripted{ask: func(_ context.Context, _ llm.Question, emit func(string) error) (llm.Result, error) {
		for _, p := range chunks {
			if err := emit(p); err != nil {
				return llm.Result{}, err
			}
		}
		return llm.Result{Model: "script-1", FinishReason: "stop", Usage: llm.Usage{Prompt: 7, Completion: len(chunks)}}, err
	}}
}

// Each chunk reaches the client before the model writes the next one.
func TestAskStreamsEachChunk(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{"", "text/event-stream"} {
		t.Run("accept "+accept, func(t *testing.T) {
			t.Parallel()
			read := make(chan struct{})
			model := scripted{ask: func(ctx context.Context, _ llm.Question, emit func(string) error) (llm.Result, error) {
				for _, p := range []string{"one ", "two ", "three"} {
					if err := emit(p); err != nil {
						return llm.Result{}, err
					}
					select {
					case <-read: // the client has received it
					case <-ctx.Done():
						return llm.Result{}, ctx.Err()
					}
				}
				return llm.Result{FinishReason: "stop"}, nil
			}}
			a := start(t, withModel(model))
			body := a.open(t, "/ai/ask?question=count", accept)
			lines := bufio.NewReader(body)
			if accept != "" {
				if name, _ := readEvent(t, lines); name != "sources" {
					t.Fatalf("the first event is %s, want sources", name)
				}
			}
			for _, p := range []string{"one ", "two ", "three"} {
				if accept == "" {
					got := make([]byte, len(p))
					if _, err := io.ReadFull(lines, got); err != nil || string(got) != p {
						t.Fatalf("got %q, %v, want %q", got, err, p)
					}
				} else if name, data := readEvent(t, lines); name != "delta" || data != `{"text":"`+p+`"}` {
					t.Fatalf("got event %s %s, want delta %q", name, data, p)
				}
				read <- struct{}{}
			}
			if accept != "" {
				readEvent(t, lines) // done
			}
			if rest, err := io.ReadAll(lines); err != nil || len(rest) != 0 {
				t.Errorf("after the answer: %q, %v", rest, err)
			}
		})
	}
}

func TestAskAsEvents(t *testing.T) {
	t.Parallel()
	a := start(t, withModel(says(nil, "line one\n", "\"two\"")))
	response := a.get(t, "/ai/ask?question=x", "Accept", "text/event-stream").want(t, 200)
	want := "id: 1\nevent: sources\ndata: {\"films\":[{\"film_id\":7,\"title\":\"AIRPLANE SIERRA\"}],\"total\":58}\n\n" +
		"id: 2\nevent: delta\ndata: {\"text\":\"line one\\n\"}\n\n" +
		"id: 3\nevent: delta\ndata: {\"text\":\"\\\"two\\\"\"}\n\n" +
		"id: 4\nevent: done\ndata: {\"finish_reason\":\"stop\",\"model\":\"script-1\",\"usage\":{\"completion_tokens\":2,\"prompt_tokens\":7}}\n\n"
	if diff := cmp.Diff(want, string(response.body)); diff != "" {
		t.Errorf("the stream differs (-want +got):\n%s", diff)
	}
	for name, value := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no", "Vary": "Accept",
		"X-AI-Provider": "scripted", "X-AI-Model": "script-1", "X-AI-Prompt": "ask@1",
	} {
		if got := response.header.Get(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
}

func TestAskAccept(t *testing.T) {
	t.Parallel()
	a := start(t, withModel(says(nil, "x")))
	const text, events = "text/plain; charset=utf-8", "text/event-stream"
	for accept, want := range map[string]string{
		"":                                    text,
		"*/*":                                 text,
		"text/*":                              text,
		"text/plain":                          text,
		"application/json":                    text, // RFC 9110 allows this response
		"text/event-stream":                   events,
		"TEXT/EVENT-STREAM":                   events,
		"text/event-stream, */*;q=0.1":        events,
		"text/event-stream;q=0":               text,
		"text/event-stream;q=0.5, text/plain": text,
		"nonsense;;;, text/event-stream":      events,
	} {
		if got := a.get(t, "/ai/ask?question=x", "Accept", accept).want(t, 200).header.Get("Content-Type"); got != want {
			t.Errorf("Accept %q: Content-Type is %s, want %s", accept, got, want)
		}
	}
}

// A model that fails before it has written anything gets the status of its failure. The cause is in the log
// and not in the response.
func TestAskFailsEarly(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind   llm.Kind
		status int
		code   gen.ProblemCode
	}{
		{llm.KindAuth, 503, "llm_unavailable"},
		{llm.KindQuota, 503, "llm_unavailable"},
		{llm.KindRateLimited, 503, "llm_unavailable"},
		{llm.KindUnreachable, 503, "llm_unavailable"},
		{llm.KindUnavailable, 503, "llm_unavailable"},
		{llm.KindNoModel, 503, "llm_unavailable"},
		{llm.KindTimeout, 504, "llm_timeout"},
		{llm.KindStalled, 504, "llm_timeout"},
		{llm.KindFiltered, 422, "llm_refused"},
		{llm.KindTooLong, 422, "llm_refused"},
		{llm.KindTruncated, 502, "llm_bad_response"},
		{llm.KindBadResponse, 502, "llm_bad_response"},
		{llm.KindUnverified, 502, "llm_unverified"},
	} {
		t.Run(string(tt.kind), func(t *testing.T) {
			t.Parallel()
			failure := &llm.Error{Kind: tt.kind, RetryAfter: 1500 * time.Millisecond, Err: errors.New("upstream said sk-secret")}
			a := start(t, withModel(scripted{
				ask: says(failure).ask,
				summarize: func(context.Context, llm.Film) (llm.Summary, llm.Result, error) {
					return llm.Summary{}, llm.Result{}, failure
				},
			}))
			for _, response := range []*received{
				a.get(t, "/ai/ask?question=x"),
				a.get(t, "/ai/ask?question=x", "Accept", "text/event-stream"),
				a.call(t, http.MethodPost, "/ai/summary", `{"film_id": 1}`),
			} {
				response.wantProblem(t, tt.status, tt.code)
				if strings.Contains(string(response.body), "sk-secret") {
					t.Errorf("the client learns what the upstream sent: %s", response.body)
				}
				if got := response.header.Get("Retry-After"); tt.status == 503 && got != "2" {
					t.Errorf("Retry-After is %q, want 2", got)
				}
			}
			if tt.status >= 500 && !strings.Contains(a.log.String(), "upstream said") {
				t.Errorf("the log does not have the cause: %s", a.log)
			}
		})
	}
}

// After a failure in the middle of an answer the connection breaks, so that the client can tell that the
// answer is incomplete.
func TestAskFailsMidway(t *testing.T) {
	t.Parallel()
	failure := &llm.Error{Kind: llm.KindTruncated, Err: errors.New("the stream ended early")}

	t.Run("text", func(t *testing.T) {
		t.Parallel()
		a := start(t, withModel(says(failure, "half an ")))
		got, err := io.ReadAll(a.open(t, "/ai/ask?question=x", ""))
		if string(got) != "half an " || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %q and %v, want an unexpected EOF", got, err)
		}
		if !strings.Contains(a.log.String(), "the stream ended early") {
			t.Errorf("the log does not have the cause: %s", a.log)
		}
	})
	t.Run("events", func(t *testing.T) {
		t.Parallel()
		a := start(t, withModel(says(failure, "half an ")))
		lines := bufio.NewReader(a.open(t, "/ai/ask?question=x", "text/event-stream"))
		readEvent(t, lines) // sources
		readEvent(t, lines) // delta
		name, data := readEvent(t, lines)
		var p gen.Problem
		if err := json.Unmarshal([]byte(data), &p); err != nil {
			t.Fatalf("%v: %s", err, data)
		}
		if name != "error" || p.Status != 502 || p.Code != "llm_bad_response" || p.RequestID == "" {
			t.Errorf("got event %s: %+v", name, p)
		}
		if rest, err := io.ReadAll(lines); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("after the error: %q and %v, want an unexpected EOF", rest, err)
		}
	})
}

// thinks returns a model that thinks until end is called.
func thinks(err error, chunks ...string) (m scripted, end func()) {
	ended := make(chan struct{})
	answer := says(err, chunks...)
	m.ask = func(ctx context.Context, q llm.Question, emit func(string) error) (llm.Result, error) {
		select {
		case <-ended:
		case <-ctx.Done():
			return llm.Result{}, ctx.Err()
		}
		return answer.ask(ctx, q, emit)
	}
	return m, func() { close(ended) }
}

// quick are limits with which a stream of events begins at once, and is never silent for long.
var quick = server.Limits{HeadDelay: time.Millisecond, KeepAlive: time.Millisecond}

// While a model thinks for a long time, a client that accepts events gets the head and comments.
func TestAskThinks(t *testing.T) {
	t.Parallel()
	model, end := thinks(nil, " ", "\n", "text")
	a := start(t, withLimits(quick), withModel(model))
	lines := bufio.NewReader(a.open(t, "/ai/ask?question=x", "text/event-stream"))
	readComments(t, lines, 3)
	end()
	for _, want := range []string{`sources {"films":[{"film_id":7,"title":"AIRPLANE SIERRA"}],"total":58}`, `delta {"text":" "}`, `delta {"text":"\n"}`, `delta {"text":"text"}`} {
		if name, data := readEventAfterComments(t, lines); name+" "+data != want {
			t.Errorf("got %s %s, want %s", name, data, want)
		}
	}
	if name, _ := readEventAfterComments(t, lines); name != "done" {
		t.Errorf("the last event is %s", name)
	}
	if rest, err := io.ReadAll(lines); err != nil || strings.ReplaceAll(string(rest), ": keep-alive\n\n", "") != "" {
		t.Errorf("after the answer: %q, %v", rest, err)
	}
}

// A model that fails after it has thought for a long time is too late for a status, so the failure is an
// event, and the connection breaks.
func TestAskFailsAfterThinking(t *testing.T) {
	t.Parallel()
	for _, chunks := range [][]string{nil, {" "}} {
		model, end := thinks(&llm.Error{Kind: llm.KindTimeout, Err: errors.New("too slow")}, chunks...)
		a := start(t, withLimits(quick), withModel(model))
		lines := bufio.NewReader(a.open(t, "/ai/ask?question=x", "text/event-stream", "X-Request-ID", "thinker"))
		readComments(t, lines, 1)
		end()
		name, data := readEventAfterComments(t, lines)
		for name != "error" && name != "done" { // after the sources and the chunks
			name, data = readEventAfterComments(t, lines)
		}
		var p gen.Problem
		if err := json.Unmarshal([]byte(data), &p); err != nil {
			t.Fatalf("%v: %s", err, data)
		}
		if name != "error" || p.Status != 504 || p.Code != "llm_timeout" || p.RequestID != "thinker" {
			t.Errorf("got event %s: %+v", name, p)
		}
		if rest, err := io.ReadAll(lines); !errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(string(rest), "done") {
			t.Errorf("after the error: %q and %v, want an unexpected EOF", rest, err)
		}
	}
}

// A failure before the head is sent has its own status. Plain text has no other way to report it, so its head
// waits as long as the model thinks. The head of events waits for a time that begins with the request, so a
// slow search is a part of it.
func TestAskDelaysHead(t *testing.T) {
	t.Parallel()
	const delay = time.Second // the default
	for name, test := range map[string]struct {
		accept      string
		lookup, end time.Duration // from the request; no call of a tool if lookup is 0
		status      int
		head        time.Duration // from the request
	}{
		"text":                                 {"text/plain", 0, time.Minute, 504, time.Minute},
		"text, with a call":                    {"text/plain", 2 * time.Second, time.Minute, 504, time.Minute},
		"events, within the delay":             {"text/event-stream", 0, 900 * time.Millisecond, 504, 900 * time.Millisecond},
		"events":                               {"text/event-stream", 0, time.Minute, 200, delay},
		"events, with a call within the delay": {"text/event-stream", 400 * time.Millisecond, 600 * time.Millisecond, 200, 400 * time.Millisecond},
		"events, with a call after it":         {"text/event-stream", 8 * time.Second, time.Minute, 200, delay},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				model := thinker{scripted{}, func(o llm.Observer) error {
					if test.lookup > 0 {
						<-time.After(test.lookup)
						if err := o.Called(llm.Call{Name: "listFilms", Status: 200}); err != nil {
							return err
						}
					}
					<-time.After(test.end - test.lookup)
					return &llm.Error{Kind: llm.KindTimeout, Err: errors.New("too slow")}
				}}
				s, err := server.New(server.Deps{
					Contract: loadContract(t), Store: struct{ server.Store }{}, Model: model, Logger: slog.New(slog.DiscardHandler),
					Credentials: server.Credentials{Token: token}, Limits: server.Limits{KeepAlive: 15 * time.Second},
				})
				if err != nil {
					t.Fatal(err)
				}
				w := &timedRecorder{ResponseRecorder: httptest.NewRecorder(), start: time.Now()}
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/ai/ask?question=x", nil)
				r.Header.Set("Accept", test.accept)
				defer func() {
					if p := recover(); (p != nil) != (test.status == 200) { // a failure after the head breaks the connection
						t.Errorf("the handler panics with %v", p)
					}
					if w.Code != test.status || w.head != test.head {
						t.Errorf("status %d after %s, want %d after %s", w.Code, w.head, test.status, test.head)
					}
				}()
				s.ServeHTTP(w, r)
			})
		})
	}
}

// thinker is a model that does something with the observer, and then fails.
type thinker struct {
	scripted
	think func(llm.Observer) error
}

func (m thinker) Ask(_ context.Context, _ llm.Question, o llm.Observer) (llm.Result, error) {
	return llm.Result{}, m.think(o)
}

// timedRecorder records when the head of a response is written.
type timedRecorder struct {
	*httptest.ResponseRecorder
	start time.Time
	head  time.Duration
}

func (w *timedRecorder) WriteHeader(status int) {
	w.head = time.Since(w.start)
	w.ResponseRecorder.WriteHeader(status)
}

// SetWriteDeadline is for the handler, which extends the deadline for each chunk.
func (w *timedRecorder) SetWriteDeadline(time.Time) error { return nil }

// The head that a timer sends, the first chunk, a failure and the end may all come at the same moment.
func TestAskHeadBetweenChunks(t *testing.T) {
	t.Parallel()
	failure := &llm.Error{Kind: llm.KindTruncated, Err: errors.New("cut")}
	a := start(t, withLimits(server.Limits{HeadDelay: time.Nanosecond, KeepAlive: time.Nanosecond}), withModel(scripted{
		ask: func(ctx context.Context, q llm.Question, emit func(string) error) (llm.Result, error) {
			if q.Text == "fails" {
				return llm.Result{}, failure
			}
			return says(nil, "one ", "two").ask(ctx, q, emit)
		},
	}))
	for range 200 {
		body := string(a.get(t, "/ai/ask?question=x", "Accept", "text/event-stream").want(t, 200).body)
		events := strings.ReplaceAll(body, ": keep-alive\n\n", "")
		if !strings.HasPrefix(events, "id: 1\nevent: sources\n") || strings.Count(events, "event: delta\n") != 2 || strings.Count(events, "event: done\n") != 1 {
			t.Fatalf("got %q", body)
		}
		got := a.attempt(t, "/ai/ask?question=fails")
		if problem := strings.Count(got, `"code":"llm_bad_response"`); problem != 1 {
			t.Fatalf("got %q", got)
		}
	}
}

// attempt sends a request for events and returns what arrives until the connection ends.
func (a *testAPI) attempt(t *testing.T, path string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	response, err := a.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body) // the connection may break
	return string(body)
}

// readComments reads keep-alives.
func readComments(t *testing.T, r *bufio.Reader, n int) {
	t.Helper()
	for range n {
		for _, want := range []string{": keep-alive\n", "\n"} {
			if line, err := r.ReadString('\n'); err != nil || line != want {
				t.Fatalf("got %q, %v, want %q", line, err, want)
			}
		}
	}
}

// readEventAfterComments reads one server-sent event, after any keep-alives.
func readEventAfterComments(t *testing.T, r *bufio.Reader) (name, data string) {
	t.Helper()
	for name == "" {
		name, data = readEvent(t, r)
	}
	return name, data
}

// Whitespace is not an answer: a model that fails after it gets the status of its failure.
func TestAskFailsAfterWhitespace(t *testing.T) {
	t.Parallel()
	failure := &llm.Error{Kind: llm.KindRateLimited, Err: errors.New("in-band")}
	a := start(t, withModel(says(failure, "\n", " ")))
	for _, accept := range []string{"", "text/event-stream"} {
		a.get(t, "/ai/ask?question=x", "Accept", accept).wantProblem(t, 503, "llm_unavailable")
	}
	a = start(t, withModel(says(nil, "\n", " ", "text")))
	if got := a.get(t, "/ai/ask?question=x").want(t, 200); string(got.body) != "\n text" {
		t.Errorf("got %q", got.body)
	}
}

// In HTTP/1.0 the end of the connection is the end of the body, so the client gets a complete answer or an
// error.
func TestAskOverHTTP10(t *testing.T) {
	t.Parallel()
	failure := &llm.Error{Kind: llm.KindTruncated, Err: errors.New("the stream ended early")}
	for name, tt := range map[string]struct {
		model  scripted
		status int
		body   string
	}{
		"whole": {says(nil, "a whole ", "answer"), 200, "a whole answer"},
		"cut":   {says(failure, "half an "), 502, "llm_bad_response"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := start(t, withModel(tt.model))
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", a.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, "GET /ai/ask?question=x HTTP/1.0\r\nHost: test\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := read(t, response).want(t, tt.status); !strings.Contains(string(got.body), tt.body) {
				t.Errorf("got %q", got.body)
			}
		})
	}
}

// A client can tell that the token limit cut an answer off: events have the finish reason, and plain text ends
// with a broken connection.
func TestAskIsTruncated(t *testing.T) {
	t.Parallel()
	a := start(t, withModel(scripted{ask: func(_ context.Context, _ llm.Question, emit func(string) error) (llm.Result, error) {
		if err := emit("half an "); err != nil {
			return llm.Result{}, err
		}
		return llm.Result{FinishReason: "length"}, &llm.Error{Kind: llm.KindLength, Err: errors.New("the token limit")}
	}}))
	events := a.get(t, "/ai/ask?question=x", "Accept", "text/event-stream").want(t, 200)
	if !strings.Contains(string(events.body), "event: done\ndata: {\"finish_reason\":\"length\"") {
		t.Errorf("got %s", events.body)
	}
	if got, err := io.ReadAll(a.open(t, "/ai/ask?question=x", "")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %q and %v, want an unexpected EOF", got, err)
	}
}

// A panic is a fault of the server: 500 before the head is sent, and a broken connection after that.
func TestAskPanics(t *testing.T) {
	t.Parallel()
	a := start(t, withModel(scripted{ask: func(_ context.Context, q llm.Question, emit func(string) error) (llm.Result, error) {
		if q.Text == "late" {
			if err := emit("half an "); err != nil {
				return llm.Result{}, err
			}
		}
		panic("the cat is on the keyboard")
	}}))
	a.get(t, "/ai/ask?question=early").wantProblem(t, 500, "internal_error")
	if got, err := io.ReadAll(a.open(t, "/ai/ask?question=late", "")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %q and %v, want an unexpected EOF", got, err)
	}
	if got := strings.Count(a.log.String(), "the cat is on the keyboard"); got != 2 {
		t.Errorf("the log has the panic %d times, want 2", got)
	}
}

// The model stops when the client disconnects.
func TestAskClientDisconnects(t *testing.T) {
	t.Parallel()
	stopped := make(chan error, 1)
	a := start(t, withModel(scripted{ask: func(ctx context.Context, _ llm.Question, emit func(string) error) (llm.Result, error) {
		if err := emit("hello"); err != nil {
			return llm.Result{}, err
		}
		<-ctx.Done()
		stopped <- ctx.Err()
		return llm.Result{}, ctx.Err()
	}}))
	body := a.open(t, "/ai/ask?question=x", "", "X-Request-ID", "leaver")
	if _, err := io.ReadFull(body, make([]byte, len("hello"))); err != nil {
		t.Fatal(err)
	}
	body.Close()
	select {
	case err := <-stopped:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the model was stopped with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the model continues although the client has disconnected")
	}
	if line := a.log.line(t, "leaver"); !strings.Contains(line, `"status":499`) {
		t.Errorf("the access line is %s", line)
	}
}

// The call to the model belongs to the trace of the request.
func TestAskIsTraced(t *testing.T) {
	t.Parallel()
	asked := make(chan trace.SpanContext, 1)
	a := start(t, withModel(scripted{ask: func(ctx context.Context, _ llm.Question, emit func(string) error) (llm.Result, error) {
		asked <- trace.SpanContextFromContext(ctx)
		return llm.Result{FinishReason: "stop"}, emit("x")
	}}))
	const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	response := a.get(t, "/ai/ask?question=x", "traceparent", "00-"+traceID+"-00f067aa0ba902b7-01").want(t, 200)
	span := <-asked
	if got := fmt.Sprintf("00-%s-%s-01", span.TraceID(), span.SpanID()); span.TraceID().String() != traceID || got != response.header.Get("traceparent") {
		t.Errorf("the call to the model was in %s, the header has %s", got, response.header.Get("traceparent"))
	}
}

// A client that does not read is disconnected, and does not occupy the model forever.
func TestAskClientDoesNotRead(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	chunk := strings.Repeat("x", 64<<10)
	a := start(t, withLimits(server.Limits{WriteTimeout: 500 * time.Millisecond}), withModel(scripted{ask: func(_ context.Context, _ llm.Question, emit func(string) error) (llm.Result, error) {
		for {
			if err := emit(chunk); err != nil {
				ended <- err
				return llm.Result{}, err
			}
		}
	}}))
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", a.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /ai/ask?question=x HTTP/1.1\r\nHost: test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("the stream ended with %v, want a timeout", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the stream still waits for the client")
	}
}

// open sends a GET request and returns the body for streaming.
func (a *testAPI) open(t *testing.T, path, accept string, headers ...string) io.ReadCloser {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := a.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK {
		t.Fatalf("status %d", response.StatusCode)
	}
	return response.Body
}

// readEvent reads one server-sent event.
func readEvent(t *testing.T, r *bufio.Reader) (name, data string) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("read an event: %v (%q)", err, line)
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			return name, data
		}
		if value, ok := strings.CutPrefix(line, "event: "); ok {
			name = value
		}
		if value, ok := strings.CutPrefix(line, "data: "); ok {
			data = value
		}
	}
}

// A model that pauses before its end does not break a complete answer.
func TestAskPausesBeforeEnd(t *testing.T) {
	t.Parallel()
	const timeout = time.Second
	a := start(t, withLimits(server.Limits{WriteTimeout: timeout}), withModel(scripted{
		ask: func(_ context.Context, _ llm.Question, emit func(string) error) (llm.Result, error) {
			err := emit("whole")
			<-time.After(timeout * 3 / 2) // the pause itself is what is tested
			return llm.Result{FinishReason: "stop"}, err
		},
	}))
	for _, accept := range []string{"", "text/event-stream"} {
		if got, err := io.ReadAll(a.open(t, "/ai/ask?question=x", accept)); err != nil || !strings.Contains(string(got), "whole") {
			t.Errorf("accept %q: %q, %v", accept, got, err)
		}
	}
}
