package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// rentalOrders are all orders of rentals.
var rentalOrders = []string{"rental_id", "-rental_id", "rental_date", "-rental_date", "due_date", "-due_date", "return_date", "-return_date"}

// spoilRentals makes rentals of every kind that the schema allows, and the view truth, which has what the contract
// says about each. The rows with ids below 1 are in no list.
func spoilRentals(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	pgtest.Exec(t, conn.Exec, `
		DELETE FROM payment;
		DELETE FROM rental WHERE rental_id > 700 AND inventory_id NOT IN (SELECT inventory_id FROM inventory WHERE film_id IN (1, 9));
		UPDATE film SET rental_duration = CASE film_id % 9 WHEN 0 THEN -3 WHEN 1 THEN 0 WHEN 2 THEN 32767 WHEN 3 THEN -32768 ELSE rental_duration END,
			replacement_cost = CASE film_id % 5 WHEN 0 THEN 'NaN' ELSE replacement_cost END;
		UPDATE rental SET
			rental_date = CASE rental_id % 23 WHEN 0 THEN 'infinity' WHEN 1 THEN '-infinity' WHEN 2 THEN '0044-03-15 12:00:00+00 BC' WHEN 3 THEN '294276-12-31 23:59:59.999999+00'
				WHEN 4 THEN '9999-12-31 23:59:59.999999+00' WHEN 5 THEN '10000-01-01 00:00:00+00' WHEN 6 THEN now() - interval '1 day' WHEN 7 THEN '2022-06-01 00:00:00+00'
				WHEN 8 THEN '2022-05-31 23:59:59.999999+00' WHEN 9 THEN '0001-01-01 00:00:00+00' ELSE rental_date END,
			return_date = CASE rental_id % 19 WHEN 0 THEN NULL WHEN 1 THEN 'infinity' WHEN 2 THEN '-infinity' WHEN 3 THEN rental_date - interval '1 day' WHEN 4 THEN now() + interval '1 day'
				ELSE return_date END
			WHERE rental_id % 3 = 0 AND NOT EXISTS (SELECT FROM rental other WHERE other.rental_id % 3 = 0 AND other.inventory_id = rental.inventory_id
				AND other.customer_id = rental.customer_id AND other.rental_id < rental.rental_id);
		INSERT INTO customer (customer_id, store_id, first_name, last_name, address_id) SELECT 0, store_id, 'a', 'b', address_id FROM customer WHERE customer_id = 1;
		INSERT INTO rental (rental_id, rental_date, inventory_id, customer_id, staff_id) VALUES (0, '2022-06-01', 1, 1, 1), (-7, '2022-06-02', 1, 1, 1), (2000000000, '2022-06-03', 1, 0, 1);
		CREATE FUNCTION shown(timestamptz) RETURNS timestamptz LANGUAGE sql AS $$ SELECT CASE WHEN $1 < '0001-01-01 00:00:00+00' THEN '0001-01-01 00:00:00+00'
			WHEN $1 > '9999-12-31 23:59:59.999999+00' THEN '9999-12-31 23:59:59.999999+00' ELSE $1 END $$;
		CREATE VIEW truth AS SELECT r.rental_id, r.customer_id, r.inventory_id, i.film_id, i.store_id, r.rental_date, shown(r.rental_date) AS shown_date,
			shown((shown(r.rental_date) AT TIME ZONE 'UTC' + f.rental_duration * interval '1 day') AT TIME ZONE 'UTC') AS due_date, shown(r.return_date) AS return_date,
			f.rental_duration, f.replacement_cost
			FROM rental r, inventory i, film f WHERE r.inventory_id = i.inventory_id AND i.film_id = f.film_id AND r.rental_id > 0 AND r.customer_id > 0;
		ANALYZE`)
}

