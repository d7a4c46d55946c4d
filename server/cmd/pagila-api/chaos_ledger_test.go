package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"example.com/pagila-api/gen"
)

// ledger records what happens in a chaos run.
type ledger struct {
	mu         sync.Mutex
	counts     map[string]map[int]int // responses by operation and status; 0 means no response
	slowest    map[string]time.Duration
	faults     map[string]int
	violations map[string]int
	examples   map[string]string // the first example of each violation

	promised map[int32]gen.Rental // by ID
	attempts map[pair][]string    // the outcomes of each, in order
	doubtful map[pair]int         // attempts with an unknown outcome
}

// pair is a copy and a customer.
type pair struct{ copyID, customer int32 }

func newLedger() *ledger {
	return &ledger{
		counts: map[string]map[int]int{}, slowest: map[string]time.Duration{}, faults: map[string]int{},
		violations: map[string]int{}, examples: map[string]string{},
		promised: map[int32]gen.Rental{}, attempts: map[pair][]string{}, doubtful: map[pair]int{},
	}
}

func (l *ledger) count(operation string, status int, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts[operation] == nil {
		l.counts[operation] = map[int]int{}
	}
	l.counts[operation][status]++
	l.slowest[operation] = max(l.slowest[operation], took)
}

func (l *ledger) violation(what, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.violations[what]++; l.violations[what] == 1 {
		l.examples[what] = fmt.Sprintf(format, args...)
	}
}

func (l *ledger) successes(operations []string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, operation := range operations {
		n += l.counts[operation][http.StatusOK] + l.counts[operation][http.StatusCreated]
	}
	return n
}

func (l *ledger) expectFault(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults[name] = 0
}

func (l *ledger) faultDone(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults[name]++
}

func (l *ledger) attempt(copyID, customer int32, begin time.Time, got reply) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := pair{copyID, customer}
	l.attempts[p] = append(l.attempts[p], fmt.Sprintf("%s to %s: %d %s",
		begin.UTC().Format(clock), time.Now().UTC().Format(clock), got.status, got.body))
}

// clock is the format of times in a report.
const clock = "15:04:05.000000"

func (l *ledger) promise(rental gen.Rental) {
	l.mu.Lock()
	if _, known := l.promised[rental.RentalID]; known {
		l.mu.Unlock()
		l.violation("two rentals have the same id", "%d", rental.RentalID)
		return
	}
	l.promised[rental.RentalID] = rental
	l.mu.Unlock()
}

func (l *ledger) doubt(copyID, customer int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.doubtful[pair{copyID, customer}]++
}

// settle waits until the program has no open transaction. One whose connection was reset may still commit.
func (c *chaos) settle() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var busy int
		err := c.db.QueryRowContext(ctx, "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND state <> 'idle'", c.role).Scan(&busy)
		if err != nil {
			c.t.Fatalf("wait for the last transactions: %v", err)
		}
		if busy == 0 {
			return
		}
		<-tick.C
	}
}

// verifyRentals compares the table with the program's responses: confirmed rentals exist, and others do not,
// unless their outcome was unknown.
func (c *chaos) verifyRentals() {
	c.t.Helper()
	c.wantNoneOutTwice()
	rows, err := c.db.QueryContext(c.t.Context(), `
		SELECT rental_id, rental_date, inventory_id, customer_id, staff_id, film_id, rental_duration, inventory.store_id, title
		FROM rental JOIN inventory USING (inventory_id) JOIN film USING (film_id) WHERE rental_id > $1`, c.lastRental)
	if err != nil {
		c.t.Fatal(err)
	}
	defer rows.Close()
	missing := maps.Clone(c.ledger.promised)
	unconfirmed := map[pair][]string{}
	for rows.Next() {
		var (
			row  gen.Rental
			days int
		)
		if err := rows.Scan(&row.RentalID, &row.RentalDate, &row.InventoryID, &row.CustomerID, &row.StaffID, &row.FilmID, &days, &row.StoreID, &row.Title); err != nil {
			c.t.Fatal(err)
		}
		row.DueDate = row.RentalDate.UTC().AddDate(0, 0, days)
		promised, ok := missing[row.RentalID]
		if !ok {
			p := pair{row.InventoryID, row.CustomerID}
			unconfirmed[p] = append(unconfirmed[p], fmt.Sprintf("%d of %s", row.RentalID, row.RentalDate.UTC().Format(clock)))
			continue
		}
		delete(missing, row.RentalID)
		c.compare(promised, row)
	}
	if rows.Err() != nil {
		c.t.Fatal(rows.Err())
	}
	for id, rental := range missing {
		c.ledger.violation("a confirmed rental is not in the table", "%d: %+v", id, rental)
	}
	for p, rows := range unconfirmed {
		if len(rows) > c.ledger.doubtful[p] {
			c.ledger.violation("a rental is in the table although the program said that nothing was written",
				"copy %d, customer %d: rentals %v, and these attempts:\n%s",
				p.copyID, p.customer, rows, strings.Join(c.ledger.attempts[p], "\n"))
		}
	}
}

