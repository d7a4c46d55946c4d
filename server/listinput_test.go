package server_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/server/internal/contract"
)

// isList selects the operations that list the rows of a table.
func isList(op *contract.Operation) bool { return op.ListsObjects() && len(op.Parameters()) > 0 }

// Whatever a parameter of a list contains, the response is a page, or a problem that names the parameter.
func TestAnyValueOfAnyListParameter(t *testing.T) {
	t.Parallel()
	a := start(t, withDocumentedCredentials)
	values := []string{
		"", "\x00", "a\x00b", "\xff", strings.Repeat("x", 10_000), strings.Repeat("🎬", 2_500), "%", "_", `\`, "%%%", "'", `"`, `''`, "'; DROP TABLE film; --",
		"&", "|", "!", "<->", "( )", "a & | b", ":*", "the", "of and the", "-", "--", "or", "🎬", "é", "İı", "ß", "ﬁ", "{}", "{a,b}", "$1", "{film}", "{unicode}",
		"-1", "0", "1", "007", "+1", "1.5", "1e3", "0x10", "2147483647", "2147483648", "-2147483648", "9223372036854775808", strings.Repeat("9", 400),
		"0.9999999999", "0.99999999999", "9999999999.9999999999", "99999999999", "1.", ".5", "-0.99", "NaN", "Infinity", "1,2", "null", "true", "TRUE", "false", "t",
		"exact", "EXACT", "film_id", "-relevance", "relevance", "G", "g", "PG-13", "\u202e", "\u0301", " ", "\t\n", "a b",
		"0001-01-01", "9999-12-31", "2024-02-29", "2023-02-29", "2026-02-30", "0000-01-01", "2026-13-01", "10000-01-01", "2026-1-1", "2026-11-26T00:00:00Z", "infinity",
		"open", "overdue", "OPEN", "open,returned", "due_date", "-last_name", "-payment_date", "mary s", "MARY.SMITH@sakilacustomer.org", "%@%",
	}
	for _, list := range exampleRequests(t, isList) {
		for _, p := range list.Parameters() {
			if p.In != openapi3.ParameterInQuery {
				continue
			}
			t.Run(list.ID+"/"+p.Name, func(t *testing.T) {
				t.Parallel()
				for _, value := range values {
					wantPageOrFault(t, a, list, p.Name, url.Values{p.Name: {value}}, shape(p.Schema.Value, value))
				}
				many := url.Values{p.Name: make([]string, 200)}
				for i := range many[p.Name] {
					many[p.Name][i] = fmt.Sprint(p.Example)
				}
				wantPageOrFault(t, a, list, p.Name, many, false)
				twice := url.Values{p.Name: {"1", "2"}}
				wantPageOrFault(t, a, list, p.Name, twice, p.Schema.Value.Items != nil && shape(p.Schema.Value, "1"))
			})
		}
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
func wantPageOrFault(t *testing.T, a *testAPI, list request, name string, query url.Values, follows bool) {
	t.Helper()
	list.query = query
	response := list.send(t, a)
	if follows && name != "cursor" && query.Get("sort") != "relevance" {
		response.want(t, 200) // the server under test checks its form
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
	a.exec(t, `INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id, return_date) SELECT now() - make_interval(days => n), 1, 1, 1, now() FROM generate_series(1, 50) n`)
	for _, test := range []struct{ path, other, order, reverse string }{
		{"/films", "/films?category=comedy&", "sort=title", "sort=-title"},
		{"/rentals", "/rentals?store_id=1&", "sort=due_date", "sort=-due_date"},
		{"/customers/1/rentals", "/customers/2/rentals?", "sort=rental_id", "sort=-rental_id"},
		{"/customers", "/customers?active=true&", "sort=last_name", "sort=-last_name"},
		{"/customers/1/payments", "/customers/2/payments?", "sort=payment_date", "sort=-payment_date"},
	} {
		t.Run(test.path, func(t *testing.T) {
			t.Parallel()
			a.spoilCursors(t, test.path, test.other, test.order, test.reverse)
		})
	}
	page := decode[gen.FilmPage](t, a.get(t, "/films?sort=title").want(t, 200))
	page = decode[gen.FilmPage](t, a.get(t, "/films?sort=title&page_size=7&count=exact&cursor="+*page.NextCursor).want(t, 200))
	if want := ids(t, a, "true", "title, film_id")[20:27]; page.Page != nil || *page.Total == 0 || page.Items[0].FilmID != want[0] || page.Items[6].FilmID != want[6] {
		t.Errorf("the page after the cursor is %+v, want %v", page, want)
	}
}

func (a *testAPI) spoilCursors(t *testing.T, path, other, order, reverse string) {
	t.Helper()
	first := struct {
		NextCursor string `json:"next_cursor"`
	}{}
	if err := json.Unmarshal(a.fetch(t, path+"?page_size=3&"+order).want(t, 200).body, &first); err != nil {
		t.Fatal(err)
	}
	cursor := first.NextCursor
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}
	changed := func(at int) string {
		data := append([]byte{}, raw...)
		data[at]++
		return base64.RawURLEncoding.EncodeToString(data)
	}
	path += "?"
	details := map[string]string{}
	for name, target := range map[string]string{
		"forged": path + order + "&cursor=abcdefgh", "truncated": path + order + "&cursor=" + cursor[:len(cursor)-5], "extended": path + order + "&cursor=" + cursor + "AAAA",
		"changed": path + order + "&cursor=" + changed(len(raw)-3), "another version": path + order + "&cursor=" + changed(1),
		"another order": path + reverse + "&cursor=" + cursor, "with a page": path + order + "&page=1&cursor=" + cursor,
	} {
		p := a.fetch(t, target).wantFaults(t, 400, "invalid_request", "cursor")
		if other, taken := details[p.Errors[0].Detail]; taken {
			t.Errorf("%s has the detail of %s: %s", name, other, p.Errors[0].Detail)
		}
		details[p.Errors[0].Detail] = name
	}
	a.fetch(t, other+order+"&cursor="+cursor).wantFaults(t, 400, "invalid_request", "cursor") // of another list
	a.fetch(t, path+order+"&cursor="+cursor).want(t, 200)
}
