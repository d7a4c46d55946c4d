package pagila

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// growth is a table that Grow multiplies.
type growth struct {
	table string
	own   bool     // it has IDs of its own, which a sequence numbers
	refs  []string // the tables with IDs of their own that it refers to
	names string   // a column whose values get the number of the copy
	same  []string // the other columns that are copied; the rest have their defaults
}

// grown are the tables that Grow multiplies, each after those that it refers to.
var grown = []growth{
	{table: "film", own: true, names: "title", same: []string{
		"description", "release_year", "language_id", "original_language_id", "rental_duration", "rental_rate", "length",
		"replacement_cost", "rating", "special_features", "fulltext",
	}},
	{table: "film_category", refs: []string{"film"}, same: []string{"category_id"}},
	{table: "actor", own: true, names: "first_name", same: []string{"last_name"}},
	{table: "film_actor", refs: []string{"actor", "film"}},
	{table: "inventory", own: true, refs: []string{"film"}, same: []string{"store_id"}},
	{table: "customer", own: true, names: "first_name", same: []string{
		"store_id", "last_name", "email", "address_id", "activebool", "create_date", "active",
	}},
	{table: "rental", own: true, refs: []string{"inventory", "customer"},
		same: []string{"rental_date", "return_date", "staff_id"}},
}

// Grow multiplies the films, their categories, actors and copies, the customers and the rentals of the restored
// database at url, so that there are times as many. A copy of a row has an ID of its own, films and actors have
// names of their own, and the copies refer to each other as the rows do. The columns that do not matter here, such
// as last_update, have their defaults. Apart from them the same database always grows into the same rows. Grow uses one
// transaction, so the database stays as it is if Grow fails. The role of url must be a superuser, because triggers are
// off meanwhile. progress is called with each step, and may be nil.
//
// A thousand times Pagila is a million films and 16 million rentals. It takes 5 GB and some minutes.
func Grow(ctx context.Context, url string, times int, progress func(step string)) (err error) {
	if progress == nil {
		progress = func(string) {}
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("grow Pagila: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if err := exec(ctx, conn.PgConn(), waitForDiskSQL); err != nil {
		return fmt.Errorf("grow Pagila: %w", err)
	}
	if err := multiply(ctx, conn, times, progress); err != nil {
		return fmt.Errorf("grow Pagila: %w", err)
	}
	progress("collecting statistics")
	if err := exec(ctx, conn.PgConn(), "VACUUM ANALYZE"); err != nil {
		return fmt.Errorf("grow Pagila: %w", err)
	}
	return nil
}

func multiply(ctx context.Context, conn *pgx.Conn, times int, progress func(string)) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // it has no effect after the commit
	for _, setting := range []string{
		"search_path = public", "session_replication_role = replica", "maintenance_work_mem = '512MB'",
	} {
		if _, err := tx.Exec(ctx, "SET LOCAL "+setting); err != nil {
			return err
		}
	}
	offsets := map[string]int64{} // the largest IDs before the tables grow
	for _, g := range grown {
		progress("multiplying " + g.table)
		if err := g.multiply(ctx, tx, times, offsets); err != nil {
			return fmt.Errorf("table %s: %w", g.table, err)
		}
	}
	return tx.Commit(ctx)
}

// multiply multiplies a table. It is much faster to create the indexes again than to keep them up to date.
func (g growth) multiply(ctx context.Context, tx pgx.Tx, times int, offsets map[string]int64) error {
	id := g.table + "_id"
	if g.own {
		var largest int64
		if err := tx.QueryRow(ctx, "SELECT max("+id+") FROM "+g.table).Scan(&largest); err != nil {
			return err
		}
		offsets[g.table] = largest
	}
	names, definitions, err := indexes(ctx, tx, g.table)
	if err != nil {
		return err
	}
	var statements []string
	for _, name := range names {
		statements = append(statements, "DROP INDEX "+name)
	}
	statements = append(append(statements, g.insert(times, offsets)), definitions...)
	if g.own {
		statements = append(statements, fmt.Sprintf("SELECT setval('%s_%s_seq', max(%s)) FROM %s", g.table, id, id, g.table))
	}
	for _, sql := range statements {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// indexes returns the names and the definitions of the indexes of a table that no constraint needs.
func indexes(ctx context.Context, tx pgx.Tx, table string) (names, definitions []string, err error) {
	err = tx.QueryRow(ctx, `SELECT coalesce(array_agg(indexrelid::regclass::text), '{}'),
			coalesce(array_agg(pg_get_indexdef(indexrelid)), '{}')
		FROM pg_index WHERE indrelid = $1::text::regclass
		AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)`, table).Scan(&names, &definitions)
	return names, definitions, err
}

// insert returns the statement that inserts the copies. Copy k of an ID is as far behind it as k times the largest.
func (g growth) insert(times int, offsets map[string]int64) string {
	columns, values, order := slices.Clone(g.same), slices.Clone(g.same), []string{"k"}
	add := func(column, value string) { columns, values = append(columns, column), append(values, value) }
	if g.names != "" {
		add(g.names, g.names+" || ' ' || k")
	}
	tables := g.refs
	if g.own {
		tables = append([]string{g.table}, g.refs...)
	}
	for _, table := range tables {
		id := table + "_id"
		add(id, fmt.Sprintf("k * %d + %s", offsets[table], id))
		order = append(order, g.table+"."+id)
	}
	return fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM generate_series(1, %d) k, %s ORDER BY %s",
		g.table, strings.Join(columns, ", "), strings.Join(values, ", "), times-1, g.table, strings.Join(order, ", "))
}
