package server_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/pagila-api/gen"
)

// day returns the database's day in so many days, in UTC.
func (a *testAPI) day(t *testing.T, days int) string {
	t.Helper()
	return one[string](t, a, `SELECT (`+today+` + ?::integer)::text`, days)
}

// subscribe posts a subscription to the plan basic. An empty day is left out.
func (a *testAPI) subscribe(t *testing.T, customer int, start, end string) *received {
	t.Helper()
	members := map[string]string{"plan_name": "basic", "start_date": start, "end_date": end}
	for name, value := range members {
		if value == "" {
			delete(members, name)
		}
	}
	return a.post(t, fmt.Sprintf("/customers/%d/subscriptions", customer), string(encoded(t, members)))
}

// Each wrong day is named, with what it should be. Nothing is written.
func TestSubscriptionDays(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, tt := range []struct {
		start, end string
		places     []string
	}{
		{a.day(t, -1), "", []string{"#/start_date"}},
		{"0001-01-01", "", []string{"#/start_date"}},
		{"2020-02-29", a.day(t, 10), []string{"#/start_date"}},
		{a.day(t, 367), "", []string{"#/start_date"}},
		{"9999-12-31", "9999-12-31", []string{"#/start_date"}},
		{"", a.day(t, -1), []string{"#/end_date"}},
		{a.day(t, 2), a.day(t, 1), []string{"#/end_date"}},
		{"", a.day(t, 3661), []string{"#/end_date"}},
		{a.day(t, 366), a.day(t, 366+3661), []string{"#/end_date"}},
		{"", "9999-12-31", []string{"#/end_date"}},
		{a.day(t, -1), a.day(t, -2), []string{"#/start_date", "#/end_date"}},
		{a.day(t, 400), a.day(t, 399), []string{"#/start_date", "#/end_date"}},
	} {
		a.subscribe(t, 1, tt.start, tt.end).wantFaults(t, 422, "invalid_dates", tt.places...)
	}
	p := a.subscribe(t, 1, a.day(t, -1), "").wantProblem(t, 422, "invalid_dates")
	if want := "the date is before today, " + a.day(t, 0); p.Errors[0].Detail != want {
		t.Errorf("the detail is %q, want %q", p.Errors[0].Detail, want)
	}
	for _, wrong := range []string{
		"2027-02-29", "2100-02-29", "2026-02-30", "2026-13-01", "2026-00-10", "2026-11-00", "0000-01-01", "10000-01-01", "-2026-11-26", "2026-1-1", "26-11-2026",
		"2026-11-26T00:00:00Z", "2026-11-26 ", " 2026-11-26", "infinity", "today", "now()", "2026-11-26'", "%", "٢٠٢٦-١١-٢٦",
	} {
		for i, place := range []string{"#/start_date", "#/end_date"} {
			days := [2]string{}
			days[i] = wrong
			p := a.subscribe(t, 1, days[0], days[1]).wantFaults(t, 400, "invalid_request", place)
			if !strings.Contains(p.Errors[0].Detail, "such as 2026-11-26") {
				t.Errorf("%s: the detail is %q", wrong, p.Errors[0].Detail)
			}
		}
	}
	if n := one[int](t, a, `SELECT count(*) FROM streaming_subscription`); n != 0 {
		t.Errorf("%d subscriptions were written", n)
	}
	// The limits themselves, and a leap day if there is one.
	for i, days := range [][2]string{{a.day(t, 0), a.day(t, 0)}, {a.day(t, 366), a.day(t, 366+3660)}, {"", "2028-02-29"}} {
		got := decode[gen.Subscription](t, a.subscribe(t, i+1, days[0], days[1]).want(t, 201))
		if got.EndDate.String() != days[1] || days[0] != "" && got.StartDate.String() != days[0] {
			t.Errorf("the subscription is %+v, want %v", got, days)
		}
	}
}

