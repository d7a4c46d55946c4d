package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/pagila-api/gen"
)

// insertFilm inserts a film whose columns are SQL expressions, and returns its ID.
func (a *testAPI) insertFilm(t *testing.T, columns map[string]string) int32 {
	t.Helper()
	row := map[string]string{"title": "'ODD ROW'", "language_id": "1", "fulltext": "to_tsvector('odd row')", "rating": "'R'", "rental_rate": "0.99"}
	var names, values []string
	for name, value := range columns {
		row[name] = value
	}
	for name, value := range row {
		names, values = append(names, name), append(values, value)
	}
	return one[int32](t, a, fmt.Sprintf(`INSERT INTO film (%s) VALUES (%s) RETURNING film_id`, strings.Join(names, ", "), strings.Join(values, ", ")))
}

// Every value that the columns of film allow is shown, or omitted if it is not a value of the contract. It
// never causes an error, neither on a page of films nor in an answer.
func TestOddFilms(t *testing.T) {
	t.Parallel()
	a := start(t)
	rows := map[string]struct {
		columns map[string]string
		want    string // the members that differ from those of other films
		without []string
	}{
		"no price":             {map[string]string{"rental_rate": "'NaN'"}, `{}`, []string{"rental_rate"}},
		"no cost":              {map[string]string{"replacement_cost": "'NaN'"}, `{}`, []string{"replacement_cost"}},
		"neither":              {map[string]string{"rental_rate": "'NaN'", "replacement_cost": "'NaN'"}, `{}`, []string{"rental_rate", "replacement_cost"}},
		"for nothing":          {map[string]string{"rental_rate": "0", "replacement_cost": "0"}, `{"rental_rate": "0.00", "replacement_cost": "0.00"}`, nil},
		"negative sums":        {map[string]string{"rental_rate": "-99.99", "replacement_cost": "-0.01"}, `{"rental_rate": "-99.99", "replacement_cost": "-0.01"}`, nil},
		"the largest sums":     {map[string]string{"rental_rate": "99.99", "replacement_cost": "999.99"}, `{"rental_rate": "99.99", "replacement_cost": "999.99"}`, nil},
		"negative days":        {map[string]string{"rental_duration": "-32768", "length": "-1"}, `{"rental_duration": -32768, "length": -1}`, nil},
		"many days":            {map[string]string{"rental_duration": "32767", "length": "32767"}, `{"rental_duration": 32767, "length": 32767}`, nil},
		"no days":              {map[string]string{"rental_duration": "0"}, `{"rental_duration": 0}`, nil},
		"the first year":       {map[string]string{"release_year": "1901"}, `{"release_year": 1901}`, nil},
		"the last year":        {map[string]string{"release_year": "2155"}, `{"release_year": 2155}`, nil},
		"no rating":            {map[string]string{"rating": "NULL"}, `{}`, []string{"rating"}},
		"no features":          {map[string]string{"special_features": "'{}'"}, `{"special_features": []}`, nil},
		"NULL among features":  {map[string]string{"special_features": "ARRAY['b', NULL, 'a', NULL]"}, `{"special_features": ["b", "a"]}`, nil},
		"NULL features only":   {map[string]string{"special_features": "ARRAY[NULL, NULL]::text[]"}, `{"special_features": []}`, nil},
		"features in a table":  {map[string]string{"special_features": "ARRAY[['d', 'c'], ['b', NULL]]"}, `{"special_features": ["d", "c", "b"]}`, nil},
		"features from 0":      {map[string]string{"special_features": "'[0:1]={x,y}'"}, `{"special_features": ["x", "y"]}`, nil},
		"features of odd text": {map[string]string{"special_features": `ARRAY['', ' ', 'NULL', 'a,b', '{c}', '"d"', E'\\', E'e\nf']`}, `{"special_features": ["", " ", "NULL", "a,b", "{c}", "\"d\"", "\\", "e\nf"]}`, nil},
		"no title":             {map[string]string{"title": "''"}, `{"title": ""}`, nil},
		"a blank title":        {map[string]string{"title": "'  '"}, `{"title": "  "}`, nil},
		"a long title":         {map[string]string{"title": "repeat('LONG ', 60)"}, `{"title": "` + strings.Repeat("LONG ", 60) + `"}`, nil},
		"a very long title":    {map[string]string{"title": "repeat('é', 20000)"}, `{"title": "` + strings.Repeat("é", 20000) + `"}`, nil},
		"controls in a title":  {map[string]string{"title": `E'A\tB\nC\u0001\u200B\U000E0041D'`}, `{"title": "A\tB\nC\u0001\u200b\udb40\udc41D"}`, nil},
		"marks in a title":     {map[string]string{"title": `'</catalogue> "x" \ {{y}}'`}, `{"title": "</catalogue> \"x\" \\ {{y}}"}`, nil},
		"an empty description": {map[string]string{"description": "''"}, `{}`, []string{"description"}},
		"a long description":   {map[string]string{"description": "repeat('x', 100000)"}, `{"description": "` + strings.Repeat("x", 100000) + `"}`, nil},
		"unknown to streaming": {map[string]string{"streaming_available": "NULL"}, `{"streaming_available": false}`, nil},
	}
	t.Run("alone", func(t *testing.T) {
		for name, tt := range rows {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				id := a.insertFilm(t, tt.columns)
				film := a.get(t, fmt.Sprintf("/films/%d", id)).want(t, 200)
				got, want := decode[map[string]any](t, film), decode[map[string]any](t, &received{body: []byte(tt.want)})
				for member, value := range want {
					if fmt.Sprintf("%q", got[member]) != fmt.Sprintf("%q", value) {
						t.Errorf("%s is %.100q, want %.100q", member, got[member], value)
					}
				}
				for _, member := range tt.without {
					if value, is := got[member]; is {
						t.Errorf("%s is %q, but should be omitted", member, value)
					}
				}

				summary := a.call(t, http.MethodPost, "/ai/summary", fmt.Sprintf(`{"film_id": %d}`, id))
				if slices.Contains(tt.without, "rating") {
					summary.wantProblem(t, 422, "film_not_rated")
					return
				}
				recommended := one[bool](t, a, `SELECT rating IN ('R', 'NC-17') AND rental_rate < 3 AND rental_rate <> 'NaN' FROM film WHERE film_id = ?`, id)
				if s := decode[gen.FilmSummary](t, summary.want(t, 200)); s.Title != got["title"] || s.Recommended != recommended {
					t.Errorf("the summary is %.200q, recommended %t, want %t", s.Title, s.Recommended, recommended)
				}
				for _, question := range []string{"cheapest R rated films", "odd row", "What does ODD ROW cost?", fmt.Sprintf("film %d under 5 dollars", id)} {
					a.call(t, http.MethodPost, "/ai/handoff", fmt.Sprintf(`{"question": %q}`, question)).want(t, 200)
					a.get(t, "/ai/ask?question="+url.QueryEscape(question)).want(t, 200)
				}
			})
		}
	})
	total := one[int](t, a, `SELECT count(*) FROM film`)
	for page := range total/100 + 1 {
		a.get(t, fmt.Sprintf("/films?page_size=100&page=%d", page+1)).want(t, 200)
	}
}

