package store_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/shopspring/decimal"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// orders are the orders that the walks below take: with an index and without one, both directions, NULL keys
// and ties.
var orders = []store.FilmQuery{
	{}, {Paging: store.Paging{Order: "-film_id"}}, {Paging: store.Paging{Order: "title"}}, {Paging: store.Paging{Order: "-title"}}, {Paging: store.Paging{Order: "release_year"}}, {Paging: store.Paging{Order: "-release_year"}},
	{Paging: store.Paging{Order: "length"}}, {Paging: store.Paging{Order: "-length"}}, {Paging: store.Paging{Order: "rental_rate"}}, {Paging: store.Paging{Order: "-rental_rate"}}, {Paging: store.Paging{Order: "-replacement_cost"}},
	{Search: "drama or boat or shark", Paging: store.Paging{Order: "relevance"}}, {Search: "d"}, {Search: "boat", Categories: []string{"Comedy", "Horror"}},
}

// walk visits all pages and calls between after each one. It returns the films.
func walk(t *testing.T, s *store.Store, q store.FilmQuery, between func()) []int32 {
	t.Helper()
	var visited []int32
	for {
		page, err := s.Films(t.Context(), q)
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		for _, f := range page.Items {
			visited = append(visited, f.FilmID)
		}
		if page.Next == "" {
			return visited
		}
		q.Cursor, q.Page = page.Next, 0
		between()
	}
}

// While films are inserted, changed and deleted, a walk visits each film that stays exactly once.
func TestWalkWhileFilmsComeAndGo(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	pgtest.Exec(t, conn.Exec, `UPDATE film SET
		release_year = NULLIF(2003 + film_id % 4, 2003), length = CASE WHEN film_id % 3 > 0 THEN film_id % 5 END,
		rental_rate = CASE film_id % 4 WHEN 0 THEN 'NaN'::numeric ELSE film_id % 7 END, title = CASE WHEN film_id % 6 = 0 THEN 'THE SAME' ELSE title END,
		replacement_cost = CASE film_id % 4 WHEN 1 THEN 'NaN'::numeric ELSE film_id % 7 END`)
	stay := pgtest.Value[[]int32](t, conn.QueryRow, `SELECT array_agg(film_id ORDER BY film_id) FROM film`)
	// The others come and go on every side of each place in an order.
	come := func() {
		pgtest.Exec(t, conn.Exec, `INSERT INTO film (film_id, title, language_id, fulltext, release_year, length, rental_rate, replacement_cost, description)
			SELECT 100000 + n, title, 1, '', release_year, length, rental_rate, replacement_cost, 'drama boat' FROM film, generate_series(1, 2) n
			WHERE film_id <= 1000 AND random() < 0.02 ON CONFLICT DO NOTHING;
			DELETE FROM film WHERE film_id > 1000 AND random() < 0.4;
			UPDATE film SET description = description || '' WHERE random() < 0.02`)
	}
	for _, q := range orders {
		for _, size := range []int32{1, 31} {
			if size == 1 {
				q.Title = "oo" // few enough for a page of each
			}
			q.PageSize = size
			want := stay
			if q.Search != "" || q.Title != "" {
				want = nil
				for _, id := range walk(t, s, q, func() {}) {
					if id <= 1000 {
						want = append(want, id)
					}
				}
				slices.Sort(want)
			}
			got := slices.DeleteFunc(walk(t, s, q, come), func(id int32) bool { return id > 1000 })
			slices.Sort(got)
			if !slices.Equal(got, want) || len(want) == 0 && q.Title == "" {
				t.Errorf("%+v: the walk visits %d films that stay, want %d", q, len(got), len(want))
			}
			q.Title = ""
		}
	}
}

