package pagila_test

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/store/pagila"
	"example.com/pagila-api/store/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// dump writes the two files of a dump to a directory, with the end that pg_dump writes. It adds the tables
// that Pagila must have, with one row each.
func dump(t *testing.T, schema, data string) string {
	t.Helper()
	for _, table := range []string{"actor", "category", "customer", "film", "film_category", "inventory", "language", "rental", "staff"} {
		schema = fmt.Sprintf("CREATE TABLE public.%s (id integer);\nINSERT INTO public.%[1]s VALUES (1);\n", table) + schema
	}
	return files(t, schema+dumpEnd, data+dumpEnd)
}

// dumpEnd is the end that pg_dump writes.
const dumpEnd = "\n--\n-- PostgreSQL database dump complete\n--\n"

func files(t *testing.T, schema, data string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"pagila-schema.sql": schema, "pagila-data.sql": data} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Index-only scans are fast at once, even if the server does not wait for the disk at a commit. The server has no other
// database, because PostgreSQL notes for several transactions at once how much of its log has to be on disk.
func TestRestoreMarksPagesAllVisible(t *testing.T) {
	t.Parallel()
	server := pgtest.Server(t)
	pgtest.Exec(t, pgtest.Connect(t, server.URL("postgres")).Exec, "CREATE DATABASE another")
	db := server.URL("another")
	if err := pagila.Sample(nil).Restore(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if got := pgtest.ValueAt[string](t, db, "SELECT current_setting('synchronous_commit')"); got != "off" {
		t.Fatalf("synchronous_commit is %s", got)
	}
	const sql = "SELECT relpages > 0 AND relallvisible = relpages FROM pg_class WHERE oid = 'film'::regclass"
	if !pgtest.ValueAt[bool](t, db, sql) {
		t.Error("VACUUM has not marked all pages of the films as all-visible")
	}
	if err := pagila.Grow(t.Context(), db, 2, nil); err != nil {
		t.Fatal(err)
	}
	if !pgtest.ValueAt[bool](t, db, sql) {
		t.Error("after Grow, VACUUM has not marked all pages of the films as all-visible")
	}
}

// A database that is not empty stays as it is.
func TestRestoreNotEmpty(t *testing.T) {
	t.Parallel()
	db := pgtest.Empty(t)
	conn := pgtest.Connect(t, db)
	if _, err := conn.Exec(t.Context(), "CREATE TABLE customer_of_mine (id integer)"); err != nil {
		t.Fatal(err)
	}
	if err := pagila.Sample(nil).Restore(t.Context(), db); !errors.Is(err, pagila.ErrNotEmpty) || !strings.Contains(err.Error(), "customer_of_mine") {
		t.Errorf("got %v", err)
	}
	var tables int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&tables); err != nil || tables != 1 {
		t.Errorf("there are %d tables, %v", tables, err)
	}
}

