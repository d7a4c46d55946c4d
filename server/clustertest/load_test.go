//go:build linux

package clustertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/pagila-api/gen"
)

// load are clients that rent copies, each its own, read what they have rented, and return it.
type load struct {
	url     string
	stop    context.CancelFunc
	clients sync.WaitGroup
	first   int // the last rental before the load

	mu        sync.Mutex
	reads     int      // of clients that do not write
	requests  int      // of the others
	failures  []string // of the requests
	unread    []string // of the reads
	slowest   time.Duration
	confirmed map[int32]gen.Rental
	returned  map[int32]bool
	writes    []time.Time // when rentals were confirmed
	stale     []string    // reads that did not see the client's own write
}

// startLoad starts clients until finish is called.
func startLoad(t *testing.T, c *cluster, clients int) *load {
	t.Helper()
	l := &load{
		url: c.frontURL(), confirmed: map[int32]gen.Rental{}, returned: map[int32]bool{},
		first: c.number(t, "SELECT max(rental_id) FROM rental"),
	}
	rows, err := c.db.QueryContext(t.Context(), `SELECT customer_id, inventory_id FROM (
		SELECT inventory_id, row_number() OVER (ORDER BY inventory_id) AS n FROM inventory i
		WHERE NOT EXISTS (SELECT FROM rental r WHERE r.inventory_id = i.inventory_id AND return_date IS NULL)) free
		JOIN (SELECT customer_id, row_number() OVER (ORDER BY customer_id) AS n FROM customer WHERE active = 1) active USING (n)
		LIMIT $1`, clients)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var ctx context.Context
	ctx, l.stop = context.WithCancel(t.Context())
	t.Cleanup(l.stop)
	for rows.Next() {
		var customer, copyID int32
		if err := rows.Scan(&customer, &copyID); err != nil {
			t.Fatal(err)
		}
		l.clients.Go(func() { l.run(ctx, t.Context(), customer, copyID) })
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	for range readers {
		l.clients.Go(func() { l.read(ctx, t.Context()) })
	}
	return l
}

// read reads films until ctx is done.
func (l *load) read(ctx, always context.Context) {
	for client := newClient(nil); ctx.Err() == nil; {
		got, err := client.send(always, http.MethodGet, l.url+"/films/1", "")
		l.mu.Lock()
		l.reads++
		if err != nil || !got.ok() {
			l.unread = append(l.unread, fmt.Sprintf("%d %v %s", got.status, err, got.body))
		}
		l.mu.Unlock()
	}
}

// run rents and returns a copy until ctx is done, and finishes what it has begun.
func (l *load) run(ctx, always context.Context, customer, copyID int32) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // it has no errors
	}
	client := newClient(jar)
	path := fmt.Sprintf("%s/customers/%d/rentals", l.url, customer)
	for known := true; (ctx.Err() == nil || !known) && always.Err() == nil; {
		var rental gen.Rental
		got := l.send(always, client, http.MethodPost, path, fmt.Sprintf(`{"inventory_id": %d, "staff_id": 1}`, copyID))
		if known = got.holds(&rental); !known {
			continue
		}
		l.confirm(rental, false)
		one := fmt.Sprintf("%s/%d", path, rental.RentalID)
		l.wantOwn(l.send(always, client, http.MethodGet, one, ""), rental, false)
		for rental.ReturnDate == nil && always.Err() == nil {
			returned := l.send(always, client, http.MethodPost, one+"/return", "")
			returned.holds(&rental)
		}
		l.confirm(rental, true)
		l.wantOwn(l.send(always, client, http.MethodGet, one, ""), rental, true)
	}
}

// holds reports whether the response has a rental: that of a success, or of a 409 that says that the request was carried
// out before.
func (r reply) holds(rental *gen.Rental) bool {
	switch {
	case r.ok():
		return json.Unmarshal(r.body, rental) == nil
	case r.status == http.StatusConflict:
		var problem gen.Problem
		if json.Unmarshal(r.body, &problem) != nil || problem.Rental == nil {
			return false
		}
		*rental = *problem.Rental
		return true
	default:
		return false
	}
}

