package store_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// stockUp gives a film of its own so many copies in store 1, and returns the film and the copies.
func stockUp(t *testing.T, conn *pgx.Conn, copies int) (film int32, ids []int32) {
	t.Helper()
	film = pgtest.Value[int32](t, conn.QueryRow, `INSERT INTO film (title, language_id, rental_duration, replacement_cost) VALUES ('STOCKED UP', 1, 3, 9.99) RETURNING film_id`)
	pgtest.Exec(t, conn.Exec, `INSERT INTO inventory (film_id, store_id) SELECT $1, 1 FROM generate_series(1, $2::int)`, film, copies)
	return film, pgtest.Value[[]int32](t, conn.QueryRow, `SELECT array_agg(inventory_id ORDER BY inventory_id) FROM inventory WHERE film_id = $1`, film)
}

// customers returns active customers.
func customers(t *testing.T, conn *pgx.Conn, n int) []int32 {
	t.Helper()
	return pgtest.Value[[]int32](t, conn.QueryRow, `SELECT array_agg(customer_id) FROM (SELECT customer_id FROM customer WHERE active = 1 ORDER BY 1 LIMIT $1) c`, n)
}

// rentalRows counts all rentals.
func rentalRows(t *testing.T, conn *pgx.Conn) int {
	t.Helper()
	return pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM rental`)
}

// Fifty customers want a film of which a store has five copies: five of them get one each.
func TestFiftyCustomersForFiveCopies(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	film, copies := stockUp(t, conn, 5)
	clients := customers(t, conn, 50)
	errs, rentals := make([]error, 50), make([]store.Rental, 50)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			rentals[i], errs[i] = s.CreateRental(t.Context(), store.NewRental{CustomerID: clients[i], FilmID: film, StoreID: 1, StaffID: 1})
		})
	}
	wg.Wait()
	var rented []int32
	for i, err := range errs {
		switch {
		case err == nil:
			rented = append(rented, rentals[i].InventoryID)
			wantRental(t, s, conn, rentals[i])
		case !errors.Is(err, store.ErrFilmNotAvailable):
			t.Errorf("customer %d: %v", clients[i], err)
		}
	}
	if slices.Sort(rented); !slices.Equal(rented, copies) {
		t.Errorf("the copies %v were rented, want %v", rented, copies)
	}
	if n := pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM rental WHERE return_date IS NULL AND inventory_id = ANY ($1)`, copies); n != 5 {
		t.Errorf("%d open rentals, want 5", n)
	}
}

