package pagila_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/pagila-api/store/pagila"
	"example.com/pagila-api/store/pgtest"
)

func TestFindInDirectory(t *testing.T) {
	t.Parallel()
	t.Run("another dump", func(t *testing.T) {
		t.Parallel()
		source, err := pagila.Find(t.Context(), pagila.Options{Dir: dump(t, "SELECT 1;", "SELECT 2;")})
		if err != nil {
			t.Fatal(err)
		}
		if source.String() != "pagila (custom)" || source.Pinned() {
			t.Errorf("the source is %s, pinned: %t", source.String(), source.Pinned())
		}
	})
	t.Run("a file is missing", func(t *testing.T) {
		t.Parallel()
		dir := dump(t, "", "")
		if err := os.Remove(filepath.Join(dir, "pagila-data.sql")); err != nil {
			t.Fatal(err)
		}
		_, err := pagila.Find(t.Context(), pagila.Options{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), "PAGILA_DIR") || !strings.Contains(err.Error(), "pagila-data.sql") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the real one", func(t *testing.T) {
		t.Parallel()
		pgtest.RealPagila(t)
		source, err := pagila.Find(t.Context(), pagila.Options{Dir: os.Getenv("PAGILA_DIR")})
		if err != nil {
			t.Fatal(err)
		}
		if source.String() != "pagila 3.1.0" || !source.Pinned() {
			t.Errorf("the source is %s, pinned: %t", source.String(), source.Pinned())
		}
	})
}

func TestFindWithoutDirectoryOrCache(t *testing.T) {
	t.Parallel()
	source, err := pagila.Find(t.Context(), pagila.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if source.String() != "sample" || source.Pinned() {
		t.Errorf("the source is %s, pinned: %t", source.String(), source.Pinned())
	}
}

func TestDownload(t *testing.T) {
	t.Parallel()
	pgtest.RealPagila(t)
	files := http.FileServer(http.Dir(os.Getenv("PAGILA_DIR")))
	requests := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- r.URL.Path
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	cache := filepath.Join(t.TempDir(), "not made yet")
	options := pagila.Options{CacheDir: cache, BaseURL: server.URL}

	tests := []struct {
		name     string
		before   func() error
		requests int
	}{
		{"at first", func() error { return nil }, 2},
		{"a second time", func() error { return nil }, 0},
		{"a broken cache", func() error {
			return os.WriteFile(filepath.Join(cache, "pagila-3.1.0", "pagila-data.sql"), []byte("broken"), 0o600)
		}, 2},
	}
	for _, test := range tests { // each continues from the state of the previous one
		if err := test.before(); err != nil {
			t.Fatal(err)
		}
		source, err := pagila.Find(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		if !source.Pinned() {
			t.Errorf("%s: the source is %s", test.name, source.String())
		}
		if len(requests) != test.requests {
			t.Errorf("%s: %d requests, want %d", test.name, len(requests), test.requests)
		}
		for len(requests) > 0 {
			<-requests
		}
	}
	if left, err := filepath.Glob(filepath.Join(cache, "*")); err != nil || len(left) != 1 {
		t.Errorf("the cache contains %q, %v", left, err)
	}
}

func TestFailedDownloadGivesSample(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		respond http.HandlerFunc // nil: nobody listens
		timeout time.Duration
		want    string // in the last step
	}{
		{"nobody listens", nil, 0, "refused"},
		{"not found", http.NotFound, 0, "404"},
		{"another file", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("hello")) }, 0, "SHA-256"},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.Write([]byte("hello"))
		}, 0, "EOF"},
		{"no response", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 50 * time.Millisecond, "deadline"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(test.respond)
			t.Cleanup(server.Close)
			if test.respond == nil {
				server.Close()
			}
			cache := t.TempDir()
			var steps []string
			source, err := pagila.Find(t.Context(), pagila.Options{
				CacheDir: cache, BaseURL: server.URL, Timeout: test.timeout,
				Progress: func(step string) { steps = append(steps, step) },
			})
			if err != nil {
				t.Fatal(err)
			}
			if source.String() != "sample" {
				t.Errorf("the source is %s", source.String())
			}
			last := steps[len(steps)-1]
			if !strings.Contains(last, test.want) || !strings.Contains(last, "sample") {
				t.Errorf("the last step is %q, want %q in it", last, test.want)
			}
			if left, err := filepath.Glob(filepath.Join(cache, "*")); err != nil || len(left) != 0 {
				t.Errorf("the cache contains %q, %v", left, err)
			}
		})
	}
}

func TestCancelledDownload(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		<-asked
		cancel()
	}()
	if source, err := pagila.Find(ctx, pagila.Options{CacheDir: t.TempDir(), BaseURL: server.URL}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %s, %v", source.String(), err)
	}
}
