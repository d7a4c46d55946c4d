package historytest

import (
	"cmp"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/oapi-codegen/runtime/types"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/store/pgtest"
)

// verdict is what is wrong after a run.
type verdict struct {
	traffic *traffic
	events  []event
	wrong   []string

	rentals       map[int32]gen.Rental // the rows of the shop's customers
	subscriptions map[int32]gen.Subscription
	streaming     map[int32]bool // by film
}

// verify compares what the clients know with the database. It returns what is wrong.
func (f *traffic) verify(t *testing.T, db *sql.DB) *verdict {
	t.Helper()
	v := &verdict{traffic: f, events: slices.Clone(f.events), wrong: slices.Clone(f.faults)}
	v.readRows(t, db)
	v.wantNoOverlap(t, db)
	v.bound()
	v.wantRows()
	v.explainRentals()
	v.wantSameRental()
	v.explainReturns()
	v.explainSubscriptions()
	v.explainCancellations()
	v.wantLinearizable()
	return v
}

func (v *verdict) add(format string, args ...any) {
	v.wrong = append(v.wrong, fmt.Sprintf(format, args...))
}

func (v *verdict) readRows(t *testing.T, db *sql.DB) {
	t.Helper()
	v.rentals, v.subscriptions, v.streaming = map[int32]gen.Rental{}, map[int32]gen.Subscription{}, map[int32]bool{}
	rental := func(r *gen.Rental) []any {
		return []any{&r.RentalID, &r.RentalDate, &r.InventoryID, &r.CustomerID, &r.StaffID, &r.ReturnDate}
	}
	for _, r := range rowsOf(t, db, rental, `
		SELECT rental_id, rental_date, inventory_id, customer_id, staff_id, return_date
		FROM rental WHERE customer_id = ANY ($1)`, v.traffic.shop.customers) {
		v.rentals[r.RentalID] = r
	}
	type row struct {
		gen.Subscription
		end sql.NullTime
	}
	subscription := func(s *row) []any {
		return []any{&s.SubscriptionID, &s.CustomerID, &s.PlanName, &s.StartDate.Time, &s.end}
	}
	for _, s := range rowsOf(t, db, subscription, `
		SELECT id, customer_id, plan_name, start_date, end_date
		FROM streaming_subscription WHERE customer_id = ANY ($1)`, v.traffic.shop.customers) {
		if s.end.Valid {
			s.EndDate = &types.Date{Time: s.end.Time}
		}
		v.subscriptions[s.SubscriptionID] = s.Subscription
	}
	streaming := "SELECT film_id FROM film WHERE film_id = ANY ($1) AND streaming_available"
	for _, film := range column[int32](t, db, streaming, v.traffic.shop.films) {
		v.streaming[film] = true
	}
}

// wantNoOverlap checks in SQL that no copy was rented twice at a time, and that no customer has two subscriptions on
// a day.
func (v *verdict) wantNoOverlap(t *testing.T, db *sql.DB) {
	t.Helper()
	for _, pair := range column[string](t, db, `
		SELECT format('copy %s: rental %s from %s to %s, rental %s from %s to %s', a.inventory_id,
			a.rental_id, a.rental_date, a.return_date, b.rental_id, b.rental_date, b.return_date)
		FROM rental a JOIN rental b USING (inventory_id)
		WHERE inventory_id = ANY ($1) AND a.rental_id < b.rental_id
			AND tstzrange(a.rental_date, a.return_date) && tstzrange(b.rental_date, b.return_date)`,
		slices.Collect(maps.Keys(v.traffic.shop.places))) {
		v.add("two rentals of a copy at a time: %s", pair)
	}
	for _, pair := range column[string](t, db, `
		SELECT format('customer %s: subscription %s from %s to %s, subscription %s from %s to %s', a.customer_id,
			a.id, a.start_date, a.end_date, b.id, b.start_date, b.end_date)
		FROM streaming_subscription a JOIN streaming_subscription b USING (customer_id)
		WHERE customer_id = ANY ($1) AND a.id < b.id
			AND daterange(a.start_date, a.end_date, '[]') && daterange(b.start_date, b.end_date, '[]')`,
		v.traffic.shop.customers) {
		v.add("two subscriptions of a customer on a day: %s", pair)
	}
}