// The page goes on behind its last film even if that film is deleted.
func TestCursorOfDeletedFilm(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	long := strings.Repeat("é", 5000)
	pgtest.Exec(t, conn.Exec, `UPDATE film SET title = 'ZZ' || $1 WHERE film_id IN (3, 4, 5)`, long)
	for _, q := range []store.FilmQuery{{Paging: store.Paging{Order: "title"}}, {Paging: store.Paging{Order: "-title"}}, {Paging: store.Paging{Order: "length"}}, {}} {
		q.PageSize = 100
		whole := walk(t, s, q, func() {})
		i := slices.Index(whole, 4)
		q.PageSize = int32(i%100) + 1
		for range i / 100 {
			page, err := s.Films(t.Context(), store.FilmQuery{Paging: store.Paging{Order: q.Order, PageSize: 100, Cursor: q.Cursor}})
			if err != nil {
				t.Fatal(err)
			}
			q.Cursor = page.Next
		}
		page, err := s.Films(t.Context(), q)
		if err != nil || page.Items[len(page.Items)-1].FilmID != 4 {
			t.Fatalf("%s: film 4 is not the last one: %v", q.Order, err)
		}
		pgtest.Exec(t, conn.Exec, `CREATE TEMP TABLE kept AS SELECT * FROM film WHERE film_id = 4; SET session_replication_role = replica; DELETE FROM film WHERE film_id = 4`)
		q.Cursor = page.Next
		if rest := walk(t, s, q, func() {}); page.Next != "" && !slices.Equal(rest, whole[i+1:]) {
			t.Errorf("%s: %d films follow, want %d", q.Order, len(rest), len(whole)-i-1)
		}
		pgtest.Exec(t, conn.Exec, `INSERT INTO film SELECT * FROM kept; DROP TABLE kept`)
	}
}

// fault returns what is wrong with the only faulty field of a query.
func fault(t *testing.T, s *store.Store, q store.FilmQuery) store.QueryFault {
	t.Helper()
	q.PageSize = 1
	_, err := s.Films(t.Context(), q)
	var invalid *store.InvalidQueryError
	if !errors.As(err, &invalid) || len(invalid.Faults) != 1 {
		t.Fatalf("%+v: %v", q, err)
	}
	return invalid.Faults[0]
}

func next(t *testing.T, s *store.Store, q store.FilmQuery) string {
	t.Helper()
	q.PageSize = 1
	page, err := s.Films(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return page.Next
}

// Each way to spoil a cursor is told apart.
func TestBadCursors(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.New(t))
	q := store.FilmQuery{Languages: []string{"English"}, Paging: store.Paging{Order: "title"}}
	good := next(t, s, q)
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	edited := func(at int, to byte) string {
		data := slices.Clone(raw)
		data[at] = to
		return base64.RawURLEncoding.EncodeToString(data)
	}
	for cursor, want := range map[string]string{
		"x": "not a cursor", "null": "not a cursor", "=": "not a cursor", "+/+/": "not a cursor", strings.Repeat("A", 4000): "not a cursor",
		" " + good: "not a cursor", edited(0, 'g'): "not a cursor",
		edited(1, 0): "another version", edited(1, 2): "another version", edited(1, 255): "another version",
		good[:4]: "truncated", good[:14]: "truncated", good[:len(good)-1]: "truncated", good[:len(good)-4]: "truncated",
		good + "A": "after its end", good + "AA": "after its end", good + good: "after its end",
		edited(len(raw)-1, raw[len(raw)-1]^1): "changed", edited(12, raw[12]^1): "changed",
	} {
		if got := fault(t, s, store.FilmQuery{Languages: q.Languages, Paging: store.Paging{Order: q.Order, Cursor: cursor}}); got.Field != "cursor" || !strings.Contains(got.Detail, want) {
			t.Errorf("%.60s: %+v, want %q", cursor, got, want)
		}
	}
	fault(t, s, store.FilmQuery{Languages: q.Languages, Paging: store.Paging{Order: q.Order, Cursor: good + "="}})
	for end := range good { // whatever is left of it
		if end > 0 {
			fault(t, s, store.FilmQuery{Languages: q.Languages, Paging: store.Paging{Order: q.Order, Cursor: good[:end]}})
		}
	}
}

