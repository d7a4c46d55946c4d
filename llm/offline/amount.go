package offline

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// measures are the parameters of listFilms with a minimum and a maximum: their unit, the numbers that the contract
// takes, their decimal places, and how answers say a number.
var measures = map[string]struct {
	unit        string
	least, most float64
	places      int
	says        string
}{
	"length":           {"minutes", 0, 32767, 0, "%s minutes"},
	"rental_duration":  {"days", 0, 32767, 0, "%s days"},
	"release_year":     {"", 1901, 2155, 0, "the year %s"},
	"rental_rate":      {"$", 0, 1e9, 2, "$%s"},
	"replacement_cost": {"$", 0, 1e9, 2, "$%s to replace"},
}

// measured is the parameter that a unit is for, unless the question has another one.
var measured = map[string]string{"minutes": "length", "days": "rental_duration", "$": "rental_rate"}

// amount uses a number or a range, with what is measured, bounds and units around it. A unit counts for both ends.
func (q *query) amount(part []term) bool {
	by, numbers := map[string]term{}, []float64{}
	for _, t := range part {
		if before, again := by[t.kind]; again && t.kind == "unit" && before.says != t.says {
			return false // 2 hours to 90 minutes
		}
		if t.kind == "number" {
			n, _ := strconv.ParseFloat(t.value, 64)
			numbers = append(numbers, n)
		}
		by[t.kind] = t
	}
	if len(numbers) == 0 {
		numbers = []float64{1} // under an hour
	}
	low, high := numbers[0], numbers[len(numbers)-1]
	parameter := parameterOf(by, low)
	factor, _ := strconv.ParseFloat(cmp.Or(by["unit"].value, "1"), 64)
	bound := by["bound"].value + by["to"].kind + by["and"].kind + by["after"].value
	return parameter != "" && q.limit(parameter, bound, low*factor, high*factor)
}

// parameterOf is the parameter that a number is for, or empty if that is unclear.
func parameterOf(by map[string]term, number float64) string {
	unit, year := by["unit"].parameter, measures["release_year"]
	said := cmp.Or(by["replace"].parameter, by["measure"].parameter, by["bound"].parameter, measured[unit])
	switch {
	case said == "" && year.least <= number && number <= year.most:
		return "release_year"
	case unit != "" && unit != measures[said].unit:
		return ""
	}
	return said
}

// limit sets the limits that a bound means, and reports whether it could. The bound of a range has the words before and
// between its numbers: "betweenand", "betweento" or "to".
func (q *query) limit(parameter, bound string, low, high float64) bool {
	step := math.Pow10(-measures[parameter].places)
	switch bound {
	case "<":
		return q.end(parameter, "_max", "at most", high-step)
	case "<=", "<=<=": // at most, or less
		return q.end(parameter, "_max", "at most", high)
	case ">":
		return q.end(parameter, "_min", "at least", low+step)
	case ">=":
		return q.end(parameter, "_min", "at least", low)
	case "", "to", "betweento", "betweenand":
		return q.end(parameter, "_min", "at least", low) && q.end(parameter, "_max", "at most", high)
	}
	return false
}

// end sets a minimum or a maximum, and reports whether it has no value yet and the contract takes it.
func (q *query) end(parameter, end, says string, n float64) bool {
	m := measures[parameter]
	digits := strconv.FormatFloat(n, 'f', m.places, 64)
	rounded, err := strconv.ParseFloat(digits, 64)
	value := digits
	if m.places > 0 {
		value = strconv.Quote(digits)
	}
	takes := err == nil && math.Abs(n-rounded) < 1e-6 && m.least <= rounded && rounded <= m.most
	return takes && q.set(parameter+end, fmt.Sprintf(says+" "+m.says, digits), json.RawMessage(value))
}
