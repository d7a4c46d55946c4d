// Package store reads and writes Pagila.
//
// It speaks to PostgreSQL through bun, over pgx. bun writes arguments into the text of a query, so
// the server plans each text anew, which is most of what a small query costs. Statements of this
// package therefore are constants whose arguments are passed apart, as $1, and pgx keeps their
// plans; bun scans the rows.
//
// Nothing here relies on how a session is set up. session.go sets what has to be set; layout.go
// completes statements with what differs between databases; call, in this file, is the one place
// that decides what is tried again, and write the one place that runs transactions.
//
// Money is decimal throughout. Errors that a caller can act on are the types and values of
// errors.go; any other error is a fault.
package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"golang.org/x/sync/singleflight"

	"example.com/pagila-api/schema/migrations"
)

const (
	// defaultMaxConns leaves most of PostgreSQL's usual 100 connections to other instances.
	defaultMaxConns = 16
	// connectTimeout bounds one attempt to connect, so that a request does not wait for a host
	// that drops packets.
	connectTimeout = 5 * time.Second
	// defaultTimeout is far beyond what a call takes, which is milliseconds.
	defaultTimeout = 10 * time.Second
	// maxIdleTime is below the 4 to 6 minutes after which firewalls and balancers forget a
	// connection, and returns connections to PostgreSQL after a burst.
	maxIdleTime = 2 * time.Minute
	// maxLifetime has connections follow what has changed behind the address: a new primary, a
	// setting of the role.
	maxLifetime = 15 * time.Minute
)

const (
	// maxAttempts is how often a call is made in all before it fails.
	maxAttempts = 5
	// writePatience and readPatience are for how long a call is made again while another session holds
	// the row or the table that it needs, or while the server is a standby. Each attempt waits for a
	// fraction of a second, and holds no connection in between.
	writePatience = time.Second
	readPatience  = 3 * time.Second
	// firstPause and longestPause are between two attempts. Each pause is twice the one before, give
	// or take a half, so that callers who met do not meet again.
	firstPause   = 5 * time.Millisecond
	longestPause = 150 * time.Millisecond
	// turnWait is how long a write waits for its turn among the writes.
	turnWait = 2 * time.Second
)

// Store is the database. It is safe for concurrent use; a process needs one.
type Store struct {
	*sessions
	reads  pool
	writes pool                   // the same connections, for transactions
	probe  pool                   // one connection, for Status alone
	layout atomic.Pointer[layout] // nil until it is known
	status singleflight.Group     // calls of Status that run at the same time share one

	dataset     atomic.Pointer[dataset] // nil until it is known
	lastStatus  atomic.Pointer[Status]
	lastSuccess atomic.Int64 // when a call last succeeded, in nanoseconds since 1970
}

// pool is connections, and what a call of theirs may take.
type pool struct {
	*bun.DB
	timeout time.Duration
	turns   chan struct{} // has room for as many calls as may hold a connection; nil: for all
	writes  bool          // its calls begin transactions themselves
	// patience is for how long a call is made again that meets what waitsFor has.
	patience time.Duration
	// persistent says that a call is made again for as long where connections are lost.
	persistent bool
}

// Options are the limits of a Store. The zero value of each is its default.
type Options struct {
	// MaxConns is the most connections for calls at once; 16. One more is kept for Status. Writes get
	// half of them, so with 1 reads wait for writes.
	MaxConns int
	Timeout  time.Duration // how long a call may take, waiting for a connection included; 10 s
}

// Open prepares a pool of connections to the database at url (a postgres:// URL or a libpq
// keyword string). It does not connect: the first query does.
//
// The URL's default_query_exec_mode and statement_cache_capacity are pgx's, and hold for every
// statement. Behind a pooler that refuses the settings of session.go nothing is prepared anyway.
func Open(url string, o Options) (*Store, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse the database URL: %w", err)
	}
	o.MaxConns, o.Timeout = cmp.Or(o.MaxConns, defaultMaxConns), cmp.Or(o.Timeout, defaultTimeout)
	s := &Store{sessions: newSessions(config)}
	s.reads = s.openPool(o.MaxConns, o.Timeout)
	s.reads.patience = readPatience
	s.writes = s.reads
	s.writes.patience = writePatience
	// What is left of the time is for settle.
	s.writes.timeout = max(o.Timeout-settleWait, o.Timeout/2)
	// Writes wait for locks that others hold. They get half of the connections at most, so that
	// reads always have the others.
	s.writes.turns, s.writes.writes = make(chan struct{}, max(o.MaxConns/2, 1)), true
	s.probe = s.openPool(1, min(statusTimeout, o.Timeout))
	s.probe.patience, s.probe.persistent = probePatience, true
	return s, nil
}

func (s *Store) openPool(size int, timeout time.Duration) pool {
	db := sql.OpenDB(s.sessions)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	db.SetConnMaxIdleTime(maxIdleTime)
	db.SetConnMaxLifetime(maxLifetime)
	return pool{DB: bun.NewDB(db, pgdialect.New()), timeout: timeout}
}

// DB is the pool itself, for the migrations.
func (s *Store) DB() *sql.DB { return s.reads.DB.DB }

// Close closes the pools. Queries under way fail.
func (s *Store) Close() error { return errors.Join(s.reads.Close(), s.probe.Close()) }

