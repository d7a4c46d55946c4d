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
	// An amount in two units is one amount.
	s.set(hoursAndMinutes.ReplaceAllStringFunc(s.text, func(text string) string {
		parts := hoursAndMinutes.FindStringSubmatch(text)
		hours, _ := strconv.Atoi(parts[1]) // the pattern leaves nothing but digits
		minutes, _ := strconv.Atoi(parts[2])
		return strconv.Itoa(60*hours+minutes) + " minutes"
	}))
	s.set(dollarsAndCents.ReplaceAllStringFunc(s.text, func(text string) string {
		parts := dollarsAndCents.FindStringSubmatch(text)
		cents, _ := strconv.Atoi(parts[2]) // the pattern leaves nothing but digits
		return fmt.Sprintf("%s.%02d dollars", parts[1], cents)
	}))
	var prices, lengths []amount
	for said := s.match(money); said != nil; said = s.match(money) {
		price, err := decimal.NewFromString(said["dollars"] + said["dollars2"] + said["dollars3"] + said["cents"])
		if err != nil {
			continue // the pattern leaves no such text
		}
		if said["cents"] != "" {
			price = price.Shift(-2)
		}
		prices = append(prices, amount{said, func(f filmEntry) int { return f.rate().Cmp(price) }})
	}
	for said := s.match(duration); said != nil; said = s.match(duration) {
		minutes, err := strconv.ParseFloat(said["minutes"]+said["hours"], 64)
		if err != nil {
			continue // the pattern leaves no such text
		}
		if said["hours"] != "" {
			minutes *= 60
		}
		lengths = append(lengths, amount{said, func(f filmEntry) int { return cmp.Compare(float64(f.Minutes), minutes) }})
	}
	bounded := func(a amount) bool { return !a.said.exact() }
	unclear := func(a amount) bool { return a.said.exact() && a.said["and"] != "" }
	all := slices.Concat(prices, lengths)
	if slices.ContainsFunc(all, bounded) && slices.ContainsFunc(all, unclear) {
		// In "under 2 hours and 5 dollars" the bound may be meant for both.
		r.rest = append(r.rest, "and")
		prices, lengths = slices.DeleteFunc(prices, unclear), slices.DeleteFunc(lengths, unclear)
	}
	r.wishAmounts(s, prices)
	if len(lengths) > 0 {
		r.wishes = append(r.wishes, func(f filmEntry) bool { return f.Minutes > 0 }) // 0 is unknown
		r.wishAmounts(s, lengths)
	}
}

// spellRanges writes a range as the two bounds that it is. One that is not wanted is left to the model.
func (r *reading) spellRanges(s *sentence) {
	for _, span := range spans {
		found := span.FindAllStringSubmatchIndex(s.text, -1)
		for _, at := range slices.Backward(found) { // the first stays where it is
			group := func(i int) string { return s.text[max(0, at[2*i]):max(0, at[2*i+1])] }
			low, lowUnit, high, highUnit := group(1), group(2), group(3), group(4)
			sign := func(number string) bool { return strings.HasPrefix(number, "$") }
			switch { // the unit may be said once, as in "$1 to 3" and "1 to 3 hours"
			case lowUnit+highUnit == "" && !sign(low) && !sign(high):
				continue // numbers of something else
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

// amount compares a film with a number that a question names.
type amount struct {
	said    phrases
	compare func(f filmEntry) int
}

// wishAmounts makes wishes of numbers of one kind. Those without a bound are alternatives.
func (r *reading) wishAmounts(s *sentence, amounts []amount) {
	var exact []amount
	for _, a := range amounts {
		if a.said.exact() {
			exact = append(exact, a)
		} else {
			r.wishes = append(r.wishes, func(f filmEntry) bool { return a.said.within(a.compare(f)) })
		}
	}
	if len(exact) > 1 {
		s.cut("or")
	}
	if len(exact) > 0 {
		r.wishes = append(r.wishes, func(f filmEntry) bool {
			return slices.ContainsFunc(exact, func(a amount) bool { return a.compare(f) == 0 })
		})
	}
}

// bound is a limit in words, before a number or after it. A number without one means just that.
const (
	boundBefore = `(?:\b(?:(?P<under>under|below|less than|cheaper than|shorter than|fewer than)|(?P<most>up to|at most|no more than|not more than|within)|(?P<over>over|above|more than|longer than)|(?P<least>at least|no less than)) )?`
	boundAfter  = `(?: or (?:(?P<most2>less|under|below|cheaper|shorter)|(?P<least2>more|over|longer))\b)?`
)

// rangeEnd is a number and its unit, if any, which may be a sign before it.
const rangeEnd = `(\$ ?\d{1,4}(?:\.\d{1,2})?|\b\d{1,4}(?:\.\d{1,2})?)( ?(?:dollars?|bucks?|usd|cents?|min(?:ute)?s?|hours?)\b)?`

var (
	money = regexp.MustCompile(boundBefore +
		`(?:\$ ?(?P<dollars>\d{1,4}(?:\.\d{1,2})?)|\b(?P<dollars2>\d{1,4}(?:\.\d{1,2})?) ?(?:dollars?\b|bucks?\b|usd\b|\$)|\b(?P<cents>\d{1,3}) ?(?:cents?\b|¢)|\b(?P<dollars3>\d{1,3}\.\d\d)\b)` + boundAfter)
	duration = regexp.MustCompile(boundBefore +
		`(?:\b(?P<minutes>\d{1,3})[ -]?min(?:ute)?s?\b|\b(?P<hours>\d(?:\.\d)?)[ -]?hours?\b)(?: long\b)?` + boundAfter + `(?: long\b)?`)
	hoursAndMinutes = regexp.MustCompile(`\b(\d) hours? (?:and )?(\d{1,2}) ?min(?:ute)?s?\b`)
	dollarsAndCents = regexp.MustCompile(`\b(\d{1,4}) dollars? (?:and )?(\d{1,2}) ?cents?\b`)
	// spans are ranges.
	spans = []*regexp.Regexp{
		regexp.MustCompile(`\b(?:between|from) ` + rangeEnd + `(?: ?- ?| and | to )` + rangeEnd),
		regexp.MustCompile(rangeEnd + `(?: ?- ?| to )` + rangeEnd),
	}
	number = regexp.MustCompile(`\b(?:an?|one|two|three|four|five) (?:dollar|buck|hour|(?:and|to) (?:two|three|four|five|\d))`)
)

// numbers are those that people write in letters.
var numbers = map[string]int{"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