func (l *load) confirm(r gen.Rental, returned bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.confirmed[r.RentalID] = r
	l.returned[r.RentalID] = returned
	l.writes = append(l.writes, time.Now())
}

// wantOwn checks that a read sees what the client has written.
func (l *load) wantOwn(got reply, r gen.Rental, returned bool) {
	var read gen.Rental
	seen := got.ok() && json.Unmarshal(got.body, &read) == nil && (read.ReturnDate != nil) == returned
	if seen || got.status == 0 || got.status >= http.StatusInternalServerError {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stale = append(l.stale, fmt.Sprintf("rental %d, returned: %t: %d %s", r.RentalID, returned, got.status, got.body))
}

// send sends a request and counts it. A 409 that holds the result of an earlier attempt does not count as a failure.
func (l *load) send(ctx context.Context, client *client, method, url, body string) reply {
	begin := time.Now()
	got, err := client.send(ctx, method, url, body)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
	l.slowest = max(l.slowest, time.Since(begin))
	if err != nil || !got.ok() && got.status != http.StatusConflict {
		l.failures = append(l.failures, fmt.Sprintf("%s %d %v %s", method, got.status, err, got.body))
	}
	return got
}

// wantProgress waits until the clients have written for a while.
func (l *load) wantProgress(t *testing.T) {
	t.Helper()
	written := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.writes)
	}
	from := written()
	eventually(t, func() bool { return written() >= from+200 }, func() string { return "the clients do not get on: " + l.summary() + l.examples() })
}

// longestPause returns the longest time without a confirmed rental after a time.
func (l *load) longestPause(after time.Time) (longest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, write := range l.writes {
		if write.After(after) {
			longest = max(longest, write.Sub(after))
			after = write
		}
	}
	return longest
}

func (l *load) finish(t *testing.T) {
	t.Helper()
	l.stop()
	l.clients.Wait()
}

func (l *load) failed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.failures) + len(l.unread)
}

func (l *load) summary() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%d requests of the clients that write, %d failed, the slowest took %s; "+
		"%d rentals confirmed, %d stale reads of own writes; %d other reads, %d failed", l.requests, len(l.failures), l.slowest.Round(time.Millisecond), len(l.confirmed), len(l.stale), l.reads, len(l.unread))
}

// examples returns some of the failures.
func (l *load) examples() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(append(slices.Clip(l.failures[:min(5, len(l.failures))]), l.unread[:min(5, len(l.unread))]...), "\n")
}

// verify compares what the clients were told with the rows.
func (l *load) verify(t *testing.T, c *cluster) {
	t.Helper()
	for _, s := range l.stale {
		t.Errorf("a stale read of an own write: %s", s)
	}
	lost := 0
	for id, r := range l.confirmed {
		if c.number(t, `SELECT count(*) FROM rental WHERE rental_id = $1 AND inventory_id = $2 AND customer_id = $3
			AND (return_date IS NOT NULL) = $4`, id, r.InventoryID, r.CustomerID, l.returned[id]) != 1 {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d confirmed rentals are lost", lost, len(l.confirmed))
	}
	// A client repeats a request until it knows the outcome, so it knows every rental.
	if n := c.number(t, "SELECT count(*) FROM rental WHERE rental_id > $1", l.first); n != len(l.confirmed) {
		t.Errorf("%d rentals were written, and %d confirmed", n, len(l.confirmed))
	}
}

// client sends requests with the token.
type client struct{ http *http.Client }

func newClient(jar http.CookieJar) *client {
	return &client{&http.Client{Timeout: 30 * time.Second, Jar: jar, Transport: &http.Transport{}}}
}

// reply is a response; its status is 0 if there was none.
type reply struct {
	status int
	body   []byte
}

func (r reply) ok() bool { return r.status == http.StatusOK || r.status == http.StatusCreated }

func (c *client) send(ctx context.Context, method, url, body string) (reply, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	r.Header.Set("Authorization", "Bearer dvd_admin")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{}, err
	}
	return reply{response.StatusCode, bytes.TrimSpace(got)}, nil
}