// truth returns the ids of the rentals that a query has to find, in its order.
func truth(t *testing.T, conn *pgx.Conn, q store.RentalQuery) []int32 {
	t.Helper()
	where := map[store.RentalState]string{
		"": `true`, store.RentalOpen: `return_date IS NULL`, store.RentalReturned: `return_date IS NOT NULL`, store.RentalOverdue: `return_date IS NULL AND due_date < now()`,
	}[q.State]
	where += fmt.Sprintf(` AND %d IN (0, customer_id) AND %d IN (0, film_id) AND %d IN (0, store_id)`, q.CustomerID, q.FilmID, q.StoreID)
	if day := q.RentalDate.Min; day != nil {
		where += ` AND (shown_date AT TIME ZONE 'UTC')::date >= '` + day.Format(time.DateOnly) + `'`
	}
	if day := q.RentalDate.Max; day != nil {
		where += ` AND (shown_date AT TIME ZONE 'UTC')::date <= '` + day.Format(time.DateOnly) + `'`
	}
	name, direction := strings.TrimPrefix(q.Order, "-"), ""
	if name == "" {
		name, direction = "rental_date", "DESC"
	} else if name != q.Order {
		direction = "DESC"
	}
	return pgtest.Value[[]int32](t, conn.QueryRow, `SELECT COALESCE(array_agg(rental_id ORDER BY `+name+` `+direction+` NULLS LAST, rental_id), '{}') FROM truth WHERE `+where)
}

func idsOf(rentals []store.Rental) []int32 {
	ids := make([]int32, len(rentals))
	for i, r := range rentals {
		ids[i] = r.RentalID
	}
	return ids
}

// walkRentals visits all pages and calls between after each one. It returns the rentals.
func walkRentals(t *testing.T, s *store.Store, q store.RentalQuery, between func()) []store.Rental {
	t.Helper()
	var visited []store.Rental
	for {
		page, err := s.Rentals(t.Context(), q)
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		visited = append(visited, page.Items...)
		if page.Next == "" {
			return visited
		}
		q.Cursor, q.Page = page.Next, 0
		between()
	}
}

// aDay parses a day in UTC.
func aDay(t *testing.T, text string) *time.Time {
	t.Helper()
	if text == "" {
		return nil
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t.Fatal(err)
	}
	return &day
}

// Each combination of conditions finds what SQL finds, in every order, with its total.
func TestRentalFilters(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	spoilRentals(t, conn)
	n, found := 0, 0
	for _, state := range []store.RentalState{"", store.RentalOpen, store.RentalReturned, store.RentalOverdue} {
		for _, customer := range []int32{0, 1} {
			for _, film := range []int32{0, 9, 2147483647} {
				for _, shop := range []int32{0, 2, 2147483647} {
					for _, days := range [][2]string{{}, {"2022-06-01", ""}, {"", "2022-05-31"}, {"2022-06-01", "2022-06-01"}, {"0001-01-01", "9999-12-31"}, {"9999-12-31", ""}, {"", "0001-01-01"}} {
						q := store.RentalQuery{State: state, CustomerID: customer, FilmID: film, StoreID: shop}
						q.RentalDate.Min, q.RentalDate.Max = aDay(t, days[0]), aDay(t, days[1])
						q.Order, q.PageSize = rentalOrders[n%len(rentalOrders)], 100
						n++
						want := truth(t, conn, q)
						page, err := s.Rentals(t.Context(), q)
						if err != nil {
							t.Fatalf("%+v: %v", q, err)
						}
						if got := idsOf(page.Items); !slices.Equal(got, want[:min(len(want), 100)]) || *page.Total != int64(len(want)) {
							t.Errorf("%+v %v: %d of %v, want %d of %.10v", q, days, *page.Total, got, len(want), want)
						}
						found += len(want)
					}
				}
			}
		}
	}
	if found == 0 {
		t.Error("no query found anything")
	}
}

// A walk by cursors and a walk by page numbers visit all rentals in the order of SQL: infinite times, times before
// Christ and ties, too. Times are shown within the years of RFC 3339.
func TestRentalOrders(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	spoilRentals(t, conn)
	for _, order := range append(rentalOrders, "") {
		for _, state := range []store.RentalState{"", store.RentalOpen} {
			q := store.RentalQuery{State: state, Paging: store.Paging{Order: order, PageSize: 97}}
			want := truth(t, conn, q)
			visited := walkRentals(t, s, q, func() {})
			if got := idsOf(visited); !slices.Equal(got, want) {
				t.Errorf("%s %s: a walk visits %d rentals, want %d in their order", order, state, len(got), len(want))
			}
			for _, r := range visited {
				if y := r.RentalDate.Year(); y < 1 || y > 9999 {
					t.Fatalf("%+v", r)
				}
			}
			var numbered []int32
			for q.Page = 1; len(numbered) < len(want); q.Page++ {
				page, err := s.Rentals(t.Context(), q)
				if err != nil || page.Page != q.Page || len(page.Items) == 0 {
					t.Fatalf("%+v: %v", q, err)
				}
				numbered = append(numbered, idsOf(page.Items)...)
			}
			if !slices.Equal(numbered, want) {
				t.Errorf("%s %s: the numbered pages have %d rentals, want %d in their order", order, state, len(numbered), len(want))
			}
			q.Page = 1000
			if page, err := s.Rentals(t.Context(), q); err != nil || len(page.Items) != 0 || *page.Total != int64(len(want)) || page.Next != "" {
				t.Errorf("past the end: %+v, %v", page, err)
			}
		}
	}
}

