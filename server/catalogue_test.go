package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/server/internal/contract"
	"example.com/pagila-api/store/pgtest"
)

// wantJSON checks that the response to GET equals the JSON document that a query selects.
func (a *testAPI) wantJSON(t *testing.T, path, query string, args ...any) {
	t.Helper()
	got := a.get(t, path).want(t, 200)
	want := &received{body: []byte(one[string](t, a, query, args...))}
	if diff := cmp.Diff(decode[any](t, want), decode[any](t, got)); diff != "" {
		t.Errorf("%s (-database +response):\n%s", path, diff)
	}
}

// someFilms are films with many copies, few and none. In Pagila, film 14 has none.
func someFilms() []int32 {
	films := []int32{14}
	for id := int32(1); id <= 1000; id += 37 {
		films = append(films, id)
	}
	return films
}

// A film has all of its categories, and the numbers of its copies in each store agree with the list of its
// copies.
func TestGetFilmAvailability(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.exec(t, `INSERT INTO film_category (film_id, category_id) SELECT 38, category_id FROM category ON CONFLICT DO NOTHING`)
	for _, id := range someFilms() {
		film := decode[gen.FilmDetail](t, a.get(t, fmt.Sprintf("/films/%d", id)).want(t, 200))
		want := []gen.Availability{}
		for _, c := range decode[gen.FilmInventory](t, a.get(t, fmt.Sprintf("/films/%d/inventory", id)).want(t, 200)).Items {
			i := slices.IndexFunc(want, func(store gen.Availability) bool { return store.StoreID == c.StoreID })
			if i < 0 {
				i, want = len(want), append(want, gen.Availability{StoreID: c.StoreID})
			}
			want[i].Copies++
			if c.InStock {
				want[i].InStock++
			}
		}
		slices.SortFunc(want, func(a, b gen.Availability) int { return int(a.StoreID - b.StoreID) })
		if diff := cmp.Diff(want, film.Availability); diff != "" {
			t.Errorf("film %d: the availability (-inventory +film):\n%s", id, diff)
		}
		var categories []string
		if err := json.Unmarshal([]byte(one[string](t, a, `SELECT COALESCE(json_agg(name ORDER BY name), '[]')::text
			FROM film_category JOIN category USING (category_id) WHERE film_id = ?`, id)), &categories); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(categories, film.Categories); diff != "" {
			t.Errorf("film %d: the categories (-database +film):\n%s", id, diff)
		}
	}
}

// The number of films of a category or a language is that of the films which are listed for it.
func TestCountsAgree(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.exec(t, `INSERT INTO film_category (film_id, category_id) SELECT film_id, 3 FROM film WHERE film_id % 7 = 0 ON CONFLICT DO NOTHING`)
	for _, c := range decode[gen.CategoryList](t, a.get(t, "/categories").want(t, 200)).Items {
		page := decode[gen.FilmPage](t, a.get(t, "/films?page_size=1&category="+url.QueryEscape(c.Name)).want(t, 200))
		if *page.Total != c.FilmCount {
			t.Errorf("%s: film_count is %d, but %d films are listed", c.Name, c.FilmCount, *page.Total)
		}
	}
	var films int64
	for _, l := range decode[gen.LanguageList](t, a.get(t, "/languages").want(t, 200)).Items {
		films += l.FilmCount
	}
	if want := one[int64](t, a, `SELECT count(*) FROM film`); films != want {
		t.Errorf("all languages have %d films, but there are %d", films, want)
	}
}

