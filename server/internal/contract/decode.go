package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	tokens "github.com/segmentio/encoding/json"
)

// decodeForm decodes a form of strings by OAuth2's rules (RFC 6749, section 3.2): a parameter without a
// value counts as omitted, and no parameter may be repeated.
func decodeForm(data []byte) (any, error) {
	values, err := url.ParseQuery(string(data))
	if err != nil {
		return nil, fmt.Errorf("the form is malformed: %w", err)
	}
	form := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		all := values[name]
		switch {
		case len(all) > 1:
			return nil, fmt.Errorf("the parameter %q appears more than once", printable(name))
		case !storable(name) || !storable(all[0]):
			return nil, fmt.Errorf("the parameter %q contains a NUL character or is not valid UTF-8", printable(name))
		case all[0] != "":
			form[name] = all[0]
		}
	}
	return form, nil
}

// DecodeJSON decodes exactly one JSON value (RFC 8259) in UTF-8. No object may have two members of the
// same name, and no string may contain NUL.
func DecodeJSON(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("the body is not valid UTF-8")
	}
	if !json.Valid(data) {
		return nil, syntaxError(data)
	}
	// encoding/json's own decoder of tokens takes longer, and allocates more.
	t := tokens.NewTokenizer(data)
	defer t.Reset(nil) // its stack goes back to a pool
	t.Next()
	value, err := decodeValue(t, 1)
	if err == nil {
		err = t.Err
	}
	return value, err
}

// maxDepth limits how deeply a body may be nested. The contract's bodies have a depth of 1, and each
// level costs memory.
const maxDepth = 32

var errTooDeep = errors.New("the body is nested too deeply")

// decodeValue decodes the value that begins with the current token of valid JSON.
func decodeValue(t *tokens.Tokenizer, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	switch class := t.Kind().Class(); {
	case t.Delim == '{':
		return decodeObject(t, depth)
	case t.Delim == '[':
		return decodeArray(t, depth)
	case class == tokens.String:
		text := string(t.String())
		if !storable(text) {
			return nil, errors.New("a string in the body contains a NUL character")
		}
		return text, nil
	case class == tokens.Num:
		return exact(json.Number(t.Value)), nil
	case class == tokens.Bool:
		return t.Bool(), nil
	default:
		return nil, nil //nolint:nilnil // null is a value, and not an error
	}
}

func decodeObject(t *tokens.Tokenizer, depth int) (any, error) {
	object := map[string]any{}
	for t.Next() && t.Delim != '}' {
		if t.Delim == ',' {
			continue
		}
		name := string(t.String())
		if _, exists := object[name]; exists {
			return nil, fmt.Errorf("the member %q appears more than once", printable(name))
		}
		t.Next() // the colon
		t.Next()
		value, err := decodeValue(t, depth+1)
		if err != nil {
			return nil, err
		}
		object[name] = value
	}
	return object, nil
}

func decodeArray(t *tokens.Tokenizer, depth int) (any, error) {
	array := []any{}
	for t.Next() && t.Delim != ']' {
		if t.Delim == ',' {
			continue
		}
		value, err := decodeValue(t, depth+1)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	return array, nil
}

// syntaxError describes for the client why a text is not valid JSON.
func syntaxError(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // a number may be too large for a float64
	for depth := 0; ; {
		token, err := decoder.Token()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return errors.New("the body is not valid JSON: it ends too early")
		case err != nil:
			return fmt.Errorf("the body is not valid JSON: %w", err)
		case token == json.Delim('{'), token == json.Delim('['):
			depth++
		case token == json.Delim('}'), token == json.Delim(']'):
			depth--
		}
		switch {
		case depth > maxDepth:
			return errTooDeep
		case depth == 0:
			return errors.New("the body continues after the JSON value")
		}
	}
}

// exact writes an integer without a point and an exponent: 1.0 and 1e0 are integers to JSON Schema, but
// not to the decoder of a Go integer. kin-openapi compares the nearest float64, which may be an integer
// where the number is not. Such a fraction becomes a number that no schema accepts.
func exact(n json.Number) json.Number {
	if digits, ok := integer(string(n)); ok {
		return json.Number(digits)
	}
	if f, err := n.Float64(); err == nil && f == math.Trunc(f) {
		return "1e400"
	}
	return n
}

// integer writes a JSON number as an integer, if it is one of at most maxDigits. The time it takes
// depends on the length of the text and not on the exponent.
func integer(n string) (digits string, ok bool) {
	const maxDigits = 19 // as many as an int64 has
	n, negative := strings.CutPrefix(n, "-")
	mantissa, exponent := n, int64(0)
	if e := strings.IndexAny(n, "eE"); e >= 0 {
		mantissa = n[:e]
		exponent, _ = strconv.ParseInt(n[e+1:], 10, 32) // out of range, it is the nearest value in range
	}
	before, after, _ := strings.Cut(mantissa, ".")
	digits = strings.TrimLeft(before+after, "0")
	length := int64(len(digits)-len(after)) + exponent // of the integer
	digits = strings.TrimRight(digits, "0")
	if digits == "" {
		return "0", true
	}
	if int64(len(digits)) > length || length > maxDigits {
		return "", false
	}
	digits += strings.Repeat("0", int(length)-len(digits))
	if negative {
		digits = "-" + digits
	}
	return digits, true
}
