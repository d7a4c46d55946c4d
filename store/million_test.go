package store_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// measured are the pages that TestMillionFilms measures: each order, and each filter in the order of film_id.
func measured() []struct {
	name string
	q    store.FilmQuery
} {
	yes, no := true, false
	low, high := decimal.RequireFromString("0.99"), decimal.RequireFromString("2.99")
	all := []struct {
		name string
		q    store.FilmQuery
	}{
		{"title", store.FilmQuery{Title: "academy"}},
		{"title, of no film", store.FilmQuery{Title: "no such title"}},
		{"category", store.FilmQuery{Categories: []string{"Comedy"}}},
		{"category, unknown", store.FilmQuery{Categories: []string{"Nonsense"}}},
		{"rating", store.FilmQuery{Ratings: []string{"PG"}}},
		{"language", store.FilmQuery{Languages: []string{"English"}}},
		{"language, of no film", store.FilmQuery{Languages: []string{"French"}}},
		{"actor", store.FilmQuery{Actors: []string{"cage"}}},
		{"actor, whole name", store.FilmQuery{Actors: []string{"JOHNNY CAGE"}}},
		{"two actors", store.FilmQuery{Actors: []string{"cage", "nick"}}},
		{"actor, unknown", store.FilmQuery{Actors: []string{"no such name"}}},
		{"actor_id", store.FilmQuery{ActorIDs: []int32{1}}},
		{"special_feature", store.FilmQuery{SpecialFeatures: []string{"Trailers"}}},
		{"release_year", store.FilmQuery{ReleaseYear: store.Range[int32]{Min: new(int32(2000))}}},
		{"length", store.FilmQuery{Length: store.Range[int32]{Min: new(int32(60)), Max: new(int32(90))}}},
		{"rental_rate", store.FilmQuery{RentalRate: store.Range[decimal.Decimal]{Min: &low, Max: &high}}},
		{"replacement_cost", store.FilmQuery{ReplacementCost: store.Range[decimal.Decimal]{Min: &high}}},
		{"rental_duration", store.FilmQuery{RentalDuration: store.Range[int32]{Max: new(int32(3))}}},
		{"streaming_available", store.FilmQuery{StreamingAvailable: &no}},
		{"in_stock", store.FilmQuery{InStock: &yes}},
		{"in_stock, of a store", store.FilmQuery{InStock: &yes, StoreID: 2}},
		{"out of stock", store.FilmQuery{InStock: &no}},
		{"store_id", store.FilmQuery{StoreID: 1}},
		{"q, a word of many", store.FilmQuery{Search: "drama", Paging: store.Paging{Order: "film_id"}}},
		{"q, words of few", store.FilmQuery{Search: `"drama of a student"`, Paging: store.Paging{Order: "film_id"}}},
		{"q, a prefix", store.FilmQuery{Search: "dino", Paging: store.Paging{Order: "film_id"}}},
		{"q, relevance", store.FilmQuery{Search: `"boat" "shark"`}},
		{"q, of nothing", store.FilmQuery{Search: "xyzzy", Paging: store.Paging{Order: "film_id"}}},
		{"category by title", store.FilmQuery{Categories: []string{"Comedy"}, Paging: store.Paging{Order: "title"}}},
		{"actor by title", store.FilmQuery{Actors: []string{"cage"}, Paging: store.Paging{Order: "title"}}},
	}
	for _, order := range []string{"film_id", "-film_id", "title", "-title", "release_year", "length", "-length", "rental_rate", "replacement_cost"} {
		all = append(all, struct {
			name string
			q    store.FilmQuery
		}{"sort=" + order, store.FilmQuery{Paging: store.Paging{Order: order}}})
	}
	return all
}