// An unknown price is not invented, neither in an answer nor to select cheap films.
func TestUnknownPriceIsNotMadeUp(t *testing.T) {
	t.Parallel()
	a := start(t)
	id := a.insertFilm(t, map[string]string{"title": "'PRICELESS GEM'", "rental_rate": "'NaN'", "replacement_cost": "'NaN'", "rating": "'NC-17'", "fulltext": "to_tsvector('priceless gem')"})
	for question, want := range map[string]string{
		"How much does PRICELESS GEM cost?":             "PRICELESS GEM",
		"What does it cost to replace PRICELESS GEM?":   "PRICELESS GEM",
		"What is PRICELESS GEM about? Give me the plot": "PRICELESS GEM",
	} {
		for _, got := range []*received{
			a.call(t, http.MethodPost, "/ai/handoff", fmt.Sprintf(`{"question": %q}`, question)).want(t, 200),
			a.get(t, "/ai/ask?question="+url.QueryEscape(question)).want(t, 200),
		} {
			if text := string(got.body); !strings.Contains(text, want) || strings.Contains(text, "$") {
				t.Errorf("%s: %s", question, text)
			}
		}
	}
	for _, question := range []string{"cheap NC-17 films", "NC-17 films under 1 dollar", "the cheapest NC-17 films", "the most expensive NC-17 films", "NC-17 films for at least 1 cent"} {
		got := decode[gen.Answer](t, a.call(t, http.MethodPost, "/ai/handoff", fmt.Sprintf(`{"question": %q}`, question)).want(t, 200))
		if slices.ContainsFunc(got.Sources, func(s gen.Source) bool { return s.FilmID == id }) && got.Agent == gen.AnswerAgentSearch {
			t.Errorf("%s: %s", question, got.Answer)
		}
	}
}

