package store

import (
	"context"
	"errors"
	"time"
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
	if errors.As(err, &unavailable) && unavailable.Outcome == Unknown {
		return s.settle(ctx, p, unavailable)
	}
	return err
}

// settle finds the outcome of a transaction whose commit was not confirmed. Only the row itself proves that the
// transaction was committed: after a failover, its id may belong to another one. The error is nil if it was
// committed, and otherwise unavailable with the outcome.
//
// With synchronous replication, the row does not prove that a standby has it: PostgreSQL also shows it after the wait for
// the standby was canceled. pgx cancels it when it loses the connection. The outcome remains unknown then.
func (s *Store) settle(ctx context.Context, p proof, unavailable *UnavailableError) error {
	outcome := *unavailable
	ctx, cancel := context.WithTimeout(ctx, settleWait)
	defer cancel()
	statement := `SELECT EXISTS (SELECT ` + p.row + `) AS made, COALESCE(txid_status($1::bigint), '') AS status,
		current_setting('synchronous_standby_names') <> '' AS synchronous`
	args := append([]any{p.transaction}, p.args...)
	primary := s.reads
	primary.replicas = nil
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		var found []struct {
			Made        bool
			Status      string
			Synchronous bool
		}
		err := s.readFrom(ctx, primary, "transaction.settle", &found, statement, args...)
		switch {
		case err == nil && found[0].Made && found[0].Synchronous:
			return &outcome
		case err == nil && found[0].Made:
			return nil
		case err == nil && found[0].Status == "aborted":
			outcome.Outcome = NothingWritten
			return &outcome
		}
		if !sleep(ctx, pause) {
			return &outcome
		}
	}
}
