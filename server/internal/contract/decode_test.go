package contract

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// texts are JSON that decoders have read in different ways, and texts that are not JSON.
var texts = []string{
	`"\ud83d\ude00"`, `"\ud800"`, `"\ud800\u0041"`, `"\udc00\ud800"`, `"\/\b\f\n\r\t\"\\"`, `"\\u0041"`, "\"\x7f\"", `"1234567\"9"`, `"123456789012345\"7"`, `"é\u00e9"`,
	`-0`, `0e5`, `1E+2`, `-1.5e-3`, `12345678901234567890`, `true`, `false`, `null`, `""`, `{}`, `[]`, `{"a":{},"b":[[],{}]}`,
	" {\t\"a\" :\n[ 1 , 2 ]\r, \"b\" : null } ", `{"a":1,"\u0061":2}`, `{"a":{"b":1,"b":2}}`, `[{"":1},{"":2}]`, `"\u0000"`, `["a\u0000"]`,
	``, ` `, `{`, `[1,`, `{"a":1,}`, `[1,]`, `[1 2]`, `{"a" 1}`, `{1:2}`, `01`, `1.`, `+1`, `nul`, `"a`, "\"\n\"", `"\x"`, `1 2`, `{} {}`, `]`, "\xff", "\"\xff\"",
	strings.Repeat("[", 31) + "1" + strings.Repeat("]", 31), strings.Repeat("[", 32) + "1" + strings.Repeat("]", 32), strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33),
	strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000), strings.Repeat("[", 100), strings.Repeat("[", 100) + "}",
}

// A text is decoded as encoding/json decodes it, or refused for one of three reasons.
func FuzzDecodeJSON(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	refusals := []string{errTooDeep.Error(), "NUL", "more than once"}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := DecodeJSON(data)
		switch {
		case err == nil:
			decoder := json.NewDecoder(bytes.NewReader(data))
			decoder.UseNumber()
			var want any
			if err := decoder.Decode(&want); err != nil || !json.Valid(data) || !equalJSON(got, exactNumbers(want)) || depthOf(got) > maxDepth {
				t.Errorf("%q is read as %v, want %v, %v", data, got, want, err)
			}
		case !utf8.ValidString(err.Error()):
			t.Errorf("%q is refused with %q", data, err)
		case json.Valid(data) && utf8.Valid(data):
			if !slices.ContainsFunc(refusals, func(reason string) bool { return strings.Contains(err.Error(), reason) }) {
				t.Errorf("%q is refused: %v", data, err)
			}
		}
	})
}

// exactNumbers applies exact to all numbers of a value.
func exactNumbers(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name := range v {
			v[name] = exactNumbers(v[name])
		}
	case []any:
		for i := range v {
			v[i] = exactNumbers(v[i])
		}
	case json.Number:
		return exact(v)
	}
	return value
}

// depthOf returns how deeply a value is nested.
func depthOf(value any) int {
	deepest := 0
	switch v := value.(type) {
	case map[string]any:
		for _, member := range v {
			deepest = max(deepest, depthOf(member))
		}
	case []any:
		for _, element := range v {
			deepest = max(deepest, depthOf(element))
		}
	}
	return deepest + 1
}

// The errors tell the client what is wrong with a body.
func TestDecodeJSONErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                               "ends too early",
		`{"a":1`:                         "ends too early",
		`{"a":1,}`:                       "not valid JSON: invalid character '}'",
		`{} x`:                           "continues after the JSON value",
		`{"a":1} {}`:                     "continues after the JSON value",
		strings.Repeat("[", 33):          "nested too deeply",
		strings.Repeat(`{"a":`, 100_000): "nested too deeply",
		`{"a":{"b":1,"\u0062":2}}`:       `the member "b" appears more than once`,
		`1e999 x`:                        "continues after the JSON value",
		`[1e999,]`:                       "not valid JSON: invalid character ']'",
		`["\u0000"]`:                     "NUL",
		"\"\xff\"":                       "UTF-8",
		strings.Repeat(" ", 9):           "ends too early",
		strings.Repeat("[", 33) + strings.Repeat("]", 33):           "nested too deeply",
		strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000): "nested too deeply",
	} {
		if _, err := DecodeJSON([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: the error is %v, want one with %q", text, err, want)
		}
	}
}
