package historytest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"example.com/pagila-api/gen"
)

// The tests below show that the model accepts correct histories and rejects wrong ones. The film 1 has the copies
// 11 and 12. Each event begins with the times of the request and of its answer.

func testShop() *shop {
	return &shop{
		films: []int32{1}, copies: map[int32][]int32{1: {11, 12}}, places: map[int32]place{11: {1, 0, 1}, 12: {1, 1, 1}},
		customers: []int32{1, 2}, today: time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC),
	}
}

// at returns an event with a period, and an answer that has the status and the code.
func at(call, ret int, r request, status int, code gen.ProblemCode, a answer) event {
	a.status, a.code = status, code
	return event{request: r, call: time.Duration(call), ret: time.Duration(ret), answer: a}
}

func rentalAnswer(id, customer, copyID int32) answer {
	return answer{rental: &gen.Rental{RentalID: id, CustomerID: customer, InventoryID: copyID, FilmID: 1, StoreID: 1}}
}

func rents(call, ret int, customer, copyID, id int32) event {
	r := request{kind: rentCopy, customer: customer, copyID: copyID, film: 1}
	return at(call, ret, r, http.StatusCreated, "", rentalAnswer(id, customer, copyID))
}

func rentsFilm(call, ret int, customer, copyID, id int32) event {
	r := request{kind: rentFilm, customer: customer, film: 1, store: 1}
	return at(call, ret, r, http.StatusCreated, "", rentalAnswer(id, customer, copyID))
}

func rentedBefore(call, ret int, customer, copyID, id int32) event {
	r := request{kind: rentCopy, customer: customer, copyID: copyID, film: 1}
	a := rentalAnswer(id, customer, copyID)
	return at(call, ret, r, http.StatusConflict, gen.ProblemCodeAlreadyRentedByCustomer, a)
}

func noCopy(call, ret int, customer, copyID int32) event {
	r := request{kind: rentCopy, customer: customer, copyID: copyID, film: 1}
	return at(call, ret, r, http.StatusConflict, gen.ProblemCodeInventoryNotAvailable, answer{})
}

func noCopyOfFilm(call, ret int, customer int32) event {
	r := request{kind: rentFilm, customer: customer, film: 1, store: 1}
	return at(call, ret, r, http.StatusConflict, gen.ProblemCodeInventoryNotAvailable, answer{})
}

func returns(call, ret int, customer, copyID, id int32) event {
	a := rentalAnswer(id, customer, copyID)
	a.rental.ReturnDate = &time.Time{}
	return at(call, ret, request{kind: returnRental, customer: customer, rental: id, film: 1}, http.StatusOK, "", a)
}

func returnedBefore(call, ret int, customer, copyID, id int32) event {
	e := returns(call, ret, customer, copyID, id)
	e.answer.status, e.answer.code = http.StatusConflict, gen.ProblemCodeAlreadyReturned
	return e
}

func filmAnswer(streaming bool, inStock int32) answer {
	availability := []gen.Availability{{StoreID: 1, InStock: inStock}}
	return answer{film: &gen.FilmDetail{FilmID: 1, StreamingAvailable: streaming, Availability: availability}}
}

func reads(call, ret int, streaming bool, inStock int32) event {
	return at(call, ret, request{kind: readFilm, film: 1}, http.StatusOK, "", filmAnswer(streaming, inStock))
}

// patches is a change by a client that has read the film with this many copies in stock.
func patches(call, ret int, to bool, inStock int32) event {
	r := request{kind: updateFilm, film: 1, known: content{!to, inStock}, streaming: to}
	return at(call, ret, r, http.StatusOK, "", filmAnswer(to, inStock))
}

func patchRefused(call, ret int, to bool, inStock int32) event {
	e := patches(call, ret, to, inStock)
	e.answer = answer{status: http.StatusPreconditionFailed, code: gen.ProblemCodePreconditionFailed}
	return e
}

func patchLost(call, ret int, to bool, inStock int32) event {
	e := patches(call, ret, to, inStock)
	e.answer = answer{}
	return e
}

// story is a history in the order in which it is told.
type story []event

const possible, impossible = true, false

// check returns what is wrong with the story, or "".
func (s story) check() string {
	var films, customers []porcupine.Operation
	for _, e := range s {
		if e.effect() == wrong {
			return fmt.Sprintf("not an event of the model: %v", e)
		}
		if e.film == 0 {
			for _, step := range testShop().customerSteps(e) {
				customers = append(customers, step.operation(e))
			}
			continue
		}
		for _, step := range testShop().filmSteps(e) {
			films = append(films, step.operation(e))
		}
	}
	return checkFilm(films) + checkCustomer(customers)
}