// A cursor belongs to all conditions and to the order, but to no page size and no way to count. The order of
// values and the way an amount is written do not matter.
func TestCursorBelongsToQuery(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.New(t))
	one, yes, no, price, more := int32(1), true, false, decimal.RequireFromString("9.90"), decimal.RequireFromString("9.900000001")
	queries := []store.FilmQuery{
		{}, {Paging: store.Paging{Order: "-film_id"}}, {Paging: store.Paging{Order: "title"}}, {Title: "a"}, {Title: "A"}, {Search: "drama"}, {Search: "drama", Paging: store.Paging{Order: "title"}},
		{Categories: []string{"Comedy", "Drama"}}, {Categories: []string{"Comedy"}}, {Ratings: []string{"G", "PG"}},
		{Languages: []string{"English"}}, {Actors: []string{"a"}}, {Actors: []string{"a", "e"}}, {ActorIDs: []int32{1}},
		{SpecialFeatures: []string{"Trailers"}}, {ReleaseYear: store.Range[int32]{Max: new(int32(2006))}}, {Length: store.Range[int32]{Min: &one}},
		{RentalDuration: store.Range[int32]{Min: &one}}, {RentalRate: store.Range[decimal.Decimal]{Max: &price}},
		{RentalRate: store.Range[decimal.Decimal]{Max: &more}}, {ReplacementCost: store.Range[decimal.Decimal]{Min: &price}},
		{StreamingAvailable: &no}, {InStock: &yes}, {InStock: &yes, StoreID: 1}, {InStock: &yes, StoreID: 2}, {StoreID: 1},
	}
	for i, q := range queries {
		cursor := next(t, s, q)
		for j, other := range queries {
			other.Cursor, other.PageSize, other.Count = cursor, 50, store.CountExact
			if i != j {
				if got := fault(t, s, other); !strings.Contains(got.Detail, "other conditions") {
					t.Errorf("%+v with the cursor of %+v: %+v", other, q, got)
				}
			} else if _, err := s.Films(t.Context(), other); err != nil {
				t.Errorf("%+v: %v", q, err)
			}
		}
	}
	same := decimal.RequireFromString("9.9000")
	for _, pair := range [][2]store.FilmQuery{
		{{}, {Paging: store.Paging{Order: "film_id"}}},
		{{Search: "drama"}, {Search: "drama", Paging: store.Paging{Order: "relevance"}}},
		{{Categories: []string{"Comedy", "Drama"}}, {Categories: []string{"Drama", "Comedy", "Drama"}}},
		{{RentalRate: store.Range[decimal.Decimal]{Max: &price}}, {RentalRate: store.Range[decimal.Decimal]{Max: &same}}},
	} {
		pair[1].Cursor, pair[1].PageSize = next(t, s, pair[0]), 1
		if _, err := s.Films(t.Context(), pair[1]); err != nil {
			t.Errorf("%+v with the cursor of %+v: %v", pair[1], pair[0], err)
		}
	}
}

// A cursor that an earlier version of this program has made is still good.
func TestOldCursors(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.New(t))
	for cursor, q := range map[string]store.FilmQuery{
		"ZgEAAAAgbawj5neMHk_tfqDgqlbKTFGyMtRRyk6tVLJSMlSqBQQAAP__":       {},
		"ZgEAAAAkue71Kk2h2OBlAZ5wqlbKTFGyMrQw0lHKTq1UslIytDBVqgUEAAD__w": {Categories: []string{"Comedy", "Action"}, Paging: store.Paging{Order: "-length"}},
	} {
		q.Cursor = cursor
		if _, err := s.Films(t.Context(), q); err != nil {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

// The statements of many different queries do not fill the memory.
func TestManyDifferentQueries(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.New(t))
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for n := range 300 {
				q := store.FilmQuery{Paging: store.Paging{PageSize: 1, Count: store.CountNone}}
				for bit, set := range []func(){
					func() { q.Title = "a" }, func() { q.Categories = []string{"Comedy"} }, func() { q.Ratings = []string{"G"} },
					func() { q.Languages = []string{"English"} }, func() { q.ActorIDs = []int32{1} }, func() { q.StoreID = 1 },
					func() { q.SpecialFeatures = []string{"Trailers"} }, func() { q.Search = "drama" }, func() { q.Actors = []string{"a"} },
					func() { q.Length.Min = new(int32(1)) }, func() { q.Length.Max = new(int32(100)) },
				} {
					if (worker*300+n)>>bit&1 == 1 {
						set()
					}
				}
				if _, err := s.Films(context.WithoutCancel(t.Context()), q); err != nil {
					t.Errorf("%+v: %v", q, err)
				}
			}
		})
	}
	wg.Wait()
	if written, completed := store.KeptTexts(s); written > store.MaxTexts || completed > store.MaxTexts {
		t.Errorf("%d statements are kept, and %d completed ones", written, completed)
	}
}

