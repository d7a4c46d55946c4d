package store_test

import (
	"context"
	"testing"
	"time"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// BenchmarkQuery runs the queries that read. Each prepares its statement before it is measured.
func BenchmarkQuery(b *testing.B) {
	s := open(b, pgtest.New(b))
	page := store.Paging{Page: 1, PageSize: 20}
	deep := cursorAfter(b, s, 40)
	for _, test := range []struct {
		name string
		read func(ctx context.Context) error
	}{
		{"films", films(s, store.FilmQuery{Paging: page})},
		{"films_by_category", films(s, store.FilmQuery{Paging: page, Categories: []string{"Comedy"}})},
		{"films_searched", films(s, store.FilmQuery{Paging: page, Search: "drama"})},
		{"films_sorted", films(s, store.FilmQuery{Ratings: []string{"PG", "G"}, Paging: store.Paging{Order: "-rental_rate", Page: 1, PageSize: 20}})},
		{"films_deep_page", films(s, store.FilmQuery{Paging: store.Paging{Page: 41, PageSize: 20}})},
		{"films_deep_cursor", films(s, store.FilmQuery{Paging: store.Paging{Cursor: deep, PageSize: 20}})},
		{"film", func(ctx context.Context) error { _, err := s.Film(ctx, 500); return err }},
		{"film_facts", func(ctx context.Context) error { _, err := s.FilmFacts(ctx, 500); return err }},
		{"copies", func(ctx context.Context) error { _, err := s.Copies(ctx, 500); return err }},
		{"categories", func(ctx context.Context) error { _, err := s.Categories(ctx); return err }},
		{"languages", func(ctx context.Context) error { _, err := s.Languages(ctx); return err }},
		{"stores", func(ctx context.Context) error { _, err := s.Shops(ctx); return err }},
		{"actors", func(ctx context.Context) error {
			_, err := s.Actors(ctx, store.ActorQuery{Page: 1, PageSize: 20})
			return err
		}},
		{"actor", func(ctx context.Context) error { _, err := s.Actor(ctx, 100); return err }},
		{"customers", func(ctx context.Context) error {
			_, err := s.Customers(ctx, store.CustomerQuery{Paging: page})
			return err
		}},
		{"customer", func(ctx context.Context) error { _, err := s.Customer(ctx, 300); return err }},
		{"customer_rentals", func(ctx context.Context) error {
			_, err := s.CustomerRentals(ctx, store.RentalQuery{CustomerID: 300, Paging: page})
			return err
		}},
		{"customer_payments", func(ctx context.Context) error { _, err := s.CustomerPayments(ctx, 300, page); return err }},
		{"customer_subscriptions", func(ctx context.Context) error { _, err := s.CustomerSubscriptions(ctx, 300); return err }},
		{"rentals", func(ctx context.Context) error { _, err := s.Rentals(ctx, store.RentalQuery{Paging: page}); return err }},
	} {
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			if err := test.read(b.Context()); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := test.read(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func films(s *store.Store, q store.FilmQuery) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := s.Films(ctx, q)
		return err
	}
}

// cursorAfter returns the cursor after a number of pages of 20 films.
func cursorAfter(b *testing.B, s *store.Store, pages int32) string {
	b.Helper()
	page, err := s.Films(b.Context(), store.FilmQuery{Paging: store.Paging{Page: pages, PageSize: 20}})
	if err != nil {
		b.Fatal(err)
	}
	return page.Next
}

// BenchmarkRent rents a copy. Between two rentals it is returned, which is not measured.
func BenchmarkRent(b *testing.B) {
	s := open(b, pgtest.New(b))
	for name, rental := range map[string]store.NewRental{
		"copy": {CustomerID: 300, InventoryID: copyInStock(b, s), StaffID: 1},
		"film": {CustomerID: 400, FilmID: 1, StoreID: 1, StaffID: 1},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				made := rent(b, s, rental)
				b.StopTimer()
				giveBack(b, s, made)
				b.StartTimer()
			}
		})
	}
}

// BenchmarkReturn returns a copy. Between two returns it is rented, which is not measured.
func BenchmarkReturn(b *testing.B) {
	s := open(b, pgtest.New(b))
	rental := store.NewRental{CustomerID: 300, InventoryID: copyInStock(b, s), StaffID: 1}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		made := rent(b, s, rental)
		b.StartTimer()
		giveBack(b, s, made)
	}
}

func copyInStock(b *testing.B, s *store.Store) int32 {
	b.Helper()
	id, err := s.CopyInStock(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return id
}

func rent(b *testing.B, s *store.Store, n store.NewRental) store.Rental {
	b.Helper()
	made, err := s.CreateRental(b.Context(), n)
	if err != nil {
		b.Fatal(err)
	}
	return made
}

func giveBack(b *testing.B, s *store.Store, r store.Rental) {
	b.Helper()
	if _, err := s.ReturnRental(b.Context(), r.CustomerID, r.RentalID); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkReplicas compares what it costs to read one's own writes. "any" is a read of a client that has not written.
// "mine" compares the bookmark with the replica. "primary" reads from the primary for as long as a client has a
// bookmark. "behind" is a read that finds the replica behind, and then goes to the primary.
func BenchmarkReplicas(b *testing.B) {
	c := pgtest.NewCluster(b, 1)
	s, err := store.Open(c.PrimaryURL(b), store.Options{Replicas: []string{c.Replicas[0].URL}, ReplicaMaxLag: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	pgtest.WaitUntil(b, pgtest.Connect(b, c.Replicas[0].URL).QueryRow, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%replay_lsn%' AND pid <> pg_backend_pid())`)
	for name, seen := range map[string]store.Bookmark{
		"any": {}, "mine": {Timeline: 1, LSN: 1}, "primary": store.Newest, "behind": {Timeline: 1, LSN: 1 << 60},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Film(store.WithBookmark(b.Context(), &seen), 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	copies := pgtest.ValueAt[int32](b, c.Primary.URL, `SELECT inventory_id FROM inventory i WHERE NOT EXISTS (
		SELECT FROM rental r WHERE r.inventory_id = i.inventory_id AND return_date IS NULL) LIMIT 1`)
	for name, ctx := range map[string]context.Context{
		"write": b.Context(), "write, with its position": store.WithBookmark(b.Context(), new(store.Bookmark)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := s.CreateRental(ctx, store.NewRental{CustomerID: 1, InventoryID: copies, StaffID: 1})
				if err == nil {
					_, err = s.ReturnRental(ctx, 1, r.RentalID)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
