package server_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"example.com/pagila-api/server"
	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// Without a store the server serves what needs none, and says what the rest waits for.
func TestStarting(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	a := startOn(t, url, func(d *server.Deps) { d.Store = nil })
	st, err := store.Open(url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	get := func(method, path string) (int, http.Header, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, a.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, response.Header, string(body)
	}
	a.server.Starting("baking a cake")
	for _, path := range []string{"/readyz", "/films", "/films/1", "/customers/1/rentals/1", "/ai/ask?question=x"} {
		status, header, body := get(http.MethodGet, path)
		if status != 503 || header.Get("Retry-After") == "" || !strings.Contains(body, "The server is starting: baking a cake.") || !strings.Contains(body, "not_ready") {
			t.Errorf("%s: %d %s", path, status, body)
		}
		if status, _, _ := get(http.MethodHead, path); status != 503 {
			t.Errorf("HEAD %s: %d", path, status)
		}
	}
	for path, want := range map[string]int{"/healthz": 200, "/docs": 200, "/openapi.yaml": 200, "/films?page=0": 400, "/nowhere": 404} {
		if status, _, body := get(http.MethodGet, path); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if log := a.log.String(); strings.Contains(log, "ERROR") {
		t.Errorf("an error is logged: %s", log)
	}
	a.server.Ready(st)
	for _, path := range []string{"/readyz", "/films/1"} {
		if status, _, body := get(http.MethodGet, path); status != 200 {
			t.Errorf("then %s: %d %s", path, status, body)
		}
	}
}
