package historytest

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"example.com/pagila-api/store/pgtest"
)

const (
	shopFilms     = 25
	copiesPerFilm = 2 // in one store; two films in a row are in different ones
	shopCustomers = 50
	shopStaff     = 2
)

// shop is what the clients use: films, copies and customers of their own, beside everything else in the dataset.
type shop struct {
	films     []int32
	copies    map[int32][]int32 // by film, in the order of places
	places    map[int32]place   // by copy
	stores    [2]int32
	staff     []int32
	customers []int32
	today     time.Time // midnight in UTC, when the shop was made
}

// place is where a copy is in a filmState.
type place struct {
	film  int32
	index int
	store int32
}

// makeShop adds a shop to the database.
func makeShop(t *testing.T, db *sql.DB) *shop {
	t.Helper()
	s := &shop{copies: map[int32][]int32{}, places: map[int32]place{}}
	stores := column[int32](t, db, "SELECT store_id FROM store ORDER BY store_id LIMIT $1", len(s.stores))
	if copy(s.stores[:], stores) != len(s.stores) {
		t.Fatalf("the dataset has too few stores: %v", stores)
	}
	s.staff = column[int32](t, db, "SELECT staff_id FROM staff WHERE active ORDER BY staff_id LIMIT $1", shopStaff)
	s.films = column[int32](t, db, `
		INSERT INTO film (title, language_id, replacement_cost)
		SELECT 'HISTORY ' || n, (SELECT min(language_id) FROM language), 9.99 FROM generate_series(1, $1::integer) n
		RETURNING film_id`, shopFilms)
	s.customers = column[int32](t, db, `
		INSERT INTO customer (store_id, first_name, last_name, address_id, active)
		SELECT $2, 'HISTORY', n::text, (SELECT min(address_id) FROM address), 1 FROM generate_series(1, $1::integer) n
		RETURNING customer_id`, shopCustomers, s.stores[0])
	for i, film := range s.films {
		store := s.stores[i%len(s.stores)]
		s.copies[film] = column[int32](t, db, `
			INSERT INTO inventory (film_id, store_id) SELECT $1, $2 FROM generate_series(1, $3::integer)
			RETURNING inventory_id`, film, store, copiesPerFilm)
		for i, id := range s.copies[film] {
			s.places[id] = place{film, i, store}
		}
	}
	s.today = databaseDay(t, db)
	return s
}

// column returns the rows of a query with one column.
func column[T any](t *testing.T, db *sql.DB, query string, args ...any) []T {
	t.Helper()
	return rowsOf(t, db, func(v *T) []any { return []any{v} }, query, args...)
}

// rowsOf returns the rows of a query. fields returns pointers to the fields of a row in the order of the columns.
func rowsOf[T any](t *testing.T, db *sql.DB, fields func(*T) []any, query string, args ...any) []T {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var found []T
	for rows.Next() {
		var v T
		if err := rows.Scan(fields(&v)...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		found = append(found, v)
	}
	if rows.Err() != nil {
		t.Fatalf("%s: %v", query, rows.Err())
	}
	return found
}

// strangers returns a checksum for each table of the rows that are not the shop's. The run does not change them.
func (s *shop) strangers(t *testing.T, db *sql.DB) map[string]string {
	t.Helper()
	sums := map[string]string{}
	for table, ours := range map[string]struct {
		column string
		ids    []int32
	}{
		"rental":                 {"customer_id", s.customers},
		"streaming_subscription": {"customer_id", s.customers},
		"film":                   {"film_id", s.films},
		"inventory":              {"film_id", nil},
		"customer":               {"customer_id", nil},
		"staff":                  {"staff_id", nil},
		"payment":                {"payment_id", nil},
	} {
		query := "SELECT count(*) || ' ' || COALESCE(sum(hashtextextended(r::text, 0)), 0) FROM %s r WHERE %s <> ALL ($1)"
		sums[table] = pgtest.Value[string](t, db.QueryRowContext, fmt.Sprintf(query, table, ours.column),
			append([]int32{}, ours.ids...)) // a nil slice would be NULL
	}
	return sums
}
