package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

func init() {
	// kin-openapi keeps its decoders for the whole process. Its own for JSON takes what follows
	// the value, and the last of two members with one name.
	openapi3filter.RegisterBodyDecoder("application/json", bodyDecoder(decodeJSON))
	// Its own for forms takes the last of two parameters with one name.
	openapi3filter.RegisterBodyDecoder("application/x-www-form-urlencoded", bodyDecoder(decodeForm))
}

// bodyDecoder makes a decoder for kin-openapi of one that needs no more than the body.
func bodyDecoder(decode func(data []byte) (any, error)) openapi3filter.BodyDecoder {
	return func(body io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
		data, err := io.ReadAll(body)
		if err != nil {
			return nil, err
		}
		value, err := decode(data)
		if err != nil {
			return nil, &openapi3filter.ParseError{Kind: openapi3filter.KindInvalidFormat, Cause: err}
		}
		return value, nil
	}
}

// decodeForm decodes a form of texts as OAuth2 wants it (RFC 6749, section 3.2): a parameter without
// a value is not there, and none comes twice.
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
			return nil, fmt.Errorf("the parameter %q is given more than once", printable(name))
		case !goodText(name) || !goodText(all[0]):
			return nil, fmt.Errorf("the parameter %q is not text: it has a NUL or is not UTF-8", printable(name))
		case all[0] != "":
			form[name] = all[0]
		}
	}
	return form, nil
}

// decodeJSON decodes exactly one JSON value (RFC 8259) in UTF-8, whose objects have no two members
// of one name and whose texts have no NUL.
func decodeJSON(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("the body is not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	value, err := decodeValue(decoder, 1)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the body has something after the JSON value")
	}
	return value, nil
}

// maxDepth is how deep a body may be nested. The contract's bodies have a depth of 1, and each level
// costs memory.
const maxDepth = 32

func decodeValue(decoder *json.Decoder, depth int) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, jsonError(err)
	}
	if depth > maxDepth {
		return nil, errors.New("the body is nested too deeply")
	}
	switch token {
	case json.Delim('{'):
		object := map[string]any{}
		for decoder.More() {
			name, err := decoder.Token()
			if err != nil {
				return nil, jsonError(err)
			}
			key := name.(string) // the decoder takes nothing else here
			if _, twice := object[key]; twice {
				return nil, fmt.Errorf("the member %q is given more than once", printable(key))
			}
			if object[key], err = decodeValue(decoder, depth+1); err != nil {
				return nil, err
			}
		}
		_, err := decoder.Token()
		return object, jsonError(err)
	case json.Delim('['):
		array := []any{}
		for decoder.More() {
			value, err := decodeValue(decoder, depth+1)
			if err != nil {
				return nil, err
			}
			array = append(array, value)
		}
		_, err := decoder.Token()
		return array, jsonError(err)
	}
	switch v := token.(type) {
	case string:
		if !goodText(v) {
			return nil, errors.New("a text of the body has a NUL")
		}
	case json.Number:
		return exact(v), nil
	}
	return token, nil
}

// exact writes a whole number without point and exponent: to JSON Schema 1.0 and 1e0 are integers, to
// the decoder of a Go integer they are not. kin-openapi compares the nearest float64, which may be whole
// where the number is not. Such a fraction becomes a number that no schema takes.
func exact(n json.Number) json.Number {
	if digits, ok := whole(string(n)); ok {
		return json.Number(digits)
	}
	if f, err := n.Float64(); err == nil && f == math.Trunc(f) {
		return "1e400"
	}
	return n
}

// whole writes a JSON number as an integer, if it is one of at most maxDigits. The time it takes depends
// on the length of the text, never on the exponent.
func whole(n string) (digits string, ok bool) {
	const maxDigits = 19 // those of an int64
	n, negative := strings.CutPrefix(n, "-")
	mantissa, exponent := n, int64(0)
	if e := strings.IndexAny(n, "eE"); e >= 0 {
		mantissa = n[:e]
		exponent, _ = strconv.ParseInt(n[e+1:], 10, 32) // out of range it is the nearest in range
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

// jsonError says in the client's terms what the decoder met.
func jsonError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the body is not JSON: it ends too early")
	default:
		return fmt.Errorf("the body is not JSON: %w", err)
	}
}
