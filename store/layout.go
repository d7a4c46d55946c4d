package store

import (
	"context"
	"fmt"
	"regexp"
	"sync"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/schema/migrations"
)

// layout is what has to be known of a database before a statement can be written for it: the schema
// that Pagila is in, and a collation that compares letters as Unicode does. With both written out, a
// statement means the same whatever the search_path and the locale are.
type layout struct {
	schema    string // quoted
	collation string // quoted, with its schema

	mu    sync.RWMutex
	texts map[string]string // by the text with its names in braces
}

// collationSQL finds a collation whose case mapping is Unicode's for all letters. ICU's root
// collation has it, where the server was built with ICU; PostgreSQL 18 and 17 have their own; C.UTF-8
// is the C library's. In the last, "C", only ASCII's letters have a case.
const collationSQL = `
SELECT collname FROM pg_catalog.pg_collation JOIN pg_catalog.pg_namespace n ON n.oid = collnamespace
JOIN pg_catalog.pg_database d ON d.datname = current_database()
JOIN (VALUES ('und-x-icu', 1), ('pg_unicode_fast', 2), ('pg_c_utf8', 3), ('C.utf8', 4), ('C.UTF-8', 5), ('C', 6)) known (name, preference) ON name = collname
WHERE n.nspname = 'pg_catalog'
	AND collencoding IN (-1, d.encoding)
	AND (collprovider <> 'i' OR pg_encoding_to_char(d.encoding) NOT IN ('SQL_ASCII', 'EUC_JIS_2004', 'MULE_INTERNAL', 'LATIN10'))
ORDER BY preference LIMIT 1`

// layout returns the layout of the session's database. It is looked for once.
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
	schema, err := migrations.Locate(ctx, c)
	if err != nil {
		return nil, err
	}
	var collation string
	if err := c.catalog(ctx, collationSQL, &collation); err != nil {
		return nil, fmt.Errorf("look for a collation: %w", err)
	}
	return &layout{
		schema:    pgx.Identifier{schema}.Sanitize(),
		collation: pgx.Identifier{"pg_catalog", collation}.Sanitize(),
		texts:     map[string]string{},
	}, nil
}

// forget drops the layout that is known, unless it is for that schema.
func (s *Store) forget(except string) {
	if l := s.layout.Load(); l != nil && l.schema != (pgx.Identifier{except}).Sanitize() {
		s.layout.CompareAndSwap(l, nil)
	}
}

// braces matches what a statement leaves open: {film} is the table film, and {unicode} the collation.
var braces = regexp.MustCompile(`\{([a-z_]+)\}`)

// write completes a statement.
func (l *layout) write(statement string) string {
	l.mu.RLock()
	text, ok := l.texts[statement]
	l.mu.RUnlock()
	if ok {
		return text
	}
	text = braces.ReplaceAllStringFunc(statement, func(open string) string {
		if name := open[1 : len(open)-1]; name != "unicode" {
			return l.schema + "." + name
		}
		return "COLLATE " + l.collation
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.texts[statement] = text
	return text
}
