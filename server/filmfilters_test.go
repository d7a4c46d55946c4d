package server_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/pagila-api/gen"
)

// filters has at least one query string for each parameter of GET /films that is a condition, and the same
// condition in SQL. They are for Pagila as well as for the sample.
var filters = []struct{ query, where string }{
	{"", `true`},
	{"title=academy", `title ILIKE '%academy%'`},
	{"title=%C3%A9", `title LIKE '%É%'`},
	{"title=%25", `title LIKE '%!%%' ESCAPE '!'`},
	{"title=_", `strpos(title, '_') > 0`},
	{"title=%5C", `strpos(title, '\') > 0`},
	{"title=+d", `title ILIKE '% d%'`},
	{"category=comedy", `film_id IN (SELECT film_id FROM film_category JOIN category USING (category_id) WHERE name = 'Comedy')`},
	{"category=COMEDY&category=horror&category=nonsense", `film_id IN (SELECT film_id FROM film_category JOIN category USING (category_id) WHERE name IN ('Comedy', 'Horror'))`},
	{"category=com", `false`},
	{"rating=PG-13", `rating = 'PG-13'`},
	{"rating=G&rating=PG&rating=G", `rating IN ('G', 'PG')`},
	{"language=english", `language_id IN (SELECT language_id FROM language WHERE name = 'English')`},
	{"language=FRENCH&language=English", `language_id IN (SELECT language_id FROM language WHERE name IN ('English', 'French'))`},
	{"language=english+", `false`},
	{"actor=GUINESS", `film_id IN (SELECT film_id FROM film_actor JOIN actor USING (actor_id) WHERE last_name = 'GUINESS')`},
	{"actor=penelope+g&actor=NICK", `film_id IN (SELECT film_id FROM film_actor JOIN actor USING (actor_id) WHERE first_name || ' ' || last_name LIKE '%PENELOPE G%')
		AND film_id IN (SELECT film_id FROM film_actor JOIN actor USING (actor_id) WHERE first_name || ' ' || last_name LIKE '%NICK%')`},
	{"actor=+nick+++WAHLBERG", `film_id IN (SELECT film_id FROM film_actor JOIN actor USING (actor_id) WHERE (first_name, last_name) = ('NICK', 'WAHLBERG'))`},
	{"actor=%25", `false`},
	{"actor_id=1", `film_id IN (SELECT film_id FROM film_actor WHERE actor_id = 1)`},
	{"actor_id=1&actor_id=10", `film_id IN (SELECT film_id FROM film_actor WHERE actor_id = 1 INTERSECT SELECT film_id FROM film_actor WHERE actor_id = 10)`},
	{"actor_id=2147483647", `false`},
	{"special_feature=trailers", `'Trailers' = ANY (special_features)`},
	{"special_feature=TRAILERS&special_feature=deleted+scenes", `special_features @> '{Trailers,Deleted Scenes}'`},
	{"special_feature=trail", `false`},
	{"release_year_min=2006", `release_year >= 2006`},
	{"release_year_max=2005", `release_year <= 2005`},
	{"release_year_min=1901&release_year_max=2155", `release_year IS NOT NULL`},
	{"length_min=60&length_max=90", `length BETWEEN 60 AND 90`},
	{"length_max=0", `length <= 0`},
	{"length_min=32767", `length >= 32767`},
	{"rental_rate_max=0.99", `rental_rate <= 0.99`},
	{"rental_rate_max=0.9899999999", `rental_rate <= 0.98`},
	{"rental_rate_min=2.9900000001", `rental_rate > 2.99 AND rental_rate <> 'NaN'`},
	{"rental_rate_min=2.99", `rental_rate >= 2.99 AND rental_rate <> 'NaN'`},
	{"rental_rate_min=9999999999.9999999999", `false`},
	{"replacement_cost_min=9.99&replacement_cost_max=19.99", `replacement_cost BETWEEN 9.99 AND 19.99`},
	{"rental_duration_min=6", `rental_duration >= 6`},
	{"rental_duration_max=3", `rental_duration <= 3`},
	{"streaming_available=true", `streaming_available`},
	{"streaming_available=false", `streaming_available IS NOT TRUE`},
	{"in_stock=true", stocked(`true`)},
	{"in_stock=false", `NOT ` + stocked(`true`)},
	{"in_stock=true&store_id=2", stocked(`store_id = 2`)},
	{"in_stock=false&store_id=1", `NOT ` + stocked(`store_id = 1`)},
	{"store_id=1", `film_id IN (SELECT film_id FROM inventory WHERE store_id = 1)`},
	{"store_id=2147483647", `false`},
	{"q=drama+dinosaur", `fulltext @@ 'drama & dinosaur'`},
	{"q=dinosaurs", `fulltext @@ 'dinosaur'`},
	{"q=dinosaur+-drama", `fulltext @@ 'dinosaur & !drama'`},
	{"q=drama+or+dinosaur", `fulltext @@ 'drama | dinosaur'`},
	{"q=%22composer+and+a%22", `fulltext @@ phraseto_tsquery('english', 'composer and a')`},
	{"q=dino", `fulltext @@ 'dino' OR ' ' || title LIKE '% DINO%'`},
	{"q=the+din+ACAD", `' ' || title LIKE '% DIN%' AND ' ' || title LIKE '% ACAD%'`},
	{"q=drama+dino", withWords("drama", "dino")},
	{"q=DINO+drama+acad", withWords("drama", "dino", "acad")},
	{"q=a+mad+scientist,+dinosaurs+and+aca", withWords("mad", "scientist", "dinosaurs", "aca")},
	{"q=drama+din+nonsense", `false`},
	{"q=-dino", `fulltext @@ '!dino'`},
}

