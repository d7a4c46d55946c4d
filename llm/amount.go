package llm

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// readAmounts reads the prices and lengths that a question names.
func (r *reading) readAmounts(s *sentence) {
	for range 2 { // a range has two
		s.set(number.ReplaceAllStringFunc(s.text, func(text string) string {
			word, unit, _ := strings.Cut(text, " ")
			return strconv.Itoa(numbers[word]) + " " + unit
		}))
	}
	r.spellRanges(s)
	// Two units, as in "2 hours 5 minutes", make one amount.
	s.set(hoursAndMinutes.ReplaceAllStringFunc(s.text, func(text string) string {
		parts := hoursAndMinutes.FindStringSubmatch(text)
		hours, _ := strconv.Atoi(parts[1]) // the pattern matches only digits
		minutes, _ := strconv.Atoi(parts[2])
		return strconv.Itoa(60*hours+minutes) + " minutes"
	}))
	s.set(dollarsAndCents.ReplaceAllStringFunc(s.text, func(text string) string {
		parts := dollarsAndCents.FindStringSubmatch(text)
		cents, _ := strconv.Atoi(parts[2]) // the pattern matches only digits
		return fmt.Sprintf("%s.%02d dollars", parts[1], cents)
	}))
	var prices, lengths []amount
	for p := s.match(money); p != nil; p = s.match(money) {
		price, err := decimal.NewFromString(p.groups["dollars"] + p.groups["dollars2"] + p.groups["dollars3"] + p.groups["cents"])
		if err != nil {
			continue // the pattern leaves no such text
		}
		if p.groups["cents"] != "" {
			price = price.Shift(-2)
		}
		prices = append(prices, amount{p, func(f filmEntry) int { return f.rate().Decimal.Cmp(price) }})
	}
	for p := s.match(duration); p != nil; p = s.match(duration) {
		minutes, err := strconv.ParseFloat(p.groups["minutes"]+p.groups["hours"], 64)
		if err != nil {
			continue // the pattern leaves no such text
		}
		if p.groups["hours"] != "" {
			minutes *= 60
		}
		lengths = append(lengths, amount{p, func(f filmEntry) int { return cmp.Compare(float64(f.Minutes), minutes) }})
	}
	bounded := func(a amount) bool { return !a.exact() }
	unclear := func(a amount) bool { return a.exact() && a.said.joined }
	all := slices.Concat(prices, lengths)
	if slices.ContainsFunc(all, bounded) && slices.ContainsFunc(all, unclear) {
		// In "under 2 hours and 5 dollars" the bound may be meant for both.
		r.rest = append(r.rest, "and")
		prices, lengths = slices.DeleteFunc(prices, unclear), slices.DeleteFunc(lengths, unclear)
	}
	if len(prices) > 0 {
		r.wishes = append(r.wishes, func(f filmEntry) bool { return f.rate().Valid })
		r.wishAmounts(s, prices)
	}
	if len(lengths) > 0 {
		r.wishes = append(r.wishes, func(f filmEntry) bool { return f.Minutes > 0 }) // 0 is unknown
		r.wishAmounts(s, lengths)
	}
}

// spellRanges rewrites a range as two bounds. A negated range is left to the model.
func (r *reading) spellRanges(s *sentence) {
	for _, span := range spans {
		found := span.FindAllStringSubmatchIndex(s.text, -1)
		for _, at := range slices.Backward(found) { // so that the positions of the earlier ones do not change
			group := func(i int) string { return s.text[max(0, at[2*i]):max(0, at[2*i+1])] }
			low, lowUnit, high, highUnit := group(1), group(2), group(3), group(4)
			sign := func(number string) bool { return strings.HasPrefix(number, "$") }
			switch { // the unit may be given once, as in "$1 to 3" and "1 to 3 hours"
			case lowUnit+highUnit == "" && !sign(low) && !sign(high):
				continue // numbers of another kind
			case lowUnit == "" && !sign(low) && sign(high):
				low = "$" + low
			case lowUnit == "" && !sign(low):
				lowUnit = highUnit
			case highUnit == "" && !sign(high) && sign(low):
				high = "$" + high
			case highUnit == "" && !sign(high):
				highUnit = lowUnit
			}
			if negation.MatchString(s.text[:at[0]]) {
				r.rest = append(r.rest, s.text[at[0]:at[1]])
			}
			s.set(s.text[:at[0]] + " at least " + low + lowUnit + " at most " + high + highUnit + s.text[at[1]:])
		}
	}
}