// Other faults of a body.
func TestSubscriptionRequest(t *testing.T) {
	t.Parallel()
	a := start(t)
	for body, places := range map[string][]string{
		`{}`:                                             {"#/plan_name"},
		`{"plan_name": null}`:                            {"#/plan_name"},
		`{"plan_name": ""}`:                              {"#/plan_name"},
		`{"plan_name": "gold"}`:                          {"#/plan_name"},
		`{"plan_name": "Basic"}`:                         {"#/plan_name"},
		`{"plan_name": "basic "}`:                        {"#/plan_name"},
		`{"plan_name": ["basic"]}`:                       {"#/plan_name"},
		`{"plan_name": "100%'; --"}`:                     {"#/plan_name"},
		`{"plan_name": "basic\u0000"}`:                   {"#"},
		`{"plan_name": "basic", "end_date": null}`:       {"#/end_date"},
		`{"plan_name": "basic", "start_date": 20261126}`: {"#/start_date"},
		`{"plan_name": "basic", "customer_id": 2, "active": true}`:  {"#/customer_id", "#/active"},
		`{"plan_name": "gold", "start_date": "x", "end_date": "y"}`: {"#/plan_name", "#/start_date", "#/end_date"},
	} {
		a.post(t, "/customers/1/subscriptions", body).wantFaults(t, 400, "invalid_request", places...)
	}
	if n := one[int](t, a, `SELECT count(*) FROM streaming_subscription`); n != 0 {
		t.Errorf("%d subscriptions were written", n)
	}
}

// A customer has one subscription on a day. A repetition finds it, and so does one for other days that overlap.
func TestSubscriptionConflicts(t *testing.T) {
	t.Parallel()
	a := start(t)
	const path = "/customers/1/subscriptions"
	first := decode[gen.Subscription](t, a.subscribe(t, 1, a.day(t, 10), a.day(t, 20)).want(t, 201))
	second := decode[gen.Subscription](t, a.subscribe(t, 1, a.day(t, 30), "").want(t, 201))
	for _, tt := range []struct {
		start, end int
		want       gen.Subscription
	}{{10, 20, first}, {0, 10, first}, {20, 20, first}, {20, 29, first}, {15, 100, first}, {21, 30, second}, {300, 400, second}} {
		response := a.subscribe(t, 1, a.day(t, tt.start), a.day(t, tt.end))
		p := response.wantProblem(t, 409, "already_subscribed")
		if diff := cmp.Diff(tt.want, *p.Subscription); diff != "" {
			t.Errorf("from %d to %d: %s", tt.start, tt.end, diff)
		}
		if got := decode[gen.Subscription](t, a.locatedBy(t, path, response).want(t, 200)); !cmp.Equal(got, tt.want) {
			t.Errorf("Location leads to %+v", got)
		}
	}
	if p := a.subscribe(t, 1, "", "").wantProblem(t, 409, "already_subscribed"); p.Subscription.SubscriptionID != first.SubscriptionID {
		t.Errorf("the problem has the subscription %+v", p.Subscription)
	}
	a.subscribe(t, 1, "", a.day(t, 9)).want(t, 201)
	a.subscribe(t, 1, a.day(t, 21), a.day(t, 29)).want(t, 201)
	a.subscribe(t, 2, a.day(t, 10), a.day(t, 20)).want(t, 201) // another customer

	a.exec(t, `UPDATE customer SET active = 0 WHERE customer_id = 3; UPDATE customer SET activebool = false, active = NULL WHERE customer_id = 4; UPDATE customer SET active = NULL WHERE customer_id = 5`)
	a.subscribe(t, 3, "", "").wantProblem(t, 409, "customer_inactive")
	a.subscribe(t, 4, "", "").wantProblem(t, 409, "customer_inactive")
	a.subscribe(t, 5, "", "").want(t, 201)
}

