package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/server"
	"example.com/pagila-api/server/internal/contract"
	"example.com/pagila-api/store"
)

// wantFaults checks that a response is a problem whose errors are in these places, in any order.
func (r *received) wantFaults(t *testing.T, status int, code gen.ProblemCode, places ...string) gen.Problem {
	t.Helper()
	p := r.wantProblem(t, status, code)
	var found []string
	for _, e := range p.Errors {
		if e.Detail == "" {
			t.Errorf("no detail: %s", r.body)
		}
		if e.Pointer != nil {
			found = append(found, *e.Pointer)
		} else if e.Parameter != nil {
			found = append(found, *e.Parameter)
		}
	}
	slices.Sort(found)
	if found = slices.Compact(found); !sameElements(found, places) { // several rules may concern one place
		t.Errorf("the errors are at %q, want %q: %s", found, places, r.body)
	}
	return p
}

// locatedBy gets what the header Location of a response to this path leads to.
func (a *testAPI) locatedBy(t *testing.T, path string, r *received) *received {
	t.Helper()
	base, err := url.Parse(path)
	if err != nil {
		t.Fatal(err)
	}
	where, err := base.Parse(r.header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return a.fetch(t, where.String())
}

// stock makes a new film of which each of these stores has copies, and returns its ID.
func (a *testAPI) stock(t *testing.T, copies map[int32]int) int32 {
	t.Helper()
	film := a.insertFilm(t, map[string]string{"title": "'STOCKED'", "rental_duration": "3", "replacement_cost": "19.99"})
	for storeID, n := range copies {
		a.exec(t, `INSERT INTO inventory (film_id, store_id) SELECT ?, ? FROM generate_series(1, ?)`, film, storeID, n)
	}
	return film
}

// A rental by film takes any copy that the store has in stock, of which each is rented once.
func TestRentByFilm(t *testing.T) {
	t.Parallel()
	a := start(t)
	film := a.stock(t, map[int32]int{1: 2, 2: 1})
	body := fmt.Sprintf(`{"film_id": %d, "store_id": 1, "staff_id": 2}`, film) // staff 2 is of store 2
	var rentals []gen.Rental
	for _, customer := range []int32{1, 2} {
		path := fmt.Sprintf("/customers/%d/rentals", customer)
		response := a.post(t, path, body).want(t, 201)
		rental := decode[gen.Rental](t, response)
		wantRow(t, a, rental)
		if rental.CustomerID != customer || rental.FilmID != film || rental.StoreID != 1 || rental.StaffID != 2 {
			t.Errorf("the rental is %+v", rental)
		}
		rentals = append(rentals, rental)
		repeated := a.post(t, path, body)
		p := repeated.wantProblem(t, 409, "already_rented_by_customer")
		if diff := cmp.Diff(rental, *p.Rental); diff != "" {
			t.Errorf("the problem has another rental: %s", diff)
		}
		if diff := cmp.Diff(rental, decode[gen.Rental](t, a.locatedBy(t, path, repeated).want(t, 200))); diff != "" {
			t.Errorf("Location leads to another rental: %s", diff)
		}
		// Neither does another store give the customer a second copy.
		other := fmt.Sprintf(`{"film_id": %d, "store_id": 2, "staff_id": 1}`, film)
		if p := a.post(t, path, other).wantProblem(t, 409, "already_rented_by_customer"); p.Rental.RentalID != rental.RentalID {
			t.Errorf("the problem has the rental %d", p.Rental.RentalID)
		}
	}
	if rentals[0].InventoryID == rentals[1].InventoryID {
		t.Errorf("copy %d is rented twice", rentals[0].InventoryID)
	}
	a.post(t, "/customers/3/rentals", body).wantProblem(t, 409, "inventory_not_available")
	// A copy that is named can be a second one of the film.
	second := one[int32](t, a, `SELECT inventory_id FROM inventory WHERE film_id = ? AND store_id = 2`, film)
	a.post(t, "/customers/1/rentals", fmt.Sprintf(`{"inventory_id": %d, "staff_id": 1}`, second)).want(t, 201)
	a.post(t, "/customers/3/rentals", fmt.Sprintf(`{"inventory_id": %d, "staff_id": 1}`, second)).wantProblem(t, 409, "inventory_not_available")

	a.post(t, fmt.Sprintf("/customers/2/rentals/%d/return", rentals[1].RentalID), "").want(t, 200)
	if again := decode[gen.Rental](t, a.post(t, "/customers/3/rentals", body).want(t, 201)); again.InventoryID != rentals[1].InventoryID {
		t.Errorf("copy %d is rented, want %d", again.InventoryID, rentals[1].InventoryID)
	}
}

// Bodies that name no copy, two things at once, or what does not exist are rejected with the places of all faults.
func TestRentalRequest(t *testing.T) {
	t.Parallel()
	a := start(t)
	before := one[int](t, a, `SELECT count(*) FROM rental`)
	for body, places := range map[string][]string{
		`{"staff_id": 1}`:                                                     {"#"},
		`{"staff_id": 1, "film_id": 1}`:                                       {"#/store_id"},
		`{"staff_id": 1, "store_id": 1}`:                                      {"#/film_id"},
		`{"staff_id": 1, "inventory_id": 1, "film_id": 1}`:                    {"#/film_id"},
		`{"staff_id": 1, "inventory_id": 1, "store_id": 1}`:                   {"#/store_id"},
		`{"staff_id": 1, "inventory_id": 1, "film_id": 1, "store_id": 1}`:     {"#/film_id", "#/store_id"},
		`{"inventory_id": 1, "film_id": 1, "store_id": 1}`:                    {"#/staff_id"},
		`{"staff_id": 1, "film_id": 0, "store_id": -1}`:                       {"#/film_id", "#/store_id"},
		`{"staff_id": 1, "film_id": null, "store_id": "1"}`:                   {"#/film_id", "#/store_id"},
		`{"staff_id": 1, "inventory_id": 1, "customer_id": 2}`:                {"#/customer_id"},
		`{"staff_id": 1, "inventory_id": 1, "rental_date": "2020-01-01"}`:     {"#/rental_date"},
		`{"staff_id": 1, "inventory_id": 1, "return_date": null}`:             {"#/return_date"},
		`{"staff_id": 1, "film_id": 1, "store_id": 1, "FILM_ID": 2}`:          {"#/FILM_ID"},
		`{"staff_id": 1.5, "film_id": 2147483648, "store_id": 4294967297}`:    {"#/staff_id", "#/film_id", "#/store_id"},
		`{"staff_id": 1, "film_id": 1, "store_id": 1, "inventory_id": "all"}`: {"#/inventory_id"},
	} {
		a.post(t, "/customers/1/rentals", body).wantFaults(t, 400, "invalid_request", places...)
	}
	for body, places := range map[string][]string{
		`{"inventory_id": 2147483647, "staff_id": 2147483647}`:                    {"#/inventory_id", "#/staff_id"},
		`{"film_id": 2147483647, "store_id": 2147483646, "staff_id": 2147483645}`: {"#/film_id", "#/store_id", "#/staff_id"},
		`{"film_id": 1, "store_id": 2147483646, "staff_id": 1}`:                   {"#/store_id"},
	} {
		a.post(t, "/customers/1/rentals", body).wantFaults(t, 422, "unknown_reference", places...)
		a.post(t, "/customers/2147483647/rentals", body).wantProblem(t, 404, "customer_not_found") // it comes first
	}
	if after := one[int](t, a, `SELECT count(*) FROM rental`); after != before {
		t.Errorf("invalid requests created %d rentals", after-before)
	}
}

// A return late by so many days costs a dollar for each, and after twice the rental duration the film itself. A second
// return changes nothing.
func TestReturn(t *testing.T) {
	t.Parallel()
	a := start(t)
	film := a.stock(t, map[int32]int{1: 1})
	for _, tt := range []struct {
		out  string // since the rental began
		days int64
		fee  string
	}{
		{"1 second", 0, "0.00"},
		{"2 days 23:59", 0, "0.00"},
		{"3 days 23:59", 0, "0.00"},
		{"4 days 00:01", 1, "1.00"},
		{"8 days 23:59", 5, "5.00"},
		{"9 days 00:01", 6, "25.99"}, // more than 6 days overdue
		{"100 days 00:01", 97, "116.99"},
	} {
		rented := decode[gen.Rental](t, a.post(t, "/customers/1/rentals", fmt.Sprintf(`{"film_id": %d, "store_id": 1, "staff_id": 1}`, film)).want(t, 201))
		a.exec(t, `UPDATE rental SET rental_date = now() - ?::interval WHERE rental_id = ?`, tt.out, rented.RentalID)
		path := fmt.Sprintf("/customers/1/rentals/%d", rented.RentalID)
		if open := decode[gen.Rental](t, a.fetch(t, path).want(t, 200)); open.DaysOverdue != tt.days || *open.LateFee != tt.fee || open.ReturnDate != nil {
			t.Errorf("out for %s: %+v", tt.out, open)
		}
		response := a.post(t, path+"/return", "").want(t, 200)
		returned := decode[gen.Rental](t, response)
		wantRow(t, a, returned)
		if returned.DaysOverdue != tt.days || *returned.LateFee != tt.fee || returned.ReturnDate == nil {
			t.Errorf("out for %s: %+v", tt.out, returned)
		}
		again := a.post(t, path+"/return", "").wantProblem(t, 409, "already_returned")
		if diff := cmp.Diff(returned, *again.Rental); diff != "" {
			t.Errorf("the second return has another rental: %s", diff)
		}
	}
}

// Operations on one thing of a customer respond to one of another customer as to one that does not exist.
func TestThingsOfAnotherCustomer(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.insertExampleRows(t)
	const missing = "2147483647"
	for _, tt := range []struct {
		method, path string
		code         gen.ProblemCode
	}{
		{http.MethodGet, "/customers/%s/rentals/76", "rental_not_found"},
		{http.MethodPost, "/customers/%s/rentals/76/return", "rental_not_found"},
		{http.MethodGet, "/customers/%s/subscriptions/1", "subscription_not_found"},
		{http.MethodPost, "/customers/%s/subscriptions/1/cancel", "subscription_not_found"},
	} {
		var documents []gen.Problem
		for _, customer := range []string{"2", missing} {
			p := a.call(t, tt.method, fmt.Sprintf(tt.path, customer), "", "Authorization", "Bearer "+token).wantProblem(t, 404, tt.code)
			p.Instance, p.RequestID = "", ""
			documents = append(documents, p)
		}
		if !cmp.Equal(documents[0], documents[1]) {
			t.Errorf("%s %s: %s", tt.method, tt.path, cmp.Diff(documents[0], documents[1]))
		}
	}
	for _, path := range []string{"", "/rentals", "/payments", "/subscriptions"} {
		a.fetch(t, "/customers/"+missing+path).wantProblem(t, 404, "customer_not_found")
	}
	a.post(t, "/customers/"+missing+"/subscriptions", `{"plan_name": "basic"}`).wantProblem(t, 404, "customer_not_found")
	if !one[bool](t, a, `SELECT return_date IS NULL AND (SELECT end_date IS NULL FROM streaming_subscription WHERE id = 1) FROM rental WHERE rental_id = 76`) {
		t.Error("a thing of another customer was changed")
	}
}

// An operation that takes no body rejects one, since the client may think that it counts.
func TestUnexpectedBody(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.insertExampleRows(t)
	for _, path := range []string{"/customers/1/rentals/76/return", "/customers/1/subscriptions/1/cancel"} {
		for _, body := range []string{`{}`, `{"return_date": "2020-01-01"}`, "x", strings.Repeat(" ", 2<<20)} {
			a.post(t, path, body).wantFaults(t, 400, "invalid_request", "#")
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL+path, struct{ *strings.Reader }{strings.NewReader("")})
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		a.do(t, r).want(t, 200) // chunked, and empty
	}
	a.call(t, http.MethodGet, "/films/1", "{}").want(t, 200)
}

// However many clients rent, return, subscribe and cancel the same at the same time, one of them succeeds. All others
// learn what that one has made.
func TestRepeatedWritesAtOnce(t *testing.T) {
	t.Parallel()
	const clients = 30
	a := start(t)
	film := a.stock(t, map[int32]int{1: 3})
	for _, tt := range []struct {
		path func() string
		body string
		code gen.ProblemCode
	}{
		{func() string { return "/customers/1/rentals" }, fmt.Sprintf(`{"film_id": %d, "store_id": 1, "staff_id": 1}`, film), "already_rented_by_customer"},
		{func() string {
			return fmt.Sprintf("/customers/1/rentals/%d/return", one[int32](t, a, `SELECT max(rental_id) FROM rental WHERE customer_id = 1`))
		}, "", "already_returned"},
		{func() string { return "/customers/1/subscriptions" }, `{"plan_name": "standard"}`, "already_subscribed"},
		{func() string {
			return fmt.Sprintf("/customers/1/subscriptions/%d/cancel", one[int32](t, a, `SELECT max(id) FROM streaming_subscription`))
		}, "", "already_cancelled"},
	} {
		path := tt.path()
		responses := make([]*received, clients)
		var wg sync.WaitGroup
		for i := range responses {
			wg.Go(func() { responses[i] = a.post(t, path, tt.body) })
		}
		wg.Wait()
		first := slices.IndexFunc(responses, func(r *received) bool { return r.status/100 == 2 })
		if first < 0 {
			t.Fatalf("%s: no request succeeded: %s", path, responses[0].body)
		}
		made := string(responses[first].body)
		for i, r := range responses {
			if i == first {
				continue
			}
			p := r.wantProblem(t, 409, tt.code)
			var found any = p.Subscription
			if p.Rental != nil {
				found = p.Rental
			}
			if !sameJSON(t, encoded(t, found), []byte(made)) {
				t.Errorf("%s: made %s, found %s", path, made, encoded(t, found))
			}
		}
	}
}

// Of fifty customers who want one of five copies of a film, five get one.
func TestStormOnAFilm(t *testing.T) {
	t.Parallel()
	const customers, copies = 50, 5
	a := start(t)
	film := a.stock(t, map[int32]int{2: copies})
	a.exec(t, `UPDATE customer SET active = 1, activebool = true`)
	var wg sync.WaitGroup
	responses := make([]*received, customers)
	for i := range responses {
		wg.Go(func() {
			for responses[i] == nil || responses[i].status == http.StatusServiceUnavailable { // a busy machine: nothing was written
				responses[i] = a.post(t, fmt.Sprintf("/customers/%d/rentals", i+1), fmt.Sprintf(`{"film_id": %d, "store_id": 2, "staff_id": 1}`, film))
			}
		})
	}
	wg.Wait()
	rented := map[int32]bool{}
	for _, r := range responses {
		if r.status == http.StatusCreated {
			rented[decode[gen.Rental](t, r).InventoryID] = true
			continue
		}
		r.wantProblem(t, 409, "inventory_not_available")
	}
	if open := one[int](t, a, `SELECT count(*) FROM rental JOIN inventory USING (inventory_id) WHERE film_id = ? AND return_date IS NULL`, film); len(rented) != copies || open != copies {
		t.Errorf("%d copies are rented by %d rentals, want %d", len(rented), open, copies)
	}
}

// writes selects the operations that change rows.
func writes(op *contract.Operation) bool { return op.Secured && op.Method != http.MethodGet }

// A rule of the database's owner refuses each change. The response does not name the rule, the log does.
func TestRefusedByDatabase(t *testing.T) {
	t.Parallel()
	a := start(t, withDocumentedCredentials)
	a.insertExampleRows(t)
	a.exec(t, `
		CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'rule no. 1' USING ERRCODE = 'check_violation'; END $$;
		CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON rental FOR EACH ROW EXECUTE FUNCTION refuse();
		CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON streaming_subscription FOR EACH ROW EXECUTE FUNCTION refuse();
		CREATE TRIGGER refuse BEFORE UPDATE ON film FOR EACH ROW EXECUTE FUNCTION refuse()`)
	for _, r := range exampleRequests(t, writes) {
		if r.ID == "createSubscription" {
			r.pathValues["customer_id"] = "2" // customer 1 has one
		}
		response := r.asRead(t, a).send(t, a)
		if p := response.wantProblem(t, 409, "refused_by_database"); strings.Contains(p.Detail, "rule no. 1") {
			t.Errorf("%s: the client learns about the database: %s", r.ID, p.Detail)
		}
		if line := fmt.Sprintf(`"operation":%q,"code":"refused_by_database"`, r.ID); !strings.Contains(a.log.String(), line) {
			t.Errorf("the log has no %s", line)
		}
	}
	if !strings.Contains(a.log.String(), "rule no. 1") {
		t.Error("the log does not name the rule")
	}
}

// A write whose outcome is open says so, and how to find out. Any other 503 says that nothing was written.
func TestOutcomeOfWrites(t *testing.T) {
	t.Parallel()
	for code, failure := range map[gen.ProblemCode]*store.UnavailableError{
		"outcome_unknown":      {Outcome: store.Unknown, Err: errors.New("reset")},
		"database_unavailable": {Outcome: store.NothingWritten, Err: errors.New("reset")},
		"database_busy":        {Outcome: store.NothingWritten, Reason: store.Busy, Err: errors.New("locked")},
	} {
		a := start(t, withDocumentedCredentials, func(d *server.Deps) { d.Store = failingStore{d.Store, failure} })
		for _, r := range exampleRequests(t, writes) {
			response := r.send(t, a)
			want := "Nothing was written."
			if failure.Outcome == store.Unknown {
				want = "may have been"
			}
			if p := response.wantProblem(t, 503, code); !strings.Contains(p.Detail, want) || response.header.Get("Retry-After") == "" {
				t.Errorf("%s: Retry-After is %q, the detail %q", r.ID, response.header.Get("Retry-After"), p.Detail)
			}
		}
	}
}

func (s failingStore) ReturnRental(context.Context, int32, int32) (store.Rental, error) {
	return store.Rental{}, s.err
}

func (s failingStore) CreateSubscription(context.Context, store.NewSubscription) (store.Subscription, error) {
	return store.Subscription{}, s.err
}

func (s failingStore) CancelSubscription(context.Context, int32, int32) (store.Subscription, error) {
	return store.Subscription{}, s.err
}

func (s failingStore) UpdateFilm(context.Context, int32, []string, store.FilmUpdate) (store.FilmDetail, error) {
	return store.FilmDetail{}, s.err
}
