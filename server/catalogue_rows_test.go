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

// withoutConstraints drops the foreign keys to the tables and the NOT NULLs of the columns, as the owner of a
// database may do.
func (a *testAPI) withoutConstraints(t *testing.T, tables, columns []string) {
	t.Helper()
	for _, table := range tables {
		a.exec(t, fmt.Sprintf(`DO $$ DECLARE key record; BEGIN
			FOR key IN SELECT conrelid::regclass AS owner, conname FROM pg_constraint
				WHERE contype = 'f' AND confrelid = '%s'::regclass AND conparentid = 0
			LOOP EXECUTE format('ALTER TABLE %%s DROP CONSTRAINT %%I', key.owner, key.conname); END LOOP; END $$`, table))
	}
	for _, column := range columns {
		table, name, _ := strings.Cut(column, ".")
		a.exec(t, fmt.Sprintf(`ALTER TABLE %s ALTER %s DROP NOT NULL`, table, name))
	}
}

// A copy is shown with any store and any dates. Copies whose ID the API does not have are neither shown nor
// counted.
func TestOddCopies(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.withoutConstraints(t, []string{"store"}, nil)
	film := a.insertFilm(t, map[string]string{"rental_duration": "5"})
	a.exec(t, `INSERT INTO inventory (inventory_id, film_id, store_id)
		SELECT id, ?, store FROM (VALUES (0, 1), (-1, 1), (-2147483648, 2), (9001, 1), (9002, 999), (9003, -2147483648), (9004, 0),
			(9005, 2147483647), (9006, 1), (9007, 1), (2147483647, 2)) copies (id, store)`, film)
	rent := func(id int, rented, returned string) {
		t.Helper()
		customer := one[int32](t, a, `SELECT customer_id FROM customer WHERE NOT EXISTS (SELECT FROM rental r
			WHERE r.inventory_id = ? AND r.customer_id = customer.customer_id) LIMIT 1`, id)
		a.exec(t, `INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id, return_date)
			VALUES (?, ?, ?, 1, NULLIF(?, '')::timestamptz)`, rented, id, customer, returned)
	}
	rent(-1, "2022-01-01Z", "")
	rent(9001, "2022-01-01Z", "2022-01-03Z")
	rent(9001, "2022-02-01Z", "infinity")
	rent(9002, "2022-01-01Z", "")
	rent(9002, "2022-03-01 01:02:03.456789Z", "") // out several times
	rent(9002, "2022-02-01Z", "")
	rent(9003, "infinity", "")
	rent(9004, "-infinity", "")
	rent(9005, "294276-12-31Z", "")
	rent(9006, "4713-01-01 00:00:00+00 BC", "")
	rent(9007, "9999-12-30Z", "")
	rent(2147483647, "9999-12-30Z", "-infinity")
	path := fmt.Sprintf("/films/%d", film)
	want := `{"items": [
		{"inventory_id": 9001, "store_id": 1, "in_stock": true},
		{"inventory_id": 9002, "store_id": 999, "in_stock": false, "due_date": "2022-03-06T01:02:03.456789Z"},
		{"inventory_id": 9003, "store_id": -2147483648, "in_stock": false, "due_date": "9999-12-31T23:59:59.999999Z"},
		{"inventory_id": 9004, "store_id": 0, "in_stock": false, "due_date": "0001-01-06T00:00:00Z"},
		{"inventory_id": 9005, "store_id": 2147483647, "in_stock": false, "due_date": "9999-12-31T23:59:59.999999Z"},
		{"inventory_id": 9006, "store_id": 1, "in_stock": false, "due_date": "0001-01-06T00:00:00Z"},
		{"inventory_id": 9007, "store_id": 1, "in_stock": false, "due_date": "9999-12-31T23:59:59.999999Z"},
		{"inventory_id": 2147483647, "store_id": 2, "in_stock": true}]}`
	if got := a.get(t, path+"/inventory").want(t, 200); !sameJSON(t, got.body, []byte(want)) {
		t.Errorf("the copies are %s, want %s", got.body, want)
	}
	availability := []gen.Availability{
		{StoreID: -2147483648, Copies: 1}, {StoreID: 0, Copies: 1}, {StoreID: 1, Copies: 3, InStock: 1},
		{StoreID: 2, Copies: 1, InStock: 1}, {StoreID: 999, Copies: 1}, {StoreID: 2147483647, Copies: 1},
	}
	if diff := cmp.Diff(availability, decode[gen.FilmDetail](t, a.get(t, path).want(t, 200)).Availability); diff != "" {
		t.Errorf("the availability (-want +got):\n%s", diff)
	}
	for days, due := range map[string]string{"-32768": "0001-01-01T00:00:00Z", "0": "0001-01-01T00:00:00Z", "32767": "0090-09-18T00:00:00Z"} {
		a.exec(t, `UPDATE film SET rental_duration = ? WHERE film_id = ?`, days, film)
		if got := a.get(t, path+"/inventory").want(t, 200); !strings.Contains(string(got.body), due) {
			t.Errorf("after %s days: no copy is due %s: %s", days, due, got.body)
		}
	}
}

