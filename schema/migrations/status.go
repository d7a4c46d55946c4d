package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// State is how far a database has been migrated.
type State struct {
	// Current is the newest version that has been applied whole, be it one of ours, the baseline or
	// one that a newer release has brought. It is empty before the first run.
	Current string
	// Pending are the versions that Apply would bring, oldest first.
	Pending []string
}

// Querier is what Status needs of a database: *sql.DB, *sql.Conn, *sql.Tx and bun's own have it.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// undefinedTable is the SQLSTATE of a table that does not exist (PostgreSQL manual, appendix A).
const undefinedTable = "42P01"

// Status reads how far a database has been migrated, with one small query. A database that has
// never been migrated is no error: everything is pending.
func Status(ctx context.Context, db Querier) (State, error) {
	current, err := currentVersion(ctx, db)
	var failed interface{ SQLState() string }
	if errors.As(err, &failed) && failed.SQLState() == undefinedTable {
		current, err = "", nil
	}
	if err != nil {
		return State{}, fmt.Errorf("read the migration status: %w", err)
	}
	state := State{Current: current}
	for _, version := range Versions() {
		if version > current {
			state.Pending = append(state.Pending, version)
		}
	}
	return state, nil
}

// currentVersion returns "" where the table is empty.
func currentVersion(ctx context.Context, db Querier) (string, error) {
	// A baseline counts no statements; a file that stopped half-way has fewer applied than in total.
	rows, err := db.QueryContext(ctx, `
SELECT coalesce(max(version COLLATE "C"), '')
  FROM public.atlas_schema_revisions
 WHERE applied = total AND version <> $1`, cloudIdentifier)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var current string
	for rows.Next() {
		if err := rows.Scan(&current); err != nil {
			return "", err
		}
	}
	return current, rows.Err()
}
