package pagila_test

import (
	"slices"
	"testing"

	"example.com/pagila-api/store/pagila"
	"example.com/pagila-api/store/pgtest"
)

// measures describe the rows of a database: how many there are, what they refer to, and the indexes.
var measures = []string{
	`SELECT count(*) FROM film`,
	`SELECT count(DISTINCT title) FROM film`,
	`SELECT count(*) FROM film_category JOIN film USING (film_id)`,
	`SELECT count(*) FROM film_actor JOIN film USING (film_id) JOIN actor USING (actor_id)`,
	`SELECT count(*) FROM inventory JOIN film USING (film_id)`,
	`SELECT count(*) FROM customer`,
	`SELECT count(*) FROM rental JOIN inventory USING (inventory_id) JOIN customer USING (customer_id)`,
	`SELECT count(*) FROM rental WHERE return_date IS NULL`,
}

// What Grow makes refers to what it makes, the next rows get new IDs, and the indexes remain.
func TestGrow(t *testing.T) {
	t.Parallel()
	const times = 3
	url := pgtest.New(t)
	conn := pgtest.Connect(t, url)
	read := func(query string) (n int64) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	indexes := func() (all []string) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), `SELECT array_agg(indexdef ORDER BY indexdef) FROM pg_indexes`).Scan(&all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	before := make([]int64, len(measures))
	for i, query := range measures {
		before[i] = read(query)
	}
	indexed := indexes()
	if err := pagila.Grow(t.Context(), url, times, nil); err != nil {
		t.Fatal(err)
	}
	for i, query := range measures {
		if got := read(query); got != times*before[i] {
			t.Errorf("%s: %d, want %d", query, got, times*before[i])
		}
	}
	if got := indexes(); !slices.Equal(got, indexed) {
		t.Errorf("the indexes are %q, want %q", got, indexed)
	}
	for _, table := range []string{"film", "actor", "inventory", "customer", "rental"} {
		id := table + "_id"
		if read("SELECT nextval('"+table+"_"+id+"_seq')") <= read("SELECT max("+id+") FROM "+table) {
			t.Errorf("the next row of %s gets an ID that is taken", table)
		}
	}
}
