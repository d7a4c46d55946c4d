package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/pagila-api/gen"
)

// happyPaths has a happy path for each operation of the contract, by its ID: requests that get each documented 2xx
// response. The expectations are computed from the database.
var happyPaths = map[string]func(*testing.T, *testAPI){
	"askQuestion":               happyAskQuestion,
	"cancelSubscription":        happyCancelSubscription,
	"createRental":              happyCreateRental,
	"createSubscription":        happyCreateSubscription,
	"createToken":               happyCreateToken,
	"getContractJSON":           happyGetContractJSON,
	"getContractYAML":           happyGetContractYAML,
	"getIndex":                  happyGetIndex,
	"getShopAsset":              happyGetShopAsset,
	"getDocs":                   happyGetDocs,
	"getDocsAsset":              happyGetDocsAsset,
	"getCustomer":               happyGetCustomer,
	"getFilm":                   happyGetFilm,
	"getHealth":                 happyGetHealth,
	"getReadiness":              happyGetReadiness,
	"getRental":                 happyGetRental,
	"getSubscription":           happyGetSubscription,
	"handOff":                   happyHandOff,
	"listCustomerPayments":      happyListCustomerPayments,
	"listCustomerRentals":       happyListCustomerRentals,
	"listCustomers":             happyListCustomers,
	"listCustomerSubscriptions": happyListCustomerSubscriptions,
	"listFilms":                 happyListFilms,
	"listPlans":                 happyListPlans,
	"listRentals":               happyListRentals,
	"listFilmInventory":         happyListFilmInventory,
	"listCategories":            happyListCategories,
	"listLanguages":             happyListLanguages,
	"listStores":                happyListStores,
	"listActors":                happyListActors,
	"getActor":                  happyGetActor,
	"returnRental":              happyReturnRental,
	"summarizeFilm":             happySummarizeFilm,
	"updateFilm":                happyUpdateFilm,
}

// Each operation has a happy path, which receives each successful response that the contract documents.
func TestHappyPaths(t *testing.T) {
	t.Parallel()
	documented, err := documentedTriples()
	if err != nil {
		t.Fatal(err)
	}
	successes := map[string][]triple{}
	for _, triple := range documented {
		if triple.status/100 == 2 {
			successes[triple.operation] = append(successes[triple.operation], triple)
		}
	}
	for id := range happyPaths {
		if successes[id] == nil {
			t.Errorf("the contract has no operation %s: remove its happy path", id)
		}
	}
	for id, want := range successes {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			path := happyPaths[id]
			if path == nil {
				t.Fatalf("the operation %s has no happy path: add one to happyPaths", id)
			}
			a := start(t)
			path(t, a)
			a.Close() // the server counts a response after it is sent
			for _, triple := range a.received.missing(want) {
				t.Errorf("the happy path does not receive %s", triple)
			}
		})
	}
}

func happyListFilms(t *testing.T, a *testAPI) {
	page := decode[gen.FilmPage](t, a.get(t, "/films?page=2&page_size=5&category=comedy").want(t, 200))

	inCategory := `FROM film JOIN film_category USING (film_id) JOIN category c USING (category_id) WHERE c.name = 'Comedy'`
	if want := one[int64](t, a, `SELECT count(*) `+inCategory); *page.Total != want {
		t.Errorf("total is %d, want %d", page.Total, want)
	}
	if *page.Page != 2 || page.PageSize != 5 || len(page.Items) != 5 {
		t.Errorf("page %d, page_size %d, %d items", *page.Page, page.PageSize, len(page.Items))
	}
	if want := one[int32](t, a, `SELECT film_id `+inCategory+` ORDER BY film_id LIMIT 1 OFFSET 5`); page.Items[0].FilmID != want {
		t.Errorf("the page begins with film %d, want %d", page.Items[0].FilmID, want)
	}
}

