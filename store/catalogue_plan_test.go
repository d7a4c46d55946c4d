package store

import (
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/store/pgtest"
)

// A statement about one film or one actor looks its rows up in Pagila's indexes, and languages are counted in
// an index, with plans for their arguments and with kept ones. In a small catalogue this holds for the copies.
func TestCataloguePlans(t *testing.T) {
	t.Parallel()
	conn := pgtest.Connect(t, pgtest.New(t))
	wantNoScan(t, conn, "inventory|rental", map[string]string{"film": filmSQL, "copies": copiesSQL})
	pgtest.Exec(t, conn.Exec, `
		SET session_replication_role = replica; -- without triggers
		INSERT INTO film (film_id, title, language_id, fulltext) SELECT n, 'FILM ' || n, 1, '' FROM generate_series(2001, 10000) n;
		INSERT INTO film_category (film_id, category_id) SELECT n, 1 + n % 16 FROM generate_series(2001, 10000) n;
		INSERT INTO film_actor (film_id, actor_id) SELECT n, 1 + (n + a * 37) % 2000 FROM generate_series(2001, 10000) n, generate_series(1, 3) a`)
	pgtest.Exec(t, conn.Exec, `VACUUM ANALYZE`)
	wantNoScan(t, conn, "film|film_actor|film_category|inventory|rental", map[string]string{
		"film": filmSQL, "copies": copiesSQL, "actor": actorSQL,
	})
}

// wantNoScan checks that the statements read none of the tables as a whole.
func wantNoScan(t *testing.T, conn *pgx.Conn, tables string, statements map[string]string) {
	t.Helper()
	scan := regexp.MustCompile(`Seq Scan on (` + tables + `)\b`)
	for name, statement := range statements {
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			plan := explain(t, conn, statement, mode)
			if found := scan.FindString(plan); found != "" {
				t.Errorf("%s, %s: %s\n%s", name, mode, found, plan)
			}
		}
	}
}

// explain returns the plan of a statement whose argument, if it has one, is an id.
func explain(t *testing.T, conn *pgx.Conn, statement, mode string) string {
	t.Helper()
	l := &layout{schema: "public", collation: `"C"`}
	call := "EXECUTE explained"
	if strings.Contains(statement, "$1") {
		call += "(1)"
	}
	pgtest.Exec(t, conn.Exec, "SET plan_cache_mode = "+mode)
	pgtest.Exec(t, conn.Exec, "PREPARE explained AS "+l.write(statement))
	defer pgtest.Exec(t, conn.Exec, "DEALLOCATE explained")
	rows, err := conn.Query(t.Context(), "EXPLAIN "+call, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}
