package contract

import (
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/getkin/kin-openapi/openapi3filter"

	"example.com/pagila-api/api"
)

// An integer that is accepted without kin-openapi is one that kin-openapi accepts as well.
func TestPlainIntegers(t *testing.T) {
	t.Parallel()
	doc, err := api.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	plain := map[string]bool{}
	for _, o := range Operations(doc) {
		for _, p := range o.parameters {
			plain[o.ID+" "+p.Name] = p.plain
			for _, text := range []string{
				"1", "7", "20", "100", "101", "599", "2147483647", "2147483648", "99999999999999999999", "0", "-1", "+1", "007", "1.0", "1e2",
				"0x10", "1_0", " 1", "1 ", "", "a", "\u0661", "1,2",
			} {
				input := &openapi3filter.RequestValidationInput{
					Request:    httptest.NewRequestWithContext(t.Context(), o.Method, "/", nil),
					PathParams: map[string]string{p.Name: text}, QueryParams: url.Values{p.Name: {text}}, Route: o.route, Options: validation,
				}
				got := p.accepts(input)
				if want := p.plain && *p.Schema.Value.Min <= 7; text == "7" && got != want {
					t.Errorf("%s, %s: 7 is accepted: %t, want %t", o.ID, p.Name, got, want)
				}
				if !got {
					continue
				}
				if err := openapi3filter.ValidateParameter(t.Context(), input, p.Parameter); err != nil {
					t.Errorf("%s, %s: %q is accepted: %v", o.ID, p.Name, text, err)
				}
			}
		}
	}
	for name, want := range map[string]bool{
		"getFilm film_id": true, "listFilms page_size": true, "createRental customer_id": true,
		"listFilms sort": false, "listFilms rental_rate_max": false, "listFilms actor_id": false,
	} {
		if got, known := plain[name]; got != want || !known {
			t.Errorf("%s is plain: %t, want %t", name, got, want)
		}
	}
}
