package offline

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/shopspring/decimal"
)

// spellings are patterns that rewrite amounts in the notation of the vocabulary, in turn, until each is a bound and
// a number with its unit: " <= " and " 90*1#length ". N is a number without a unit, A one with it, and B a bound.
var spellings = compiled([][2]string{
	{` (N)  ormore  (\*\S+)  (#\w+) `, ` >=  $1$2$3 `},         // 90+ minutes
	{` (N)  (\*\S+)  (#\w+) `, ` $1$2$3 `},                     // 90 minutes
	{` \$  (N) `, ` $1*1#rental_rate `},                        // $3
	{` (N)  \$ `, ` $1*1#rental_rate `},                        // 3 $
	{` (N)  (to)  (N)(\*\S+) `, ` $1$4  to  $3$4 `},            // 1 to 3 hours
	{` (N)(\*\S+)  to  (N) `, ` $1$2  to  $3$2 `},              // $1 to 3
	{` between  (N)  &  (N)(\*\S+) `, ` $1$3  to  $2$3 `},      // between 1 and 3 hours
	{` between  (N)(\*\S+)  &  (N) `, ` $1$2  to  $3$2 `},      // between $1 and 3
	{` between  (A)  &  (A) `, ` $1  to  $2 `},                 // between 1 hour and 90 minutes
	{` (#\w+)  between  (N)  &  (N) `, ` $2*1$1  to  $3*1$1 `}, // length between 60 and 90
	{` (#\w+) ((?: B )?) (N) `, `$2 $3*1$1 `},                  // length under 90
	{` (N\.\d\d) `, ` $1*1#rental_rate `},                      // 2.99
	{` between  (\d{4})  &  (\d{4}) `, ` $1  to  $2 `},         // between 2000 and 2006
	{` ((?:19|20|21)\d\d) `, ` $1*1#release_year `},            // 2006
	{`(?: between )? (A)  to  (A) `, ` >=  $1  <=  $2 `},       // 60 to 90 minutes
	{` (A)  orless `, ` <=  $1 `},                              // 90 minutes or less
	{` (A)  ormore `, ` >=  $1 `},                              // 90 minutes or more
	{` (A)  \[length_min=150\] `, ` $1 `},                      // 90 minutes long
	{`#rental_rate  #replacement_cost `, `#replacement_cost `}, // 20 dollars to replace
	{` #replacement_cost ((?: B )? N\*\S+)#rental_rate  (<=  N\*\S+)#rental_rate `, `$1#replacement_cost  $2#replacement_cost `},
	{` #replacement_cost ((?: B )? N\*\S+)#rental_rate `, `$1#replacement_cost `},
})

var amounts = compiled([][2]string{{`( & )?(?: (B) )? (N)\*(N)#(\w+) `, ""}})[0].pattern

type spelling struct {
	pattern *regexp.Regexp
	by      string
}

func compiled(patterns [][2]string) []spelling {
	var all []spelling
	for _, p := range patterns {
		pattern := strings.NewReplacer("A", `[\d.]+\*[\d.]+#\w+`, "N", `\d*\.?\d+`, "B", `(?:<=?|>=?|~)`).Replace(p[0])
		all = append(all, spelling{regexp.MustCompile(pattern), p[1]})
	}
	return all
}

// measures are the parameters of listFilms with a minimum and a maximum: the numbers that the contract takes, their
// step, and how an answer says a number.
var measures = map[string]struct{ least, most, step, format string }{
	"length":           {"0", "32767", "1", "%s minutes"},
	"rental_duration":  {"0", "32767", "1", "%s days"},
	"release_year":     {"1901", "2155", "1", "the year %s"},
	"rental_rate":      {"0", "9999999999", "0.01", "$%s"},
	"replacement_cost": {"0", "9999999999", "0.01", "$%s to replace"},
}

// amount reads an amount with its bound, and returns what is still to be read. An amount without a bound after an
// "and" is not understood, because in "under 2 hours and 5 dollars" the bound may be meant for both.
func (q *query) amount(text string) string {
	part, number := amounts.FindStringSubmatch(text), decimal.RequireFromString
	m, parameter := measures[part[5]], part[5]
	limits, reading := limitsOf(part[2], number(part[3]).Mul(number(part[4])), number(m.step))
	if part[1] != "" && part[2] == "" || limits["_min"].GreaterThan(limits["_max"]) && len(limits) == 2 {
		return text
	}
	for end, limit := range limits {
		if q.args[parameter+end] != nil || limit.LessThan(number(m.least)) || limit.GreaterThan(number(m.most)) {
			return text
		}
	}
	for end, limit := range limits {
		reading = strings.ReplaceAll(reading, end, fmt.Sprintf(m.format, limit))
		q.args[parameter+end] = limit.String()
		if m.step == "1" {
			q.args[parameter+end] = json.RawMessage(limit.String())
		}
	}
	q.read = append(q.read, reading)
	return " , "
}

// limitsOf are the limits of the numbers that compare with n as a bound says, and how an answer says it.
func limitsOf(bound string, n, step decimal.Decimal) (limits map[string]decimal.Decimal, reading string) {
	tenth := n.Div(decimal.NewFromInt(10))
	up := func(n decimal.Decimal) decimal.Decimal { return n.Div(step).Ceil().Mul(step) }
	down := func(n decimal.Decimal) decimal.Decimal { return n.Div(step).Floor().Mul(step) }
	switch bound {
	case "<":
		return map[string]decimal.Decimal{"_max": up(n).Sub(step)}, "at most _max"
	case "<=":
		return map[string]decimal.Decimal{"_max": down(n)}, "at most _max"
	case ">":
		return map[string]decimal.Decimal{"_min": down(n).Add(step)}, "at least _min"
	case ">=":
		return map[string]decimal.Decimal{"_min": up(n)}, "at least _min"
	case "~":
		return map[string]decimal.Decimal{"_min": up(n.Sub(tenth)), "_max": down(n.Add(tenth))}, "from _min to _max"
	default:
		return map[string]decimal.Decimal{"_min": up(n), "_max": down(n)}, "_min"
	}
}
