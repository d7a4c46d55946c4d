package pgtest_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/store/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const (
	films         = "SELECT count(*) FROM film"
	subscriptions = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'streaming_subscription'"
	tables        = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
)

func TestDatabases(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		url  func(testing.TB) string
		want map[string]int
	}{
		{"migrated", pgtest.New, map[string]int{films: 1000, subscriptions: 1}},
		{"pristine", pgtest.Pristine, map[string]int{films: 1000, subscriptions: 0}},
		{"empty", pgtest.Empty, map[string]int{tables: 0}},
		{"server of its own", func(tb testing.TB) string { tb.Helper(); return pgtest.Server(tb).URL("pagila") }, map[string]int{films: 1000, subscriptions: 1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			url := test.url(t)
			for sql, want := range test.want {
				if got := pgtest.ValueAt[int](t, url, sql); got != want {
					t.Errorf("%s: %d, want %d", sql, got, want)
				}
			}
		})
	}
}

// Several tests change the same rows at once.
func TestDatabasesAreIndependent(t *testing.T) {
	t.Parallel()
	for range 8 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			url := pgtest.New(t)
			ctx, conn := t.Context(), pgtest.Connect(t, url)
			tag, err := conn.Exec(ctx, "DELETE FROM payment")
			if err != nil {
				t.Fatal(err)
			}
			if tag.RowsAffected() == 0 {
				t.Error("another test has deleted the payments")
			}
		})
	}
}

//nolint:tparallel // the parent continues after the subtest
func TestDatabaseIsDroppedWithItsConnections(t *testing.T) {
	t.Parallel()
	var url string
	t.Run("test", func(t *testing.T) {
		url = pgtest.New(t)
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if conn, err := pgx.Connect(ctx, url); err == nil {
		conn.Close(ctx)
		t.Error("the database still exists after its test")
	}
}

func TestServerCanBeStopped(t *testing.T) {
	t.Parallel()
	server := pgtest.Server(t)
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if conn, err := pgx.Connect(t.Context(), server.URL("pagila")); err == nil {
		conn.Close(t.Context())
		t.Error("it still accepts connections")
	}
	pgtest.ValueAt[int](t, pgtest.New(t), films) // the other server does
}

func TestRealPagila(t *testing.T) {
	t.Parallel()
	pgtest.RealPagila(t)
	if n := pgtest.ValueAt[int](t, pgtest.New(t), "SELECT count(*) FROM customer WHERE email LIKE '%@sakilacustomer.org'"); n != 599 {
		t.Errorf("%d customers have an address of Pagila's, want 599", n)
	}
}
