package offline

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// pattern is something that a question may have: the kinds of its terms, and how they are used. If they cannot be
// used, they are unread.
type pattern struct {
	kinds *regexp.Regexp
	use   func(q *query, part []term) bool // or nil
}

// patterns are all patterns. The first one that matches counts.
var patterns = []pattern{
	{kinds(`(measure )?(bound )?(unit )?number (after )?(unit )?((to|and) (unit )?number (unit )?)?(after )?(replace )?`),
		(*query).amount},
	{kinds(`(measure )?bound unit `), (*query).one},
	// It is unclear how far a negation reaches, what an "or" stands between, and whether an "and" begins another list.
	{kinds(`(not|or) (\w+ )*|and (films|any|is|number|unit) |(role )?all (comma (and )?(role )?all )+`), nil},
	// It is unclear what an amount after "to", "from" or "have" limits, whether films with short trailers are short, and
	// whether conditions before a title, or beside a fact about it, are for that film.
	{kinds(`(to|with|with bound) (unit )?number (unit )?|in number unit |(is|any) all |fact .*film .*any `), nil},
	{kinds(`(films )?(name )?film `), func(q *query, _ []term) bool { return len(q.args) == 0 }},
	{kinds(`any ((and|or) any )*`), (*query).anyOf},
	{kinds(`(role )?all (role )?`), (*query).allOf},
	{kinds(`is `), (*query).is},
	{kinds(`store number `), (*query).store},
	{kinds(`films `), func(q *query, _ []term) bool { q.every = true; return len(q.films) == 0 }},
	{kinds(`list (film |in |with )*$`),
		func(q *query, part []term) bool { q.list = part[0]; return len(q.args) == 0 && !q.every }},
	{kinds(`(fact|role|measure|replace|store) `), func(q *query, _ []term) bool { return len(q.films) > 0 }},
	{kinds(`(and|to|in|with|comma) `), func(*query, []term) bool { return true }},
	{kinds(`\w+ `), nil},
}

func kinds(pattern string) *regexp.Regexp { return regexp.MustCompile("^(?:" + pattern + ")") }

// query is what a question asks for, as far as it was understood.
type query struct {
	films        []record       // that the question names
	args         map[string]any // of listFilms
	every        bool           // it asks for films, perhaps without a condition
	list         term           // the other things that it asks for, if any
	read, unread []string       // what was understood, as answers say it, and what was not
}

// newQuery reads a question from left to right.
func newQuery(words []string, dictionary map[string]term) *query {
	q, kinds, rest := &query{args: map[string]any{}}, "", []term(nil)
	for _, t := range terms(words, dictionary) {
		q.films = append(q.films, t.films...)
		if t.kind != "filler" || t.parameter == "" && t.text == words[len(words)-1] && isName(words, t.text) {
			kinds, rest = kinds+t.kind+" ", append(rest, t)
		}
	}
	for len(rest) > 0 {
		p := patterns[slices.IndexFunc(patterns, func(p pattern) bool { return p.kinds.MatchString(kinds) })]
		match := p.kinds.FindString(kinds)
		n, before := strings.Count(match, " "), *q
		q.args = maps.Clone(q.args)
		if p.use == nil || !p.use(q, rest[:n]) {
			*q = before
			for _, t := range rest[:n] {
				if t.kind != "comma" {
					q.unread = append(q.unread, t.text)
				}
			}
		}
		kinds, rest = kinds[len(match):], rest[n:]
	}
	return q
}

// set sets an argument, and reports whether it had no value yet and fits the others.
func (q *query) set(parameter, says string, value any) bool {
	unset := q.args[parameter] == nil
	q.args[parameter], q.read = value, append(q.read, says)
	// Films that a store does not have in stock include films that it never had.
	elsewhere := q.args["store_id"] != nil && fmt.Sprintf("%s", q.args["in_stock"]) == "false"
	return unset && !elsewhere
}

// anyOf uses values of one parameter of which a film may have any, such as "comedies or dramas".
func (q *query) anyOf(part []term) bool {
	var values, says []string
	for _, t := range part {
		if t.kind == "any" && t.parameter != part[0].parameter {
			return false
		} else if t.kind == "any" && !slices.Contains(says, t.says) {
			values, says = append(values, strings.Split(t.value, "|")...), append(says, t.says)
		}
	}
	return q.set(part[0].parameter, strings.Join(says, " or "), values)
}

