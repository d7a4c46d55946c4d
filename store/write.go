package store

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// beginWrite starts a transaction and applies the settings that it relies on. Whatever the role, the database or a
// pooler's other clients have set, each statement sees what was committed before it began. The waits for a lock, for
// a statement and for this process are bounded. The wait for a lock is short because it holds a connection.
// Store.call repeats the transaction, for about a second in all.
var beginWrite = []string{`BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE`, limits("100ms", "5s")}

// beginRead is beginWrite for a call that only reads. Our own sessions have these settings anyway. A session of a
// pooler has those of the role, or of its previous client. Under another isolation level, a read that waits
// for DDL could find the table empty.
var beginRead = []string{`BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY`, limits("200ms", "15s")}

// limits returns a statement that bounds the waits of a transaction. It lifts transaction_timeout, which PostgreSQL
// 17 introduced.
func limits(lock, statement string) string {
	return `SELECT set_config('lock_timeout', '` + lock + `', true), set_config('statement_timeout', '` + statement + `', true),
	set_config('idle_in_transaction_session_timeout', '5s', true),
	CASE WHEN current_setting('server_version_num')::integer >= 170000 THEN set_config('transaction_timeout', '0', true) END`
}

// rollbackTimeout bounds the rollback of a transaction that failed.
const rollbackTimeout = time.Second

// outcomeUnknownError says that a transaction may have been committed.
type outcomeUnknownError struct{ err error }

func (e *outcomeUnknownError) Error() string { return "commit: " + e.err.Error() }
func (e *outcomeUnknownError) Unwrap() error { return e.err }

// beginError says that a connection could not be set up, or that a transaction could not begin. Nothing
// of the call was committed.
type beginError struct{ err error }

func (e *beginError) Error() string { return "begin: " + e.err.Error() }

// Unwrap returns the cause.
func (e *beginError) Unwrap() error { return e.err }

// write runs do in a transaction, which begins with the first statement. It repeats do after the errors that
// Store.call repeats calls for, but never after a commit that may have succeeded.
func (s *Store) write(ctx context.Context, do func(context.Context, session) error) error {
	if b := s.bookmark(ctx); b != nil {
		*b = Newest // until the position of the commit is known
	}
	return s.call(ctx, s.writes, NothingWritten, func(ctx context.Context, c session) error {
		return transact(ctx, c, do)
	})
}

func transact(ctx context.Context, c session, do func(context.Context, session) error) (err error) {
	c.begin = &beginning{statements: beginWrite}
	defer func() {
		if err != nil {
			rollback(ctx, c)
		}
	}()
	switch err = do(ctx, c); {
	case err == nil:
		return commit(ctx, c)
	case writtenBefore(err):
		return cmp.Or(confirm(ctx, c), err)
	default:
		return err
	}
}

// isolated runs do, which only reads, in a transaction.
func isolated(ctx context.Context, c session, do func(context.Context, session) error) error {
	c.begin = &beginning{statements: beginRead}
	defer rollback(ctx, c) // there is nothing to commit
	return do(ctx, c)
}

// commit commits the transaction. The error is an *outcomeUnknownError if the server may have committed.
func commit(ctx context.Context, c session) error {
	return commitBy(ctx, c, "transaction.commit", c.askToCommit)
}

// commitBy is commit with the function that asks the server to commit.
func commitBy(ctx context.Context, c session, name string, ask func(context.Context, *pgx.Conn) error) error {
	asked := false
	o := c.store.observe(ctx, name, 1)
	err := c.Raw(func(raw any) error {
		conn := raw.(*stdlib.Conn).Conn()
		// pgconn.SafeToRetry does not help afterwards: it is also true for "conn closed", which pgx reports
		// when it loses the connection while it waits for the server.
		if conn.IsClosed() || ctx.Err() != nil {
			return cmp.Or(ctx.Err(), errLost)
		}
		asked = true
		data := conn.PgConn().CustomData()
		delete(data, unreplicated)
		if err := ask(ctx, conn); err != nil {
			return err
		}
		if data[unreplicated] != nil {
			return errUnreplicated
		}
		return nil
	})
	o.end(err)
	switch {
	case err == nil:
		return nil
	case asked && !refusesCommit(err):
		return &outcomeUnknownError{err}
	default:
		return fmt.Errorf("commit: %w", err)
	}
}

func (c session) askToCommit(ctx context.Context, conn *pgx.Conn) error {
	if b := c.store.bookmark(ctx); b != nil {
		return commitAndMark(ctx, conn.PgConn(), b)
	}
	tag, err := conn.Exec(ctx, "COMMIT")
	if err == nil && tag.String() != "COMMIT" {
		return errRolledBack
	}
	return err
}

// refusesCommit reports whether the server has answered COMMIT with an error that excludes a commit.
func refusesCommit(err error) bool {
	if errors.Is(err, errRolledBack) {
		return true
	}
	var response *pgconn.PgError
	return errors.As(err, &response) && response.SeverityUnlocalized == "ERROR" && meaningOf(err) != uncertain
}

// errUnreplicated says that the server has committed, but that no synchronous standby has confirmed the commit. A
// failover would undo it.
var errUnreplicated = errors.New("no synchronous standby has confirmed the commit")

// errRolledBack says that the server answered COMMIT with ROLLBACK, as it does after a statement of the
// transaction has failed.
var errRolledBack = errors.New("the server rolled back")

// restart rolls the transaction back after an error. The next statement begins another one.
func (c session) restart(ctx context.Context) {
	rollback(ctx, c)
	c.begin.sent = false
}

// rollback rolls the transaction back. If it cannot, it closes the connection, because a connection must not
// return to the pool with locks.
func rollback(ctx context.Context, c session) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	_ = c.Raw(func(raw any) error { // ErrBadConn is only for the pool
		conn := raw.(*stdlib.Conn).Conn()
		if conn.IsClosed() {
			return driver.ErrBadConn
		}
		if conn.PgConn().TxStatus() == 'I' {
			return nil
		}
		if _, err := conn.Exec(ctx, "ROLLBACK", pgx.QueryExecModeSimpleProtocol); err != nil {
			return driver.ErrBadConn
		}
		return nil
	})
}
