package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"time"

	"example.com/pagila-api/server/bench/load"
	"example.com/pagila-api/server/bench/twin"
	"example.com/pagila-api/server/bench/wire"
)

// repeatsUntilSteady is how often a request is sent before it is recorded: until then the server prepares statements.
const repeatsUntilSteady = 2

// record runs a server behind a tap, and records each request of the operations.
func record(
	ctx context.Context, binary, dir string, db *database, s *shop,
) (ops []operation, r twin.Recording, err error) {
	tap, err := wire.Listen(ctx, db.url)
	if err != nil {
		return nil, r, err
	}
	defer tap.Close()
	p, err := startServer(ctx, "recorded server", binary, tap.URL(), dir)
	if err != nil {
		return nil, r, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if ops, err = operations(ctx, p); err != nil {
		return nil, r, err
	}
	r.Reads = map[string]twin.Exchange{}
	for _, o := range ops {
		for _, target := range o.targets {
			if r.Reads[target], err = recordRead(ctx, p, tap, target); err != nil {
				return nil, r, err
			}
		}
	}
	if r.Rent, r.Return, err = recordWrites(ctx, p, tap, s); err != nil {
		return nil, r, err
	}
	return ops, r, s.reset(ctx)
}

func recordRead(ctx context.Context, p *process, tap *wire.Tap, target string) (twin.Exchange, error) {
	var e twin.Exchange
	for range repeatsUntilSteady {
		tap.Take()
		body, header, err := p.get(ctx, target)
		if err != nil {
			return e, err
		}
		var page struct {
			NextCursor string `json:"next_cursor"`
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return e, err
		}
		e = twin.Exchange{Trips: tap.Take(), ETag: header.Get("ETag"), Cursor: page.NextCursor}
	}
	if len(e.Trips) == 0 {
		return e, fmt.Errorf("GET %s sent nothing to PostgreSQL", target)
	}
	return e, nil
}

// recordWrites rents copies and returns them.
func recordWrites(ctx context.Context, p *process, tap *wire.Tap, s *shop) (rented, returned twin.Exchange, err error) {
	for i := range repeatsUntilSteady {
		tap.Take()
		body, err := one(ctx, p, s.rentals(p))
		if err != nil {
			return rented, returned, err
		}
		id, err := idOf(body)
		if err != nil {
			return rented, returned, err
		}
		customer, inventory := s.customers[i], s.copies[i]
		rented = twin.Exchange{Trips: tap.Take(), Parameters: map[string]int32{
			"customer_id": customer, "inventory_id": inventory, "staff_id": staffID,
		}}
		if _, err := one(ctx, p, s.returns(p)); err != nil {
			return rented, returned, err
		}
		returned = twin.Exchange{Trips: tap.Take(), Parameters: map[string]int32{"customer_id": customer, "rental_id": id}}
	}
	return rented, returned, nil
}

func idOf(body []byte) (int32, error) {
	var rental struct {
		RentalID int32 `json:"rental_id"`
	}
	err := json.Unmarshal(body, &rental)
	return rental.RentalID, err
}

// one sends the next request of a source and returns the body of the response.
func one(ctx context.Context, p *process, next load.Source) (body []byte, err error) {
	clients, err := load.Dial(ctx, p.address, 1)
	if err != nil {
		return nil, err
	}
	defer clients.Close()
	r, ok := next()
	if !ok {
		return nil, errors.New("there is nothing to rent or to return")
	}
	then := r.Read
	r.Read = func(status int, data []byte) error {
		body = data
		if then == nil {
			return nil
		}
		return then(status, data)
	}
	sent := false
	_, err = clients.Closed(time.Minute, func() (load.Request, bool) {
		defer func() { sent = true }()
		return r, !sent
	})
	return body, err
}

// compare compares the responses of a twin with those of the server.
func compare(ctx context.Context, ops []operation, s *shop, p, t *process) error {
	for _, o := range ops {
		for i, target := range o.targets {
			if err := compareReads(ctx, p, t, target, o.targetsFor(t)[i]); err != nil {
				return err
			}
		}
	}
	return compareWrites(ctx, s, p, t)
}

func compareReads(ctx context.Context, p, t *process, target, twinTarget string) error {
	want, header, err := p.get(ctx, target)
	if err != nil {
		return err
	}
	got, twinHeader, err := t.get(ctx, twinTarget)
	if err != nil {
		return fmt.Errorf("the %s: %w", t.name, err)
	}
	if t.kind == equal {
		want, got = appendHeader(want, header), appendHeader(got, twinHeader)
	} else if want, got, err = essence(want, got); err != nil {
		return err
	}
	if !bytes.Equal(want, got) {
		return fmt.Errorf("GET %s: the response of the %s differs:\n%s", target, t.name, difference(want, got))
	}
	return nil
}

// varying are the headers whose values differ from one response to the next. Their lengths do not.
var varying = []string{"Date", "Traceparent", "X-Request-Id"}

// appendHeader appends the headers of a response. Of those that vary, it appends only the lengths.
func appendHeader(b []byte, header http.Header) []byte {
	for _, name := range slices.Sorted(maps.Keys(header)) {
		if values := header[name]; slices.Contains(varying, name) {
			b = fmt.Appendf(b, "%s: %d bytes\n", name, len(values[0]))
		} else {
			b = fmt.Appendf(b, "%s: %q\n", name, values)
		}
	}
	return b
}

// difference returns what two bodies have from their first difference on.
func difference(want, got []byte) string {
	n := 0
	for n < min(len(want), len(got)) && want[n] == got[n] {
		n++
	}
	const before = 40
	from := max(0, n-before)
	return fmt.Sprintf("want …%.200s\ngot  …%.200s", want[from:], got[from:])
}

// changing matches what differs between two rentals of the same copy.
var changing = regexp.MustCompile(`"(rental_id":\d+|(rental|due|return)_date":"[^"]*")`)

func compareWrites(ctx context.Context, s *shop, p, t *process) error {
	var bodies [][]byte
	for _, each := range []*process{p, t} {
		if err := s.reset(ctx); err != nil {
			return err
		}
		for _, next := range []load.Source{s.rentals(each), s.returns(each)} {
			body, err := one(ctx, each, next)
			if err != nil {
				return fmt.Errorf("the %s: %w", each.name, err)
			}
			bodies = append(bodies, changing.ReplaceAll(body, nil))
		}
	}
	if !slices.EqualFunc(bodies[:2], bodies[2:], bytes.Equal) {
		return fmt.Errorf("the rental of the %s is\n%s\nThat of the server is\n%s", t.name, bodies[2:], bodies[:2])
	}
	return s.reset(ctx)
}

// essence returns what the naive twin has in common with the server: which films, and how many there are. A cursor
// page has no total.
func essence(want, got []byte) (wantEssence, gotEssence []byte, err error) {
	type list struct {
		Total  *int64  `json:"total,omitempty"`
		FilmID int32   `json:"film_id,omitempty"`
		Actors []actor `json:"actors,omitempty"`
		Items  []struct {
			FilmID int32 `json:"film_id"`
		} `json:"items,omitempty"`
		Availability []struct {
			Copies, StoreID int32
			InStock         int32 `json:"in_stock"`
		} `json:"availability,omitempty"`
	}
	var w, g list
	if err := errors.Join(json.Unmarshal(want, &w), json.Unmarshal(got, &g)); err != nil {
		return nil, nil, err
	}
	if w.Total == nil {
		g.Total = nil
	}
	wantEssence, err1 := json.Marshal(w)
	gotEssence, err2 := json.Marshal(g)
	return wantEssence, gotEssence, errors.Join(err1, err2)
}

type actor struct {
	ActorID int32 `json:"actor_id"`
}