// compare compares a confirmed rental with its row.
func (c *chaos) compare(promised, row gen.Rental) {
	same := promised.RentalDate.Equal(row.RentalDate) && promised.DueDate.Equal(row.DueDate)
	promised.RentalDate, promised.DueDate = row.RentalDate, row.DueDate
	same = same && promised.LateFee != nil && *promised.LateFee == "0.00"
	promised.LateFee = nil
	if !same || promised != row {
		c.ledger.violation("a confirmed rental differs from the table", "%+v instead of %+v", promised, row)
	}
}

// report logs what happened, and fails the test for each violation.
func (l *ledger) report(t *testing.T, log string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	t.Logf("\n%s\n%s\nthe failures in the program's log:\n%s", l.table(), l.faultTable(), causes(log))
	for _, what := range slices.Sorted(maps.Keys(l.violations)) {
		t.Errorf("%d × %s, the first: %s", l.violations[what], what, l.examples[what])
	}
	for name, n := range l.faults {
		if n == 0 {
			t.Errorf("this fault did not happen: %s", name)
		}
	}
}

// table returns the responses by operation and status.
func (l *ledger) table() string {
	seen := map[int]bool{}
	for _, counts := range l.counts {
		for status := range counts {
			seen[status] = true
		}
	}
	statuses := slices.Sorted(maps.Keys(seen))
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "operation\t")
	for _, status := range statuses {
		fmt.Fprintf(w, "%d\t", status)
	}
	fmt.Fprint(w, "slowest\t\n")
	for _, operation := range slices.Sorted(maps.Keys(l.counts)) {
		fmt.Fprintf(w, "%s\t", operation)
		for _, status := range statuses {
			fmt.Fprintf(w, "%d\t", l.counts[operation][status])
		}
		fmt.Fprintf(w, "%s\t\n", l.slowest[operation].Round(time.Millisecond))
	}
	w.Flush()
	return b.String()
}

func (l *ledger) faultTable() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "fault\ttimes\t\n")
	for _, name := range slices.Sorted(maps.Keys(l.faults)) {
		fmt.Fprintf(w, "%s\t%d\t\n", name, l.faults[name])
	}
	w.Flush()
	return b.String()
}

// variable matches what differs between two errors with the same cause.
var variable = regexp.MustCompile(`stmtcache_[0-9a-f]+|\b\d+(\.\d+)*\b`)

// causes returns the failures in the program's log by operation and cause, the most frequent first.
func causes(log string) string {
	counts := map[string]int{}
	for line := range strings.Lines(log) {
		var entry struct{ Level, Msg, Operation, Code, Error string }
		if json.Unmarshal([]byte(line), &entry) != nil {
			entry.Msg = strings.TrimSpace(line)
		}
		counts[fmt.Sprintf("%s %s %s: %s", entry.Msg, entry.Operation, entry.Code, keepCode(entry.Error))]++
	}
	lines := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return counts[b] - counts[a] })
	var b strings.Builder
	for _, line := range lines[:min(60, len(lines))] {
		fmt.Fprintf(&b, "%6d  %s\n", counts[line], line)
	}
	return b.String()
}

// keepCode removes what differs between requests from an error, but keeps its SQLSTATE.
func keepCode(text string) string {
	parts := strings.Split(text, "(SQLSTATE ")
	for i := range parts {
		code, rest, found := "", parts[i], false
		if i > 0 {
			code, rest, found = strings.Cut(parts[i], ")")
		}
		parts[i] = code + map[bool]string{true: ")"}[found] + variable.ReplaceAllString(rest, "#")
	}
	return strings.Join(parts, "(SQLSTATE ")
}