// bound gives a return to each event whose outcome is unknown: the time after which it cannot have an effect.
func (v *verdict) bound() {
	for i := range v.events {
		e := &v.events[i]
		switch {
		case e.effect() != uncertain:
		case e.killed == nil:
			e.ret = never
		case e.killed.goneAt == 0:
			v.add("a server that was not killed broke a connection: %v", *e)
		default:
			e.ret = max(e.ret, e.killed.goneAt)
		}
	}
}

// wantRows checks that everything that a server has confirmed is in the database.
func (v *verdict) wantRows() {
	for _, e := range v.events {
		if effect := e.effect(); effect != made && effect != repeated {
			continue
		}
		if r := e.answer.rental; r != nil && !isRow(v.rentals[r.RentalID], *r) {
			v.add("a confirmed rental is not in the database: %v; the row: %+v", e, v.rentals[r.RentalID])
		}
		if s := e.answer.subscription; s != nil {
			row := v.subscriptions[s.SubscriptionID]
			// A cancellation may have followed.
			if row.CustomerID != s.CustomerID || row.PlanName != s.PlanName || startOf(row) != startOf(*s) ||
				newPeriod(row).end > newPeriod(*s).end || e.kind == cancel && endOf(row) != endOf(*s) {
				v.add("a confirmed subscription is not in the database: %v; the row: %+v", e, row)
			}
		}
	}
}

// isRow reports whether the row has what a response said. A return may have followed.
func isRow(row, r gen.Rental) bool {
	return row.RentalID == r.RentalID && row.RentalDate.Equal(r.RentalDate) &&
		row.InventoryID == r.InventoryID && row.CustomerID == r.CustomerID && row.StaffID == r.StaffID &&
		(r.ReturnDate == nil || row.ReturnDate != nil && row.ReturnDate.Equal(*r.ReturnDate))
}

// wantSameRental checks that a client who repeats a request whose answer was lost learns of the rental that the
// first attempt had made or found, unless that has ended. If the request names a film, and the customer has rented
// another copy of it by name, that is an answer as well. It comes after explainRentals, so the rentals of killed
// servers are known.
func (v *verdict) wantSameRental() {
	byName := v.known(rentalID, rentCopy)
	first := map[int]event{} // by client
	for _, e := range v.events {
		if e.kind != rentCopy && e.kind != rentFilm || e.answer.rental == nil {
			continue
		}
		lost, repeats := first[e.client]
		if repeats && e.attempt > lost.attempt && e.request == lost.request {
			before, now := lost.answer.rental, e.answer.rental
			ended := v.rentals[before.RentalID].ReturnDate
			other := e.kind == rentFilm && byName[now.RentalID]
			if before.RentalID != now.RentalID && !other && (ended == nil || ended.After(v.traffic.begin.Add(e.ret))) {
				v.add("the retry did not find the rental of the first attempt: %v; then %v", lost, e)
			}
		}
		delete(first, e.client)
		if e.dropped {
			first[e.client] = e
		}
	}
}

// assign completes the events that match a row which no confirmed event explains: one of them has made it. If there
// are several, the history gets one with the period of all.
func (v *verdict) assign(used map[int]bool, matches func(event) bool, complete func(*event)) bool {
	var matching []int
	for i, e := range v.events {
		if e.effect() == uncertain && e.kind != updateFilm && matches(e) || used[i] && matches(e) {
			matching = append(matching, i)
		}
	}
	// A request for the copy itself explains no other row, so it comes first.
	slices.SortStableFunc(matching, func(a, b int) int { return cmp.Compare(v.events[a].kind, v.events[b].kind) })
	for _, i := range matching {
		if used[i] {
			continue
		}
		used[i] = true
		e := v.events[i]
		for _, other := range matching {
			e.call, e.ret = min(e.call, v.events[other].call), max(e.ret, v.events[other].ret)
		}
		complete(&e)
		v.events[i] = e
		return true
	}
	return false
}

