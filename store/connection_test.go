package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// fill makes the pool open all of its connections.
func fill(t *testing.T, s *store.Store, conn *pgx.Conn) {
	t.Helper()
	barrier, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := barrier.Exec(t.Context(), `LOCK TABLE film`); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for range 16 {
		wg.Go(func() {
			if _, err := s.Film(t.Context(), 1); err != nil {
				t.Error(err)
			}
		})
	}
	watcher, err := pgx.ConnectConfig(t.Context(), conn.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Close(t.Context())
	wantSession(t, watcher, `wait_event_type = 'Lock' GROUP BY datname HAVING count(*) = 16`)
	if err := barrier.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// wantReads makes n reads at once, and checks that all succeed. They need neither copies nor rentals.
func wantReads(t *testing.T, s *store.Store, n int) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if _, err := s.Actor(t.Context(), int32(1+i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// Neither reads nor rentals fail after the server has ended idle connections.
func TestTerminatedWhileIdle(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	conn := pgtest.Connect(t, address)
	s := open(t, address)
	for range 3 {
		fill(t, s, conn)
		if n := pgtest.Value[int](t, conn.QueryRow, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`); n < 16 {
			t.Fatalf("%d sessions were ended, want 16", n)
		}
		wantReads(t, s, 30)
	}
	fill(t, s, conn)
	pgtest.Value[int](t, conn.QueryRow, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	wantOneEach(t, s, conn, copiesInStock(t, conn, 4), 4)
}

// No call fails after the network has reset connections.
func TestReset(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	conn := pgtest.Connect(t, address)
	proxy := pgtest.NewProxy(t, address)
	s := open(t, proxy.URL())
	fill(t, s, conn)
	proxy.ResetAll()
	wantReads(t, s, 30)
	proxy.ResetAll()
	wantOneEach(t, s, conn, copiesInStock(t, conn, 4), 4)
	proxy.ResetAll()
	if status, err := s.Status(t.Context()); err != nil || len(status.Missing) > 0 {
		t.Errorf("status: %+v, %v", status, err)
	}
}

// failures counts the attempts of calls to get a connection that failed.
type failures struct{ n atomic.Int32 }

func (*failures) ConnectionWanted()                                              {}
func (*failures) StatementExecuted(context.Context, string, time.Duration, bool) {}

func (f *failures) ConnectionAcquired(_ context.Context, _ time.Duration, ok bool) {
	if !ok {
		f.n.Add(1)
	}
}

// Calls succeed although PostgreSQL restarts meanwhile. In a long outage they fail after five attempts each.
func TestOutage(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	conn := pgtest.Connect(t, address)
	proxy := pgtest.NewProxy(t, address)
	var failed failures
	s, err := store.Open(pgtest.AsServer(t, proxy.URL()), store.Options{Observer: &failed})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	wantReads(t, s, 4)
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	away := "postgres://" + nobody.Addr().String() + "/nothing"

	if err := proxy.SetTarget(away); err != nil {
		t.Fatal(err)
	}
	proxy.ResetAll()
	var calls sync.WaitGroup
	calls.Go(func() { wantReads(t, s, 2) })
	calls.Go(func() { wantOneEach(t, s, conn, copiesInStock(t, conn, 2), 1) })
	// With five attempts for each of the four calls there would be 20.
	for deadline := time.Now().Add(time.Minute); failed.n.Load() <= 20 && time.Now().Before(deadline); {
		<-time.After(time.Millisecond)
	}
	if err := proxy.SetTarget(address); err != nil {
		t.Fatal(err)
	}
	calls.Wait()

	if err := proxy.SetTarget(away); err != nil {
		t.Fatal(err)
	}
	proxy.ResetAll()
	var unavailable *store.UnavailableError
	if _, err := s.Actor(t.Context(), 1); !errors.As(err, &unavailable) || unavailable.Reason != store.Away {
		t.Errorf("at the beginning of the outage: %v", err)
	}
	before := failed.n.Load()
	if _, err := s.Actor(t.Context(), 1); !errors.As(err, &unavailable) || unavailable.Reason != store.Away {
		t.Errorf("later in the outage: %v", err)
	}
	if attempts := failed.n.Load() - before; attempts != 5 {
		t.Errorf("later in the outage a call makes %d attempts, want 5", attempts)
	}

	// Status notices an outage as well.
	if err := proxy.SetTarget(address); err != nil {
		t.Fatal(err)
	}
	wantReads(t, s, 1)
	if err := proxy.SetTarget(away); err != nil {
		t.Fatal(err)
	}
	proxy.ResetAll()
	for began := time.Now(); time.Since(began) < 3*time.Second; { // an outage is short for two
		if _, err := s.Status(t.Context()); err == nil {
			t.Fatal("the database has a status")
		}
	}
	before = failed.n.Load()
	if _, err := s.Actor(t.Context(), 1); !errors.As(err, &unavailable) || unavailable.Reason != store.Away {
		t.Errorf("in the outage that Status has noticed: %v", err)
	}
	if attempts := failed.n.Load() - before; attempts != 5 {
		t.Errorf("in the outage that Status has noticed a call makes %d attempts, want 5", attempts)
	}
}

// A server without free connections is no outage: each call makes five attempts.
func TestFullServer(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	conn := pgtest.Connect(t, address)
	database := pgtest.Value[string](t, conn.QueryRow, `SELECT quote_ident(current_database())`)
	pgtest.Exec(t, conn.Exec, `ALTER DATABASE `+database+` CONNECTION LIMIT 0`)
	var failed failures
	s, err := store.Open(pgtest.AsServer(t, address), store.Options{Observer: &failed})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	var refused *pgconn.PgError
	if _, err := s.Actor(t.Context(), 1); kind(err) != "away" || !errors.As(err, &refused) || refused.Code != "53300" {
		t.Errorf("got %v", err)
	}
	if n := failed.n.Load(); n != 5 {
		t.Errorf("the call made %d attempts, want 5", n)
	}
}

// Connections that a firewall has forgotten delay calls by about a second, once, and not until their
// deadline.
func TestFrozen(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	conn := pgtest.Connect(t, address)
	proxy := pgtest.NewProxy(t, address)
	// A call that waits until its deadline fails the test.
	s, err := store.Open(pgtest.AsServer(t, proxy.URL()), store.Options{Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	fill(t, s, conn)
	proxy.Freeze()
	// Connections are pinged only after they have been idle for a second.
	<-time.After(1100 * time.Millisecond)
	wantReads(t, s, 30)
	if left := proxy.Len(); left > 40 {
		t.Errorf("%d connections, want the frozen ones replaced", left)
	}
}

// DDL in another session invalidates plans that the sessions keep. Nothing was executed then, so the calls
// are repeated and succeed.
func TestDDLUnderTraffic(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	conn := pgtest.Connect(t, address)
	s := open(t, address)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var calls atomic.Int64
	for i := range 6 {
		wg.Go(func() {
			for ctx.Err() == nil {
				calls.Add(1)
				wantEachCall(t, s, int32(1+i))
			}
		})
	}
	// PostgreSQL does not alter a column that a view uses.
	pgtest.Exec(t, conn.Exec, `SET deadlock_timeout = '10s'; DO $$ DECLARE view regclass; BEGIN
		FOR view IN SELECT oid FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace LOOP
			IF to_regclass(view::text) IS NOT NULL THEN
				EXECUTE format('DROP %s VIEW %s CASCADE', CASE WHEN (SELECT relkind FROM pg_class WHERE oid = view) = 'm' THEN 'MATERIALIZED' END, view);
			END IF;
		END LOOP; END $$`)
	for range 10 {
		for _, change := range []string{
			`ALTER TABLE film ALTER rental_duration TYPE integer`,
			`ALTER TABLE film ALTER length TYPE bigint`,
			`ALTER TABLE rental ALTER return_date DROP DEFAULT`,
			`CREATE INDEX extra ON film (length)`,
			`DROP INDEX extra`,
			`ALTER TABLE actor ALTER last_name TYPE varchar(100)`,
			`ALTER TABLE actor ALTER last_name TYPE text`,
			`ALTER TABLE film ALTER length TYPE smallint`,
			`ALTER TABLE film ALTER rental_duration TYPE smallint`,
		} {
			pgtest.Exec(t, conn.Exec, change)
		}
	}
	stop()
	wg.Wait()
	if calls.Load() == 0 {
		t.Error("no call was made")
	}
}

// wantEachCall makes each kind of call. Each must succeed, except for a rental that finds the copy taken, or a write
// that others keep waiting.
func wantEachCall(t *testing.T, s *store.Store, filmID int32) {
	t.Helper()
	if _, err := s.Film(t.Context(), filmID); err != nil {
		t.Error(err)
	}
	if _, err := s.Films(t.Context(), store.FilmQuery{Categories: []string{"horror"}, Paging: store.Paging{Page: 1, PageSize: 5}}); err != nil {
		t.Error(err)
	}
	if _, err := s.Copies(t.Context(), filmID); err != nil {
		t.Error(err)
	}
	if _, err := s.Actors(t.Context(), store.ActorQuery{Page: 1, PageSize: 5, Name: "guin"}); err != nil {
		t.Error(err)
	}
	if _, err := s.Rental(t.Context(), 1, 76); err != nil && !strings.Contains(err.Error(), "no rental") {
		t.Error(err)
	}
	if _, err := s.Rentals(t.Context(), store.RentalQuery{FilmID: filmID, Paging: store.Paging{Order: "due_date", PageSize: 5}}); err != nil {
		t.Error(err)
	}
	for _, n := range []store.NewRental{{CustomerID: 1, InventoryID: 1, StaffID: 1}, {CustomerID: 2, FilmID: filmID, StoreID: 2, StaffID: 1}} {
		r, err := s.CreateRental(t.Context(), n)
		var already *store.AlreadyRentedError
		if err != nil && !errors.Is(err, store.ErrInventoryNotAvailable) && !errors.As(err, &already) && kind(err) != "busy" {
			t.Error(err)
		}
		if err != nil {
			continue
		}
		var returned *store.AlreadyReturnedError
		if _, err := s.ReturnRental(t.Context(), r.CustomerID, r.RentalID); err != nil && !errors.As(err, &returned) && kind(err) != "busy" {
			t.Error(err)
		}
	}
}

// A rental of a copy that another session holds is refused after a while. Meanwhile other copies can be
// rented, films can be read, and the status is good.
func TestLockedCopy(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	conn := pgtest.Connect(t, address)
	s := open(t, address)
	copies := copiesInStock(t, conn, 8)
	locked, free := copies[:3], copies[3:]
	holder := pgtest.Connect(t, address)
	pgtest.Exec(t, holder.Exec, `BEGIN`)
	for _, id := range locked {
		if _, err := holder.Exec(t.Context(), `SELECT FROM inventory WHERE inventory_id = $1 FOR UPDATE`, id); err != nil {
			t.Fatal(err)
		}
	}
	before := pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM rental`)
	var wg sync.WaitGroup
	started := make(chan struct{}, 60)
	for i := range 60 {
		wg.Go(func() {
			started <- struct{}{}
			_, err := s.CreateRental(t.Context(), store.NewRental{CustomerID: 1, InventoryID: locked[i%3], StaffID: 1})
			var unavailable *store.UnavailableError
			if !errors.As(err, &unavailable) || unavailable.Reason != store.Busy || unavailable.Outcome != store.NothingWritten {
				t.Errorf("a locked copy: %v", err)
			}
		})
	}
	for range 60 {
		<-started
	}
	wantReads(t, s, 20)
	for _, id := range free {
		if _, err := s.CreateRental(t.Context(), store.NewRental{CustomerID: 1, InventoryID: id, StaffID: 1}); err != nil {
			t.Errorf("another copy: %v", err)
		}
	}
	if status, err := s.Status(t.Context()); err != nil || len(status.Missing) > 0 {
		t.Errorf("status: %+v, %v", status, err)
	}
	wg.Wait()
	pgtest.Exec(t, holder.Exec, `ROLLBACK`)
	if after := pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM rental`); after != before+len(free) {
		t.Errorf("%d rentals were written, want %d", after-before, len(free))
	}
	wantOneEach(t, s, conn, locked, 3)
}

// Rentals that wait for a locked table take at most seven eighths of the connections, and fail within seconds.
func TestLockedTable(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	conn := pgtest.Connect(t, address)
	s := open(t, address)
	copies := copiesInStock(t, conn, 40)
	holder := pgtest.Connect(t, address)
	pgtest.Exec(t, holder.Exec, `BEGIN; LOCK TABLE rental IN EXCLUSIVE MODE`)
	var wg sync.WaitGroup
	for _, id := range copies {
		wg.Go(func() {
			_, err := s.CreateRental(t.Context(), store.NewRental{CustomerID: 1, InventoryID: id, StaffID: 1})
			var unavailable *store.UnavailableError
			if !errors.As(err, &unavailable) || unavailable.Reason != store.Busy {
				t.Errorf("got %v", err)
			}
		})
	}
	wantWaiting(t, conn)
	wantReads(t, s, 20)
	if status, err := s.Status(t.Context()); err != nil || len(status.Missing) > 0 {
		t.Errorf("status: %+v, %v", status, err)
	}
	wg.Wait()
}

// A table that DDL has locked affects neither readiness nor reads of other tables.
func TestLockedCustomers(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	s := open(t, address)
	holder := pgtest.Connect(t, address)
	pgtest.Exec(t, holder.Exec, `BEGIN; LOCK TABLE customer, rental IN ACCESS EXCLUSIVE MODE`)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			if _, err := s.Rental(t.Context(), 1, 76); kind(err) != "busy" {
				t.Errorf("rental 76: %v", err)
			}
		})
	}
	wantWaiting(t, pgtest.Connect(t, address))
	if status, err := s.Status(t.Context()); err != nil || len(status.Missing) > 0 {
		t.Errorf("status: %+v, %v", status, err)
	}
	wantReads(t, s, 20)
	wg.Wait()
}

// Even the first status needs no connection of the calls' pool.
func TestStatusBesideFullPool(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	s := open(t, address)
	var held []*sql.Conn
	for range 16 {
		conn, err := s.DB().Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
	}
	status, err := s.Status(t.Context())
	if err != nil || len(status.Missing) > 0 || status.Dataset == store.DatasetOther {
		t.Errorf("status: %+v, %v", status, err)
	}
	for _, conn := range held {
		conn.Close()
	}
}

// A distant database becomes ready, even if connecting takes longer than a caller of Status waits.
func TestFarAway(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, pgtest.New(t))
	proxy.SetDelay(120 * time.Millisecond)
	s := open(t, proxy.URL())
	status, err := s.Status(t.Context())
	for deadline := time.Now().Add(20 * time.Second); err != nil && time.Now().Before(deadline); {
		status, err = s.Status(t.Context())
	}
	if err != nil || len(status.Missing) > 0 {
		t.Errorf("status: %+v, %v", status, err)
	}
}

// A login that the server refuses is not repeated, so that no account gets locked. It is repeated if the
// server has no free connection or is still starting.
func TestRefusedLogin(t *testing.T) {
	t.Parallel()
	for code, several := range map[string]bool{
		"28P01": false, // wrong password
		"28000": false, // pg_hba.conf
		"3D000": false, // no such database
		"42501": false, // no privilege CONNECT
		"22023": false, // an unknown setting in the URL
		"42704": false,
		"55000": false, // a database that accepts no connections
		"57P03": true,  // starting up
		"XX000": true,  // a defect in the server
		"53300": true,  // too many connections
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			address, attempts := refuseLogins(t, code)
			s := open(t, "postgres://nobody@"+address+"/pagila?sslmode=disable")
			if _, err := s.Film(t.Context(), 1); kind(err) != "away" {
				t.Errorf("got %v", err)
			}
			if n := attempts.Load(); n > 1 != several {
				t.Errorf("%d attempts to log in, want several: %t", n, several)
			}
		})
	}
}

// refuseLogins starts a server that refuses each connection with a SQLSTATE, and counts the connections.
func refuseLogins(t *testing.T, code string) (address string, attempts *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	attempts = new(atomic.Int64)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			attempts.Add(1)
			backend := pgproto3.NewBackend(conn, conn)
			if _, err := backend.ReceiveStartupMessage(); err == nil {
				backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: code, Message: "no"})
				backend.Flush()
			}
			conn.Close()
		}
	}()
	return listener.Addr().String(), attempts
}

// The columns active and activebool decide whether a customer or a member of staff may take part in a rental.
func TestInactive(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	conn := pgtest.Connect(t, address)
	s := open(t, address)
	copies := copiesInStock(t, conn, 5)
	for i, tt := range []struct {
		change string
		want   error
	}{
		{`UPDATE customer SET active = 0, activebool = true WHERE customer_id = 1`, store.ErrCustomerInactive},
		{`UPDATE customer SET active = 1, activebool = false WHERE customer_id = 1`, store.ErrCustomerInactive},
		{`UPDATE customer SET active = NULL, activebool = false WHERE customer_id = 1`, store.ErrCustomerInactive},
		{`UPDATE customer SET active = NULL, activebool = true WHERE customer_id = 1`, nil},
		{`UPDATE staff SET active = false WHERE staff_id = 1; UPDATE customer SET active = 1, activebool = true WHERE customer_id = 1`, store.ErrStaffInactive},
	} {
		pgtest.Exec(t, conn.Exec, tt.change)
		if _, err := s.CreateRental(t.Context(), store.NewRental{CustomerID: 1, InventoryID: copies[i], StaffID: 1}); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.change, err, tt.want)
		}
	}
}

// rentalWrite is a call that writes a rental.
type rentalWrite struct {
	event   string // for a trigger
	prepare string // returns the id that the call is about
	call    func(ctx context.Context, s *store.Store, id int32) (store.Rental, error)
	written string // counts what was written about the id
}

var rentalWrites = map[string]rentalWrite{
	"rent a copy": {
		`INSERT`, `SELECT max(inventory_id) FROM inventory i WHERE NOT EXISTS (SELECT FROM rental r WHERE r.inventory_id = i.inventory_id AND return_date IS NULL)`,
		func(ctx context.Context, s *store.Store, id int32) (store.Rental, error) {
			return s.CreateRental(ctx, store.NewRental{CustomerID: 1, InventoryID: id, StaffID: 1})
		},
		`SELECT count(*) FROM rental WHERE inventory_id = $1 AND return_date IS NULL`,
	},
	"rent a film": {
		`INSERT`, `WITH f AS (INSERT INTO film (film_id, title, language_id) VALUES (1000001, 'NEW', 1) RETURNING film_id)
			INSERT INTO inventory (film_id, store_id) SELECT film_id, 1 FROM f RETURNING film_id`,
		func(ctx context.Context, s *store.Store, id int32) (store.Rental, error) {
			return s.CreateRental(ctx, store.NewRental{CustomerID: 1, FilmID: id, StoreID: 1, StaffID: 1})
		},
		`SELECT count(*) FROM rental JOIN inventory USING (inventory_id) WHERE film_id = $1`,
	},
	"return": {
		`UPDATE`, `INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id) VALUES (now() - interval '1 day', 1, 1, 1) RETURNING rental_id`,
		func(ctx context.Context, s *store.Store, id int32) (store.Rental, error) {
			return s.ReturnRental(ctx, 1, id)
		},
		`SELECT count(*) FROM rental WHERE rental_id = $1 AND return_date IS NOT NULL`,
	},
}

// A rule that the database's owner has added may refuse a write. That is not a fault, and is not repeated.
func TestRefused(t *testing.T) {
	t.Parallel()
	for call, w := range rentalWrites {
		for name, rule := range map[string]string{
			"check":      `ALTER TABLE rental ADD CONSTRAINT limited CHECK (staff_id <> 1) NOT VALID`,
			"trigger":    `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no more than three'; END $$; CREATE TRIGGER no BEFORE ` + w.event + ` ON rental FOR EACH ROW EXECUTE FUNCTION no()`,
			"suppressed": `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; CREATE TRIGGER no BEFORE ` + w.event + ` ON rental FOR EACH ROW EXECUTE FUNCTION no()`,
			"at commit":  `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no more than three'; END $$; CREATE CONSTRAINT TRIGGER no AFTER ` + w.event + ` ON rental DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION no()`,
		} {
			t.Run(call+", "+name, func(t *testing.T) {
				t.Parallel()
				address := pgtest.New(t)
				conn := pgtest.Connect(t, address)
				id := pgtest.Value[int32](t, conn.QueryRow, w.prepare)
				pgtest.Exec(t, conn.Exec, rule)
				_, err := w.call(t.Context(), open(t, address), id)
				var refused *store.RefusedError
				if !errors.As(err, &refused) {
					t.Errorf("got %v", err)
				}
				if n := pgtest.Value[int](t, conn.QueryRow, w.written, id); n != 0 {
					t.Errorf("it was written %d times", n)
				}
			})
		}
	}
}

// If a connection is lost while the server commits, the outcome is open. The store finds the outcome, or says
// that it is unknown. After that, the call can be repeated: what was written is not written again.
func TestLostCommit(t *testing.T) {
	t.Parallel()
	for call, w := range rentalWrites {
		for name, tt := range map[string]struct {
			trigger string // runs at the commit
			forward bool   // whether the server gets the commit
			outcome store.Outcome
			made    bool
		}{
			"the server got it":         {``, true, store.NoWrite, true},
			"the server did not get it": {``, false, store.NothingWritten, false},
			"the session is terminated": {`PERFORM pg_terminate_backend(pg_backend_pid())`, true, store.NothingWritten, false},
			// The statement timeout must not end it before the test does.
			"still unknown in time": {`LOOP BEGIN PERFORM pg_sleep(60); EXIT; EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP`, true, store.Unknown, false},
		} {
			t.Run(call+", "+name, func(t *testing.T) {
				t.Parallel()
				address := pgtest.New(t)
				conn := pgtest.Connect(t, address)
				id := pgtest.Value[int32](t, conn.QueryRow, w.prepare)
				if tt.trigger != "" {
					pgtest.Exec(t, conn.Exec, `CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN `+tt.trigger+`; RETURN NULL; END $$;
						CREATE CONSTRAINT TRIGGER late AFTER `+w.event+` ON rental DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late()`)
				}
				s := open(t, cutAtCommit(t, address, tt.forward))
				r, err := w.call(t.Context(), s, id)
				var unavailable *store.UnavailableError
				want := 0
				switch {
				case tt.made && err != nil, !tt.made && (!errors.As(err, &unavailable) || unavailable.Outcome != tt.outcome):
					t.Errorf("got %+v, %v", r, err)
				case tt.made:
					want = 1
					wantRental(t, s, conn, r)
					wantKnown(t, r, func() error { _, err := w.call(t.Context(), s, id); return err }())
				}
				if n := pgtest.Value[int](t, conn.QueryRow, w.written, id); n != want {
					t.Errorf("it was written %d times, want %d", n, want)
				}
			})
		}
	}
}

// wantKnown checks that an error says that the rental was written before.
func wantKnown(t *testing.T, r store.Rental, err error) {
	t.Helper()
	var (
		rented   *store.AlreadyRentedError
		returned *store.AlreadyReturnedError
	)
	switch {
	case errors.As(err, &rented) && reflect.DeepEqual(rented.Rental, r), errors.As(err, &returned) && reflect.DeepEqual(returned.Rental, r):
	default:
		t.Errorf("the repeated call: %v, want rental %d", err, r.RentalID)
	}
}

// cutAtCommit returns the URL of a proxy in front of a database. The proxy resets the first connection on
// which a client commits, with or without telling the server.
func cutAtCommit(t *testing.T, address string, forward bool) string {
	t.Helper()
	config, err := pgx.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cutter := &commitCutter{t: t, forward: forward}
	cutter.network, cutter.address = pgconn.NetworkAddress(config.Host, config.Port)
	t.Cleanup(cutter.wg.Wait)
	t.Cleanup(func() { listener.Close() })
	cutter.wg.Go(func() { cutter.accept(listener) })
	return "postgres://postgres@" + listener.Addr().String() + "/" + config.Database + "?sslmode=disable"
}

// commitCutter is the proxy of cutAtCommit.
type commitCutter struct {
	t                *testing.T
	network, address string // of the server
	forward          bool
	wg               sync.WaitGroup
	cut              atomic.Bool
}

func (c *commitCutter) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial(c.network, c.address)
		if err != nil {
			c.t.Error(err)
			return
		}
		c.t.Cleanup(func() { server.Close() })
		// The struct hides ReadFrom: it would keep the client's connection open while the server is silent.
		c.wg.Go(func() { io.Copy(struct{ io.Writer }{client}, server); client.Close() })
		c.wg.Go(func() { c.send(client, server) })
	}
}

