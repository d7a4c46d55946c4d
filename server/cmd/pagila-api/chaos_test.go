package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/store/pgtest"
)

// In a chaos run, clients use the program while everything around it fails at once: rows are locked for
// seconds, connections are reset, backends are terminated, statements are canceled, and the role's settings
// and the tables' definitions change. The program may respond that it is not available at the moment. It must
// never fail, lose what it has confirmed, rent a copy twice, write what it reports as not written, or stop
// being ready.
//
// "make chaos" runs it for a minute.

// chaosDurationName is the variable with the duration of a run.
const chaosDurationName = "CHAOS_DURATION"

const (
	// chaosDuration is long enough for each fault to happen, and short enough for every test run.
	chaosDuration = 5 * time.Second
	// chaosClientTimeout is longer than every timeout of the program.
	chaosClientTimeout = 30 * time.Second
	// chaosPace is the time between two requests of a client.
	chaosPace = 40 * time.Millisecond
	// chaosAskPace is the time between two questions, whose answers take a second.
	chaosAskPace = 200 * time.Millisecond
	// chaosProbePace is the time between two probes.
	chaosProbePace = 100 * time.Millisecond
	// chaosReadProgress is the time in which some reads have to succeed.
	chaosReadProgress = time.Second
	// chaosRentalProgress is the same for rentals. A rental may wait for a locked row and for its turn.
	chaosRentalProgress = 3 * time.Second

	chaosReaders    = 6
	chaosRenters    = 5 // each with its own copies and customers
	chaosOwn        = 8 // the number of a renter's own copies and customers
	chaosContenders = 5 // for the same few copies
	chaosContested  = 4
	chaosAskers     = 4
)

// TestChaos is not parallel: it keeps the machine busy, and expects the program to make progress.
func TestChaos(t *testing.T) {
	t.Run("direct", func(t *testing.T) {
		c := newChaos(t)
		proxy := pgtest.NewProxy(t, c.roleURL)
		c.proxies = []*pgtest.Proxy{proxy}
		c.run(proxy.URL())
	})
	t.Run("behind PgBouncer", func(t *testing.T) {
		c := newChaos(t)
		back := pgtest.NewProxy(t, c.roleURL)
		// By default PgBouncer would reject all clients for 15 s after a login that was reset.
		bouncer := pgtest.Bouncer(t, back.URL(), "default_pool_size = 8", "server_login_retry = 0.1")
		front := pgtest.NewProxy(t, bouncer)
		c.proxies = []*pgtest.Proxy{front, back}
		c.run(front.URL())
	})
}

// chaos is one run.
type chaos struct {
	t       *testing.T
	ledger  *ledger
	db      *sql.DB // as the superuser, and not affected by the faults
	role    string  // the program's
	roleURL string
	proxies []*pgtest.Proxy
	client  *http.Client
	url     string // of the program

	copies, customers []int32 // copies in stock, and active customers
	lastRental        int32   // before the run
	films             map[int32][]byte
}

func newChaos(t *testing.T) *chaos {
	t.Helper()
	databaseURL := pgtest.New(t)
	db, err := sql.Open("pgx", databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	c := &chaos{t: t, ledger: newLedger(), db: db, client: &http.Client{
		Timeout: chaosClientTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 100},
	}}
	t.Cleanup(c.client.CloseIdleConnections)
	t.Cleanup(func() { db.Close() })
	c.createRole(databaseURL)
	c.copies = c.numbers(`SELECT inventory_id FROM inventory WHERE NOT EXISTS (
		SELECT FROM rental WHERE rental.inventory_id = inventory.inventory_id AND return_date IS NULL
	) ORDER BY inventory_id LIMIT $1`, chaosRenters*chaosOwn+chaosContested)
	c.customers = c.numbers("SELECT customer_id FROM customer WHERE active = 1 ORDER BY customer_id LIMIT $1",
		chaosRenters*chaosOwn+chaosContenders)
	c.lastRental = c.numbers("SELECT max(rental_id) FROM rental LIMIT $1", 1)[0]
	return c
}

// createRole creates the role of the program, with the privileges that it needs.
func (c *chaos) createRole(databaseURL string) {
	c.t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		c.t.Fatal(err)
	}
	c.role = "chaos_" + strings.TrimPrefix(u.Path, "/")
	u.User = url.User(c.role)
	c.roleURL = u.String()
	c.must("CREATE ROLE " + c.role + " LOGIN")
	c.t.Cleanup(func() { c.must("DROP OWNED BY " + c.role); c.must("DROP ROLE " + c.role) })
	for _, privilege := range []string{
		"SELECT ON ALL TABLES IN SCHEMA public", "INSERT ON rental, streaming_subscription",
		"USAGE ON ALL SEQUENCES IN SCHEMA public",
		"UPDATE (last_update) ON inventory, customer", // for the row locks
		"UPDATE (return_date) ON rental", "UPDATE (streaming_available) ON film", "UPDATE (end_date) ON streaming_subscription",
	} {
		c.must("GRANT " + privilege + " TO " + c.role)
	}
}