func TestRestorePagila(t *testing.T) {
	t.Parallel()
	pgtest.RealPagila(t)
	var steps []string
	source, err := pagila.Find(t.Context(), pagila.Options{
		Dir:      os.Getenv("PAGILA_DIR"),
		Progress: func(step string) { steps = append(steps, step) },
	})
	if err != nil {
		t.Fatal(err)
	}
	db := pgtest.Empty(t)
	if err := source.Restore(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	conn := pgtest.Connect(t, db)
	for sql, want := range map[string]int{
		"SELECT count(*) FROM film":                                  1000,
		"SELECT count(*) FROM rental":                                16044,
		"SELECT count(*) FROM rental WHERE return_date IS NULL":      183,
		"SELECT count(*) FROM payment":                               16049,
		"SELECT count(*) FROM rental_by_category":                    16,
		"SELECT nextval('film_film_id_seq')":                         1001,
		"SELECT count(*) FROM pg_stats WHERE tablename = 'customer'": 10,
	} {
		if got := pgtest.Value[int](t, conn.QueryRow, sql); got != want {
			t.Errorf("%s: %d, want %d", sql, got, want)
		}
	}
	last := steps[len(steps)-1]
	if len(steps) != 21 || !strings.Contains(last, "100%") || !strings.Contains(steps[13], "16044 rows of rental") {
		t.Errorf("steps: %s", strings.Join(steps, "\n"))
	}
}

func TestRestoreReadsDumpsAsPsqlDoes(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long ", 20_000)
	dir := dump(t, `
\restrict abc
SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.note (
    id integer, text text
);
ALTER TABLE public.note OWNER TO nobody_we_know;
CREATE FUNCTION public.one() RETURNS integer LANGUAGE sql AS $$
  SELECT 1;
$$;
\unrestrict abc
`, `COPY public.note (id, text) FROM stdin;
1	a\tb
2	\\.
3	`+long+`
4	\N
\.

COPY public.note (id, text) FROM stdin;
\.
INSERT INTO public.note VALUES (5, 'the last');`)
	source, err := pagila.Find(t.Context(), pagila.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	db := pgtest.Empty(t)
	if err := source.Restore(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	conn := pgtest.Connect(t, db)
	rows, err := conn.Query(t.Context(), "SELECT COALESCE(text, 'NULL') FROM note ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a\tb", `\.`, long, "NULL", "the last"}
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("row %d is %.40q, want %.40q", i+1, got[i], want[i])
		}
	}
}

func TestRestoreIsAllOrNothing(t *testing.T) {
	t.Parallel()
	const table = "CREATE TABLE public.note (id integer);\n"
	tests := []struct{ name, data, want string }{
		{"a wrong statement", "SELECT nonsense;\n", "nonsense"},
		{"a wrong row", "COPY public.note (id) FROM stdin;\n1\nx\n\\.\n", "table note"},
		{"a block that does not end", "COPY public.note (id) FROM stdin;\n1\n", "does not end"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			source, err := pagila.Find(t.Context(), pagila.Options{Dir: files(t, table+dumpEnd, test.data)})
			if err != nil {
				t.Fatal(err)
			}
			db := pgtest.Empty(t)
			err = source.Restore(t.Context(), db)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "pagila-data.sql") {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
			if n := pgtest.ValueAt[int](t, db, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"); n != 0 {
				t.Errorf("%d tables are left", n)
			}
		})
	}
}

// Restore refuses an incomplete dump, and one of another database.
func TestRestoreRefusesWhatIsNotPagila(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, schema, data, want string }{
		{"empty files", "", "", "pagila-schema.sql: the dump is incomplete"},
		{"no data", dumpEnd, "", "pagila-data.sql: the dump is incomplete"},
		{"another database", dumpEnd, dumpEnd, "not Pagila"},
		{"no rows", "CREATE TABLE public.actor (id integer);\n" + dumpEnd, dumpEnd, "the table actor is empty"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			source, err := pagila.Find(t.Context(), pagila.Options{Dir: files(t, test.schema, test.data)})
			if err != nil {
				t.Fatal(err)
			}
			db := pgtest.Empty(t)
			if err = source.Restore(t.Context(), db); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
			if n := pgtest.ValueAt[int](t, db, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"); n != 0 {
				t.Errorf("%d tables are left", n)
			}
		})
	}
}

// The role that restores is neither a superuser nor the role postgres, which the dump makes the owner of
// everything.
func TestRestoreAsOrdinaryRole(t *testing.T) {
	t.Parallel()
	source, err := pagila.Find(t.Context(), pagila.Options{Dir: os.Getenv("PAGILA_DIR")})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(pgtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	database := strings.TrimPrefix(u.Path, "/")
	role := "restorer_of_" + database
	admin := pgtest.Connect(t, u.String())
	for _, sql := range []string{
		"CREATE ROLE " + role + " LOGIN",
		"ALTER DATABASE " + database + " OWNER TO " + role,
	} {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	u.User = url.User(role)
	if err := source.Restore(t.Context(), u.String()); err != nil {
		t.Fatal(err)
	}
	if owner := pgtest.Value[string](t, admin.QueryRow, "SELECT tableowner FROM pg_tables WHERE tablename = 'film'"); owner != role {
		t.Errorf("%s owns film, want %s", owner, role)
	}
}