// call runs do on a connection of p. It runs it again, a bounded number of times, where an error says
// that nothing was done and that another attempt may do better. outcome is what has become of a
// write when do fails, unless its error says otherwise.
func (s *Store) call(ctx context.Context, p pool, outcome Outcome, do func(context.Context, session) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	start, pause, mode := time.Now(), firstPause, s.mode()
	for attempt := 1; ; attempt++ {
		err := s.attempt(ctx, p, mode, do)
		if err == nil {
			s.lastSuccess.Store(time.Now().UnixNano())
			return nil
		}
		m := meaningOf(err)
		s.learn(m)
		var lost *outcomeUnknownError
		if errors.As(err, &lost) && m != left {
			return translate(err, uncertain, Unknown)
		}
		if !p.repeats(m, attempt, time.Since(start)) || !sleep(ctx, pause/2+rand.N(pause)) { //nolint:gosec // no secret
			return translate(err, s.finally(ctx, p, m, err), outcome)
		}
		pause = min(2*pause, longestPause)
		mode = keepingNothing(mode) // what the next session has kept may be stale as well
	}
}

// repeats tells whether a call is made again after an attempt that failed with this meaning.
func (p pool) repeats(m meaning, attempt int, elapsed time.Duration) bool {
	switch {
	case m == unready:
		return attempt == 1
	case temporary[m] && attempt < maxAttempts:
		return true
	default:
		return (waitsFor[m] || temporary[m] && p.persistent) && elapsed < p.patience
	}
}

// finally is the meaning of an error that the call returns. What is missing counts as missing only if the
// status can name it.
func (s *Store) finally(ctx context.Context, p pool, m meaning, err error) meaning {
	if m == unready && (p.DB == s.probe.DB || !s.lacks(ctx, err)) {
		return unnamed(err)
	}
	return m
}

// lacks tells whether the status can say what the database lacks.
func (s *Store) lacks(ctx context.Context, err error) bool {
	if errors.Is(err, migrations.ErrNoPagila) {
		return true
	}
	status, err := s.Status(ctx)
	return err == nil && len(status.Missing) > 0
}

// unnamed is what an error means that says that something is missing, where the status finds nothing.
// A policy for rows refuses a row with the code of a missing privilege. With any other code nobody
// knows what to do about it.
func unnamed(err error) meaning {
	var server *pgconn.PgError
	if errors.As(err, &server) && server.Code == insufficientPrivilege {
		return refused
	}
	return fault
}

// temporary are the meanings after which a call is made again at once. Nothing was done, or what was
// done is rolled back.
var temporary = map[meaning]bool{collision: true, conflict: true, stale: true, unprepared: true, away: true}

// waitsFor are the meanings after which a call is made again for a while: until another session lets
// go of the row, or until the connections lead to the new primary.
var waitsFor = map[meaning]bool{locked: true, readOnly: true}

// attempt runs do once, on a connection of its own.
func (s *Store) attempt(ctx context.Context, p pool, mode pgx.QueryExecMode, do func(context.Context, session) error) error {
	done, err := p.turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	conn, err := p.DB.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	c := session{conn, s, mode}
	if !p.writes && !isDirect(conn) {
		err = isolated(ctx, c, do)
	} else {
		err = do(ctx, c)
	}
	if err != nil && meaningOf(err) == readOnly {
		c.drop()
	}
	if err != nil && ctx.Err() == nil && meaningOf(err) == fault && closed(conn) {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return err
}

// turn waits until a call may hold a connection.
func (p pool) turn(ctx context.Context) (done func(), err error) {
	if p.turns == nil {
		return func() {}, nil
	}
	timer := time.NewTimer(turnWait)
	defer timer.Stop()
	select {
	case p.turns <- struct{}{}:
		return func() { <-p.turns }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		return nil, errNoTurn
	}
}

// errNoTurn says that a call did not get its turn among those of its kind.
var errNoTurn = fmt.Errorf("too many calls at once: %w", context.DeadlineExceeded)

// learn remembers what an error says of the other connections.
func (s *Store) learn(m meaning) {
	switch m {
	case away:
		s.suspect()
	case readOnly:
		s.replace()
	case unprepared:
		s.prepareNothing()
	case stale, unready:
		s.layout.Store(nil) // Pagila may have moved
	default: // nothing that concerns other connections
	}
}

// sleep waits, unless ctx ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// closed tells whether the driver has closed the connection.
func closed(conn *sql.Conn) bool {
	err := conn.Raw(func(c any) error {
		if c.(*stdlib.Conn).Conn().IsClosed() {
			return driver.ErrBadConn
		}
		return nil
	})
	return err != nil
}

// session is a connection for the time of a call.
type session struct {
	*sql.Conn
	store *Store
	mode  pgx.QueryExecMode // of the package's statements
}

// drop has the connection closed when the call is over.
func (c session) drop() {
	_ = c.Raw(func(any) error { return driver.ErrBadConn }) // the error is for the pool
}

// query runs one of the package's constant statements, and scans the rows into dest, a pointer to a
// slice of structs.
func (c session) query(ctx context.Context, dest any, statement string, args ...any) error {
	l, err := c.layout(ctx)
	if err != nil {
		return err
	}
	rows, err := c.QueryContext(ctx, l.write(statement), append([]any{c.mode}, args...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if err := c.store.reads.ScanRows(ctx, rows, dest); err != nil {
		return err
	}
	return rows.Err()
}

// catalog runs a constant query on PostgreSQL's own catalogs, and scans its only row.
func (c session) catalog(ctx context.Context, statement string, dest ...any) error {
	return c.QueryRowContext(ctx, statement, c.mode).Scan(dest...)
}

// read runs a statement that only reads, as query does.
func (s *Store) read(ctx context.Context, dest any, statement string, args ...any) error {
	return s.call(ctx, s.reads, NoWrite, func(ctx context.Context, c session) error {
		return c.query(ctx, dest, statement, args...)
	})
}
