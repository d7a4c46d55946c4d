package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/pagila-api/gen/client"
)

const health = `{"status":"ok"}`

// transport responds to requests without a network, so that a test can use a fake clock.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// respond returns a response without a body.
func respond(status int, headers ...string) *http.Response {
	w := httptest.NewRecorder()
	for i := 0; i < len(headers); i += 2 {
		w.Header().Set(headers[i], headers[i+1])
	}
	w.WriteHeader(status)
	return w.Result()
}

// The pauses between attempts double. Retry-After is added.
func TestPausesBetweenAttempts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		retryAfter func() string
		requests   int
		min, max   time.Duration // of the entire call, with 3 retries after 100 ms, 200 ms, 400 ms
	}{
		"no Retry-After":     {func() string { return "" }, 4, 350 * time.Millisecond, 700 * time.Millisecond},
		"seconds":            {func() string { return "2" }, 4, 6350 * time.Millisecond, 6700 * time.Millisecond},
		"a date":             {func() string { return time.Now().Add(3 * time.Second).UTC().Format(http.TimeFormat) }, 4, 6 * time.Second, 10 * time.Second},
		"a past date":        {func() string { return "Sun, 06 Nov 1994 08:49:37 GMT" }, 4, 350 * time.Millisecond, 700 * time.Millisecond},
		"malformed":          {func() string { return "soon" }, 4, 350 * time.Millisecond, 700 * time.Millisecond},
		"beyond the maximum": {func() string { return "3600" }, 1, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				a := newAPI(t, "http://pagila.test", client.WithRetries(3), client.WithBackoff(100*time.Millisecond), client.WithTransport(transport(func(*http.Request) (*http.Response, error) {
					requests++
					return respond(503, "Retry-After", tt.retryAfter()), nil
				})))
				begin := time.Now()
				_, err := a.GetHealth(t.Context())
				took := time.Since(begin)
				response, ok := errors.AsType[*client.HTTPError](err)
				if !ok || response.Status != 503 {
					t.Fatalf("got %v", err)
				}
				if requests != tt.requests || took < tt.min || took > tt.max {
					t.Errorf("%d requests in %s, want %d in %s to %s", requests, took, tt.requests, tt.min, tt.max)
				}
				if name == "beyond the maximum" && response.RetryAfter != time.Hour {
					t.Errorf("RetryAfter is %s", response.RetryAfter)
				}
			})
		})
	}
}

// The timeout limits an attempt, including its body. An attempt that timed out is not retried.
func TestTimeoutOfTheCompleteResponse(t *testing.T) {
	t.Parallel()
	hang := func(r *http.Request) error { <-r.Context().Done(); return r.Context().Err() }
	for name, do := range map[string]transport{
		"no headers": func(r *http.Request) (*http.Response, error) { return nil, hang(r) },
		"half a body": func(r *http.Request) (*http.Response, error) {
			response := respond(200, "Content-Type", "application/json")
			reader, writer := io.Pipe()
			response.Body = reader
			go func() {
				io.WriteString(writer, health[:5])
				writer.CloseWithError(hang(r))
			}()
			return response, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAPI(t, "http://pagila.test", client.WithTimeout(10*time.Second), client.WithTransport(do))
				begin := time.Now()
				_, err := a.GetHealth(t.Context())
				if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || kindOf(err) != "timeout" || took != 10*time.Second {
					t.Errorf("after %s: %v", took, err)
				}
			})
		})
	}
}

// The timeout restarts with each attempt. A context limits the entire call, including the pauses.
func TestTimeoutRestartsWithEachAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		busy := client.WithTransport(transport(func(r *http.Request) (*http.Response, error) {
			if requests++; requests%2 == 0 {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			<-time.After(6 * time.Second)
			return respond(503, "Retry-After", "20"), nil
		}))
		a := newAPI(t, "http://pagila.test", client.WithTimeout(10*time.Second), busy)
		begin := time.Now()
		_, err := a.GetHealth(t.Context())
		if took := time.Since(begin).Truncate(time.Second); kindOf(err) != "timeout" || took != 36*time.Second {
			t.Errorf("after %s: %v", took, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		if _, err := a.GetHealth(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "503") {
			t.Errorf("got %v", err)
		}
		if requests != 3 {
			t.Errorf("%d requests, want 3", requests)
		}
	})
}