// At most a thousand copies are listed, in order. All of them are counted.
func TestManyCopies(t *testing.T) {
	t.Parallel()
	a := start(t)
	film := a.insertFilm(t, nil)
	a.exec(t, `INSERT INTO inventory (inventory_id, film_id, store_id) SELECT 20000 - n, ?, 1 + n % 2 FROM generate_series(1, 1234) n`, film)
	items := decode[gen.FilmInventory](t, a.get(t, fmt.Sprintf("/films/%d/inventory", film)).want(t, 200)).Items
	if len(items) != 1000 || items[0].InventoryID != 18766 || items[999].InventoryID != 19765 {
		t.Errorf("%d copies from %d to %d", len(items), items[0].InventoryID, items[len(items)-1].InventoryID)
	}
	want := []gen.Availability{{StoreID: 1, Copies: 617, InStock: 617}, {StoreID: 2, Copies: 617, InStock: 617}}
	if diff := cmp.Diff(want, decode[gen.FilmDetail](t, a.get(t, fmt.Sprintf("/films/%d", film)).want(t, 200)).Availability); diff != "" {
		t.Errorf("the availability (-want +got):\n%s", diff)
	}
}

// Categories and languages have arbitrary names, also equal or unknown ones. Rows whose ID the API does not
// have are neither shown nor counted.
func TestOddCategoriesAndLanguages(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.withoutConstraints(t, []string{"language", "category", "film"}, []string{"category.name", "language.name"})
	a.exec(t, `DELETE FROM category; DELETE FROM language; DELETE FROM film_category`)
	a.exec(t, `INSERT INTO category (category_id, name) VALUES (0, 'zero'), (-5, 'minus'), (7, NULL), (6, ''), (5, E' a\tb'),
		(4, 'Same'), (3, 'Same'), (2147483647, '"\{é}🎬')`)
	a.exec(t, `INSERT INTO language (language_id, name) VALUES (0, 'zero'), (-5, 'minus'), (7, NULL), (6, ''), (5, '  led by blanks'),
		(4, 'Same'), (3, 'Same'), (2147483647, 'twenty characters éß')`)
	hidden := a.insertFilm(t, map[string]string{"film_id": "0", "language_id": "3"})
	shown := a.insertFilm(t, map[string]string{"language_id": "3"})
	for _, id := range []int32{hidden, shown} {
		a.exec(t, `INSERT INTO film_category (film_id, category_id) SELECT ?, category_id FROM category`, id)
	}
	a.exec(t, `UPDATE film SET language_id = 12345 WHERE film_id BETWEEN 1 AND 1000`)
	want := `{"items": [
		{"category_id": 6, "name": "", "film_count": 1},
		{"category_id": 5, "name": " a\tb", "film_count": 1},
		{"category_id": 2147483647, "name": "\"\\{é}🎬", "film_count": 1},
		{"category_id": 3, "name": "Same", "film_count": 1},
		{"category_id": 4, "name": "Same", "film_count": 1},
		{"category_id": 7, "name": "", "film_count": 1}]}`
	if got := a.get(t, "/categories").want(t, 200); !sameItems(t, got.body, want) {
		t.Errorf("the categories are %s, want %s", got.body, want)
	}
	want = `{"items": [
		{"language_id": 6, "name": "", "film_count": 0},
		{"language_id": 5, "name": "  led by blanks", "film_count": 0},
		{"language_id": 3, "name": "Same", "film_count": 1},
		{"language_id": 4, "name": "Same", "film_count": 0},
		{"language_id": 2147483647, "name": "twenty characters éß", "film_count": 0},
		{"language_id": 7, "name": "", "film_count": 0}]}`
	if got := a.get(t, "/languages").want(t, 200); !sameItems(t, got.body, want) {
		t.Errorf("the languages are %s, want %s", got.body, want)
	}
	film := decode[gen.FilmDetail](t, a.get(t, fmt.Sprintf("/films/%d", shown)).want(t, 200))
	categories := slices.Sorted(slices.Values(film.Categories))
	if want := []string{"", " a\tb", `"\{é}🎬`, "Same"}; !slices.Equal(categories, want) {
		t.Errorf("the film's categories are %q, want %q", categories, want)
	}
	if film.Categories[0] != "" || film.Category != nil {
		t.Errorf("the first category is %q, but the film's is %v", film.Categories[0], film.Category)
	}
	for id, column := range map[int32]string{1: "0", 2: "-5"} {
		a.exec(t, `UPDATE film SET language_id = ? WHERE film_id = ?`, column, id)
		a.exec(t, `INSERT INTO film_category (film_id, category_id) VALUES (?, ?)`, id, column)
		film := decode[gen.FilmDetail](t, a.get(t, fmt.Sprintf("/films/%d", id)).want(t, 200))
		if film.Language != "" || film.Category != nil || len(film.Categories) != 0 {
			t.Errorf("film %d: the language is %q, the categories are %q", id, film.Language, film.Categories)
		}
	}
	for _, query := range []string{"category=zero", "category=minus", "language=zero", "language=minus"} {
		if page := decode[gen.FilmPage](t, a.get(t, "/films?"+query).want(t, 200)); len(page.Items) != 0 || *page.Total != 0 {
			t.Errorf("%s: %d films", query, *page.Total)
		}
	}
	for _, film := range decode[gen.FilmPage](t, a.get(t, "/films?page_size=2").want(t, 200)).Items {
		if film.Language != "" || film.Category != nil {
			t.Errorf("film %d on a page: the language is %q, the category %v", film.FilmID, film.Language, film.Category)
		}
	}
	a.exec(t, `DELETE FROM category; DELETE FROM language`)
	for _, path := range []string{"/categories", "/languages"} {
		if got := a.get(t, path).want(t, 200); !sameJSON(t, got.body, []byte(`{"items": []}`)) {
			t.Errorf("%s of nothing: %s", path, got.body)
		}
	}
}

