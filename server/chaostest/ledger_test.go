package chaostest

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/pagila-api/store/pgtest"
)

// ledger records what the clients of a run were told.
type ledger struct {
	mu        sync.Mutex
	statuses  map[string]map[int]int // responses by request and status; 0 means no response
	examples  map[int]string         // the first response with a status
	succeeded int
	success   time.Time      // the last one
	outage    time.Duration  // the longest time between two successes
	longest   time.Duration  // how long a request took
	confirmed map[int32]pair // the rentals that clients were told of, by ID
	doubtful  map[pair]int
	faults    []string // what must never happen
}

func newLedger() *ledger {
	return &ledger{
		success: time.Now(), statuses: map[string]map[int]int{}, examples: map[int]string{},
		confirmed: map[int32]pair{}, doubtful: map[pair]int{},
	}
}

// response records a response.
func (l *ledger) response(name string, status int, body []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.statuses[name] == nil {
		l.statuses[name] = map[int]int{}
	}
	l.statuses[name][status]++
	if _, known := l.examples[status]; !known {
		l.examples[status] = fmt.Sprintf("%s: %.300s", name, body)
	}
	if status < http.StatusOK || status >= http.StatusBadRequest {
		return
	}
	now := time.Now()
	l.outage = max(l.outage, now.Sub(l.success))
	l.success = now
	l.succeeded++
}

// restart begins to measure times again.
func (l *ledger) restart() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.success, l.outage, l.longest = time.Now(), 0, 0
}

// took records how long a request took.
func (l *ledger) took(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.longest = max(l.longest, d)
}

// slowest returns how long the slowest request took.
func (l *ledger) slowest() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.longest
}

// successes returns the number of requests that succeeded.
func (l *ledger) successes() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.succeeded
}

// confirm records a rental that a client was told of.
func (l *ledger) confirm(rental int32, p pair) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.confirmed[rental] = p
}

// rentals returns the number of rentals that clients were told of.
func (l *ledger) rentals() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.confirmed)
}

// doubt records a request to rent whose client does not know whether it succeeded.
func (l *ledger) doubt(p pair) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.doubtful[p]++
}

func (l *ledger) wrong(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

// counts returns the number of responses with each status.
func (l *ledger) counts() map[int]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[int]int{}
	for _, each := range l.statuses {
		for status, n := range each {
			all[status] += n
		}
	}
	return all
}

// summary describes counts, such as "1,200 × 200, 3 × 503".
func summary(counts map[int]int) string {
	parts := make([]string, 0, len(counts))
	for _, status := range slices.Sorted(maps.Keys(counts)) {
		if status == 0 {
			parts = append(parts, grouped(counts[status])+" without a response")
			continue
		}
		parts = append(parts, fmt.Sprintf("%s × %d", grouped(counts[status]), status))
	}
	return strings.Join(parts, ", ")
}

// grouped formats a number with commas.
func grouped(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", grouped(n/1000), n%1000)
}

// wantOnly checks that there were only these statuses.
func (l *ledger) wantOnly(t *testing.T, statuses ...int) {
	t.Helper()
	for status, n := range l.counts() {
		if !slices.Contains(statuses, status) {
			t.Errorf("%d responses with status %d, the first: %s", n, status, l.examples[status])
		}
	}
}

// balance is what the rows say about what the clients were told.
type balance struct {
	rented      int // the rentals that clients were told of
	lost        int // those that are not in the table
	twice       int // the copies that two customers had at once
	unexplained int // the rentals in the table that no client made or may have made
}

func (b balance) String() string {
	return fmt.Sprintf("%s rentals, %d lost, %d twice", grouped(b.rented), b.lost, b.twice)
}

// wantNothingWrong fails the test if the table and the clients contradict each other.
func (b balance) wantNothingWrong(t *testing.T) {
	t.Helper()
	if b.lost > 0 || b.twice > 0 || b.unexplained > 0 {
		t.Errorf("of %d rentals %d are lost, %d copies are out twice, and the table has %d that were never made",
			b.rented, b.lost, b.twice, b.unexplained)
	}
}

// audit compares the table with what the clients were told since the rental with this ID.
func (l *ledger) audit(t *testing.T, db *sql.DB, since int32) balance {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	b := balance{rented: len(l.confirmed)}
	b.lost, b.unexplained = l.compare(t, db, since)
	row := db.QueryRowContext(context.WithoutCancel(t.Context()), `
		SELECT count(DISTINCT a.inventory_id) FROM rental a JOIN rental b USING (inventory_id)
		WHERE a.rental_id > $1 AND b.rental_id > a.rental_id
		  AND a.rental_date < COALESCE(b.return_date, 'infinity') AND b.rental_date < COALESCE(a.return_date, 'infinity')`, since)
	if err := row.Scan(&b.twice); err != nil {
		t.Fatal(err)
	}
	for _, fault := range l.faults {
		t.Error(fault)
	}
	return b
}

// compare compares the rows with the rentals that clients were told of. It returns how many of these are not in the
// table, and how many rentals in the table no client was told of, beyond those that may have been made.
func (l *ledger) compare(t *testing.T, db *sql.DB, since int32) (lost, unexplained int) {
	t.Helper()
	rows, err := db.QueryContext(context.WithoutCancel(t.Context()),
		"SELECT rental_id, inventory_id, customer_id FROM rental WHERE rental_id > $1", since)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found, others := 0, map[pair]int{}
	for rows.Next() {
		var (
			id int32
			p  pair
		)
		if err := rows.Scan(&id, &p.copyID, &p.customer); err != nil {
			t.Fatal(err)
		}
		if l.confirmed[id] == p {
			found++
		} else {
			others[p]++
		}
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	for p, n := range others {
		unexplained += max(0, n-l.doubtful[p])
	}
	return len(l.confirmed) - found, unexplained
}

// lastRental returns the ID of the newest rental.
func lastRental(t *testing.T, db *sql.DB) int32 {
	t.Helper()
	return column(t, db, "SELECT max(rental_id) FROM rental")[0]
}

// The audit finds each contradiction between the table and the clients.
func TestAudit(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("pgx", pgtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	since := lastRental(t, db)
	l := newLedger()
	rental := func(p pair, from, to string) int32 {
		return pgtest.Value[int32](t, db.QueryRowContext, `
			INSERT INTO rental (inventory_id, customer_id, staff_id, rental_date, return_date)
			VALUES ($1, $2, 1, now() + $3::interval, now() + $4::interval) RETURNING rental_id`, p.copyID, p.customer, from, to)
	}
	again, overlapping, doubted, invented, replaced := pair{1, 1}, pair{2, 1}, pair{3, 1}, pair{4, 1}, pair{5, 1}
	l.confirm(rental(again, "1 hour", "2 hours"), again)
	l.confirm(rental(again, "2 hours", "3 hours"), again)
	if b := l.audit(t, db, since); b != (balance{rented: 2}) {
		t.Errorf("nothing is wrong: %+v", b)
	}
	l.confirm(rental(overlapping, "1 hour", "3 hours"), overlapping)
	l.confirm(rental(overlapping, "2 hours", "4 hours"), overlapping)
	l.doubt(doubted)
	rental(doubted, "1 hour", "2 hours")
	rental(doubted, "3 hours", "4 hours")
	rental(invented, "1 hour", "2 hours")
	l.confirm(rental(pair{5, 2}, "1 hour", "2 hours"), replaced)
	l.confirm(math.MaxInt32, again)
	if b := l.audit(t, db, since); b != (balance{rented: 6, lost: 2, twice: 1, unexplained: 3}) {
		t.Errorf("got %+v", b)
	}
}