// known returns the ids of the rows that confirmed events of these kinds explain.
func (v *verdict) known(id func(answer) int32, kinds ...kind) map[int32]bool {
	ids := map[int32]bool{}
	for _, e := range v.events {
		if e.effect() == made && slices.Contains(kinds, e.kind) {
			ids[id(e.answer)] = true
		}
	}
	return ids
}

func rentalID(a answer) int32       { return a.rental.RentalID }
func subscriptionID(a answer) int32 { return a.subscription.SubscriptionID }

// explainRentals checks that a request explains each rental. It completes the requests of unknown outcome that do.
func (v *verdict) explainRentals() {
	known, used := v.known(rentalID, rentCopy, rentFilm), map[int]bool{}
	for id, row := range v.rentals {
		at, ours := v.traffic.shop.places[row.InventoryID]
		explained := known[id] || ours && v.assign(used, func(e event) bool {
			return e.customer == row.CustomerID && e.staff == row.StaffID &&
				(e.kind == rentCopy && e.copyID == row.InventoryID ||
					e.kind == rentFilm && e.film == at.film && e.store == at.store)
		}, func(e *event) {
			row.FilmID, row.StoreID, row.ReturnDate = at.film, at.store, nil
			e.answer = answer{status: successes[e.kind], rental: &row, body: []byte("(from the row)")}
		})
		if !explained {
			v.add("no request explains this rental: %+v", row)
		}
	}
}

// explainReturns does the same for the returns.
func (v *verdict) explainReturns() {
	known, used := v.known(rentalID, returnRental), map[int]bool{}
	for id, row := range v.rentals {
		explained := row.ReturnDate == nil || known[id] || v.assign(used, func(e event) bool {
			return e.kind == returnRental && e.customer == row.CustomerID && e.rental == id
		}, func(e *event) {
			e.answer = answer{status: successes[e.kind], rental: &row, body: []byte("(from the row)")}
		})
		if !explained {
			v.add("no request explains this return: %+v", row)
		}
	}
}

// explainSubscriptions does the same for the subscriptions. A cancellation may have changed their last day.
func (v *verdict) explainSubscriptions() {
	known, used := v.known(subscriptionID, subscribe), map[int]bool{}
	for id, row := range v.subscriptions {
		explained := known[id] || v.assign(used, func(e event) bool {
			return e.kind == subscribe && e.customer == row.CustomerID && e.plan == row.PlanName &&
				startOf(row) == cmp.Or(e.start, v.traffic.shop.today.Format(time.DateOnly)) &&
				newPeriod(row).end <= cmp.Or(e.end, forever)
		}, func(e *event) {
			row.EndDate = parseDay(e.end)
			e.answer = answer{status: successes[e.kind], subscription: &row, body: []byte("(from the row)")}
		})
		if !explained {
			v.add("no request explains this subscription: %+v", row)
		}
	}
}

func parseDay(day string) *types.Date {
	if day == "" {
		return nil
	}
	parsed, err := time.Parse(time.DateOnly, day)
	if err != nil {
		panic(err)
	}
	return &types.Date{Time: parsed}
}

// explainCancellations does the same for the cancellations. It comes after explainSubscriptions, so each
// subscription has a request that says which last day it had at first.
func (v *verdict) explainCancellations() {
	known, used := v.known(subscriptionID, cancel), map[int]bool{}
	first := map[int32]string{}
	for _, e := range v.events {
		if e.kind == subscribe && e.effect() == made {
			first[e.answer.subscription.SubscriptionID] = e.end
		}
	}
	for id, row := range v.subscriptions {
		end, made := first[id]
		explained := !made || endOf(row) == end || known[id] || v.assign(used, func(e event) bool {
			return e.kind == cancel && e.customer == row.CustomerID && e.subscription == id
		}, func(e *event) {
			e.answer = answer{status: successes[e.kind], subscription: &row, body: []byte("(from the row)")}
		})
		if !explained {
			v.add("no request explains this cancellation: %+v", row)
		}
	}
}

