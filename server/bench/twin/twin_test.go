package twin_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/pagila-api/server/bench/twin"
	"example.com/pagila-api/server/bench/wire"
	"example.com/pagila-api/store/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// serve serves a twin on a database of its own.
func serve(t *testing.T, kind string, r twin.Recording) (*httptest.Server, *pgxpool.Pool) {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), pgtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	handler, err := twin.New(t.Context(), kind, pool, r)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server, pool
}

// send sends a request and decodes the response.
func send(t *testing.T, server *httptest.Server, method, target, body string, status int, into any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status {
		t.Fatalf("%s %s: status %d, %v: %s", method, target, response.StatusCode, err, data)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s %s: %v: %s", method, target, err, data)
	}
}

type page struct {
	Items []struct {
		FilmID   int32 `json:"film_id"`
		Category string
		Rating   string
		Length   int
	}
	Total      int
	NextCursor string `json:"next_cursor"`
}

type rental struct {
	RentalID   int32   `json:"rental_id"`
	CustomerID int32   `json:"customer_id"`
	ReturnDate *string `json:"return_date"`
	Title      string
	LateFee    string `json:"late_fee"`
}

func TestNaiveReads(t *testing.T) {
	t.Parallel()
	server, pool := serve(t, twin.Naive, twin.Recording{})
	var films page
	const target = "/films?category=horror&rating=PG&length_max=120&sort=-length&page_size=3"
	send(t, server, "GET", target, "", http.StatusOK, &films)
	var want int
	err := pool.QueryRow(t.Context(), `SELECT count(*)
		FROM film JOIN film_category USING (film_id) JOIN category USING (category_id)
		WHERE name = 'Horror' AND rating = 'PG' AND length <= 120`).Scan(&want)
	if err != nil || films.Total != want || len(films.Items) != min(3, want) || want == 0 {
		t.Errorf("%d items of %d, want 3 of %d, %v", len(films.Items), films.Total, want, err)
	}
	for i, f := range films.Items {
		if f.Category != "Horror" || f.Rating != "PG" || f.Length > 120 || i > 0 && f.Length > films.Items[i-1].Length {
			t.Errorf("film %d is %+v", i, f)
		}
	}
	var film struct {
		Actors       []struct{}
		Availability []struct{ Copies int }
	}
	send(t, server, "GET", "/films/1", "", http.StatusOK, &film)
	if len(film.Actors) == 0 || len(film.Availability) == 0 || film.Availability[0].Copies == 0 {
		t.Errorf("the film is %+v", film)
	}
}

// wantRented rents a copy and returns it.
func wantRented(t *testing.T, server *httptest.Server, copyID int32) {
	t.Helper()
	var made, ended rental
	body := fmt.Sprintf(`{"inventory_id":%d,"staff_id":1}`, copyID)
	send(t, server, "POST", "/customers/5/rentals", body, http.StatusCreated, &made)
	if made.RentalID == 0 || made.CustomerID != 5 || made.Title == "" || made.ReturnDate != nil || made.LateFee != "0.00" {
		t.Errorf("the rental is %+v", made)
	}
	send(t, server, "POST", fmt.Sprintf("/customers/5/rentals/%d/return", made.RentalID), "", http.StatusOK, &ended)
	if ended.RentalID != made.RentalID || ended.ReturnDate == nil || ended.LateFee != "0.00" {
		t.Errorf("the rental that was returned is %+v", ended)
	}
}

