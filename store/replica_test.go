package store_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// openReplicated opens a store on a cluster. Its URL of the primary names all servers, so that it finds a new one.
func openReplicated(t *testing.T, c *pgtest.Cluster, o store.Options) (*store.Store, *states) {
	t.Helper()
	states := &states{changed: make(chan store.ReplicaState, 1000)}
	o.OnReplica = func(s store.ReplicaState) { states.changed <- s }
	for _, n := range c.Replicas {
		o.Replicas = append(o.Replicas, pgtest.AsServer(t, n.URL))
	}
	s, err := store.Open(pgtest.AsServer(t, c.PrimaryURL(t)), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	states.want(t, true, len(c.Replicas))
	return s, states
}

// states receives the changes of the replicas' states.
type states struct{ changed chan store.ReplicaState }

// want waits until n replicas have changed to a state.
func (s *states) want(t *testing.T, inUse bool, n int) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	var last store.ReplicaState
	for n > 0 {
		select {
		case last = <-s.changed:
			if last.InUse == inUse {
				n--
			}
		case <-deadline:
			t.Fatalf("%d more replicas have to be in use: %t. The last change was %+v", n, inUse, last)
		}
	}
}

// readers counts the sessions on a server that have read an actor last, and after a time.
func readers(t *testing.T, n *pgtest.Node, after time.Time) int64 {
	t.Helper()
	return pgtest.ValueAt[int64](t, n.URL, `SELECT count(*) FROM pg_stat_activity
		WHERE application_name = 'pagila-api' AND query LIKE '%actor%' AND query_start > $1`, after)
}

// pauseReplay makes a replica receive the log without replaying it.
func pauseReplay(t *testing.T, n *pgtest.Node) {
	t.Helper()
	conn := pgtest.Connect(t, n.URL)
	pgtest.Exec(t, conn.Exec, `SELECT pg_wal_replay_pause()`)
	pgtest.WaitUntil(t, conn.QueryRow, `SELECT pg_get_wal_replay_pause_state() = 'paused'`)
}

func resumeReplay(t *testing.T, n *pgtest.Node) {
	t.Helper()
	pgtest.Exec(t, pgtest.Connect(t, n.URL).Exec, `SELECT pg_wal_replay_resume()`)
}

// TestReplicas has parts that share a cluster, because starting one takes seconds.
func TestReplicas(t *testing.T) {
	t.Parallel()
	c := pgtest.NewCluster(t, 2)
	// Only the last part is about the lag.
	s, _ := openReplicated(t, c, store.Options{ReplicaMaxLag: time.Hour})
	for _, part := range []struct {
		name string
		run  func(*testing.T, *pgtest.Cluster, *store.Store)
	}{
		{"serve reads", testReplicasServeReads},
		{"refused write", testBookmarkOfRefusedWrite},
		{"another timeline", testBookmarkOfAnotherTimeline},
		{"former primary", testFormerPrimary},
		{"conflicts", testReplicaConflicts},
		{"lag", testReplicaLag},
		{"own writes", testReadsOwnWrites},
		{"lost connections without a primary", testReplicaLostConnections},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, c, s) })
	}
}

// Reads go to the replicas in turn, and writes to the primary. bun's queries are distributed in the same way.
func testReplicasServeReads(t *testing.T, c *pgtest.Cluster, s *store.Store) {
	t.Helper()
	start := time.Now()
	wantReads(t, s, 10)
	if n := readers(t, c.Primary, start); n != 0 {
		t.Errorf("%d sessions have read on the primary", n)
	}
	for i, n := range c.Replicas {
		if readers(t, n, start) == 0 {
			t.Errorf("replica %d has served no read", i+1)
		}
	}
	var standby bool
	if err := store.Bun(s).NewSelect().ColumnExpr("pg_is_in_recovery()").Scan(t.Context(), &standby); err != nil || !standby {
		t.Errorf("bun's query was on a standby: %t, %v", standby, err)
	}
	if _, err := store.Bun(s).NewUpdate().Table("film").Set("streaming_available = streaming_available").Where("true").Exec(t.Context()); err != nil {
		t.Errorf("bun's update was not on the primary: %v", err)
	}
	copies := copiesInStock(t, pgtest.Connect(t, c.Primary.URL), 1)
	if _, err := s.CreateRental(t.Context(), store.NewRental{CustomerID: 1, InventoryID: copies[0], StaffID: 1}); err != nil {
		t.Error(err)
	}
}

