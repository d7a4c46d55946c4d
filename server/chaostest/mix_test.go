package chaostest

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"example.com/pagila-api/gen"
)

// The names of the requests in a mix.
const (
	films      = "films"
	film       = "film"
	rent       = "rent"
	returnCopy = "return"
	ask        = "ask"
)

const (
	token   = "dvd_admin"
	staffID = 1
	// askEvery is the time between two questions: half as many as a client may ask by default.
	askEvery = 2 * time.Second
	// pages is how many pages of films the clients read.
	pages = 50
)

// request is a request of a client. done is called with the response, whose status is 0 if there was none.
type request struct {
	name, method, path, body string
	accept                   string // the media type, or empty
	done                     func(status int, body []byte)
}

// wire returns a request as it is sent.
func wire(r request, address string) []byte {
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n",
		r.method, r.path, address, token, len(r.body))
	if r.body != "" {
		head += "Content-Type: application/json\r\n"
	}
	return []byte(head + "\r\n" + r.body)
}

// mix is what clients do: they read pages of films and single films, rent, return what they rented, and now and then
// ask a question. Each copy has one customer who rents it, so no rental can be refused.
type mix struct {
	ledger *ledger
	films  []int32
	free   chan pair
	out    chan lease
	turn   atomic.Int64
	cycle  int64
	asked  atomic.Int64 // when the last question was asked, in nanoseconds since begin
	begin  time.Time
}

// pair is a copy and the customer who rents it.
type pair struct{ copyID, customer int32 }

// lease is a rental that has to be returned.
type lease struct {
	pair
	rental int32
	again  bool // whether an earlier request to return it may have succeeded
}

// newMix returns a mix with all copies of the database that are in stock. One of cycle requests rents.
func newMix(t *testing.T, db *sql.DB, l *ledger, cycle int64) *mix {
	t.Helper()
	copies := column(t, db, `SELECT inventory_id FROM inventory i WHERE NOT EXISTS (
		SELECT FROM rental r WHERE r.inventory_id = i.inventory_id AND r.return_date IS NULL) ORDER BY 1`)
	customers := column(t, db, `SELECT customer_id FROM customer WHERE active = 1 ORDER BY 1`)
	m := &mix{
		ledger: l, cycle: cycle, films: column(t, db, `SELECT film_id FROM film ORDER BY 1`),
		free: make(chan pair, len(copies)), out: make(chan lease, len(copies)), begin: time.Now(),
	}
	for i, id := range copies {
		m.free <- pair{id, customers[i%len(customers)]}
	}
	return m
}

// column returns the rows of a query with one column.
func column(t *testing.T, db *sql.DB, query string) []int32 {
	t.Helper()
	var found []int32
	rows, err := db.QueryContext(context.WithoutCancel(t.Context()), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var v int32
		if err := rows.Scan(&v); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		found = append(found, v)
	}
	if rows.Err() != nil {
		t.Fatalf("%s: %v", query, rows.Err())
	}
	return found
}

// next returns the next request. Of a cycle of requests, one rents and one returns. Of the others, a third reads a film,
// and the rest reads a page of films.
func (m *mix) next() request {
	n := m.turn.Add(1)
	if r, ok := m.question(); ok {
		return r
	}
	switch {
	case n%m.cycle == 0:
		return m.rental()
	case n%m.cycle == m.cycle/2:
		return m.giveBack()
	case n%3 == 0:
		return m.read(film, fmt.Sprintf("/films/%d", m.films[int(n)%len(m.films)]))
	default:
		return m.read(films, fmt.Sprintf("/films?page=%d&page_size=20", 1+n%pages))
	}
}

func (m *mix) read(name, path string) request {
	return request{name: name, method: http.MethodGet, path: path, done: func(status int, body []byte) {
		m.ledger.response(name, status, body)
	}}
}

// question returns a question if it is time for one.
func (m *mix) question() (request, bool) {
	last, now := m.asked.Load(), int64(time.Since(m.begin))
	if now-last < int64(askEvery) || !m.asked.CompareAndSwap(last, now) {
		return request{}, false
	}
	return m.read(ask, "/ai/ask?question=Which+short+comedies+are+rated+PG%3F"), true
}

// rental returns a request to rent a copy, or to read if all copies are out.
func (m *mix) rental() request {
	select {
	case p := <-m.free:
		r := rentOf(p)
		r.done = func(status int, body []byte) { m.rented(p, status, body) }
		return r
	default:
		return m.read(films, "/films")
	}
}

// rentOf returns a request to rent a copy.
func rentOf(p pair) request {
	return request{
		name: rent, method: http.MethodPost, path: fmt.Sprintf("/customers/%d/rentals", p.customer),
		body: fmt.Sprintf(`{"inventory_id":%d,"staff_id":%d}`, p.copyID, staffID),
	}
}

func (m *mix) rented(p pair, status int, body []byte) {
	m.ledger.response(rent, status, body)
	switch {
	case status == http.StatusCreated:
		var r gen.Rental
		if err := json.Unmarshal(body, &r); err != nil || r.InventoryID != p.copyID || r.CustomerID != p.customer {
			m.ledger.wrong("the rental is not the requested one: %v, %s", err, body)
			return
		}
		m.ledger.confirm(r.RentalID, p)
		m.out <- lease{pair: p, rental: r.RentalID}
	case status != 0 && nothingWritten(body):
		m.free <- p
	default: // the copy may be out, so nobody asks for it again
		m.ledger.doubt(p)
	}
}

// nothingWritten reports whether a problem says that the request had no effect.
func nothingWritten(problem []byte) bool {
	var p gen.Problem
	return json.Unmarshal(problem, &p) == nil && p.Code != gen.ProblemCodeOutcomeUnknown
}

// giveBack returns a request to return a rental, or to read if there is none.
func (m *mix) giveBack() request {
	select {
	case l := <-m.out:
		return request{
			name: returnCopy, method: http.MethodPost, path: fmt.Sprintf("/customers/%d/rentals/%d/return", l.customer, l.rental),
			done: func(status int, body []byte) { m.returned(l, status, body) },
		}
	default:
		return m.read(films, "/films")
	}
}

func (m *mix) returned(l lease, status int, body []byte) {
	if l.again && status == http.StatusConflict && bytes.Contains(body, []byte(gen.ProblemCodeAlreadyReturned)) {
		status = http.StatusOK // the request before succeeded
	}
	m.ledger.response(returnCopy, status, body)
	if status == http.StatusOK {
		m.free <- l.pair
		return
	}
	l.again = l.again || status == 0 || !nothingWritten(body)
	m.out <- l
}