// cancelRequest begins a request to cancel a statement (PostgreSQL manual, "Message Formats").
var cancelRequest = []byte{0, 0, 0, 16, 4, 210, 22, 46}

// send forwards what the client sends. Requests to cancel are dropped: pgx sends one when it has lost a
// connection, and it could reach the server before the commit does.
func (c *commitCutter) send(client, server net.Conn) {
	defer server.Close()
	defer client.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if err != nil || bytes.HasPrefix(buffer[:n], cancelRequest) {
			return
		}
		if bytes.Contains(buffer[:n], []byte("COMMIT\x00")) && c.cut.CompareAndSwap(false, true) {
			c.reset(client, server, buffer[:n])
			return
		}
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// reset resets the client's connection. If the server gets the commit, it may take until the end of the test.
func (c *commitCutter) reset(client, server net.Conn, commit []byte) {
	client.(*net.TCPConn).SetLinger(0)
	client.Close()
	if c.forward {
		server.Write(commit)
		<-c.t.Context().Done()
	}
}

// After a failover the address leads to another server. Connections to the standby are replaced. Until then,
// the calls say that the database is read-only.
func TestFailover(t *testing.T) {
	t.Parallel()
	cluster := pgtest.NewCluster(t, 1)
	primary, standby := cluster.Primary.URL, cluster.Replicas[0].URL
	proxy := pgtest.NewProxy(t, standby)
	s := open(t, proxy.URL())
	conn := pgtest.Connect(t, primary)
	copies := copiesInStock(t, conn, 3)
	wantReads(t, s, 10)
	for _, id := range copies {
		_, err := s.CreateRental(t.Context(), store.NewRental{CustomerID: 1, InventoryID: id, StaffID: 1})
		var unavailable *store.UnavailableError
		if !errors.As(err, &unavailable) || unavailable.Reason != store.ReadOnly || unavailable.Outcome != store.NothingWritten {
			t.Errorf("on the standby: %v", err)
		}
	}
	if status, err := s.Status(t.Context()); err != nil || len(status.Missing) != 1 || !strings.Contains(status.Missing[0], "standby") {
		t.Errorf("status on the standby: %+v, %v", status, err)
	}
	if err := proxy.SetTarget(primary); err != nil {
		t.Fatal(err)
	}
	wantOneEach(t, s, conn, copies, 3)
	status, err := s.Status(t.Context())
	for deadline := time.Now().Add(20 * time.Second); err == nil && len(status.Missing) > 0 && time.Now().Before(deadline); {
		status, err = s.Status(t.Context())
	}
	if err != nil || len(status.Missing) > 0 {
		t.Errorf("status on the primary: %+v, %v", status, err)
	}
}
