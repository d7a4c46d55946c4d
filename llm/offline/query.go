package offline

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// pattern is something that a question may have: the kinds of its terms, and how they are used. If they cannot be
// used, they are unread.
type pattern struct {
	kinds *regexp.Regexp
	use   func(q *query, part []term) bool
}

// patterns are all patterns. The first one that matches counts.
var patterns = []pattern{
	{kinds(`(measure )?(bound )?(unit )?number (after )?(unit )?((to|and) (unit )?number (unit )?)?(after )?(replace )?`), (*query).amount},
	{kinds(`(measure )?bound unit `), (*query).one},
	{kinds(`never (\w+ )*`), unused}, // I don't want PG comedies
	// not PG comedies, no PG films starring Nick Wahlberg
	{kinds(`not any ((and|or) any )*(list (role |store )|role |(list )?(any|all|is|measure|bound|unit|number|unknown) )((any|all|is|measure|bound|unit|number|unknown|role|store) )*`), unused},
	{kinds(`(list|any) (\w+ ){0,9}?and (is )+(list|any) `), unused}, // short films and cheap films
	{kinds(`(not )?any ((and|or) any )*`), (*query).anyOf},
	{kinds(`(role )?all (comma (and )?(role )?all )+`), unused}, // all of them, or any
	{kinds(`(role )?all (role )?`), (*query).allOf},             // starring Nick Wahlberg
	{kinds(`is `), (*query).is},
	{kinds(`store number `), (*query).store},
	{kinds(`list `), func(q *query, part []term) bool { q.lists = append(q.lists, part...); return true }},
	{kinds(`(fact|role|measure|replace|store) `), func(q *query, _ []term) bool { return len(q.films) > 0 }},
	{kinds(`(or|not) (role )?((measure |bound |unit |number )+|\w+ )|and (list|any|number|unit) `), unused}, // "and 5 dollars" may also mean less than that
	{kinds(`(and|to|comma) `), func(*query, []term) bool { return true }},
	{kinds(`\w+ `), unused},
}

func kinds(pattern string) *regexp.Regexp { return regexp.MustCompile("^(?:" + pattern + ")") }

func unused(*query, []term) bool { return false }

// query is what a question asks for, as far as it was understood.
type query struct {
	films        []record       // that the question names
	args         map[string]any // of listFilms
	lists        []term         // what is to be listed
	read, unread []string       // what was understood, as answers say it, and what was not
}

// newQuery reads a question from left to right.
func newQuery(words []string, dictionary map[string]term) *query {
	q, kinds, rest := &query{args: map[string]any{}}, "", []term(nil)
	for _, t := range terms(words, dictionary) {
		q.films = append(q.films, t.films...)
		if t.kind != "filler" {
			kinds, rest = kinds+t.kind+" ", append(rest, t)
		}
	}
	for len(rest) > 0 {
		p := patterns[slices.IndexFunc(patterns, func(p pattern) bool { return p.kinds.MatchString(kinds) })]
		match := p.kinds.FindString(kinds)
		n, before := strings.Count(match, " "), *q
		q.args = maps.Clone(q.args)
		if !p.use(q, rest[:n]) {
			q.args, q.read = before.args, before.read
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

// anyOf uses values of one parameter of which a film may have any, such as "comedies or dramas". Only ratings can be
// excluded.
func (q *query) anyOf(part []term) bool {
	var values, says []string
	parameter, excluded := part[len(part)-1].parameter, part[0].kind == "not"
	for _, t := range part {
		if t.kind == "any" && t.parameter != parameter || excluded && parameter != "rating" {
			return false
		} else if t.kind == "any" && !slices.Contains(says, t.says) {
			values, says = append(values, strings.Split(t.value, "|")...), append(says, t.says)
		}
	}
	reading := strings.Join(says, " or ")
	if excluded {
		reading = "not " + reading
		values = slices.DeleteFunc(strings.Fields("G PG PG-13 R NC-17"), func(v string) bool { return slices.Contains(values, v) })
	}
	return q.set(parameter, reading, values)
}

// allOf uses a value that a film has beside others.
func (q *query) allOf(part []term) bool {
	t := part[slices.IndexFunc(part, func(t term) bool { return t.kind == "all" })]
	list, _ := q.args[t.parameter].([]any)
	var value any = t.value
	if t.parameter == "actor_id" {
		value = json.Number(t.value)
	}
	q.args[t.parameter], q.read = append(slices.Clone(list), value), append(q.read, t.says)
	return !slices.Contains(list, value)
}

// is uses the value of a parameter. A film that the question names has no order.
func (q *query) is(part []term) bool {
	t := part[0]
	return (t.parameter != "sort" || len(q.films) == 0) && q.set(t.parameter, t.says, json.RawMessage(t.value))
}

// store uses the number of a store.
func (q *query) store(part []term) bool {
	id, err := strconv.Atoi(part[1].value)
	return err == nil && id > 0 && q.set("store_id", "in store "+part[1].value, id)
}