// While rentals are made, changed and deleted, a walk visits each rental that stays exactly once.
func TestWalkWhileRentalsComeAndGo(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	spoilRentals(t, conn)
	come := func() {
		pgtest.Exec(t, conn.Exec, `INSERT INTO rental (rental_id, rental_date, inventory_id, customer_id, staff_id, return_date)
			SELECT 1000000 + rental_id, CASE WHEN isfinite(rental_date) THEN rental_date - interval '1 microsecond' ELSE rental_date END, inventory_id, 1 + customer_id % 5, 1, return_date
			FROM rental WHERE rental_id BETWEEN 1 AND 20000 AND random() < 0.01 ON CONFLICT DO NOTHING;
			DELETE FROM rental WHERE rental_id > 1000000 AND rental_id < 2000000 AND random() < 0.4;
			UPDATE rental SET last_update = now() WHERE random() < 0.01`)
	}
	for _, order := range rentalOrders {
		for _, q := range []store.RentalQuery{{Paging: store.Paging{PageSize: 37}}, {FilmID: 1, Paging: store.Paging{PageSize: 1}}} {
			q.Order = order
			gone := func(id int32) bool { return id > 1000000 }
			want := slices.DeleteFunc(truth(t, conn, q), gone)
			got := slices.DeleteFunc(idsOf(walkRentals(t, s, q, come)), gone)
			if !slices.Equal(got, want) || len(want) == 0 {
				t.Errorf("%+v: the walk visits %d rentals that stay, want %d", q, len(got), len(want))
			}
		}
	}
}

// A rental has what the contract says, and the late fee follows Pagila's rule.
func TestLateFees(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	for _, tt := range []struct {
		duration int    // days
		cost     string // of the replacement
		rented   string // an SQL expression
		returned string
		days     int64
		fee      string // "" if it is unknown
	}{
		{3, "19.99", "now()", "NULL", 0, "0.00"},
		{3, "19.99", "now() - interval '3 days'", "now()", 0, "0.00"},
		{3, "19.99", "now() - interval '3 days 1 microsecond'", "now()", 0, "0.00"},
		{3, "19.99", "now() - interval '4 days' + interval '1 microsecond'", "now()", 0, "0.00"},
		{3, "19.99", "now() - interval '4 days'", "now()", 1, "1.00"},
		{3, "19.99", "now() - interval '4 days 1 hour'", "NULL", 1, "1.00"},
		{3, "19.99", "now() - interval '9 days'", "now()", 6, "6.00"},
		{3, "19.99", "now() - interval '9 days 1 microsecond'", "now()", 6, "25.99"},
		{3, "19.99", "now() - interval '9 days 1 hour'", "NULL", 6, "25.99"},
		{3, "NaN", "now() - interval '5 days'", "now()", 2, "2.00"},
		{3, "NaN", "now() - interval '20 days'", "now()", 17, ""},
		{0, "5.00", "now()", "now()", 0, "0.00"},
		{0, "5.00", "now()", "now() + interval '1 microsecond'", 0, "5.00"},
		{-3, "5.00", "now()", "now() - interval '4 days'", 0, "0.00"},
		{-3, "5.00", "now()", "now() - interval '3 days'", 0, "0.00"},
		{-3, "5.00", "now()", "now() - interval '2 days'", 1, "6.00"},
		{-32768, "5.00", "now()", "now()", 32768, "32773.00"},
		{32767, "5.00", "now()", "now()", 0, "0.00"},
		{3, "5.00", "'2026-03-27 12:00:00+00'", "'2026-03-31 12:00:00+00'", 1, "1.00"}, // the clocks change in between
		{3, "5.00", "now()", "'-infinity'", 0, "0.00"},
		{3, "5.00", "'infinity'", "NULL", 0, "0.00"},
		{3, "5.00", "'infinity'", "'infinity'", 0, "0.00"},
		{3, "5.00", "'9999-12-01 00:00:00+00'", "'infinity'", 27, "32.00"},
		{3, "5.00", "'-infinity'", "'0001-01-06 00:00:00+00'", 2, "2.00"},
		{3, "5.00", "'-infinity'", "'infinity'", 3652055, "3652060.00"},
	} {
		pgtest.Exec(t, conn.Exec, `DELETE FROM payment; DELETE FROM rental WHERE inventory_id = 1`)
		pgtest.Exec(t, conn.Exec, `UPDATE film SET rental_duration = $1, replacement_cost = $2::text::numeric WHERE film_id = (SELECT film_id FROM inventory WHERE inventory_id = 1)`, tt.duration, tt.cost)
		id := pgtest.Value[int32](t, conn.QueryRow, `INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id, return_date)
			VALUES (`+tt.rented+`, 1, 1, 1, `+tt.returned+`) RETURNING rental_id`)
		r, err := s.Rental(t.Context(), 1, id)
		if err != nil {
			t.Fatal(err)
		}
		if r.DaysOverdue != tt.days || r.LateFee != tt.fee {
			t.Errorf("%+v: %d days, %q dollars", tt, r.DaysOverdue, r.LateFee)
		}
		overdue, err := s.Rentals(t.Context(), store.RentalQuery{State: store.RentalOverdue, CustomerID: 1, FilmID: r.FilmID, StoreID: r.StoreID})
		if want := r.ReturnDate == nil && r.DueDate.Before(time.Now()); err != nil || slices.Contains(idsOf(overdue.Items), id) != want {
			t.Errorf("%+v: overdue %v, %v, want %t", tt, idsOf(overdue.Items), err, want)
		}
	}
}

