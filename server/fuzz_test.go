package server_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/server/internal/contract"
)

// FuzzContract generates requests from the contract. The server has to accept those that follow it, and to
// reject those that violate it in one place. Every response is checked against the contract. One input always
// generates the same request.
//
// `go test` runs the seeds: each operation with valid and invalid requests. `go test -fuzz FuzzContract`
// continues from there.
func FuzzContract(f *testing.F) {
	a := start(f, withDocumentedCredentials)
	operations := contract.Operations(loadContract(f))
	for i := range operations {
		for seed := range 40 {
			// The first byte selects the operation, the second whether the request is invalid. The rest are
			// choices.
			data := []byte{byte(i), byte(seed % 2)}
			for j := range 24 {
				data = append(data, byte((seed+1)*(31*j+17)>>(j%5)))
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a.fail.Store(new(t.Errorf))
		c := &choices{data: data}
		operation := operations[c.below(len(operations))]
		broken := c.below(2) == 1
		r := exampleRequest(t, operation)
		r.makeUp(c)
		r.reconcile()
		// Probes and documentation accept any request.
		broken = broken && operation.Documents(http.StatusBadRequest)
		what := "follows the contract"
		if broken {
			what = r.breakIn(c)
		}
		got := r.send(t, a)
		// Any other error would be about a made-up value, and not about the violation.
		rejected := slices.Contains([]int{400, 401, 415}, got.status)
		switch {
		case broken && !rejected:
			t.Errorf("%s with %s: status %d: %+v: %s", operation.ID, what, got.status, r, got.body)
		case broken:
			if mediaType := got.header.Get("Content-Type"); mediaType != "application/problem+json" {
				t.Errorf("%s with %s: Content-Type %s", operation.ID, what, mediaType)
			}
		case !understood(operation.ID, got):
			t.Errorf("%s %s: status %d: %+v: %s", operation.ID, what, got.status, r, got.body)
		}
	})
}

// understood reports whether this is the response to a request that follows the contract. What such a request
// names may not exist or be in stock.
func understood(operation string, got *received) bool {
	switch got.status {
	case http.StatusOK, http.StatusCreated, http.StatusNoContent, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity,
		http.StatusPreconditionFailed, http.StatusPreconditionRequired:
		return true
	case http.StatusBadRequest: // OAuth2's status for a wrong password
		var p gen.Problem
		return operation == "createToken" && json.Unmarshal(got.body, &p) == nil && p.Code == gen.ProblemCodeInvalidCredentials
	}
	return false
}

// choices turns the fuzzer's bytes into decisions. When they are used up, all decisions are 0.
type choices struct{ data []byte }

// below returns a number from 0 to n-1.
func (c *choices) below(n int) int {
	number := 0
	for width := 1; width < n && len(c.data) > 0; width <<= 8 {
		number = number<<8 | int(c.data[0])
		c.data = c.data[1:]
	}
	return number % n
}

// makeUp sets all parameters and members to values that follow the contract.
func (r *request) makeUp(c *choices) {
	for _, p := range r.Parameters() {
		if !p.Required && c.below(3) == 0 {
			r.query.Del(p.Name)
			delete(r.header, p.Name)
			continue
		}
		r.set(p, valid(c, p.Schema.Value, p.Example))
	}
	for name, property := range r.properties() {
		members := r.body.(map[string]any)
		if !slices.Contains(r.bodySchema().Required, name) && c.below(3) == 0 {
			delete(members, name)
			continue
		}
		value := valid(c, property, property.Example)
		if value == "" && r.mediaType == "application/x-www-form-urlencoded" {
			value = "x" // a parameter without a value counts as omitted (RFC 6749, section 3.2)
		}
		members[name] = value
	}
}

func (r *request) bodySchema() *openapi3.Schema {
	return r.Spec().RequestBody.Value.Content[r.mediaType].Schema.Value
}

// properties yields the members that the body may have, in the order of their names.
func (r *request) properties() func(yield func(string, *openapi3.Schema) bool) {
	return func(yield func(string, *openapi3.Schema) bool) {
		if r.Spec().RequestBody == nil {
			return
		}
		all := r.bodySchema().Properties
		for _, name := range sortedKeys(all) {
			if !yield(name, all[name].Value) {
				return
			}
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// letters are the characters of generated strings: plain ones, and those that code may forget to escape or to
// count.
var letters = []rune("aZ0 '\"\\%_;,.:/?#&=+-*(){}[]<>|~`^$!@\t\r\néßЖ電🎬\u0301\u200b\u202e\ufffd\u0085")

// valid generates a value that follows the schema.
func valid(c *choices, schema *openapi3.Schema, example any) any {
	if len(schema.Enum) > 0 {
		return schema.Enum[c.below(len(schema.Enum))]
	}
	if schema.Type.Is("boolean") {
		return c.below(2) == 1
	}
	if schema.Type.Is("array") {
		values := []any{}
		for range 1 + c.below(int(*schema.MaxItems)) {
			values = append(values, valid(c, schema.Items.Value, nil))
		}
		return values
	}
	if schema.Type.Is("integer") {
		low, high := int64(*schema.Min), int64(*schema.Max)
		switch c.below(4) {
		case 0:
			return low
		case 1:
			return high
		case 2: // one that may exist
			return low + int64(c.below(int(min(high-low, 1000))+1))
		default:
			return low + int64(c.below(int(high-low)+1))
		}
	}
	longest := 60
	if schema.MaxLength != nil {
		longest = int(*schema.MaxLength)
		if c.below(8) > 0 { // mostly short
			longest = min(longest, 60)
		}
	}
	var b strings.Builder
	for range int(schema.MinLength) + c.below(longest-int(schema.MinLength)+1) {
		b.WriteRune(letters[c.below(len(letters))])
	}
	if schema.VisitJSON(b.String()) == nil {
		return b.String()
	}
	return cmp.Or(example, any("x")) // a random string does not match the pattern
}

// reconcile removes from a request what is valid alone, but contradicts the rest.
func (r *request) reconcile() {
	if members, ok := r.body.(map[string]any); ok && r.ID == "createRental" {
		if members["inventory_id"] != nil || members["film_id"] == nil || members["store_id"] == nil {
			members["inventory_id"] = cmp.Or(members["inventory_id"], any(1))
			delete(members, "film_id")
			delete(members, "store_id")
		}
	}
	r.query.Del("cursor") // a made-up one is none
	if r.query.Get("sort") == "relevance" && r.query.Get("q") == "" {
		r.query.Del("sort")
	}
	for name := range r.query {
		lower, isLower := strings.CutSuffix(name, "_min")
		if isLower && r.query.Has(lower+"_max") {
			r.query.Del(name)
		}
	}
}

// breakIn makes the request violate the contract in one place, and describes it.
func (r *request) breakIn(c *choices) string {
	type way struct {
		what string
		do   func()
	}
	ways := []way{{"an unknown parameter", func() { r.query.Set("nonsense", "1") }}}
	add := func(what string, do func()) { ways = append(ways, way{what, do}) }
	if r.Secured {
		add("no token", func() { r.anonymous = true })
	}
	for _, p := range r.Parameters() {
		if p.In == openapi3.ParameterInHeader {
			for _, value := range []string{"nonsense", `"`, `"a" "b"`, `w/"a"`, `"a",`, `"é"`} {
				add(fmt.Sprintf("%s as %s", p.Name, value), func() { r.set(p, value) })
			}
			continue
		}
		for _, value := range invalidTexts(p.Schema.Value) {
			add(fmt.Sprintf("%s as %.20q", p.Name, value), func() { r.set(p, value) })
		}
		if p.In == openapi3.ParameterInQuery {
			if !p.Schema.Value.Type.Is("array") {
				add(p.Name+" twice", func() { r.query[p.Name] = []string{"1", "2"} })
			}
			add(p.Name+" empty", func() { r.query.Set(p.Name, "") })
			if p.Required {
				add("no "+p.Name, func() { r.query.Del(p.Name) })
			}
		}
	}
	if r.Spec().RequestBody != nil {
		members, schema := r.body.(map[string]any), r.bodySchema()
		for _, name := range schema.Required {
			add("no member "+name, func() { delete(members, name) })
		}
		add("another media type", func() { r.mediaType = "application/xml" })
		add("no body", func() { r.body = nil })
		if r.mediaType == "application/json" {
			for _, text := range []string{"null", "[]", `"x"`, "1", "{", "{}{}", "nonsense"} {
				add("the body "+text, func() { r.body = text })
			}
			add("an unknown member", func() { members["nonsense"] = 1 })
			for name, property := range r.properties() {
				for _, value := range invalidValues(property) {
					add(fmt.Sprintf("the member %s as %v", name, value), func() { members[name] = value })
				}
			}
		}
	}
	chosen := ways[c.below(len(ways))]
	chosen.do()
	return chosen.what
}

// invalidTexts are values that a parameter of the schema must not have.
func invalidTexts(schema *openapi3.Schema) []string {
	switch {
	case schema.Items != nil:
		return invalidTexts(schema.Items.Value)
	case schema.Format == "date":
		return []string{"2027-02-29", "2026-13-01", "0000-01-01", "2026-1-1", "10000-01-01", "-infinity", "today", "2026-11-26T00:00:00Z", "\x00", "\xff"}
	case schema.Type.Is("boolean"):
		return []string{"yes", "TRUE", "1", "t", "null", "\x00", "\xff"}
	case len(schema.Enum) > 0:
		return []string{"nonsense", " ", "\x00", "\xff", fmt.Sprint(schema.Enum[0], " ")}
	}
	if schema.Type.Is("integer") {
		return []string{
			strconv.FormatInt(int64(*schema.Min)-1, 10), strconv.FormatInt(int64(*schema.Max)+1, 10),
			"1.5", "x", "0x1", "1 ", "99999999999999999999999", "-9223372036854775809", "\x00", "\xff", "NaN", "null", "true",
		}
	}
	texts := []string{"a\x00b", "a\xffb"}
	if schema.MaxLength != nil {
		texts = append(texts, strings.Repeat("é", int(*schema.MaxLength)+1))
	}
	return texts
}

// invalidValues are values that a JSON member of the schema must not have.
func invalidValues(schema *openapi3.Schema) []any {
	switch {
	case schema.Type.Is("boolean"):
		return []any{1, "true", "", nil, []any{}, map[string]any{}}
	case len(schema.Enum) > 0 || schema.Format == "date":
		return []any{1, true, "", "nonsense", "2027-02-29", "0000-01-01", "2026-1-1", "2026-11-26T00:00:00Z", "infinity", nil, []any{}, map[string]any{}}
	case !schema.Type.Is("integer"):
		return []any{1, true, nil, []any{}, map[string]any{}}
	}
	return []any{int64(*schema.Min) - 1, int64(*schema.Max) + 1, math.MaxInt64, 1.5, 1e30, "1", true, nil, []any{1}, map[string]any{}}
}

// inJSON returns the value as kin-openapi has it after it was decoded.
func inJSON(t *testing.T, value any) any {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var decoded any
	if err := json.Unmarshal(data, &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

// The generator is right: its valid values are valid, and its invalid ones are not.
func TestGenerator(t *testing.T) {
	t.Parallel()
	for _, op := range contract.Operations(loadContract(t)) {
		for _, p := range op.Parameters() {
			schema := p.Schema.Value
			for seed := range 200 {
				value := valid(&choices{data: []byte(strings.Repeat(string(rune(seed+1)), 70))}, schema, p.Example)
				if err := schema.VisitJSON(inJSON(t, value)); err != nil {
					t.Errorf("%s %s: %v is not valid: %v", op.ID, p.Name, value, err)
				}
			}
			for _, text := range invalidTexts(schema) {
				if schema.Items != nil {
					schema = schema.Items.Value
				}
				n, err := strconv.ParseFloat(text, 64)
				if schema.Type.Is("integer") && err == nil && schema.VisitJSON(n) == nil {
					t.Errorf("%s %s: %q is valid", op.ID, p.Name, text)
				}
				if !schema.Type.Is("integer") && utf8.ValidString(text) && !strings.Contains(text, "\x00") && schema.VisitJSON(text) == nil {
					t.Errorf("%s %s: %q is valid", op.ID, p.Name, text)
				}
			}
		}
	}
}
