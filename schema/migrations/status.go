package migrations

import (
	"context"
	"database/sql"
	"fmt"

	"ariga.io/atlas/sql/migrate"
)

// State says which migrations a database has.
type State struct {
	// Current is the newest version that is completely applied. It may be one of ours, the baseline, or a
	// version of a newer release. It is empty before the first run.
	Current string
	// Pending lists the versions that Apply would apply, oldest first. A missing version is pending even if a
	// newer one is applied.
	Pending []string
}

// Querier is what Status and Locate need of a database. *sql.DB, *sql.Conn, *sql.Tx and bun's types implement
// it.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Status reads which migrations a database has. For a database that was never migrated, or does not contain
// Pagila, all of them are pending.
func Status(ctx context.Context, db Querier) (State, error) {
	found, err := column[string](ctx, db, `WITH located AS (`+LocateSQL+`)
SELECT nspname FROM located WHERE EXISTS (
	SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	 WHERE n.nspname = located.nspname AND c.relname = '`+tableName+`')`)
	if err != nil {
		return State{}, fmt.Errorf("read the migration status: %w", err)
	}
	if len(found) == 0 {
		return stateOf(nil), nil
	}
	return StatusIn(ctx, db, found[0])
}

// StatusIn is Status for a database whose schema contains Pagila and the revisions table. It needs only one
// query.
func StatusIn(ctx context.Context, db Querier, schema string) (State, error) {
	revs, err := readHistory(ctx, db, schema)
	if err != nil {
		return State{}, fmt.Errorf("read the migration status: %w", err)
	}
	return stateOf(revs), nil
}

func stateOf(revs []*migrate.Revision) State {
	h := historyOf(revs)
	state := State{Current: h.newest}
	for _, version := range Versions() {
		if !h.applied(version) {
			state.Pending = append(state.Pending, version)
		}
	}
	return state
}

// readHistory returns the revisions with only the fields that historyOf needs. Its query has no arguments,
// because bun would not pass them on unchanged.
func readHistory(ctx context.Context, db Querier, schema string) ([]*migrate.Revision, error) {
	rows, err := db.QueryContext(ctx, `
SELECT version, type, applied, total FROM `+revisionsTable(schema)+`
 WHERE version <> '`+cloudIdentifier+`'`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var revs []*migrate.Revision
	for rows.Next() {
		var rev migrate.Revision
		if err := rows.Scan(&rev.Version, &rev.Type, &rev.Applied, &rev.Total); err != nil {
			return nil, err
		}
		revs = append(revs, &rev)
	}
	return revs, rows.Err()
}

// history is the content of the revisions table.
type history struct {
	complete map[string]bool // the versions whose last statement is applied
	newest   string          // the newest of these
	// baseline is the newest version that was declared a baseline. Older versions need no revision.
	baseline string
}

func historyOf(revs []*migrate.Revision) history {
	h := history{complete: map[string]bool{}}
	for _, rev := range revs {
		// A baseline has no statements. A file that stopped halfway has fewer statements applied than in
		// total.
		if rev.Applied != rev.Total {
			continue
		}
		h.complete[rev.Version] = true
		h.newest = max(h.newest, rev.Version)
		if rev.Type == migrate.RevisionTypeBaseline {
			h.baseline = max(h.baseline, rev.Version)
		}
	}
	return h
}

func (h history) applied(version string) bool {
	return h.complete[version] || version < h.baseline
}
