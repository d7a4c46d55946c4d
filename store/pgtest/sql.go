package pgtest

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/store/roles"
)

const (
	// superuser is the role of the URLs of this package.
	superuser = "postgres"
	// conditionTimeout is far longer than a condition takes to become true, even on a busy machine.
	conditionTimeout = 30 * time.Second
	// conditionInterval is the time between two checks of a condition.
	conditionInterval = 5 * time.Millisecond
)

// Connect returns a connection to the database at the URL. It is closed after the test.
func Connect(tb testing.TB, databaseURL string) *pgx.Conn {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), databaseURL)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close(context.Background()) }) // the server may have ended it
	return conn
}

// Row is the row that a query returns, in pgx or database/sql.
type Row interface{ Scan(dest ...any) error }

// Value returns the only value that a query selects. queryRow is a method such as (*pgx.Conn).QueryRow or
// (*sql.DB).QueryRowContext:
//
//	films := pgtest.Value[int](t, conn.QueryRow, "SELECT count(*) FROM film")
func Value[T any, R Row](tb testing.TB, queryRow func(context.Context, string, ...any) R, query string, args ...any) T {
	tb.Helper()
	var value T
	if err := queryRow(tb.Context(), query, args...).Scan(&value); err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	return value
}

// ValueAt is Value over a connection of its own to the database at the URL.
func ValueAt[T any](tb testing.TB, databaseURL, query string, args ...any) T {
	tb.Helper()
	conn, err := pgx.Connect(tb.Context(), databaseURL)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(tb.Context()))
	return Value[T](tb, conn.QueryRow, query, args...)
}

// Exec executes a statement, or several statements without arguments. exec is a method such as
// (*pgx.Conn).Exec or (*sql.DB).ExecContext.
func Exec[R any](tb testing.TB, exec func(context.Context, string, ...any) (R, error), statements string, args ...any) {
	tb.Helper()
	if _, err := exec(tb.Context(), statements, args...); err != nil {
		tb.Fatalf("%s: %v", statements, err)
	}
}

// SetDefault changes the database's default of a setting, which applies to new sessions. exec is as for Exec.
// The setting is written as in SQL: "datestyle = 'SQL, DMY'".
func SetDefault[R any](tb testing.TB, exec func(context.Context, string, ...any) (R, error), setting string) {
	tb.Helper()
	quoted := strings.NewReplacer("'", "''", "%", "%%").Replace(setting)
	Exec(tb, exec, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET "+quoted+"', current_database()); END $$")
}

// WaitUntil waits until a query selects true. queryRow is as for Value.
func WaitUntil[R Row](tb testing.TB, queryRow func(context.Context, string, ...any) R, query string) {
	tb.Helper()
	tick := time.NewTicker(conditionInterval)
	defer tick.Stop()
	for deadline := time.Now().Add(conditionTimeout); !Value[bool](tb, queryRow, query); <-tick.C {
		if time.Now().After(deadline) {
			tb.Fatalf("still false after %s: %s", conditionTimeout, query)
		}
	}
}

// WithParameters adds parameters, such as "search_path=pg_catalog&timezone=UTC", to a database URL.
func WithParameters(tb testing.TB, databaseURL, parameters string) string {
	tb.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		tb.Fatal(err)
	}
	added, err := url.ParseQuery(parameters)
	if err != nil {
		tb.Fatal(err)
	}
	query := u.Query()
	for name := range added {
		query.Set(name, added.Get(name))
	}
	u.RawQuery = encodeQuery(query)
	return u.String()
}

// AsServer returns the URL of the same database for the role of the server. A URL of any other role than the superuser
// stays as it is.
func AsServer(tb testing.TB, databaseURL string) string {
	tb.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		tb.Fatal(err)
	}
	if u.User.Username() == superuser {
		u.User = url.User(roles.Server)
	}
	return u.String()
}

// encodeQuery encodes a space as %20, because libpq and pgx take a plus literally.
func encodeQuery(query url.Values) string { return strings.ReplaceAll(query.Encode(), "+", "%20") }
