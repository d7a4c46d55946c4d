package offline

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
)

// places are the decimal places of the measures that are sums of money. The others are integers.
var places = map[string]int{"rental_rate": 2, "replacement_cost": 2}

// amount uses a number or a range, with what is measured, bounds and units around it. A unit counts for both ends.
// The server refuses numbers that are out of the contract's bounds.
func (q *query) amount(part []term) bool {
	by, numbers := map[string]term{}, []float64{}
	for _, t := range part {
		if before, again := by[t.kind]; again && t.kind != "number" && before.says != t.says {
			return false // 2 hours to 90 minutes
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
func (q *query) one(part []term) bool { return q.amount(append(slices.Clone(part), meanings["one"])) }

// measureOf is the parameter that a number is for, or empty if that is unclear.
func measureOf(by map[string]term, number float64) string {
	unit := by["unit"].parameter
	measure := cmp.Or(by["replace"].parameter, by["measure"].parameter, by["bound"].parameter, unit)
	switch {
	case measure == "" && number >= 1900 && number < 2100:
		return "release_year"
	case unit != "" && unit != measure && (places[unit] == 0 || places[measure] == 0):
		return "" // longer than 3 dollars
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