// withWords is the condition that a film has each of the words, or begins a word of its title with it.
func withWords(words ...string) string {
	conditions := make([]string, len(words))
	for i, word := range words {
		conditions[i] = fmt.Sprintf(`(fulltext @@ plainto_tsquery('english', '%s') OR ' ' || title ILIKE '%% %[1]s%%')`, word)
	}
	return strings.Join(conditions, " AND ")
}

// stocked is the condition that a film has a copy to be rented, among those that meet the condition.
func stocked(copies string) string {
	return `film_id IN (SELECT film_id FROM inventory WHERE ` + copies + ` AND inventory_id NOT IN (
		SELECT inventory_id FROM rental WHERE return_date IS NULL))`
}

// withOddFilms adds films with values that are unknown or unusual to the database.
func withOddFilms(t *testing.T, a *testAPI) {
	t.Helper()
	a.exec(t, `UPDATE film SET release_year = 2004 + film_id % 3, streaming_available = film_id % 2 = 0 WHERE film_id % 5 > 0`)
	a.exec(t, `INSERT INTO film_category (film_id, category_id) SELECT film_id, 1 + film_id % 16 FROM film ON CONFLICT DO NOTHING`)
	a.exec(t, `DELETE FROM film_category WHERE film_id % 17 = 0`)
	for _, columns := range []map[string]string{
		{"rental_rate": "'NaN'", "replacement_cost": "'NaN'"},
		{"rating": "NULL", "length": "NULL", "release_year": "NULL", "special_features": "NULL", "description": "NULL", "streaming_available": "NULL"},
		{"special_features": "ARRAY[NULL, 'Trailers', NULL]", "title": `'100% _ \ ''quoted'''`},
		{"special_features": "'{}'", "title": "'TWINS É'", "length": "0"},
		{"title": "'TWINS É'", "length": "0"},
		{"title": "'ACADEMIC DINOSAURS'", "description": "'A drama of a mad scientist'"},
		{"film_id": "0", "title": "'ACADEMY ZERO'"},
		{"film_id": "-1", "title": "'DINO BELOW'"},
	} {
		a.insertFilm(t, columns)
	}
}

// ids returns the films that SQL finds, in an order.
func ids(t *testing.T, a *testAPI, where, order string) []int32 {
	t.Helper()
	rows := []int32{}
	if err := a.db.NewRaw(`SELECT film_id FROM film WHERE film_id > 0 AND (`+where+`) ORDER BY `+order).Scan(t.Context(), &rows); err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	return rows
}

// walk follows the links from a page to the last one. It returns all films, and checks what each page says.
func walk(t *testing.T, a *testAPI, query string) []int32 {
	t.Helper()
	found := []int32{}
	for path := "/films?" + query; path != ""; {
		response := a.get(t, path).want(t, 200)
		page := decode[gen.FilmPage](t, response)
		for _, f := range page.Items {
			found = append(found, f.FilmID)
		}
		link := response.header.Get("Link")
		if (link != "") != (page.NextCursor != nil) {
			t.Fatalf("%s: the link is %q, the cursor %v", path, link, page.NextCursor)
		}
		path = ""
		if link != "" {
			target, ok := strings.CutSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
			if !ok {
				t.Fatalf("the link is %s", link)
			}
			path = "/" + target
		}
	}
	return found
}

