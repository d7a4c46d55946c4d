package store_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func open(t *testing.T, url string) *store.Store {
	t.Helper()
	s, err := store.Open(url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// The page and its total are of one snapshot, even while films come and go.
func TestFilmsOneSnapshot(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	ctx, stop := context.WithCancel(t.Context())
	writer := make(chan error, 1)
	defer func() {
		stop()
		if err := <-writer; err != nil {
			t.Error(err)
		}
	}()
	go func() {
		for ctx.Err() == nil {
			if _, err := conn.Exec(context.WithoutCancel(ctx), `
				INSERT INTO film (title, language_id, fulltext) VALUES ('COME AND GO', 1, '');
				DELETE FROM film WHERE title = 'COME AND GO'`, pgx.QueryExecModeSimpleProtocol); err != nil {
				writer <- err
				return
			}
		}
		writer <- nil
	}()
	for range 200 {
		page, err := s.Films(t.Context(), store.FilmQuery{Page: 1, PageSize: 2_000_000})
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(page.Items)) != page.Total {
			t.Fatalf("%d films, but a total of %d", len(page.Items), page.Total)
		}
	}
}

func TestFilmNotFound(t *testing.T) {
	t.Parallel()
	_, err := open(t, pgtest.New(t)).Film(t.Context(), 2147483647)
	var notFound *store.NotFoundError
	if !errors.As(err, &notFound) || notFound.Kind != store.KindFilm || notFound.ID != 2147483647 {
		t.Errorf("got %v", err)
	}
}

func TestSearchFilms(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	search := func(question string) []store.FoundFilm {
		t.Helper()
		films, err := s.SearchFilms(t.Context(), question, 8)
		if err != nil {
			t.Fatalf("%q: %v", question, err)
		}
		return films
	}

	title := pgtest.Value[string](t, conn.QueryRow, `SELECT title FROM film WHERE film_id = 42`)
	if films := search("Is " + strings.ToLower(title) + " better than your NC-17 comedies?"); len(films) == 0 || films[0].FilmID != 42 {
		t.Errorf("a title that stands in the question is not first: %+v", films)
	}
	// Words of a story that are no category, no film as such, and not changed by stemming.
	words := pgtest.Value[[]string](t, conn.QueryRow, `SELECT ARRAY(SELECT word FROM ts_stat('SELECT fulltext FROM film') JOIN film ON word = ANY(tsvector_to_array(fulltext))
		WHERE film_id = 42 AND length(word) > 3 AND word <> 'film' AND to_tsvector('english', word) = to_tsvector('simple', word)
			AND NOT EXISTS (SELECT FROM category WHERE to_tsvector('english', name) @@ word::tsquery)
		ORDER BY ndoc DESC, word LIMIT 3)`)
	story, query := strings.Join(words, " "), "'"+strings.Join(words, " | ")+"'"
	// Each way to find a film, alone: by an actor, a rating, words of the story.
	for question, condition := range map[string]string{
		"Anything with " + pgtest.Value[string](t, conn.QueryRow, `SELECT first_name || ' ' || last_name FROM actor JOIN film_actor USING (actor_id) WHERE film_id = 42 LIMIT 1`): `
			film_id IN (SELECT film_id FROM film_actor JOIN actor USING (actor_id) WHERE (first_name, last_name) =
				(SELECT first_name, last_name FROM actor JOIN film_actor USING (actor_id) WHERE film_id = 42 LIMIT 1))`,
		"NC-17": `rating = 'NC-17'`,
		story:   `fulltext @@ ` + query,
	} {
		films, err := s.SearchFilms(t.Context(), question, 2000)
		if err != nil {
			t.Fatal(err)
		}
		var got []int32
		for _, f := range films {
			got = append(got, f.FilmID)
		}
		want := pgtest.Value[[]int32](t, conn.QueryRow, `SELECT array_agg(film_id ORDER BY film_id) FROM film WHERE `+condition)
		got = got[:min(len(got), len(want))] // a name can be a word of other films' stories
		if slices.Sort(got); len(got) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s: the first films are %v, want %v", question, got, want)
		}
	}
	// The best come first: what has more of what is asked, then what is short or cheap, then the words.
	for question, order := range map[string]string{
		"NC-17 comedies": `((rating = 'NC-17')::int + (film_id IN (SELECT film_id FROM film_category JOIN category USING (category_id) WHERE name = 'Comedy'))::int) DESC`,
		"short films":    `length`,
		"a long comedy":  `(film_id IN (SELECT film_id FROM film_category JOIN category USING (category_id) WHERE name = 'Comedy')) DESC, length DESC`,
		"cheap films":    `rental_rate`,
		story:            `ts_rank_cd(fulltext, ` + query + `) DESC`,
	} {
		var got, want []int32
		for _, f := range search(question) {
			got = append(got, f.FilmID)
		}
		// Ties may come in any order here, so what is compared is the order's own values.
		rank := `SELECT array_agg(n) FROM unnest($1::int[]) WITH ORDINALITY got (film_id, at) JOIN (
			SELECT film_id, dense_rank() OVER (ORDER BY ` + order + `)::int AS n FROM film) ranked USING (film_id)`
		want = pgtest.Value[[]int32](t, conn.QueryRow, rank, pgtest.Value[[]int32](t, conn.QueryRow, `SELECT array_agg(film_id) FROM (SELECT film_id FROM film ORDER BY `+order+` LIMIT 8) best`))
		ranks := pgtest.Value[[]int32](t, conn.QueryRow, rank, got)
		slices.Sort(want)
		if !slices.Equal(ranks, want) {
			t.Errorf("%s: the films rank as %v, want %v", question, ranks, want)
		}
	}
	films := search("Do you have comedies?")
	if len(films) != 8 || slices.ContainsFunc(films, func(f store.FoundFilm) bool { return f.Category != "Comedy" }) {
		t.Errorf("comedies: %+v", films)
	}
	for question, category := range map[string]string{
		"a scary movie": "Horror", "Something funny!": "Comedy", "CARTOONS": "Animation", "science fiction films": "Sci-Fi",
	} {
		films := search(question)
		if len(films) == 0 || slices.ContainsFunc(films, func(f store.FoundFilm) bool { return f.Category != category }) {
			t.Errorf("%s: %+v", question, films)
		}
	}
	everything, err := s.SearchFilms(t.Context(), "How long?", 2000)
	if n := pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM film`); err != nil || len(everything) != n {
		t.Fatalf("%d films may be long, want %d, %v", len(everything), n, err)
	}
	for _, f := range everything {
		want := pgtest.Value[[]string](t, conn.QueryRow, `SELECT ARRAY(SELECT first_name || ' ' || last_name
			FROM film_actor JOIN actor USING (actor_id) WHERE film_id = $1 ORDER BY last_name, first_name, actor_id)`, f.FilmID)
		if !slices.Equal(f.Actors, want) {
			t.Fatalf("the actors of film %d are %q, want %q", f.FilmID, f.Actors, want)
		}
		stock := pgtest.Value[[]int32](t, conn.QueryRow, `SELECT ARRAY[count(*), count(*) FILTER (WHERE NOT EXISTS (
			SELECT FROM rental WHERE rental.inventory_id = inventory.inventory_id AND return_date IS NULL))]
			FROM inventory WHERE film_id = $1`, f.FilmID)
		if got := []int32{f.Copies, f.AvailableCopies}; !slices.Equal(got, stock) {
			t.Fatalf("the copies and available copies of film %d are %d, want %d", f.FilmID, got, stock)
		}
	}
	for _, question := range []string{"", "?!", "the of and", "xyzzy plugh", "a good movie", "'; --", "a & b | !c <-> (d", `\ : * '' "`} {
		if films := search(question); len(films) != 0 {
			t.Errorf("%q finds %d films", question, len(films))
		}
	}
	if pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM film`) == 0 {
		t.Error("the films are gone")
	}
}

func TestCreateRentalWritesNothingOnRefusal(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	before := pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM rental`)
	out := pgtest.Value[int32](t, conn.QueryRow, `SELECT min(inventory_id) FROM rental WHERE return_date IS NULL`)
	active := pgtest.Value[int32](t, conn.QueryRow, `SELECT min(customer_id) FROM customer WHERE active = 1`)
	for _, tt := range []struct {
		rental store.NewRental
		want   func(error) bool
	}{
		{store.NewRental{CustomerID: active, InventoryID: out, StaffID: 1}, func(err error) bool { return errors.Is(err, store.ErrInventoryNotAvailable) }},
		{store.NewRental{CustomerID: 2147483647, InventoryID: out, StaffID: 1}, func(err error) bool {
			var e *store.NotFoundError
			return errors.As(err, &e) && e.Kind == store.KindCustomer
		}},
		{store.NewRental{CustomerID: active, InventoryID: 2147483647, StaffID: 2147483647}, func(err error) bool {
			var e *store.UnknownReferenceError
			return errors.As(err, &e) && slices.Equal(e.References, []store.Reference{{Kind: store.KindInventory, ID: 2147483647}, {Kind: store.KindStaff, ID: 2147483647}})
		}},
	} {
		if _, err := s.CreateRental(t.Context(), tt.rental); !tt.want(err) {
			t.Errorf("%+v: %v", tt.rental, err)
		}
	}
	if after := pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM rental`); after != before {
		t.Errorf("%d rentals were written", after-before)
	}
}

// A rental waits for another transaction that holds the copy, and sees what it has done.
func TestCreateRentalWaits(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	copyID := copiesInStock(t, conn, 1)[0]
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM inventory WHERE inventory_id = $1 FOR NO KEY UPDATE`, copyID); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.CreateRental(context.WithoutCancel(t.Context()), store.NewRental{CustomerID: 1, InventoryID: copyID, StaffID: 1})
		done <- err
	}()
	wantTriedInVain(t, pgtest.Connect(t, url))
	if _, err := tx.Exec(t.Context(), `INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id) VALUES (now(), $1, 2, 1)`, copyID); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, store.ErrInventoryNotAvailable) {
		t.Errorf("got %v", err)
	}
}