// wantLinearizable checks the history of each film and each customer, two at a time.
func (v *verdict) wantLinearizable() {
	s := v.traffic.shop
	films, customers := map[int32][]porcupine.Operation{}, map[int32][]porcupine.Operation{}
	v.wantEtags()
	certain := newHolds(v.events)
	for _, e := range v.events {
		effect := e.effect()
		if effect == nothing || effect == wrong || effect == uncertain && e.kind != updateFilm || certain.certain(s, e) {
			continue
		}
		if e.film != 0 {
			for _, step := range s.filmSteps(e) {
				films[e.film] = append(films[e.film], step.operation(e))
			}
			continue
		}
		for _, step := range s.customerSteps(e) {
			customers[e.customer] = append(customers[e.customer], step.operation(e))
		}
	}
	for film, history := range films {
		last := only("the row at the end", func(f filmState) bool { return f.streaming == v.streaming[film] })
		films[film] = append(history, last.operation(event{call: never, ret: never}))
	}
	v.checkAll(films, "film", checkFilm)
	v.checkAll(customers, "customer", checkCustomer)
}

func (v *verdict) checkAll(
	histories map[int32][]porcupine.Operation, name string, check func([]porcupine.Operation) string,
) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	slots := make(chan struct{}, 2) // bounds the memory of the checker
	for id, history := range histories {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if wrong := check(history); wrong != "" {
				mu.Lock()
				defer mu.Unlock()
				v.add("the history of %s %d: %s", name, id, wrong)
			}
		})
	}
	wg.Wait()
}

// wantEtags checks that a film has one ETag in one state, and another one in another state.
func (v *verdict) wantEtags() {
	type state struct {
		film int32
		content
	}
	etags, states := map[state]string{}, map[string]state{}
	for _, e := range v.events {
		if e.answer.film == nil || e.effect() != made {
			continue
		}
		is, etag := state{e.film, contentOf(*e.answer.film)}, e.answer.film.Etag
		if other, ok := states[etag]; ok && other != is {
			v.add("the ETag of %v is that of another state: %+v", e, other)
		}
		if other, ok := etags[is]; ok && other != etag {
			v.add("this state had the ETag %s before: %v", other, e)
		}
		etags[is], states[etag] = etag, is
	}
}

// table returns how many attempts of each kind had which effect.
func (v *verdict) table() string {
	counts := map[kind]map[string]int{}
	const dropped, killed = "response dropped", "server killed"
	columns := []string{
		string(made), string(repeated), string(refused), string(nothing), dropped, killed, string(uncertain),
	}
	for _, e := range v.traffic.events {
		if counts[e.kind] == nil {
			counts[e.kind] = map[string]int{}
		}
		switch {
		case e.killed != nil:
			counts[e.kind][killed]++
		case e.dropped:
			counts[e.kind][dropped]++
		default:
			counts[e.kind][string(e.effect())]++
		}
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\t%s\t\n", strings.Join(columns, "\t"))
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(w, "%s\t", k)
		for _, column := range columns {
			fmt.Fprintf(w, "%d\t", counts[k][column])
		}
		fmt.Fprint(w, "\n")
	}
	w.Flush()
	return fmt.Sprintf("%s%d rentals and %d subscriptions in the database", &b, len(v.rentals), len(v.subscriptions))
}

// wantStrangers checks that the run changed nothing that is not the shop's.
func (v *verdict) wantStrangers(t *testing.T, db *sql.DB, before map[string]string) {
	t.Helper()
	for table, sum := range v.traffic.shop.strangers(t, db) {
		if sum != before[table] {
			v.add("the run has changed other rows of %s", table)
		}
	}
}

// wantSameDay skips the test if the day has changed during the run, because the model has only one day.
func (s *shop) wantSameDay(t *testing.T, db *sql.DB) {
	t.Helper()
	if !databaseDay(t, db).Equal(s.today) {
		t.Skip("midnight in UTC passed during the run, and the model has only one day")
	}
}

// databaseDay returns the database's day, as midnight in UTC.
func databaseDay(t *testing.T, db *sql.DB) time.Time {
	t.Helper()
	return pgtest.Value[time.Time](t, db.QueryRowContext, "SELECT (now() AT TIME ZONE 'UTC')::date")
}
