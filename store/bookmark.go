package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// Bookmark is a point in the history of the database that a client knows about. Reads of that client have to see
// what was committed before it. It is a position in the write-ahead log (PostgreSQL manual, section 30.5).
//
// Positions of two timelines cannot be compared: after a failover, the new primary writes other records to the
// positions that the old one may have used.
type Bookmark struct {
	Timeline uint32
	LSN      uint64 // the log sequence number, in bytes from the beginning of the log
}

// Newest is a bookmark that only the primary has reached. No other one is greater.
var Newest = Bookmark{Timeline: math.MaxUint32, LSN: math.MaxUint64}

type bookmarkKey struct{}

// WithBookmark returns a context whose reads see what was committed before b. A write with the context moves b
// past its commit, or to Newest if it does not learn where its commit is. Concurrent calls must not share b
// if one of them writes. Without replicas, b does not change.
func WithBookmark(ctx context.Context, b *Bookmark) context.Context {
	return context.WithValue(ctx, bookmarkKey{}, b)
}

// BookmarkOf returns the bookmark of a context, or nil.
func BookmarkOf(ctx context.Context) *Bookmark {
	b, _ := ctx.Value(bookmarkKey{}).(*Bookmark)
	return b
}

// bookmark returns the bookmark of a context if there are replicas, or nil.
func (s *Store) bookmark(ctx context.Context) *Bookmark {
	if s.replicas == nil {
		return nil
	}
	return BookmarkOf(ctx)
}

// commitSQL commits, and then reads how far the log is. PostgreSQL gets both in one message, so that the position
// takes no additional round trip.
const commitSQL = `COMMIT; SELECT left(pg_walfile_name(pg_current_wal_insert_lsn()), 8), pg_current_wal_insert_lsn() - '0/0'::pg_lsn`

// commitAndMark commits, and moves b past the commit. Once the commit has succeeded, the error is nil: b is then
// Newest if the position is not known.
func commitAndMark(ctx context.Context, conn *pgconn.PgConn, b *Bookmark) error {
	results := conn.Exec(ctx, commitSQL)
	var tag string
	for n := 0; results.NextResult(); n++ {
		result := results.ResultReader().Read()
		switch {
		case n == 0:
			tag = result.CommandTag.String()
		case len(result.Rows) == 1:
			b.read(result.Rows[0])
		}
	}
	err := results.Close()
	switch tag {
	case "COMMIT":
		return nil
	case "":
		return err
	default:
		return errRolledBack
	}
}

// read reads the row of commitSQL. The timeline is hexadecimal.
func (b *Bookmark) read(row [][]byte) {
	timeline, err := strconv.ParseUint(string(row[0]), 16, 32)
	lsn, err2 := strconv.ParseUint(string(row[1]), 10, 64)
	if errors.Join(err, err2) == nil {
		*b = Bookmark{uint32(timeline), lsn}
	}
}

// reachedSQL reports whether the server has what was committed before a position. It is a statement of its own before
// those that read, because a statement sees only what was replayed before it began.
//
// A standby knows the timeline that it follows from what it receives, or else from its last restart point, which can
// be minutes old. Only a role with pg_read_all_stats sees the former. If the timeline is another one, the standby may
// lack what was committed, even if it has replayed more.
const reachedSQL = `SELECT CASE WHEN pg_is_in_recovery()
	THEN pg_last_wal_replay_lsn() - '0/0'::pg_lsn >= $2::text::numeric AND $1::bigint = COALESCE(
		(SELECT received_tli FROM pg_stat_wal_receiver), (SELECT timeline_id FROM pg_control_checkpoint()))
	ELSE pg_current_wal_insert_lsn() - '0/0'::pg_lsn >= $2::text::numeric
		AND lpad(upper(to_hex($1::bigint)), 8, '0') = left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
	END AS reached`

// leadsSQL is reachedSQL for a connection to the primary, which may lead to a former one: it is a standby now, or it
// still writes to its own timeline. A later timeline is that of a new primary, which has what was committed before.
const leadsSQL = `SELECT CASE WHEN pg_is_in_recovery() THEN false
	ELSE (('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint,
		pg_current_wal_insert_lsn() - '0/0'::pg_lsn) >= ($1::bigint, $2::text::numeric)
	END AS reached`

// comparison is the comparison of a bookmark with the position of the server that a call makes with its first
// statement.
type comparison struct {
	bookmark  Bookmark
	statement string
	missed    error // the error if the server has not reached the bookmark
	made      bool
}

// comparisonOf returns the comparison that a call has to make, or nil.
func (s *Store) comparisonOf(ctx context.Context, p pool) *comparison {
	b := s.bookmark(ctx)
	switch {
	case b == nil || *b == (Bookmark{}) || p.writes:
		return nil
	case p.replica != nil:
		return &comparison{bookmark: *b, statement: reachedSQL, missed: errBehind}
	case *b == Newest: // any primary has reached the zero Bookmark
		return &comparison{statement: leadsSQL, missed: errReplaced}
	default:
		return &comparison{bookmark: *b, statement: leadsSQL, missed: errReplaced}
	}
}

// takeComparison returns the comparison of the call once.
func (c session) takeComparison() *comparison {
	if c.compare == nil || c.compare.made {
		return nil
	}
	c.compare.made = true
	return c.compare
}

// missedError says that a server has not reached the bookmark of a client.
type missedError struct {
	means meaning
	text  string
}

func (e *missedError) Error() string { return e.text }

// errBehind says that a replica has not replayed what the client knows about.
var errBehind error = &missedError{conflict, "the replica is behind the client"}

// errReplaced says that a connection to the primary leads to a server that another one has replaced.
var errReplaced error = &missedError{readOnly, "the server is no longer the primary"}

// executeAt executes statements as session.execute does, if the server has reached the bookmark of the comparison.
func (c session) executeAt(ctx context.Context, name string, compare *comparison, steps []step) (done int, err error) {
	b := compare.bookmark
	var rows []struct{ Reached bool }
	args := []any{int64(b.Timeline), strconv.FormatUint(b.LSN, 10)}
	first := step{"compare the position of the log", &rows, compare.statement, args}
	done, err = c.execute(ctx, name, append([]step{first}, steps...))
	switch {
	case done == 0:
		return 0, err
	case !rows[0].Reached:
		return 0, fmt.Errorf("%w: it has not reached %d on timeline %d", compare.missed, b.LSN, b.Timeline)
	default:
		return done - 1, err
	}
}