func (s story) want(t *testing.T, right bool) {
	t.Helper()
	wrong := s.check()
	if right && wrong != "" {
		t.Error(wrong)
	}
	if !right && !strings.HasPrefix(wrong, "not linearizable") {
		t.Errorf("this history is accepted: %q", wrong)
	}
}

func TestFilmModel(t *testing.T) {
	t.Parallel()
	// The customer 1 rents the copy 11, and later brings it back.
	out, back := rents(1, 2, 1, 11, 100), returns(3, 4, 1, 11, 100)
	for _, test := range []struct {
		name   string
		right  bool
		events story
	}{
		{"rent, return, rent", possible, story{out, back, rents(5, 6, 2, 11, 101)}},
		{"two rentals of a copy", impossible, story{out, rents(3, 4, 2, 11, 101)}},
		{"two rentals of a copy at a time", impossible, story{rents(1, 4, 1, 11, 100), rents(2, 3, 2, 11, 101)}},
		{"two copies", possible, story{out, rents(3, 4, 1, 12, 101)}},
		{"rent before a return that is in flight", possible, story{
			out, rents(3, 5, 2, 11, 101), returns(4, 6, 1, 11, 100),
		}},
		{"rent before a return", impossible, story{out, rents(3, 4, 2, 11, 101), returns(5, 6, 1, 11, 100)}},
		{"the retry finds the rental", possible, story{out, rentedBefore(3, 4, 1, 11, 100)}},
		{"the retry finds another rental", impossible, story{out, rentedBefore(3, 4, 1, 11, 99)}},
		{"the retry finds a rental that has ended", impossible, story{out, back, rentedBefore(5, 6, 1, 11, 100)}},
		{"refused although free", impossible, story{noCopy(1, 2, 1, 11)}},
		{"refused although the customer has it", impossible, story{out, noCopy(3, 4, 1, 11)}},
		{"refused", possible, story{out, noCopy(3, 4, 2, 11)}},
		{"by film", possible, story{rentsFilm(1, 2, 1, 12, 100), rentsFilm(1, 2, 2, 11, 101)}},
		{"two copies by film for one customer", impossible, story{
			rentsFilm(1, 4, 1, 12, 100), rentsFilm(2, 3, 1, 11, 101),
		}},
		{"by film, refused although one is free", impossible, story{out, noCopyOfFilm(3, 4, 2)}},
		{"by film, refused although the customer has one", impossible, story{
			out, rents(1, 2, 2, 12, 101), noCopyOfFilm(3, 4, 2),
		}},
		{"by film, refused", possible, story{out, rents(1, 2, 1, 12, 101), noCopyOfFilm(3, 4, 2)}},
		{"returned twice", impossible, story{out, back, back}},
		{"returned before", possible, story{out, back, returnedBefore(3, 4, 1, 11, 100)}},
		{"returned before anybody did", impossible, story{
			out, returnedBefore(3, 4, 1, 11, 100), returns(5, 6, 1, 11, 100),
		}},
		{"the other customer's retry", possible, story{
			rents(1, 2, 2, 12, 100), rentedBefore(3, 4, 2, 12, 100), noCopy(3, 4, 1, 12), reads(3, 4, false, 1),
		}},
		{"the other customer's return", possible, story{
			rents(1, 2, 2, 12, 100), returns(3, 4, 2, 12, 100), returnedBefore(5, 6, 2, 12, 100),
		}},
		{"by film, refused to the other", possible, story{
			rents(1, 2, 2, 11, 100), rents(1, 2, 2, 12, 101), noCopyOfFilm(3, 4, 1),
		}},
		{"a stale read", impossible, story{reads(1, 2, false, 2), rents(3, 4, 1, 11, 100), reads(5, 6, false, 2)}},
		{"a change", possible, story{patches(1, 2, true, 2), reads(3, 4, true, 2)}},
		{"a lost update", impossible, story{patches(1, 4, true, 2), patches(2, 3, true, 2)}},
		{"a change of what has changed", impossible, story{out, patches(3, 4, true, 2)}},
		{"a change before a rental that is sent", possible, story{rents(1, 4, 1, 11, 100), patches(2, 3, true, 2)}},
		{"refused although nothing has changed", impossible, story{out, back, patchRefused(5, 6, true, 2)}},
		{"refused because a copy is out", possible, story{out, patchRefused(3, 4, true, 2)}},
		{"a change that was lost, and made", possible, story{patchLost(1, 2, true, 2), reads(3, 4, true, 2)}},
		{"a change that was lost, and not made", possible, story{patchLost(1, 2, true, 2), reads(3, 4, false, 2)}},
		{"a change that was lost, and made later", impossible, story{
			patchLost(1, 2, true, 2), reads(3, 4, false, 2), reads(5, 6, true, 2),
		}},
		{"a confirmed change is lost", impossible, story{patches(1, 2, true, 2), reads(3, 4, false, 2)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.events.want(t, test.right)
		})
	}
}