func happyGetFilm(t *testing.T, a *testAPI) {
	film := decode[gen.FilmDetail](t, a.get(t, "/films/1").want(t, 200))
	if want := one[string](t, a, `SELECT title FROM film WHERE film_id = 1`); film.Title != want {
		t.Errorf("title is %q, want %q", film.Title, want)
	}
	if want := one[int](t, a, `SELECT count(*) FROM film_actor WHERE film_id = 1`); len(film.Actors) != want {
		t.Errorf("%d actors, want %d", len(film.Actors), want)
	}
}

func happyCreateRental(t *testing.T, a *testAPI) {
	copyID := inStock(t, a)
	response := a.post(t, "/customers/1/rentals", fmt.Sprintf(`{"inventory_id": %d, "staff_id": 2}`, copyID)).want(t, 201)
	rental := decode[gen.Rental](t, response)
	wantRow(t, a, rental)
	if rental.CustomerID != 1 || rental.InventoryID != copyID || rental.StaffID != 2 || rental.ReturnDate != nil {
		t.Errorf("the rental is %+v", rental)
	}
	if !one[bool](t, a, `SELECT rental_date BETWEEN now() - interval '1 minute' AND now() FROM rental WHERE rental_id = ?`, rental.RentalID) {
		t.Errorf("rental_date %s is not the current time of the database", rental.RentalDate)
	}

	again := a.fetch(t, "/customers/1/"+response.header.Get("Location")).want(t, 200)
	if !bytes.Equal(again.body, response.body) {
		t.Errorf("the response at Location is %s, want %s", again.body, response.body)
	}
}

func happyGetRental(t *testing.T, a *testAPI) {
	path := one[string](t, a, `SELECT format('/customers/%s/rentals/%s', customer_id, rental_id) FROM rental WHERE return_date IS NOT NULL ORDER BY rental_id LIMIT 1`)
	rental := decode[gen.Rental](t, a.fetch(t, path).want(t, 200))
	wantRow(t, a, rental)
	if !strings.HasSuffix(path, fmt.Sprint("/", rental.RentalID)) {
		t.Errorf("the rental at %s is %d", path, rental.RentalID)
	}
}

// rentalJSON is the JSON of a rental r with its copy and film in SQL.
const rentalJSON = `(to_jsonb(r) || (
	SELECT jsonb_build_object('film_id', film_id, 'store_id', store_id, 'title', title, 'due_date', due, 'days_overdue', days,
		'late_fee', to_char(days + CASE WHEN ended > due AND ended - due > make_interval(days => 2 * rental_duration) THEN replacement_cost ELSE 0 END, 'FM9999990.00'))
	FROM (SELECT rental_date + make_interval(days => rental_duration) AS due, COALESCE(return_date, now()) AS ended) times,
	LATERAL (SELECT GREATEST(0, floor(extract(epoch FROM ended - due) / 86400)) AS days) overdue))`

// fromRentals joins what rentalJSON needs.
const fromRentals = `FROM rental r JOIN inventory USING (inventory_id) JOIN film USING (film_id)`

// wantRow compares a rental with its row.
func wantRow(t *testing.T, a *testAPI, rental gen.Rental) {
	t.Helper()
	if diff := cmp.Diff(rowsOf(t, a, `rental_id = ?`, "rental_id", rental.RentalID), []gen.Rental{rental}); diff != "" {
		t.Errorf("the row and the response differ: %s", diff)
	}
}