// Each filter finds what the same condition finds in SQL, by page numbers and by cursors.
func TestFilters(t *testing.T) {
	t.Parallel()
	a := start(t)
	withOddFilms(t, a)
	for _, f := range filters {
		t.Run(f.query, func(t *testing.T) {
			t.Parallel()
			want := ids(t, a, f.where, "film_id")
			page := decode[gen.FilmPage](t, a.get(t, "/films?sort=film_id&page_size=100&"+f.query).want(t, 200))
			if *page.Total != int64(len(want)) || len(page.Items) != min(len(want), 100) {
				t.Errorf("%d films of %d, want %d", len(page.Items), *page.Total, len(want))
			}
			if diff := cmp.Diff(want, walk(t, a, "sort=film_id&page_size=100&"+f.query)); diff != "" {
				t.Errorf("the films differ (-database +pages):\n%s", diff)
			}
		})
	}
}

// A film has to meet each of two filters.
func TestFiltersInPairs(t *testing.T) {
	t.Parallel()
	a := start(t)
	withOddFilms(t, a)
	// Two bounds of one value may contradict each other, and store_id changes what in_stock means.
	name := func(query string) string {
		before, _, _ := strings.Cut(query, "=")
		return strings.NewReplacer("_min", "", "_max", "", "in_stock", "store_id").Replace(before)
	}
	for i, f := range filters[1:] {
		t.Run(f.query, func(t *testing.T) {
			t.Parallel()
			for _, g := range filters[i+1:] {
				both := f.query + "&" + g.query
				if name(f.query) == name(g.query) {
					continue
				}
				want := ids(t, a, `(`+f.where+`) AND (`+g.where+`)`, "film_id")
				page := decode[gen.FilmPage](t, a.get(t, "/films?sort=film_id&page_size=100&"+both).want(t, 200))
				got := []int32{}
				for _, film := range page.Items {
					got = append(got, film.FilmID)
				}
				if diff := cmp.Diff(want[:min(len(want), 100)], got); diff != "" || *page.Total != int64(len(want)) {
					t.Errorf("%s: the total is %d, want %d (-database +page):\n%s", both, *page.Total, len(want), diff)
				}
			}
		})
	}
}

// orders has each value of sort, and the order in SQL.
func orders() map[string]string {
	all := map[string]string{}
	for name, key := range map[string]string{
		"film_id": "film_id", "title": "title", "release_year": "release_year", "length": "length",
		"rental_rate": "NULLIF(rental_rate, 'NaN')", "replacement_cost": "NULLIF(replacement_cost, 'NaN')",
	} {
		all[name] = key + " NULLS LAST, film_id"
		all["-"+name] = key + " DESC NULLS LAST, film_id"
	}
	return all
}

// Every order has unknown values last and ties by film_id, and each film comes once.
func TestOrders(t *testing.T) {
	t.Parallel()
	a := start(t)
	withOddFilms(t, a)
	for order, by := range orders() {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(ids(t, a, "true", by), walk(t, a, "page_size=83&sort="+order)); diff != "" {
				t.Errorf("the films differ (-database +pages):\n%s", diff)
			}
		})
	}
	for query, by := range map[string]string{
		"q=drama":                            `ts_rank_cd(fulltext, 'drama')`,
		"q=drama+or+crocodile+or+boat":       `ts_rank_cd(fulltext, 'drama | crocodil | boat')`,
		"q=drama+or+monkey&sort=relevance":   `ts_rank_cd(fulltext, 'drama | monkey')`,
		"q=%22a+drama%22+or+mad&page_size=1": `ts_rank_cd(fulltext, websearch_to_tsquery('english', '"a drama" or mad'))`,
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			want := ids(t, a, by+" > 0", by+" DESC, film_id")
			if diff := cmp.Diff(want, walk(t, a, query)); diff != "" || len(want) == 0 {
				t.Errorf("the films differ (-database +pages):\n%s", diff)
			}
		})
	}
}

// Every beginning of every word of a title finds the film, unless it is a stop word.
func TestAbbreviatedTitles(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, id := range []int32{1, 2, 42, 77} {
		title := one[string](t, a, `SELECT title FROM film WHERE film_id = ?`, id)
		for word := range strings.FieldsSeq(title) {
			for end := range word {
				prefix := strings.ToLower(word[:end+1])
				if one[bool](t, a, `SELECT numnode(plainto_tsquery('english', ?)) = 0`, prefix) {
					continue
				}
				if got := walk(t, a, "sort=film_id&page_size=100&q="+url.QueryEscape(prefix)); !slices.Contains(got, id) {
					t.Errorf("%s does not find %s", prefix, title)
				}
			}
		}
	}
}

