package load_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/pagila-api/server/bench/load"
)

var get = load.Request{Bytes: []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), Status: http.StatusOK}

// clients returns connections to a server, and counts the requests that it receives.
func clients(t *testing.T, n int, handler http.HandlerFunc) (*load.Clients, *atomic.Int64) {
	t.Helper()
	var received atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		received.Add(1)
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	c, err := load.Dial(t.Context(), server.Listener.Addr().String(), n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, &received
}

// times returns a source of n requests.
func times(n int64, r load.Request) load.Source {
	var taken atomic.Int64
	return func() (load.Request, bool) { return r, taken.Add(1) <= n }
}

func TestClosedSendsWhatTheSourceHas(t *testing.T) {
	t.Parallel()
	c, received := clients(t, 4, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
	result, err := c.Closed(time.Minute, times(100, get))
	if err != nil || len(result.Latencies) != 100 || received.Load() != 100 {
		t.Errorf("%d latencies, %d requests, %v", len(result.Latencies), received.Load(), err)
	}
	if result.Rate() <= 0 || result.Quantile(0) > result.Quantile(1) {
		t.Errorf("rate %f, latencies %v", result.Rate(), result.Latencies)
	}
}

func TestReadGetsTheBody(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100_000) // it is sent in chunks
	c, _ := clients(t, 1, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, long) })
	r := get
	var bodies int
	r.Read = func(_ int, body []byte) error {
		if string(body) != long {
			t.Errorf("the body has %d bytes", len(body))
		}
		bodies++
		return nil
	}
	if _, err := c.Closed(time.Minute, times(3, r)); err != nil || bodies != 3 {
		t.Errorf("%d bodies, %v", bodies, err)
	}
	failed := errors.New("no")
	r.Read = func(int, []byte) error { return failed }
	if _, err := c.Closed(time.Minute, times(3, r)); !errors.Is(err, failed) {
		t.Error(err)
	}
}

func TestWrongStatusIsAnError(t *testing.T) {
	t.Parallel()
	c, _ := clients(t, 1, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "broken", 500) })
	_, err := c.Closed(time.Minute, times(1, get))
	if err == nil || !strings.Contains(err.Error(), "500, not 200: broken") {
		t.Error(err)
	}
}

func TestAnyStatus(t *testing.T) {
	t.Parallel()
	c, _ := clients(t, 1, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "broken", 500) })
	r := get
	r.Status = 0
	var statuses []int
	r.Read = func(status int, _ []byte) error {
		statuses = append(statuses, status)
		return nil
	}
	if _, err := c.Closed(time.Minute, times(2, r)); err != nil || !slices.Equal(statuses, []int{500, 500}) {
		t.Errorf("%v, %v", statuses, err)
	}
}

// The one connection is blocked until the requests after the first are due. Their latencies include that wait.
func TestOpenCountsTheWait(t *testing.T) {
	t.Parallel()
	const rate, count = 1000, 20
	begin := time.Now()
	var blocked time.Duration
	c, received := clients(t, 1, func(http.ResponseWriter, *http.Request) {
		if blocked == 0 {
			<-time.After(count * time.Second / rate)
			blocked = time.Since(begin)
		}
	})
	result, err := c.Open(rate, count*time.Second/rate, times(count, get))
	if err != nil || received.Load() != count {
		t.Fatalf("%d requests, %v", received.Load(), err)
	}
	if half := result.Quantile(0.5); half < count/4*time.Second/rate {
		t.Errorf("half of the requests took less than %s, although the first blocked the others", half)
	}
}

func TestOpenEndsWithTheSource(t *testing.T) {
	t.Parallel()
	c, _ := clients(t, 2, func(http.ResponseWriter, *http.Request) {})
	result, err := c.Open(1000, time.Minute, times(10, get))
	if err != nil || len(result.Latencies) != 10 {
		t.Errorf("%d latencies, %v", len(result.Latencies), err)
	}
}
