package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"example.com/pagila-api/store/pgtest"
)

// openUnwatched opens a store with replicas that do not exist, and ends their watch.
func openUnwatched(t *testing.T, url string, replicas ...string) *Store {
	t.Helper()
	s, err := Open(url, Options{Replicas: replicas})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.replicas.stop()
	s.replicas.watched.Wait()
	for _, one := range s.replicas.all {
		one.state.Store(inUse)
	}
	return s
}

const nowhere = "postgres://postgres@/postgres?host=/nowhere"

// Replicas that accept no connection do not use up the attempts on the primary: a read that loses its connection is
// repeated.
func TestDeadReplicas(t *testing.T) {
	t.Parallel()
	s := openUnwatched(t, pgtest.AsServer(t, pgtest.New(t)), nowhere, nowhere, nowhere, nowhere, nowhere, nowhere)
	attempts := 0
	err := s.call(t.Context(), s.reads, NoWrite, func(context.Context, session) error {
		if attempts++; attempts == 1 {
			return errLost
		}
		return nil
	})
	if err != nil || attempts != 2 {
		t.Errorf("%d attempts on the primary: %v", attempts, err)
	}
}

// A busy replica remains in use, and so does one that ends a session. Only one that accepts no connection is left out
// before the watch has checked it.
func TestReplicaAfterFailure(t *testing.T) {
	t.Parallel()
	s := openUnwatched(t, nowhere, nowhere, nowhere)
	one := s.replicas.all[0]
	for name, tt := range map[string]struct {
		err          error
		tried        int
		wantReplicas bool
	}{
		"slow":              {err: errNoTurn},
		"behind":            {err: errBehind},
		"canceled":          {err: &pgconn.PgError{Code: "57014", SeverityUnlocalized: "ERROR"}},
		"disk full":         {err: &pgconn.PgError{Code: "53100", SeverityUnlocalized: "ERROR"}},
		"shut down":         {err: &pgconn.PgError{Code: "57P01", SeverityUnlocalized: "FATAL"}, wantReplicas: true},
		"a lost session":    {err: errLost, wantReplicas: true},
		"lost on the other": {err: errLost, tried: 1},
	} {
		if next := s.reads.after(one, tt.err, tt.tried); one.state.Load() != inUse || (next.replicas != nil) != tt.wantReplicas {
			t.Errorf("%s: the state is %d, and the next attempt on replicas: %t", name, one.state.Load(), next.replicas != nil)
		}
	}
	_, err := pgconn.Connect(t.Context(), nowhere)
	if next := s.reads.after(one, err, 1); one.state.Load() != leftOut || next.replicas == nil {
		t.Errorf("no connection: the state is %d, and the next attempt on replicas: %t", one.state.Load(), next.replicas != nil)
	}
}

// A replica that lacks something does not make the primary look for Pagila again.
func TestLearnFromReplica(t *testing.T) {
	t.Parallel()
	s := openUnwatched(t, nowhere, nowhere)
	known := &layout{}
	s.layout.Store(known)
	if s.learn(s.replicas.all[0].reads, unready); s.layout.Load() != known {
		t.Error("the layout is forgotten after an error on a replica")
	}
	if s.learn(s.reads, unready); s.layout.Load() != nil {
		t.Error("the layout is kept after an error on the primary")
	}
}

// Two replicas with the same host and port have names of their own.
func TestReplicaNames(t *testing.T) {
	t.Parallel()
	s := openUnwatched(t, nowhere, nowhere, nowhere, nowhere)
	if n := len(s.Pools()); n != 1+3 {
		t.Errorf("%d pools have names: %v", n, s.Pools())
	}
}

// The watch replaces the connections to a primary that has become a standby.
func TestStandbyAsPrimary(t *testing.T) {
	t.Parallel()
	c := pgtest.NewCluster(t, 1)
	s := openUnwatched(t, c.Replicas[0].URL, nowhere)
	s.replicas.primary.sessions.replaceAt.Store(0)
	before := time.Now().UnixNano()
	if _, err := s.replicas.primary.position(t.Context(), false); !errors.Is(err, errStandby) {
		t.Errorf("the position of a standby: %v", err)
	}
	if s.reads.sessions.replaceAt.Load() < before {
		t.Error("the connections to the standby are kept")
	}
}

// A replica has replayed everything when nobody has written since the primary began another file of its log.
func TestPositionAfterSwitch(t *testing.T) {
	t.Parallel()
	c := pgtest.NewCluster(t, 1)
	s := openUnwatched(t, c.Primary.URL, c.Replicas[0].URL)
	pgtest.Exec(t, pgtest.Connect(t, c.Primary.URL).Exec, `SELECT pg_switch_wal()`)
	newest, err := s.replicas.primary.position(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	var position mark
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); position.lsn < newest.lsn; <-tick.C {
		if position, err = s.replicas.all[0].watch.position(t.Context(), true); err != nil || time.Now().After(deadline) {
			t.Fatalf("the replica is at %d, and the primary was at %d: %v", position.lsn, newest.lsn, err)
		}
	}
}
