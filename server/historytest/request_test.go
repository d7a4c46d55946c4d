package historytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"example.com/pagila-api/gen"
)

// kind is a kind of request.
type kind string

const (
	rentCopy          kind = "rent a copy"
	rentFilm          kind = "rent by film"
	returnRental      kind = "return"
	subscribe         kind = "subscribe"
	cancel            kind = "cancel"
	updateFilm        kind = "patch a film"
	readFilm          kind = "read a film"
	readRental        kind = "read a rental"
	readSubscriptions kind = "read subscriptions"
)

func (k kind) reads() bool { return k == readFilm || k == readRental || k == readSubscriptions }

// request is a request of a client. Which fields it has depends on its kind.
type request struct {
	kind                kind
	customer            int32
	copyID, film, store int32 // film is known for every request about a film or a copy of it
	staff               int32
	rental              int32
	subscription        int32
	plan                string
	start, end          string // days, or ""
	etag                string
	known               content // what the film was like when it had this etag
	streaming           bool
}

func (r request) http() (method, path, body string) {
	customer, film := fmt.Sprintf("/customers/%d", r.customer), fmt.Sprintf("/films/%d", r.film)
	switch r.kind {
	case rentCopy:
		return http.MethodPost, customer + "/rentals", fmt.Sprintf(`{"inventory_id": %d, "staff_id": %d}`, r.copyID, r.staff)
	case rentFilm:
		return http.MethodPost, customer + "/rentals",
			fmt.Sprintf(`{"film_id": %d, "store_id": %d, "staff_id": %d}`, r.film, r.store, r.staff)
	case returnRental:
		return http.MethodPost, fmt.Sprintf("%s/rentals/%d/return", customer, r.rental), ""
	case readRental:
		return http.MethodGet, fmt.Sprintf("%s/rentals/%d", customer, r.rental), ""
	case subscribe:
		body := fmt.Sprintf(`{"plan_name": %q`, r.plan)
		if r.start != "" {
			body += fmt.Sprintf(`, "start_date": %q`, r.start)
		}
		if r.end != "" {
			body += fmt.Sprintf(`, "end_date": %q`, r.end)
		}
		return http.MethodPost, customer + "/subscriptions", body + "}"
	case cancel:
		return http.MethodPost, fmt.Sprintf("%s/subscriptions/%d/cancel", customer, r.subscription), ""
	case readSubscriptions:
		return http.MethodGet, customer + "/subscriptions", ""
	case updateFilm:
		return http.MethodPatch, film, fmt.Sprintf(`{"streaming_available": %t}`, r.streaming)
	case readFilm:
		return http.MethodGet, film, ""
	}
	panic("no such kind: " + r.kind)
}

// answer is what a server has sent, decoded.
type answer struct {
	status        int
	body          []byte
	code          gen.ProblemCode
	rental        *gen.Rental
	subscription  *gen.Subscription
	subscriptions []gen.Subscription
	film          *gen.FilmDetail
}

// decode decodes a response. A body that is not JSON leaves the fields empty, which the checks notice.
func decode(k kind, status int, body []byte) answer {
	a := answer{status: status, body: body}
	if status >= http.StatusBadRequest {
		var p gen.Problem
		if json.Unmarshal(body, &p) == nil {
			a.code, a.rental, a.subscription = p.Code, p.Rental, p.Subscription
		}
		return a
	}
	var err error
	switch k {
	case updateFilm, readFilm:
		err = json.Unmarshal(body, &a.film)
	case subscribe, cancel:
		err = json.Unmarshal(body, &a.subscription)
	case readSubscriptions:
		var list gen.SubscriptionList
		err = json.Unmarshal(body, &list)
		a.subscriptions = list.Items
	default:
		err = json.Unmarshal(body, &a.rental)
	}
	if err != nil {
		return answer{status: status, body: body}
	}
	return a
}

// effect is what an answer says about the effect of the request.
type effect string

const (
	made      effect = "made"
	repeated  effect = "made before" // 409 with the rental or the subscription
	refused   effect = "refused"     // 409 or 412: not possible at that moment
	nothing   effect = "503"         // nothing was written or read
	uncertain effect = "unknown"     // no answer, or one that leaves the outcome open
	wrong     effect = "wrong"       // not in the contract, or not for this request
)

// repeatCodes are the codes of the contract's x-repeat.
var repeatCodes = map[kind]gen.ProblemCode{
	rentCopy:     gen.ProblemCodeAlreadyRentedByCustomer,
	rentFilm:     gen.ProblemCodeAlreadyRentedByCustomer,
	returnRental: gen.ProblemCodeAlreadyReturned,
	subscribe:    gen.ProblemCodeAlreadySubscribed,
	cancel:       gen.ProblemCodeAlreadyCancelled,
}