// sameItems reports whether two documents have the same items. Their order depends on the database's locale.
func sameItems(t *testing.T, got []byte, want string) bool {
	t.Helper()
	type list struct{ Items []map[string]any }
	var lists [2][]string
	for i, text := range [][]byte{got, []byte(want)} {
		for _, item := range decode[list](t, &received{body: text}).Items {
			lists[i] = append(lists[i], fmt.Sprintf("%q", item))
		}
		slices.Sort(lists[i])
	}
	return slices.Equal(lists[0], lists[1])
}

// What the database does not know of a store is omitted.
func TestOddStores(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.withoutConstraints(t, []string{"store", "address", "city", "country"},
		[]string{"address.address", "address.district", "address.city_id", "city.city", "city.country_id", "country.country"})
	a.exec(t, `DELETE FROM store; DELETE FROM country; DELETE FROM city;
		INSERT INTO country (country_id, country) VALUES (1, 'Land'), (2, NULL), (3, ''), (-4, 'Below');
		INSERT INTO city (city_id, city, country_id) VALUES (1, 'Town', 1), (2, NULL, 2), (3, '', 3), (4, 'Lost', 99), (5, 'Free', NULL), (-6, E'Bott\tom', -4);
		INSERT INTO address (address_id, address, district, city_id, phone) VALUES (9001, '1 "Way" \', 'D', 1, ''), (9002, NULL, NULL, 2, ''),
			(9003, '', '', 3, ''), (9004, '4', 'D', 4, ''), (9005, '5', 'D', 5, ''), (9006, '6', ' ', -6, ''), (9007, '7', 'D', NULL, ''), (-9008, '8', 'D', 77, '');
		INSERT INTO store (store_id, manager_staff_id, address_id) VALUES (0, 100, 9001), (-1, 101, 9001), (2147483647, 102, 9001),
			(2, 2, 9002), (3, 3, 9003), (4, 4, 9004), (5, 5, 9005), (6, 6, 9006), (7, 7, 9007), (8, 8, -9008), (9, 9, 12345)`)
	want := `{"items": [
		{"store_id": 2}, {"store_id": 3},
		{"store_id": 4, "address": "4", "district": "D", "city": "Lost"},
		{"store_id": 5, "address": "5", "district": "D", "city": "Free"},
		{"store_id": 6, "address": "6", "district": " ", "city": "Bott\tom", "country": "Below"},
		{"store_id": 7, "address": "7", "district": "D"},
		{"store_id": 8, "address": "8", "district": "D"},
		{"store_id": 9},
		{"store_id": 2147483647, "address": "1 \"Way\" \\", "district": "D", "city": "Town", "country": "Land"}]}`
	if got := a.get(t, "/stores").want(t, 200); !sameJSON(t, got.body, []byte(want)) {
		t.Errorf("the stores are %s, want %s", got.body, want)
	}
	a.exec(t, `DELETE FROM store`)
	if got := a.get(t, "/stores").want(t, 200); !sameJSON(t, got.body, []byte(`{"items": []}`)) {
		t.Errorf("no stores: %s", got.body)
	}
}

