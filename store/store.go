// Package store reads and writes Pagila, a DVD-rental database in PostgreSQL.
//
// An amount of money is the text of a decimal number with two places, such as "4.99", or "" if it is unknown. No
// amount passes through a float.
//
// Errors that a caller can act on are the types and values of errors.go. Any other error is a fault.
//
// # How statements are executed
//
// The package uses bun over pgx. There are two ways to execute a statement:
//
//   - A statement on Pagila's tables is a constant. That of a page is made of constants, so that it is one text
//     for each combination of conditions. It names tables in braces, such as {film}, and takes its arguments
//     as $1, $2 and so on. Store.read executes it on its own, session.query within a call, and session.pipeline
//     several in one round trip. PostgreSQL keeps its plan. bun's query builder writes arguments into the text, so
//     PostgreSQL would plan each query anew, which is most of the cost of a small one. What the package uses of bun
//     are its models, which say which field has a column, and rows.go scans the rows into them.
//   - A query on PostgreSQL's catalogs is a constant as well. It takes no arguments and returns one row.
//     session.catalog executes it. It works before the store has found the schema of Pagila.
//
// Nothing relies on the settings that a session happens to have. session.go sets those that matter, and
// layout.go completes statements with what differs between databases. Store.call alone decides what is
// repeated, and Store.write alone runs transactions that write.
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
	// defaultMaxConns leaves most of PostgreSQL's default of 100 connections to other instances.
	defaultMaxConns = 16
	// connectTimeout bounds one attempt to connect, so that a request does not wait for a host
	// that drops packets.
	connectTimeout = 5 * time.Second
	// defaultTimeout is far longer than a call takes, which is milliseconds.
	defaultTimeout = 10 * time.Second
	// maxIdleTime is below the 4 to 6 minutes after which firewalls and load balancers forget a connection.
	// It also returns connections to PostgreSQL after a burst.
	maxIdleTime = 2 * time.Minute
	// maxLifetime bounds how long connections miss a change behind the address, such as a new primary or a
	// new setting of the role.
	maxLifetime = 15 * time.Minute
)

const (
	// maxAttempts is the number of attempts after which a call fails.
	maxAttempts = 5
	// writePatience and readPatience are how long a call is repeated while another session holds the row or
	// the table that it needs, or while the server is a standby. Each attempt waits for a fraction of a
	// second. Between attempts the call holds no connection.
	writePatience = time.Second
	readPatience  = 3 * time.Second
	// firstPause and longestPause are the mean pauses between two attempts. The mean doubles each time, and
	// the pause varies by half of it, so that calls that collided do not collide again.
	firstPause   = 5 * time.Millisecond
	longestPause = 150 * time.Millisecond
	// outagePatience is how long a call that cannot connect is repeated, counted from the first failed attempt of any
	// call. A restart of PostgreSQL takes less, so clients see a slow response instead of an error. In a longer
	// outage, calls fail after a few attempts, so that they do not pile up.
	outagePatience = 2 * time.Second
	// turnWait is how long a write waits for its turn among the writes.
	turnWait = 2 * time.Second
)

// Store gives access to the database. It is safe for concurrent use. A process needs one.
type Store struct {
	observer Observer
	reads    pool
	writes   pool                   // the same connections, for transactions
	replicas *replicas              // or nil
	probe    pool                   // one connection, for Status alone
	layout   atomic.Pointer[layout] // nil until it is known
	status   singleflight.Group     // lets concurrent calls of Status share one check

	dataset     atomic.Pointer[dataset] // nil until it is known
	lastStatus  atomic.Pointer[Status]
	lastSuccess atomic.Int64 // when a call last succeeded, in nanoseconds since 1970
}

// pool is a pool of connections with the limits of the calls that use it.
type pool struct {
	*bun.DB
	sessions *sessions
	replicas *replicas // that its calls may use as well, or nil
	replica  *replica  // that it leads to, or nil for the primary
	avoid    *replica  // that has just failed a call, or nil
	timeout  time.Duration
	turns    chan struct{} // its capacity is the number of calls that may hold a connection; nil is no limit
	writes   bool          // its calls begin transactions themselves
	// patience is how long a call is repeated after an error that waitsFor lists.
	patience time.Duration
	// persistent says that patience applies to lost connections as well.
	persistent bool
}

// Options are the limits of a Store. A zero value means the default.
type Options struct {
	// MaxConns is the maximum number of connections for calls. The default is 16. Status has one more for
	// itself. Writes get at most seven eighths of them, but at least one, so with 1 reads wait for writes.
	MaxConns int
	// Timeout is how long a call may take, including the wait for a connection. The default is 10 s.
	Timeout time.Duration
	// Observer is told about connections and statements. The default is none.
	Observer Observer
	// Replicas are the URLs of streaming replicas, which calls that only read use in turn. Each has MaxConns
	// connections. A read that fails on a replica is repeated elsewhere, so that replicas can be restarted.
	Replicas []string
	// ReplicaMaxLag is how far a replica may be behind the primary. One that is further behind is left out. The
	// default is 10 s. The lag is measured every half second.
	ReplicaMaxLag time.Duration
	// OnReplica is called when a replica is left out or comes back, also at the beginning. It may be nil.
	OnReplica func(ReplicaState)
}