// A client that wrote sees its write, even if the replay of every replica is paused. Other clients see the state of
// the replicas.
func testReadsOwnWrites(t *testing.T, c *pgtest.Cluster, s *store.Store) {
	t.Helper()
	for _, n := range c.Replicas {
		pauseReplay(t, n)
	}
	copies := copiesInStock(t, pgtest.Connect(t, c.Primary.URL), 1)
	var seen store.Bookmark
	mine := store.WithBookmark(t.Context(), &seen)
	r, err := s.CreateRental(mine, store.NewRental{CustomerID: 1, InventoryID: copies[0], StaffID: 1})
	if err != nil {
		t.Fatal(err)
	}
	if seen == (store.Bookmark{}) || seen == store.Newest {
		t.Fatalf("the bookmark after a write is %+v", seen)
	}
	var gone *store.NotFoundError
	if _, err := s.Rental(t.Context(), 1, r.RentalID); !errors.As(err, &gone) {
		t.Errorf("another client reads a paused replica: %v", err)
	}
	for range 4 {
		if _, err := s.Rental(mine, 1, r.RentalID); err != nil {
			t.Errorf("the client that wrote: %v", err)
		}
	}
	for _, n := range c.Replicas {
		resumeReplay(t, n)
		pgtest.WaitUntil(t, pgtest.Connect(t, n.URL).QueryRow, `SELECT pg_last_wal_replay_lsn() = pg_last_wal_receive_lsn()`)
	}
	c.Primary.Kill(t)
	if _, err := s.Rental(mine, 1, r.RentalID); err != nil {
		t.Errorf("the replicas have replayed the write: %v", err)
	}
}

// A replica that is further behind than the limit is left out until it has caught up.
func testReplicaLag(t *testing.T, c *pgtest.Cluster, _ *store.Store) {
	t.Helper()
	_, states := openReplicated(t, c, store.Options{ReplicaMaxLag: time.Second})
	pauseReplay(t, c.Replicas[0])
	pgtest.Exec(t, pgtest.Connect(t, c.Primary.URL).Exec, `UPDATE film SET length = length`)
	states.want(t, false, 1)
	resumeReplay(t, c.Replicas[0])
	states.want(t, true, 1)
}

