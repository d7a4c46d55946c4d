package store

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"
)

// relevance is the order that needs a search.
const relevance = "relevance"

// filmOrder is an order of films.
type filmOrder struct {
	name       string
	key        string // the expression that is compared
	is         string // its type, whose text every setting writes alike
	nullable   bool
	descending bool
}

// filmOrders are the orders by name. Pagila has indexes for film_id and title, which are never NULL.
//
// The rank is a float4. All 9 of its digits are in the numeric, so that a cursor compares exactly.
var filmOrders = map[string]filmOrder{
	"film_id":          {key: `f.film_id`, is: "integer"},
	"title":            {key: `f.title`, is: "text"},
	"release_year":     {key: `f.release_year::integer`, is: "integer", nullable: true},
	"length":           {key: `f.length`, is: "integer", nullable: true},
	"rental_rate":      {key: rentalRate, is: "numeric", nullable: true},
	"replacement_cost": {key: replacementCost, is: "numeric", nullable: true},
	relevance:          {key: `ts_rank_cd(f.fulltext, ` + searchQuery + `)::float8::numeric`, is: "numeric", descending: true},
}

// order returns the order of the query.
func (q FilmQuery) order() (filmOrder, bool) {
	name := q.Order
	if name == "" && q.Search != "" {
		name = relevance
	}
	name = cmp.Or(name, "film_id")
	order, ok := filmOrders[strings.TrimPrefix(name, "-")]
	if strings.HasPrefix(name, "-") {
		order.descending = !order.descending
	}
	order.name = name
	return order, ok
}

// by returns the order of a key and a film_id as in ORDER BY. Without NULLS LAST, an index serves both
// directions.
func (o filmOrder) by(key, id string) string {
	direction := ""
	if o.descending {
		direction = " DESC"
	}
	if o.nullable {
		direction += " NULLS LAST"
	}
	return key + direction + ", " + id
}

// after returns the condition that a film comes after the position. For an index it needs a plain comparison
// that is not in an OR.
func (o filmOrder) after(p position, arg func(any) string) string {
	beyond := `>`
	if o.descending {
		beyond = `<`
	}
	id := arg(p.ID) + `::integer`
	switch {
	case o.key == `f.film_id`:
		return o.key + ` ` + beyond + ` ` + id
	case p.Key == nil:
		return o.key + ` IS NULL AND f.film_id > ` + id
	}
	last := arg(*p.Key) + `::text::` + o.is
	if o.nullable {
		return `(` + o.key + ` ` + beyond + ` ` + last + ` OR ` + o.key + ` IS NULL OR ` + o.key + ` = ` + last + ` AND f.film_id > ` + id + `)`
	}
	return o.key + ` ` + beyond + `= ` + last + ` AND (` + o.key + ` ` + beyond + ` ` + last + ` OR f.film_id > ` + id + `)`
}

// InvalidQueryError says that a query contradicts itself, or that its cursor is not one for it.
type InvalidQueryError struct{ Faults []QueryFault }

// QueryFault is one reason why a query is invalid. Field is the field of FilmQuery in snake case. The bound of
// a range has the suffix _min or _max.
type QueryFault struct{ Field, Detail string }

func (e *InvalidQueryError) Error() string { return fmt.Sprintf("invalid query: %+v", e.Faults) }

// prepare completes the query with the defaults and checks it. after is the position of the cursor, if there
// is one.
func (q *FilmQuery) prepare() (order filmOrder, after *position, err error) {
	order, known := q.order()
	faults := q.faults()
	switch {
	case !known:
		faults = append(faults, QueryFault{"sort", "there is no such order"})
	case strings.HasSuffix(order.name, relevance) && q.Search == "":
		faults = append(faults, QueryFault{"sort", "the order by relevance needs a search"})
	case q.Cursor != "" && q.Page != 0:
		faults = append(faults, QueryFault{"cursor", "a request has either a page or a cursor"})
	case q.Cursor != "":
		if after, err = decodePosition(q.Cursor, q.fingerprint(order), order); err != nil {
			faults = append(faults, QueryFault{"cursor", err.Error()})
		}
		q.Count = cmp.Or(q.Count, CountNone)
	default:
		q.Page, q.Count = max(q.Page, 1), cmp.Or(q.Count, CountExact)
	}
	if faults != nil {
		return order, nil, &InvalidQueryError{faults}
	}
	q.PageSize = min(max(q.PageSize, 1), MaxPageSize)
	return order, after, nil
}

// faults returns the ranges whose bounds contradict each other.
func (q FilmQuery) faults() []QueryFault {
	return slices.Concat(
		q.ReleaseYear.faults("release_year", cmp.Compare[int32]),
		q.Length.faults("length", cmp.Compare[int32]),
		q.RentalRate.faults("rental_rate", decimal.Decimal.Cmp),
		q.ReplacementCost.faults("replacement_cost", decimal.Decimal.Cmp),
		q.RentalDuration.faults("rental_duration", cmp.Compare[int32]))
}

func (r Range[T]) faults(name string, compare func(a, b T) int) []QueryFault {
	if r.Min == nil || r.Max == nil || compare(*r.Min, *r.Max) <= 0 {
		return nil
	}
	detail := name + "_min is greater than " + name + "_max"
	return []QueryFault{{name + "_min", detail}, {name + "_max", detail}}
}

// fingerprint identifies the conditions and the order of the query. The order of the values of a condition
// does not matter.
func (q FilmQuery) fingerprint(order filmOrder) [fingerprintSize]byte {
	q.Order, q.Page, q.PageSize, q.Cursor, q.Count = order.name, 0, 0, "", ""
	for _, values := range []*[]string{&q.Categories, &q.Ratings, &q.Languages, &q.Actors, &q.SpecialFeatures} {
		*values = slices.Compact(slices.Sorted(slices.Values(*values)))
	}
	q.ActorIDs = slices.Compact(slices.Sorted(slices.Values(q.ActorIDs)))
	data, err := json.Marshal(q)
	if err != nil {
		panic(err) // a struct of strings, numbers and decimals
	}
	sum := sha256.Sum256(data)
	return [fingerprintSize]byte(sum[:])
}
