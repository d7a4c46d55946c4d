package historytest

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"example.com/pagila-api/gen"
)

const (
	clients = 64
	// inspector is the client that comes after the others. Those between are for requests that are sent twice.
	inspector = 2 * clients
	// twiceEvery is how many requests are sent for each that is sent twice.
	twiceEvery = 4
	// clientTimeout is longer than every timeout of the server.
	clientTimeout = 30 * time.Second
	// busyFilms and busyCustomers get half of the requests, so that many requests meet.
	busyFilms     = 5
	busyCustomers = 5
	// horizon is how many days ahead subscriptions begin.
	horizon = 360
)

// traffic is what the clients do, and what happens to them.
type traffic struct {
	shop  *shop
	proxy *proxy
	http  *http.Client
	begin time.Time
	pace  time.Duration // the mean time between two requests of a client

	mu            sync.Mutex
	rush          chan struct{} // is closed to end the pauses of the clients
	events        []event
	faults        []string // what never may happen to a client
	rentals       []gen.Rental
	subscriptions []gen.Subscription
}

func newTraffic(s *shop, p *proxy, pace time.Duration) *traffic {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: inspector}, Timeout: clientTimeout}
	return &traffic{shop: s, proxy: p, http: client, begin: time.Now(), pace: pace, rush: make(chan struct{})}
}

// run lets the clients work until ctx is done. They finish what they have begun.
func (f *traffic) run(ctx context.Context) {
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			for ctx.Err() == nil {
				f.act(client)
				f.pause(ctx)
			}
		})
	}
	wg.Wait()
}

func (f *traffic) pause(ctx context.Context) {
	if f.pace == 0 {
		return
	}
	f.mu.Lock()
	rush := f.rush
	f.mu.Unlock()
	timer := time.NewTimer(rand.N(2 * f.pace))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-rush:
	case <-ctx.Done():
	}
}

// hurry makes all clients send a request at once.
func (f *traffic) hurry() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.rush)
	f.rush = make(chan struct{})
}

// act does one thing that a client may do.
func (f *traffic) act(client int) {
	switch n := rand.IntN(100); {
	case n < 28:
		film := busy(f.shop.films, busyFilms)
		copyID := busy(f.shop.copies[film], copiesPerFilm)
		f.request(client, request{kind: rentCopy, film: film, copyID: copyID, customer: f.customer(), staff: f.staff()})
	case n < 48:
		film := busy(f.shop.films, busyFilms)
		store := f.shop.places[f.shop.copies[film][0]].store
		f.request(client, request{kind: rentFilm, film: film, store: store, customer: f.customer(), staff: f.staff()})
	case n < 75:
		if r, ok := recent(f, &f.rentals); ok {
			f.request(client, request{kind: returnRental, customer: r.CustomerID, rental: r.RentalID, film: r.FilmID})
		}
	case n < 78:
		if r, ok := recent(f, &f.rentals); ok {
			f.request(client, request{kind: readRental, customer: r.CustomerID, rental: r.RentalID, film: r.FilmID})
		}
	case n < 86:
		f.request(client, f.subscription())
	case n < 91:
		if s, ok := recent(f, &f.subscriptions); ok {
			f.request(client, request{kind: cancel, customer: s.CustomerID, subscription: s.SubscriptionID})
		}
	case n < 92:
		f.request(client, request{kind: readSubscriptions, customer: f.customer()})
	default:
		f.patch(client, busy(f.shop.films, busyFilms))
	}
}

// patch changes a film as a person does, who reads it first.
func (f *traffic) patch(client int, film int32) {
	read := f.do(client, request{kind: readFilm, film: film})
	if read.film == nil {
		return
	}
	f.request(client, request{
		kind: updateFilm, film: film, streaming: !read.film.StreamingAvailable,
		etag: read.film.Etag, known: contentOf(*read.film),
	})
}

// subscription is a request to subscribe from today or later, for some days or without an end.
func (f *traffic) subscription() request {
	r := request{kind: subscribe, customer: f.customer(), plan: []string{"basic", "standard", "premium"}[rand.IntN(3)]}
	if rand.IntN(8) == 0 {
		return r
	}
	first := f.shop.today.AddDate(0, 0, 1+rand.IntN(horizon))
	r.start = first.Format(time.DateOnly)
	if rand.IntN(8) != 0 {
		r.end = first.AddDate(0, 0, rand.IntN(30)).Format(time.DateOnly)
	}
	return r
}

func (f *traffic) customer() int32 { return busy(f.shop.customers, busyCustomers) }
func (f *traffic) staff() int32    { return busy(f.shop.staff, 1) }