// Open prepares a pool of connections to the database at url, which is a postgres:// URL or a libpq
// keyword string. It does not connect. The first query does. Only the watch of replicas connects at once.
//
// pgx reads default_query_exec_mode and statement_cache_capacity from the URL. They apply to every
// statement. The default of statement_cache_capacity is 128. Behind a pooler that refuses the settings of session.go, no
// statement is prepared in any case.
func Open(url string, o Options) (*Store, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse the database URL: %w", err)
	}
	o.MaxConns, o.Timeout = cmp.Or(o.MaxConns, defaultMaxConns), cmp.Or(o.Timeout, defaultTimeout)
	o.ReplicaMaxLag = cmp.Or(o.ReplicaMaxLag, defaultMaxLag)
	s := &Store{observer: o.Observer}
	if s.observer == nil {
		s.observer = unobserved{}
	}
	s.reads = openPool(newSessions(config), o.MaxConns, o.Timeout)
	s.reads.patience = readPatience
	s.writes = s.reads
	s.writes.patience = writePatience
	// The rest of the time is for settle.
	s.writes.timeout = max(o.Timeout-settleWait, o.Timeout/2)
	s.writes.turns, s.writes.writes = make(chan struct{}, turnsOfWrites(o.MaxConns)), true
	s.probe = openPool(s.reads.sessions, 1, min(statusTimeout, o.Timeout))
	s.probe.patience, s.probe.persistent = probePatience, true
	if len(o.Replicas) > 0 {
		if s.replicas, err = s.openReplicas(o); err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.reads.replicas = s.replicas
		s.reads.DB = bun.NewDB(s.reads.DB.DB, pgdialect.New(), bun.WithConnResolver(s.replicas))
	}
	return s, nil
}

// turnsOfWrites returns how many of the connections writes may use. They wait for locks that others hold, so they must
// not take all of them from reads. On Pagila, reads hold a connection for a millisecond, so two are enough for
// hundreds of them in a second. With three quarters of 16 connections, 16 clients made 3 % fewer returns (1 to 4 % in
// five rounds).
func turnsOfWrites(connections int) int { return max(connections*7/8, 1) }

func openPool(sessions *sessions, size int, timeout time.Duration) pool {
	db := sql.OpenDB(sessions)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	db.SetConnMaxIdleTime(maxIdleTime)
	db.SetConnMaxLifetime(maxLifetime)
	return pool{DB: bun.NewDB(db, pgdialect.New()), sessions: sessions, timeout: timeout}
}

// DB returns the pool for the migrations.
func (s *Store) DB() *sql.DB { return s.reads.DB.DB }

// Pools returns the pools of connections for metrics: that of the primary, which is named pagila, and those of the
// replicas, which are named by their addresses.
func (s *Store) Pools() map[string]*sql.DB {
	pools := map[string]*sql.DB{"pagila": s.DB()}
	if s.replicas != nil {
		for _, one := range s.replicas.all {
			pools[one.address] = one.reads.DB.DB
		}
	}
	return pools
}

// Close closes the pools. Queries that are running fail.
func (s *Store) Close() error { return errors.Join(s.reads.Close(), s.probe.Close()) }

// call runs do on a connection of p. It repeats do, a bounded number of times, after an error which says
// that nothing was done and that another attempt may succeed. outcome is the outcome of a write when do
// fails, unless the error says otherwise.
func (s *Store) call(ctx context.Context, p pool, outcome Outcome, do func(context.Context, session) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	start, pause, keeps := time.Now(), firstPause, true
	for attempt, tried := 1, 0; ; attempt++ {
		from := p.choose(ctx, tried)
		err := s.attempt(ctx, from, keeps, do)
		if err == nil {
			s.succeeded(from)
			return nil
		}
		m := meaningOf(err)
		s.learn(from, m)
		if from.replica != nil && m != fault && ctx.Err() == nil {
			p, tried = p.after(from.replica, err, tried), tried+1
			attempt-- // those on replicas are counted apart
			continue
		}
		var lost *outcomeUnknownError
		if errors.As(err, &lost) && m != left {
			return translate(err, uncertain, Unknown)
		}
		if !p.repeats(m, err, attempt, time.Since(start)) || !sleep(ctx, pause/2+rand.N(pause)) { //nolint:gosec // a pause need not be hard to predict
			return translate(err, s.finally(ctx, p, m, err), outcome)
		}
		pause = min(2*pause, longestPause)
		keeps = false // the next session may have kept stale plans as well
	}
}

// succeeded remembers that a call on the primary has succeeded.
func (s *Store) succeeded(p pool) {
	if p.replica == nil {
		s.lastSuccess.Store(time.Now().UnixNano())
		p.sessions.outage.note(nil)
	}
}

