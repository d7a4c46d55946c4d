package store_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// A capped count is exact up to the cap, whatever the conditions and the page.
func TestCountCapped(t *testing.T) {
	t.Parallel()
	pgtest.RealPagila(t)
	url := pgtest.New(t)
	pgtest.Grow(t, url, 12)
	s, yes, no := open(t, url), true, false
	for _, q := range []store.FilmQuery{
		{},
		{InStock: &yes},
		{InStock: &no},
		{InStock: &yes, StoreID: 2},
		{InStock: &no, StoreID: 1},
		{InStock: &no, StoreID: 9},
		{InStock: &no, Categories: []string{"Comedy", "Drama"}},
		{InStock: &no, Search: "drama"},
		{InStock: &no, Languages: []string{"French"}},
		{InStock: &no, SpecialFeatures: []string{"trailers"}, Categories: []string{"Comedy"}},
		{SpecialFeatures: []string{"Trailers", "Commentaries"}},
		{Categories: []string{"Nonsense"}},
		{Actors: []string{"cage"}},
		{Actors: []string{"a"}, InStock: &no},
		{Length: store.Range[int32]{Max: new(int32(46))}},
		{Search: "drama"},
	} {
		wantCappedCount(t, s, q)
	}
}

// wantCappedCount compares the capped count of a query with the exact one, for each kind of page.
func wantCappedCount(t *testing.T, s *store.Store, q store.FilmQuery) {
	t.Helper()
	total := func(p store.Paging) int64 {
		t.Helper()
		q.Paging = p
		page, err := s.Films(t.Context(), q)
		if err != nil || page.Total == nil {
			t.Fatalf("%+v: %+v, %v", q, page, err)
		}
		return *page.Total
	}
	exact := total(store.Paging{Page: 2, PageSize: 1, Count: store.CountExact})
	for _, p := range []store.Paging{
		{PageSize: 1}, {PageSize: 100, Order: "-length"}, {Page: 2, PageSize: 3}, {Page: 2147483647, PageSize: 100},
	} {
		p.Count = store.CountExact
		if got := total(p); got != exact {
			t.Errorf("%+v: %d, want %d", q, got, exact)
		}
		p.Count = store.CountCapped
		if got := total(p); got != min(exact, store.CountCap+1) {
			t.Errorf("%+v: %d, want at most %d of %d", q, got, store.CountCap+1, exact)
		}
	}
}

