package wire_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/server/bench/wire"
	"example.com/pagila-api/store/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// connect returns a connection to Pagila through a tap.
func connect(t *testing.T, parameters string) (*pgx.Conn, *wire.Tap) {
	t.Helper()
	url := pgtest.New(t)
	tap, err := wire.Listen(t.Context(), url+parameters)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tap.Close)
	conn, err := pgx.Connect(t.Context(), tap.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn, tap
}

func films(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	var n int
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil || n == 0 {
		t.Fatalf("%q: %d, %v", sql, n, err)
	}
}

const rated = "SELECT count(*) FROM film WHERE rating = $1::text::mpaa_rating AND length >= $2"

// The first execution prepares the statement. The others name the prepared one.
func TestTapResolvesPreparedStatements(t *testing.T) {
	t.Parallel()
	conn, tap := connect(t, "")
	films(t, conn, rated, "PG", 90)
	executed := wire.RoundTrip{Statements: []wire.Statement{{
		SQL: rated, Args: [][]byte{[]byte("PG"), {0, 90}}, Formats: []int16{0, 1}, ResultFormats: []int16{1},
	}}}
	want := []wire.RoundTrip{{Prepared: []string{rated}}, executed}
	if diff := cmp.Diff(want, tap.Take()); diff != "" {
		t.Error(diff)
	}
	films(t, conn, rated, "PG", 90)
	films(t, conn, rated, "PG", 90)
	if diff := cmp.Diff([]wire.RoundTrip{executed, executed}, tap.Take()); diff != "" {
		t.Error(diff)
	}
	if trips := tap.Take(); trips != nil {
		t.Errorf("%v was there before", trips)
	}
}

// A transaction's BEGIN and COMMIT are statements of the simple protocol. NULL is not an empty value.
func TestTapRecordsTransactions(t *testing.T) {
	t.Parallel()
	conn, tap := connect(t, "")
	const sql = "SELECT coalesce($1::text, $2::text, '1')::int"
	err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		films(t, conn, sql, nil, "2")
		films(t, conn, sql, "3", nil)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	formats, results := []int16{0, 0}, []int16{1}
	want := []wire.RoundTrip{
		{Statements: []wire.Statement{{SQL: "begin"}}},
		{Prepared: []string{sql}},
		{Statements: []wire.Statement{{SQL: sql, Args: [][]byte{nil, []byte("2")}, Formats: formats, ResultFormats: results}}},
		{Statements: []wire.Statement{{SQL: sql, Args: [][]byte{[]byte("3"), nil}, Formats: formats, ResultFormats: results}}},
		{Statements: []wire.Statement{{SQL: "commit"}}},
	}
	if diff := cmp.Diff(want, tap.Take()); diff != "" {
		t.Error(diff)
	}
}

// A batch is one round trip, and so is a statement that is not prepared before.
func TestTapCountsRoundTrips(t *testing.T) {
	t.Parallel()
	conn, tap := connect(t, "&default_query_exec_mode=exec")
	films(t, conn, rated, "PG", 90)
	trips := tap.Take()
	if len(trips) != 1 || len(trips[0].Prepared) != 1 || len(trips[0].Statements) != 1 {
		t.Errorf("a statement that is not kept: %+v", trips)
	}
	batch := &pgx.Batch{}
	for _, rating := range []string{"G", "PG", "R"} {
		batch.Queue(rated, rating, 90)
	}
	if err := conn.SendBatch(t.Context(), batch).Close(); err != nil {
		t.Fatal(err)
	}
	if trips = tap.Take(); len(trips) != 1 || len(trips[0].Statements) != 3 {
		t.Errorf("a batch: %+v", trips)
	}
}

// A message may be larger than what is read at once.
func TestTapForwardsLargeMessages(t *testing.T) {
	t.Parallel()
	conn, tap := connect(t, "")
	long := strings.Repeat("x", 1<<20)
	films(t, conn, "SELECT length($1::text)", long)
	trips := tap.Take()
	if len(trips) != 2 || string(trips[1].Statements[0].Args[0]) != long {
		t.Errorf("%d round trips", len(trips))
	}
}

// The server may be reached by TCP, here that of another tap, and the URL may be a keyword string.
func TestTapOfTap(t *testing.T) {
	t.Parallel()
	_, tap := connect(t, "")
	config, err := pgx.ParseConfig(tap.URL())
	if err != nil {
		t.Fatal(err)
	}
	second, err := wire.Listen(t.Context(), fmt.Sprintf("host=%s port=%d user=%s dbname=%s", config.Host, config.Port, config.User, config.Database))
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	conn, err := pgx.Connect(t.Context(), second.URL())
	if err != nil {
		t.Fatal(err)
	}
	tap.Take()
	films(t, conn, "SELECT 1")
	if diff := cmp.Diff(tap.Take(), second.Take()); diff != "" {
		t.Error(diff)
	}
	second.Close()
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a connection works after Close")
	}
}