// After a write whose outcome is not known, or that was refused, the client reads from the primary: it may have
// learned of what another transaction has just committed.
func testBookmarkOfRefusedWrite(t *testing.T, c *pgtest.Cluster, s *store.Store) {
	t.Helper()
	copies := copiesInStock(t, pgtest.Connect(t, c.Primary.URL), 1)
	n := store.NewRental{CustomerID: 1, InventoryID: copies[0], StaffID: 1}
	if _, err := s.CreateRental(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	var seen store.Bookmark
	var already *store.AlreadyRentedError
	if _, err := s.CreateRental(store.WithBookmark(t.Context(), &seen), n); !errors.As(err, &already) {
		t.Fatal(err)
	}
	if seen != store.Newest {
		t.Errorf("the bookmark is %+v", seen)
	}
}

// A bookmark of an earlier timeline can only be compared by the primary. One that not even the primary has reached
// was written by a primary that has replaced it.
func testBookmarkOfAnotherTimeline(t *testing.T, c *pgtest.Cluster, s *store.Store) {
	t.Helper()
	later := store.Bookmark{Timeline: 2, LSN: 1}
	var unavailable *store.UnavailableError
	if _, err := s.Actor(store.WithBookmark(t.Context(), &later), 1); !errors.As(err, &unavailable) || unavailable.Reason != store.ReadOnly {
		t.Errorf("a bookmark of a later timeline: %v", err)
	}
	for _, seen := range []store.Bookmark{{Timeline: 0, LSN: 1 << 60}, store.Newest} {
		start := time.Now()
		if _, err := s.Actor(store.WithBookmark(t.Context(), &seen), 1); err != nil {
			t.Error(err)
		}
		if readers(t, c.Primary, start) == 0 {
			t.Errorf("%+v was read on the replica", seen)
		}
	}
}

// After a failover behind an address, connections may still lead to the former primary, which is a standby now. A
// client that wrote to the new primary does not read from it.
func testFormerPrimary(t *testing.T, c *pgtest.Cluster, s *store.Store) {
	t.Helper()
	former := c.Replicas[0]
	pauseReplay(t, former)
	defer resumeReplay(t, former)
	copies := copiesInStock(t, pgtest.Connect(t, c.Primary.URL), 1)
	var seen store.Bookmark
	r, err := s.CreateRental(store.WithBookmark(t.Context(), &seen), store.NewRental{CustomerID: 1, InventoryID: copies[0], StaffID: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, mark := range []store.Bookmark{seen, store.Newest} {
		proxy := pgtest.NewProxy(t, former.URL)
		behind, err := store.Open(pgtest.AsServer(t, proxy.URL()), store.Options{Replicas: []string{noServer}})
		if err != nil {
			t.Fatal(err)
		}
		defer behind.Close()
		wantReads(t, behind, 8)
		if err := proxy.SetTarget(c.Primary.URL); err != nil {
			t.Fatal(err)
		}
		if _, err := behind.Rental(store.WithBookmark(t.Context(), &mark), 1, r.RentalID); err != nil {
			t.Errorf("%+v: %v", mark, err)
		}
	}
}

// noServer is the URL of a server that does not exist.
const noServer = "postgres://postgres@/postgres?host=/nowhere"

// A replica that cancels what it executes, or that ends its sessions, fails no read.
func testReplicaConflicts(t *testing.T, c *pgtest.Cluster, s *store.Store) {
	t.Helper()
	interruptReads(t, s, c.Replicas[0], `CASE WHEN random() < 0.5 THEN pg_cancel_backend(pid) ELSE pg_terminate_backend(pid) END`)
}

// If the connection to a replica is lost, another replica serves the read, even without a primary. testReadsOwnWrites
// has killed it.
func testReplicaLostConnections(t *testing.T, c *pgtest.Cluster, s *store.Store) {
	t.Helper()
	newest := store.Newest
	if _, err := s.Actor(store.WithBookmark(t.Context(), &newest), 1); err == nil {
		t.Fatal("there is a primary")
	}
	interruptReads(t, s, c.Replicas[0], `pg_terminate_backend(pid)`)
}

// interruptReads calls a function for the sessions on a replica while clients read, and fails if a read does.
func interruptReads(t *testing.T, s *store.Store, n *pgtest.Node, interrupt string) {
	t.Helper()
	replica := pgtest.Connect(t, n.URL)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					wantReads(t, s, 1)
				}
			}
		})
	}
	for range 50 {
		pgtest.Value[int](t, replica.QueryRow, `SELECT count(`+interrupt+`) FROM pg_stat_activity WHERE application_name = 'pagila-api'`)
	}
	close(stop)
	wg.Wait()
}

// Under load, replicas stop to replay, one is killed and comes back, and the primary is killed and a replica promoted.
// No read fails, no confirmed write is lost, and every client always reads its own writes.
func TestReplicasUnderLoad(t *testing.T) {
	t.Parallel()
	c := pgtest.NewCluster(t, 2)
	s, states := openReplicated(t, c, store.Options{ReplicaMaxLag: time.Second})
	load := startReplicaLoad(t, s, c)

	first := c.Replicas[0]
	load.wantProgress(t)
	pauseReplay(t, first)
	states.want(t, false, 1)
	load.wantProgress(t)
	resumeReplay(t, first)
	states.want(t, true, 1)
	first.Kill(t)
	states.want(t, false, 1)
	load.wantProgress(t)
	first.Restart(t)
	states.want(t, true, 1)
	load.wantProgress(t)
	c.Primary.Kill(t)
	c.Promote(t)
	load.wantProgress(t)
	load.finish(t, c.Primary)
}

