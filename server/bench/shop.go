package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/server/bench/load"
)

const (
	// apiToken is the server's default in development.
	apiToken = "dvd_admin"
	staffID  = 1
)

// shop has the copies that can be rented. Each request to rent takes another one. When a system had its turn, the shop
// is as it was before.
type shop struct {
	db         *database
	customers  []int32
	copies     []int32
	lastRental int32   // the last rental of the dataset
	out        []int32 // the rentals of the dataset that were ended for a while

	copyCount, customerCount int // those with the ids from 1 on

	rented atomic.Int64 // the number of copies that were given to requests
	mu     sync.Mutex
	open   []string // the paths to return what was rented
}

func openShop(ctx context.Context, db *database) (*shop, error) {
	s := &shop{db: db}
	var err error
	// The recording needs ids that differ from each other and from other arguments, so the low ones come last.
	s.customers, err = ids(ctx, db.conn, `SELECT customer_id FROM customer WHERE active = 1 ORDER BY customer_id < 100, 1`)
	if err != nil {
		return nil, err
	}
	s.copies, err = ids(ctx, db.conn, `SELECT inventory_id FROM inventory i WHERE NOT EXISTS (
			SELECT FROM rental r WHERE r.inventory_id = i.inventory_id AND r.return_date IS NULL)
		ORDER BY inventory_id < 1000, 1`)
	if err != nil {
		return nil, err
	}
	return s, db.conn.QueryRow(ctx, `
		SELECT (SELECT max(rental_id) FROM rental), (SELECT count(*) FROM inventory), (SELECT count(*) FROM customer)`,
	).Scan(&s.lastRental, &s.copyCount, &s.customerCount)
}

func ids(ctx context.Context, conn *pgx.Conn, sql string) ([]int32, error) {
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int32])
}

// reset deletes what was rented, and cleans the table up, so that autovacuum does not do it during a measurement.
func (s *shop) reset(ctx context.Context) error {
	s.rented.Store(0)
	s.open = nil
	if s.out != nil {
		if _, err := s.db.conn.Exec(ctx, `UPDATE rental SET return_date = NULL WHERE rental_id = ANY ($1)`, s.out); err != nil {
			return err
		}
		s.out = nil
	}
	return s.execute(ctx, `DELETE FROM rental WHERE rental_id > `+strconv.Itoa(int(s.lastRental)), tidyRentals)
}

// tidyRentals has to run on its own, after each change of many rentals.
const tidyRentals = `VACUUM (ANALYZE) rental`

func (s *shop) execute(ctx context.Context, statements ...string) error {
	for _, sql := range statements {
		if _, err := s.db.conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("prepare the shop: %w", err)
		}
	}
	return nil
}

// takeBack makes every copy free until reset. It returns their number.
func (s *shop) takeBack(ctx context.Context) (copies int, err error) {
	s.out, err = ids(ctx, s.db.conn, `
		UPDATE rental SET return_date = rental_date WHERE return_date IS NULL RETURNING rental_id`)
	if err != nil {
		return 0, err
	}
	return s.copyCount, s.execute(ctx, tidyRentals)
}

// rentAll rents every copy until reset. The ids of the rentals follow those of the dataset, in the order of the copies.
func (s *shop) rentAll(ctx context.Context) (copies int, err error) {
	if _, err := s.takeBack(ctx); err != nil {
		return 0, err
	}
	return s.copyCount, s.execute(ctx, fmt.Sprintf(`
		INSERT INTO rental (rental_id, rental_date, inventory_id, customer_id, staff_id)
		SELECT %d + inventory_id, now(), inventory_id, 1 + inventory_id %% %d, %d FROM inventory`,
		s.lastRental, s.customerCount, staffID), tidyRentals)
}

// count returns the number of rentals since reset that have ended or not.
func (s *shop) count(ctx context.Context, ended bool) (n int, err error) {
	const sql = `SELECT count(*) FROM rental WHERE rental_id > $1 AND (return_date IS NOT NULL) = $2`
	err = s.db.conn.QueryRow(ctx, sql, s.lastRental, ended).Scan(&n)
	return n, err
}

// rentals returns a source of requests to rent a copy. It ends when all copies are rented.
func (s *shop) rentals(p *process) load.Source {
	return func() (load.Request, bool) {
		n := s.rented.Add(1) - 1
		if n >= int64(len(s.copies)) {
			return load.Request{}, false
		}
		customer := s.customers[n%int64(len(s.customers))]
		read := func(_ int, body []byte) error {
			id, err := rentalID(body)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.open = append(s.open, fmt.Sprintf("/customers/%d/rentals/%s/return", customer, id))
			return err
		}
		body := fmt.Sprintf(`{"inventory_id":%d,"staff_id":%d}`, s.copies[n], staffID)
		target := fmt.Sprintf("/customers/%d/rentals", customer)
		return load.Request{Bytes: post(p, target, body), Status: http.StatusCreated, Read: read}, true
	}
}

// returns returns a source of requests to return what was rented. It ends when everything is returned.
func (s *shop) returns(p *process) load.Source {
	return func() (load.Request, bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.open) == 0 {
			return load.Request{}, false
		}
		target := s.open[0]
		s.open = s.open[1:]
		return load.Request{Bytes: post(p, target, ""), Status: http.StatusOK}, true
	}
}

func post(p *process, target, body string) []byte {
	head := "POST " + target + " HTTP/1.1\r\nHost: " + p.address + "\r\nAuthorization: Bearer " + apiToken + "\r\n"
	if body != "" {
		head += "Content-Type: application/json\r\n"
	}
	return []byte(head + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
}

// rentalID returns the id in the body of a rental.
func rentalID(body []byte) (string, error) {
	_, after, found := bytes.Cut(body, []byte(`"rental_id":`))
	id, _, ends := bytes.Cut(after, []byte(","))
	if !found || !ends {
		return "", errors.New("the response has no rental_id")
	}
	return string(id), nil
}