// However often a customer repeats a request at the same time, it is one rental. All but one response say which.
func TestRepeatedRent(t *testing.T) {
	t.Parallel()
	for name, byFilm := range map[string]bool{"a film": true, "a copy": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.New(t)
			s, conn := open(t, url), pgtest.Connect(t, url)
			film, copies := stockUp(t, conn, 5)
			n := store.NewRental{CustomerID: 1, InventoryID: copies[0], StaffID: 1}
			if byFilm {
				n = store.NewRental{CustomerID: 1, FilmID: film, StoreID: 1, StaffID: 1}
			}
			errs, rentals := make([]error, 12), make([]store.Rental, 12)
			var wg sync.WaitGroup
			for i := range errs {
				wg.Go(func() { rentals[i], errs[i] = s.CreateRental(t.Context(), n) })
			}
			wg.Wait()
			made := slices.Index(errs, nil)
			if made < 0 {
				t.Fatalf("no rental was made: %v", errs)
			}
			for i, err := range errs {
				var already *store.AlreadyRentedError
				if i != made && (!errors.As(err, &already) || !reflect.DeepEqual(already.Rental, rentals[made])) {
					t.Errorf("got %v, want rental %d", err, rentals[made].RentalID)
				}
			}
			if n := pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM rental WHERE inventory_id = ANY ($1)`, copies); n != 1 {
				t.Errorf("%d rentals were made, want 1", n)
			}
		})
	}
}

// What stands against a rental is told in a fixed order, with all that does not exist at once, and nothing is written.
func TestRentalRules(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	film, copies := stockUp(t, conn, 2)
	const none = 2147483647
	pgtest.Exec(t, conn.Exec, `INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id) VALUES (now() - interval '1 day', $1, 1, 1)`, copies[0])
	pgtest.Exec(t, conn.Exec, `UPDATE staff SET active = false WHERE staff_id = 2; UPDATE customer SET activebool = false WHERE customer_id = 2;
		UPDATE customer SET active = NULL WHERE customer_id IN (1, 3); INSERT INTO film (film_id, title, language_id) VALUES (1000001, 'NO COPIES', 1)`)
	before := rentalRows(t, conn)
	for _, tt := range []struct {
		n    store.NewRental
		want string
	}{
		{store.NewRental{CustomerID: none, InventoryID: none, StaffID: none}, "no customer 2147483647"},
		{store.NewRental{CustomerID: none, FilmID: none, StoreID: none, StaffID: none}, "no customer 2147483647"},
		{store.NewRental{CustomerID: 2, InventoryID: none, StaffID: none}, "no inventory 2147483647, no staff 2147483647"},
		{store.NewRental{CustomerID: 2, FilmID: none, StoreID: none, StaffID: none}, "no film 2147483647, no store 2147483647, no staff 2147483647"},
		{store.NewRental{CustomerID: 3, FilmID: film, StoreID: none, StaffID: 1}, "no store 2147483647"},
		{store.NewRental{CustomerID: 2, InventoryID: copies[0], StaffID: 2}, store.ErrCustomerInactive.Error()},
		{store.NewRental{CustomerID: 2, FilmID: film, StoreID: 1, StaffID: 2}, store.ErrCustomerInactive.Error()},
		{store.NewRental{CustomerID: 1, InventoryID: copies[0], StaffID: 2}, "already rented"},
		{store.NewRental{CustomerID: 1, FilmID: film, StoreID: 2, StaffID: 2}, "already rented"}, // from another store
		{store.NewRental{CustomerID: 3, InventoryID: copies[0], StaffID: 2}, store.ErrStaffInactive.Error()},
		{store.NewRental{CustomerID: 3, FilmID: 1000001, StoreID: 1, StaffID: 2}, store.ErrStaffInactive.Error()},
		{store.NewRental{CustomerID: 3, InventoryID: copies[0], StaffID: 1}, store.ErrInventoryNotAvailable.Error()},
		{store.NewRental{CustomerID: 3, FilmID: 1000001, StoreID: 1, StaffID: 1}, store.ErrFilmNotAvailable.Error()},
		{store.NewRental{CustomerID: 3, FilmID: film, StoreID: 2, StaffID: 1}, store.ErrFilmNotAvailable.Error()},
	} {
		_, err := s.CreateRental(t.Context(), tt.n)
		var already *store.AlreadyRentedError
		want := fmt.Sprintf("rent to customer %d: %s", tt.n.CustomerID, tt.want)
		if errors.As(err, &already) {
			if tt.want != "already rented" || already.Rental.InventoryID != copies[0] || already.Rental.CustomerID != 1 || already.Rental.Title != "STOCKED UP" {
				t.Errorf("%+v: %v", tt.n, err)
			}
		} else if err == nil || err.Error() != want {
			t.Errorf("%+v: %v, want %s", tt.n, err, want)
		}
	}
	if after := rentalRows(t, conn); after != before {
		t.Errorf("%d rentals were written", after-before)
	}
	// A repeated request finds its rental even if the customer is no longer active.
	pgtest.Exec(t, conn.Exec, `UPDATE customer SET active = 0 WHERE customer_id = 1`)
	for _, n := range []store.NewRental{{CustomerID: 1, InventoryID: copies[0], StaffID: 1}, {CustomerID: 1, FilmID: film, StoreID: 1, StaffID: 1}} {
		var already *store.AlreadyRentedError
		if _, err := s.CreateRental(t.Context(), n); !errors.As(err, &already) {
			t.Errorf("%+v: %v", n, err)
		}
	}
	pgtest.Exec(t, conn.Exec, `UPDATE customer SET active = 1 WHERE customer_id = 1`)
	// A second copy of the film can be rented by its own number, from a member of staff of another store.
	pgtest.Exec(t, conn.Exec, `UPDATE staff SET active = true, store_id = 2 WHERE staff_id = 2`)
	if r, err := s.CreateRental(t.Context(), store.NewRental{CustomerID: 1, InventoryID: copies[1], StaffID: 2}); err != nil || r.StoreID != 1 || r.StaffID != 2 {
		t.Errorf("a second copy: %+v, %v", r, err)
	}
}

// If a customer has several open rentals of a film or of a copy, the error has the latest one.
func TestAlreadyRentedSeveralTimes(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	film, copies := stockUp(t, conn, 2)
	var ids []int32
	for _, age := range []string{"3 days", "1 day", "2 days"} {
		ids = append(ids, pgtest.Value[int32](t, conn.QueryRow, `INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id)
			VALUES (now() - $1::text::interval, $2, 1, 1) RETURNING rental_id`, age, copies[0]))
	}
	for _, n := range []store.NewRental{{CustomerID: 1, InventoryID: copies[0], StaffID: 1}, {CustomerID: 1, FilmID: film, StoreID: 1, StaffID: 1}} {
		var already *store.AlreadyRentedError
		if _, err := s.CreateRental(t.Context(), n); !errors.As(err, &already) || already.Rental.RentalID != ids[1] {
			t.Errorf("%+v: %v, want rental %d", n, err, ids[1])
		}
	}
}

// Copies that another session holds are passed over. If there are no others, the call waits for one, and says that the
// database is busy. It says that no copy is available only if none is.
func TestRentFilmWithLockedCopies(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn, holder := open(t, url), pgtest.Connect(t, url), pgtest.Connect(t, url)
	film, copies := stockUp(t, conn, 3)
	clients := customers(t, conn, 4)
	rent := func(customer int32) (store.Rental, error) {
		return s.CreateRental(context.WithoutCancel(t.Context()), store.NewRental{CustomerID: customer, FilmID: film, StoreID: 1, StaffID: 1})
	}
	pgtest.Exec(t, holder.Exec, `BEGIN`)
	pgtest.Exec(t, holder.Exec, `SELECT FROM inventory WHERE inventory_id = ANY ($1) FOR UPDATE`, copies[:2])
	if r, err := rent(clients[0]); err != nil || r.InventoryID != copies[2] {
		t.Errorf("the only copy that nobody holds: %+v, %v", r, err)
	}
	if _, err := rent(clients[1]); kind(err) != "busy" {
		t.Errorf("all free copies are held: %v", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := rent(clients[1])
		done <- err
	}()
	wantWaiting(t, conn)
	pgtest.Exec(t, holder.Exec, `INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id) SELECT now(), unnest($1::int[]), $2, 1`, copies[:1], clients[2])
	pgtest.Exec(t, holder.Exec, `COMMIT`)
	if err := <-done; err != nil {
		t.Errorf("after the copies were released: %v", err)
	}
	if _, err := rent(clients[3]); !errors.Is(err, store.ErrFilmNotAvailable) {
		t.Errorf("all copies are out: %v", err)
	}
}

// A rental that is refused because the customer has the copy has not ended, even while others end it.
func TestRentWhileReturned(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	film, copies := stockUp(t, conn, 2)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			for range 60 {
				n := store.NewRental{CustomerID: 1, InventoryID: copies[0], StaffID: 1}
				if i%2 == 0 {
					n = store.NewRental{CustomerID: 1, FilmID: film, StoreID: 1, StaffID: 1}
				}
				r, err := s.CreateRental(context.WithoutCancel(t.Context()), n)
				var already *store.AlreadyRentedError
				if errors.As(err, &already) {
					if r = already.Rental; r.ReturnDate != nil {
						t.Errorf("the customer has a copy that was returned: %+v", r)
					}
				} else if err != nil && kind(err) != "busy" {
					t.Error(err)
				}
				_, err = s.ReturnRental(context.WithoutCancel(t.Context()), 1, r.RentalID)
				var returned *store.AlreadyReturnedError
				if err != nil && !errors.As(err, &returned) && r.RentalID != 0 && kind(err) != "busy" {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	wantNoOverlap(t, conn)
}

// wantNoOverlap checks that each rental of the copies of stockUp ended after it began, and before the next one began.
func wantNoOverlap(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	if n := pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM rental r JOIN inventory USING (inventory_id) JOIN film USING (film_id)
		WHERE title = 'STOCKED UP' AND (return_date <= rental_date OR EXISTS (SELECT FROM rental o WHERE o.inventory_id = r.inventory_id
			AND o.rental_id <> r.rental_id AND o.rental_date >= r.rental_date AND o.rental_date <= COALESCE(r.return_date, 'infinity')))`); n != 0 {
		t.Errorf("%d rentals overlap", n)
	}
}