// replicaLoad are clients that rent and return their own copies, and read what they have written.
type replicaLoad struct {
	stop        context.CancelFunc
	clients     sync.WaitGroup
	written     atomic.Int64
	unavailable atomic.Int64
	mu          sync.Mutex
	confirmed   map[int32]store.Rental
}

func startReplicaLoad(t *testing.T, s *store.Store, c *pgtest.Cluster) *replicaLoad {
	t.Helper()
	const clients = 6
	l := &replicaLoad{confirmed: map[int32]store.Rental{}}
	var ctx context.Context
	ctx, l.stop = context.WithCancel(t.Context())
	for i, copyID := range copiesInStock(t, pgtest.Connect(t, c.Primary.URL), clients) {
		l.clients.Go(func() {
			seen := store.Bookmark{}
			for ctx.Err() == nil {
				l.write(store.WithBookmark(t.Context(), &seen), t, s, int32(1+i), copyID)
			}
		})
		l.clients.Go(func() {
			for ctx.Err() == nil {
				if _, err := s.Actor(t.Context(), int32(1+i)); err != nil {
					t.Errorf("a read that may be a second old: %v", err)
				}
			}
		})
	}
	t.Cleanup(l.stop)
	return l
}

// write rents and returns a copy, and reads it after each write.
func (l *replicaLoad) write(ctx context.Context, t *testing.T, s *store.Store, customerID, copyID int32) {
	t.Helper()
	r, err := s.CreateRental(ctx, store.NewRental{CustomerID: customerID, InventoryID: copyID, StaffID: 1})
	var already *store.AlreadyRentedError
	if errors.As(err, &already) { // an attempt whose outcome was not known
		r, err = already.Rental, nil
	}
	if l.failed(t, err) {
		return
	}
	l.confirm(r)
	if read, err := s.Rental(ctx, customerID, r.RentalID); !l.failed(t, err) && read.ReturnDate != nil {
		t.Errorf("rental %d is returned before it was", r.RentalID)
	}
	returned, err := s.ReturnRental(ctx, customerID, r.RentalID)
	var before *store.AlreadyReturnedError
	for err != nil && !errors.As(err, &before) && l.failed(t, err) {
		returned, err = s.ReturnRental(ctx, customerID, r.RentalID)
	}
	if before != nil {
		returned = before.Rental
	}
	l.confirm(returned)
	if read, err := s.Rental(ctx, customerID, r.RentalID); !l.failed(t, err) && read.ReturnDate == nil {
		t.Errorf("rental %d is not returned after it was", r.RentalID)
	}
	l.written.Add(1)
}

// failed reports whether a call found the database unavailable. Any other error is a fault.
func (l *replicaLoad) failed(t *testing.T, err error) bool {
	t.Helper()
	var unavailable *store.UnavailableError
	if err == nil {
		return false
	}
	if !errors.As(err, &unavailable) {
		t.Error(err)
	}
	l.unavailable.Add(1)
	return true
}

func (l *replicaLoad) confirm(r store.Rental) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.confirmed[r.RentalID] = r
}

// wantProgress waits until the clients have written for a while.
func (l *replicaLoad) wantProgress(t *testing.T) {
	t.Helper()
	from, deadline := l.written.Load(), time.Now().Add(30*time.Second)
	for tick := time.NewTicker(5 * time.Millisecond); l.written.Load() < from+30; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%d writes in 30 s", l.written.Load()-from)
		}
	}
}

