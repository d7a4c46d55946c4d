package contract

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/pagila-api/api"
)

// BenchmarkValidate validates requests.
func BenchmarkValidate(b *testing.B) {
	doc, err := api.Load(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	RegisterFormats()
	operations := map[string]*Operation{}
	for _, o := range Operations(doc) {
		operations[o.ID] = o
	}
	for _, test := range []struct {
		name, operation, method, target, body string
		path                                  map[string]string
		invalid                               bool
	}{
		{name: "films", operation: "listFilms", method: http.MethodGet, target: "/films?category=Comedy&rating=PG&length_max=120&sort=-length&page_size=20"},
		{name: "film", operation: "getFilm", method: http.MethodGet, target: "/films/500", path: map[string]string{"film_id": "500"}},
		{
			name: "rental", operation: "createRental", method: http.MethodPost, target: "/customers/300/rentals", body: `{"inventory_id": 1000, "staff_id": 1}`,
			path: map[string]string{"customer_id": "300"},
		},
		{name: "invalid", operation: "listFilms", method: http.MethodGet, target: "/films?page_size=0&length_max=x", invalid: true},
	} {
		b.Run(test.name, func(b *testing.B) {
			r, body := httptest.NewRequest(test.method, test.target, nil), strings.NewReader(test.body)
			if test.body != "" {
				r.Header.Set("Content-Type", "application/json")
				r.ContentLength = int64(len(test.body))
			}
			b.ReportAllocs()
			for b.Loop() {
				if test.body != "" { // validation replaces it
					body.Reset(test.body)
					r.Body = io.NopCloser(body)
				}
				if _, err := operations[test.operation].Validate(r, test.path); (err != nil) != test.invalid {
					b.Fatal(err)
				}
			}
		})
	}
}