// repeats reports whether a call is repeated after an attempt that failed with this error, which has this meaning.
func (p pool) repeats(m meaning, err error, attempt int, elapsed time.Duration) bool {
	switch {
	case m == unready:
		return attempt == 1
	case temporary[m] && attempt < maxAttempts:
		return true
	case unreachable(err) && !p.persistent:
		return elapsed < outagePatience && p.sessions.outage.isShort()
	default:
		return (waitsFor[m] || temporary[m] && p.persistent) && elapsed < p.patience
	}
}

// finally returns the meaning of the error that a call returns. The error means unready only if the status
// can name what the database lacks.
func (s *Store) finally(ctx context.Context, p pool, m meaning, err error) meaning {
	if m == unready && (p.DB == s.probe.DB || !s.lacks(ctx, err)) {
		return unnamed(err)
	}
	return m
}

// lacks reports whether the status can name what the database lacks.
func (s *Store) lacks(ctx context.Context, err error) bool {
	if errors.Is(err, migrations.ErrNoPagila) {
		return true
	}
	status, err := s.Status(ctx)
	return err == nil && len(status.Missing) > 0
}

// unnamed returns the meaning of an error which says that something is missing although the status finds
// nothing missing. A row-level security policy refuses a row with the code of a missing privilege. With any
// other code it is a fault.
func unnamed(err error) meaning {
	var server *pgconn.PgError
	if errors.As(err, &server) && server.Code == insufficientPrivilege {
		return refused
	}
	return fault
}

// temporary are the meanings after which a call is repeated at once. Nothing was done, or it was rolled
// back.
var temporary = map[meaning]bool{collision: true, conflict: true, stale: true, unprepared: true, away: true}

// waitsFor are the meanings after which a call is repeated for a while: until another session releases the
// row, or until the connections lead to the new primary.
var waitsFor = map[meaning]bool{locked: true, readOnly: true}

// attempt runs do once, on a connection of its own. Unless keeps is set, nothing is kept in its session.
func (s *Store) attempt(ctx context.Context, p pool, keeps bool, do func(context.Context, session) error) error {
	if p.replica != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.timeout)
		defer cancel()
	}
	conn, done, err := s.acquire(ctx, p)
	if err != nil {
		return err
	}
	defer done()
	defer conn.Close()
	c := session{Conn: conn, store: s, mode: p.sessions.mode(), compare: s.comparisonOf(ctx, p)}
	if !keeps {
		c.mode = keepingNothing(c.mode)
	}
	if !p.writes && !isDirect(conn) {
		err = isolated(ctx, c, do)
	} else {
		err = do(ctx, c)
	}
	if err != nil && meaningOf(err) == readOnly {
		c.drop()
	}
	return causeOf(ctx, conn, err)
}

// causeOf adds to an error what pgx's stdlib leaves out: that the time was up before the statement was sent, or that the
// driver has closed the connection.
func causeOf(ctx context.Context, conn *sql.Conn, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.Is(err, driver.ErrBadConn):
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	case ctx.Err() == nil && meaningOf(err) == fault && closed(conn):
		return fmt.Errorf("%w: %w", errLost, err)
	default:
		return err
	}
}

// acquire waits for a connection. The caller calls done after it has closed it.
func (s *Store) acquire(ctx context.Context, p pool) (conn *sql.Conn, done func(), err error) {
	start := time.Now()
	s.observer.ConnectionWanted()
	defer func() { s.observer.ConnectionAcquired(ctx, time.Since(start), err == nil) }()
	if done, err = p.turn(ctx); err != nil {
		return nil, nil, err
	}
	if conn, err = p.DB.DB.Conn(ctx); err != nil {
		done()
		return nil, nil, err
	}
	return conn, done, nil
}

// turn waits until the call may hold a connection. The caller calls done when it no longer does.
func (p pool) turn(ctx context.Context) (done func(), err error) {
	if p.turns == nil {
		return func() {}, nil
	}
	done = func() { <-p.turns }
	select {
	case p.turns <- struct{}{}: // at once, as nearly always
		return done, nil
	default:
	}
	timer := time.NewTimer(turnWait)
	defer timer.Stop()
	select {
	case p.turns <- struct{}{}:
		return done, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		return nil, errNoTurn
	}
}

// errNoTurn says that a call has waited too long for its turn.
var errNoTurn = fmt.Errorf("too many calls at once: %w", context.DeadlineExceeded)

// learn draws conclusions about the other connections from an error on one.
func (s *Store) learn(p pool, m meaning) {
	switch m {
	case away:
		p.sessions.suspect()
	case readOnly:
		p.sessions.replace()
	case unprepared:
		p.sessions.prepareNothing()
	case stale, unready:
		if p.replica == nil { // one that is behind says nothing about the primary
			s.layout.Store(nil) // Pagila may have moved
		}
	default: // it says nothing about other connections
	}
}

// sleep waits for d. It returns false if ctx ends first.
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

// closed reports whether the driver has closed the connection.
func closed(conn *sql.Conn) bool {
	err := conn.Raw(func(c any) error {
		if c.(*stdlib.Conn).Conn().IsClosed() {
			return driver.ErrBadConn
		}
		return nil
	})
	return err != nil
}
