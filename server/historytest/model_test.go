package historytest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"example.com/pagila-api/gen"
)

// The model of a film has the film's copies and the flag that clients may change. The model of a customer has the
// subscriptions. Films do not depend on each other, and neither do customers, so each one has a history of its own,
// which keeps the checker fast.

// step is an event in a history: what it does to a state. It returns the states that may follow, which are none if
// the event is not possible in the state.
type step[S any] struct {
	text string
	next func(S) []S
}

// operation returns the step as the checker needs it.
func (s step[S]) operation(e event) porcupine.Operation {
	return porcupine.Operation{ClientId: e.client, Input: s, Call: int64(e.call), Return: int64(e.ret)}
}

// checkTimeout bounds the check of one history. It takes a fraction of a second if the history has no fault.
const checkTimeout = 30 * time.Second

// check returns what is wrong with a history, or "".
func check[S any](history []porcupine.Operation, equal func(a, b S) bool) string {
	model := porcupine.NondeterministicModel{
		Init: func() []any { var first S; return []any{first} },
		Step: func(state, input, _ any) []any {
			var states []any
			for _, each := range input.(step[S]).next(state.(S)) {
				states = append(states, each)
			}
			return states
		},
		Equal: func(a, b any) bool { return equal(a.(S), b.(S)) },
	}
	whole := model.ToModel()
	switch result := porcupine.CheckOperationsTimeout(whole, history, checkTimeout); result {
	case porcupine.Ok:
		return ""
	case porcupine.Illegal:
		return "not linearizable: " + explain[S](whole, history)
	default:
		return "the checker came to no result: " + string(result)
	}
}

func checkFilm(history []porcupine.Operation) string {
	return check(history, func(a, b filmState) bool { return a == b })
}

func checkCustomer(history []porcupine.Operation) string {
	return check(history, func(a, b customerState) bool { return slices.Equal(a, b) })
}

// explainTimeout is the same for each of the checks that look for the place of a fault.
const explainTimeout = 3 * time.Second

