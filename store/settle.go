package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// settleWait is how long settle looks for the outcome of a commit.
const settleWait = time.Second

// proof is what proves that a transaction was committed.
type proof struct {
	// transaction is its txid_current().
	transaction int64
	// row is the rest of a SELECT that finds the row which the transaction wrote, such as
	// `FROM {rental} WHERE rental_id = $2::integer`. It is a constant. Its arguments begin at $2.
	row  string
	args []any
}

// writtenBy1 is a condition for a row: the transaction $1 of the proof was the last to write it. It is for a change
// that other transactions could make as well. xmin has the lower 32 bits of txid_current().
const writtenBy1 = `xmin::text::bigint = $1::bigint & 4294967295`

// writeProven is write for a transaction that leaves a proof. If the outcome of the commit is unknown, it looks for
// the outcome. The error is nil if the proof was found.
func (s *Store) writeProven(ctx context.Context, do func(context.Context, session) (proof, error)) error {
	var p proof
	err := s.write(ctx, func(ctx context.Context, c session) error {
		var err error
		p, err = do(ctx, c)
		return err
	})
	var unavailable *UnavailableError
	if errors.As(err, &unavailable) && unavailable.Outcome == Unknown && p.transaction != 0 {
		return s.settle(ctx, p, unavailable)
	}
	return err
}

// settle finds the outcome of a transaction whose commit was not confirmed. Only the row itself proves that the
// transaction was committed: after a failover, its id may belong to another one. The error is nil if it was
// committed, and otherwise unavailable with the outcome.
func (s *Store) settle(ctx context.Context, p proof, unavailable *UnavailableError) error {
	outcome := *unavailable
	ctx, cancel := context.WithTimeout(ctx, settleWait)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		made, status, err := s.find(ctx, p)
		switch {
		case err == nil && made:
			return nil
		case err == nil && status == "aborted":
			outcome.Outcome = NothingWritten
			return &outcome
		}
		if !sleep(ctx, pause) {
			return &outcome
		}
	}
}

// find looks for the proof on the primary. made says that the row was found, and is confirmed. status is the
// txid_status() of the transaction.
func (s *Store) find(ctx context.Context, p proof) (made bool, status string, err error) {
	statement := `SELECT EXISTS (SELECT ` + p.row + `) AS made, COALESCE(txid_status($1::bigint), '') AS status,
		` + synchronous + ` AS synchronous`
	args := append([]any{p.transaction}, p.args...)
	primary := s.reads
	primary.replicas = nil
	var found []struct {
		Made, Synchronous bool
		Status            string
	}
	err = s.call(ctx, primary, Unknown, func(ctx context.Context, c session) error {
		err := c.query(ctx, "transaction.settle", &found, statement, args...)
		if err == nil && found[0].Made && found[0].Synchronous {
			return confirm(ctx, c)
		}
		return err
	})
	if err != nil {
		return false, "", err
	}
	return found[0].Made, found[0].Status, nil
}

// writtenBefore reports whether err says that the database may have what a call was to write. A film that has changed
// may have been changed by an earlier attempt of the same call.
func writtenBefore(err error) bool {
	var (
		rented     *AlreadyRentedError
		returned   *AlreadyReturnedError
		subscribed *AlreadySubscribedError
		cancelled  *AlreadyCancelledError
	)
	return errors.As(err, &rented) || errors.As(err, &returned) || errors.As(err, &subscribed) || errors.As(err, &cancelled) ||
		errors.Is(err, ErrFilmChanged)
}

// synchronous is an SQL expression that reports whether commits wait for a standby.
const synchronous = `current_setting('synchronous_standby_names') <> ''`

// confirmSQL commits a transaction that writes to the log if commits wait for a standby, so that this one waits too.
const confirmSQL = `SELECT CASE WHEN ` + synchronous + ` THEN pg_logical_emit_message(true, 'pagila-api', '') END`

// confirm ends a transaction that has written nothing, and makes sure that a failover does not undo what it has read.
// With synchronous replication, PostgreSQL also shows rows that no standby has: those of a transaction whose wait for
// the standby was canceled, for example because its connection was lost. A standby that has confirmed a later commit
// has them. The error is an *outcomeUnknownError if none has confirmed it in time.
func confirm(ctx context.Context, c session) error {
	err := commitBy(ctx, c, "transaction.confirm", func(ctx context.Context, conn *pgx.Conn) error {
		statement := confirmSQL
		if conn.PgConn().TxStatus() != 'I' {
			statement = "ROLLBACK; " + confirmSQL
		}
		_, err := conn.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol)
		return err
	})
	var lost *outcomeUnknownError
	if errors.As(err, &lost) && meaningOf(err) == away {
		return lost.err // another attempt is harmless, because nothing was written
	}
	return err
}
