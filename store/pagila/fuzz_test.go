package pagila_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/store/pagila"
	"example.com/pagila-api/store/pgtest"
)

// FuzzLoad loads dumps. A text in a row arrives as it is. Whatever is in the place of the rows, the loader ends, and the
// connection can be used again.
func FuzzLoad(f *testing.F) {
	conn := ordinary(f)
	for _, rows := range []string{"", "1\n", "\\N\n", "\\.\n", "\\.\r\n", "\\.x\n", "a\tb\n", "\\x41\n", "\\", "\\\n\\.\n", "\r\n\\.\n", strings.Repeat("x", 5000) + "\\.\n", "\\.\n\\restrict\nSELECT 1;\n"} {
		for _, text := range []string{"", "x", "\\.", "a\\tb\tc\r\n\\N", "\u00e9", strings.Repeat("\\.\n", 2000)} {
			f.Add(rows, text)
		}
	}
	f.Fuzz(func(t *testing.T, rows, text string) {
		pgtest.Exec(t, conn.Exec, "ROLLBACK; BEGIN; CREATE TEMP TABLE note (text text) ON COMMIT DROP")
		checkText(t, conn, strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", ""))
		_, _ = pagila.Load(t.Context(), conn.PgConn(), strings.NewReader("COPY note (text) FROM stdin;\n"+rows+"\n\\.\n"+dumpEnd))
		pgtest.Exec(t, conn.Exec, "ROLLBACK")
	})
}

// escapes writes a text as pg_dump does (PostgreSQL's documentation of COPY, section "Text Format").
var escapes = strings.NewReplacer("\\", "\\\\", "\b", "\\b", "\f", "\\f", "\n", "\\n", "\r", "\\r", "\t", "\\t", "\v", "\\v")

// checkText loads a dump with a text.
func checkText(t *testing.T, conn *pgx.Conn, text string) {
	t.Helper()
	dump := "COPY note (text) FROM stdin;\n" + escapes.Replace(text) + "\n\\.\n" + dumpEnd
	if rows, err := pagila.Load(t.Context(), conn.PgConn(), strings.NewReader(dump)); err != nil || rows != 1 {
		t.Fatalf("%q: %d rows, %v", text, rows, err)
	}
	if got := pgtest.Value[string](t, conn.QueryRow, "SELECT text FROM note"); got != text {
		t.Errorf("%q arrives as %q", text, got)
	}
}

// ordinary returns a connection to an empty database as a role without rights outside of it, since the fuzzer may write
// any SQL. It has a short time limit for each statement.
func ordinary(f *testing.F) *pgx.Conn {
	f.Helper()
	admin := pgtest.Empty(f)
	u, err := url.Parse(admin)
	if err != nil {
		f.Fatal(err)
	}
	role := "fuzzer_of_" + strings.TrimPrefix(u.Path, "/")
	pgtest.Exec(f, pgtest.Connect(f, admin).Exec, "CREATE ROLE "+role+" LOGIN")
	u.User = url.User(role)
	return pgtest.Connect(f, pgtest.WithParameters(f, u.String(), "statement_timeout=2000"))
}