func (c *chaos) must(statement string, args ...any) {
	c.t.Helper()
	// Not the test's context, which is over when its cleanups run.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := c.db.ExecContext(ctx, statement, args...); err != nil {
		c.t.Errorf("%s: %v", statement, err)
	}
}

// numbers returns the rows of a query with one column.
func (c *chaos) numbers(query string, args ...any) []int32 {
	c.t.Helper()
	rows, err := c.db.QueryContext(c.t.Context(), query, args...)
	if err != nil {
		c.t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var found []int32
	for rows.Next() {
		var n int32
		if err := rows.Scan(&n); err != nil {
			c.t.Fatal(err)
		}
		found = append(found, n)
	}
	if rows.Err() != nil || len(found) == 0 {
		c.t.Fatalf("%s: %d rows, %v", query, len(found), rows.Err())
	}
	return found
}

// run starts the program on the database at the URL, starts clients and faults, and checks the result.
func (c *chaos) run(programURL string) {
	c.t.Helper()
	// This model takes a second for an answer.
	model := httptest.NewServer(&streamingModel{interval: 50 * time.Millisecond, chunks: 20})
	c.t.Cleanup(model.Close)
	program := serveProgram(c.t, environment(c.t, "DATABASE_URL="+programURL, "OPENAI_BASE_URL="+model.URL,
		"LLM_RATE_LIMIT=0", "LLM_MAX_CALLS=0", "LOG_LEVEL=error", "LOG_FORMAT=json"))
	c.url = program.url
	c.rememberFilms()

	ctx, cancel := context.WithTimeout(c.t.Context(), c.duration())
	defer cancel()
	var faults, clients sync.WaitGroup
	c.startFaults(ctx, &faults)
	c.startClients(ctx, &clients)
	clients.Wait()
	faults.Wait()

	c.settle()
	c.verifyRentals()
	c.ledger.report(c.t, program.stderr.String())
}

func (c *chaos) duration() time.Duration {
	c.t.Helper()
	text := os.Getenv(chaosDurationName)
	if text == "" {
		return chaosDuration
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		c.t.Fatalf("%s: %v", chaosDurationName, err)
	}
	return d
}

// rememberFilms reads some films before the faults begin. They do not change.
func (c *chaos) rememberFilms() {
	c.t.Helper()
	c.films = map[int32][]byte{}
	for _, id := range c.numbers("SELECT film_id FROM film ORDER BY film_id LIMIT $1", 20) {
		r := c.call("read a film", http.MethodGet, fmt.Sprintf("/films/%d", id), "")
		if r.status != http.StatusOK {
			c.t.Fatalf("film %d before the run: %d %s", id, r.status, r.body)
		}
		c.films[id] = r.body
	}
}

// startClients starts all clients of the program until ctx is done. They finish the requests that they have
// begun.
func (c *chaos) startClients(ctx context.Context, wg *sync.WaitGroup) {
	loop := func(pace time.Duration, do func()) { wg.Go(func() { every(ctx, pace, do) }) }
	for range chaosReaders {
		loop(chaosPace, c.readFilm)
		loop(chaosPace, c.listFilms)
	}
	for i := range chaosRenters {
		loop(chaosPace, c.renter(c.copies[i*chaosOwn:][:chaosOwn], c.customers[i*chaosOwn:][:chaosOwn]))
	}
	contested := c.copies[chaosRenters*chaosOwn:]
	for _, customer := range c.customers[chaosRenters*chaosOwn:] {
		loop(chaosPace, func() { c.contend(contested[rand.IntN(len(contested))], customer) })
	}
	for range chaosAskers {
		loop(chaosAskPace, c.ask)
		loop(chaosAskPace, c.askForEvents)
		loop(chaosAskPace, c.handOff)
	}
	loop(chaosProbePace, func() { c.want("healthz", http.MethodGet, "/healthz", "") })
	loop(chaosProbePace, c.probe)
	loop(chaosProbePace, c.wantNoneOutTwice)
	loop(chaosProbePace, c.wantProgress("read", chaosReadProgress, "read a film", "list films"))
	loop(chaosProbePace, c.wantProgress("rental", chaosRentalProgress, "rent a free copy", "rent a contested copy"))
}

// every calls do until ctx is done, with pauses of about the given pace.
func every(ctx context.Context, pace time.Duration, do func()) {
	for {
		timer := time.NewTimer(pace/2 + rand.N(pace))
		select {
		case <-timer.C:
			do()
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// reply is the program's response to a request.
type reply struct {
	status int // 0 if there was no response or only a part of one
	header http.Header
	body   []byte
}

// call sends a request, and records its outcome and any response that is never allowed.
func (c *chaos) call(operation, method, path, body string, header ...string) reply {
	r, err := http.NewRequestWithContext(context.Background(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		panic(err) // the paths are constant
	}
	r.Header.Set("Authorization", "Bearer dvd_admin")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	begin := time.Now()
	got, err := c.send(r)
	c.ledger.count(operation, got.status, time.Since(begin))
	if err != nil && !bytes.Contains(got.body, []byte("event: error\n")) { // a stream that has failed is broken off
		c.ledger.violation(operation+": no whole response", "%v", err)
	}
	if got.status >= http.StatusInternalServerError {
		c.judgeFailure(operation, got)
	}
	return got
}

func (c *chaos) send(r *http.Request) (reply, error) {
	response, err := c.client.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{body: body}, fmt.Errorf("status %d, then %w", response.StatusCode, err)
	}
	return reply{response.StatusCode, response.Header, body}, nil
}

// judgeFailure accepts a 503 if it has the required form.
func (c *chaos) judgeFailure(operation string, got reply) {
	if got.status != http.StatusServiceUnavailable {
		c.ledger.violation(fmt.Sprintf("%s: %d", operation, got.status), "%s", got.body)
		return
	}
	if got.header.Get("Content-Type") != "application/problem+json" || got.header.Get("Retry-After") == "" {
		c.ledger.violation(operation+": 503 without a problem document or Retry-After", "%v %s", got.header, got.body)
	}
}

// want calls, and records any status other than 200 and 503 as a violation. It reports whether the status is
// 200.
func (c *chaos) want(operation, method, path, body string, header ...string) (reply, bool) {
	got := c.call(operation, method, path, body, header...)
	if got.status == http.StatusOK {
		return got, true
	}
	if got.status != 0 && got.status < http.StatusInternalServerError {
		c.ledger.violation(fmt.Sprintf("%s: %d", operation, got.status), "%s", got.body)
	}
	return got, false
}

func (c *chaos) readFilm() {
	for id, want := range c.films { // the order of a map is random
		got, ok := c.want("read a film", http.MethodGet, fmt.Sprintf("/films/%d", id), "")
		if ok && !bytes.Equal(withoutAvailability(got.body), withoutAvailability(want)) {
			c.ledger.violation("read a film: it has changed", "%s instead of %s", got.body, want)
		}
		return
	}
}

// withoutAvailability removes from a film the numbers of copies, which rentals change, and the ETag, which depends on
// them.
func withoutAvailability(film []byte) []byte { return availability.ReplaceAll(film, nil) }

var availability = regexp.MustCompile(`"availability":\[[^]]*\],?|"etag":"\\"[^"]*\\"",?`)

func (c *chaos) listFilms() {
	path := fmt.Sprintf("/films?page=%d&page_size=%d", 1+rand.IntN(20), 1+rand.IntN(50))
	if rand.IntN(2) == 0 {
		path = "/films?category=" + []string{"Comedy", "HORROR", "sci-fi"}[rand.IntN(3)]
	}
	got, ok := c.want("list films", http.MethodGet, path, "")
	if !ok {
		return
	}
	var page struct{ Items []json.RawMessage }
	if err := json.Unmarshal(got.body, &page); err != nil || len(page.Items) == 0 {
		c.ledger.violation("list films: an empty page", "%s: %s", path, got.body)
	}
}

func (c *chaos) ask() {
	got, ok := c.want("ask", http.MethodGet, "/ai/ask?question=Which+comedies+are+rated+PG%3F", "")
	if ok && len(got.body) == 0 {
		c.ledger.violation("ask: an empty answer", "%v", got.header)
	}
}

func (c *chaos) askForEvents() {
	got, ok := c.want("ask, as events", http.MethodGet, "/ai/ask?question=Which+horror+films+are+short%3F", "",
		"Accept", "text/event-stream")
	if ok && !bytes.Contains(got.body, []byte("event: done\n")) {
		c.ledger.violation("ask, as events: a stream without its end", "%s", got.body)
	}
}

func (c *chaos) handOff() {
	c.want("hand off", http.MethodPost, "/ai/handoff", `{"question": "What does ACADEMY DINOSAUR cost?"}`)
}

// probe checks that the program is ready, as a load balancer does. It always has to be.
func (c *chaos) probe() {
	got := c.call("readyz", http.MethodGet, "/readyz", "")
	if got.status != http.StatusOK {
		c.ledger.violation(fmt.Sprintf("readyz: %d", got.status), "%s", got.body)
	}
}

// outcome is what a client knows after it tried to rent a copy.
type outcome int

const (
	rented outcome = iota
	taken
	nothingWritten
	unknown
)

// rent tries to rent a copy, and records what the response promises.
func (c *chaos) rent(operation string, copyID, customer int32) (outcome, gen.Rental) {
	const staff = 1
	begin := time.Now()
	got := c.call(operation, http.MethodPost, fmt.Sprintf("/customers/%d/rentals", customer),
		fmt.Sprintf(`{"inventory_id": %d, "staff_id": %d}`, copyID, staff))
	c.ledger.attempt(copyID, customer, begin, got)
	var rental gen.Rental
	switch {
	case got.status == http.StatusCreated:
		if err := json.Unmarshal(got.body, &rental); err != nil {
			c.ledger.violation(operation+": malformed", "%v: %s", err, got.body)
		}
		if rental.InventoryID != copyID || rental.CustomerID != customer || rental.StaffID != staff {
			c.ledger.violation(operation+": not the requested rental", "copy %d, customer %d: %s", copyID, customer, got.body)
		}
		c.ledger.promise(rental)
		return rented, rental
	case got.status == http.StatusConflict:
		return taken, rental
	case bytes.Contains(got.body, []byte("Nothing was written")):
		return nothingWritten, rental
	case got.status == http.StatusServiceUnavailable && !bytes.Contains(got.body, []byte("may have been written")):
		c.ledger.violation(operation+": 503 that does not say whether anything was written", "%s", got.body)
	case got.status != 0 && got.status < http.StatusInternalServerError:
		c.ledger.violation(fmt.Sprintf("%s: %d", operation, got.status), "%s", got.body)
	}
	c.ledger.doubt(copyID, customer)
	return unknown, rental
}

// renter returns a function that rents a copy that no other client wants, reads the rental, and returns the
// copy.
func (c *chaos) renter(copies, customers []int32) func() {
	const operation = "rent a free copy"
	next, doubtful := 0, map[int32]bool{} // copies with an unknown outcome
	return func() {
		copyID, customer := copies[next%len(copies)], customers[next%len(customers)]
		next++
		result, rental := c.rent(operation, copyID, customer)
		switch {
		case result == rented:
			c.readBack(rental)
		case result == taken && !doubtful[copyID]:
			c.ledger.violation(operation+": 409", "copy %d, customer %d", copyID, customer)
		case result == nothingWritten && !doubtful[copyID] && c.out(copyID):
			c.ledger.violation(operation+": it says that nothing was written, and the copy is out", "copy %d, customer %d", copyID, customer)
		}
		if result != nothingWritten {
			doubtful[copyID] = result == unknown
		}
		c.giveBack(copyID)
	}
}

// contend rents a copy that other clients want too, and keeps it for a moment.
func (c *chaos) contend(copyID, customer int32) {
	if result, rental := c.rent("rent a contested copy", copyID, customer); result == rented {
		c.readBack(rental)
		c.giveBack(copyID)
	} else if result == unknown {
		c.giveBack(copyID) // otherwise it might stay rented out
	}
}

func (c *chaos) readBack(rental gen.Rental) {
	c.want("read a rental", http.MethodGet, fmt.Sprintf("/customers/%d/rentals/%d", rental.CustomerID, rental.RentalID), "")
}

// giveBack returns a copy. The API has no operation for it.
func (c *chaos) giveBack(copyID int32) {
	c.must("UPDATE rental SET return_date = now() WHERE inventory_id = $1 AND return_date IS NULL", copyID)
}

func (c *chaos) out(copyID int32) bool {
	var out bool
	err := c.db.QueryRowContext(context.Background(),
		"SELECT EXISTS (SELECT FROM rental WHERE inventory_id = $1 AND return_date IS NULL)", copyID).Scan(&out)
	if err != nil {
		c.t.Error(err)
	}
	return out
}

// wantNoneOutTwice checks that no copy is rented to two customers.
func (c *chaos) wantNoneOutTwice() {
	var twice int
	err := c.db.QueryRowContext(context.Background(), `SELECT count(*) FROM (
		SELECT FROM rental WHERE return_date IS NULL AND rental_id > $1 GROUP BY inventory_id HAVING count(*) > 1
	) AS twice`, c.lastRental).Scan(&twice)
	if err != nil {
		c.t.Error(err)
	}
	if twice > 0 {
		c.ledger.violation("a copy is rented out twice", "%d copies", twice)
	}
}

// wantProgress returns a function that checks that one of the operations has succeeded in each period.
func (c *chaos) wantProgress(kind string, period time.Duration, operations ...string) func() {
	begin, before := time.Now(), c.ledger.successes(operations)
	return func() {
		if time.Since(begin) < period {
			return
		}
		now := c.ledger.successes(operations)
		if now == before {
			c.ledger.violation(fmt.Sprintf("no %s has succeeded for %s", kind, period), "%d until then", now)
		}
		begin, before = time.Now(), now
	}
}
