package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/pagila-api/gen/client"
)

const health = `{"status":"ok"}`

// flaky answers the first requests with a status, or breaks the connection where it is 0, and the
// later ones as a healthy server would.
type flaky struct {
	*httptest.Server
	requests atomic.Int32
}

func startFlaky(t *testing.T, failures int32, status int) *flaky {
	t.Helper()
	f := &flaky{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case f.requests.Add(1) > failures:
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, health)
		case status == 0:
			panic(http.ErrAbortHandler)
		default:
			w.WriteHeader(status)
		}
	}))
	t.Cleanup(f.Close)
	return f
}

// GET is tried again after what may pass, and only after that. POST is never sent twice.
func TestRetries(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status, failures int32
		get              int32 // requests that one call makes
	}{
		{status: 0, failures: 2, get: 3},
		{status: 429, failures: 2, get: 3},
		{status: 502, failures: 1, get: 2},
		{status: 503, failures: 2, get: 3},
		{status: 504, failures: 2, get: 3},
		{status: 503, failures: 9, get: 3},
		{status: 0, failures: 9, get: 3},
		{status: 400, failures: 9, get: 1},
		{status: 404, failures: 9, get: 1},
		{status: 409, failures: 9, get: 1},
		{status: 500, failures: 9, get: 1},
		{status: 501, failures: 9, get: 1},
	} {
		t.Run(fmt.Sprintf("%d, %d times", tt.status, tt.failures), func(t *testing.T) {
			t.Parallel()
			f := startFlaky(t, tt.failures, int(tt.status))
			_, err := newAPI(t, f.URL).GetHealthWithResponse(t.Context())
			if got := f.requests.Load(); got != tt.get {
				t.Errorf("GET made %d requests, want %d", got, tt.get)
			}
			if (err == nil) != (tt.failures < tt.get) {
				t.Errorf("GET gave %v", err)
			}

			f = startFlaky(t, tt.failures, int(tt.status))
			_, err = newAPI(t, f.URL).SummarizeFilmWithResponse(t.Context(), client.SummaryRequest{FilmID: 1})
			if got := f.requests.Load(); got != 1 || err == nil {
				t.Errorf("POST made %d requests and gave %v", got, err)
			}
			if refusal, ok := errors.AsType[*client.Error](err); ok != (tt.status != 0) || ok && refusal.Status != int(tt.status) {
				t.Errorf("POST gave %v", err)
			}
		})
	}
}

// An answer that is cut is tried again like any other failure of the network.
func TestCutAnswer(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(health)))
		if requests.Add(1) == 1 {
			fmt.Fprint(w, health[:5])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, health)
	}))
	defer ts.Close()
	answer, err := newAPI(t, ts.URL).GetHealthWithResponse(t.Context())
	if err != nil || answer.JSON200 == nil || requests.Load() != 2 {
		t.Errorf("%d requests: %v", requests.Load(), err)
	}
}

// A page of a proxy's is a typed error with status and body, whatever its status is.
func TestForeignAnswers(t *testing.T) {
	t.Parallel()
	const page = "<html><h1>502 Bad Gateway</h1></html>"
	for name, tt := range map[string]struct {
		status      int
		contentType string
		body        string
	}{
		"HTML 502":                  {502, "text/html", page},
		"HTML 200":                  {200, "text/html; charset=utf-8", page},
		"JSON 500, not a problem":   {500, "application/json", `{"status":"UP"}`},
		"JSON 200, broken":          {200, "application/json", `{"items":[`},
		"no content":                {204, "", ""},
		"a broken problem":          {503, "application/problem+json", `{"code":`},
		"a problem of another kind": {403, "application/problem+json", `{"status":"forbidden"}`},
		"nothing":                   {504, "", ""},
		"a malformed media type":    {502, ";;", page},
		"a long page":               {502, "text/html", strings.Repeat("x", 1<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.contentType)
				w.Header().Set("X-Request-ID", "of-the-proxy")
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
			}))
			defer ts.Close()
			a := newAPI(t, ts.URL)
			calls := map[string]func() error{
				"GET":  func() error { _, err := a.GetFilmWithResponse(t.Context(), 1); return err },
				"POST": func() error { _, err := a.CreateRentalWithResponse(t.Context(), 1, client.RentalRequest{}); return err },
				"Ask":  func() error { _, err := collect(t, a); return err },
				"Films": func() error {
					for _, err := range a.Films(t.Context(), client.ListFilmsParams{}) {
						return err
					}
					return nil
				},
			}
			for name, call := range calls {
				refusal := wantError(t, call(), tt.status, "")
				if want := tt.body[:min(len(tt.body), 64<<10)]; string(refusal.Body) != want {
					t.Errorf("%s: the body is %.80q", name, refusal.Body)
				}
				if refusal.ContentType != tt.contentType || refusal.RequestID != "of-the-proxy" || len(refusal.Error()) > 1000 {
					t.Errorf("%s: got %v", name, refusal)
				}
			}
		})
	}
}