// A capped count of films that are out of stock walks the films: it reads no table of copies or rentals as a whole. The
// other conditions come first.
func TestCappedCountWalks(t *testing.T) {
	t.Parallel()
	pgtest.RealPagila(t)
	url := pgtest.New(t)
	pgtest.Grow(t, url, 30)
	s, no := open(t, url), false
	for _, q := range []store.FilmQuery{
		{InStock: &no}, {InStock: &no, StoreID: 1}, {InStock: &no, Categories: []string{"Comedy"}},
	} {
		q.PageSize, q.Count = 8, store.CountCapped
		page, err := s.Films(t.Context(), q)
		if err != nil || page.Next == "" {
			t.Fatalf("%+v: %v", q, err)
		}
		sql, args, err := store.FilmsSQL(s, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, kept := range []bool{false, true} {
			plan := planOf(t, url, kept, sql, args)
			for _, table := range []string{"inventory", "rental"} {
				if strings.Contains(plan, "Seq Scan on "+table+" ") {
					t.Errorf("%+v (kept plan: %t) reads the whole table %s:\n%s", q, kept, table, plan)
				}
			}
		}
	}
}

// The page and its exact total are the same, whether they are found together, as in a small table, or one after the other.
func TestSmallTables(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	pgtest.Exec(t, pgtest.Connect(t, url).Exec, `UPDATE film SET length = NULL, rental_rate = 'NaN' WHERE film_id % 50 = 7`)
	small, large := open(t, url), open(t, url)
	for _, s := range []*store.Store{small, large} {
		if _, err := s.Languages(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !store.IsSmall(small, "film") || store.IsSmall(small, "payment") {
		t.Error("film is not found to be small, or payment is, which is partitioned")
	}
	store.TakeForSmall(small, "film", "customer", "rental") // rental is too large in the real Pagila
	store.TakeForSmall(large)
	title := store.FilmQuery{Title: "a"}
	one, _, err := store.FilmsSQL(small, title)
	if other, _, _ := store.FilmsSQL(large, title); err != nil || one == other {
		t.Fatalf("both stores execute the same statement: %v\n%s", err, one)
	}
	yes, no := true, false
	films := []string{"film_id", "-film_id", "title", "-length", "length", "rental_rate"}
	for _, q := range []store.FilmQuery{
		{},
		{Categories: []string{"comedy", "Drama"}},
		{Categories: []string{"Nonsense"}},
		{Ratings: []string{"PG", "R"}},
		{Languages: []string{"english"}},
		{Search: "drama"},
		{Search: `"no such words"`},
		{Title: "a"},
		{Actors: []string{"a"}, StreamingAvailable: &no},
		{SpecialFeatures: []string{"trailers"}, InStock: &yes},
		{InStock: &no},
		{StoreID: 1, Length: store.Range[int32]{Min: new(int32(100))}},
	} {
		orders := films
		if q.Search != "" {
			orders = append(orders, "relevance", "-relevance")
		}
		wantSamePages(t, q, orders, func(p store.Paging) (store.Page[store.Film], error) { q.Paging = p; return small.Films(t.Context(), q) },
			func(p store.Paging) (store.Page[store.Film], error) { q.Paging = p; return large.Films(t.Context(), q) })
	}
	for _, q := range []store.CustomerQuery{{Search: "ar"}, {StoreID: 2}, {Active: &yes, Search: "smith"}, {Active: &no}} {
		wantSamePages(t, q, []string{"customer_id", "-customer_id", "last_name", "-last_name"},
			func(p store.Paging) (store.Page[store.Customer], error) {
				q.Paging = p
				return small.Customers(t.Context(), q)
			},
			func(p store.Paging) (store.Page[store.Customer], error) {
				q.Paging = p
				return large.Customers(t.Context(), q)
			})
	}
	for _, q := range []store.RentalQuery{{CustomerID: 1}, {StoreID: 1}, {FilmID: 1}, {FilmID: 1, StoreID: 2, State: store.RentalReturned}, {CustomerID: 2, State: store.RentalOpen}} {
		wantSamePages(t, q, []string{"rental_id", "-rental_date", "due_date", "-due_date", "return_date", "-return_date"},
			func(p store.Paging) (store.Page[store.Rental], error) {
				q.Paging = p
				return small.Rentals(t.Context(), q)
			},
			func(p store.Paging) (store.Page[store.Rental], error) {
				q.Paging = p
				return large.Rentals(t.Context(), q)
			})
	}
}

// wantSamePages compares what two functions return for pages of a query in these orders.
func wantSamePages[T any](t *testing.T, query any, orders []string, one, other func(store.Paging) (store.Page[T], error)) {
	t.Helper()
	for _, order := range orders {
		for _, p := range []store.Paging{{PageSize: 1}, {PageSize: 100}, {Page: 3, PageSize: 7}, {Page: 1000, PageSize: 100}} {
			p.Order = order
			got, err := one(p)
			if err != nil {
				t.Fatalf("%+v, %+v: %v", query, p, err)
			}
			want, err := other(p)
			if err != nil {
				t.Fatalf("%+v: %v", p, err)
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(store.Page[T]{})); diff != "" {
				t.Errorf("%+v, %+v: %s", query, p, diff)
			}
		}
	}
}

// readsFilms matches a scan of the films that was executed.
var readsFilms = regexp.MustCompile(`on film f.*\(actual`)

// A page that has all items needs no other count.
func TestSmallListsAreCountedOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s := open(t, url)
	for _, count := range []store.Count{store.CountExact, store.CountCapped} {
		q := store.FilmQuery{Title: "no such title", Paging: store.Paging{PageSize: 1, Count: count}}
		if page, err := s.Films(t.Context(), q); err != nil || *page.Total != 0 {
			t.Fatalf("%s: %+v, %v", count, page, err)
		}
		sql, args, err := store.FilmsSQL(s, q)
		if err != nil {
			t.Fatal(err)
		}
		plan := explained(t, url, `EXPLAIN (ANALYZE)`, false, sql, args)
		if n := len(readsFilms.FindAllString(plan, -1)); n != 1 {
			t.Errorf("%s reads the films %d times:\n%s", count, n, plan)
		}
	}
}
