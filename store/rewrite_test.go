package store_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// A read waits while DDL in another session rewrites the table. To a snapshot that was taken before, the
// rewritten table is empty. READ COMMITTED takes a new snapshot after the wait. The levels that an
// administrator may set instead do not.
func TestReadsDuringRewrite(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"repeatable read", "serializable"} {
		t.Run("direct, "+level, func(t *testing.T) {
			t.Parallel()
			url := withIsolation(t, level)
			readDuringRewrite(t, url, url)
		})
		t.Run("behind PgBouncer, "+level, func(t *testing.T) {
			t.Parallel()
			url := withIsolation(t, level)
			readDuringRewrite(t, url, pgtest.Bouncer(t, url))
		})
	}
}

// withIsolation makes a database whose transactions have the isolation level by default.
func withIsolation(t *testing.T, level string) (url string) {
	t.Helper()
	url = pgtest.New(t)
	pgtest.SetDefault(t, pgtest.Connect(t, url).Exec, "default_transaction_isolation = '"+level+"'")
	return url
}

// readDuringRewrite rewrites a table over the first URL while it reads the table over the second.
func readDuringRewrite(t *testing.T, url, through string) {
	t.Helper()
	admin := pgtest.Connect(t, url)
	s := open(t, through)
	rental, err := s.CreateRental(t.Context(), store.NewRental{
		CustomerID: 1, StaffID: 1, InventoryID: copiesInStock(t, admin, 1)[0],
	})
	if err != nil {
		t.Fatal(err)
	}
	films := pgtest.Value[int64](t, admin.QueryRow, "SELECT count(*) FROM film")
	pgtest.Exec(t, admin.Exec, `INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id) VALUES ('2022-01-01', $1, 2, 1)`, rental.InventoryID)
	overdue := pgtest.Value[int64](t, admin.QueryRow, `SELECT count(*) FROM rental JOIN inventory USING (inventory_id)
		WHERE film_id = $1 AND return_date IS NULL AND rental_date < '2023-01-01'`, rental.FilmID)
	for what, read := range map[string]func(context.Context){
		"Film": func(ctx context.Context) {
			if _, err := s.Film(ctx, 1); err != nil {
				t.Errorf("film 1: %v", err)
			}
		},
		"Films": func(ctx context.Context) {
			page, err := s.Films(ctx, store.FilmQuery{Paging: store.Paging{Page: 1, PageSize: 10}})
			if err != nil || len(page.Items) != 10 || *page.Total != films {
				t.Errorf("%d films of %d, %v", len(page.Items), *page.Total, err)
			}
		},
		"Copies": func(ctx context.Context) {
			copies, err := s.Copies(ctx, 1)
			if err != nil || len(copies) == 0 {
				t.Errorf("%d copies of film 1, %v", len(copies), err)
			}
		},
		"Languages": func(ctx context.Context) {
			languages, err := s.Languages(ctx)
			if err != nil || languages[0].FilmCount == 0 {
				t.Errorf("languages: %v, %v", languages, err)
			}
		},
		"Actor": func(ctx context.Context) {
			actor, err := s.Actor(ctx, 1)
			if err != nil || len(actor.Films) == 0 {
				t.Errorf("actor 1: %v, %v", actor, err)
			}
		},
		"Rental": func(ctx context.Context) {
			if _, err := s.Rental(ctx, rental.CustomerID, rental.RentalID); err != nil {
				t.Errorf("rental %d: %v", rental.RentalID, err)
			}
		},
		"Rentals": func(ctx context.Context) {
			page, err := s.Rentals(ctx, store.RentalQuery{FilmID: rental.FilmID, State: store.RentalOverdue, Paging: store.Paging{Order: "-due_date"}})
			if err != nil || *page.Total != overdue {
				t.Errorf("%d overdue rentals of %d, %v", *page.Total, overdue, err)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			rewrite(t, admin, func() { read(context.WithoutCancel(t.Context())) }, func() { wantWaiting(t, pgtest.Connect(t, url)) })
		})
	}
}

// rewrite rewrites the table film. It starts read while it holds the table, and commits once wait has
// returned.
func rewrite(t *testing.T, admin *pgx.Conn, read, wait func()) {
	t.Helper()
	tx, err := admin.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(t.Context()))
	for _, to := range []string{"integer", "smallint"} { // there and back
		if _, err := tx.Exec(t.Context(), "ALTER TABLE film ALTER rental_duration TYPE "+to); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan struct{})
	go func() { defer close(done); read() }()
	wait()
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-done
}