// A text where films were expected does not end in a panic.
func TestFilmsGetsText(t *testing.T) {
	t.Parallel()
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "Please log in to the hotel's network.")
	}))
	defer ts.Close()
	for _, err := range newAPI(t, ts.URL).Films(t.Context(), client.ListFilmsParams{}) {
		if refusal := wantError(t, err, 200, ""); !strings.HasPrefix(string(refusal.Body), "Please") {
			t.Errorf("got %v", err)
		}
	}
}

// transport answers requests without a network, so that the clock may be a false one.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answer is a response without a body.
func answer(status int, headers ...string) *http.Response {
	w := httptest.NewRecorder()
	for i := 0; i < len(headers); i += 2 {
		w.Header().Set(headers[i], headers[i+1])
	}
	w.WriteHeader(status)
	return w.Result()
}

// The pauses between attempts, on a false clock.
func TestPauses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		retryAfter func() string
		requests   int
		min, max   time.Duration // of the whole call, with 3 retries after 100 ms, 200 ms, 400 ms
	}{
		"doubling":         {func() string { return "" }, 4, 350 * time.Millisecond, 700 * time.Millisecond},
		"seconds":          {func() string { return "2" }, 4, 6350 * time.Millisecond, 6700 * time.Millisecond},
		"a date":           {func() string { return time.Now().Add(3 * time.Second).UTC().Format(http.TimeFormat) }, 4, 6 * time.Second, 10 * time.Second},
		"a date gone by":   {func() string { return "Sun, 06 Nov 1994 08:49:37 GMT" }, 4, 350 * time.Millisecond, 700 * time.Millisecond},
		"nonsense":         {func() string { return "soon" }, 4, 350 * time.Millisecond, 700 * time.Millisecond},
		"too long to wait": {func() string { return "3600" }, 1, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				a := newAPI(t, "http://pagila.test", client.WithRetries(3, 100*time.Millisecond), client.WithTransport(transport(func(*http.Request) (*http.Response, error) {
					requests++
					return answer(503, "Retry-After", tt.retryAfter()), nil
				})))
				begin := time.Now()
				_, err := a.GetHealthWithResponse(t.Context())
				took := time.Since(begin)
				refusal := wantError(t, err, 503, "")
				if requests != tt.requests || took < tt.min || took > tt.max {
					t.Errorf("%d requests in %s, want %d in %s to %s", requests, took, tt.requests, tt.min, tt.max)
				}
				if name == "too long to wait" && refusal.RetryAfter != time.Hour {
					t.Errorf("RetryAfter is %s", refusal.RetryAfter)
				}
			})
		})
	}
}

// The time limit is one for the whole call: for the attempts, the pauses and the body.
func TestTimeout(t *testing.T) {
	t.Parallel()
	hang := func(r *http.Request) error { <-r.Context().Done(); return r.Context().Err() }
	for name, do := range map[string]transport{
		"no head": func(r *http.Request) (*http.Response, error) { return nil, hang(r) },
		"a pause": func(*http.Request) (*http.Response, error) { return answer(503, "Retry-After", "30"), nil },
		"half a body": func(r *http.Request) (*http.Response, error) {
			response := answer(200, "Content-Type", "application/json")
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
				_, err := a.GetHealthWithResponse(t.Context())
				if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took != 10*time.Second {
					t.Errorf("after %s: %v", took, err)
				}
			})
		})
	}
}

// A stream is limited by its silences, not by its length, and not by what the caller does between.
func TestLongStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, "http://pagila.test", client.WithTimeout(time.Second), client.WithIdleTimeout(10*time.Second), client.WithTransport(transport(func(r *http.Request) (*http.Response, error) {
			response := answer(200, "Content-Type", "text/event-stream")
			reader, writer := io.Pipe()
			response.Body = reader
			context.AfterFunc(r.Context(), func() { writer.CloseWithError(r.Context().Err()) })
			go func() {
				for range 100 {
					<-time.After(9 * time.Second)
					io.WriteString(writer, "event: delta\ndata: {\"text\":\"x\"}\n\n")
				}
				io.WriteString(writer, "event: done\ndata: {}\n\n")
				writer.Close()
			}()
			return response, nil
		})))
		pieces := 0
		for _, err := range a.Ask(t.Context(), "x") {
			if err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Minute)
			pieces++
		}
		if pieces != 100 {
			t.Errorf("%d pieces, want 100", pieces)
		}
	})
}

// A cancelled call is not tried again, and ends with the caller's reason.
func TestCancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	requests := 0
	a := newAPI(t, "http://pagila.test", client.WithTransport(transport(func(*http.Request) (*http.Response, error) {
		requests++
		cancel()
		return nil, errors.New("the network is down")
	})))
	if _, err := a.GetHealthWithResponse(ctx); !errors.Is(err, context.Canceled) || requests != 1 {
		t.Errorf("%d requests: %v", requests, err)
	}
}
