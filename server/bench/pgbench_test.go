package main

import (
	"context"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/server/bench/twin"
	"example.com/pagila-api/server/bench/wire"
	"example.com/pagila-api/store/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// prepared returns a statement with one argument in binary and one as text.
func prepared(sql string) wire.Statement {
	return wire.Statement{SQL: sql, Args: [][]byte{{0, 0, 0, 101}, []byte("a b")}, Formats: []int16{1, 0}}
}

func TestScriptKeepsTheRoundTrips(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), pgtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	got, err := scriptOf(t.Context(), conn, "v", twin.Exchange{
		Parameters: map[string]int32{"customer_id": 101, "inventory_id": 1001},
		Trips: []wire.RoundTrip{
			{Statements: []wire.Statement{{SQL: "BEGIN;\nSET LOCAL lock_timeout = '1s'"}}},
			{Statements: []wire.Statement{prepared("SELECT $2::text, $1::integer, $2::text")}},
			{Statements: []wire.Statement{prepared("SELECT $1::integer, $2::text"), {SQL: "COMMIT"}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `\startpipeline
BEGIN;
SET LOCAL lock_timeout = '1s';
\endpipeline
SELECT :v_1_0_1::text, :customer::integer, :v_1_0_1::text;
\startpipeline
SELECT :customer::integer, :v_2_0_1::text;
COMMIT;
\endpipeline
`
	if got.text != want {
		t.Errorf("the script is\n%s", got.text)
	}
	if !slices.Contains(got.variables, "v_1_0_1=a b") || !slices.Contains(got.variables, "v_1_0_0=101") {
		t.Errorf("the variables are %q", got.variables)
	}
}