// allOf uses a value that a film has beside others.
func (q *query) allOf(part []term) bool {
	t := part[slices.IndexFunc(part, func(t term) bool { return t.kind == "all" })]
	list, _ := q.args[t.parameter].([]string)
	q.args[t.parameter], q.read = append(slices.Clone(list), t.value), append(q.read, t.says)
	return !slices.Contains(list, t.value)
}

// is uses the value of a parameter. A film that the question names has no order.
func (q *query) is(part []term) bool {
	t := part[0]
	return (t.parameter != "sort" || len(q.films) == 0) && q.set(t.parameter, t.says, json.RawMessage(t.value))
}

// store uses the number of a store.
func (q *query) store(part []term) bool {
	id, err := strconv.ParseInt(part[1].value, 10, 32)
	return err == nil && id > 0 && q.set("store_id", "in store "+part[1].value, id)
}

// places are the decimal places of the measures that are sums of money. The others are integers.
var places = map[string]int{"rental_rate": 2, "replacement_cost": 2}

// amount uses a number or a range, with what is measured, bounds and units around it. A unit counts for both ends.
// The server refuses numbers that are out of the contract's bounds.
func (q *query) amount(part []term) bool {
	by, numbers := map[string]term{}, []float64{}
	for _, t := range part {
		if before, again := by[t.kind]; again && t.kind != "number" && before.says != t.says ||
			t.kind == "unit" && len(numbers) == 0 && places[t.parameter] == 0 {
			return false // 2 hours to 90 minutes, or min 90, which may be the minimum
		}
		if t.kind == "number" {
			n, _ := strconv.ParseFloat(t.value, 64)
			numbers = append(numbers, n)
		}
		by[t.kind] = t
	}
	measure := measureOf(by, numbers[0])
	factor, _ := strconv.ParseFloat(cmp.Or(by["unit"].value, "1"), 64)
	bound := by["bound"].value + by["to"].kind + by["and"].kind + by["after"].value
	return measure != "" && q.limit(measure, bound, numbers[0]*factor, numbers[len(numbers)-1]*factor)
}

// one uses a unit without a number, as in "under an hour".
func (q *query) one(part []term) bool { return q.amount(append([]term{meanings["one"]}, part...)) }

// measureOf is the parameter that a number is for, or empty if that is unclear.
func measureOf(by map[string]term, number float64) string {
	unit := by["unit"].parameter
	measure := cmp.Or(by["replace"].parameter, by["measure"].parameter, by["bound"].parameter, unit)
	switch {
	case measure == "" && number >= 1900 && number < 2100:
		return "release_year"
	case unit != "" && unit != measure && (places[unit] == 0 || places[measure] == 0):
		return "" // longer than 3 dollars
	case len(by) == 2 && places[unit] > 0, unit == "" && number < 20 && places[measure] == 0:
		return "" // 3 dollars, which may be the price or what there is to spend, or longer than 1, which may be hours
	}
	return measure
}

// limit sets the limits that a bound means, and reports whether it could. The bound of a range has the words before
// and between its numbers: "betweenand", "betweento" or "to".
func (q *query) limit(measure, bound string, low, high float64) bool {
	step := math.Pow10(-places[measure])
	switch bound {
	case "<":
		return q.end(measure, "_max", high-step)
	case "<=", "<=<=": // at most, or less
		return q.end(measure, "_max", high)
	case ">":
		return q.end(measure, "_min", low+step)
	case ">=":
		return q.end(measure, "_min", low)
	case "", "to", "betweento", "betweenand":
		return q.end(measure, "_min", low) && q.end(measure, "_max", high)
	case "~": // up to a tenth less or more, or a year
		margin := low / 10
		if measure == "release_year" {
			margin = 1
		}
		least, most := math.Ceil((low-margin)/step-1e-6), math.Floor((low+margin)/step+1e-6)
		return q.end(measure, "_min", least*step) && q.end(measure, "_max", most*step)
	}
	return false
}

// end sets a minimum or a maximum, and reports whether it is new and has no more decimal places than the measure.
func (q *query) end(measure, end string, n float64) bool {
	digits := strconv.FormatFloat(n, 'f', places[measure], 64)
	rounded, err := strconv.ParseFloat(digits, 64)
	value := digits
	if places[measure] > 0 {
		value = strconv.Quote(digits)
	}
	says := strings.NewReplacer("_min", " at least ", "_max", " at most ", "_", " ").Replace(measure+end) + digits
	return err == nil && math.Abs(n-rounded) < 1e-6 && q.set(measure+end, says, json.RawMessage(value))
}
