package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// open opens a database as the role of the server, unless the URL has another one.
func open(tb testing.TB, url string) *store.Store {
	tb.Helper()
	return openAsOwner(tb, pgtest.AsServer(tb, url))
}

// openAsOwner opens a database as the role of the URL.
func openAsOwner(tb testing.TB, url string) *store.Store {
	tb.Helper()
	s, err := store.Open(url, store.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

// A page and its total come from one snapshot, even while films are inserted and deleted.
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
	films := pgtest.ValueAt[int64](t, url, `SELECT count(*) FROM film WHERE title <> 'COME AND GO'`)
	for range 200 {
		page, err := s.Films(t.Context(), store.FilmQuery{Paging: store.Paging{Order: "-film_id", PageSize: 1}})
		if err != nil {
			t.Fatal(err)
		}
		want := films
		if page.Items[0].Title == "COME AND GO" {
			want++
		}
		if *page.Total != want {
			t.Fatalf("the page begins with %s, but the total is %d", page.Items[0].Title, *page.Total)
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

// A rental waits for another transaction that holds the copy, and then sees the other's changes.
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

// A customer cannot rent while another transaction deactivates the customer.
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

// wantTriedInVain waits until a session has rolled a transaction back. Between two attempts, a rental has no
// transaction.
func wantTriedInVain(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	wantSession(t, conn, `query = 'ROLLBACK'`)
}

// wantSession waits until the database has a session that meets the condition.
func wantSession(t *testing.T, conn *pgx.Conn, condition string) {
	t.Helper()
	pgtest.WaitUntil(t, conn.QueryRow, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND `+condition+`)`)
}

// A call whose session the server terminates reports the database as unavailable.
func TestTerminated(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	if _, err := conn.Exec(t.Context(), `BEGIN; LOCK TABLE film`); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.Films(context.WithoutCancel(t.Context()), store.FilmQuery{Paging: store.Paging{Page: 1, PageSize: 1}})
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

// A write gives up if another session holds what it needs for too long. It is not made later.
func TestWritesTimeOut(t *testing.T) {
	t.Parallel()
	for call, locks := range map[string][]string{
		"rent a copy": {`SELECT FROM inventory WHERE inventory_id = $1 FOR UPDATE`, `SELECT FROM customer WHERE customer_id = 1 AND $1::int > 0 FOR UPDATE`},
		"rent a film": {`SELECT FROM inventory WHERE film_id = $1 FOR UPDATE`, `SELECT FROM customer WHERE customer_id = 1 AND $1::int > 0 FOR UPDATE`},
		"return":      {`SELECT FROM rental WHERE rental_id = $1 FOR UPDATE`},
	} {
		for i, lock := range locks {
			t.Run(fmt.Sprint(call, i), func(t *testing.T) {
				t.Parallel()
				w := rentalWrites[call]
				url := pgtest.New(t)
				conn, holder := pgtest.Connect(t, url), pgtest.Connect(t, url)
				s, err := store.Open(pgtest.AsServer(t, url), store.Options{Timeout: 500 * time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { s.Close() })
				id := pgtest.Value[int32](t, conn.QueryRow, w.prepare)
				pgtest.Exec(t, holder.Exec, `BEGIN`)
				pgtest.Exec(t, holder.Exec, lock, id)
				_, err = w.call(t.Context(), s, id)
				var unavailable *store.UnavailableError
				if !errors.As(err, &unavailable) || unavailable.Outcome != store.NothingWritten {
					t.Errorf("got %v", err)
				}
				pgtest.Exec(t, holder.Exec, `COMMIT`)
				if n := pgtest.Value[int](t, conn.QueryRow, w.written, id); n != 0 {
					t.Errorf("it was written %d times", n)
				}
			})
		}
	}
}

// After the server has stopped, every call reports the database as unavailable.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	server := pgtest.Server(t)
	s := open(t, server.URL("pagila"))
	if _, err := s.Films(t.Context(), store.FilmQuery{Paging: store.Paging{Page: 1, PageSize: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	calls := map[string]func(context.Context) error{
		"Films": func(ctx context.Context) error {
			_, err := s.Films(ctx, store.FilmQuery{Paging: store.Paging{Page: 1, PageSize: 1}})
			return err
		},
		"Film":       func(ctx context.Context) error { _, err := s.Film(ctx, 1); return err },
		"FilmFacts":  func(ctx context.Context) error { _, err := s.FilmFacts(ctx, 1); return err },
		"Copies":     func(ctx context.Context) error { _, err := s.Copies(ctx, 1); return err },
		"Categories": func(ctx context.Context) error { _, err := s.Categories(ctx); return err },
		"Languages":  func(ctx context.Context) error { _, err := s.Languages(ctx); return err },
		"Shops":      func(ctx context.Context) error { _, err := s.Shops(ctx); return err },
		"Actor":      func(ctx context.Context) error { _, err := s.Actor(ctx, 1); return err },
		"Actors": func(ctx context.Context) error {
			_, err := s.Actors(ctx, store.ActorQuery{Page: 1, PageSize: 1, Name: "x"})
			return err
		},
		"Rental":  func(ctx context.Context) error { _, err := s.Rental(ctx, 1, 1); return err },
		"Rentals": func(ctx context.Context) error { _, err := s.Rentals(ctx, store.RentalQuery{}); return err },
		"CustomerRentals": func(ctx context.Context) error {
			_, err := s.CustomerRentals(ctx, store.RentalQuery{CustomerID: 1})
			return err
		},
		"ReturnRental": func(ctx context.Context) error { _, err := s.ReturnRental(ctx, 1, 1); return err },
		"Status":       func(ctx context.Context) error { _, err := s.Status(ctx); return err },
		"CreateRental": func(ctx context.Context) error {
			_, err := s.CreateRental(ctx, store.NewRental{CustomerID: 1, InventoryID: 1, StaffID: 1})
			return err
		},
	}
	maps.Copy(calls, customerCalls(s))
	for name, call := range calls {
		var unavailable *store.UnavailableError
		if err := call(t.Context()); !errors.As(err, &unavailable) {
			t.Errorf("%s: %v", name, err)
		}
		// The error for a caller who has left says nothing about the database.
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
	status, err = openAsOwner(t, pgtest.Pristine(t)).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(status.Pending) != 2 || len(status.Missing) != 2 { // not what the migrations add
		t.Errorf("pristine: %+v", status)
	}
	status, err = openAsOwner(t, pgtest.Empty(t)).Status(t.Context())
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
			t.Errorf("the error contains the password: %v", err)
		}
	}
}
