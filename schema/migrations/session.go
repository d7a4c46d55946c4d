package migrations

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"ariga.io/atlas/sql/schema"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// patience is how long to wait for other sessions, which may apply the same migrations or use a table.
	patience = time.Minute
	// pause is the mean time between two attempts. While an attempt waits for a table, new readers of the
	// table wait too. The pause lets them continue.
	pause = time.Second
	// rollbackTimeout bounds the rollback over a connection that no longer responds. The connection is then
	// closed.
	rollbackTimeout = 5 * time.Second
)

// lockKey is the key of the advisory lock that the Atlas command holds while it applies migrations: the
// 32-bit FNV-1 hash of atlas_migrate_execute. The advisory locks of sessions and of transactions exclude each
// other, so neither program starts while the other runs.
const lockKey = "2686470616"

// begin starts a transaction and applies the settings that the migrations rely on, only for the transaction.
// It is one message, so that no time limit of the role applies between its statements. The wait for a lock is
// short, because all new readers of a table queue behind a migration that waits for it (see pause).
// PostgreSQL 17 introduced transaction_timeout.
const begin = `
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SELECT pg_catalog.set_config('transaction_timeout', '0', true)
 WHERE pg_catalog.current_setting('server_version_num')::integer >= 170000;
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL lock_timeout = '200ms';
SET LOCAL standard_conforming_strings = on;
SET LOCAL client_encoding = 'UTF8';
SET LOCAL DateStyle = 'ISO, MDY';
SET LOCAL TimeZone = 'UTC'`

// The SQLSTATEs that the package distinguishes (PostgreSQL manual, appendix A).
const (
	duplicateColumn            = "42701"
	duplicateTable             = "42P07"
	duplicateObject            = "42710"
	dependentObjectsStillExist = "2BP01"
	lockNotAvailable           = "55P03"
	deadlockDetected           = "40P01"
	queryCanceled              = "57014"
)

// sqlState returns the SQLSTATE of a database's error, or "".
func sqlState(err error) string {
	var failed interface{ SQLState() string }
	if errors.As(err, &failed) {
		return failed.SQLState()
	}
	return ""
}

// detail returns the detail of a database's error, or "".
func detail(err error) string {
	var failed *pgconn.PgError
	if errors.As(err, &failed) {
		return failed.Detail
	}
	return ""
}

// session is the only connection that a caller's migrations use. Callers that wait for the lock hold a
// connection each. If the caller with the lock needed a second one, they could leave none for it.
type session struct{ conn *sql.Conn }

// connected calls work with a session.
func connected(ctx context.Context, db *sql.DB, work func(*session) error) (err error) {
	defer func() {
		// If ctx ends during a statement, the next statement fails with a bad connection.
		if err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
			err = fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}()
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	return work(&session{conn})
}

// transaction calls work in a transaction. It repeats the transaction while another session is in the way.
func (s *session) transaction(ctx context.Context, work func(querier) error) error {
	for deadline := time.Now().Add(patience); ; {
		err := s.attempt(ctx, work)
		var wait time.Duration
		switch state := sqlState(err); {
		case errors.Is(err, errBegin): // no other session is in the way
		case state == lockNotAvailable, state == deadlockDetected:
			wait = pause/2 + rand.N(pause) //nolint:gosec // not for secrets
		default:
			return err
		}
		if time.Now().Add(wait).After(deadline) || !sleep(ctx, wait) {
			return err
		}
	}
}

// sleep waits for d. It returns false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// errBegin marks a transaction that the role's own time limit ended before begin could lift the limit.
var errBegin = errors.New("begin")

// attempt calls work in one transaction. It does not use sql.Tx, which would close the connection
// concurrently once ctx ends.
func (s *session) attempt(ctx context.Context, work func(querier) error) (err error) {
	defer func() {
		if err != nil {
			s.rollback(ctx)
		}
	}()
	if _, err := s.conn.ExecContext(ctx, begin); err != nil {
		if sqlState(err) == queryCanceled {
			return fmt.Errorf("%w: %w", errBegin, err)
		}
		return fmt.Errorf("begin: %w", err)
	}
	if err := work(querier{s.conn}); err != nil {
		return err
	}
	if _, err := s.conn.ExecContext(ctx, `COMMIT`); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// rollback rolls the transaction back. If it cannot, the connection does not return to the pool.
func (s *session) rollback(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	if _, err := s.conn.ExecContext(ctx, `ROLLBACK`); err != nil {
		_ = s.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}

// querier executes statements without preparing them. Behind a pooler, the next statement may reach another
// server process. A migration also changes what a prepared plan relies on.
type querier struct{ conn *sql.Conn }

var _ schema.ExecQuerier = querier{}

// ExecContext executes a statement that returns no rows.
func (q querier) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return q.conn.ExecContext(ctx, query, append([]any{pgx.QueryExecModeExec}, args...)...)
}

// QueryContext executes a query that returns rows.
func (q querier) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return q.conn.QueryContext(ctx, query, append([]any{pgx.QueryExecModeExec}, args...)...)
}

// hasRelation reports whether a table, or any other relation, has the name. The caller quotes the name if
// necessary.
func (q querier) hasRelation(ctx context.Context, name string) (bool, error) {
	found, err := column[bool](ctx, q, `SELECT pg_catalog.to_regclass($1) IS NOT NULL`, name)
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", name, err)
	}
	return found[0], nil
}

// column returns the values of a query's only column.
func column[T any](ctx context.Context, db Querier, query string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var values []T
	for rows.Next() {
		var value T
		if err := rows.Scan(&value); err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, rows.Err()
}

// lock waits for the lock of the migrations, which the transaction holds until it ends. It also makes
// unqualified names refer to Pagila's schema, because the migrations' files name no schema.
func lock(ctx context.Context, q querier) (revisions, error) {
	found, err := Locate(ctx, q)
	if err != nil {
		return revisions{}, err
	}
	if _, err := q.ExecContext(ctx, `SELECT pg_catalog.pg_advisory_xact_lock(`+lockKey+`)`); err != nil {
		if sqlState(err) == lockNotAvailable {
			return revisions{}, fmt.Errorf("lock the migrations: %w: %w", schema.ErrLocked, err)
		}
		return revisions{}, fmt.Errorf("lock the migrations: %w", err)
	}
	if _, err := q.ExecContext(ctx, `SET LOCAL search_path TO `+pgx.Identifier{found}.Sanitize()); err != nil {
		return revisions{}, fmt.Errorf("set the search path: %w", err)
	}
	return revisions{db: q, schema: found, table: revisionsTable(found)}, nil
}
