package migrations

import (
	"context"
	"fmt"
)

// locateSQL prefers the schema that the session's search path finds, then public. A schema counts
// only with the tables that tell Pagila from a database that happens to have films.
const locateSQL = `
SELECT n.nspname
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relname IN ('film', 'inventory', 'rental', 'customer') AND c.relkind IN ('r', 'p', 'v', 'f')
   AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
 GROUP BY n.nspname
HAVING count(*) = 4
 ORDER BY bool_and(pg_catalog.pg_table_is_visible(c.oid)) DESC, n.nspname = 'public' DESC, n.nspname
 LIMIT 1`

// Locate returns the name of the schema that Pagila is in. Where several have it, it is the one that
// the session's search_path finds, else public, else the first by name. The error is ErrNoPagila
// where none has it, and otherwise the database's.
func Locate(ctx context.Context, db Querier) (string, error) {
	rows, err := db.QueryContext(ctx, locateSQL)
	if err != nil {
		return "", fmt.Errorf("look for Pagila: %w", err)
	}
	defer rows.Close()
	var schema string
	if rows.Next() {
		if err := rows.Scan(&schema); err != nil {
			return "", fmt.Errorf("look for Pagila: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return "", fmt.Errorf("look for Pagila: %w", err)
	}
	if schema == "" {
		return "", ErrNoPagila
	}
	return schema, nil
}
