package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/store/pgtest"
)

// TestQuestionMemory shows that a question holds no more than the films that it shows: with 30 times as many films in
// the catalogue, it allocates less than half as much again, whatever its conditions and its order. The limit allows for
// the server's background work. The ids of all films alone would be twice as much.
func TestQuestionMemory(t *testing.T) { //nolint:paralleltest // parallel tests would add to the allocations that it measures
	url := pgtest.New(t)
	pgtest.Grow(t, url, 30)
	small, large := start(t), startOn(t, url)
	for _, question := range []string{
		"How many films do you have?", "PG films", "Do you have comedies?", "films under $1", "films over 2 hours",
		"films with trailers", "movies in English", "What is in stock in store 1?", "Which films are out of stock?",
		"longest film", "newest films", "comedies, shortest first", "PG films sorted by title",
	} {
		t.Run(question, func(t *testing.T) {
			before, after := small.allocates(t, question), large.allocates(t, question)
			t.Logf("%d bytes with a thousand films, %d with 30 thousand", before, after)
			if after > before*3/2 {
				t.Error("a question allocates more if there are more films")
			}
		})
	}
}

// allocates returns how many bytes the process allocates to answer a question. What it makes once, such as a plan,
// does not count, so this is the least of several runs.
func (a *testAPI) allocates(t *testing.T, question string) uint64 {
	t.Helper()
	body, err := json.Marshal(gen.Question{Question: question})
	if err != nil {
		t.Fatal(err)
	}
	least := ^uint64(0)
	for range 5 {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/ai/handoff", strings.NewReader(string(body)))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		a.server.ServeHTTP(w, r)
		runtime.ReadMemStats(&after)
		if answer := w.Body.String(); !strings.Contains(answer, `"agent":"search"`) || !strings.Contains(answer, "films, the first 8:") {
			t.Fatalf("%d: %s", w.Code, answer)
		}
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}
