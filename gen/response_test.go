package gen

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	openapi_types "github.com/oapi-codegen/runtime/types"
)

// A response has the same bytes as with encoding/json, whatever its texts are.
func FuzzEncode(f *testing.F) {
	for _, text := range []string{"", "ACADEMY DINOSAUR", "Zoë", "日本", "\x00\x1f\x7f\t\r\n\b\f", `"\/`, "<script>&amp;", "\u2028\u2029\ufffd\ufeff", "\xff\xc3\x28\xed\xa0\x80", "\U0001f3ac"} {
		f.Add(text, int64(-1), int64(1))
	}
	f.Fuzz(func(t *testing.T, text string, number, seconds int64) {
		n, at := int32(number), time.Unix(seconds%(1<<33), number%1e9).UTC()
		for _, v := range []any{
			&FilmPage{Items: []Film{{Title: text, Description: &text, SpecialFeatures: []string{text, ""}, Length: &n, Rating: new(Rating)}, {}}, Total: &number, NextCursor: &text},
			&FilmPage{},
			&Rental{RentalID: n, RentalDate: at, ReturnDate: &at},
			&Subscription{StartDate: openapi_types.Date{Time: at}},
		} {
			var want bytes.Buffer
			if err := json.NewEncoder(&want).Encode(v); err != nil {
				t.Fatal(err)
			}
			b, err := encode(v)
			if err != nil {
				t.Fatal(err)
			}
			got := httptest.NewRecorder()
			if err := b.write(got, 201); err != nil || got.Body.String() != want.String() {
				t.Errorf("%#v is written as %s, want %s: %v", v, got.Body, &want, err)
			}
			if h := got.Header(); got.Code != 201 || h.Get("Content-Type") != "application/json" || h.Get("Content-Length") != strconv.Itoa(want.Len()) {
				t.Errorf("got %d with the headers %v", got.Code, h)
			}
		}
	})
}

// A value without JSON is an error.
func TestEncodeFails(t *testing.T) {
	t.Parallel()
	if b, err := encode(map[string]any{"film_id": 1, "broken": make(chan int)}); err == nil {
		t.Errorf("the body is %s", *b)
	}
}