// TestMillionFilms measures pages by cursor at a thousand films and at FILMS. It prints a table:
//
//	FILMS=1000000 go test ./store -run TestMillionFilms -v -timeout 30m
//
// The pages of both databases alternate, because other processes may use the machine. INDEXES are statements
// that create more indexes in the large database.
func TestMillionFilms(t *testing.T) {
	films, err := strconv.Atoi(os.Getenv("FILMS"))
	if err != nil {
		t.Skip("FILMS says how many films to measure with: it takes minutes")
	}
	pgtest.RealPagila(t)
	small, large := pgtest.New(t), pgtest.New(t)
	pgtest.Grow(t, small, 1)
	start := time.Now()
	pgtest.Grow(t, large, films/1000)
	if indexes := os.Getenv("INDEXES"); indexes != "" {
		pgtest.Exec(t, pgtest.Connect(t, large).Exec, indexes)
	}
	t.Logf("%d films made in %s", films, time.Since(start).Round(time.Second))
	stores := []*store.Store{open(t, small), open(t, large)}
	fmt.Printf("%-24s %10s %10s %7s\n", "page by cursor", "1000", strconv.Itoa(films), "ratio")
	for _, m := range measured() {
		var medians [2]time.Duration
		for i, took := range alternate(t, stores, m.q) {
			slices.Sort(took)
			medians[i] = took[len(took)/2]
		}
		fmt.Printf("%-24s %8.2fms %8.2fms %7.2f\n", m.name, ms(medians[0]), ms(medians[1]), float64(medians[1])/float64(medians[0]))
	}
	measureNumbers(t, stores[1])
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// alternate reads the second page of a query by its cursor, or the first if there is only one, in turns from
// both stores. The first rounds are not measured: a plan is kept after some.
func alternate(t *testing.T, stores []*store.Store, q store.FilmQuery) (took [2][]time.Duration) {
	t.Helper()
	const warmUp, rounds = 7, 25
	q.PageSize, q.Count = 20, store.CountNone
	var queries [2]store.FilmQuery
	for i, s := range stores {
		page, err := s.Films(t.Context(), q)
		if err != nil {
			t.Errorf("%+v: %v", q, err)
			return [2][]time.Duration{{0}, {0}}
		}
		queries[i] = q
		queries[i].Cursor = page.Next
	}
	for round, begin := 0, time.Now(); round < warmUp+rounds && time.Since(begin) < 20*time.Second; round++ {
		for i, s := range stores {
			start := time.Now()
			if _, err := s.Films(context.WithoutCancel(t.Context()), queries[i]); err != nil {
				t.Errorf("%+v: %v", q, err)
				return [2][]time.Duration{{0}, {0}}
			}
			if round >= warmUp || time.Since(begin) > 15*time.Second {
				took[i] = append(took[i], time.Since(start))
			}
		}
	}
	return took
}

// numbered are the pages by number that TestMillionFilms measures.
var numbered = []int32{1, 100, 1000, 10_000, 50_000}

// measureNumbers prints what pages by number cost, and what a total adds to the first page.
func measureNumbers(t *testing.T, s *store.Store) {
	t.Helper()
	for _, order := range []string{"film_id", "title", "length"} {
		for _, page := range numbered {
			p := store.Paging{Page: page, PageSize: 20, Order: order, Count: store.CountNone}
			fmt.Printf("sort=%-10s page=%-8d %8.2fms\n", order, page, ms(median(t, s, store.FilmQuery{Paging: p})))
		}
	}
	yes := true
	for name, q := range map[string]store.FilmQuery{
		"all": {}, "category": {Categories: []string{"Comedy"}}, "rating": {Ratings: []string{"PG"}},
		"title": {Title: "academy"}, "in_stock": {InStock: &yes}, "actor_id": {ActorIDs: []int32{1}},
	} {
		for _, count := range []store.Count{store.CountNone, store.CountEstimated, store.CountCapped, store.CountExact} {
			q.PageSize, q.Count = 20, count
			fmt.Printf("%-12s count=%-10s %8.2fms\n", name, count, ms(median(t, s, q)))
		}
	}
}

// median reads a page some times and returns how long it takes. It stops early if the page takes seconds.
func median(t *testing.T, s *store.Store, q store.FilmQuery) time.Duration {
	t.Helper()
	const warmUp, rounds = 7, 25
	var took []time.Duration
	for round, begin := 0, time.Now(); round < warmUp+rounds && time.Since(begin) < 5*time.Second; round++ {
		start := time.Now()
		if _, err := s.Films(t.Context(), q); err != nil {
			t.Errorf("%+v: %v", q, err)
			return 0
		}
		took = append(took, time.Since(start))
	}
	took = took[min(warmUp, len(took)-1):]
	slices.Sort(took)
	return took[len(took)/2]
}