// refusals are the codes which say that a valid request was not possible at that moment.
var refusals = map[kind]gen.ProblemCode{
	rentCopy:   gen.ProblemCodeInventoryNotAvailable,
	rentFilm:   gen.ProblemCodeInventoryNotAvailable,
	updateFilm: gen.ProblemCodePreconditionFailed,
}

var successes = map[kind]int{
	rentCopy: http.StatusCreated, rentFilm: http.StatusCreated, subscribe: http.StatusCreated,
	returnRental: http.StatusOK, cancel: http.StatusOK, updateFilm: http.StatusOK,
	readFilm: http.StatusOK, readRental: http.StatusOK, readSubscriptions: http.StatusOK,
}

// effect returns the effect of a request that was answered.
func (a answer) effect(r request) effect {
	switch {
	case a.status == http.StatusServiceUnavailable && a.code == gen.ProblemCodeOutcomeUnknown:
		return uncertain
	case a.status == http.StatusServiceUnavailable && a.code != "":
		return nothing
	case a.status == successes[r.kind] && a.belongsTo(r):
		return made
	case a.code != "" && a.code == refusals[r.kind]:
		return refused
	case a.code != "" && a.code == repeatCodes[r.kind] && a.belongsTo(r):
		return repeated
	default:
		return wrong
	}
}

// belongsTo reports whether the answer has what the request was about.
func (a answer) belongsTo(r request) bool {
	switch r.kind {
	case rentCopy, rentFilm, returnRental, readRental:
		return a.rental != nil && a.rental.CustomerID == r.customer && a.rentalBelongsTo(r)
	case subscribe, cancel:
		return a.subscription != nil && a.subscription.CustomerID == r.customer && a.subscriptionBelongsTo(r)
	case updateFilm:
		return a.film != nil && a.film.FilmID == r.film && a.film.StreamingAvailable == r.streaming
	case readFilm:
		return a.film != nil && a.film.FilmID == r.film
	default:
		return true
	}
}

// rentalBelongsTo checks the rental. Only a new one is in the store, and with the member of staff, of the request.
func (a answer) rentalBelongsTo(r request) bool {
	is, isNew := *a.rental, a.status == http.StatusCreated
	switch r.kind {
	case rentCopy:
		return is.InventoryID == r.copyID && is.ReturnDate == nil && (!isNew || is.StaffID == r.staff)
	case rentFilm:
		return is.FilmID == r.film && is.ReturnDate == nil && (!isNew || is.StaffID == r.staff && is.StoreID == r.store)
	case returnRental:
		return is.RentalID == r.rental && is.ReturnDate != nil
	default:
		return is.RentalID == r.rental
	}
}

func (a answer) subscriptionBelongsTo(r request) bool {
	is := *a.subscription
	if r.kind == cancel {
		return is.SubscriptionID == r.subscription && is.EndDate != nil
	}
	return a.status != http.StatusCreated ||
		is.PlanName == r.plan && endOf(is) == r.end && (r.start == "" || startOf(is) == r.start)
}

func startOf(s gen.Subscription) string { return s.StartDate.Format(time.DateOnly) }

// endOf returns "" for a subscription without an end.
func endOf(s gen.Subscription) string {
	if s.EndDate == nil {
		return ""
	}
	return s.EndDate.Format(time.DateOnly)
}

// event is one attempt of a request.
type event struct {
	request
	client    int
	attempt   int           // from 1
	call, ret time.Duration // since the beginning of the run
	answer    answer        // the server's, even if it was dropped on the way; its status is 0 if there was none
	dropped   bool          // the client did not get the answer
	killed    *program      // the server that was killed while it handled the attempt, or nil
}

func (e event) effect() effect {
	if e.answer.status == 0 {
		return uncertain
	}
	return e.answer.effect(e.request)
}

// maxBody bounds how much of a body the report of a fault shows, in bytes.
const maxBody = 400

func (e event) String() string {
	_, path, body := e.http()
	what := "no answer"
	if e.answer.status != 0 {
		received := bytes.TrimSpace(e.answer.body)
		what = fmt.Sprintf("%d %s", e.answer.status, received[:min(len(received), maxBody)])
	}
	return fmt.Sprintf("%v to %v, client %d, attempt %d: %s %s %s %s: %s",
		e.call, e.ret, e.client, e.attempt, e.kind, path, body, e.etag, what)
}