// A rental is returned once, however many requests arrive at the same time. The others get the rental as it was
// returned.
func TestReturnOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	_, copies := stockUp(t, conn, 1)
	made, err := s.CreateRental(t.Context(), store.NewRental{CustomerID: 1, InventoryID: copies[0], StaffID: 1})
	if err != nil || made.ReturnDate != nil {
		t.Fatal(made, err)
	}
	pgtest.Exec(t, conn.Exec, `UPDATE rental SET rental_date = now() - interval '5 days 1 hour' WHERE rental_id = $1`, made.RentalID)
	errs, rentals := make([]error, 12), make([]store.Rental, 12)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { rentals[i], errs[i] = s.ReturnRental(t.Context(), 1, made.RentalID) })
	}
	wg.Wait()
	done := slices.Index(errs, nil)
	if done < 0 {
		t.Fatalf("it was not returned: %v", errs)
	}
	r := rentals[done]
	if r.ReturnDate == nil || r.DaysOverdue != 2 || r.LateFee != "2.00" || r.RentalID != made.RentalID || r.InventoryID != copies[0] {
		t.Errorf("returned: %+v", r)
	}
	for i, err := range errs {
		var already *store.AlreadyReturnedError
		if i != done && (!errors.As(err, &already) || !reflect.DeepEqual(already.Rental, r)) {
			t.Errorf("got %v, want %+v", err, r)
		}
	}
	wantRental(t, s, conn, r)
	if _, err := s.CreateRental(t.Context(), store.NewRental{CustomerID: 2, InventoryID: copies[0], StaffID: 1}); err != nil {
		t.Errorf("the copy is free again: %v", err)
	}
	wantNoOverlap(t, conn)
}

