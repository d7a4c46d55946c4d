package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"example.com/pagila-api/api"
)

// FuzzValidate validates requests with an arbitrary query, media type and body. A refusal says where and why, in text that
// can be sent back. A request that is accepted has values that PostgreSQL can store, and a body that encoding/json reads
// in the same way.
func FuzzValidate(f *testing.F) {
	doc, err := api.Load(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	RegisterFormats()
	operations := Operations(doc)
	for i := range operations {
		for _, seed := range []struct{ path, query, mediaType, body string }{
			{"1", "", "", ""}, {"1", "page_size=20&sort=-title&q=drama", "", ""}, {"x", "page=1e3&category=%00", "", ""}, {"1", "%zz", "", ""}, {"1", "q=a&q=b&=c", "", ""},
			{"1", "", "application/json", `{"inventory_id":1,"staff_id":1}`}, {"1", "", "application/json", `{"inventory_id":1.0e0,"inventory_id":2}`},
			{"1", "", "application/json; charset=x", `{"question":"\u0000"}`}, {"1", "", "application/json", `{"rental_rate":"4.99","title":"\ud800"}`},
			{"1", "", "application/json", strings.Repeat("[", 100)}, {"1", "", "application/json", `{"a/b~c":1} 2`}, {"1", "", "application/json", `{"staff_id":9007199254740993.5,"x":1e999999999}`},
			{"1", "", "application/x-www-form-urlencoded", "grant_type=password&username=a&password=b"}, {"1", "", "application/x-www-form-urlencoded", "grant_type=password&grant_type=&%ff=1"},
		} {
			f.Add(byte(i), seed.path, seed.query, seed.mediaType, []byte(seed.body))
		}
	}
	f.Fuzz(func(t *testing.T, i byte, path, query, mediaType string, body []byte) {
		o := operations[int(i)%len(operations)]
		got, r, err := validate(o, path, query, mediaType, body)
		if _, _, again := validate(o, path, query, mediaType, body); !reflect.DeepEqual(err, again) && !sameWords(err, again) {
			t.Errorf("%v, the second time %v", err, again)
		}
		if err != nil {
			checkRefusal(t, err)
			return
		}
		for name, values := range got {
			if !storable(name) || !storable(strings.Join(values, "")) {
				t.Errorf("the query has %q=%q", name, values)
			}
		}
		if o.body != nil {
			checkDecoded(t, r, body)
		}
	})
}

// validate validates a request whose path parameters all have the same value.
func validate(o *Operation, path, query, mediaType string, body []byte) (url.Values, *http.Request, error) {
	r := httptest.NewRequest(o.Method, "/", bytes.NewReader(body))
	r.URL.RawQuery = query
	if mediaType != "" {
		r.Header["Content-Type"] = []string{mediaType}
	}
	values := map[string]string{}
	for _, p := range o.parameters {
		if p.In == "path" {
			values[p.Name] = path
		}
	}
	got, err := o.Validate(r, values)
	return got, r, err
}

func sameWords(a, b error) bool { return a != nil && b != nil && a.Error() == b.Error() }

// checkRefusal checks the error of a request that does not follow the contract.
func checkRefusal(t *testing.T, err error) {
	t.Helper()
	var invalid *InvalidError
	if errors.Is(err, ErrMediaType) || errors.Is(err, ErrContentCoding) {
		return
	}
	if !errors.As(err, &invalid) || len(invalid.Places) == 0 {
		t.Fatalf("the error is %v", err)
	}
	for _, p := range invalid.Places {
		if p.Detail == "" || !utf8.ValidString(p.Detail+p.Parameter) || p.Parameter != "" && p.Pointer != "" {
			t.Errorf("the place is %+v", p)
		}
		if _, err := url.Parse(p.Pointer); err != nil {
			t.Errorf("the pointer is %q: %v", p.Pointer, err)
		}
	}
}

// checkDecoded checks what is left of a body that was accepted: its bytes, and its value, which is what encoding/json
// reads.
func checkDecoded(t *testing.T, r *http.Request, body []byte) {
	t.Helper()
	validated, ok := r.Body.(interface{ ValidatedValue() any })
	if !ok {
		t.Fatalf("%q was accepted, but the request has no validated value", body)
	}
	if left, err := io.ReadAll(r.Body); err != nil || !bytes.Equal(left, body) {
		t.Errorf("of the body %q, the request has %q, %v", body, left, err)
	}
	if mediaTypeOf(r.Header) != mediaTypeJSON {
		return
	}
	got := validated.ValidatedValue()
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var want any
	if err := decoder.Decode(&want); err != nil || !equalJSON(got, want) {
		t.Errorf("%q is read as %v, want %v, %v", body, got, want, err)
	}
}

// equalJSON compares two values of JSON, and their numbers by value.
func equalJSON(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name := range a {
			if !equalJSON(a[name], b[name]) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equalJSON(a[i], b[i]) {
				return false
			}
		}
		return true
	case json.Number:
		b, ok := b.(json.Number)
		return ok && equalNumbers(a, b)
	default:
		return a == b
	}
}

func equalNumbers(a, b json.Number) bool {
	x, okX := new(big.Rat).SetString(string(a))
	y, okY := new(big.Rat).SetString(string(b))
	return a == b || okX && okY && x.Cmp(y) == 0
}