// finish stops the clients, and looks for what they were told in the primary.
func (l *replicaLoad) finish(t *testing.T, primary *pgtest.Node) {
	t.Helper()
	l.stop()
	l.clients.Wait()
	conn := pgtest.Connect(t, primary.URL)
	lost := 0
	for id, r := range l.confirmed {
		found := pgtest.Value[bool](t, conn.QueryRow, `SELECT EXISTS (SELECT FROM rental WHERE rental_id = $1 AND customer_id = $2
			AND inventory_id = $3 AND (return_date IS NOT NULL OR $4))`, id, r.CustomerID, r.InventoryID, r.ReturnDate == nil)
		if !found {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d confirmed rentals are lost", lost, len(l.confirmed))
	}
	t.Logf("%d rentals, %d responses that the database was unavailable", len(l.confirmed), l.unavailable.Load())
}

// Without its standby, a commit waits until it is canceled, and is then made on the primary alone. Whoever was told of a
// success could lose the write in a failover. A repeated call finds what was written, and confirms it first.
func TestUnreplicatedCommit(t *testing.T) {
	t.Parallel()
	whole, c := t, pgtest.NewCluster(t, 1)
	const cancelWaiting = `SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`
	for name, tt := range map[string]struct {
		replicas []string
		timeout  time.Duration // a second of it is for the search for the outcome
		cancel   bool
	}{
		"canceled":                       {timeout: time.Minute, cancel: true},
		"canceled, with a bookmark":      {timeout: time.Minute, cancel: true, replicas: []string{c.Primary.URL}},
		"canceled by the call's timeout": {timeout: 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			conn := pgtest.Connect(t, c.Primary.URL)
			s, err := store.Open(pgtest.AsServer(t, c.Primary.URL), store.Options{Timeout: tt.timeout, Replicas: tt.replicas})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			wantReads(t, s, 1)
			n := store.NewRental{CustomerID: 1, InventoryID: copiesInStock(t, conn, 1)[0], StaffID: 1}
			film, err := s.Film(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			rent := func(ctx context.Context) error {
				_, err := s.CreateRental(ctx, n)
				return err
			}
			update := func(ctx context.Context) error {
				_, err := s.UpdateFilm(ctx, 1, []string{film.Version}, store.FilmUpdate{StreamingAvailable: !film.StreamingAvailable})
				return err
			}
			c.Replicas[0].Kill(t)
			var already *store.AlreadyRentedError
			for _, write := range []func(context.Context) error{update, update, rent, rent} {
				done := make(chan struct{})
				go func() {
					defer close(done)
					err = write(store.WithBookmark(t.Context(), new(store.Bookmark)))
				}()
				for ended := false; !ended; {
					select {
					case <-done:
						ended = true
					case <-time.After(10 * time.Millisecond):
						if tt.cancel {
							pgtest.Value[int](t, conn.QueryRow, cancelWaiting)
						}
					}
				}
				var unavailable *store.UnavailableError
				if !errors.As(err, &unavailable) || unavailable.Outcome != store.Unknown {
					t.Errorf("got %v, want an unknown outcome", err)
				}
			}
			c.Replicas[0].Restart(whole) // it outlasts this part
			if err := rent(t.Context()); !errors.As(err, &already) {
				t.Errorf("with a standby: %v", err)
			}
			if err := update(t.Context()); !errors.Is(err, store.ErrFilmChanged) {
				t.Errorf("with a standby: %v", err)
			}
			rows := pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM rental WHERE inventory_id = $1 AND return_date IS NULL`, n.InventoryID)
			if rows != 1 {
				t.Errorf("the primary has %d rentals", rows)
			}
		})
	}
}

// A call succeeds if its connection is lost in the commit and a standby has the row.
func TestSettledUnderSynchronousReplication(t *testing.T) {
	t.Parallel()
	c := pgtest.NewCluster(t, 1)
	conn := pgtest.Connect(t, c.Primary.URL)
	copyID := copiesInStock(t, conn, 1)[0]
	for n, lost := 0, true; lost; n++ {
		l := newLoser(t, c.Primary.URL, n, func(client net.Conn) { client.Close() })
		s, err := store.Open(pgtest.AsServer(t, l.url), store.Options{Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.CreateRental(t.Context(), store.NewRental{CustomerID: 1, InventoryID: copyID, StaffID: 1}); err != nil {
			t.Errorf("lost before message %d: %v", n, err)
		}
		s.Close()
		lost = l.close()
		pgtest.Exec(t, conn.Exec, `UPDATE rental SET return_date = now() WHERE return_date IS NULL`)
	}
}
