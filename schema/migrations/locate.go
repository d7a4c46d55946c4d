package migrations

import (
	"context"
	"fmt"
)

// LocateSQL is the query of Locate, for use in other queries. It returns the schema as nspname in one row, or
// no row. It prefers the schema that the session's search_path finds, and then public. The schema must have
// the tables that distinguish Pagila from any other database with films. The pattern contains no backslash,
// because standard_conforming_strings = off would change its meaning.
const LocateSQL = `
SELECT n.nspname
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relname IN ('film', 'inventory', 'rental', 'customer') AND c.relkind IN ('r', 'p', 'v', 'f')
   AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
 GROUP BY n.nspname
HAVING count(*) = 4
 ORDER BY bool_and(pg_catalog.pg_table_is_visible(c.oid)) DESC, n.nspname = 'public' DESC, n.nspname
 LIMIT 1`

// Locate returns the name of the schema that contains Pagila. If there are several, it prefers the one that
// the session's search_path finds, then public, then the first by name. The error is ErrNoPagila if there is
// none, and otherwise the database's.
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
