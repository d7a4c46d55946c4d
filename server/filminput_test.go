package server_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/pagila-api/gen"
)

// Whatever a parameter of GET /films contains, the response is a page, or a problem that names the parameter.
func TestAnyValueOfAnyFilmParameter(t *testing.T) {
	t.Parallel()
	a := start(t)
	values := []string{
		"", "\x00", "a\x00b", "\xff", strings.Repeat("x", 10_000), strings.Repeat("🎬", 2_500), "%", "_", `\`, "%%%", "'", `"`, `''`, "'; DROP TABLE film; --",
		"&", "|", "!", "<->", "( )", "a & | b", ":*", "the", "of and the", "-", "--", "or", "🎬", "é", "İı", "ß", "ﬁ", "{}", "{a,b}", "$1", "{film}", "{unicode}",
		"-1", "0", "1", "007", "+1", "1.5", "1e3", "0x10", "2147483647", "2147483648", "-2147483648", "9223372036854775808", strings.Repeat("9", 400),
		"0.9999999999", "0.99999999999", "9999999999.9999999999", "99999999999", "1.", ".5", "-0.99", "NaN", "Infinity", "1,2", "null", "true", "TRUE", "false", "t",
		"exact", "EXACT", "film_id", "-relevance", "relevance", "G", "g", "PG-13", "\u202e", "\u0301", " ", "\t\n", "a b",
	}
	for _, p := range operationByID(t, loadContract(t), "listFilms").Parameters() {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			for _, value := range values {
				wantPageOrFault(t, a, p.Name, url.Values{p.Name: {value}}, shape(p.Schema.Value, value))
			}
			many := url.Values{p.Name: make([]string, 200)}
			for i := range many[p.Name] {
				many[p.Name][i] = fmt.Sprint(p.Example)
			}
			wantPageOrFault(t, a, p.Name, many, false)
			twice := url.Values{p.Name: {"1", "2"}}
			wantPageOrFault(t, a, p.Name, twice, p.Schema.Value.Items != nil && shape(p.Schema.Value, "1"))
		})
	}
}

// shape reports whether the value of a parameter follows its schema.
func shape(schema *openapi3.Schema, text string) bool {
	if schema.Items != nil {
		schema = schema.Items.Value
	}
	var value any = text
	switch {
	case text == "":
		return false
	case schema.Type.Is("boolean"):
		return text == "true" || text == "false"
	case schema.Type.Is("integer"):
		var n int64
		if _, err := fmt.Sscanf(strings.TrimPrefix(text, "+"), "%d", &n); err != nil || strings.Trim(text, "+0123456789") != "" || len(text) > 100 {
			return false
		}
		value = float64(n)
	}
	return utf8.ValidString(text) && !strings.Contains(text, "\x00") && schema.VisitJSON(value) == nil
}

// wantPageOrFault checks that a request whose values follow the contract gets a page. The only other reasons to
// refuse it are a cursor that is none and an order by relevance of nothing.
func wantPageOrFault(t *testing.T, a *testAPI, name string, query url.Values, follows bool) {
	t.Helper()
	response := a.get(t, "/films?"+query.Encode())
	if follows && name != "cursor" && query.Get("sort") != "relevance" {
		decode[gen.FilmPage](t, response.want(t, 200))
		return
	}
	for _, e := range response.wantProblem(t, 400, "invalid_request").Errors {
		if e.Parameter == nil || *e.Parameter != name || e.Detail == "" {
			t.Errorf("%.80s: the error is %+v", query.Encode(), e)
		}
	}
}

// Each way to spoil a cursor has a detail of its own.
func TestSpoiltCursors(t *testing.T) {
	t.Parallel()
	a := start(t)
	cursor := *decode[gen.FilmPage](t, a.get(t, "/films?sort=title").want(t, 200)).NextCursor
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}
	changed := func(at int) string {
		data := append([]byte{}, raw...)
		data[at]++
		return base64.RawURLEncoding.EncodeToString(data)
	}
	details := map[string]string{}
	for name, query := range map[string]string{
		"forged": "sort=title&cursor=abcdefgh", "truncated": "sort=title&cursor=" + cursor[:len(cursor)-5], "extended": "sort=title&cursor=" + cursor + "AAAA",
		"changed": "sort=title&cursor=" + changed(len(raw)-3), "another version": "sort=title&cursor=" + changed(1),
		"another order": "sort=-title&cursor=" + cursor, "with a page": "sort=title&page=1&cursor=" + cursor,
	} {
		p := a.get(t, "/films?"+query).wantProblem(t, 400, "invalid_request")
		if len(p.Errors) != 1 || *p.Errors[0].Parameter != "cursor" {
			t.Errorf("%s: %+v", name, p.Errors)
		}
		if other, taken := details[p.Errors[0].Detail]; taken {
			t.Errorf("%s has the detail of %s: %s", name, other, p.Errors[0].Detail)
		}
		details[p.Errors[0].Detail] = name
	}
	page := decode[gen.FilmPage](t, a.get(t, "/films?sort=title&page_size=7&count=exact&cursor="+cursor).want(t, 200))
	if want := ids(t, a, "true", "title, film_id")[20:27]; page.Page != nil || *page.Total == 0 || page.Items[0].FilmID != want[0] || page.Items[6].FilmID != want[6] {
		t.Errorf("the page after the cursor is %+v, want %v", page, want)
	}
}
