package pgtest

import "testing"

// Grow copies all films, their categories, actors and copies until there are factor times as many. Each film
// and each actor gets a name of its own. Of the rentals it copies only those that are open, and the last one of
// each fourth copy. Triggers and the slowest index are off meanwhile.
func Grow(tb testing.TB, databaseURL string, factor int) {
	tb.Helper()
	conn := Connect(tb, databaseURL)
	if factor > 1 {
		Exec(tb, conn.Exec, `SET session_replication_role = replica; SET synchronous_commit = off; SET maintenance_work_mem = '512MB';
			DROP INDEX film_fulltext_idx`)
		for _, sql := range []string{
			`INSERT INTO film (film_id, title, description, release_year, language_id, rental_duration, rental_rate, length, replacement_cost, rating, special_features, fulltext)
				SELECT k * 1000 + film_id, title || ' ' || k, description, release_year, language_id, rental_duration, rental_rate, length, replacement_cost, rating, special_features, fulltext
				FROM generate_series(1, $1::int - 1) k, film ORDER BY 1`,
			`INSERT INTO film_category (film_id, category_id) SELECT k * 1000 + film_id, category_id FROM generate_series(1, $1::int - 1) k, film_category ORDER BY 1`,
			`INSERT INTO actor (actor_id, first_name, last_name) SELECT k * 200 + actor_id, first_name || k, last_name FROM generate_series(1, $1::int - 1) k, actor`,
			`INSERT INTO film_actor (film_id, actor_id) SELECT k * 1000 + film_id, k * 200 + actor_id FROM generate_series(1, $1::int - 1) k, film_actor ORDER BY 2, 1`,
			`INSERT INTO inventory (inventory_id, film_id, store_id) SELECT k * 4581 + inventory_id, k * 1000 + film_id, store_id FROM generate_series(1, $1::int - 1) k, inventory`,
			`INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id, return_date)
				SELECT DISTINCT ON (k, inventory_id) rental_date, k * 4581 + inventory_id, customer_id, staff_id, return_date
				FROM generate_series(1, $1::int - 1) k, rental WHERE return_date IS NULL OR inventory_id % 4 = 0 ORDER BY k, inventory_id, return_date DESC NULLS FIRST`,
		} {
			Exec(tb, conn.Exec, sql, factor)
		}
		Exec(tb, conn.Exec, `CREATE INDEX film_fulltext_idx ON film USING gist (fulltext)`)
	}
	Exec(tb, conn.Exec, `VACUUM ANALYZE`)
}
