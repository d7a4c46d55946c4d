package store_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
	"example.com/pagila-api/store/roles"
)

// copiesInStock returns n copies that are not rented out.
func copiesInStock(t *testing.T, conn *pgx.Conn, n int) []int32 {
	t.Helper()
	return pgtest.Value[[]int32](t, conn.QueryRow, `SELECT array_agg(inventory_id) FROM (SELECT inventory_id FROM inventory WHERE NOT EXISTS (
		SELECT FROM rental WHERE rental.inventory_id = inventory.inventory_id AND return_date IS NULL)
		ORDER BY inventory_id LIMIT $1) c`, n)
}

// wantAllWell makes every kind of call and many rentals at once. It checks the results against the database.
func wantAllWell(t *testing.T, s *store.Store, conn *pgx.Conn) {
	t.Helper()
	ctx := t.Context()
	status, err := s.Status(ctx)
	if err != nil || len(status.Missing) > 0 || status.Migration == "" {
		t.Errorf("status: %+v, %v", status, err)
	}
	page, err := s.Films(ctx, store.FilmQuery{Categories: []string{"COMEDY"}, Paging: store.Paging{Page: 1, PageSize: 3}})
	if err != nil || len(page.Items) != 3 || page.Items[0].Category != "Comedy" {
		t.Errorf("films: %+v, %v", page, err)
	}
	wantWalks(t, s, conn)
	film, err := s.Film(ctx, 1)
	if err != nil || len(film.SpecialFeatures) == 0 || len(film.Actors) == 0 || film.ReleaseYear == 0 {
		t.Errorf("film: %+v, %v", film, err)
	}
	wantCatalogue(t, s)
	wantRentals(t, s, conn)
	wantOneEach(t, s, conn, copiesInStock(t, conn, 3), 6)
	wantCustomers(t, s, conn)
	wantSubscriptions(t, s, conn)
	wantFilmUpdate(t, s, conn)
}

// wantWalks walks through films with every condition that the first film meets, and through the orders whose
// cursors have a text, a number and a rank.
func wantWalks(t *testing.T, s *store.Store, conn *pgx.Conn) {
	t.Helper()
	title := pgtest.Value[string](t, conn.QueryRow, `SELECT lower(title) FROM film WHERE film_id = 1`)
	word, _, _ := strings.Cut(title, " ")
	no, low, high, cheap, dear := false, int32(0), int32(3000), decimal.New(1, -3), decimal.RequireFromString("9999999999.0000000001")
	all := store.FilmQuery{
		Search: word[:len(word)-1], Title: title, Paging: store.Paging{PageSize: 1, Count: store.CountEstimated}, StreamingAvailable: &no,
		Languages: []string{"ENGLISH", "french"}, Ratings: []string{"G", "PG", "PG-13", "R", "NC-17"},
		ReleaseYear: store.Range[int32]{Min: &low, Max: &high}, Length: store.Range[int32]{Min: &low, Max: &high},
		RentalDuration: store.Range[int32]{Min: &low, Max: &high}, RentalRate: store.Range[decimal.Decimal]{Min: &cheap, Max: &dear},
		ReplacementCost: store.Range[decimal.Decimal]{Min: &cheap, Max: &dear},
	}
	if page, err := s.Films(t.Context(), all); err != nil || len(page.Items) != 1 || page.Items[0].FilmID != 1 || page.Total == nil {
		t.Errorf("every condition: %+v, %v", page, err)
	}
	for _, q := range []store.FilmQuery{{Paging: store.Paging{Order: "title"}}, {Paging: store.Paging{Order: "-rental_rate"}}, {Paging: store.Paging{Order: "length"}}, {Search: "drama or boat or story"}} {
		q.PageSize = 100
		seen := map[int32]bool{}
		for _, id := range walk(t, s, q, func() {}) {
			if seen[id] {
				t.Errorf("%s %s: film %d comes twice", q.Order, q.Search, id)
			}
			seen[id] = true
		}
		want := pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM film WHERE $1::text = '' OR fulltext @@ websearch_to_tsquery('english', $1::text)`, q.Search)
		if len(seen) != want {
			t.Errorf("%s %s: %d films, want %d", q.Order, q.Search, len(seen), want)
		}
	}
}

// wantRentals walks through rentals in the orders whose cursors have a time and a number, and rents a film and
// returns it.
func wantRentals(t *testing.T, s *store.Store, conn *pgx.Conn) {
	t.Helper()
	day := time.Date(2022, 5, 28, 0, 0, 0, 0, time.UTC)
	for _, order := range []string{"rental_date", "-due_date"} {
		q := store.RentalQuery{RentalDate: store.Range[time.Time]{Min: &day, Max: &day}, Paging: store.Paging{Order: order, PageSize: 60}}
		want := pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM rental WHERE rental_date >= '2022-05-28 00:00:00+00' AND rental_date < '2022-05-29 00:00:00+00'`)
		seen := map[int32]bool{}
		for _, r := range walkRentals(t, s, q, func() {}) {
			seen[r.RentalID] = true
		}
		if len(seen) != want {
			t.Errorf("%s: %d rentals, want %d", order, len(seen), want)
		}
	}
	film, _ := stockUp(t, conn, 1)
	r, err := s.CreateRental(t.Context(), store.NewRental{CustomerID: 1, FilmID: film, StoreID: 1, StaffID: 1})
	if err != nil || r.FilmID != film || r.StoreID != 1 {
		t.Errorf("rent film %d: %+v, %v", film, r, err)
		return
	}
	if r, err = s.ReturnRental(t.Context(), 1, r.RentalID); err != nil || r.ReturnDate == nil || !r.ReturnDate.After(r.RentalDate) {
		t.Errorf("return: %+v, %v", r, err)
	}
	wantRental(t, s, conn, r)
}