func subscriptionAnswer(id int32, start, end string) answer {
	return answer{subscription: &gen.Subscription{
		SubscriptionID: id, CustomerID: 1, PlanName: "basic", StartDate: *parseDay(start), EndDate: parseDay(end),
	}}
}

func subscribes(call, ret int, id int32, start, end string) event {
	r := request{kind: subscribe, customer: 1, plan: "basic", start: start, end: end}
	return at(call, ret, r, http.StatusCreated, "", subscriptionAnswer(id, start, end))
}

// subscribedBefore is a request for days on which the customer has the subscription of the answer.
func subscribedBefore(call, ret int, start, end string, a answer) event {
	r := request{kind: subscribe, customer: 1, plan: "basic", start: start, end: end}
	return at(call, ret, r, http.StatusConflict, gen.ProblemCodeAlreadySubscribed, a)
}

func cancels(call, ret int, id int32, start, end string) event {
	r := request{kind: cancel, customer: 1, subscription: id}
	return at(call, ret, r, http.StatusOK, "", subscriptionAnswer(id, start, end))
}

func cancelledBefore(call, ret int, id int32, start, end string) event {
	e := cancels(call, ret, id, start, end)
	e.answer.status, e.answer.code = http.StatusConflict, gen.ProblemCodeAlreadyCancelled
	return e
}

func lists(call, ret int, all ...answer) event {
	var a answer
	for _, each := range all {
		a.subscriptions = append(a.subscriptions, *each.subscription)
	}
	return at(call, ret, request{kind: readSubscriptions, customer: 1}, http.StatusOK, "", a)
}

func TestCustomerModel(t *testing.T) {
	t.Parallel()
	const today, past, d1, d2, d3 = "2026-01-10", "2026-01-01", "2026-02-01", "2026-02-02", "2026-02-03"
	is := subscriptionAnswer
	first, endless := subscribes(1, 2, 1, d1, d2), subscribes(1, 2, 1, today, "")
	for _, test := range []struct {
		name   string
		right  bool
		events story
	}{
		{"one after the other", possible, story{
			first, subscribes(3, 4, 2, d3, ""), lists(5, 6, is(2, d3, ""), is(1, d1, d2)),
		}},
		{"two on a day", impossible, story{first, subscribes(3, 4, 2, d2, d3)}},
		{"two on a day at a time", impossible, story{subscribes(1, 4, 1, d1, d2), subscribes(2, 3, 2, d2, d3)}},
		{"two without an end", impossible, story{subscribes(1, 4, 1, d1, ""), subscribes(2, 3, 2, d3, "")}},
		{"the retry finds it", possible, story{first, subscribedBefore(3, 4, d1, d2, is(1, d1, d2))}},
		{"the retry finds another", impossible, story{first, subscribedBefore(3, 4, d1, d2, is(2, d1, d2))}},
		{"the retry finds one that ended", impossible, story{
			subscribes(1, 2, 1, d1, ""), cancels(3, 4, 1, d1, d1), subscribedBefore(5, 6, d2, d3, is(1, d1, "")),
		}},
		{"refused on free days", impossible, story{first, subscribedBefore(3, 4, d3, d3, is(1, d1, d2))}},
		{"refused with the later one", impossible, story{
			first, subscribes(3, 4, 2, d3, d3), subscribedBefore(5, 6, d1, d3, is(2, d3, d3)),
		}},
		{"cancel", possible, story{endless, cancels(3, 4, 1, today, today), subscribes(5, 6, 2, d1, d2)}},
		{"cancel in the future", possible, story{first, cancels(3, 4, 1, d1, d1), subscribes(5, 6, 2, d2, d3)}},
		{"cancel to a day in the past", impossible, story{endless, cancels(3, 4, 1, today, past)}},
		{"cancel to a later day than today", impossible, story{endless, cancels(3, 4, 1, today, d1)}},
		{"cancelled twice", impossible, story{first, cancels(3, 4, 1, d1, d1), cancels(3, 4, 1, d1, d1)}},
		{"cancelled before", possible, story{first, cancels(3, 5, 1, d1, d1), cancelledBefore(4, 6, 1, d1, d1)}},
		{"cancelled before anybody did", impossible, story{
			first, cancelledBefore(3, 4, 1, d1, d1), cancels(5, 6, 1, d1, d1),
		}},
		{"cancelled before, with a last day to come", impossible, story{first, cancelledBefore(3, 4, 1, d1, d2)}},
		{"a list without one", impossible, story{first, lists(3, 4)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.events.want(t, test.right)
		})
	}
}

