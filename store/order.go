package store

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// order is an order of a list. Rows with equal keys are ordered by the id.
type order struct {
	key        string  // the expression that is compared
	is         keyType // its type
	nullable   bool    // NULL comes last in both directions
	descending bool
	joins      string // other tables that the key needs, with one row for each row of the list
	id         string // the column of the list
}

// keyType is a type of sort keys. A cursor has the text of a key. The text does not depend on any setting.
type keyType struct {
	text    func(key string) string  // an expression for the text of a key
	value   func(text string) string // an expression for the key of a text
	accepts func(text string) bool   // whether value can read the text
}

var (
	integerKey = keyType{castToText, castTo("integer"), func(text string) bool {
		_, err := strconv.ParseInt(text, 10, 32)
		return err == nil
	}}
	numericKey = keyType{castToText, castTo("numeric"), number.MatchString}
	textKey    = keyType{castToText, castTo("text"), func(text string) bool {
		return utf8.ValidString(text) && !strings.Contains(text, "\x00")
	}}
	timeKey = keyType{julian, castTo("timestamptz"), isJulian}
)

// number is the text of a numeric sort key.
var number = regexp.MustCompile(`^-?[0-9]{1,10}(\.[0-9]{1,60})?$`)

func castToText(key string) string { return key + `::text` }

func castTo(name string) func(string) string {
	return func(text string) string { return text + `::text::` + name }
}

// julian returns an expression for the text of a timestamptz. The number of the day in the Julian period needs no
// era, and no year of five digits.
func julian(key string) string {
	return `CASE WHEN isfinite(` + key + `) THEN to_char(` + key + ` AT TIME ZONE 'UTC', '"J"J HH24:MI:SS.US"+00"')
	ELSE ` + key + `::text END`
}

// julianTime is what julian writes for a finite time.
var julianTime = regexp.MustCompile(`^J([0-9]{1,9}) ([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}\+00$`)

// lastJulianDay is the last day of a timestamptz (PostgreSQL manual, "Date/Time Types").
const lastJulianDay = 109203527

func isJulian(text string) bool {
	if text == "infinity" || text == "-infinity" {
		return true
	}
	parts := julianTime.FindStringSubmatch(text)
	if parts == nil {
		return false
	}
	day, err := strconv.Atoi(parts[1])
	return err == nil && day <= lastJulianDay
}

// by returns the order of a key and an id as in ORDER BY. Without NULLS LAST, an index serves both directions.
func (o order) by(key, id string) string {
	direction := ""
	if o.descending {
		direction = " DESC"
	}
	if o.nullable {
		direction += " NULLS LAST"
	}
	return key + direction + ", " + id
}

// after returns the condition that a row comes after the position. For an index it needs a plain comparison that
// is not in an OR.
func (o order) after(p position, arg func(any) string) string {
	beyond := `>`
	if o.descending {
		beyond = `<`
	}
	id := arg(p.ID) + `::integer`
	switch {
	case o.key == o.id:
		return o.key + ` ` + beyond + ` ` + id
	case p.Key == nil:
		return o.key + ` IS NULL AND ` + o.id + ` > ` + id
	}
	last := `(SELECT ` + o.is.value(arg(*p.Key)) + `)`
	further, later := o.key+` `+beyond+` `+last, o.id+` > `+id
	if o.nullable {
		return `(` + further + ` OR ` + o.key + ` IS NULL OR ` + o.key + ` = ` + last + ` AND ` + later + `)`
	}
	return o.key + ` ` + beyond + `= ` + last + ` AND (` + further + ` OR ` + later + `)`
}

// accepts reports whether the text can be a sort key of the order, so that PostgreSQL can read it.
func (o order) accepts(key *string) bool {
	switch {
	case o.key == o.id:
		return true // the key is the id
	case key == nil:
		return o.nullable
	default:
		return o.is.accepts(*key)
	}
}
