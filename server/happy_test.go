package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"example.com/pagila-api/gen"
)

// One happy path for each endpoint. The expectations are computed from the database.

func TestListFilms(t *testing.T) {
	t.Parallel()
	a := start(t)
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

func TestGetFilm(t *testing.T) {
	t.Parallel()
	a := start(t)
	film := decode[gen.FilmDetail](t, a.get(t, "/films/1").want(t, 200))
	if want := one[string](t, a, `SELECT title FROM film WHERE film_id = 1`); film.Title != want {
		t.Errorf("title is %q, want %q", film.Title, want)
	}
	if want := one[int](t, a, `SELECT count(*) FROM film_actor WHERE film_id = 1`); len(film.Actors) != want {
		t.Errorf("%d actors, want %d", len(film.Actors), want)
	}
}

func TestCreateRental(t *testing.T) {
	t.Parallel()
	a := start(t)
	copyID := inStock(t, a)
	response := a.rent(t, "/customers/1/rentals", fmt.Sprintf(`{"inventory_id": %d, "staff_id": 2}`, copyID)).want(t, 201)
	rental := decode[gen.Rental](t, response)

	var row gen.Rental
	if err := json.Unmarshal([]byte(one[string](t, a, `
		SELECT (to_jsonb(r) || jsonb_build_object('film_id', film_id, 'due_date', rental_date + make_interval(days => rental_duration)))::text
		FROM rental r JOIN inventory USING (inventory_id) JOIN film USING (film_id)
		WHERE rental_id = ?`, rental.RentalID)), &row); err != nil {
		t.Fatal(err)
	}
	if !rental.RentalDate.Equal(row.RentalDate) || !rental.DueDate.Equal(row.DueDate) || rental.FilmID != row.FilmID ||
		rental.CustomerID != 1 || row.CustomerID != 1 || row.InventoryID != copyID || row.StaffID != 2 || row.ReturnDate != nil {
		t.Errorf("the response is %+v, the row %+v", rental, row)
	}
	if !one[bool](t, a, `SELECT rental_date BETWEEN now() - interval '1 minute' AND now() FROM rental WHERE rental_id = ?`, rental.RentalID) {
		t.Errorf("rental_date %s is not the current time of the database", rental.RentalDate)
	}

	again := a.get(t, "/customers/1/"+response.header.Get("Location"), "Authorization", "Bearer "+token).want(t, 200)
	if !bytes.Equal(again.body, response.body) {
		t.Errorf("the response at Location is %s, want %s", again.body, response.body)
	}
}

func TestAskQuestion(t *testing.T) {
	t.Parallel()
	a := start(t)
	title := one[string](t, a, `SELECT title FROM film WHERE film_id = 1`)
	response := a.get(t, "/ai/ask?question="+url.QueryEscape("What is the film "+title+" about?")).want(t, 200)
	if got := response.header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("Content-Type is %q", got)
	}
	if !strings.Contains(string(response.body), title) {
		t.Errorf("the answer does not name %s: %s", title, response.body)
	}
}

func TestSummarizeFilm(t *testing.T) {
	t.Parallel()
	a := start(t)
	response := a.call(t, http.MethodPost, "/ai/summary", `{"film_id": 1}`).want(t, 200)
	want := one[string](t, a, `
		SELECT jsonb_build_object('title', title, 'rating', rating, 'recommended', rating > 'PG-13' AND rental_rate < 3.00)::text
		FROM film WHERE film_id = 1`)
	if !sameJSON(t, response.body, []byte(want)) {
		t.Errorf("the summary is %s, want %s", response.body, want)
	}
}

func TestHandOff(t *testing.T) {
	t.Parallel()
	a := start(t)
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

func TestCreateToken(t *testing.T) {
	t.Parallel()
	a := start(t)
	form := "grant_type=password&username=somebody&password=secret"
	got := decode[gen.Token](t, a.call(t, http.MethodPost, "/token", form, "Content-Type", "application/x-www-form-urlencoded").want(t, 200))
	if got.AccessToken != token || got.TokenType != "bearer" {
		t.Errorf("got %+v", got)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	a := start(t)
	if got := decode[gen.Health](t, a.get(t, "/healthz").want(t, 200)); got.Status != "ok" {
		t.Errorf("status is %q", got.Status)
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	a := start(t)
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

func TestContract(t *testing.T) {
	t.Parallel()
	a := start(t)
	yaml := a.get(t, "/openapi.yaml").want(t, 200)
	if !strings.HasPrefix(string(yaml.body), "openapi: 3.0.3\n") {
		t.Errorf("the YAML begins with %.40q", yaml.body)
	}
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

func TestDocs(t *testing.T) {
	t.Parallel()
	a := start(t)
	page := a.get(t, "/docs").want(t, 200)
	for _, reference := range []string{"docs/swagger-ui.css", "docs/page.css", "docs/swagger-ui-bundle.js", "docs/init.js", "docs/favicon-32x32.png"} {
		if !strings.Contains(string(page.body), `"`+reference+`"`) {
			t.Errorf("the page does not refer to %s", reference)
		}
		if asset := a.get(t, "/"+reference).want(t, 200); len(asset.body) == 0 {
			t.Errorf("%s is empty", reference)
		}
	}
	want := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
		"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	if policy := page.header.Get("Content-Security-Policy"); policy != want {
		t.Errorf("the policy is %q, want %q", policy, want)
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