// Only the customer's own rentals can be returned.
func TestReturnNotFound(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	made, err := s.CreateRental(t.Context(), store.NewRental{CustomerID: 1, InventoryID: copiesInStock(t, conn, 1)[0], StaffID: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, ids := range [][2]int32{{2, made.RentalID}, {1, 2147483647}, {2147483647, made.RentalID}} {
		var missing *store.NotFoundError
		if _, err := s.ReturnRental(t.Context(), ids[0], ids[1]); !errors.As(err, &missing) || missing.Kind != store.KindRental || missing.ID != ids[1] {
			t.Errorf("rental %d of customer %d: %v", ids[1], ids[0], err)
		}
	}
	if r, err := s.Rental(t.Context(), 1, made.RentalID); err != nil || r.ReturnDate != nil {
		t.Errorf("%+v, %v", r, err)
	}
}

// Returns wait for another transaction that ends the rental, for a bounded time.
func TestReturnWaits(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn, holder := open(t, url), pgtest.Connect(t, url), pgtest.Connect(t, url)
	made, err := s.CreateRental(t.Context(), store.NewRental{CustomerID: 1, InventoryID: copiesInStock(t, conn, 1)[0], StaffID: 1})
	if err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, holder.Exec, `BEGIN`)
	pgtest.Exec(t, holder.Exec, `UPDATE rental SET return_date = '2099-01-01' WHERE rental_id = $1`, made.RentalID)
	var unavailable *store.UnavailableError
	if _, err := s.ReturnRental(t.Context(), 1, made.RentalID); !errors.As(err, &unavailable) || unavailable.Reason != store.Busy || unavailable.Outcome != store.NothingWritten {
		t.Errorf("while the row is locked: %v", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.ReturnRental(context.WithoutCancel(t.Context()), 1, made.RentalID)
		done <- err
	}()
	wantWaiting(t, conn)
	pgtest.Exec(t, holder.Exec, `COMMIT`)
	var already *store.AlreadyReturnedError
	if err := <-done; !errors.As(err, &already) || already.Rental.ReturnDate.Year() != 2099 {
		t.Errorf("got %v", err)
	}
}

// A rental ends after it began, even if it began while the return waited.
func TestReturnAfterRental(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn, holder := open(t, url), pgtest.Connect(t, url), pgtest.Connect(t, url)
	made, err := s.CreateRental(t.Context(), store.NewRental{CustomerID: 1, InventoryID: copiesInStock(t, conn, 1)[0], StaffID: 1})
	if err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, holder.Exec, `BEGIN`)
	pgtest.Exec(t, holder.Exec, `SELECT FROM rental WHERE rental_id = $1 FOR UPDATE`, made.RentalID)
	done := make(chan store.Rental, 1)
	go func() {
		r, err := s.ReturnRental(context.WithoutCancel(t.Context()), 1, made.RentalID)
		if err != nil {
			t.Error(err)
		}
		done <- r
	}()
	wantWaiting(t, conn)
	pgtest.Exec(t, holder.Exec, `UPDATE rental SET rental_date = clock_timestamp() WHERE rental_id = $1`, made.RentalID)
	pgtest.Exec(t, holder.Exec, `COMMIT`)
	if r := <-done; r.ReturnDate == nil || !r.ReturnDate.After(r.RentalDate) {
		t.Errorf("got %+v", r)
	}
}

// A customer learns why a rental is not possible even if another session holds what a rental needs.
func TestRefusedWhileLocked(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s, conn := open(t, url), pgtest.Connect(t, url)
	film, copies := stockUp(t, conn, 2)
	clients := customers(t, conn, 2)
	byCopy := store.NewRental{CustomerID: clients[0], InventoryID: copies[0], StaffID: 1}
	byFilm := store.NewRental{CustomerID: clients[0], FilmID: film, StoreID: 1, StaffID: 1}
	rented, err := s.CreateRental(t.Context(), byCopy)
	if err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, conn.Exec, `UPDATE customer SET active = 0 WHERE customer_id = $1`, clients[1])
	pgtest.Exec(t, conn.Exec, `BEGIN; LOCK TABLE inventory IN EXCLUSIVE MODE`)
	for _, n := range []store.NewRental{byCopy, byFilm} {
		var already *store.AlreadyRentedError
		if _, err := s.CreateRental(t.Context(), n); !errors.As(err, &already) || already.Rental.RentalID != rented.RentalID {
			t.Errorf("%+v again: %v", n, err)
		}
		n.CustomerID = clients[1]
		if _, err := s.CreateRental(t.Context(), n); !errors.Is(err, store.ErrCustomerInactive) {
			t.Errorf("%+v: %v", n, err)
		}
	}
	pgtest.Exec(t, conn.Exec, `COMMIT`)
	if _, err := s.ReturnRental(t.Context(), clients[0], rented.RentalID); err != nil {
		t.Error(err)
	}
	if _, err := s.CreateRental(t.Context(), byFilm); err != nil {
		t.Error(err)
	}
}