// free returns a copy that can be rented.
func free(t *testing.T, pool *pgxpool.Pool) (id int32) {
	t.Helper()
	err := pool.QueryRow(t.Context(), `SELECT inventory_id FROM inventory i WHERE NOT EXISTS (
		SELECT FROM rental r WHERE r.inventory_id = i.inventory_id AND return_date IS NULL) LIMIT 1`).Scan(&id)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestNaiveRents(t *testing.T) {
	t.Parallel()
	server, pool := serve(t, twin.Naive, twin.Recording{})
	wantRented(t, server, free(t, pool))
}

// trip is a round trip with one statement and its texts as arguments.
func trip(sql string, args ...string) wire.RoundTrip {
	return wire.RoundTrip{Statements: []wire.Statement{prepared(sql, args...)}}
}

func prepared(sql string, args ...string) wire.Statement {
	s := wire.Statement{SQL: sql, Formats: make([]int16, len(args))}
	for _, a := range args {
		s.Args = append(s.Args, []byte(a))
	}
	return s
}

// The recorded statement has another order of columns than the API's, and a column that no response has.
func TestEqualExecutesWhatWasRecorded(t *testing.T) {
	t.Parallel()
	const target = "/films?page_size=2&rating=PG"
	server, _ := serve(t, twin.Equal, twin.Recording{Reads: map[string]twin.Exchange{
		target: {Cursor: "next", Trips: []wire.RoundTrip{trip(`
			SELECT rating, film_id, 42::bigint AS total, 'unknown' AS secret, length, title, 'English' AS language,
				rental_duration, special_features::text, true AS streaming_available
			FROM film WHERE rating = $1::text::mpaa_rating ORDER BY film_id LIMIT $2::integer`, "PG", "3")}},
	}})
	var films page
	send(t, server, "GET", target, "", http.StatusOK, &films)
	if films.Total != 42 || len(films.Items) != 2 || films.NextCursor != "next" || films.Items[1].Rating != "PG" {
		t.Errorf("the page is %+v", films)
	}
}

// The transaction has two round trips, and its numbers come from the request.
func TestEqualRents(t *testing.T) {
	t.Parallel()
	const columns = `r.rental_id, r.customer_id, r.inventory_id, r.staff_id,
		1::bigint AS rental_date, 2::bigint AS due_date, extract(epoch FROM r.return_date)::bigint AS return_date, 1 AS film_id, 1 AS store_id, 'ACE' AS title,
		0::bigint AS days_overdue, '0' AS late_fee`
	begin := wire.RoundTrip{Statements: []wire.Statement{{SQL: "BEGIN; SET LOCAL lock_timeout = '1s'"}}}
	commit := wire.RoundTrip{Statements: []wire.Statement{{SQL: "COMMIT"}}}
	server, pool := serve(t, twin.Equal, twin.Recording{
		Rent: twin.Exchange{
			Parameters: map[string]int32{"customer_id": 101, "inventory_id": 1001, "staff_id": 1},
			Trips: []wire.RoundTrip{{Statements: []wire.Statement{
				prepared("BEGIN"),
				prepared("SELECT active FROM customer WHERE customer_id = $1 FOR SHARE", "101"),
				prepared(`WITH r AS (
					INSERT INTO rental (rental_date, customer_id, inventory_id, staff_id)
					VALUES (now(), $1::integer, $2::integer, $3::integer) RETURNING *
				) SELECT `+columns+` FROM r`, "101", "1001", "1"),
			}}, commit},
		},
		Return: twin.Exchange{
			Parameters: map[string]int32{"customer_id": 101, "rental_id": 20001},
			Trips: []wire.RoundTrip{begin, trip(`WITH r AS (
				UPDATE rental SET return_date = now() WHERE rental_id = $1::integer AND customer_id = $2::integer RETURNING *
			) SELECT `+columns+` FROM r`, "20001", "101"), commit},
		},
	})
	copyID := free(t, pool)
	wantRented(t, server, copyID)
	var rentals int
	err := pool.QueryRow(t.Context(), `SELECT count(*) FROM rental
		WHERE customer_id = 5 AND inventory_id = $1 AND return_date > now() - interval '1 hour'`, copyID).Scan(&rentals)
	if err != nil || rentals != 1 {
		t.Errorf("there are %d rentals, %v", rentals, err)
	}
}