// A row that no request explains is wrong, as is a confirmed one that is missing.
func TestRowsAreExplained(t *testing.T) {
	t.Parallel()
	rented, lost := rents(1, 2, 1, 11, 100), rents(1, 2, 1, 11, 0)
	lost.answer = answer{}
	returned := time.Unix(5, 0)
	row := gen.Rental{RentalID: 100, CustomerID: 1, InventoryID: 11}
	second, ended := row, row
	second.RentalID = 101
	ended.ReturnDate = &returned
	for name, test := range map[string]struct {
		events []event
		rows   []gen.Rental
		wrong  int
	}{
		"confirmed":                        {[]event{rented}, []gen.Rental{row}, 0},
		"confirmed, and missing":           {[]event{rented}, nil, 1},
		"confirmed for another copy":       {[]event{rents(1, 2, 1, 12, 100)}, []gen.Rental{row}, 1},
		"not requested":                    {nil, []gen.Rental{row}, 1},
		"lost, and made":                   {[]event{lost}, []gen.Rental{row}, 0},
		"lost, and not made":               {[]event{lost}, nil, 0},
		"lost, and made twice":             {[]event{lost}, []gen.Rental{row, second}, 1},
		"a return that nobody requested":   {[]event{rented}, []gen.Rental{ended}, 1},
		"a return that is not in the rows": {[]event{rented, returns(3, 4, 1, 11, 100)}, []gen.Rental{row}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := &verdict{traffic: &traffic{shop: testShop()}, events: test.events, rentals: map[int32]gen.Rental{}}
			for _, row := range test.rows {
				v.rentals[row.RentalID] = row
			}
			v.wantRows()
			v.explainRentals()
			v.explainReturns()
			if len(v.wrong) != test.wrong {
				t.Errorf("%d faults instead of %d: %q", len(v.wrong), test.wrong, v.wrong)
			}
		})
	}
}

// A request for the copy and one for the film may both explain a row. Each explains one.
func TestRowsAreAssigned(t *testing.T) {
	t.Parallel()
	byFilm, byCopy := rentsFilm(1, 3, 1, 0, 0), rents(2, 5, 1, 12, 0)
	byFilm.answer, byCopy.answer = answer{}, answer{}
	v := &verdict{traffic: &traffic{shop: testShop()}, events: []event{byFilm, byCopy}, rentals: map[int32]gen.Rental{
		100: {RentalID: 100, CustomerID: 1, InventoryID: 11}, 101: {RentalID: 101, CustomerID: 1, InventoryID: 12},
	}}
	v.explainRentals()
	if len(v.wrong) != 0 {
		t.Error(v.wrong)
	}
	for _, e := range v.events {
		if e.answer.rental == nil {
			t.Errorf("this request explains no row: %v", e)
		}
	}
}

// A client who repeats a request has to find the rental that the first attempt made, while the copy is out.
func TestRetryFindsTheRental(t *testing.T) {
	t.Parallel()
	first := rents(1, 2, 1, 11, 100)
	first.attempt, first.dropped = 1, true
	same, other := rentedBefore(3, 4, 1, 11, 100), rents(3, 4, 1, 11, 101)
	same.attempt, other.attempt = 2, 2
	begin := time.Unix(1000, 0)
	before, after := begin.Add(3), begin.Add(time.Second)
	for name, test := range map[string]struct {
		retry    event
		returned *time.Time // the first rental
		wrong    int
	}{
		"the same rental":                      {same, nil, 0},
		"another one":                          {other, nil, 1},
		"another one after the return":         {other, &before, 0},
		"another one, and the return is later": {other, &after, 1},
	} {
		v := &verdict{traffic: &traffic{begin: begin}, events: []event{first, test.retry}}
		v.rentals = map[int32]gen.Rental{100: {RentalID: 100, ReturnDate: test.returned}}
		if v.wantSameRental(); len(v.wrong) != test.wrong {
			t.Errorf("%s: %q", name, v.wrong)
		}
	}
}