// A customer who is about to be deactivated does not get a copy in between.
func TestCreateRentalWaitsForCustomer(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	copyID := copiesInStock(t, conn, 1)[0]
	customer := pgtest.Value[int32](t, conn.QueryRow, `SELECT min(customer_id) FROM customer WHERE active = 1`)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `UPDATE customer SET active = 0 WHERE customer_id = $1`, customer); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.CreateRental(context.WithoutCancel(t.Context()), store.NewRental{CustomerID: customer, InventoryID: copyID, StaffID: 1})
		done <- err
	}()
	wantTriedInVain(t, pgtest.Connect(t, url))
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, store.ErrCustomerInactive) {
		t.Errorf("got %v", err)
	}
}

// wantWaiting waits until a session of the database waits for a lock.
func wantWaiting(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	wantSession(t, conn, `wait_event_type = 'Lock'`)
}

// wantTriedInVain waits until a session has rolled a transaction back. Between two attempts a rental
// waits without a transaction.
func wantTriedInVain(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	wantSession(t, conn, `query = 'ROLLBACK'`)
}

// wantSession waits until the database has a session that meets the condition.
func wantSession(t *testing.T, conn *pgx.Conn, condition string) {
	t.Helper()
	pgtest.WaitUntil(t, conn.QueryRow, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND `+condition+`)`)
}

// A session that the server ends is a database that is away.
func TestTerminated(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	if _, err := conn.Exec(t.Context(), `BEGIN; LOCK TABLE film`); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.Films(context.WithoutCancel(t.Context()), store.FilmQuery{Page: 1, PageSize: 1})
		done <- err
	}()
	admin := pgtest.Connect(t, url)
	wantWaiting(t, admin)
	pgtest.Value[int](t, admin.QueryRow, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
	var unavailable *store.UnavailableError
	if err := <-done; !errors.As(err, &unavailable) {
		t.Errorf("got %v", err)
	}
}

// A copy that somebody holds for too long is as good as a database that does not answer, and the
// rental that gave up is not made later.
func TestCreateRentalTimesOut(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	conn := pgtest.Connect(t, url)
	s, err := store.Open(url, store.Options{Timeout: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	before := pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM rental`)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM inventory WHERE inventory_id = 1 FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	_, err = s.CreateRental(t.Context(), store.NewRental{CustomerID: 1, InventoryID: 1, StaffID: 1})
	var unavailable *store.UnavailableError
	if !errors.As(err, &unavailable) {
		t.Errorf("got %v", err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM rental`); after != before {
		t.Errorf("%d rentals were written", after-before)
	}
}

// A database that stops is unavailable, and usable again once it is back.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	server := pgtest.Server(t)
	s := open(t, server.URL("pagila"))
	if _, err := s.Films(t.Context(), store.FilmQuery{Page: 1, PageSize: 1}); err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	calls := map[string]func(context.Context) error{
		"Films": func(ctx context.Context) error {
			_, err := s.Films(ctx, store.FilmQuery{Page: 1, PageSize: 1})
			return err
		},
		"Film":        func(ctx context.Context) error { _, err := s.Film(ctx, 1); return err },
		"SearchFilms": func(ctx context.Context) error { _, err := s.SearchFilms(ctx, "x", 1); return err },
		"Rental":      func(ctx context.Context) error { _, err := s.Rental(ctx, 1, 1); return err },
		"Status":      func(ctx context.Context) error { _, err := s.Status(ctx); return err },
		"CreateRental": func(ctx context.Context) error {
			_, err := s.CreateRental(ctx, store.NewRental{CustomerID: 1, InventoryID: 1, StaffID: 1})
			return err
		},
	}
	for name, call := range calls {
		var unavailable *store.UnavailableError
		if err := call(t.Context()); !errors.As(err, &unavailable) {
			t.Errorf("%s: %v", name, err)
		}
		// A caller who has left learns nothing of the database.
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := call(gone); !errors.Is(err, context.Canceled) || errors.As(err, &unavailable) {
			t.Errorf("%s, canceled: %v", name, err)
		}
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	status, err := open(t, url).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status.Migration == "" || len(status.Pending) != 0 || !strings.HasPrefix(status.Server, "PostgreSQL ") {
		t.Errorf("migrated: %+v", status)
	}
	status, err = open(t, pgtest.Pristine(t)).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(status.Pending) != 2 {
		t.Errorf("pristine: %+v", status)
	}
	status, err = open(t, pgtest.Empty(t)).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status.Dataset != "other" || len(status.Pending) == 0 || status.Server == "" {
		t.Errorf("empty: %+v", status)
	}
}

func TestOpenBadURL(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for _, url := range []string{"mysql://x", "postgres://user:" + secret + "@[::1/pagila", "port=x password=" + secret} {
		_, err := store.Open(url, store.Options{})
		if err == nil {
			t.Errorf("%s is accepted", url)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}
