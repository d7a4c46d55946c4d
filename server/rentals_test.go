package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/server"
	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// Of many concurrent requests for one copy, one succeeds.
func TestRentalStorm(t *testing.T) {
	t.Parallel()
	const requests = 200
	url := pgtest.New(t)
	a := startOn(t, url)
	a.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = requests
	copyID := inStock(t, a)
	// Different customers and members of staff, so that the requests conflict only in the copy.
	customers := make([]int32, 0, requests)
	if err := a.db.NewRaw(`SELECT customer_id FROM customer WHERE active = 1 ORDER BY customer_id LIMIT ?`, requests).Scan(t.Context(), &customers); err != nil {
		t.Fatal(err)
	}
	before := one[int](t, a, `SELECT count(*) FROM rental`)

	// No rental can be written until one request has the copy. Otherwise the first would finish before the
	// second begins, and the requests would not compete. The others wait for the copy outside of the database.
	connect := func() *pgx.Conn {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(context.Background()) })
		return conn
	}
	// The watcher is another session, since a transaction keeps seeing the sessions that it saw first.
	barrier, watcher := connect(), connect()
	if _, err := barrier.Exec(t.Context(), `BEGIN; LOCK TABLE rental IN EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}

	var wg sync.WaitGroup
	responses := make([]*received, requests)
	gate := make(chan struct{})
	for i := range requests {
		wg.Go(func() {
			<-gate
			for deadline := time.Now().Add(time.Minute); responses[i].isBusy() && time.Now().Before(deadline); {
				responses[i] = a.post(t, fmt.Sprintf("/customers/%d/rentals", customers[i%len(customers)]),
					fmt.Sprintf(`{"inventory_id": %d, "staff_id": %d}`, copyID, 1+i%2))
			}
		})
	}
	close(gate)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		var waiting int
		if err := watcher.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
		if waiting > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no request waits")
		}
	}
	if _, err := barrier.Exec(t.Context(), `COMMIT`); err != nil {
		t.Fatal(err)
	}
	wg.Wait()

	created := 0
	for _, response := range responses {
		if response == nil {
			continue // the request has failed, and with it the test
		}
		if response.status == http.StatusCreated {
			created++
			continue
		}
		response.wantProblem(t, 409, "inventory_not_available")
	}
	if created != 1 {
		t.Errorf("%d of %d requests succeeded, want 1", created, requests)
	}
	if after := one[int](t, a, `SELECT count(*) FROM rental`); after != before+1 {
		t.Errorf("%d rentals were written, want 1", after-before)
	}
	if open := one[int](t, a, `SELECT count(*) FROM rental WHERE inventory_id = ? AND return_date IS NULL`, copyID); open != 1 {
		t.Errorf("the copy has %d open rentals", open)
	}
}

// Many concurrent requests for many copies: each requested copy is rented exactly once.
func TestRentalStormManyCopies(t *testing.T) {
	t.Parallel()
	const copies, each = 20, 10
	a := start(t)
	var ids []int32
	if err := a.db.NewRaw(`SELECT inventory_id FROM inventory WHERE NOT EXISTS (
		SELECT FROM rental WHERE rental.inventory_id = inventory.inventory_id AND return_date IS NULL)
		ORDER BY inventory_id LIMIT ?`, copies).Scan(t.Context(), &ids); err != nil {
		t.Fatal(err)
	}
	customer := one[int32](t, a, `SELECT min(customer_id) FROM customer WHERE active = 1`)
	var wg sync.WaitGroup
	for i := range copies * each {
		wg.Go(func() {
			response := a.post(t, fmt.Sprintf("/customers/%d/rentals", customer), fmt.Sprintf(`{"inventory_id": %d, "staff_id": 1}`, ids[i%copies]))
			if response.status != http.StatusCreated && response.status != http.StatusConflict {
				t.Errorf("status %d: %s", response.status, response.body)
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		if open := one[int](t, a, `SELECT count(*) FROM rental WHERE inventory_id = ? AND return_date IS NULL`, id); open != 1 {
			t.Errorf("copy %d has %d open rentals, want 1", id, open)
		}
	}
}

func TestRentalConflicts(t *testing.T) {
	t.Parallel()
	a := start(t)
	body := fmt.Sprintf(`{"inventory_id": %d, "staff_id": 1}`, inStock(t, a))

	// activebool is true for all customers, so active counts.
	inactive := one[int32](t, a, `UPDATE customer SET active = 0, activebool = true WHERE customer_id = (SELECT max(customer_id) FROM customer) RETURNING customer_id`)
	a.post(t, fmt.Sprintf("/customers/%d/rentals", inactive), body).wantProblem(t, 409, "customer_inactive")

	active := one[int32](t, a, `SELECT min(customer_id) FROM customer WHERE active = 1`)
	path := fmt.Sprintf("/customers/%d/rentals", active)
	rental := decode[gen.Rental](t, a.post(t, path, body).want(t, 201))
	if again := a.post(t, path, body).wantProblem(t, 409, "already_rented_by_customer"); again.Rental.RentalID != rental.RentalID {
		t.Errorf("the problem has the rental %+v", again.Rental)
	}
	another := one[int32](t, a, `SELECT max(customer_id) FROM customer WHERE active = 1`)
	a.post(t, fmt.Sprintf("/customers/%d/rentals", another), body).wantProblem(t, 409, "inventory_not_available")

	// Once it is returned, it can be rented again.
	a.exec(t, `UPDATE rental SET return_date = now() WHERE rental_id = ?`, rental.RentalID)
	a.post(t, path, body).want(t, 201)
}

// A rental is found only under its own customer.
func TestRentalOfAnother(t *testing.T) {
	t.Parallel()
	a := start(t)
	id := one[int32](t, a, `SELECT min(rental_id) FROM rental WHERE return_date IS NOT NULL`)
	owner := one[int32](t, a, `SELECT customer_id FROM rental WHERE rental_id = ?`, id)
	path := "/customers/%d/rentals/%d"
	rental := decode[gen.Rental](t, a.get(t, fmt.Sprintf(path, owner, id), "Authorization", "Bearer "+token).want(t, 200))
	if rental.ReturnDate == nil || rental.RentalID != id {
		t.Errorf("got %+v", rental)
	}
	a.get(t, fmt.Sprintf(path, owner+1, id), "Authorization", "Bearer "+token).wantProblem(t, 404, "rental_not_found")
}

func inStock(t *testing.T, a *testAPI) int32 {
	t.Helper()
	return one[int32](t, a, `SELECT min(inventory_id) FROM inventory WHERE NOT EXISTS (
		SELECT FROM rental WHERE rental.inventory_id = inventory.inventory_id AND return_date IS NULL)`)
}

// A rental of a copy or by a customer that another session has locked fails for the moment. Others succeed.
func TestRentalOfLockedCopy(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	a := startOn(t, url)
	copyID := inStock(t, a)
	holder := pgtest.Connect(t, url)
	before := one[int](t, a, `SELECT count(*) FROM rental`)
	for lock, busy := range map[string]string{
		fmt.Sprintf(`SELECT FROM inventory WHERE inventory_id = %d FOR UPDATE`, copyID): fmt.Sprintf(`{"inventory_id": %d, "staff_id": 1}`, copyID),
		`UPDATE customer SET active = 1 WHERE customer_id = 1`:                          fmt.Sprintf(`{"inventory_id": %d, "staff_id": 2}`, copyID),
	} {
		pgtest.Exec(t, holder.Exec, `BEGIN; `+lock)
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				response := a.post(t, "/customers/1/rentals", busy)
				if p := response.wantProblem(t, 503, "database_busy"); !strings.Contains(p.Detail, "Nothing was written.") || response.header.Get("Retry-After") == "" {
					t.Errorf("Retry-After is %q, the detail %q", response.header.Get("Retry-After"), p.Detail)
				}
			})
		}
		for range 10 {
			a.get(t, "/films?category=music").want(t, 200)
			a.get(t, "/readyz").want(t, 200)
		}
		wg.Wait()
		pgtest.Exec(t, holder.Exec, `ROLLBACK`)
	}
	if after := one[int](t, a, `SELECT count(*) FROM rental`); after != before {
		t.Errorf("%d rentals were written", after-before)
	}
	a.post(t, "/customers/1/rentals", fmt.Sprintf(`{"inventory_id": %d, "staff_id": 1}`, copyID)).want(t, 201)
}

// Each reason to reject a rental, and each outcome of a failed one, has its own code.
func TestRentalRejected(t *testing.T) {
	t.Parallel()
	a := start(t)
	body := fmt.Sprintf(`{"inventory_id": %d, "staff_id": 1}`, inStock(t, a))
	a.exec(t, `UPDATE staff SET active = false WHERE staff_id = 1`)
	a.post(t, "/customers/1/rentals", body).wantProblem(t, 409, "staff_inactive")
	a.exec(t, `UPDATE staff SET active = true WHERE staff_id = 1`)
	a.exec(t, `ALTER TABLE rental ADD CONSTRAINT nobody CHECK (customer_id <> 1) NOT VALID`)
	if p := a.post(t, "/customers/1/rentals", body).wantProblem(t, 409, "refused_by_database"); strings.Contains(p.Detail, "nobody") {
		t.Errorf("the client learns about the database: %q", p.Detail)
	}
	if !strings.Contains(a.log.String(), `constraint \"nobody\"`) {
		t.Errorf("the log does not name the rule: %s", a.log)
	}

	for want, failure := range map[string]*store.UnavailableError{
		"may have been written": {Outcome: store.Unknown, Err: errors.New("reset")},
		"Nothing was written.":  {Outcome: store.NothingWritten, Err: errors.New("reset")},
		"read-only":             {Outcome: store.NothingWritten, Reason: store.ReadOnly, Err: errors.New("standby")},
	} {
		broken := start(t, func(d *server.Deps) { d.Store = failingStore{d.Store, failure} })
		response := broken.post(t, "/customers/1/rentals", body)
		code := gen.ProblemCodeDatabaseUnavailable
		if failure.Outcome == store.Unknown {
			code = gen.ProblemCodeOutcomeUnknown
		}
		if p := response.wantProblem(t, 503, code); !strings.Contains(p.Detail, want) {
			t.Errorf("the detail is %q, want %q", p.Detail, want)
		}
	}
}

// failingStore fails each write.
type failingStore struct {
	server.Store
	err error
}

func (s failingStore) CreateRental(context.Context, store.NewRental) (store.Rental, error) {
	return store.Rental{}, s.err
}
