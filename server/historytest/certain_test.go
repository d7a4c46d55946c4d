package historytest

import (
	"testing"
	"time"
)

// The checker tries the events in many orders, also those that change nothing, and takes exponentially long if there
// are many at a time. Most of them are certain: whatever the order of the rentals and returns, the event fits. The
// checker does not need those.

// hold is a rental between the response to the request that made it and the request that ended it. At this time
// the customer has the copy in every order of the events.
type hold struct {
	customer int32
	span
}

// holds are the rentals that confirmed events have made.
type holds struct {
	byRental map[int32]hold
	byCopy   map[int32][]hold
	returned map[int32]time.Duration // when the response to the return came
}

// span is a period of the run, with both ends.
type span struct{ from, to time.Duration }

func newHolds(events []event) holds {
	h := holds{map[int32]hold{}, map[int32][]hold{}, map[int32]time.Duration{}}
	ends := map[int32]time.Duration{}
	for _, e := range events {
		if e.kind == returnRental && e.effect() == made {
			ends[e.rental], h.returned[e.rental] = e.call, e.ret
		}
	}
	for _, e := range events {
		if e.kind != rentCopy && e.kind != rentFilm || e.effect() != made {
			continue
		}
		r := e.answer.rental
		end, ok := ends[r.RentalID]
		if !ok {
			end = never
		}
		one := hold{r.CustomerID, span{e.ret, end}}
		h.byRental[r.RentalID] = one
		h.byCopy[r.InventoryID] = append(h.byCopy[r.InventoryID], one)
	}
	return h
}

// overlap returns the common part of two spans. It is false if there is none.
func (s span) overlap(other span) (span, bool) {
	both := span{max(s.from, other.from), min(s.to, other.to)}
	return both, both.from <= both.to
}

// certain reports whether an event about a rental fits into every order of the rentals and returns.
func (h holds) certain(s *shop, e event) bool {
	during := span{e.call, e.ret}
	switch {
	case e.effect() == refused && e.kind == rentCopy:
		return h.outTo(e.customer, during, e.copyID)
	case e.effect() == refused && e.kind == rentFilm:
		return h.outTo(e.customer, during, s.copies[e.film]...)
	case e.kind == readRental && e.answer.rental.ReturnDate != nil, e.kind == returnRental && e.effect() == repeated:
		returned, ok := h.returned[e.rental]
		return ok && returned <= e.ret
	case e.kind == readRental, e.effect() == repeated && (e.kind == rentCopy || e.kind == rentFilm):
		_, ok := h.byRental[e.answer.rental.RentalID].overlap(during)
		return ok
	default:
		return false
	}
}

// outTo reports whether others than the customer have all of these copies at some time of a span.
func (h holds) outTo(customer int32, during span, copies ...int32) bool {
	spans := []span{during}
	for _, id := range copies {
		var left []span
		for _, one := range h.byCopy[id] {
			for _, s := range spans {
				if both, ok := one.overlap(s); ok && one.customer != customer {
					left = append(left, both)
				}
			}
		}
		spans = left
	}
	return len(spans) > 0
}

func TestCertain(t *testing.T) {
	t.Parallel()
	rented := []event{rents(10, 20, 1, 11, 100), rents(10, 30, 1, 12, 101), returns(50, 60, 1, 11, 100)}
	for name, test := range map[string]struct {
		certain bool
		event   event
	}{
		"refused while it was out":             {true, noCopy(20, 21, 2, 11)},
		"refused while it may have been free":  {false, noCopy(15, 19, 2, 11)},
		"refused although the customer has it": {false, noCopy(20, 21, 1, 11)},
		"all copies are out":                   {true, noCopyOfFilm(25, 30, 2)},
		"one copy may be free":                 {false, noCopyOfFilm(20, 29, 2)},
		"one copy may be free again":           {false, noCopyOfFilm(51, 61, 2)},
		"found again":                          {true, rentedBefore(49, 70, 1, 11, 100)},
		"found when it may have ended":         {false, rentedBefore(51, 59, 1, 11, 100)},
		"returned before":                      {true, returnedBefore(55, 60, 1, 11, 100)},
		"returned before, perhaps":             {false, returnedBefore(55, 59, 1, 11, 100)},
		"never returned":                       {false, returnedBefore(55, 59, 1, 12, 101)},
		"a rental itself":                      {false, rented[0]},
	} {
		if certain := newHolds(rented).certain(testShop(), test.event); certain != test.certain {
			t.Errorf("%s: %t", name, certain)
		}
	}
}
