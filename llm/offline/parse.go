package offline

import (
	"slices"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// term is a phrase of a question with its meaning.
type term struct {
	meaning
	text string
	at   int // its first token
}

// query is what a question asks for, as far as it was understood.
type query struct {
	terms    []term
	args     map[string][]string // of listFilms
	said     map[string]string   // how an answer says some of them
	facts    []term              // that the question asks for
	films    []record            // that the question names
	actors   []string            // parts of names
	order    *term
	plural   bool   // the order applies to several films
	lists    string // a tool that lists something other than films
	counts   bool
	noun     bool // the question is about films
	nounAt   int
	searches []string
	bounded  bool // the last term was an amount with a bound
	joined   bool // an "and" follows such an amount
	unread   []string
}

// terms reads tokens as terms, without those that change nothing. Names are known from the catalogue.
func terms(words []token, names []name) []term {
	var all []term
	for at := 0; at < len(words); {
		t, n := termAt(words, at, names, all)
		if t.text = texts(words[at : at+n]); t.kind != ignored {
			all = append(all, t)
		}
		at += n
	}
	return all
}

// termAt reads the longest term at a position, after other terms.
func termAt(words []token, at int, names []name, before []term) (term, int) {
	end := len(words)
	for _, n := range names {
		if n.at == at {
			return term{meaning{kind: n.kind, name: n.value}, "", at}, n.len
		}
		if n.at > at {
			end = min(end, n.at)
		}
	}
	if isOne(words, at) {
		return term{meaning{kind: number, value: "1"}, "", at}, 1
	}
	for n := min(maxPhrase, end-at); n > 0; n-- {
		if m, ok := phrases[stems(words[at:at+n])]; ok {
			return term{m, "", at}, n
		}
	}
	if rating := strings.ToUpper(words[at].stem); rating == "G" || rating == "R" {
		last := len(before) - 1
		for last > 0 && strings.ContainsRune("o&,", rune(before[last].kind)) {
			last--
		}
		if words[at].text == rating || last >= 0 && before[last].name == "rating" {
			return term{phrases["rated "+words[at].stem], "", at}, 1
		}
	}
	if n, ok := numberOf(words[at]); ok {
		return term{meaning{kind: number, value: n.String()}, "", at}, 1
	}
	return term{meaning{kind: unknown}, "", at}, 1
}

// isOne reports whether an "a" or "one" is a number, as in "an hour" and "one to two".
func isOne(words []token, at int) bool {
	one := words[at].stem
	if at+1 == len(words) || one != "a" && one != "an" && one != "one" {
		return false
	}
	next := phrases[words[at+1].stem].kind
	if (next == to || next == and || next == or) && one == "one" && at+2 < len(words) {
		_, ok := numberOf(words[at+2])
		return ok
	}
	return next == unit
}

// kind is the kind of the term that follows i terms later, or 0.
func (q *query) kind(i int) byte {
	if i >= len(q.terms) {
		return 0
	}
	return q.terms[i].kind
}

// parse reads the terms from left to right.
func (q *query) parse() {
	previous := byte(0)
	for len(q.terms) > 0 {
		first := q.terms[0]
		n := q.next(previous)
		previous = first.kind
		if first.name == "category" && first.kind == value {
			previous = filmNoun
		}
		q.bounded = q.bounded && strings.IndexByte("nbwmf$q", first.kind) >= 0
		q.terms = q.terms[n:]
	}
}

// skip records that terms were not understood, and returns how many.
func (q *query) skip(n int) int {
	all := make([]string, n)
	for i := range all {
		all[i] = q.terms[i].text
	}
	q.unread = append(q.unread, strings.Join(all, " "))
	return n
}

// next reads the first term, and those that belong to it. It returns their number.
func (q *query) next(previous byte) int {
	t := q.terms[0]
	switch t.kind {
	case value:
		return q.values(0)
	case fact, number, currency, bound, between, budget, about:
		return q.quantities(t)
	case not:
		return q.negated()
	case filmNoun:
		if !q.noun {
			q.noun, q.nounAt = true, t.at
		}
	case count:
		q.counts = true
	case listed:
		q.lists = t.name
	case order:
		return q.orders(t)
	case film:
	case actor:
		q.actors = append(q.actors, t.name)
	case store:
		if q.kind(1) == number {
			return q.stores()
		}
	case called:
		if n := q.run(1); n > 1 {
			return q.titled(1, n)
		}
	case unknown:
		n := q.run(0)
		if q.kind(n) == called && strings.HasPrefix(q.terms[n].text, "in ") {
			return q.titled(0, n) + 1
		}
		return q.skip(n)
	case and:
		q.joined = q.bounded
		if previous == filmNoun && q.another() {
			return q.skip(1) // perhaps either of two kinds of films
		}
	case unusable:
		if t.text != "top" || q.kind(1) != number || q.kind(2) != order {
			return q.skip(1)
		}
	case comma, to:
	default:
		return q.skip(1)
	}
	return 1
}

// run returns where a run of unknown terms ends that begins at term i.
func (q *query) run(i int) int {
	for q.kind(i) == unknown {
		i++
	}
	return i
}

// another reports whether a noun for films follows before the next conjunction.
func (q *query) another() bool {
	for _, t := range q.terms[1:] {
		switch {
		case t.kind == filmNoun || t.kind == value && t.name == "category":
			return true
		case t.kind == and || t.kind == or:
			return false
		}
	}
	return false
}

// titled reads the unknown terms from i to n as a part of a title.
func (q *query) titled(i, n int) int {
	if !q.set("title", q.words(i, n)) {
		return q.skip(n)
	}
	return n
}

// words are the terms from i to n as they were written.
func (q *query) words(i, n int) string {
	all := make([]string, 0, n-i)
	for _, t := range q.terms[i:n] {
		all = append(all, t.text)
	}
	return strings.Join(all, " ")
}

// orders reads an order. "The longest" is one film, or several of the same length. "The longest films" are
// several in that order.
func (q *query) orders(t term) int {
	if q.order != nil {
		return q.skip(1)
	}
	q.order = &t
	q.plural = t.value != "" || t.name == "title" || strings.HasSuffix(t.text, " first") || q.args["page_size"] != nil
	for i := 1; q.kind(i) == value || q.kind(i) == filmNoun; i++ {
		noun := q.kind(i) == filmNoun || q.terms[i].name == "category"
		q.plural = q.plural || noun && strings.HasSuffix(strings.ToLower(q.terms[i].text), "s")
	}
	return 1
}

// stores reads the number of a store.
func (q *query) stores() int {
	n := q.terms[1].value
	if _, err := strconv.ParseInt(n, 10, 32); err != nil || n == "0" || !q.set("store_id", n) {
		return q.skip(2)
	}
	return 2
}

// set sets an argument that has no value yet.
func (q *query) set(parameter string, values ...string) bool {
	if q.args[parameter] != nil {
		return false
	}
	q.args[parameter] = values
	return true
}

// anyOf are the parameters that several values of which a film may have any.
var anyOf = []string{"category", "rating", "language"}

// values reads a value from term i on, or a list of values of the same parameter.
func (q *query) values(i int) int {
	t := q.terms[i]
	all, said, n := strings.Split(t.value, "|"), []string{t.said}, i+1
	for {
		next := n
		if q.kind(next) == filmNoun {
			next++
		}
		start := next
		for k := q.kind(next); k == comma || k == and || k == or && slices.Contains(anyOf, t.name); k = q.kind(next) {
			next++
		}
		if next == start || q.kind(next) != value || q.terms[next].name != t.name {
			break
		}
		q.noun = q.noun || start > n
		all = append(all, strings.Split(q.terms[next].value, "|")...)
		said = append(said, q.terms[next].said)
		n = next + 1
	}
	if t.name == "rating" && q.kind(n) == after {
		all, said, n = ratingsFrom(all, q.terms[n].name), nil, n+1
	}
	if t.name == "special_feature" {
		all = append(q.args[t.name], all...)
		delete(q.args, t.name)
	}
	if i > 0 {
		all, said = others(all), nil
	}
	if len(all) == 0 || !q.set(t.name, unique(all)...) {
		return q.skip(n)
	}
	q.said[t.name] = strings.Join(said, " or ")
	return n
}

// negated reads a negation. It can be expressed for ratings alone.
func (q *query) negated() int {
	if q.kind(1) == value {
		if q.terms[1].name == "rating" {
			return q.values(1)
		}
		return q.skip(2)
	}
	return q.skip(1)
}

// ratings are the ratings of the contract, the mildest first.
var ratings = []string{"G", "PG", "PG-13", "R", "NC-17"}

// others are the ratings that are not in a list.
func others(list []string) []string {
	return slices.DeleteFunc(slices.Clone(ratings), func(r string) bool { return slices.Contains(list, r) })
}

// ratingsFrom are the ratings that compare with the last one of a list as a bound says.
func ratingsFrom(list []string, op string) []string {
	i := slices.Index(ratings, list[len(list)-1])
	switch op {
	case "<":
		return ratings[:i]
	case "<=":
		return ratings[:i+1]
	case ">":
		return ratings[i+1:]
	case ">=":
		return ratings[i:]
	default:
		return nil
	}
}

func unique(all []string) []string {
	var once []string
	for _, s := range all {
		if !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	return once
}

// quantities reads what begins with a fact, a number or a bound.
func (q *query) quantities(t term) int {
	if n := q.amount(); n > 0 {
		return n
	}
	one := t.kind == number && q.kind(1) != 0 && strings.IndexByte("vsh", q.kind(1)) >= 0
	switch {
	case t.kind == fact:
		q.facts = append(q.facts, t)
	case one && decimals(t.value).IsInteger() && decimals(t.value).IsPositive() && decimals(t.value).LessThan(decimal.New(101, 0)) && q.set("page_size", t.value):
	case t.kind == bound && q.kind(1) == value && q.terms[1].name == "rating":
		if all := ratingsFrom(strings.Split(q.terms[1].value, "|"), t.name); len(all) == 0 || !q.set("rating", all...) {
			return q.skip(2)
		}
		return 2
	case t.kind == budget, t.kind == about && q.kind(1) == film:
	case t.kind == about && q.kind(1) == 0 && len(q.films) > 0:
		q.facts = append(q.facts, term{meaning{kind: fact, name: "description"}, t.text, t.at})
	case t.kind == about && q.run(1) > 1:
		n := q.run(1)
		q.searches = append(q.searches, q.words(1, n))
		return n
	case t.kind == about && q.kind(1) == value, t.kind == bound && q.kind(1) == number:
		return q.skip(2)
	default:
		return q.skip(1)
	}
	return 1
}

// measures are the facts that a number can limit, with the largest and the smallest number that the contract
// takes, and its smallest step.
var measures = map[string]struct{ least, most, step decimal.Decimal }{
	"length":           {decimals("0"), decimals("32767"), decimals("1")},
	"rental_duration":  {decimals("0"), decimals("32767"), decimals("1")},
	"release_year":     {decimals("1901"), decimals("2155"), decimals("1")},
	"rental_rate":      {decimals("0"), decimals("9999999999"), decimals("0.01")},
	"replacement_cost": {decimals("0"), decimals("9999999999"), decimals("0.01")},
}

func decimals(s string) decimal.Decimal { return decimal.RequireFromString(s) }

// size is a number with its unit.
type size struct {
	n, unit decimal.Decimal
	measure string // of the unit, or empty
	op      string // as in "90+ minutes"
}

// amount reads a number with its bound, or a range, and returns the number of terms, or 0 if there is none.
func (q *query) amount() int {
	measure, op, i, isRange := "", "", 0, false
	if q.kind(i) == fact && measures[q.terms[i].name].step.IsPositive() {
		measure, i = q.terms[i].name, i+1
	}
	switch q.kind(i) {
	case between:
		isRange, i = true, i+1
	case about:
		op, i = "~", i+1
	case budget:
		op, measure, i = "<=", "rental_rate", i+1
	case bound:
		op, i = strings.TrimPrefix(q.terms[i].name, "="), i+1
		if m := q.terms[i-1].value; m != "" && measure == "" {
			measure = m
		}
	}
	low, i := q.size(i)
	if i == 0 {
		return 0
	}
	high := low
	if more, end := q.size(i + 1); end > 0 && (q.kind(i) == to || isRange && q.kind(i) == and) {
		high, i, op = more, end, "range"
	} else if isRange {
		return 0
	}
	low, high, i = q.smaller(low, high, i)
	i, op = q.boundAfter(i, op+low.op)
	measure, i = q.measured(low, high, measure, i)
	if measure == "" {
		return 0
	}
	exact := op == ""
	if exact && q.joined || !q.limit(measure, op, low, high) {
		return q.skip(i) // in "under 2 hours and 5 dollars" the bound may be meant for both
	}
	q.bounded = !exact
	return i
}

// size reads a number with its unit from term i on, and returns where it ends, or 0.
func (q *query) size(i int) (size, int) {
	s := size{unit: decimals("1")}
	if q.kind(i) == currency {
		s.measure, i = "rental_rate", i+1
	}
	if q.kind(i) != number || q.kind(i+1) == number {
		return s, 0
	}
	s.n, i = decimals(q.terms[i].value), i+1
	if q.kind(i) == after && q.kind(i+1) == unit {
		s.op, i = q.terms[i].name, i+1
	}
	switch {
	case s.measure != "":
	case q.kind(i) == currency:
		s.measure, i = "rental_rate", i+1
	case q.kind(i) == unit:
		s.measure, s.unit, i = q.terms[i].name, decimals(q.terms[i].value), i+1
	}
	s.n = s.n.Mul(s.unit)
	return s, i
}

// smaller shares the unit of a range, and adds what follows in a smaller unit, as in "2 hours and 5 minutes".
func (q *query) smaller(low, high size, i int) (size, size, int) {
	switch {
	case low.measure == "":
		low.n, low.measure = low.n.Mul(high.unit), high.measure
	case high.measure == "":
		high.n, high.measure = high.n.Mul(low.unit), low.measure
	}
	start := i
	if q.kind(start) == and {
		start++
	}
	if rest, end := q.size(start); end > 0 && rest.measure == low.measure && rest.unit.LessThan(low.unit) && low.n.Equal(high.n) {
		low.n = low.n.Add(rest.n)
		return low, low, end
	}
	return low, high, i
}

// boundAfter reads a bound that follows its number.
func (q *query) boundAfter(i int, op string) (int, string) {
	k := q.kind(i)
	if _, begins := q.size(i + 1); op == "" && (k == after || k == bound && begins == 0 && q.terms[i].value == "") {
		return i + 1, q.terms[i].name
	}
	return i, op
}

// measured decides what an amount measures, by its unit and by the facts before and after it.
func (q *query) measured(low, high size, measure string, i int) (string, int) {
	if low.measure != high.measure {
		return "", i
	}
	fits := func(fact string) bool {
		return low.measure == "" || fact == low.measure || low.measure == "rental_rate" && fact == "replacement_cost"
	}
	if measure != "" && !fits(measure) {
		return "", i
	}
	if q.kind(i) == fact && measures[q.terms[i].name].step.IsPositive() && fits(q.terms[i].name) && (measure == "" || measure == "rental_rate") {
		measure, i = q.terms[i].name, i+1
	}
	if measure == "" {
		measure = low.measure
	}
	if measure == "length" && q.kind(i) == value && q.terms[i].name == "length_min" {
		i++ // 90 minutes long
	}
	year := measures["release_year"]
	switch {
	case measure != "":
	case low.n.IsInteger() && low.n.Cmp(year.least) >= 0 && low.n.Cmp(year.most) <= 0:
		measure = "release_year"
	case low.n.Exponent() == -2:
		measure = "rental_rate"
	}
	return measure, i
}

// limit sets the arguments of an amount, and reports whether that is possible.
func (q *query) limit(measure, op string, low, high size) bool {
	m := measures[measure]
	least, most := low.n.Div(m.step).Ceil().Mul(m.step), high.n.Div(m.step).Floor().Mul(m.step)
	tenth := low.n.Div(decimals("10"))
	switch op {
	case "<":
		most = least.Sub(m.step)
	case ">":
		least = most.Add(m.step)
	case "~":
		least, most = low.n.Sub(tenth).Div(m.step).Ceil().Mul(m.step), low.n.Add(tenth).Div(m.step).Floor().Mul(m.step)
	}
	if measure == "release_year" && op == "~" {
		return false
	}
	from, upTo := measure+"_min", measure+"_max"
	wantsMin, wantsMax := !strings.HasPrefix(op, "<"), !strings.HasPrefix(op, ">")
	if wantsMin && (q.args[from] != nil || least.LessThan(m.least) || least.GreaterThan(m.most)) ||
		wantsMax && (q.args[upTo] != nil || most.LessThan(m.least) || most.GreaterThan(m.most)) {
		return false
	}
	if old := q.args[from]; wantsMax && !wantsMin && old != nil && decimals(old[0]).GreaterThan(most) {
		return false
	}
	if old := q.args[upTo]; wantsMin && !wantsMax && old != nil && decimals(old[0]).LessThan(least) {
		return false
	}
	if wantsMin && wantsMax && least.GreaterThan(most) {
		return false
	}
	if wantsMin {
		q.args[from] = []string{least.String()}
	}
	if wantsMax {
		q.args[upTo] = []string{most.String()}
	}
	return true
}