// busy returns one of the ids. Half of the time it is one of the first n.
func busy(ids []int32, n int) int32 {
	if rand.IntN(2) == 0 {
		return ids[rand.IntN(n)]
	}
	return ids[rand.IntN(len(ids))]
}

// recent returns one of the latest rentals or subscriptions that the clients know.
func recent[T any](f *traffic, all *[]T) (found T, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(*all) == 0 {
		return found, false
	}
	return (*all)[rand.IntN(len(*all))], true
}

// request sends a request. Sometimes it is sent twice at a time, as by a person who clicks twice.
func (f *traffic) request(client int, r request) {
	var wg sync.WaitGroup
	if !r.kind.reads() && rand.IntN(twiceEvery) == 0 {
		wg.Go(func() { f.do(clients+client, r) })
	}
	f.do(client, r)
	wg.Wait()
}

// do sends a request. If it gets no answer, it repeats the request until it gets one, as clients should.
func (f *traffic) do(client int, r request) answer {
	for attempt := 1; ; attempt++ {
		e, answered := f.attempt(client, attempt, r)
		f.record(e)
		if answered {
			return e.answer
		}
	}
}

func (f *traffic) record(e event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, e)
	if e.effect() == wrong {
		f.faults = append(f.faults, "this answer is not one for the request: "+e.String())
	}
	if e.dropped {
		return
	}
	switch effect := e.effect(); {
	case effect != made && effect != repeated:
	case e.answer.rental != nil && (e.kind == rentCopy || e.kind == rentFilm):
		f.rentals = remember(f.rentals, *e.answer.rental, rentalOf)
	case e.kind == returnRental && (effect == repeated || rand.IntN(4) != 0): // the others are returned once more
		f.rentals = slices.DeleteFunc(f.rentals, func(r gen.Rental) bool { return r.RentalID == e.rental })
	case e.kind == subscribe:
		f.subscriptions = remember(f.subscriptions, *e.answer.subscription, subscriptionOf)
	}
}

func rentalOf(r gen.Rental) int32             { return r.RentalID }
func subscriptionOf(s gen.Subscription) int32 { return s.SubscriptionID }

// remembered is how many of the latest rentals and subscriptions the clients remember. It is more than the shop has
// copies, so that every rental can be returned.
const remembered = 100

// remember adds a rental or a subscription unless it is there.
func remember[T any](all []T, one T, id func(T) int32) []T {
	if slices.ContainsFunc(all, func(other T) bool { return id(other) == id(one) }) {
		return all
	}
	return append(all[max(0, len(all)-remembered+1):], one)
}

// attempt sends a request once. answered is false if the client got no response.
func (f *traffic) attempt(client, attempt int, r request) (e event, answered bool) {
	id := fmt.Sprintf("history-%d-%d", client, rand.Uint64())
	e = event{request: r, client: client, attempt: attempt, call: time.Since(f.begin)}
	status, body, err := f.send(id, r)
	e.ret = time.Since(f.begin)
	if err == nil {
		e.answer = decode(r.kind, status, body)
		return e, true
	}
	e.dropped = true
	fate, known := f.proxy.fate(id)
	switch {
	case !known:
		f.fault("a client got no whole response: %v: %v", err, e)
		return e, true // or the run would never end
	case fate.err != nil:
		f.fault("the proxy could not forward a request: %v: %v", fate.err, e)
		return e, true
	case fate.killed != nil:
		e.killed = fate.killed
	default:
		e.answer = decode(r.kind, fate.status, fate.body)
	}
	return e, false
}

func (f *traffic) fault(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, fmt.Sprintf(format, args...))
}

func (f *traffic) send(id string, r request) (status int, received []byte, err error) {
	method, path, body := r.http()
	out, err := http.NewRequestWithContext(context.Background(), method, f.proxy.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	out.Header.Set(idHeader, id)
	out.Header.Set("Authorization", "Bearer dvd_admin")
	if body != "" {
		out.Header.Set("Content-Type", "application/json")
	}
	if r.etag != "" {
		out.Header.Set("If-Match", r.etag)
	}
	response, err := f.http.Do(out)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	received, err = io.ReadAll(response.Body)
	return response.StatusCode, received, err
}

// inspect reads everything that the clients could have changed, after they have left.
func (f *traffic) inspect() {
	for _, film := range f.shop.films {
		f.do(inspector, request{kind: readFilm, film: film})
	}
	for _, customer := range f.shop.customers {
		f.do(inspector, request{kind: readSubscriptions, customer: customer})
	}
}