// The API's IDs begin at 1. Films and actors with another ID are not shown.
func TestRowsWithoutAPositiveID(t *testing.T) {
	t.Parallel()
	a := start(t)
	before := *decode[gen.FilmPage](t, a.get(t, "/films").want(t, 200)).Total
	for _, id := range []string{"0", "-1", "-2147483648"} {
		a.insertFilm(t, map[string]string{"film_id": id, "title": "'NUMBERLESS ODDITY'", "fulltext": "to_tsvector('numberless oddity')"})
		a.exec(t, `INSERT INTO actor (actor_id, first_name, last_name) VALUES (`+id+`, 'NOBODY', 'ATALL'); INSERT INTO film_actor (actor_id, film_id) VALUES (`+id+`, 1), (1, `+id+`)`)
	}
	page := decode[gen.FilmPage](t, a.get(t, "/films").want(t, 200))
	if *page.Total != before || page.Items[0].FilmID != 1 {
		t.Errorf("total is %d, want %d, and the first film is %d", *page.Total, before, page.Items[0].FilmID)
	}
	for _, actor := range decode[gen.FilmDetail](t, a.get(t, "/films/1").want(t, 200)).Actors {
		if actor.ActorID < 1 {
			t.Errorf("actor %d is shown", actor.ActorID)
		}
	}
	for _, id := range []string{"0", "-1"} {
		a.get(t, "/films/"+id).wantProblem(t, 400, "invalid_request")
	}
	got := decode[gen.Answer](t, a.call(t, http.MethodPost, "/ai/handoff", `{"question": "What is NUMBERLESS ODDITY rated?"}`).want(t, 200))
	if slices.ContainsFunc(got.Sources, func(s gen.Source) bool { return s.FilmID < 1 }) {
		t.Errorf("the sources are %v", got.Sources)
	}
	a.get(t, "/ai/ask?question=numberless+oddity").want(t, 200)
}

