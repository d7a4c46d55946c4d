package store

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"example.com/pagila-api/store/pgtest"
)

// PostgreSQL plans the first five executions of a statement for their arguments. If the plan for any arguments seems
// to cost much more than these, it plans each further one as well, and planning a page takes longer than reading it.
func TestKeptPlans(t *testing.T) {
	t.Parallel()
	// All in one session, which keeps all plans.
	s, err := Open(pgtest.WithParameters(t, pgtest.AsServer(t, pgtest.New(t)), "statement_cache_capacity=1000"), Options{MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var none []struct{}
	if err := s.read(t.Context(), "test", &none, `UPDATE {rental} SET return_date = now() WHERE return_date IS NULL`); err != nil {
		t.Fatal(err)
	}
	const executions = 10
	for i := range int32(executions) {
		if err := useEverythingHot(t.Context(), s, 1+i); err != nil {
			t.Fatal(err)
		}
	}
	var kept []struct {
		Statement   string
		CustomPlans int64
	}
	if err := s.read(t.Context(), "test", &kept, `SELECT statement, custom_plans FROM pg_prepared_statements WHERE generic_plans + custom_plans >= 5`); err != nil {
		t.Fatal(err)
	}
	for _, k := range kept {
		if k.CustomPlans > 5 {
			t.Errorf("planned %d times: %s", k.CustomPlans, k.Statement)
		}
	}
	if len(kept) < 30 {
		t.Errorf("only %d statements were executed often enough", len(kept))
	}
}

// useEverythingHot executes the statements that a shop needs all day. n begins at 1 and makes their arguments differ.
func useEverythingHot(ctx context.Context, s *Store, n int32) error {
	yes, no, low, high := true, false, 50+n, 100+n
	price := decimal.New(99, -2)
	for _, q := range []FilmQuery{
		{}, {Categories: []string{"Comedy"}}, {Ratings: []string{"PG", "R"}}, {Languages: []string{"English"}},
		{Search: "drama"}, {Title: "a"}, {Actors: []string{"penelope"}}, {ActorIDs: []int32{n}}, {SpecialFeatures: []string{"Trailers"}},
		{ReleaseYear: Range[int32]{Min: &low}}, {Length: Range[int32]{Min: &low, Max: &high}}, {RentalRate: Range[decimal.Decimal]{Max: &price}},
		{StreamingAvailable: &no}, {InStock: &yes}, {InStock: &no}, {InStock: &yes, StoreID: 1}, {StoreID: 2},
	} {
		for _, p := range []Paging{{}, {Page: 2, PageSize: n}, {Page: 2 + n, PageSize: 20}, {Order: "-title", PageSize: 5 * n}, {Order: "length", Page: 10 + n, PageSize: 5}} {
			q.Paging = p
			page, err := s.Films(ctx, q)
			if err != nil {
				return err
			}
			q.Page, q.Cursor = 0, page.Next
			if _, err := s.Films(ctx, q); err != nil {
				return err
			}
		}
	}
	if _, err := s.Film(ctx, n); err != nil {
		return err
	}
	for _, rental := range []NewRental{{CustomerID: n, FilmID: 1, StoreID: 1, StaffID: 1}, {CustomerID: n, InventoryID: 20 + n, StaffID: 1}} {
		made, err := s.CreateRental(ctx, rental)
		if err != nil {
			return err
		}
		if _, err := s.ReturnRental(ctx, n, made.RentalID); err != nil {
			return err
		}
	}
	_, err := s.Rentals(ctx, RentalQuery{CustomerID: n})
	return err
}

// A session keeps the number of plans that the URL asks for, unless that is pgx's own default.
func TestKeptPlansOfURL(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]int{
		"postgres://u@h/d": keptPlans,
		"postgres://u@h/d?statement_cache_capacity=32":  32,
		"postgres://u@h/d?statement_cache_capacity=600": 600,
		"postgres://u@h/d?statement_cache_capacity=512": keptPlans,
		"host=h user=u statement_cache_capacity=32":     32,
		"postgres://u@h/d?statement_cache_capacity=0":   0,
	} {
		config, err := pgx.ParseConfig(url)
		if err != nil {
			t.Fatal(err)
		}
		newSessions(config)
		if got := config.StatementCacheCapacity; got != want {
			t.Errorf("%s: a session keeps %d plans, want %d", url, got, want)
		}
	}
}