// rowsOf returns the rentals that a condition selects.
func rowsOf(t *testing.T, a *testAPI, where, order string, args ...any) []gen.Rental {
	t.Helper()
	var rows []gen.Rental
	text := one[string](t, a, `SELECT COALESCE(json_agg(`+rentalJSON+` ORDER BY `+order+`), '[]')::text `+fromRentals+` WHERE `+where, args...)
	if err := json.Unmarshal([]byte(text), &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

func happyAskQuestion(t *testing.T, a *testAPI) {
	title := one[string](t, a, `SELECT title FROM film WHERE film_id = 1`)
	response := a.get(t, "/ai/ask?question="+url.QueryEscape("What is the film "+title+" about?")).want(t, 200)
	if got := response.header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("Content-Type is %q", got)
	}
	if !strings.Contains(string(response.body), title) {
		t.Errorf("the answer does not name %s: %s", title, response.body)
	}
	events := a.get(t, "/ai/ask?question="+url.QueryEscape("What is the film "+title+" about?"), "Accept", "text/event-stream").want(t, 200)
	if want := fmt.Sprintf(`data: {"films":[{"film_id":1,"title":%q}`, title); !strings.Contains(string(events.body), want) {
		t.Errorf("the events are not about the film %s: %s", title, events.body)
	}
	if again := a.get(t, "/ai/ask?question=x", "Last-Event-ID", "1").want(t, 204); len(again.body) > 0 {
		t.Errorf("the answer is repeated: %s", again.body)
	}
}

func happySummarizeFilm(t *testing.T, a *testAPI) {
	response := a.call(t, http.MethodPost, "/ai/summary", `{"film_id": 1}`).want(t, 200)
	want := one[string](t, a, `
		SELECT jsonb_build_object('title', title, 'rating', rating, 'recommended', rating > 'PG-13' AND rental_rate < 3.00)::text
		FROM film WHERE film_id = 1`)
	if !sameJSON(t, response.body, []byte(want)) {
		t.Errorf("the summary is %s, want %s", response.body, want)
	}
}

func happyHandOff(t *testing.T, a *testAPI) {
	title := one[string](t, a, `SELECT title FROM film WHERE film_id = 1`)
	response := a.call(t, http.MethodPost, "/ai/handoff", fmt.Sprintf(`{"question": "Who stars in %s?"}`, title)).want(t, 200)
	got := decode[gen.Answer](t, response)
	if got.Agent != "search" || len(got.Sources) != 1 || got.Sources[0] != (gen.Source{FilmID: 1, Title: title}) {
		t.Errorf("got %+v", got)
	}
	actor := one[string](t, a, `SELECT first_name || ' ' || last_name FROM film_actor JOIN actor USING (actor_id) WHERE film_id = 1 LIMIT 1`)
	if !strings.Contains(got.Answer, actor) {
		t.Errorf("%s is not in the answer: %s", actor, got.Answer)
	}
	if response.header.Get("X-AI-Model") != "" {
		t.Errorf("the headers name the model %s, which was not asked", response.header.Get("X-AI-Model"))
	}
}

func happyCreateToken(t *testing.T, a *testAPI) {
	form := "grant_type=password&username=somebody&password=secret"
	got := decode[gen.Token](t, a.call(t, http.MethodPost, "/token", form, "Content-Type", "application/x-www-form-urlencoded").want(t, 200))
	if got.AccessToken != token || got.TokenType != "bearer" {
		t.Errorf("got %+v", got)
	}
}

func happyGetHealth(t *testing.T, a *testAPI) {
	if got := decode[gen.Health](t, a.get(t, "/healthz").want(t, 200)); got.Status != "ok" {
		t.Errorf("status is %q", got.Status)
	}
}

func happyGetReadiness(t *testing.T, a *testAPI) {
	got := decode[gen.Readiness](t, a.get(t, "/readyz").want(t, 200))
	want := gen.Readiness{
		Status:    "ready",
		Version:   loadContract(t).Info.Version,
		Database:  one[string](t, a, `SELECT 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1)`),
		Dataset:   "sample",
		Migration: one[string](t, a, `SELECT max(version) FROM atlas_schema_revisions`),
		LLM:       gen.LanguageModel{Provider: "offline", Model: "offline"},
	}
	if one[bool](t, a, `SELECT EXISTS (SELECT FROM film WHERE title = 'ACADEMY DINOSAUR')`) {
		want.Dataset = "pagila"
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func happyGetContractYAML(t *testing.T, a *testAPI) {
	yaml := a.get(t, "/openapi.yaml").want(t, 200)
	if !strings.HasPrefix(string(yaml.body), "openapi: 3.0.3\n") {
		t.Errorf("the YAML begins with %.40q", yaml.body)
	}
}

func happyGetContractJSON(t *testing.T, a *testAPI) {
	var doc struct {
		OpenAPI string
		Paths   map[string]any
	}
	if err := json.Unmarshal(a.get(t, "/openapi.json").want(t, 200).body, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.0.3" || doc.Paths["/films"] == nil {
		t.Errorf("the JSON is OpenAPI %q with %d paths", doc.OpenAPI, len(doc.Paths))
	}
}

// pageFiles are the files that the page of Swagger UI refers to.
var pageFiles = []string{"swagger-ui.css", "page.css", "swagger-ui-bundle.js", "init.js", "favicon-32x32.png"}

func happyGetDocs(t *testing.T, a *testAPI) {
	page := a.get(t, "/docs").want(t, 200)
	for _, file := range pageFiles {
		if !strings.Contains(string(page.body), `"docs/`+file+`"`) {
			t.Errorf("the page does not refer to docs/%s", file)
		}
	}
	page.wantPagePolicy(t)
}

// wantPagePolicy checks that a page may load only files of this server.
func (r *received) wantPagePolicy(t *testing.T) {
	t.Helper()
	want := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
		"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	if policy := r.header.Get("Content-Security-Policy"); policy != want {
		t.Errorf("the policy is %q, want %q", policy, want)
	}
}

func happyGetIndex(t *testing.T, a *testAPI) {
	index := decode[gen.Index](t, a.get(t, "/").want(t, 200))
	if doc := loadContract(t); index.Name != doc.Info.Title || index.Version != doc.Info.Version {
		t.Errorf("the index is of %s %s", index.Name, index.Version)
	}
	for _, link := range []string{index.Links.Films, index.Links.Docs, index.Links.OpenapiYaml, index.Links.OpenapiJSON, index.Links.Readiness} {
		a.get(t, "/"+link).want(t, 200)
	}
	a.get(t, "/"+index.Links.Mcp).want(t, 405) // it takes POST alone

	page := a.get(t, "/?utm_source=x", "Accept", browserAccept).want(t, 200)
	page.wantPagePolicy(t)
	for file := range shopFiles {
		a.get(t, "/shop/"+hashedName(t, page, file)).want(t, 200)
	}
}

// browserAccept is what Chromium sends for a page.
const browserAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"

// shopFiles are the files of the shop page, with their media types.
var shopFiles = map[string]string{"shop.css": "text/css; charset=utf-8", "shop.js": "text/javascript; charset=utf-8"}

// hashedName returns the name by which the shop page refers to a file. It has the hash of the file's content.
func hashedName(t *testing.T, page *received, file string) string {
	t.Helper()
	stem, extension, _ := strings.Cut(file, ".")
	name := regexp.MustCompile(`"shop/(` + stem + `-[0-9a-f]{12}\.` + extension + `)"`).FindSubmatch(page.body)
	if name == nil {
		t.Fatalf("the page does not refer to shop/%s", file)
	}
	return string(name[1])
}

func happyGetShopAsset(t *testing.T, a *testAPI) {
	for file, mediaType := range shopFiles {
		asset := a.get(t, "/shop/"+file).want(t, 200)
		if got := asset.header.Get("Content-Type"); got != mediaType || len(asset.body) == 0 {
			t.Errorf("%s has %d bytes of %s", file, len(asset.body), got)
		}
	}
}

func happyGetDocsAsset(t *testing.T, a *testAPI) {
	for _, file := range pageFiles {
		if asset := a.get(t, "/docs/"+file).want(t, 200); len(asset.body) == 0 {
			t.Errorf("%s is empty", file)
		}
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var values [2]any
	for i, text := range [][]byte{a, b} {
		if err := json.Unmarshal(text, &values[i]); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprint(values[0]) == fmt.Sprint(values[1])
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

func happyListCategories(t *testing.T, a *testAPI) {
	a.exec(t, `INSERT INTO category (name) VALUES ('Empty'); INSERT INTO film_category (film_id, category_id) VALUES (1, 1), (1, 2), (1, 3) ON CONFLICT DO NOTHING`)
	a.wantJSON(t, "/categories", `SELECT json_build_object('items', json_agg(item ORDER BY name))::text FROM (
		SELECT name, json_build_object('category_id', category_id, 'name', name,
			'film_count', (SELECT count(*) FROM film_category fc WHERE fc.category_id = c.category_id)) AS item FROM category c) items`)
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
