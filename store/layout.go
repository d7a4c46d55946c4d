package store

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/schema/migrations"
)

// layout is what a statement needs to know about the database: the schema that Pagila is in, and a collation
// that compares letters by Unicode's rules. A statement that spells out both means the same under every
// search_path and locale. The sizes of the tables affect only the speed of a statement. They are read with the
// rest of the layout: if a table has grown since, exact totals may become faster after a restart.
type layout struct {
	schema    string   // quoted
	collation string   // quoted, with its schema
	small     []string // the tables that were small when the layout was found

	texts texts // completed statements by their text with braces
}

// collationSQL finds a collation that maps the case of all letters by Unicode's rules. ICU's root collation
// does, if the server was built with ICU. PostgreSQL 17 and 18 have collations of their own, and C.UTF-8 is
// the C library's. The last choice is C, which knows only the case of ASCII letters.
const collationSQL = `
SELECT collname FROM pg_catalog.pg_collation JOIN pg_catalog.pg_namespace n ON n.oid = collnamespace
JOIN pg_catalog.pg_database d ON d.datname = current_database()
JOIN (VALUES ('und-x-icu', 1), ('pg_unicode_fast', 2), ('pg_c_utf8', 3), ('C.utf8', 4), ('C.UTF-8', 5), ('C', 6)) known (name, preference) ON name = collname
WHERE n.nspname = 'pg_catalog'
	AND collencoding IN (-1, d.encoding)
	AND (collprovider <> 'i' OR pg_encoding_to_char(d.encoding) NOT IN ('SQL_ASCII', 'EUC_JIS_2004', 'MULE_INTERNAL', 'LATIN10'))
ORDER BY preference LIMIT 1`

// smallTablesSQL finds the tables of Pagila that take at most 1 MB, as 2,500 films do. relpages is 0 until the table is
// vacuumed or analyzed for the first time. pg_relation_size would know better, but waits for locks.
const smallTablesSQL = `
SELECT COALESCE(string_agg(relname, ' '), '') FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
WHERE n.nspname = (` + migrations.LocateSQL + `) AND relkind = 'r' AND relpages BETWEEN 1 AND 128`

// layout returns the layout of the database. The first call finds it, and later ones reuse it.
func (c session) layout(ctx context.Context) (*layout, error) {
	if l := c.store.layout.Load(); l != nil {
		return l, nil
	}
	l, err := c.findLayout(ctx)
	if err != nil {
		return nil, err
	}
	c.store.layout.Store(l)
	return l, nil
}

func (c session) findLayout(ctx context.Context) (*layout, error) {
	if err := c.beginNow(ctx); err != nil {
		return nil, err
	}
	schema, err := migrations.Locate(ctx, c)
	if err != nil {
		return nil, err
	}
	var collation string
	if err := c.catalog(ctx, "database.collation", collationSQL, &collation); err != nil {
		return nil, fmt.Errorf("look for a collation: %w", err)
	}
	var small string
	if err := c.catalog(ctx, "database.small_tables", smallTablesSQL, &small); err != nil {
		return nil, fmt.Errorf("look for small tables: %w", err)
	}
	return &layout{
		schema:    pgx.Identifier{schema}.Sanitize(),
		collation: pgx.Identifier{"pg_catalog", collation}.Sanitize(),
		small:     strings.Fields(small),
	}, nil
}

// isSmall reports whether a table, such as `{film} f`, was small when the layout was found.
func (l *layout) isSmall(table string) bool {
	name, _, _ := strings.Cut(strings.TrimPrefix(table, "{"), "}")
	return slices.Contains(l.small, name)
}

// forget drops the known layout unless it is for the schema except.
func (s *Store) forget(except string) {
	if l := s.layout.Load(); l != nil && l.schema != (pgx.Identifier{except}).Sanitize() {
		s.layout.CompareAndSwap(l, nil)
	}
}

// braces matches what a statement leaves open: {film} is the table film, and {unicode} is the collation.
var braces = regexp.MustCompile(`\{([a-z_]+)\}`)

// write completes a statement.
func (l *layout) write(statement string) string {
	l.texts.RLock()
	text, ok := l.texts.byKey[statement]
	l.texts.RUnlock()
	if ok {
		return text
	}
	return l.texts.keep(statement, braces.ReplaceAllStringFunc(statement, func(open string) string {
		if name := open[1 : len(open)-1]; name != "unicode" {
			return l.schema + "." + name
		}
		return "COLLATE " + l.collation
	}))
}