// wantOneEach makes several customers rent each copy at once, and checks that one of them gets it.
func wantOneEach(t *testing.T, s *store.Store, conn *pgx.Conn, copies []int32, each int) {
	t.Helper()
	customers := pgtest.Value[[]int32](t, conn.QueryRow, `SELECT array_agg(customer_id ORDER BY customer_id) FROM customer WHERE active = 1`)
	rentals := make([]store.Rental, len(copies)*each)
	var wg sync.WaitGroup
	for i := range rentals {
		wg.Go(func() {
			var err error
			rentals[i], err = s.CreateRental(t.Context(), store.NewRental{CustomerID: customers[i], InventoryID: copies[i%len(copies)], StaffID: 1})
			if err != nil && !errors.Is(err, store.ErrInventoryNotAvailable) {
				t.Errorf("copy %d: %v", copies[i%len(copies)], err)
			}
		})
	}
	wg.Wait()
	for _, id := range copies {
		if n := pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM rental WHERE inventory_id = $1 AND return_date IS NULL`, id); n != 1 {
			t.Errorf("copy %d is out %d times, want once", id, n)
		}
	}
	made := slices.DeleteFunc(rentals, func(r store.Rental) bool { return r.RentalID == 0 })
	if len(made) != len(copies) {
		t.Errorf("%d rentals were made, want %d", len(made), len(copies))
	}
	for _, r := range made {
		wantRental(t, s, conn, r)
	}
}

// wantRental checks a rental against its row and against Store.Rental.
func wantRental(t *testing.T, s *store.Store, conn *pgx.Conn, r store.Rental) {
	t.Helper()
	micros := pgtest.Value[[]int64](t, conn.QueryRow, `SELECT ARRAY[extract(epoch FROM rental_date) * 1000000,
			extract(epoch FROM rental_date) * 1000000 + rental_duration * 86400000000]::bigint[]
		FROM rental JOIN inventory USING (inventory_id) JOIN film USING (film_id) WHERE rental_id = $1`, r.RentalID)
	if got := []int64{r.RentalDate.UnixMicro(), r.DueDate.UnixMicro()}; !slices.Equal(got, micros) {
		t.Errorf("rental %d: rental date and due date are %d, want %d", r.RentalID, got, micros)
	}
	if again, err := s.Rental(t.Context(), r.CustomerID, r.RentalID); err != nil || !reflect.DeepEqual(again, r) {
		t.Errorf("rental %d is read as %+v, %v, want %+v", r.RentalID, again, err, r)
	}
}

// Whatever settings a database has, each copy is rented out once and no call fails. The same is true behind a
// pooler and for every query mode of the URL.
func TestAnySetting(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string][]string{
		"repeatable read":     {"default_transaction_isolation = 'repeatable read'"},
		"serializable":        {"default_transaction_isolation = 'serializable'", "default_transaction_deferrable = on"},
		"read only":           {"default_transaction_read_only = on"},
		"dates as in Germany": {"datestyle = 'German, DMY'", "timezone = 'Europe/Berlin'", "intervalstyle = 'sql_standard'"},
		"dates as in SQL":     {"datestyle = 'SQL, DMY'", "timezone = 'America/St_Johns'"},
		"dates as in Unix":    {"datestyle = 'Postgres, MDY'", "timezone = 'Australia/Lord_Howe'"},
		"no search path":      {"search_path = nowhere"},
		"empty search path":   {"search_path = ''"},
		"hasty":               {"statement_timeout = '1ms'", "lock_timeout = '1ms'", "idle_in_transaction_session_timeout = '1ms'"},
		"old strings":         {"standard_conforming_strings = off", "client_encoding = 'LATIN1'", "backslash_quote = on"},
		"odd output":          {"bytea_output = 'escape'", "extra_float_digits = -15", "xmlbinary = 'hex'", "default_text_search_config = 'pg_catalog.german'"},
		"odd plans":           {"plan_cache_mode = 'force_generic_plan'", "enable_hashjoin = off", "transform_null_equals = on", "row_security = off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := pgtest.New(t)
			conn := pgtest.Connect(t, address)
			for _, setting := range settings {
				pgtest.SetDefault(t, conn.Exec, setting)
			}
			for _, parameters := range []string{"", "default_query_exec_mode=exec", "default_query_exec_mode=simple_protocol",
				"default_query_exec_mode=cache_describe", "statement_cache_capacity=0"} {
				t.Run(cmp.Or(parameters, "as it comes"), func(t *testing.T) {
					wantAllWell(t, open(t, pgtest.WithParameters(t, address, parameters)), conn)
				})
			}
			t.Run("PgBouncer", func(t *testing.T) {
				wantAllWell(t, open(t, pgtest.Bouncer(t, address)), conn)
			})
		})
	}
}

// PgBouncer runs in transaction mode with a single connection. All clients need the same statements, in every
// query mode that the URL may choose. Another client changes the settings of the shared session.
func TestPgBouncer(t *testing.T) {
	t.Parallel()
	for _, parameters := range []string{"", "default_query_exec_mode=cache_statement", "default_query_exec_mode=exec",
		"default_query_exec_mode=simple_protocol", "default_query_exec_mode=cache_describe", "statement_cache_capacity=0"} {
		for _, settings := range [][]string{nil, {"default_pool_size = 3", "ignore_startup_parameters = extra_float_digits, lock_timeout, statement_timeout, idle_in_transaction_session_timeout, default_transaction_isolation"}} {
			t.Run(fmt.Sprint(cmp.Or(parameters, "as it comes"), len(settings)), func(t *testing.T) {
				t.Parallel()
				direct := pgtest.New(t)
				conn := pgtest.Connect(t, direct)
				through := pgtest.WithParameters(t, pgtest.Bouncer(t, direct, settings...), parameters)
				s, other := open(t, through), open(t, through)
				spoiler := pgtest.Connect(t, pgtest.WithParameters(t, through, "default_query_exec_mode=simple_protocol"))
				var wg sync.WaitGroup
				for range 8 {
					wg.Go(func() { wantTenPages(t, s) })
					wg.Go(func() { wantTenPages(t, other) })
				}
				for range 10 { // the settings stay in the session that all clients share
					pgtest.Exec(t, spoiler.Exec, `SET search_path = nowhere; SET default_transaction_isolation = 'repeatable read'; SET lock_timeout = '2s'`)
				}
				wg.Wait()
				wantAllWell(t, s, conn)
				wantAllWell(t, other, conn)
			})
		}
	}
}

func wantTenPages(t *testing.T, s *store.Store) {
	t.Helper()
	for i := range int32(10) {
		if _, err := s.Film(t.Context(), 1+i); err != nil {
			t.Error(err)
		}
		if _, err := s.Films(t.Context(), store.FilmQuery{Categories: []string{"comedy"}, Paging: store.Paging{Page: 1 + i, PageSize: 2}}); err != nil {
			t.Error(err)
		}
	}
}

// A transaction_timeout that the database sets does not end our transactions. PostgreSQL 17
// introduced the setting.
func TestTransactionTimeout(t *testing.T) {
	t.Parallel()
	address := pgtest.NewOnNewest(t)
	conn := pgtest.Connect(t, address)
	pgtest.SetDefault(t, conn.Exec, "transaction_timeout = '2ms'")
	pgtest.SetDefault(t, conn.Exec, "default_transaction_isolation = 'serializable'")
	wantAllWell(t, open(t, address), conn)
	wantAllWell(t, open(t, pgtest.Bouncer(t, address)), conn)
}

// Behind a pooler too, the status names what is missing.
func TestStatusBehindPgBouncer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ address, change, want string }{
		"pristine":     {pgtest.Pristine(t), ``, "the migration 20261122183350 is not applied"},
		"empty":        {pgtest.Empty(t), ``, "does not contain Pagila"},
		"half":         {pgtest.New(t), `DELETE FROM atlas_schema_revisions WHERE version = '20261122183350'`, "the migration 20261122183350 is not applied"},
		"no revisions": {pgtest.New(t), `DROP TABLE atlas_schema_revisions`, "the migration 20261122183351 is not applied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.change != "" {
				pgtest.Exec(t, pgtest.Connect(t, tt.address).Exec, tt.change)
			}
			s := open(t, pgtest.Bouncer(t, tt.address))
			status, err := s.Status(t.Context())
			if err != nil || !slices.ContainsFunc(status.Missing, func(what string) bool { return strings.Contains(what, tt.want) }) {
				t.Errorf("got %+v, %v, want %q", status, err, tt.want)
			}
			if _, err := s.Film(t.Context(), 1); err != nil && kind(err) != "not set up" {
				t.Errorf("film 1: %v", err)
			}
		})
	}
}

// Pagila may be in a schema of any name. Another schema may have a table film as well.
func TestSchema(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	conn := pgtest.Connect(t, address)
	s := open(t, address)
	wantAllWell(t, s, conn)
	pgtest.Exec(t, conn.Exec, `ALTER SCHEMA public RENAME TO "Video ""Store"""; CREATE SCHEMA public; CREATE TABLE public.film (film_id integer);
		SET search_path = "Video ""Store"""`)
	if _, err := s.Film(t.Context(), 1); err != nil { // the call itself finds that Pagila has moved
		t.Error(err)
	}
	wantAllWell(t, s, conn)
	wantAllWell(t, open(t, address), conn)
}

// A category is found without regard to case, by Unicode's rules, even if the database's locale has other
// rules.
func TestCaseOfEveryLocale(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]string{
		"Turkish": "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR'",
		"German":  "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-DE'",
		"C":       "TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := pgtest.Database(t, options)
			conn := pgtest.Connect(t, address)
			s := open(t, address)
			// Each category gets a film of its own.
			for i, category := range []string{"Çizgi Film", "Straße", "Σίσυφος", "Κωμωδία", "Ужасы", "Érotique"} {
				pgtest.Exec(t, conn.Exec, fmt.Sprintf(`INSERT INTO category (category_id, name) VALUES (%d, '%s');
					INSERT INTO film_category (category_id, film_id) VALUES (%[1]d, %[3]d)`, 100+i, category, 1+i))
			}
			for query, want := range map[string]int64{
				"ANIMATION":  pgtest.Value[int64](t, conn.QueryRow, `SELECT count(*) FROM film_category JOIN category USING (category_id) WHERE name = 'Animation'`),
				"sci-fi":     pgtest.Value[int64](t, conn.QueryRow, `SELECT count(*) FROM film_category JOIN category USING (category_id) WHERE name = 'Sci-Fi'`),
				"MUSIC":      pgtest.Value[int64](t, conn.QueryRow, `SELECT count(*) FROM film_category JOIN category USING (category_id) WHERE name = 'Music'`),
				"çIZGI FILM": 1, "STRAßE": 1, "ΣΊΣΥΦΟΣ": 1, "κωμωδία": 1, "УЖАСЫ": 1, "éROTIQUE": 1, "no such thing": 0,
			} {
				page, err := s.Films(t.Context(), store.FilmQuery{Categories: []string{query}, Paging: store.Paging{Page: 1, PageSize: 1}})
				if err != nil || *page.Total != want {
					t.Errorf("%s: %d films, %v, want %d", query, *page.Total, err, want)
				}
			}
			wantActorsOfEveryCase(t, s, conn)
			wantCustomersOfEveryCase(t, s, conn)
			wantFilmsOfEveryCase(t, s, conn, map[string]string{
				"strasse": "STRAßE", "STRASSE": "Straße", "straße": "STRASSE", "kelvin": "\u212aELVIN", "éric": "ÉRIC",
				"İNCE": "i\u0307nce", "TITANIC": "titanic", "50%_ı": "50%_I",
			})
		})
	}
}

// wantFilmsOfEveryCase checks that a film is found without regard to case, by its title and by a special feature,
// whatever the database's locale and encoding.
func wantFilmsOfEveryCase(t *testing.T, s *store.Store, conn *pgx.Conn, names map[string]string) {
	t.Helper()
	pgtest.Exec(t, conn.Exec, `SET client_encoding = 'UTF8'`)
	for query, name := range names {
		pgtest.Exec(t, conn.Exec, `UPDATE film SET title = '`+name+`', special_features = ARRAY['Trailers', '`+name+`'] WHERE film_id = 1`)
		for _, q := range []store.FilmQuery{{Title: query}, {SpecialFeatures: []string{query, "TRAILERS"}}} {
			q.PageSize = 1
			if page, err := s.Films(t.Context(), q); err != nil || len(page.Items) != 1 || page.Items[0].FilmID != 1 {
				t.Errorf("%q as %+v: %+v, %v", name, q, page.Items, err)
			}
		}
	}
}

// A database's encoding may lack characters. A search for one of them finds nothing.
func TestOtherEncodings(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"SQL_ASCII", "LATIN1", "EUC_JP"} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			address := pgtest.Sample(t, "TEMPLATE template0 ENCODING '"+encoding+"' LC_COLLATE 'C' LC_CTYPE 'C'")
			s := open(t, address)
			page, err := s.Films(t.Context(), store.FilmQuery{Categories: []string{"COMEDY"}, Paging: store.Paging{Page: 1, PageSize: 5}})
			if err != nil || *page.Total == 0 {
				t.Errorf("COMEDY: %+v, %v", page, err)
			}
			for _, foreign := range []string{"日本", "Комедия", "\U0001F3AC"} {
				if page, err := s.Films(t.Context(), store.FilmQuery{Categories: []string{foreign}, Paging: store.Paging{Page: 1, PageSize: 5}}); err != nil || *page.Total != 0 {
					t.Errorf("%s: %+v, %v", foreign, page, err)
				}
				for _, q := range []store.FilmQuery{{Search: foreign}, {Title: foreign}, {Actors: []string{foreign}}, {SpecialFeatures: []string{foreign}}, {Search: foreign + " a"}} {
					if page, err := s.Films(t.Context(), q); err != nil || *page.Total != 0 {
						t.Errorf("%+v: %+v, %v", q, page, err)
					}
				}
				if page, err := s.Customers(t.Context(), store.CustomerQuery{Search: foreign, Paging: store.Paging{PageSize: 5}}); err != nil || *page.Total != 0 {
					t.Errorf("customers %s: %+v, %v", foreign, page, err)
				}
				if page, err := s.Actors(t.Context(), store.ActorQuery{Page: 1, PageSize: 5, Name: foreign}); err != nil || page.Total != 0 {
					t.Errorf("actors named %s: %+v, %v", foreign, page, err)
				}
			}
			if status, err := s.Status(t.Context()); err != nil || len(status.Missing) > 0 {
				t.Errorf("status: %+v, %v", status, err)
			}
			wantFilmsOfEveryCase(t, s, pgtest.Connect(t, address), map[string]map[string]string{
				"SQL_ASCII": {"TITANIC": "titanic", "É": "É"},
				"LATIN1":    {"TITANIC": "titanic", "éric": "ÉRIC", "strasse": "STRAßE"},
				"EUC_JP":    {"TITANIC": "titanic", "日本 film": "日本 FILM", "ужасы": "УЖАСЫ"},
			}[encoding])
		})
	}
}

// Days have 24 hours even if the clocks change in between. A time that RFC 3339 cannot represent becomes the
// nearest one that it can.
func TestTimes(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	conn := pgtest.Connect(t, address)
	pgtest.SetDefault(t, conn.Exec, "timezone = 'Europe/Berlin'")
	s := open(t, pgtest.WithParameters(t, address, "timezone=Europe/Berlin"))
	pgtest.Exec(t, conn.Exec, `UPDATE film SET rental_duration = 5 WHERE film_id = (SELECT film_id FROM inventory WHERE inventory_id = 1)`)
	for date, want := range map[string]string{
		"2026-03-28 12:00:00.123456+00": "2026-03-28T12:00:00.123456Z 2026-04-02T12:00:00.123456Z",
		"2026-10-23 00:30:00+00":        "2026-10-23T00:30:00Z 2026-10-28T00:30:00Z",
		"infinity":                      "9999-12-31T23:59:59.999999Z 9999-12-31T23:59:59.999999Z",
		"-infinity":                     "0001-01-01T00:00:00Z 0001-01-06T00:00:00Z",
		"0044-03-15 12:00:00+00 BC":     "0001-01-01T00:00:00Z 0001-01-06T00:00:00Z",
		"294276-12-31 00:00:00+00":      "9999-12-31T23:59:59.999999Z 9999-12-31T23:59:59.999999Z",
	} {
		id := pgtest.Value[int32](t, conn.QueryRow, `INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id, return_date)
			VALUES ($1::text::timestamptz, 1, 1, 1, $1::text::timestamptz) RETURNING rental_id`, date)
		r, err := s.Rental(t.Context(), 1, id)
		if err != nil {
			t.Errorf("%s: %v", date, err)
			continue
		}
		if got := r.RentalDate.Format(time.RFC3339Nano) + " " + r.DueDate.Format(time.RFC3339Nano); got != want || r.ReturnDate == nil || !r.ReturnDate.Equal(r.RentalDate) {
			t.Errorf("%s: %s, returned %s, want %s", date, got, r.ReturnDate, want)
		}
	}
}

// The privileges that roles.sql grants are enough, and each is necessary: the status names one that is missing.
func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	conn := pgtest.Connect(t, address)
	role := "least_" + pgtest.Value[string](t, conn.QueryRow, `SELECT current_database()`)
	pgtest.Exec(t, conn.Exec, `CREATE ROLE `+role+` LOGIN; REVOKE ALL ON SCHEMA public FROM PUBLIC`)
	t.Cleanup(func() {
		ctx := context.Background() // the test's context has ended
		cleaner, err := pgx.Connect(ctx, address)
		if err == nil {
			_, err = cleaner.Exec(ctx, `DROP OWNED BY `+role+`; DROP ROLE `+role)
			_ = cleaner.Close(ctx)
		}
		if err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	s := open(t, u.String())
	grants := grantsToServer(t)
	for _, g := range grants {
		pgtest.Exec(t, conn.Exec, `GRANT `+g.String()+` TO `+role)
	}
	wantAllWell(t, s, conn)
	for _, g := range grants {
		pgtest.Exec(t, conn.Exec, `REVOKE `+g.String()+` FROM `+role)
		if status, err := s.Status(t.Context()); err != nil || !slices.Contains(status.Missing, g.missing()) {
			t.Errorf("without %s: missing %q, %v, want %q", g, status.Missing, err, g.missing())
		}
		pgtest.Exec(t, conn.Exec, `GRANT `+g.String()+` TO `+role)
	}
	wantAllWell(t, s, conn)

	pgtest.Exec(t, conn.Exec, `REVOKE INSERT ON rental FROM `+role)
	var unavailable *store.UnavailableError
	if _, err := s.CreateRental(t.Context(), store.NewRental{CustomerID: 1, InventoryID: copiesInStock(t, conn, 1)[0], StaffID: 1}); !errors.As(err, &unavailable) ||
		unavailable.Reason != store.NotSetUp || unavailable.Outcome != store.NothingWritten {
		t.Errorf("a rental without the privilege: %v", err)
	}
}

// grant is a privilege on one object.
type grant struct{ privilege, kind, object string }

func (g grant) String() string { return g.privilege + " ON " + g.kind + " " + g.object }

// missing is what the status says without the grant.
func (g grant) missing() string {
	if g.kind == "SCHEMA" {
		return "the role may not use the schema " + g.object
	}
	privilege, _, _ := strings.Cut(g.privilege, " ") // without the column
	return "the role lacks the privilege " + privilege + " on the " + strings.ToLower(g.kind) + " " + g.object
}

// grantsToServer returns the grants in roles.sql, one for each object.
func grantsToServer(t *testing.T) []grant {
	t.Helper()
	var grants []grant
	statement := regexp.MustCompile(`(?m)^GRANT ([^;]+?) ON (?:(SCHEMA|SEQUENCE) )?([^;]+) TO pagila_api;$`)
	for _, match := range statement.FindAllStringSubmatch(roles.SQL, -1) {
		for object := range strings.SplitSeq(match[3], ",") {
			grants = append(grants, grant{match[1], cmp.Or(match[2], "TABLE"), strings.TrimSpace(object)})
		}
	}
	if len(grants) == 0 {
		t.Fatal("roles.sql has no GRANT")
	}
	return grants
}
