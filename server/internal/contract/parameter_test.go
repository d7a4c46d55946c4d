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
	accepted, refused := 0, 0
	for _, o := range Operations(doc) {
		for _, p := range o.parameters {
			for _, text := range []string{
				"1", "7", "20", "100", "101", "599", "2147483647", "2147483648", "99999999999999999999", "0", "-1", "+1", "007", "1.0", "1e2",
				"0x10", "1_0", " 1", "1 ", "", "a", "\u0661", "1,2",
			} {
				input := &openapi3filter.RequestValidationInput{
					Request:    httptest.NewRequestWithContext(t.Context(), o.Method, "/", nil),
					PathParams: map[string]string{p.Name: text}, QueryParams: url.Values{p.Name: {text}}, Route: o.route, Options: validation,
				}
				if !p.accepts(input) {
					refused++
					continue
				}
				accepted++
				if err := openapi3filter.ValidateParameter(t.Context(), input, p.Parameter); err != nil {
					t.Errorf("%s, %s: %q is accepted: %v", o.ID, p.Name, text, err)
				}
			}
		}
	}
	if accepted == 0 || refused == 0 {
		t.Errorf("%d values are accepted, %d are not", accepted, refused)
	}
}