// A subscription ends today, or on its first day. After that it cannot be cancelled, and another one can follow.
func TestCancel(t *testing.T) {
	t.Parallel()
	a := start(t)
	for i, tt := range []struct{ start, end, want string }{
		{"", "", a.day(t, 0)},
		{"", a.day(t, 1), a.day(t, 0)},
		{a.day(t, 7), "", a.day(t, 7)},
		{a.day(t, 7), a.day(t, 8), a.day(t, 7)},
	} {
		customer := i + 1
		made := decode[gen.Subscription](t, a.subscribe(t, customer, tt.start, tt.end).want(t, 201))
		path := fmt.Sprintf("/customers/%d/subscriptions/%d", customer, made.SubscriptionID)
		cancelled := decode[gen.Subscription](t, a.post(t, path+"/cancel", "").want(t, 200))
		if cancelled.EndDate.String() != tt.want {
			t.Errorf("from %q to %q: the last day is %s, want %s", tt.start, tt.end, cancelled.EndDate, tt.want)
		}
		again := a.post(t, path+"/cancel", "").wantProblem(t, 409, "already_cancelled")
		if diff := cmp.Diff(cancelled, *again.Subscription); diff != "" {
			t.Errorf("the problem has another subscription: %s", diff)
		}
		if read := decode[gen.Subscription](t, a.fetch(t, path).want(t, 200)); !cmp.Equal(read, cancelled) {
			t.Errorf("the subscription reads as %+v", read)
		}
		a.subscribe(t, customer, tt.want, tt.want).wantProblem(t, 409, "already_subscribed")
		next := one[string](t, a, `SELECT (?::date + 1)::text`, tt.want)
		a.subscribe(t, customer, next, "").want(t, 201)
	}
	today := decode[gen.Subscription](t, a.subscribe(t, 9, "", a.day(t, 0)).want(t, 201))
	a.post(t, fmt.Sprintf("/customers/9/subscriptions/%d/cancel", today.SubscriptionID), "").wantProblem(t, 409, "already_cancelled")
}

// Many requests for a customer at the same time, with days that overlap in many ways, leave one subscription on a day.
func TestSubscriptionStorm(t *testing.T) {
	t.Parallel()
	a := start(t)
	days := make([]string, 60)
	for i := range days {
		days[i] = a.day(t, i)
	}
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			first := i * 7 % 50
			response := a.subscribe(t, 1, days[first], days[first+i%10])
			if response.status != 201 {
				response.wantProblem(t, 409, "already_subscribed")
			}
		})
	}
	wg.Wait()
	if !one[bool](t, a, `SELECT count(*) > 1 AND NOT EXISTS (SELECT FROM streaming_subscription s JOIN streaming_subscription o
		ON s.id < o.id AND daterange(s.start_date, s.end_date, '[]') && daterange(o.start_date, o.end_date, '[]')) FROM streaming_subscription`) {
		t.Error("subscriptions overlap")
	}
}

// Rows that other programs have written are shown as well as JSON can.
func TestOddSubscriptions(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.exec(t, `INSERT INTO streaming_subscription (id, customer_id, plan_name, start_date, end_date) VALUES
		(10, 1, '', '-infinity', '4713-01-02 BC'), (11, 1, 'gold "50%"', '2020-01-01', 'infinity'), (12, 1, 'basic', '2020-01-01', NULL), (13, 1, 'basic', 'infinity', 'infinity'),
		(14, 1, 'basic', '20000-01-01', NULL), (0, 1, 'basic', '2020-01-01', NULL), (-1, 1, 'basic', '2020-01-01', NULL)`)
	list := a.fetch(t, "/customers/1/subscriptions").want(t, 200)
	want := `{"items": [
		{"subscription_id": 13, "customer_id": 1, "plan_name": "basic", "start_date": "9999-12-31", "end_date": "9999-12-31", "active": false},
		{"subscription_id": 14, "customer_id": 1, "plan_name": "basic", "start_date": "9999-12-31", "end_date": null, "active": false},
		{"subscription_id": 12, "customer_id": 1, "plan_name": "basic", "start_date": "2020-01-01", "end_date": null, "active": true},
		{"subscription_id": 11, "customer_id": 1, "plan_name": "gold \"50%\"", "start_date": "2020-01-01", "end_date": "9999-12-31", "active": true},
		{"subscription_id": 10, "customer_id": 1, "plan_name": "", "start_date": "0001-01-01", "end_date": "0001-01-01", "active": false}]}`
	if !sameJSON(t, list.body, []byte(want)) {
		t.Errorf("the subscriptions are %s, want %s", list.body, want)
	}
	for id := 10; id <= 14; id++ {
		a.fetch(t, fmt.Sprintf("/customers/1/subscriptions/%d", id)).want(t, 200)
	}
	a.fetch(t, "/customers/1").want(t, 200)
	a.subscribe(t, 1, "", "").wantProblem(t, 409, "already_subscribed")
	a.post(t, "/customers/1/subscriptions/10/cancel", "").wantProblem(t, 409, "already_cancelled")
	a.post(t, "/customers/1/subscriptions/11/cancel", "").want(t, 200)
	a.post(t, "/customers/1/subscriptions/14/cancel", "").want(t, 200)
}