// Each rental of a list is the rental that its id finds, and has the copy's store and the film's title.
func TestRentalColumns(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	page, err := s.Rentals(t.Context(), store.RentalQuery{State: store.RentalReturned, Paging: store.Paging{PageSize: 5}})
	if err != nil || len(page.Items) != 5 || page.Page != 1 {
		t.Fatalf("%+v, %v", page, err)
	}
	for _, r := range page.Items {
		wantRental(t, s, conn, r)
		want := pgtest.Value[string](t, conn.QueryRow, `SELECT concat_ws(' ', r.customer_id, r.inventory_id, r.staff_id, i.store_id, i.film_id, f.title)
			FROM rental r JOIN inventory i USING (inventory_id) JOIN film f USING (film_id) WHERE rental_id = $1`, r.RentalID)
		if got := fmt.Sprint(r.CustomerID, " ", r.InventoryID, " ", r.StaffID, " ", r.StoreID, " ", r.FilmID, " ", r.Title); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// The list of a customer is part of the list of all. An unknown customer has none.
func TestCustomerRentals(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	q := store.RentalQuery{CustomerID: 1, Paging: store.Paging{PageSize: 100}}
	page, err := s.CustomerRentals(t.Context(), q)
	if want := pgtest.Value[int64](t, conn.QueryRow, `SELECT count(*) FROM rental WHERE customer_id = 1`); err != nil || *page.Total != want || int64(len(page.Items)) != want {
		t.Errorf("%+v, %v, want %d", page, err, want)
	}
	pgtest.Exec(t, conn.Exec, `INSERT INTO customer (customer_id, store_id, first_name, last_name, address_id) VALUES (9999, 1, 'NEW', 'ONE', 1)`)
	if page, err := s.CustomerRentals(t.Context(), store.RentalQuery{CustomerID: 9999}); err != nil || len(page.Items) != 0 || *page.Total != 0 {
		t.Errorf("a new customer: %+v, %v", page, err)
	}
	for _, id := range []int32{2147483647, -1} {
		var missing *store.NotFoundError
		if _, err := s.CustomerRentals(t.Context(), store.RentalQuery{CustomerID: id}); !errors.As(err, &missing) || missing.Kind != store.KindCustomer || missing.ID != id {
			t.Errorf("customer %d: %v", id, err)
		}
	}
	if page, err := s.Rentals(t.Context(), store.RentalQuery{CustomerID: 2147483647}); err != nil || *page.Total != 0 {
		t.Errorf("all rentals: %+v, %v", page, err)
	}
}

// Totals are counted, up to a cap or not, estimated or left out as the query says.
func TestRentalCounts(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	pgtest.Exec(t, conn.Exec, `ANALYZE`)
	all := pgtest.Value[int64](t, conn.QueryRow, `SELECT count(*) FROM rental`)
	page, err := s.Rentals(t.Context(), store.RentalQuery{Paging: store.Paging{PageSize: 2, Count: store.CountEstimated}})
	if err != nil || page.Total == nil || *page.Total < all/2 || *page.Total > all*2 {
		t.Errorf("estimated: %+v, %v, want about %d", page, err, all)
	}
	for _, q := range []store.RentalQuery{{}, {State: store.RentalOpen}, {State: store.RentalReturned, StoreID: 1}, {CustomerID: 1}} {
		q.Count = store.CountExact
		exact, err := s.Rentals(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		q.Count = store.CountCapped
		if page, err := s.Rentals(t.Context(), q); err != nil || *page.Total != min(*exact.Total, store.CountCap+1) {
			t.Errorf("capped: %+v, %v, want %d", page, err, *exact.Total)
		}
	}
	if page, err := s.Rentals(t.Context(), store.RentalQuery{Paging: store.Paging{Count: store.CountNone}}); err != nil || page.Total != nil {
		t.Errorf("none: %+v, %v", page, err)
	}
	if page, err := s.Rentals(t.Context(), store.RentalQuery{Paging: store.Paging{Cursor: page.Next}}); err != nil || page.Total != nil || page.Page != 0 {
		t.Errorf("with a cursor: %+v, %v", page, err)
	}
	if page, err := s.Rentals(t.Context(), store.RentalQuery{Paging: store.Paging{Cursor: page.Next, Count: store.CountExact}}); err != nil || *page.Total != all {
		t.Errorf("with a cursor, counted: %+v, %v", page, err)
	}
}

// A query that contradicts itself is refused with what is wrong, and so is a cursor of another query.
func TestInvalidRentalQueries(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.New(t))
	early, late := aDay(t, "2022-06-01"), aDay(t, "2022-06-02")
	films, err := s.Films(t.Context(), store.FilmQuery{Paging: store.Paging{PageSize: 1}})
	if err != nil {
		t.Fatal(err)
	}
	cursorOf := func(q store.RentalQuery) string {
		q.PageSize = 1
		page, err := s.Rentals(t.Context(), q)
		if err != nil || page.Next == "" {
			t.Fatalf("%+v: %+v, %v", q, page, err)
		}
		return page.Next
	}
	queries := []store.RentalQuery{
		{}, {Paging: store.Paging{Order: "rental_date"}}, {Paging: store.Paging{Order: "due_date"}}, {State: store.RentalOpen}, {State: store.RentalReturned},
		{FilmID: 1}, {StoreID: 1}, {StoreID: 2}, {CustomerID: 1}, {CustomerID: 2}, {RentalDate: store.Range[time.Time]{Min: early}}, {RentalDate: store.Range[time.Time]{Min: late}},
		{RentalDate: store.Range[time.Time]{Max: late}},
	}
	for i, q := range queries {
		cursor := cursorOf(q)
		for j, other := range queries {
			other.Cursor, other.PageSize = cursor, 3
			if _, err := s.Rentals(t.Context(), other); (err == nil) != (i == j) {
				t.Errorf("%+v with the cursor of %+v: %v", other, q, err)
			}
		}
	}
	same := store.RentalQuery{Paging: store.Paging{Order: "-rental_date", Cursor: cursorOf(store.RentalQuery{})}}
	if _, err := s.Rentals(t.Context(), same); err != nil {
		t.Errorf("the default order: %v", err)
	}
	for _, tt := range []struct {
		q    store.RentalQuery
		want string
	}{
		{store.RentalQuery{Paging: store.Paging{Order: "title"}}, "[{sort there is no such order}]"},
		{store.RentalQuery{Paging: store.Paging{Order: "--rental_id"}}, "[{sort there is no such order}]"},
		{store.RentalQuery{Paging: store.Paging{Order: "-"}}, "[{sort there is no such order}]"},
		{store.RentalQuery{Paging: store.Paging{Page: 1, Cursor: cursorOf(store.RentalQuery{})}}, "[{cursor a request has either a page or a cursor}]"},
		{store.RentalQuery{Paging: store.Paging{Cursor: "x"}}, "[{cursor the value is not a cursor of this operation}]"},
		{store.RentalQuery{Paging: store.Paging{Cursor: films.Next}}, "[{cursor the cursor belongs to a request with other conditions or another order}]"},
		{store.RentalQuery{RentalDate: store.Range[time.Time]{Min: late, Max: early}},
			"[{rental_date_min rental_date_min is greater than rental_date_max} {rental_date_max rental_date_min is greater than rental_date_max}]"},
	} {
		var invalid *store.InvalidQueryError
		if _, err := s.Rentals(t.Context(), tt.q); !errors.As(err, &invalid) || fmt.Sprint(invalid.Faults) != tt.want {
			t.Errorf("%+v: %v, want %s", tt.q, err, tt.want)
		}
	}
}

// FuzzRentalCursor reads made-up cursors. Each of them is refused or read, and never causes another error.
func FuzzRentalCursor(f *testing.F) {
	s, err := store.Open(pgtest.AsServer(f, pgtest.New(f)), store.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	for i := range rentalOrders {
		for _, key := range []string{
			``, `x`, `1`, `-1`, `9223372036854775807`, `9223372036854775808`, `1e5`, `infinity`, `-infinity`, `Infinity`, `now`, `J0 00:00:00.000000+00`,
			`J2459750 12:34:56.123456+00`, `J109203527 23:59:59.999999+00`, `J109203528 00:00:00.000000+00`, `J999999999 00:00:00.000000+00`,
			`J2459750 24:00:00.000000+00`, `J2459750 12:34:56.123456+99`, `2022-06-01`, `0001-01-01 BC`, `'; DROP TABLE rental; --`,
		} {
			f.Add(i, `{"id":1,"key":"`+key+`"}`)
		}
		f.Add(i, `{"id":1}`)
		f.Add(i, `{"id":0}`)
	}
	f.Fuzz(func(t *testing.T, order int, position string) {
		q := store.RentalQuery{Paging: store.Paging{Order: rentalOrders[uint(order)%uint(len(rentalOrders))], PageSize: 1}}
		q.Cursor = store.ForgeRentalCursor(q, position)
		_, err := s.Rentals(context.WithoutCancel(t.Context()), q)
		var invalid *store.InvalidQueryError
		if err != nil && !errors.As(err, &invalid) {
			t.Errorf("%s, %q: %v", q.Order, position, err)
		}
	})
}

// A page by cursor walks Pagila's index of its order, and reads no whole table for a filter that an index serves. No
// index serves the other orders, nor the filter for a customer alone.
func TestRentalPagesUseIndexes(t *testing.T) {
	t.Parallel()
	pgtest.RealPagila(t)
	url := pgtest.New(t)
	pgtest.Grow(t, url, 30)
	s := open(t, url)
	for _, tt := range []struct {
		q     store.RentalQuery
		index string
	}{
		{store.RentalQuery{}, "idx_unq_rental_rental_date_inventory_id_customer_id"},
		{store.RentalQuery{Paging: store.Paging{Order: "rental_date"}}, "idx_unq_rental_rental_date_inventory_id_customer_id"},
		{store.RentalQuery{Paging: store.Paging{Order: "rental_id"}}, "rental_pkey"},
		{store.RentalQuery{Paging: store.Paging{Order: "-rental_id"}}, "rental_pkey"},
		{store.RentalQuery{State: store.RentalReturned}, "idx_unq_rental_rental_date_inventory_id_customer_id"},
		{store.RentalQuery{StoreID: 1}, "idx_unq_rental_rental_date_inventory_id_customer_id"},
		{store.RentalQuery{FilmID: 1}, "idx_store_id_film_id"},
		{store.RentalQuery{FilmID: 1, StoreID: 1}, "idx_store_id_film_id"},
		{store.RentalQuery{FilmID: 1, Paging: store.Paging{Order: "due_date"}}, "idx_fk_inventory_id"},
		{store.RentalQuery{RentalDate: store.Range[time.Time]{Min: aDay(t, "2022-05-28"), Max: aDay(t, "2022-05-28")}}, "idx_unq_rental_rental_date_inventory_id_customer_id"},
	} {
		tt.q.PageSize = 1
		page, err := s.Rentals(t.Context(), tt.q)
		if err != nil || page.Next == "" {
			t.Fatalf("%+v: %v", tt.q, err)
		}
		tt.q.Cursor, tt.q.PageSize = page.Next, 20
		sql, args, err := store.RentalsSQL(s, tt.q)
		if err != nil {
			t.Fatal(err)
		}
		for _, kept := range []bool{false, true} {
			wantIndex(t, planOf(t, url, kept, sql, args), fmt.Sprintf("%+v (kept plan: %t)", tt.q, kept), tt.index)
		}
	}
}
