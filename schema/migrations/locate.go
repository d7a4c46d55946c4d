package migrations

import (
	"context"
	"fmt"
)

// LocateSQL is the query of Locate, to be a part of other queries: one row, or none, with the schema
// as nspname. It prefers the schema that the session's search path finds, then public. A schema counts
// only with the tables that tell Pagila from a database that happens to have films. The pattern has no
// backslash, which standard_conforming_strings = off would take away.
const LocateSQL = `
SELECT n.nspname
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relname IN ('film', 'inventory', 'rental', 'customer') AND c.relkind IN ('r', 'p', 'v', 'f')
   AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
 GROUP BY n.nspname
HAVING count(*) = 4
 ORDER BY bool_and(pg_catalog.pg_table_is_visible(c.oid)) DESC, n.nspname = 'public' DESC, n.nspname
 LIMIT 1`

// Locate returns the name of the schema that Pagila is in. Where several have it, it is the one that
// the session's search_path finds, else public, else the first by name. The error is ErrNoPagila
// where none has it, and otherwise the database's.
func Locate(ctx context.Context, db Querier) (string, error) {
	schemas, err := column[string](ctx, db, LocateSQL)
	if err != nil {
		return "", fmt.Errorf("look for Pagila: %w", err)
	}
	if len(schemas) == 0 {
		return "", ErrNoPagila
	}
	return schemas[0], nil
}
