package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"
)

const (
	// defaultMaxLag is far more than a healthy replica lags, and less than a person waits.
	defaultMaxLag = 10 * time.Second
	// watchInterval is the time between two checks of the replicas.
	watchInterval = 500 * time.Millisecond
	// watchTimeout bounds a check, and with it the time until a replica that no longer responds is left out.
	watchTimeout = 2 * time.Second
)

// ReplicaState says whether reads use a replica.
type ReplicaState struct {
	Address string // its host and port, and #2 and so on if others have the same
	InUse   bool
	Reason  error // why it is not in use
}

// replicas are the streaming replicas of the database. Reads use them in turn. One that lags too much, or that does
// not respond, is left out until it has recovered. The lag is measured in the background, every half second.
//
// It implements bun.ConnResolver, so that bun's own queries are distributed in the same way. bun takes a SELECT with
// FOR UPDATE for one that only reads, so such a query has to name its connection.
type replicas struct {
	all     []*replica
	primary pool // one connection
	maxLag  time.Duration
	turn    atomic.Uint32
	newest  mark // of the primary; only watch uses it
	stop    context.CancelFunc
	watched sync.WaitGroup
}

// replica is a streaming replica.
type replica struct {
	address  string
	reads    pool
	watch    pool // one connection, so that busy reads do not make it look dead
	state    atomic.Int32
	progress progress // only watch uses it
	changed  func(ReplicaState)
}

// The states of a replica.
const (
	unknown int32 = iota
	inUse
	leftOut
)

// openReplicas prepares the pools of the replicas, and begins to watch them.
func (s *Store) openReplicas(o Options) (*replicas, error) {
	configs := make([]*pgx.ConnConfig, len(o.Replicas))
	for i, url := range o.Replicas {
		var err error
		if configs[i], err = pgx.ParseConfig(url); err != nil {
			return nil, fmt.Errorf("parse the URL of replica %d: %w", i+1, err)
		}
	}
	r := &replicas{maxLag: o.ReplicaMaxLag, primary: openPool(s.reads.sessions, 1, watchTimeout)}
	for _, config := range configs {
		r.all = append(r.all, openReplica(config, o))
	}
	r.name()
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	r.watched.Go(func() { r.watch(ctx) })
	return r, nil
}

// name makes the addresses of the replicas unique, because metrics and the log distinguish them by it. Behind a pooler,
// several replicas can have the same host and port, and differ in the name of the database.
func (r *replicas) name() {
	seen := map[string]int{}
	for _, one := range r.all {
		seen[one.address]++
		if n := seen[one.address]; n > 1 {
			one.address += "#" + strconv.Itoa(n)
		}
	}
}

func openReplica(config *pgx.ConnConfig, o Options) *replica {
	sessions := newSessions(config)
	r := &replica{
		address: net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))),
		changed: o.OnReplica,
		// If a replica takes longer, there is time for another server.
		reads: openPool(sessions, o.MaxConns, o.Timeout/2),
		watch: openPool(sessions, 1, watchTimeout),
	}
	r.reads.replica = r
	return r
}

// Close ends the watch and closes the pools. It implements bun.ConnResolver.
func (r *replicas) Close() error {
	r.stop()
	r.watched.Wait()
	err := r.primary.Close()
	for _, one := range r.all {
		err = errors.Join(err, one.reads.Close(), one.watch.Close())
	}
	return err
}

// ResolveConn returns the connections for a query of bun's query builder: those of a replica, or nil for the
// primary's. It implements bun.ConnResolver.
func (r *replicas) ResolveConn(ctx context.Context, query bun.Query) bun.IConn {
	if !bun.IsReadOnlyQuery(query) || BookmarkOf(ctx) != nil {
		return nil
	}
	if one := r.next(nil); one != nil {
		return one.reads.DB.DB
	}
	return nil
}

// next returns the next replica that is in use, other than the one to avoid, or nil.
func (r *replicas) next(avoid *replica) *replica {
	first := int(r.turn.Add(1))
	for i := range r.all {
		if one := r.all[(first+i)%len(r.all)]; one != avoid && one.state.Load() == inUse {
			return one
		}
	}
	return nil
}

// choose returns the pool for an attempt of a call: that of a replica, if the call may read from one.
// tried is the number of its attempts on replicas.
func (p pool) choose(ctx context.Context, tried int) pool {
	if p.replicas == nil || tried == maxAttempts {
		return p
	}
	if b := BookmarkOf(ctx); b != nil && *b == Newest {
		return p
	}
	if one := p.replicas.next(p.avoid); one != nil {
		return one.reads
	}
	return p
}

// after returns the pool for the attempts after one that failed on a replica. tried is the number of attempts on
// replicas before it. If the replica accepts no connection, or has ended the session, another one may serve the call,
// even while there is no primary. What else fails on a replica is repeated on the primary: a replica can be behind it or
// the client, be busy, or cancel a statement that is in the way of what it replays. So is a statement that has ended a
// session on as many replicas as there are, because it may be what ends them. Whether the replica remains in use is up
// to the watch, unless it accepts no connection.
func (p pool) after(failed *replica, err error, tried int) pool {
	var connect *pgconn.ConnectError
	p.avoid = failed
	switch {
	case errors.As(err, &connect):
		failed.set(leftOut, err)
	case !endsSession(err) || tried+1 >= len(p.replicas.all):
		p.replicas = nil
	}
	return p
}