// explain returns where a history stops to be linearizable: the shortest beginning of it that is not, with the
// events around its end.
func explain[S any](model porcupine.Model, history []porcupine.Operation) string {
	slices.SortFunc(history, func(a, b porcupine.Operation) int { return int(a.Return - b.Return) })
	// Events that have not returned at the end of a beginning may have happened, or may yet happen.
	beginning := func(n int) []porcupine.Operation {
		if n == 0 {
			return nil
		}
		cut := slices.Clone(history)
		end := history[n-1].Return
		cut = slices.DeleteFunc(cut, func(o porcupine.Operation) bool { return o.Call > end })
		for i := range cut {
			if cut[i].Return > end {
				s := cut[i].Input.(step[S])
				cut[i].Input = step[S]{s.text, func(state S) []S { return append(s.next(state), state) }}
			}
		}
		return cut
	}
	low, high := 0, len(history)
	for low+1 < high {
		middle := (low + high) / 2
		if porcupine.CheckOperationsTimeout(model, beginning(middle), explainTimeout) == porcupine.Ok {
			low = middle
		} else {
			high = middle
		}
	}
	_, info := porcupine.CheckOperationsVerbose(model, beginning(low), explainTimeout)
	state := model.Init()
	for _, orders := range info.PartialLinearizationsOperations() {
		if len(orders) == 0 {
			continue
		}
		for _, o := range orders[0] {
			_, state = model.Step(state, o.Input, nil)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "after %d of %d events, which lead for example to %v, this one is not possible:\n",
		low, len(history), state)
	for _, o := range history[max(0, high-12):min(len(history), high+4)] {
		mark := "  "
		if o.Return == history[high-1].Return {
			mark = "> "
		}
		fmt.Fprintf(&b, "%s%s\n", mark, o.Input.(step[S]).text)
	}
	return b.String()
}

// holder has a copy. The zero value is a copy in the shop.
type holder struct{ rental, customer int32 }

// filmState is the state of a film.
type filmState struct {
	streaming bool
	copies    [copiesPerFilm]holder
}

func (f filmState) String() string {
	return fmt.Sprintf("%+v", struct {
		Streaming bool
		Copies    any
	}{f.streaming, f.copies})
}

// with returns the state with another holder of a copy.
func (f filmState) with(index int, h holder) []filmState {
	f.copies[index] = h
	return []filmState{f}
}

// has reports whether a customer has a copy of the film.
func (f filmState) has(customer int32) bool {
	return slices.ContainsFunc(f.copies[:], func(h holder) bool { return h.customer == customer })
}

// content is what an ETag of a film stands for, as far as it can change.
type content struct {
	streaming bool
	inStock   int32
}

func contentOf(f gen.FilmDetail) content {
	c := content{streaming: f.StreamingAvailable}
	for _, a := range f.Availability {
		c.inStock += a.InStock
	}
	return c
}

// content returns what an ETag of the film stands for in this state.
func (f filmState) content() content {
	c := content{streaming: f.streaming}
	for _, h := range f.copies {
		if h == (holder{}) {
			c.inStock++
		}
	}
	return c
}

// only returns a step that is possible if the condition holds, and changes nothing.
func only[S any](text string, condition func(S) bool) step[S] {
	return step[S]{text, func(s S) []S {
		if condition(s) {
			return []S{s}
		}
		return nil
	}}
}

// filmSteps returns the steps of an event about a film or a copy of it.
func (s *shop) filmSteps(e event) []step[filmState] {
	text := e.String()
	switch e.kind {
	case rentCopy, rentFilm:
		return []step[filmState]{s.rentStep(e, text)}
	case returnRental:
		return []step[filmState]{s.returnStep(e, text)}
	case readRental:
		r := *e.answer.rental
		want := holder{r.RentalID, r.CustomerID}
		return []step[filmState]{only(text, func(f filmState) bool {
			return (f.copies[s.places[r.InventoryID].index] == want) == (r.ReturnDate == nil)
		})}
	case readFilm:
		seen := contentOf(*e.answer.film)
		return []step[filmState]{only(text, func(f filmState) bool { return f.content() == seen })}
	default:
		return s.updateSteps(e, text)
	}
}

func (s *shop) rentStep(e event, text string) step[filmState] {
	if e.effect() == refused {
		return only(text, func(f filmState) bool {
			for i, id := range s.copies[e.film] {
				wanted := e.kind == rentCopy && id == e.copyID || e.kind == rentFilm && s.places[id].store == e.store
				if wanted && (f.copies[i] == holder{}) || (wanted || e.kind == rentFilm) && f.copies[i].customer == e.customer {
					return false
				}
			}
			return true
		})
	}
	r := *e.answer.rental
	index, h := s.places[r.InventoryID].index, holder{r.RentalID, r.CustomerID}
	if e.effect() == repeated {
		return only(text, func(f filmState) bool { return f.copies[index] == h })
	}
	return step[filmState]{text, func(f filmState) []filmState {
		if f.copies[index] != (holder{}) || e.kind == rentFilm && f.has(e.customer) {
			return nil
		}
		return f.with(index, h)
	}}
}

func (s *shop) returnStep(e event, text string) step[filmState] {
	r := *e.answer.rental
	index, h := s.places[r.InventoryID].index, holder{r.RentalID, r.CustomerID}
	if e.effect() == repeated {
		return only(text, func(f filmState) bool { return f.copies[index] != h })
	}
	return step[filmState]{text, func(f filmState) []filmState {
		if f.copies[index] != h {
			return nil
		}
		return f.with(index, holder{})
	}}
}

// updateSteps returns the steps of a change of a film. The server reads the film while it holds the film's row, and
// then writes. A rental in between is neither before the change nor after it, so the two are steps of their own.
func (s *shop) updateSteps(e event, text string) []step[filmState] {
	switch e.effect() {
	case refused:
		return []step[filmState]{only(text, func(f filmState) bool { return f.content() != e.known })}
	case uncertain:
		return []step[filmState]{{text, func(f filmState) []filmState {
			changed := f
			changed.streaming = e.streaming
			return []filmState{f, changed}
		}}}
	default: // made
	}
	seen := contentOf(*e.answer.film)
	return []step[filmState]{
		only("the comparison of "+text, func(f filmState) bool { return f.content() == e.known }),
		{text, func(f filmState) []filmState {
			if f.streaming != e.known.streaming {
				return nil // another client's change would be lost
			}
			f.streaming = e.streaming
			return []filmState{f}
		}},
		only("the response of "+text, func(f filmState) bool { return f.content().inStock == seen.inStock }),
	}
}

// period is a subscription in the model: days are texts in the order of the calendar.
type period struct {
	id         int32
	start, end string
}

// forever is the end of a subscription without an end.
const forever = "9999-12-31"

func newPeriod(s gen.Subscription) period {
	p := period{s.SubscriptionID, startOf(s), endOf(s)}
	if p.end == "" {
		p.end = forever
	}
	return p
}

func (p period) overlaps(other period) bool { return p.start <= other.end && other.start <= p.end }

// customerState has the subscriptions of a customer in the order of their first days.
type customerState []period

func (c customerState) String() string { return fmt.Sprint([]period(c)) }

func (c customerState) find(id int32) int {
	return slices.IndexFunc(c, func(p period) bool { return p.id == id })
}

// customerSteps returns the step of an event about the subscriptions of a customer.
func (s *shop) customerSteps(e event) []step[customerState] {
	text := e.String()
	switch e.kind {
	case readSubscriptions:
		var seen customerState
		for _, each := range e.answer.subscriptions {
			seen = append(seen, newPeriod(each))
		}
		slices.Reverse(seen)
		return []step[customerState]{only(text, func(c customerState) bool { return slices.Equal(c, seen) })}
	case subscribe:
		return []step[customerState]{s.subscribeStep(e, text)}
	default:
		return []step[customerState]{s.cancelStep(e, text)}
	}
}

func (s *shop) subscribeStep(e event, text string) step[customerState] {
	p := newPeriod(*e.answer.subscription)
	if e.effect() == made {
		return step[customerState]{text, func(c customerState) []customerState {
			if slices.ContainsFunc(c, p.overlaps) {
				return nil
			}
			with := append(slices.Clone(c), p)
			slices.SortFunc(with, func(a, b period) int { return strings.Compare(a.start, b.start) })
			return []customerState{with}
		}}
	}
	wanted := period{start: e.start, end: e.end}
	if wanted.start == "" {
		wanted.start = s.today.Format(time.DateOnly)
	}
	if wanted.end == "" {
		wanted.end = forever
	}
	return only(text, func(c customerState) bool {
		first := slices.IndexFunc(c, wanted.overlaps)
		return first >= 0 && c[first] == p
	})
}

func (s *shop) cancelStep(e event, text string) step[customerState] {
	p := newPeriod(*e.answer.subscription)
	last := max(p.start, s.today.Format(time.DateOnly))
	if e.effect() == repeated {
		return only(text, func(c customerState) bool { return slices.Contains(c, p) && p.end <= last })
	}
	return step[customerState]{text, func(c customerState) []customerState {
		at := c.find(p.id)
		if at < 0 || c[at].start != p.start || c[at].end <= last || p.end != last {
			return nil
		}
		changed := slices.Clone(c)
		changed[at] = p
		return []customerState{changed}
	}}
}

// never is the return of an event that may happen at any later time.
const never = time.Duration(math.MaxInt64)
