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
	// patience is how long other sessions may be in the way: one that applies the same migrations, or
	// one that uses a table.
	patience = time.Minute
	// pause is the mean time between two attempts. While an attempt waits for a table, new readers of
	// the table wait too. In the pause they go on.
	pause = time.Second
	// rollbackTimeout is for a connection that no longer answers. Its session is then thrown away.
	rollbackTimeout = 5 * time.Second
)

// lockKey is the advisory lock that the Atlas command holds while it applies: the 32-bit FNV-1 hash
// of atlas_migrate_execute. Sessions and transactions take advisory locks from one space, so
// neither program starts while the other runs.
const lockKey = "2686470616"

// begin starts a transaction and sets what the migrations rely on, for the transaction alone. It is
// one message, so that no time limit of the role can strike between its statements. A lock is
// waited for only briefly, because all new readers of a table queue behind a migration that waits
// for it: see pause. transaction_timeout is new in PostgreSQL 17.
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

// The SQLSTATEs that are told apart (PostgreSQL manual, appendix A).
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

// session is the one connection that migrations run on. Callers that wait for the lock each hold a
// connection, and together could leave the one that has the lock without a second.
type session struct{ conn *sql.Conn }

// connected calls work with a session.
func connected(ctx context.Context, db *sql.DB, work func(*session) error) (err error) {
	defer func() {
		// A connection that ctx has ended under a statement fails the next one as a bad connection.
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

// transaction calls work in a transaction, and again while another session is in the way.
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

// sleep waits, and says whether ctx has lasted.
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

// errBegin marks the error of a transaction that the role's own time limit ended before it could be
// lifted.
var errBegin = errors.New("begin")

// attempt does not use sql.Tx: that would close the connection beside us once ctx ends.
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

// rollback ends the transaction. Where it cannot, the connection is not given back to the pool.
func (s *session) rollback(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	if _, err := s.conn.ExecContext(ctx, `ROLLBACK`); err != nil {
		_ = s.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}

// querier is the connection, with statements that are not kept: behind a pooler the next one may
// reach another server process, and a migration changes what a kept plan relies on.
type querier struct{ conn *sql.Conn }

var _ schema.ExecQuerier = querier{}

// ExecContext executes a query without rows.
func (q querier) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return q.conn.ExecContext(ctx, query, append([]any{pgx.QueryExecModeExec}, args...)...)
}

// QueryContext executes a query that returns rows.
func (q querier) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return q.conn.QueryContext(ctx, query, append([]any{pgx.QueryExecModeExec}, args...)...)
}

// hasRelation tells whether there is a table (or any other relation) of that name, which is quoted
// where it has to be.
func (q querier) hasRelation(ctx context.Context, name string) (bool, error) {
	found, err := column[bool](ctx, q, `SELECT pg_catalog.to_regclass($1) IS NOT NULL`, name)
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", name, err)
	}
	return found[0], nil
}

// column returns the values of a query's one column.
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

// lock waits for the lock of the migrations, which the transaction holds to its end, and makes
// Pagila's schema the one that unqualified names mean. The migrations' files name no schema.
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
