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

func happyListFilmInventory(t *testing.T, a *testAPI) {
	for _, id := range someFilms() {
		a.wantJSON(t, fmt.Sprintf("/films/%d/inventory", id), `
			SELECT jsonb_build_object('items', COALESCE(jsonb_agg(item ORDER BY inventory_id), '[]'))::text FROM (
				SELECT inventory_id, jsonb_strip_nulls(jsonb_build_object('inventory_id', inventory_id, 'store_id', store_id, 'in_stock', due IS NULL,
					'due_date', to_char(due AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))) AS item
				FROM inventory LEFT JOIN (
					SELECT inventory_id, rental_date + make_interval(days => rental_duration) AS due
					FROM rental JOIN inventory USING (inventory_id) JOIN film USING (film_id) WHERE return_date IS NULL
				) open USING (inventory_id) WHERE film_id = ?) items`, id)
	}
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

func happyListCategories(t *testing.T, a *testAPI) {
	a.exec(t, `INSERT INTO category (name) VALUES ('Empty'); INSERT INTO film_category (film_id, category_id) VALUES (1, 1), (1, 2), (1, 3) ON CONFLICT DO NOTHING`)
	a.wantJSON(t, "/categories", `SELECT json_build_object('items', json_agg(item ORDER BY name))::text FROM (
		SELECT name, json_build_object('category_id', category_id, 'name', name,
			'film_count', (SELECT count(*) FROM film_category fc WHERE fc.category_id = c.category_id)) AS item FROM category c) items`)
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

func happyListLanguages(t *testing.T, a *testAPI) {
	a.exec(t, `UPDATE film SET language_id = 1 + film_id % 5`)
	a.wantJSON(t, "/languages", `SELECT json_build_object('items', json_agg(item ORDER BY name))::text FROM (
		SELECT trim(name) AS name, json_build_object('language_id', language_id, 'name', trim(name),
			'film_count', (SELECT count(*) FROM film f WHERE f.language_id = l.language_id)) AS item FROM language l) items`)
}

func happyListStores(t *testing.T, a *testAPI) {
	a.wantJSON(t, "/stores", `SELECT json_build_object('items', json_agg(item ORDER BY store_id))::text FROM (
		SELECT store_id, json_build_object('store_id', store_id, 'address', address, 'district', district, 'city', city, 'country', country) AS item
		FROM store JOIN address USING (address_id) JOIN city USING (city_id) JOIN country USING (country_id)) items`)
}

// All pages together have each actor once, in order.
func happyListActors(t *testing.T, a *testAPI) {
	var items []gen.ActorSummary
	for number := int32(1); ; number++ {
		page := decode[gen.ActorPage](t, a.get(t, fmt.Sprintf("/actors?page_size=37&page=%d", number)).want(t, 200))
		if want := one[int64](t, a, `SELECT count(*) FROM actor`); page.Total != want || page.Page != number || page.PageSize != 37 {
			t.Errorf("page %d of %d items, total %d, want page %d and total %d", page.Page, page.PageSize, page.Total, number, want)
		}
		if len(page.Items) == 0 {
			break
		}
		items = append(items, page.Items...)
	}
	var want []gen.ActorSummary
	if err := json.Unmarshal([]byte(one[string](t, a, `SELECT json_agg(item ORDER BY last_name, first_name, actor_id)::text FROM (
		SELECT actor_id, first_name, last_name, json_build_object('actor_id', actor_id, 'first_name', first_name, 'last_name', last_name,
			'film_count', (SELECT count(*) FROM film_actor fa WHERE fa.actor_id = a.actor_id)) AS item FROM actor a) items`)), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, items); diff != "" {
		t.Errorf("the actors differ (-database +pages):\n%s", diff)
	}
}

func happyGetActor(t *testing.T, a *testAPI) {
	idle := one[int32](t, a, `INSERT INTO actor (first_name, last_name) VALUES ('NO', 'FILMS') RETURNING actor_id`)
	for _, id := range []int32{1, 2, 107, 200, idle} {
		a.wantJSON(t, fmt.Sprintf("/actors/%d", id), `
			SELECT json_build_object('actor_id', actor_id, 'first_name', first_name, 'last_name', last_name, 'films', COALESCE((
				SELECT json_agg(json_build_object('film_id', film_id, 'title', title) ORDER BY title)
				FROM film JOIN film_actor fa USING (film_id) WHERE fa.actor_id = actor.actor_id), '[]'))::text
			FROM actor WHERE actor_id = ?`, id)
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
