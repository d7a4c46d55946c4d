package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// session is the connection of one call.
type session struct {
	*sql.Conn
	store   *Store
	mode    pgx.QueryExecMode // of the package's statements
	begin   *beginning        // of the call's transaction, or nil
	compare *comparison       // of the call's bookmark with the server, or nil
}

// beginning is the beginning of a transaction that is sent with its first statement.
type beginning struct {
	statements []string
	sent       bool
}

// drop makes the pool close the connection after the call.
func (c session) drop() {
	_ = c.Raw(func(any) error { return driver.ErrBadConn }) // the error is for the pool
}

// step is a constant statement on Pagila's tables, such as query executes.
type step struct {
	does      string // what it does, for the error
	dest      any
	statement string
	args      []any
}

// query executes a constant statement on Pagila's tables. It scans the rows into dest, a pointer to a slice
// of structs. The name is for the Observer.
func (c session) query(ctx context.Context, name string, dest any, statement string, args ...any) error {
	_, err := c.pipeline(ctx, name, step{dest: dest, statement: statement, args: args})
	return err
}

// pipeline executes statements in one round trip, as query does. Each of them sees what was committed before it
// began. The statements after one that fails are not executed. done is the number of those that were executed.
//
// Unless the session keeps prepared statements, each statement takes a round trip of its own.
func (c session) pipeline(ctx context.Context, name string, steps ...step) (done int, err error) {
	if compare := c.takeComparison(); compare != nil {
		return c.executeAt(ctx, name, compare, steps)
	}
	return c.execute(ctx, name, steps)
}

// execute executes statements as pipeline does.
func (c session) execute(ctx context.Context, name string, steps []step) (done int, err error) {
	l, err := c.layout(ctx)
	if err != nil {
		return 0, err
	}
	o := c.store.observe(ctx, name, len(steps))
	defer func() { o.end(err) }()
	for i := range steps {
		steps[i].statement = l.write(steps[i].statement)
	}
	keeps := c.mode == pgx.QueryExecModeCacheStatement
	if !keeps {
		if err := c.beginNow(ctx); err != nil {
			return 0, err
		}
	}
	begin := c.takeBegin()
	err = c.Raw(func(raw any) error {
		conn := raw.(*stdlib.Conn).Conn()
		if keeps && len(begin)+len(steps) > 1 {
			done, err = c.send(ctx, conn, begin, steps)
		} else {
			done, err = c.sendEach(ctx, conn, steps)
		}
		return err
	})
	return done, err
}

// takeBegin returns the beginning of the transaction once.
func (c session) takeBegin() []string {
	if c.begin == nil || c.begin.sent {
		return nil
	}
	c.begin.sent = true
	return c.begin.statements
}

// beginNow begins the transaction of the call if it has one that has not begun.
func (c session) beginNow(ctx context.Context) error {
	if begin := c.takeBegin(); begin != nil {
		if _, err := c.ExecContext(ctx, strings.Join(begin, ";\n")); err != nil {
			return &beginError{err}
		}
	}
	return nil
}

// send sends all statements at once.
func (c session) send(ctx context.Context, conn *pgx.Conn, begin []string, steps []step) (done int, err error) {
	var batch pgx.Batch
	for _, statement := range begin {
		batch.Queue(statement)
	}
	for _, s := range steps {
		batch.Queue(s.statement, s.args...)
	}
	results := conn.SendBatch(ctx, &batch)
	defer results.Close() // the errors are those below
	for range begin {
		if _, err := results.Exec(); err != nil {
			return 0, failedBegin(begin, err)
		}
	}
	for i, s := range steps {
		rows, err := results.Query()
		if err == nil {
			err = scan(c.store.reads.DB, conn.TypeMap(), rows, s.dest)
		}
		if err != nil {
			return i, s.failed(err)
		}
	}
	return len(steps), results.Close()
}

// failedBegin returns a *beginError unless another statement could not be prepared, which happens before anything is
// executed.
func failedBegin(begin []string, err error) error {
	var unprepared pgx.ErrPreprocessingBatch
	if errors.As(err, &unprepared) && !slices.Contains(begin, unprepared.SQL()) {
		return err
	}
	return &beginError{err}
}

// sendEach sends one statement after another.
func (c session) sendEach(ctx context.Context, conn *pgx.Conn, steps []step) (done int, err error) {
	for i, s := range steps {
		rows, err := conn.Query(ctx, s.statement, slices.Concat([]any{c.mode}, s.args)...)
		if err == nil {
			err = scan(c.store.reads.DB, conn.TypeMap(), rows, s.dest)
		}
		if err != nil {
			return i, s.failed(err)
		}
	}
	return len(steps), nil
}

// failed returns the error of the step.
func (s step) failed(err error) error {
	if s.does == "" {
		return err
	}
	return fmt.Errorf("%s: %w", s.does, err)
}

// catalog executes a constant query on PostgreSQL's catalogs, and scans its only row.
func (c session) catalog(ctx context.Context, name, statement string, dest ...any) error {
	if err := c.beginNow(ctx); err != nil {
		return err
	}
	o := c.store.observe(ctx, name, 1)
	err := c.QueryRowContext(ctx, statement, c.mode).Scan(dest...)
	o.end(err)
	return err
}

// read executes a constant statement that only reads Pagila's tables, as session.query does.
func (s *Store) read(ctx context.Context, name string, dest any, statement string, args ...any) error {
	return s.readFrom(ctx, s.reads, name, dest, statement, args...)
}

// readFrom is read from a pool.
func (s *Store) readFrom(ctx context.Context, p pool, name string, dest any, statement string, args ...any) error {
	return s.call(ctx, p, NoWrite, func(ctx context.Context, c session) error {
		return c.query(ctx, name, dest, statement, args...)
	})
}