// FuzzCursor reads made-up cursors. Each of them is refused or read, and never causes another error.
func FuzzCursor(f *testing.F) {
	s, err := store.Open(pgtest.AsServer(f, pgtest.New(f)), store.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	var names []string
	for _, order := range []string{"film_id", "title", "-title", "release_year", "length", "-rental_rate", "replacement_cost", "relevance"} {
		q := store.FilmQuery{Search: "drama", Paging: store.Paging{Order: order, PageSize: 1}}
		page, err := s.Films(f.Context(), q)
		if err != nil {
			f.Fatal(err)
		}
		n := len(names)
		names = append(names, order)
		f.Add(n, page.Next, "")
		f.Add(n, page.Next[:len(page.Next)/2], "")
		f.Add(n, page.Next+"AAAA", "")
		for _, position := range []string{
			`{"id":1}`, `{"id":0}`, `{"id":-1}`, `{"id":2147483648}`, `{"id":1,"key":""}`, `{"id":1,"key":"x"}`, `{"id":1,"key":"NaN"}`,
			`{"id":1,"key":"-1"}`, `{"id":1,"key":"99999999999"}`, `{"id":1,"key":"1e5"}`, `{"id":1,"key":"0.000000000000000000000000000000001"}`,
			`{"id":1,"key":"a\u0000b"}`, `{"id":1,"key":"\ud800"}`, `{"id":1,"key":"'; DROP TABLE film; --"}`, `null`, `[]`, `{`, ``,
		} {
			f.Add(n, "", position)
		}
	}
	f.Fuzz(func(t *testing.T, order int, cursor, position string) {
		q := store.FilmQuery{Search: "drama", Paging: store.Paging{Order: names[uint(order)%uint(len(names))], PageSize: 1, Cursor: cursor}}
		if position != "" { // one that only a client who knows the format can make up
			q.Cursor = store.ForgeCursor(q, position)
		}
		_, err := s.Films(t.Context(), q)
		var invalid *store.InvalidQueryError
		if err != nil && !errors.As(err, &invalid) {
			t.Errorf("%s, %q, %q: %v", q.Order, cursor, position, err)
		}
	})
}

// A search does not depend on the settings of the text search, nor on the case of its words.
func TestSearchAsEverySetting(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	conn := pgtest.Connect(t, url)
	want := pgtest.Value[int64](t, conn.QueryRow, `SELECT count(*) FROM film WHERE fulltext @@ to_tsquery('english', 'boats & !sharks')`)
	for _, config := range []string{"pg_catalog.german", "pg_catalog.simple", "pg_catalog.turkish"} {
		pgtest.SetDefault(t, conn.Exec, fmt.Sprintf("default_text_search_config = '%s'", config))
		s := open(t, url)
		for _, search := range []string{"boats -sharks", "BOATS -SHARKS", "Boat -shark"} {
			page, err := s.Films(t.Context(), store.FilmQuery{Search: search, Paging: store.Paging{PageSize: 1}})
			if err != nil || *page.Total != want {
				t.Errorf("%s, %s: %d films, %v, want %d", config, search, *page.Total, err, want)
			}
		}
	}
}
