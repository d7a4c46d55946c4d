package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/server"
	"example.com/pagila-api/store"
)

var filmOne = json.RawMessage(`{"film_id": 1}`)

// callFilm is a message of MCP that reads a film.
func callFilm(id int) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"getFilm","arguments":{"film_id":%[1]d}}}`, id)
}

// The calls of one question, and those of one batch of MCP, run at the same time and share a single slot.
func TestToolCallsShareASlot(t *testing.T) {
	t.Parallel()
	hold, release := holdFilms()
	a := start(t, withLimits(server.Limits{InFlight: 1}), hold)
	tools := a.modelTools(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if got, err := tools.Call(t.Context(), "getFilm", filmOne); err != nil || got.Status != http.StatusOK {
				t.Errorf("a call of a question: status %d, %v", got.Status, err)
			}
		})
	}
	wg.Go(func() {
		got := a.mcpCall(t, "["+callFilm(1)+","+callFilm(2)+","+callFilm(3)+"]").want(t, 200)
		if strings.Contains(string(got.body), "isError") || strings.Count(string(got.body), "structuredContent") != 3 {
			t.Errorf("the batch: %s", got.body)
		}
	})
	a.inFlight(t, 1)
	a.get(t, "/films").wantProblem(t, 503, "server_busy")
	release()
	wg.Wait()
	a.inFlight(t, 0)
	for _, question := range []string{"How long is Ali Forever", "Who stars in ACE GOLDFINGER, and how long may I keep it?"} {
		a.call(t, http.MethodPost, "/ai/handoff", string(encoded(t, map[string]string{"question": question}))).want(t, 200)
	}
}

// oneFilm is a store with a film and without a database.
type oneFilm struct{ server.Store }

func (oneFilm) Film(context.Context, int32) (store.FilmDetail, error) {
	return store.FilmDetail{Film: store.Film{FilmID: 1, Title: "X"}}, nil
}

// busyForTools returns a server without a free slot, and a function that calls a tool.
func busyForTools(t *testing.T) (s *server.Server, call func(context.Context) error) {
	t.Helper()
	s, err := server.New(server.Deps{
		Contract: loadContract(t), Logger: slog.New(slog.DiscardHandler), Store: oneFilm{}, Limits: server.Limits{InFlight: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	tools := server.ModelTools(s, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/ai/ask?question=x", nil))
	call = func(ctx context.Context) error {
		_, err := tools.Call(ctx, "getFilm", filmOne)
		return err
	}
	if err := call(t.Context()); err != nil { // releases the slot of the question
		t.Fatal(err)
	}
	server.Fill(s)
	return s, call
}

// A call of a tool waits some seconds for a slot. Another request is rejected at once.
func TestToolCallsWaitForASlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, call := busyForTools(t)
		start := time.Now()
		waited := make(chan error, 1)
		go func() { waited <- call(t.Context()) }()
		synctest.Wait()
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/films/1", nil))
		if w.Code != http.StatusServiceUnavailable || time.Since(start) != 0 {
			t.Errorf("another request: status %d after %s", w.Code, time.Since(start))
		}
		server.Free(s)
		if err := <-waited; err != nil || time.Since(start) != 0 {
			t.Errorf("once a slot is free: %v after %s", err, time.Since(start))
		}

		server.Fill(s)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { waited <- call(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-waited; !errors.Is(err, context.Canceled) || time.Since(start) != 0 {
			t.Errorf("after the end of the question: %v after %s", err, time.Since(start))
		}

		if err := call(t.Context()); server.ProblemOf(err).Code != gen.ProblemCodeServerBusy {
			t.Errorf("on a server that stays busy: %v", err)
		}
		if took := time.Since(start); took < time.Second || took > 10*time.Second {
			t.Errorf("a call waits for %s", took)
		}
		w = httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/mcp", strings.NewReader(callFilm(1)))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		s.ServeHTTP(w, r)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `\"code\":\"server_busy\"`) {
			t.Errorf("the call of an MCP client: status %d: %s", w.Code, w.Body)
		}
		s.Close()
	})
}

// The number of calls that wait is bounded: beyond it, a call is rejected at once like any other request.
func TestToolCallsThatWaitAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, call := busyForTools(t)
		start := time.Now()
		var wg sync.WaitGroup
		var served, atOnce, late atomic.Int32
		for range 5000 {
			wg.Go(func() {
				switch err := call(t.Context()); {
				case err == nil:
					served.Add(1)
				case time.Since(start) == 0:
					atOnce.Add(1)
				default:
					late.Add(1)
				}
			})
		}
		synctest.Wait()
		rejected := atOnce.Load()
		server.Free(s)
		wg.Wait()
		if rejected < 1000 || served.Load() < 1000 || atOnce.Load() != rejected || late.Load() != 0 {
			t.Errorf("%d calls were rejected at once, %d later, %d were served", rejected, atOnce.Load()+late.Load()-rejected, served.Load())
		}
		s.Close()
	})
}