// Actors have arbitrary names, also unknown ones. Actors and films whose ID the API does not have are neither
// shown nor counted.
func TestOddActors(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.withoutConstraints(t, []string{"actor", "film"}, []string{"actor.first_name", "actor.last_name"})
	a.exec(t, `DELETE FROM film_actor; DELETE FROM actor`)
	names := map[int32][2]string{
		1: {"", ""}, 2: {"  TWO  ", "\tTABS\t"}, 3: {`"`, `\`}, 4: {"{a,b}", "NULL"}, 5: {strings.Repeat("é", 5000), "\u202e\u200b"}, 6: {"A\nB", "🎬"}, 11: {"THREE\u2003", "\u00a0BLANKS"},
		2147483647: {"the", "last"},
	}
	for id, name := range names {
		a.exec(t, `INSERT INTO actor (actor_id, first_name, last_name) VALUES (?, ?, ?)`, id, name[0], name[1])
	}
	a.exec(t, `INSERT INTO actor (actor_id, first_name, last_name) VALUES (0, 'zero', 'zero'), (-7, 'minus', 'zero'), (8, NULL, 'HALFKNOWN'), (9, 'HALFKNOWN', NULL), (10, NULL, NULL)`)
	names[8], names[9], names[10] = [2]string{"", "HALFKNOWN"}, [2]string{"HALFKNOWN", ""}, [2]string{"", ""}
	hidden := a.insertFilm(t, map[string]string{"film_id": "-3", "title": "'BELOW'"})
	for _, film := range []int32{hidden, 1, 2} {
		a.exec(t, `INSERT INTO film_actor (actor_id, film_id) SELECT actor_id, ? FROM actor`, film)
	}
	a.exec(t, `UPDATE film SET title = '' WHERE film_id = 1; UPDATE film SET title = E'\\"\t\u0001' WHERE film_id = 2`)
	page := decode[gen.ActorPage](t, a.get(t, "/actors").want(t, 200))
	if page.Total != int64(len(names)) || len(page.Items) != len(names) {
		t.Errorf("%d of %d actors, want %d", len(page.Items), page.Total, len(names))
	}
	films := []gen.Source{{FilmID: 1, Title: ""}, {FilmID: 2, Title: "\\\"\t\u0001"}}
	for _, item := range page.Items {
		name := names[item.ActorID]
		if item.FirstName != name[0] || item.LastName != name[1] || item.FilmCount != 2 {
			t.Errorf("actor %d: %.100q with %d films, want %.100q with 2", item.ActorID, item.FirstName+" "+item.LastName, item.FilmCount, name)
		}
		detail := decode[gen.ActorDetail](t, a.get(t, fmt.Sprintf("/actors/%d", item.ActorID)).want(t, 200))
		if diff := cmp.Diff(gen.ActorDetail{ActorID: item.ActorID, FirstName: name[0], LastName: name[1], Films: films}, detail); diff != "" {
			t.Errorf("actor %d (-want +got):\n%.1000s", item.ActorID, diff)
		}
	}
	for q, want := range map[string]int64{"halfknown": 2, "two tabs": 1, "zero": 0, "a b": 1, strings.Repeat("É", 100): 1, "null": 1, "three blanks": 1} {
		if got := decode[gen.ActorPage](t, a.get(t, "/actors?q="+url.QueryEscape(q)).want(t, 200)); got.Total != want {
			t.Errorf("%.20q: %d actors, want %d", q, got.Total, want)
		}
		// Each actor is in two films.
		if got := decode[gen.FilmPage](t, a.get(t, "/films?actor="+url.QueryEscape(q)).want(t, 200)); *got.Total != 2*min(want, 1) {
			t.Errorf("%.20q: films %d, want %d", q, *got.Total, 2*min(want, 1))
		}
	}
}

// An actor of many films has the first thousand of them by title.
func TestActorOfManyFilms(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.exec(t, `INSERT INTO film (film_id, title, language_id, fulltext) SELECT 5000 - n, 'MANY ' || lpad(n::text, 5, '0'), 1, '' FROM generate_series(1, 1234) n`)
	a.exec(t, `INSERT INTO actor (actor_id, first_name, last_name) VALUES (9000, 'BUSY', 'BEE');
		INSERT INTO film_actor (actor_id, film_id) SELECT 9000, film_id FROM film WHERE title LIKE 'MANY %'`)
	films := decode[gen.ActorDetail](t, a.get(t, "/actors/9000").want(t, 200)).Films
	if len(films) != 1000 || films[0] != (gen.Source{FilmID: 4999, Title: "MANY 00001"}) || films[999].Title != "MANY 01000" {
		t.Errorf("%d films from %v", len(films), films[0])
	}
	if got := decode[gen.ActorPage](t, a.get(t, "/actors?q=busy").want(t, 200)); len(got.Items) != 1 || got.Items[0].FilmCount != 1234 {
		t.Errorf("got %+v", got)
	}
}
