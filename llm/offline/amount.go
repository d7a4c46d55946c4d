package offline

import (
	"regexp"
	"strings"

	"github.com/shopspring/decimal"
)

// measure is a parameter of listFilms with a minimum and a maximum: the numbers that the contract takes, their
// step, and how an answer says a number.
type measure struct {
	least, most, step decimal.Decimal
	before, behind    string
}

var measures = map[string]measure{
	"length":           {number("0"), number("32767"), number("1"), "", " minutes"},
	"rental_duration":  {number("0"), number("32767"), number("1"), "", " days"},
	"release_year":     {number("1901"), number("2155"), number("1"), "the year ", ""},
	"rental_rate":      {number("0"), number("9999999999"), number("0.01"), "$", ""},
	"replacement_cost": {number("0"), number("9999999999"), number("0.01"), "$", " to replace"},
}

const size = `((?: \$ )? [\d.]+ (?: ormore )?(?: \*[\d.]+  #\w+ | \$ )?)`

var (
	amounts         = regexp.MustCompile(`( & )?(?: #\w+ )?(?: (<=?|>=?|~|between) )?` + size + `(?: (to|&) ` + size + `)?(?: (?:orless|ormore) )?(?: #\w+ )?(?: \[length_min=150\] )?`)
	hoursAndMinutes = regexp.MustCompile(` \d+  \*60  #length  \d+  \*1  #length `)
	digits          = regexp.MustCompile(`\d*\.?\d+`)
	measured        = regexp.MustCompile(`#(\w+)|\$`)
)

// number reads digits. Anything else is 0.
func number(text string) decimal.Decimal {
	n, _ := decimal.NewFromString(text) //nolint:errcheck // the patterns match nothing else
	return n
}

// addMinutes makes one amount of hours and minutes.
func addMinutes(text string) string {
	n := digits.FindAllString(text, -1)
	return " " + number(n[0]).Mul(number(n[1])).Add(number(n[2])).String() + "  *1  #length "
}

// sizeOf reads a number, whose unit may be that of the other number of a range.
func sizeOf(text, other string) decimal.Decimal {
	n := digits.FindAllString(text, -1)
	if len(n) == 1 && !strings.Contains(text, "$") {
		n = append(n, digits.FindAllString(other, -1)[1:]...)
	}
	return number(n[0]).Mul(number(append(n, "1")[1]))
}

// parameterOf decides what an amount measures by the words about it. It is empty if they disagree.
func parameterOf(text string, n decimal.Decimal) string {
	found, year := "", measures["release_year"]
	for _, match := range measured.FindAllStringSubmatch(strings.ReplaceAll(text, "$", "#rental_rate"), -1) {
		switch {
		case found == "" || found == "rental_rate" && match[1] == "replacement_cost":
			found = match[1] // it costs 20 dollars to replace
		case match[1] != found && (match[1] != "rental_rate" || found != "replacement_cost"):
			return ""
		}
	}
	switch {
	case found == "" && n.Exponent() == -2:
		return "rental_rate"
	case found == "" && n.IsInteger() && n.Cmp(year.least) >= 0 && n.Cmp(year.most) <= 0:
		return "release_year"
	}
	return found
}

// amount reads an amount with its bounds, and returns what is still to be read. An amount without a bound after
// an "and" is not understood, because in "under 2 hours and 5 dollars" the bound may be meant for both.
func (q *query) amount(text string) string {
	part := amounts.FindStringSubmatch(text)
	bound, join := part[2], part[4]
	if strings.Contains(text, " orless ") {
		bound += "<="
	}
	if strings.Contains(text, " ormore ") {
		bound += ">="
	}
	low := sizeOf(part[3], part[3]+part[5])
	high := low
	if join == "to" && bound == "" || join != "" && bound == "between" {
		low, high, bound, join = sizeOf(part[3], part[5]), sizeOf(part[5], part[3]), "to", ""
	}
	parameter := parameterOf(text, low)
	if parameter == "" || join != "" || part[1] != "" && bound == "" || !q.limit(parameter, bound, low, high) {
		return text
	}
	return " , "
}

// limit sets the bounds of a parameter, and reports whether that is possible.
func (q *query) limit(parameter, bound string, low, high decimal.Decimal) bool {
	m := measures[parameter]
	if bound == "~" {
		tenth := low.Div(number("10"))
		low, high = low.Sub(tenth), low.Add(tenth)
	}
	least, most := low.Div(m.step).Ceil().Mul(m.step), high.Div(m.step).Floor().Mul(m.step)
	limits := map[string]decimal.Decimal{"_min": least, "_max": most}
	reading := m.before + least.String() + " to " + most.String() + m.behind
	switch bound {
	case "<", "<=":
		if bound == "<" {
			most = least.Sub(m.step)
		}
		limits, reading = map[string]decimal.Decimal{"_max": most}, "at most "+m.before+most.String()+m.behind
	case ">", ">=":
		if bound == ">" {
			least = most.Add(m.step)
		}
		limits, reading = map[string]decimal.Decimal{"_min": least}, "at least "+m.before+least.String()+m.behind
	case "":
		reading = m.before + least.String() + m.behind
	case "to", "~":
	default:
		return false
	}
	for end, n := range limits {
		if q.args[parameter+end] != nil || n.LessThan(m.least) || n.GreaterThan(m.most) || len(limits) == 2 && least.GreaterThan(most) {
			return false
		}
	}
	for end, n := range limits {
		q.args[parameter+end] = []string{n.String()}
	}
	q.read = append(q.read, reading)
	return true
}
