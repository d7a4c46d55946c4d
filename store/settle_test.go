package store

import (
	"errors"
	"testing"

	"example.com/pagila-api/store/pgtest"
)

// The proof of a change that any client could make is the row that the transaction wrote, not the same row written
// by another.
func TestProofIsOwnRow(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	conn := pgtest.Connect(t, address)
	s, err := Open(pgtest.AsServer(t, address), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	const change = `UPDATE film SET streaming_available = true WHERE film_id = 1 RETURNING txid_current()`
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lost := pgtest.Value[int64](t, tx.QueryRow, change)
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	written := pgtest.Value[int64](t, conn.QueryRow, change)
	for transaction, want := range map[int64]bool{lost: false, written: true} {
		p := proof{transaction, filmUpdated, []any{1}}
		err := s.settle(t.Context(), p, &UnavailableError{Outcome: Unknown})
		var unavailable *UnavailableError
		if want && err != nil || !want && (!errors.As(err, &unavailable) || unavailable.Outcome != NothingWritten) {
			t.Errorf("transaction %d: %v", transaction, err)
		}
	}
}
