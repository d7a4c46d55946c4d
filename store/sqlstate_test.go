package store_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// raising makes reads of film raise the SQLSTATE in the table wanted, and counts the reads.
const raising = `
CREATE TABLE wanted (code text, times integer);
CREATE SEQUENCE raised;
CREATE FUNCTION raise_wanted() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE wanted_code text;
BEGIN
	SELECT code INTO wanted_code FROM public.wanted WHERE times >= nextval('public.raised');
	IF wanted_code IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = wanted_code, MESSAGE = 'raised by the test';
	END IF;
	RETURN true;
END $$;
ALTER TABLE film RENAME TO film_table;
CREATE VIEW film AS SELECT * FROM film_table WHERE raise_wanted();
GRANT SELECT, UPDATE ON film TO pagila_api`

// raise makes the next reads of film raise the SQLSTATE.
func raise(t *testing.T, conn *pgx.Conn, code string, times int) {
	t.Helper()
	pgtest.Exec(t, conn.Exec, `TRUNCATE wanted; ALTER SEQUENCE raised RESTART`)
	if _, err := conn.Exec(t.Context(), `INSERT INTO wanted VALUES ($1, $2)`, code, times); err != nil {
		t.Fatal(err)
	}
}

// kind returns what a caller of the package can learn from an error.
func kind(err error) string {
	var (
		unavailable *store.UnavailableError
		refused     *store.RefusedError
	)
	switch {
	case errors.As(err, &unavailable):
		return map[store.Reason]string{store.Away: "away", store.Busy: "busy", store.ReadOnly: "read-only", store.NotSetUp: "not set up"}[unavailable.Reason]
	case errors.As(err, &refused):
		return "refused"
	case err != nil:
		return "fault"
	default:
		return "success"
	}
}

// stateRow is a row of testdata/sqlstates.tsv: what an error with this SQLSTATE means to a read and to a
// rental, and whether the call is made several times.
type stateRow struct{ code, name, read, rental, attempts string }

func stateRows(t *testing.T) []stateRow {
	t.Helper()
	text, err := os.ReadFile("testdata/sqlstates.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var rows []stateRow
	for line := range strings.Lines(string(text)) {
		field := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		rows = append(rows, stateRow{field[0], field[1], field[2], field[3], field[4]})
	}
	return rows[1:] // after the header
}

// Each SQLSTATE of PostgreSQL's appendix A has a meaning for a read and for a rental. It also decides
// whether the call is repeated. The same holds for codes that a function of the database's owner makes up.
func TestSQLStates(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	conn := pgtest.Connect(t, address)
	pgtest.Exec(t, conn.Exec, raising)
	s := open(t, address)
	copyID := copiesInStock(t, conn, 1)[0]
	before := pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM rental`)
	for _, row := range stateRows(t) {
		wantMeaning(t, s, conn, row, copyID)
	}
	if after := pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM rental`); after != before {
		t.Errorf("%d rentals were written", after-before)
	}
	raise(t, conn, "40001", 2)
	if r, err := s.CreateRental(t.Context(), store.NewRental{CustomerID: 1, InventoryID: copyID, StaffID: 1}); err != nil {
		t.Errorf("a rental after two conflicts: %v", err)
	} else if n := pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM rental WHERE inventory_id = $1 AND return_date IS NULL`, copyID); n != 1 {
		t.Errorf("rental %d: the copy is out %d times", r.RentalID, n)
	}
}

// wantMeaning checks what a SQLSTATE means to a read and to a rental.
func wantMeaning(t *testing.T, s *store.Store, conn *pgx.Conn, row stateRow, copyID int32) {
	t.Helper()
	check := func(call, want string, err error) {
		t.Helper()
		if got := kind(err); got != want {
			t.Errorf("%s %s: %s is %s, want %s: %v", row.code, row.name, call, got, want, err)
		}
		several := pgtest.Value[int64](t, conn.QueryRow, `SELECT last_value FROM raised`) > 1
		if several != (row.attempts == "several") {
			t.Errorf("%s %s: %s was attempted several times: %t, want %s", row.code, row.name, call, several, row.attempts)
		}
	}
	const always = 1 << 30
	raise(t, conn, row.code, always)
	_, err := s.Film(t.Context(), 1)
	check("a read", row.read, err)
	raise(t, conn, row.code, always)
	_, err = s.CreateRental(t.Context(), store.NewRental{CustomerID: 1, InventoryID: copyID, StaffID: 1})
	check("a rental", row.rental, err)
	var unavailable *store.UnavailableError
	if errors.As(err, &unavailable) && unavailable.Outcome != store.NothingWritten {
		t.Errorf("%s %s: the outcome of the rental is %d", row.code, row.name, unavailable.Outcome)
	}
	if row.attempts == "one" {
		return
	}
	// A caller does not see an error that passes by itself.
	raise(t, conn, row.code, 1)
	if _, err := s.Film(t.Context(), 1); err != nil {
		t.Errorf("%s %s, once: a read: %v", row.code, row.name, err)
	}
}