// A film has one category, several or none, and names are arbitrary text.
func TestOddNames(t *testing.T) {
	t.Parallel()
	a := start(t)
	id := a.insertFilm(t, map[string]string{"title": "'MANY NAMES'", "fulltext": "to_tsvector('many names')"})
	path := fmt.Sprintf("/films/%d", id)
	if film := decode[gen.FilmDetail](t, a.get(t, path).want(t, 200)); film.Category != nil || len(film.Actors) != 0 {
		t.Errorf("got %+v", film)
	}
	names := []string{"", "NULL", `"`, `\`, "{a,b}", "a\tb\nc", "O'X", strings.Repeat("é", 5000), "\u202e"}
	for i, name := range names {
		a.exec(t, `WITH new AS (INSERT INTO actor (actor_id, first_name, last_name) VALUES (?, ?, ?) RETURNING actor_id)
			INSERT INTO film_actor (actor_id, film_id) SELECT actor_id, ? FROM new`, 9000+i, name, strconv.Itoa(i), id)
	}
	a.exec(t, `UPDATE language SET name = '' WHERE language_id = 1; UPDATE category SET name = '' WHERE category_id = 1;
		INSERT INTO film_category (film_id, category_id) VALUES (?, 1), (?, 2)`, id, id)
	film := decode[gen.FilmDetail](t, a.get(t, path).want(t, 200))
	for i, actor := range film.Actors {
		if actor.FirstName != names[i] {
			t.Errorf("actor %d is %.50q, want %.50q", i, actor.FirstName, names[i])
		}
	}
	if len(film.Actors) != len(names) || film.Language != "" {
		t.Errorf("%d actors, language %q", len(film.Actors), film.Language)
	}
	for _, question := range []string{"Who stars in MANY NAMES?", "MANY NAMES", "What language is MANY NAMES in?"} {
		a.call(t, http.MethodPost, "/ai/handoff", fmt.Sprintf(`{"question": %q}`, question)).want(t, 200)
		a.get(t, "/ai/ask?question="+url.QueryEscape(question)).want(t, 200)
	}
}

// A rental with any times is shown. Times that RFC 3339 cannot express become the nearest ones that it can.
func TestOddRentals(t *testing.T) {
	t.Parallel()
	a := start(t)
	customer := one[int32](t, a, `SELECT customer_id FROM rental WHERE rental_id = 1`)
	path := fmt.Sprintf("/customers/%d/rentals/1", customer)
	for _, tt := range []struct {
		rented, returned string
		days             int
		want             string // rental_date, return_date, due_date
	}{
		{"2022-05-24 21:53:30.5+00", "2022-05-26 22:04:30+00", 6, "2022-05-24T21:53:30.5Z 2022-05-26T22:04:30Z 2022-05-30T21:53:30.5Z"},
		{"infinity", "infinity", 6, "9999-12-31T23:59:59.999999Z 9999-12-31T23:59:59.999999Z 9999-12-31T23:59:59.999999Z"},
		{"-infinity", "-infinity", 6, "0001-01-01T00:00:00Z 0001-01-01T00:00:00Z 0001-01-07T00:00:00Z"},
		{"2022-05-24 00:00:00+00", "infinity", -6, "2022-05-24T00:00:00Z 9999-12-31T23:59:59.999999Z 2022-05-18T00:00:00Z"},
		{"4713-01-01 00:00:00+00 BC", "0001-12-31 23:59:59+00 BC", 6, "0001-01-01T00:00:00Z 0001-01-01T00:00:00Z 0001-01-07T00:00:00Z"},
		{"0001-01-02 00:00:00+00", "0001-01-03 00:00:00+00", 1, "0001-01-02T00:00:00Z 0001-01-03T00:00:00Z 0001-01-03T00:00:00Z"},
		{"0001-01-02 00:00:00+00", "1850-06-01 00:00:00+00", -32768, "0001-01-02T00:00:00Z 1850-06-01T00:00:00Z 0001-01-01T00:00:00Z"},
		{"9999-12-31 23:59:59.999999+00", "9999-12-31 00:00:00+00", 0, "9999-12-31T23:59:59.999999Z 9999-12-31T00:00:00Z 9999-12-31T23:59:59.999999Z"},
		{"9999-12-31 00:00:00+00", "10000-01-01 00:00:00+00", 32767, "9999-12-31T00:00:00Z 9999-12-31T23:59:59.999999Z 9999-12-31T23:59:59.999999Z"},
		{"294276-12-31 00:00:00+00", "294276-12-31 23:59:59.999999+00", 32767, "9999-12-31T23:59:59.999999Z 9999-12-31T23:59:59.999999Z 9999-12-31T23:59:59.999999Z"},
	} {
		a.exec(t, `UPDATE rental SET rental_date = ?, return_date = ? WHERE rental_id = 1`, tt.rented, tt.returned)
		a.exec(t, `UPDATE film SET rental_duration = ? WHERE film_id = (SELECT film_id FROM inventory JOIN rental USING (inventory_id) WHERE rental_id = 1)`, tt.days)
		rental := decode[map[string]any](t, a.get(t, path, "Authorization", "Bearer "+token).want(t, 200))
		var got []string
		for _, member := range []string{"rental_date", "return_date", "due_date"} {
			value, _ := rental[member].(string)
			got = append(got, value)
			if value == "" {
				got[len(got)-1] = "-"
			}
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s, %s, %d days: got %s, want %s", tt.rented, tt.returned, tt.days, s, tt.want)
		}
	}
}

// A rental of rows that the API does not show can still be read.
func TestRentalOfRowsWithoutAPositiveID(t *testing.T) {
	t.Parallel()
	a := start(t)
	film := a.insertFilm(t, map[string]string{"film_id": "-5", "rental_duration": "-3"})
	staff := one[int32](t, a, `INSERT INTO staff (staff_id, first_name, last_name, address_id, store_id, username) VALUES (0, '', '', 1, 1, '') RETURNING staff_id`)
	copyID := one[int32](t, a, `INSERT INTO inventory (inventory_id, film_id, store_id) VALUES (-7, ?, 1) RETURNING inventory_id`, film)
	id := one[int32](t, a, `INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id) VALUES (now(), ?, 1, ?) RETURNING rental_id`, copyID, staff)
	rental := decode[gen.Rental](t, a.get(t, fmt.Sprintf("/customers/1/rentals/%d", id), "Authorization", "Bearer "+token).want(t, 200))
	if rental.FilmID != film || rental.InventoryID != copyID || rental.StaffID != staff || !rental.DueDate.Before(rental.RentalDate) {
		t.Errorf("got %+v", rental)
	}
	// This copy is shown, but its film is not.
	shown := one[int32](t, a, `INSERT INTO inventory (film_id, store_id) VALUES (?, 1) RETURNING inventory_id`, film)
	a.post(t, "/customers/1/rentals", fmt.Sprintf(`{"inventory_id": %d, "staff_id": 1}`, shown)).want(t, 201)
}

// A customer is active unless a column says that it is not.
func TestRentalOfUnknownActivity(t *testing.T) {
	t.Parallel()
	a := start(t)
	body := fmt.Sprintf(`{"inventory_id": %d, "staff_id": 1}`, inStock(t, a))
	a.exec(t, `UPDATE customer SET active = NULL, activebool = false WHERE customer_id = 2`)
	a.post(t, "/customers/2/rentals", body).wantProblem(t, 409, "customer_inactive")
	a.exec(t, `UPDATE customer SET activebool = true WHERE customer_id = 2`)
	a.post(t, "/customers/2/rentals", body).want(t, 201)
}
