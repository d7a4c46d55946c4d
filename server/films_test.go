package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/store/pgtest"
)

// All pages together have each film of the database once, in order.
func TestListFilmsAllPages(t *testing.T) {
	t.Parallel()
	a := start(t)
	type row struct { // in the order of gen.Film, so that the types can be converted
		Category           *string
		Description        *string
		FilmID             int32
		Language           string
		Length             *int32
		Rating             *gen.Rating
		ReleaseYear        *int32
		RentalDuration     int32
		RentalRate         *string
		ReplacementCost    *string
		SpecialFeatures    []string `bun:",array"`
		StreamingAvailable bool
		Title              string
	}
	// The rows are not stored in the order of their keys, as after any use.
	a.exec(t, `UPDATE film SET title = title WHERE film_id % 3 = 0`)
	var rows []row
	if err := a.db.NewRaw(`
		SELECT film_id, title, description, release_year, trim(language.name) AS language,
			(SELECT name FROM film_category JOIN category USING (category_id) WHERE film_category.film_id = film.film_id) AS category,
			rating, length, rental_rate::text, rental_duration, replacement_cost::text,
			COALESCE(special_features, '{}') AS special_features, streaming_available
		FROM film JOIN language USING (language_id) ORDER BY film_id`).Scan(t.Context(), &rows); err != nil {
		t.Fatal(err)
	}
	want := make([]gen.Film, len(rows))
	for i, r := range rows {
		want[i] = gen.Film(r)
	}

	var got []gen.Film
	for number := 1; ; number++ {
		page := decode[gen.FilmPage](t, a.get(t, fmt.Sprintf("/films?page_size=97&page=%d", number)).want(t, 200))
		if *page.Total != int64(len(want)) {
			t.Fatalf("page %d: total is %d, want %d", number, page.Total, len(want))
		}
		if len(page.Items) == 0 {
			break
		}
		got = append(got, page.Items...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the films differ (-database +pages):\n%s", diff)
	}
}

// A film without a rating cannot be summarized, which is not the model's fault.
func TestSummaryOfUnratedFilm(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.exec(t, `UPDATE film SET rating = NULL WHERE film_id = 3`)
	a.call(t, http.MethodPost, "/ai/summary", `{"film_id": 3}`).wantProblem(t, 422, "film_not_rated")
}

// A summary reads the film alone, so a lock on another table does not delay it.
func TestSummaryReadsTheFilmAlone(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	a := startOn(t, url)
	conn := pgtest.Connect(t, url)
	pgtest.Exec(t, conn.Exec, `BEGIN; LOCK TABLE inventory, rental, category, film_category, actor, film_actor, language IN ACCESS EXCLUSIVE MODE`)
	a.call(t, http.MethodPost, "/ai/summary", `{"film_id": 1}`).want(t, 200)
	a.call(t, http.MethodPost, "/ai/summary", `{"film_id": 2147483647}`).wantProblem(t, 404, "film_not_found")
}

func TestListFilmsEmptyPages(t *testing.T) {
	t.Parallel()
	a := start(t)
	all := one[int64](t, a, `SELECT count(*) FROM film`)
	for _, tt := range []struct {
		query string
		page  int32
		size  int32
		total int64
	}{
		{"category=Nonsense", 1, 20, 0},
		{"category=" + url.QueryEscape("'; DROP TABLE film; --"), 1, 20, 0},
		{"page=2147483647&page_size=100", 2147483647, 100, all},
	} {
		got := decode[gen.FilmPage](t, a.get(t, "/films?"+tt.query).want(t, 200))
		want := gen.FilmPage{Items: []gen.Film{}, Page: &tt.page, PageSize: tt.size, Total: &tt.total}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.query, diff)
		}
	}
}

// The case of a category does not matter, and each category has only its own films.
func TestListFilmsByCategory(t *testing.T) {
	t.Parallel()
	a := start(t)
	var categories []struct {
		Name  string
		Films int64
	}
	if err := a.db.NewRaw(`SELECT name, count(*) AS films FROM category JOIN film_category USING (category_id) GROUP BY name`).Scan(t.Context(), &categories); err != nil {
		t.Fatal(err)
	}
	for _, c := range categories {
		page := decode[gen.FilmPage](t, a.get(t, "/films?page_size=100&category="+url.QueryEscape(strings.ToUpper(c.Name))).want(t, 200))
		if *page.Total != c.Films {
			t.Errorf("%s: total is %d, want %d", c.Name, *page.Total, c.Films)
		}
		for _, f := range page.Items {
			if f.Category == nil || *f.Category != c.Name {
				t.Errorf("%s has film %d of another category", c.Name, f.FilmID)
			}
		}
	}
}

// Values that the database does not know are omitted, not null.
func TestFilmUnknowns(t *testing.T) {
	t.Parallel()
	a := start(t)
	id := one[int32](t, a, `INSERT INTO film (title, language_id, fulltext, rating, streaming_available)
		VALUES ('NOBODY KNOWS', 1, to_tsvector('nobody knows'), NULL, NULL) RETURNING film_id`)
	response := a.get(t, fmt.Sprintf("/films/%d", id)).want(t, 200)
	want := fmt.Sprintf(`{"actors": [], "availability": [], "categories": [], "etag": %s, "film_id": %d, "language": %q, "rental_duration": 3, "rental_rate": "4.99",
		"replacement_cost": "19.99", "special_features": [], "streaming_available": false, "title": "NOBODY KNOWS"}`,
		encoded(t, response.header.Get("ETag")), id, one[string](t, a, `SELECT trim(name) FROM language WHERE language_id = 1`))
	if !sameJSON(t, response.body, []byte(want)) {
		t.Errorf("got %s, want %s", response.body, want)
	}
}