// The deadline of the caller's context limits the entire call, including its attempts and pauses.
func TestDeadlineLimitsTheEntireCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		a := newAPI(t, "http://pagila.test", client.WithTimeout(2*time.Second), client.WithRetries(9), client.WithBackoff(200*time.Millisecond), client.WithTransport(transport(func(*http.Request) (*http.Response, error) {
			requests++
			<-time.After(time.Second)
			return respond(503, "Retry-After", "5"), nil
		})))
		ctx, cancel := context.WithTimeout(t.Context(), 16*time.Second)
		defer cancel()
		begin := time.Now()
		_, err := a.GetHealth(ctx)
		if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took != 16*time.Second || requests != 3 {
			t.Errorf("%d requests in %s: %v", requests, took, err)
		}
	})
}

// The idle timeout limits each silence of a stream. It limits neither the stream's length nor the time between
// two reads.
func TestIdleTimeoutAllowsLongStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, "http://pagila.test", client.WithTimeout(time.Second), client.WithIdleTimeout(10*time.Second), client.WithTransport(transport(func(r *http.Request) (*http.Response, error) {
			response := respond(200, "Content-Type", "text/event-stream")
			reader, writer := io.Pipe()
			response.Body = reader
			context.AfterFunc(r.Context(), func() { writer.CloseWithError(r.Context().Err()) })
			go func() {
				for range 100 {
					<-time.After(9 * time.Second)
					io.WriteString(writer, "event: delta\ndata: {\"text\":\"x\"}\n\n")
				}
				io.WriteString(writer, "event: done\ndata: {\"finish_reason\":\"stop\",\"model\":\"m\",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n")
				writer.Close()
			}()
			return response, nil
		})))
		chunks := 0
		for _, err := range a.AskQuestion(t.Context(), "x") {
			if err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Minute)
			chunks++
		}
		if chunks != 100 {
			t.Errorf("%d chunks, want 100", chunks)
		}
	})
}

// A canceled call is not retried, and its error is the context's.
func TestCanceledCallIsNotRetried(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	requests := 0
	a := newAPI(t, "http://pagila.test", client.WithTransport(transport(func(*http.Request) (*http.Response, error) {
		requests++
		cancel()
		return nil, errors.New("the network is down")
	})))
	if _, err := a.GetHealth(ctx); !errors.Is(err, context.Canceled) || requests != 1 {
		t.Errorf("%d requests: %v", requests, err)
	}
}

// A client sends the server's bookmark back, with which it reads its own writes.
func TestBookmark(t *testing.T) {
	t.Parallel()
	var got []string
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("Cookie"))
		w.Header().Set("Set-Cookie", "pagila_bookmark=position; Path=/; Max-Age=60; HttpOnly; SameSite=Lax")
		w.WriteHeader(http.StatusNotFound)
	}))
	defer ts.Close()
	api := newAPI(t, ts.URL)
	for range 2 {
		if _, err := api.GetFilm(t.Context(), 1); err == nil {
			t.Fatal("a 404 is no film")
		}
	}
	if want := []string{"", "pagila_bookmark=position"}; !slices.Equal(got, want) {
		t.Errorf("the cookies were %q, want %q", got, want)
	}
}

// The response to the earlier of two writes in flight may arrive last. The client keeps the later bookmark.
func TestBookmarkOfConcurrentWrites(t *testing.T) {
	t.Parallel()
	begun, later := make(chan struct{}), make(chan struct{})
	var got string
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		value := "B"
		switch r.URL.Path {
		case "/films/1":
			close(begun)
			<-later
			value = "A"
		case "/films/3":
			got, value = r.Header.Get("Cookie"), "0"
		case "/films/4":
			got += ", " + r.Header.Get("Cookie")
		}
		w.Header().Set("Set-Cookie", "pagila_bookmark="+value+"; Path=/; Max-Age=60")
		w.WriteHeader(http.StatusNotFound)
	}))
	defer ts.Close()
	api := newAPI(t, ts.URL)
	get := func(id int32) { _, _ = api.GetFilm(t.Context(), id) } // the error is a 404
	var wg sync.WaitGroup
	wg.Go(func() { get(1) })
	<-begun
	get(2)
	close(later)
	wg.Wait()
	get(3) // nothing else is in flight, so its bookmark is taken as it is
	get(4)
	if want := "pagila_bookmark=B, pagila_bookmark=0"; got != want {
		t.Errorf("the cookies were %q, want %q", got, want)
	}
}