// q is a part of the first name, a blank and the last name. No character of it is special.
func TestListActorsByName(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.exec(t, `INSERT INTO actor (first_name, last_name) VALUES ('ÉLODIE', 'STRAßE'), ('100%', 'SNAKE_CASE'), ('BACK\SLASH', 'O''HARA'),
		('MARY  ANN', E'VAN\tDYKE'), ('Σίσυφος', 'ИВАНОВ'), ('🎬', 'Smiley')`)
	for q, condition := range map[string]string{
		"gUINESS":                 `last_name = 'GUINESS'`,
		"GuInEsS":                 `last_name = 'GUINESS'`,
		"penelope g":              `first_name = 'PENELOPE' AND last_name LIKE 'G%'`,
		" penelope \t\n Guines ":  `first_name = 'PENELOPE' AND last_name = 'GUINESS'`,
		"penelope\u00a0guiness":   `first_name = 'PENELOPE' AND last_name = 'GUINESS'`,
		"guineSS penelope":        `false`,
		"e g":                     `first_name LIKE '%E' AND last_name LIKE 'G%'`,
		"ma":                      `strpos(upper(first_name || ' ' || last_name), 'MA') > 0`,
		"élodie straße":           `first_name = 'ÉLODIE'`,
		"%":                       `first_name = '100%'`,
		"_":                       `last_name = 'SNAKE_CASE'`,
		`\`:                       `first_name = 'BACK\SLASH'`,
		"o'hara":                  `last_name = 'O''HARA'`,
		"mary ann van dyke":       `first_name = 'MARY  ANN'`,
		"ΣΊΣΥΦΟΣ иванов":          `last_name = 'ИВАНОВ'`,
		"🎬":                       `first_name = '🎬'`,
		" ":                       `true`,
		"'; DROP TABLE actor; --": `false`,
		"{actor}":                 `false`,
		"$1":                      `false`,
		"[[:alpha:]]+":            `false`,
	} {
		page := decode[gen.ActorPage](t, a.get(t, "/actors?page_size=100&q="+url.QueryEscape(q)).want(t, 200))
		want := []int32{}
		if err := json.Unmarshal([]byte(one[string](t, a, `SELECT COALESCE(json_agg(actor_id ORDER BY last_name, first_name, actor_id), '[]')::text
			FROM actor WHERE `+condition)), &want); err != nil {
			t.Fatal(err)
		}
		if page.Total != int64(len(want)) {
			t.Errorf("%q: the total is %d, want %d", q, page.Total, len(want))
		}
		got := []int32{}
		for _, actor := range page.Items {
			got = append(got, actor.ActorID)
		}
		if want = want[:min(len(want), 100)]; !slices.Equal(got, want) {
			t.Errorf("%q: the actors are %v, want %v", q, got, want)
		}
	}
	past := decode[gen.ActorPage](t, a.get(t, "/actors?page=2147483647&page_size=100&q=Guines").want(t, 200))
	if want := one[int64](t, a, `SELECT count(*) FROM actor WHERE last_name = 'GUINESS'`); past.Total != want || len(past.Items) != 0 {
		t.Errorf("past the end: %+v", past)
	}
}

// Invalid input gets a problem document that names the parameter.
func TestBadCatalogueInput(t *testing.T) {
	t.Parallel()
	a := start(t)
	for path, parameter := range map[string]string{
		"/actors?page=0":                             "page",
		"/actors?page=2147483648":                    "page",
		"/actors?page=":                              "page",
		"/actors?page=two":                           "page",
		"/actors?page=1&page=1":                      "page",
		"/actors?page_size=0":                        "page_size",
		"/actors?page_size=101":                      "page_size",
		"/actors?page_size=1e1":                      "page_size",
		"/actors?q=":                                 "q",
		"/actors?q=a&q=b":                            "q",
		"/actors?q=%00":                              "q",
		"/actors?q=%ff":                              "q",
		"/actors?q=" + strings.Repeat("x", 101):      "q",
		"/actors?q=" + strings.Repeat("x", 10_000):   "q",
		"/actors?q=" + strings.Repeat("%C3%A9", 101): "q",
		"/actors?cursor=x":                           "cursor",
		"/actors?Q=x":                                "Q",
		"/actors/0":                                  "actor_id",
		"/actors/-1":                                 "actor_id",
		"/actors/1.0":                                "actor_id",
		"/actors/x":                                  "actor_id",
		"/actors/%00":                                "actor_id",
		"/actors/2147483648":                         "actor_id",
		"/actors/1?page=1":                           "page",
		"/films/0/inventory":                         "film_id",
		"/films/x/inventory":                         "film_id",
		"/films/2147483648/inventory":                "film_id",
		"/films/1/inventory?store_id=1":              "store_id",
		"/categories?page=1":                         "page",
		"/languages?q=x":                             "q",
		"/stores?store_id=1":                         "store_id",
	} {
		p := a.get(t, path).wantProblem(t, 400, "invalid_request")
		if len(p.Errors) != 1 || p.Errors[0].Parameter == nil || *p.Errors[0].Parameter != parameter {
			t.Errorf("%.60s: the errors are %+v", path, p.Errors)
		}
	}
	a.get(t, "/actors?q="+strings.Repeat("%F0%9F%8E%AC", 100)).want(t, 200) // characters count, not bytes
	for path, code := range map[string]gen.ProblemCode{
		"/actors/2147483647":          "actor_not_found",
		"/films/2147483647/inventory": "film_not_found",
		"/actors/":                    "not_found",
		"/films/1/inventory/":         "not_found",
	} {
		a.get(t, path).wantProblem(t, 404, code)
	}
}

// On Pagila itself, the contract's examples of the catalogue are the responses to the examples of requests.
func TestCatalogueExamples(t *testing.T) {
	t.Parallel()
	pgtest.RealPagila(t)
	a := start(t)
	catalogue := func(op *contract.Operation) bool {
		return slices.Contains([]string{"getFilm", "listFilmInventory", "listCategories", "listLanguages", "listStores", "listActors", "getActor"}, op.ID)
	}
	for _, r := range exampleRequests(t, catalogue) {
		want, err := json.Marshal(exampleOf(t, r.Spec().Responses.Status(http.StatusOK).Value.Content["application/json"]))
		if err != nil {
			t.Fatal(err)
		}
		got := r.send(t, a).want(t, 200)
		if diff := cmp.Diff(decode[any](t, &received{body: want}), decode[any](t, got)); diff != "" {
			t.Errorf("%s (-example +response):\n%s", r.ID, diff)
		}
	}
}