// What finds nothing is an honest empty page, whatever it consists of.
func TestSearchForNothing(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, q := range []string{"the", "of and the", "&", "|", "!", "-", "--", `"`, `""`, "( ) & | ! <->", ":*", "'", `\`, "%", "_", "or", "OR or", "-the", "🎬", "'; DROP TABLE film; --", "<2>", "\t"} {
		for _, sort := range []string{"", "&sort=title"} {
			page := decode[gen.FilmPage](t, a.get(t, "/films?q="+url.QueryEscape(q)+sort).want(t, 200))
			if len(page.Items) > 0 || *page.Total != 0 || page.NextCursor != nil {
				t.Errorf("%q%s: %d films of %d", q, sort, len(page.Items), *page.Total)
			}
		}
	}
}

// total is there or not, as count says.
func TestCount(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.exec(t, `ANALYZE`)
	all := one[int64](t, a, `SELECT count(*) FROM film`)
	first := decode[gen.FilmPage](t, a.get(t, "/films?page_size=3&count=none").want(t, 200))
	if first.Total != nil || *first.Page != 1 || first.NextCursor == nil {
		t.Errorf("none: %+v", first)
	}
	next := "/films?cursor=" + *first.NextCursor
	for path, want := range map[string]*int64{
		"/films": &all, "/films?count=exact": &all, "/films?page=2": &all, "/films?count=estimated": &all, "/films?count=capped": &all,
		next: nil, next + "&count=none": nil, next + "&count=exact": &all, next + "&count=capped": &all, next + "&count=estimated&page_size=50": &all,
	} {
		if page := decode[gen.FilmPage](t, a.get(t, path).want(t, 200)); !cmp.Equal(page.Total, want) || strings.Contains(path, "cursor") != (page.Page == nil) {
			t.Errorf("%s: the total is %v, page %v", path, page.Total, page.Page)
		}
	}
	for _, f := range filters {
		page := decode[gen.FilmPage](t, a.get(t, "/films?count=estimated&"+f.query).want(t, 200))
		if page.Total == nil || *page.Total < int64(len(page.Items)) || *page.Total > all {
			t.Errorf("%s: %d films of an estimated %v", f.query, len(page.Items), page.Total)
		}
	}
}

// Parameters that are valid alone but contradict each other are all named.
func TestContradictions(t *testing.T) {
	t.Parallel()
	a := start(t)
	cursor := *decode[gen.FilmPage](t, a.get(t, "/films").want(t, 200)).NextCursor
	for query, want := range map[string]string{
		"length_min=91&length_max=90":                                           "length_min length_max",
		"release_year_min=2007&release_year_max=2006":                           "release_year_min release_year_max",
		"rental_rate_min=2.9900000001&rental_rate_max=2.99":                     "rental_rate_min rental_rate_max",
		"replacement_cost_min=10&replacement_cost_max=9.9999999999":             "replacement_cost_min replacement_cost_max",
		"rental_duration_min=2&rental_duration_max=1&length_min=1&length_max=0": "length_min length_max rental_duration_min rental_duration_max",
		"sort=relevance":              "sort",
		"sort=relevance&title=x":      "sort",
		"page=1&cursor=" + cursor:     "cursor",
		"page=2&cursor=" + cursor:     "cursor",
		"cursor=x":                    "cursor",
		"sort=title&cursor=" + cursor: "cursor",
	} {
		var got []string
		for _, e := range a.get(t, "/films?"+query).wantProblem(t, 400, "invalid_request").Errors {
			got = append(got, *e.Parameter)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: the errors are about %q, want %q", query, s, want)
		}
	}
	for _, query := range []string{"length_min=90&length_max=90", "rental_rate_min=2.99&rental_rate_max=2.9900000000"} {
		a.get(t, "/films?"+query).want(t, 200)
	}
}

// The link keeps all parameters except for page, and its target is relative to the request.
func TestLink(t *testing.T) {
	t.Parallel()
	a := start(t)
	query := "category=Comedy&category=Sci-Fi%26x&title=" + url.QueryEscape("a") + "&page=1&page_size=2&count=none&sort=-title"
	response := a.get(t, "/films?"+query).want(t, 200)
	link := response.header.Get("Link")
	target, err := url.Parse(strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`))
	if err != nil {
		t.Fatal(err)
	}
	want, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	want.Del("page")
	want.Set("cursor", *decode[gen.FilmPage](t, response).NextCursor)
	if diff := cmp.Diff(want, target.Query()); diff != "" || target.Path != "films" {
		t.Errorf("the link is %s (-want +got):\n%s", link, diff)
	}
	if last := a.get(t, fmt.Sprintf("/films?page_size=1&page=%d", one[int](t, a, `SELECT count(*) FROM film`))).want(t, 200); last.header.Get("Link") != "" {
		t.Errorf("the last page has the link %s", last.header.Get("Link"))
	}
}
