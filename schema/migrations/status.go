package migrations

import (
	"context"
	"database/sql"
	"fmt"

	"ariga.io/atlas/sql/migrate"
)

// State is how far a database has been migrated.
type State struct {
	// Current is the newest version that has been applied whole, be it one of ours, the baseline or
	// one that a newer release has brought. It is empty before the first run.
	Current string
	// Pending are the versions that Apply would bring, oldest first. A version that is missing is
	// pending even if a newer one is applied.
	Pending []string
}

// Querier is what Status needs of a database: *sql.DB, *sql.Conn, *sql.Tx and bun's own have it.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Status reads how far a database has been migrated. A database that has never been migrated is no
// error, nor is one without Pagila: everything is pending.
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

// StatusIn is Status of a database with Pagila in that schema, and the revisions table beside it. It
// takes one query.
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

// readHistory returns the revisions with what historyOf needs of them. Its query has no arguments,
// which bun would not pass on as they are.
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

// history is what the revisions table says.
type history struct {
	whole  map[string]bool // the versions that were applied to the last statement
	newest string          // of these
	// baseline is the newest version that somebody has declared the database to be at. The versions
	// before it have no revision and are not missing.
	baseline string
}

func historyOf(revs []*migrate.Revision) history {
	h := history{whole: map[string]bool{}}
	for _, rev := range revs {
		// A baseline counts no statements; a file that stopped half-way has fewer applied than in total.
		if rev.Applied != rev.Total {
			continue
		}
		h.whole[rev.Version] = true
		h.newest = max(h.newest, rev.Version)
		if rev.Type == migrate.RevisionTypeBaseline {
			h.baseline = max(h.baseline, rev.Version)
		}
	}
	return h
}

func (h history) applied(version string) bool {
	return h.whole[version] || version < h.baseline
}