// set sets the state of the replica, and reports a change.
func (r *replica) set(state int32, reason error) {
	if r.state.Swap(state) != state && r.changed != nil {
		r.changed(ReplicaState{Address: r.address, InUse: state == inUse, Reason: reason})
	}
}

// watch checks the replicas until ctx is done.
func (r *replicas) watch(ctx context.Context) {
	for {
		r.round(ctx)
		if !sleep(ctx, watchInterval) {
			return
		}
	}
}

// round checks each replica once. While the primary does not respond, nobody writes, so the replicas are as far
// behind as they were when it last responded.
func (r *replicas) round(ctx context.Context) {
	if position, err := r.primary.position(ctx, false); err == nil {
		r.newest = position
	}
	var wg sync.WaitGroup
	for _, one := range r.all {
		wg.Go(func() {
			if err := one.check(ctx, r.newest, r.maxLag); err != nil {
				one.set(leftOut, err)
			} else {
				one.set(inUse, nil)
			}
		})
	}
	wg.Wait()
}

// check returns why the replica cannot be used, or nil.
func (r *replica) check(ctx context.Context, newest mark, maxLag time.Duration) error {
	position, err := r.watch.position(ctx, true)
	switch {
	case err != nil:
		return err
	case newest.at.IsZero():
		return errors.New("the primary has not responded yet, so it is not known how far the replica is behind")
	}
	return r.progress.check(position, newest, maxLag)
}

// mark is a position in the log, and a time at which the server had reached it.
type mark struct {
	lsn uint64
	at  time.Time
}

// progress is what is known about the replay of a replica. It measures the lag by the primary's positions at known
// times, and not by the time of the last transaction that was replayed, which is old if nobody writes.
type progress struct {
	last   mark      // the replica's position at the last check
	target mark      // the primary's position that the replica has to reach next
	fresh  time.Time // the replica has replayed what was written before this time
	apart  uint64    // where the replica was found to be ahead of the primary, or 0
}

// check returns an error if a replica that has reached a position lags too much behind the primary's newest position,
// or if it is ahead of it.
func (p *progress) check(position, newest mark, maxLag time.Duration) error {
	last := p.last
	p.last = position
	if last.at.IsZero() && position.lsn > newest.lsn {
		return errLagUnknown // it may be ahead, or have received what was written since the primary was asked
	}
	if last.at.Before(newest.at) && last.lsn > newest.lsn {
		p.apart = max(last.lsn, position.lsn)
	} else if position.lsn != p.apart {
		p.apart = 0
	}
	if p.apart != 0 {
		p.fresh, p.target = time.Time{}, newest
		return errAhead
	}
	switch {
	case position.lsn >= newest.lsn:
		p.target, p.fresh = newest, newest.at
	case position.lsn >= p.target.lsn:
		p.fresh, p.target = p.target.at, newest
	case newest.lsn < p.target.lsn: // of another primary
		p.target = newest
	}
	switch lag := newest.at.Sub(p.fresh); {
	case p.fresh.IsZero():
		return errLagUnknown
	case lag > maxLag:
		return fmt.Errorf("it is %s behind the primary", lag.Round(time.Millisecond))
	default:
		return nil
	}
}

// errLagUnknown says that a replica has not been watched for long enough.
var errLagUnknown = errors.New("it is not known yet how far it is behind the primary")

// errAhead says that a replica has replayed what the primary has not written, so that their histories differ. They
// still differ when the primary's log has become longer. The replica follows the primary once it replays more, or once
// it has been rewound.
var errAhead = errors.New("it is ahead of the primary, because it has followed another one")

// positionSQL returns whether the server is a standby, and how far it has replayed or written its log. The position of
// the next record, pg_current_wal_insert_lsn(), would not do: at the beginning of a page it is behind the page's header,
// which no replica replays before that record.
const positionSQL = `SELECT pg_is_in_recovery(), CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
	ELSE pg_current_wal_lsn() END - '0/0'::pg_lsn`

// errStandby says that the connections to the primary lead to a standby.
var errStandby = errors.New("the server is a standby")

// position returns the position of the server. It is the position at a time after the call began.
func (p pool) position(ctx context.Context, standby bool) (mark, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	conn, err := p.DB.DB.Conn(ctx)
	if err != nil {
		return mark{}, err
	}
	defer conn.Close()
	position, err := readPosition(ctx, conn, standby)
	if errors.Is(err, errStandby) {
		p.sessions.replace() // the others lead to the same server
	}
	return position, err
}

func readPosition(ctx context.Context, conn *sql.Conn, standby bool) (mark, error) {
	var (
		recovers bool
		lsn      sql.Null[uint64]
	)
	at := time.Now()
	if err := conn.QueryRowContext(ctx, positionSQL, pgx.QueryExecModeExec).Scan(&recovers, &lsn); err != nil {
		return mark{}, fmt.Errorf("read the position of the log: %w", err)
	}
	if recovers && !standby {
		session{Conn: conn}.drop() // the address may soon lead to the new primary
		return mark{}, errStandby
	}
	if !lsn.Valid || lsn.V == math.MaxUint64 {
		return mark{}, errors.New("the server does not say how far its log is")
	}
	return mark{lsn.V, at}, nil
}