// amount is a number that a question names, with its bound.
type amount struct {
	said    *phrase
	compare func(f filmEntry) int // compares the film's number with this one
}

// exact reports whether there is no bound.
func (a amount) exact() bool {
	g := a.said.groups
	return !a.said.negated && g["under"]+g["most"]+g["most2"]+g["over"]+g["least"]+g["least2"] == ""
}

// fits reports whether a film's number satisfies the comparison.
func (a amount) fits(f filmEntry) bool {
	comparison, g := a.compare(f), a.said.groups
	var fits bool
	switch {
	case g["under"] != "":
		fits = comparison < 0
	case g["most"]+g["most2"] != "":
		fits = comparison <= 0
	case g["over"] != "":
		fits = comparison > 0
	case g["least"]+g["least2"] != "":
		fits = comparison >= 0
	default:
		fits = comparison == 0
	}
	return fits != a.said.negated
}

// wishAmounts turns amounts of one kind into wishes. Amounts without a bound are alternatives.
func (r *reading) wishAmounts(s *sentence, amounts []amount) {
	slices.SortFunc(amounts, func(a, b amount) int { return cmp.Compare(a.said.start, b.said.start) })
	var exact []amount
	for _, a := range amounts {
		if !a.exact() {
			r.wishes = append(r.wishes, a.fits)
			continue
		}
		if n := len(exact); n > 0 {
			s.listed(exact[n-1].said.end, a.said.start)
		}
		exact = append(exact, a)
	}
	if len(exact) > 0 {
		r.wishes = append(r.wishes, func(f filmEntry) bool {
			return slices.ContainsFunc(exact, func(a amount) bool { return a.fits(f) })
		})
	}
}

// bound is a limit in words, before a number or after it. A number without a bound means exactly that
// number.
const (
	boundBefore = `(?:\b(?:(?P<under>under|below|less than|cheaper than|shorter than|fewer than)|(?P<most>up to|at most|no more than|not more than|within)|(?P<over>over|above|more than|longer than)|(?P<least>at least|no less than)) )?`
	boundAfter  = `(?: or (?:(?P<most2>less|under|below|cheaper|shorter)|(?P<least2>more|over|longer))\b)?`
)

// rangeEnd is a number with its unit, if any. The unit may be a dollar sign before the number.
const rangeEnd = `(\$ ?\d{1,4}(?:\.\d{1,2})?|\b\d{1,4}(?:\.\d{1,2})?)( ?(?:dollars?|bucks?|usd|cents?|min(?:ute)?s?|hours?)\b)?`

var (
	money = regexp.MustCompile(boundBefore +
		`(?:\$ ?(?P<dollars>\d{1,4}(?:\.\d{1,2})?)|\b(?P<dollars2>\d{1,4}(?:\.\d{1,2})?) ?(?:dollars?\b|bucks?\b|usd\b|\$)|\b(?P<cents>\d{1,3}) ?(?:cents?\b|¢)|\b(?P<dollars3>\d{1,3}\.\d\d)\b)` + boundAfter)
	duration = regexp.MustCompile(boundBefore +
		`(?:\b(?P<minutes>\d{1,3})[ -]?min(?:ute)?s?\b|\b(?P<hours>\d(?:\.\d)?)[ -]?hours?\b)(?: long\b)?` + boundAfter + `(?: long\b)?`)
	hoursAndMinutes = regexp.MustCompile(`\b(\d) hours? (?:and )?(\d{1,2}) ?min(?:ute)?s?\b`)
	dollarsAndCents = regexp.MustCompile(`\b(\d{1,4}) dollars? (?:and )?(\d{1,2}) ?cents?\b`)
	// spans match ranges.
	spans = []*regexp.Regexp{
		regexp.MustCompile(`\b(?:between|from) ` + rangeEnd + `(?: ?- ?| and | to )` + rangeEnd),
		regexp.MustCompile(rangeEnd + `(?: ?- ?| to )` + rangeEnd),
	}
	number = regexp.MustCompile(`\b(?:an?|one|two|three|four|five) (?:dollar|buck|hour|(?:and|to) (?:two|three|four|five|\d))`)
)

// numbers has the numbers that people spell out.
var numbers = map[string]int{"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
