package pagila_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/store/pagila"
	"example.com/pagila-api/store/pgtest"
)

func restoreSample(t *testing.T) *pgx.Conn {
	t.Helper()
	db := pgtest.Empty(t)
	if err := pagila.Sample(nil).Restore(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	return pgtest.Connect(t, db)
}

// The sample has the numbers of rows, and the properties, that users of Pagila rely on.
func TestSampleIsLikePagila(t *testing.T) {
	t.Parallel()
	conn := restoreSample(t)
	tests := []struct {
		what string
		sql  string
		want int
	}{
		{"films", "SELECT count(*) FROM film", 1000},
		{"titles of two words", "SELECT count(DISTINCT title) FROM film WHERE title ~ '^[A-Z]+ [A-Z]+$'", 1000},
		{"film 1 comes first", "SELECT film_id FROM film ORDER BY title LIMIT 1", 1},
		{"ratings", "SELECT count(DISTINCT rating) FROM film", 5},
		{"films without a rating", "SELECT count(*) FROM film WHERE rating IS NULL", 0},
		{"rental rates", "SELECT count(DISTINCT rental_rate) FROM film WHERE rental_rate IN (0.99, 2.99, 4.99)", 3},
		{"other rental rates", "SELECT count(*) FROM film WHERE rental_rate NOT IN (0.99, 2.99, 4.99)", 0},
		{"rental durations", "SELECT count(*) FROM film WHERE rental_duration NOT BETWEEN 3 AND 7", 0},
		{"sets of special features", "SELECT count(DISTINCT special_features) FROM film WHERE special_features <> '{}'", 15},
		{"films in one category", "SELECT count(*) FROM (SELECT film_id FROM film_category GROUP BY film_id HAVING count(*) = 1) AS f", 1000},
		{"categories in use", "SELECT count(DISTINCT name) FROM category JOIN film_category USING (category_id)", 16},
		{"difference between comedies by text and by category", `SELECT abs(
			(SELECT count(*) FROM film WHERE fulltext @@ to_tsquery('english', 'comedy')) -
			(SELECT count(*) FROM film_category JOIN category USING (category_id) WHERE name = 'Comedy'))`, 0},
		{"films whose text is not searchable", "SELECT count(*) FROM film WHERE fulltext IS DISTINCT FROM to_tsvector('english', title || ' ' || description)", 0},
		{"actors", "SELECT count(*) FROM actor", 200},
		{"films without actors", "SELECT count(*) FROM film WHERE film_id NOT IN (SELECT film_id FROM film_actor)", 3},
		{"languages", "SELECT count(DISTINCT language_id) FROM film", 6},
		{"copies", "SELECT count(*) FROM inventory", 4581},
		{"films without a copy", "SELECT count(*) FROM film WHERE film_id NOT IN (SELECT film_id FROM inventory)", 41},
		{"stores", "SELECT count(*) FROM store", 2},
		{"staff", "SELECT count(*) FROM staff WHERE staff_id IN (1, 2)", 2},
		{"customers", "SELECT count(DISTINCT email) FROM customer WHERE email LIKE '%@customer.example' AND activebool", 599},
		{"inactive customers", "SELECT count(*) FROM customer WHERE active = 0", 15},
		{"customer 1 is active", "SELECT active FROM customer WHERE customer_id = 1", 1},
		{"cities", "SELECT count(DISTINCT city) FROM city", 600},
		{"rentals", "SELECT count(*) FROM rental", 16044},
		{"open rentals", "SELECT count(*) FROM rental WHERE return_date IS NULL", 183},
		{"copies out twice", `SELECT count(*) FROM rental AS a JOIN rental AS b ON a.inventory_id = b.inventory_id AND a.rental_id < b.rental_id
			AND tstzrange(a.rental_date, a.return_date) && tstzrange(b.rental_date, b.return_date)`, 0},
		{"copy 1 is out", "SELECT count(*) FROM rental WHERE inventory_id = 1 AND return_date IS NULL", 0},
		{"rentals in their order", "SELECT count(*) FROM rental AS a JOIN rental AS b ON b.rental_id = a.rental_id + 1 WHERE a.rental_date > b.rental_date", 0},
		{"payments of their rental's customer", "SELECT count(*) FROM payment JOIN rental USING (rental_id, customer_id) WHERE amount >= 0.99", 16044},
		{"customers who never rented", "SELECT count(*) FROM customer WHERE customer_id NOT IN (SELECT customer_id FROM rental)", 0},
		{"the next film", "SELECT nextval(pg_get_serial_sequence('film', 'film_id'))", 1001},
		{"the next rental", "SELECT nextval(pg_get_serial_sequence('rental', 'rental_id'))", 16045},
		{"the next payment", "SELECT nextval(pg_get_serial_sequence('payment', 'payment_id'))", 16045},
	}
	for _, test := range tests {
		if got := pgtest.Value[int](t, conn.QueryRow, test.sql); got != test.want {
			t.Errorf("%s: %d, want %d", test.what, got, test.want)
		}
	}
}

func TestSampleIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	hash := func(conn *pgx.Conn) map[string]string {
		rows, err := conn.Query(t.Context(), "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
		if err != nil {
			t.Fatal(err)
		}
		tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		hashes := map[string]string{}
		for _, table := range tables {
			hashes[table] = pgtest.Value[string](t, conn.QueryRow, "SELECT md5(string_agg(r::text, '' ORDER BY r::text)) FROM "+table+" AS r")
		}
		return hashes
	}
	first, second := hash(restoreSample(t)), hash(restoreSample(t))
	if len(first) < 15 {
		t.Errorf("%d tables, want at least 15", len(first))
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("-first +second:\n%s", diff)
	}
}
