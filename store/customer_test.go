package store_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// customerCalls returns each kind of call about customers, their subscriptions and changes of films.
func customerCalls(s *store.Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Customers":             func(ctx context.Context) error { _, err := s.Customers(ctx, store.CustomerQuery{}); return err },
		"Customer":              func(ctx context.Context) error { _, err := s.Customer(ctx, 1); return err },
		"CustomerPayments":      func(ctx context.Context) error { _, err := s.CustomerPayments(ctx, 1, store.Paging{}); return err },
		"CustomerSubscriptions": func(ctx context.Context) error { _, err := s.CustomerSubscriptions(ctx, 1); return err },
		"Subscription":          func(ctx context.Context) error { _, err := s.Subscription(ctx, 1, 1); return err },
		"CreateSubscription": func(ctx context.Context) error {
			_, err := s.CreateSubscription(ctx, store.NewSubscription{CustomerID: 1})
			return err
		},
		"CancelSubscription": func(ctx context.Context) error { _, err := s.CancelSubscription(ctx, 1, 1); return err },
		"UpdateFilm": func(ctx context.Context) error {
			_, err := s.UpdateFilm(ctx, 1, nil, store.FilmUpdate{})
			return err
		},
	}
}

// wantCustomers checks customers and payments against their rows.
func wantCustomers(t *testing.T, s *store.Store, conn *pgx.Conn) {
	t.Helper()
	first, last, email := rowOf3(t, conn, `SELECT ARRAY[lower(first_name), lower(last_name), lower(email)] FROM customer WHERE customer_id = 1`)
	yes := true
	for _, search := range []string{first + "\t " + last[:2], email, email[3 : len(email)-3]} {
		page, err := s.Customers(t.Context(), store.CustomerQuery{Search: search, Active: &yes, StoreID: 1, Paging: store.Paging{PageSize: 100}})
		if err != nil || !slices.ContainsFunc(page.Items, func(c store.Customer) bool { return c.CustomerID == 1 }) {
			t.Errorf("%s: %+v, %v", search, page, err)
		}
	}
	for _, order := range []string{"customer_id", "-customer_id", "last_name", "-last_name"} {
		want := pgtest.Value[[]int32](t, conn.QueryRow, `SELECT array_agg(customer_id ORDER BY `+sqlOrder(order, "customer_id")+`) FROM customer`)
		if got := walkCustomers(t, s, store.CustomerQuery{Paging: store.Paging{Order: order, PageSize: 100}}); !slices.Equal(got, want) {
			t.Errorf("%s: %d, want %d", order, got, want)
		}
	}
	for _, order := range []string{"", "payment_date"} {
		want := pgtest.Value[[]int32](t, conn.QueryRow, `SELECT array_agg(payment_id ORDER BY `+sqlOrder(cmp.Or(order, "-payment_date"), "payment_id")+`)
			FROM payment WHERE customer_id = 1`)
		if got := walkPayments(t, s, 1, store.Paging{Order: order, PageSize: 7}); !slices.Equal(got, want) {
			t.Errorf("payments by %s: %d, want %d", order, got, want)
		}
	}
	detail, err := s.Customer(t.Context(), 1)
	if err != nil || detail.Email == "" || detail.Address.City == "" || detail.Address.Country == "" || detail.Address.Phone == "" || detail.LateFees == "" {
		t.Errorf("customer 1: %+v, %v", detail, err)
	}
}

func rowOf3(t *testing.T, conn *pgx.Conn, query string) (first, second, third string) {
	t.Helper()
	row := pgtest.Value[[]string](t, conn.QueryRow, query)
	return row[0], row[1], row[2]
}

// sqlOrder returns an order as SQL has it, with the id for equal keys.
func sqlOrder(order, id string) string {
	if order[0] == '-' {
		return order[1:] + " DESC, " + id
	}
	return order + ", " + id
}

// walkCustomers returns the ids on all pages, by cursor.
func walkCustomers(t *testing.T, s *store.Store, q store.CustomerQuery) (ids []int32) {
	t.Helper()
	for {
		page, err := s.Customers(t.Context(), q)
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		for _, c := range page.Items {
			ids = append(ids, c.CustomerID)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return ids
		}
	}
}

// walkPayments returns the ids on all pages, by cursor.
func walkPayments(t *testing.T, s *store.Store, customer int32, p store.Paging) (ids []int32) {
	t.Helper()
	for {
		page, err := s.CustomerPayments(t.Context(), customer, p)
		if err != nil {
			t.Fatalf("%+v: %v", p, err)
		}
		for _, payment := range page.Items {
			ids = append(ids, payment.PaymentID)
		}
		if p.Cursor = page.Next; p.Cursor == "" {
			return ids
		}
	}
}

// wantCustomersOfEveryCase checks that a customer is found without regard to case, whatever the database's locale.
func wantCustomersOfEveryCase(t *testing.T, s *store.Store, conn *pgx.Conn) {
	t.Helper()
	pgtest.Exec(t, conn.Exec, `INSERT INTO customer (store_id, first_name, last_name, email, address_id) VALUES
		(1, 'ÇILGIN', 'Straße', 'İnfo@Σίσυφος.example', 1), (1, 'éric', 'ИВАНОВ', NULL, 1)`)
	for search, want := range map[string]int64{
		"çilgin straße": 1, "N STRASS": 1, "i\u0307NFO@σίσυφοσ.EXA": 1, "ΣΊΣΥΦΟΣ.E": 1, "ÉRIC  ивАН": 1, "Éric@": 0, "E\u0301RIC": 0,
	} {
		page, err := s.Customers(t.Context(), store.CustomerQuery{Search: search, Paging: store.Paging{PageSize: 1}})
		if err != nil || *page.Total != want {
			t.Errorf("%s: %+v, %v, want %d", search, page, err, want)
		}
	}
}

// Each condition finds the customers that SQL finds, and nothing has a special meaning.
func TestCustomerConditions(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	s, conn := open(t, address), pgtest.Connect(t, address)
	wantCustomers(t, s, conn)
	pgtest.Exec(t, conn.Exec, `UPDATE customer SET active = NULL WHERE customer_id IN (3, 4); UPDATE customer SET activebool = false WHERE customer_id IN (4, 5);
		UPDATE customer SET active = 0 WHERE customer_id = 6; UPDATE customer SET email = NULL WHERE customer_id = 7;
		UPDATE customer SET first_name = E'Ann \t\u00a0 O''%_\\', last_name = E'  x"', email = 'a%b_c\d@x.example' WHERE customer_id = 8;
		INSERT INTO customer (customer_id, store_id, first_name, last_name, address_id) VALUES (0, 1, 'HIDDEN', 'HIDDEN', 1), (-5, 1, 'HIDDEN', 'HIDDEN', 1)`)
	yes, no := true, false
	for _, tt := range []struct {
		q    store.CustomerQuery
		want string // SQL
	}{
		{store.CustomerQuery{}, `true`},
		{store.CustomerQuery{Active: &yes}, `activebool AND active IS DISTINCT FROM 0`},
		{store.CustomerQuery{Active: &no}, `NOT activebool OR active = 0`},
		{store.CustomerQuery{StoreID: 2}, `store_id = 2`},
		{store.CustomerQuery{StoreID: 2147483647}, `false`},
		{store.CustomerQuery{StoreID: 1, Active: &no, Search: "an"}, `(NOT activebool OR active = 0) AND store_id = 1
			AND (lower(first_name || ' ' || last_name) LIKE '%an%' OR lower(email) LIKE '%an%')`},
		{store.CustomerQuery{Search: "E S"}, `first_name || ' ' || last_name LIKE '%E S%'`},
		{store.CustomerQuery{Search: " \t "}, `true`},
		{store.CustomerQuery{Search: "%"}, `customer_id = 8`},
		{store.CustomerQuery{Search: "_\\"}, `customer_id = 8`},
		{store.CustomerQuery{Search: "o'%_\\ x\""}, `customer_id = 8`},
		{store.CustomerQuery{Search: "B_C\\D@"}, `customer_id = 8`},
		{store.CustomerQuery{Search: "' OR true --"}, `false`},
		{store.CustomerQuery{Search: "hidden"}, `false`},
	} {
		want := pgtest.Value[[]int32](t, conn.QueryRow, `SELECT COALESCE(array_agg(customer_id ORDER BY customer_id), '{}') FROM customer WHERE customer_id > 0 AND (`+tt.want+`)`)
		tt.q.PageSize = 40
		if got := walkCustomers(t, s, tt.q); !slices.Equal(got, want) {
			t.Errorf("%+v: %d, want %d", tt.q, got, want)
		}
		for _, count := range []store.Count{"", store.CountExact, store.CountCapped, store.CountEstimated, store.CountNone} {
			tt.q.Count = count
			page, err := s.Customers(t.Context(), tt.q)
			exact := count == "" || count == store.CountExact || count == store.CountCapped
			if err != nil || (page.Total == nil) != (count == store.CountNone) || exact && *page.Total != int64(len(want)) {
				t.Errorf("%+v: %+v, %v", tt.q, page, err)
			}
		}
	}
	if page, err := s.Customers(t.Context(), store.CustomerQuery{Search: "B_C", Paging: store.Paging{PageSize: 1}}); err != nil || page.Items[0] != (store.Customer{
		CustomerID: 8, StoreID: pgtest.Value[int32](t, conn.QueryRow, `SELECT store_id FROM customer WHERE customer_id = 8`),
		FirstName: "Ann \t\u00a0 O'%_\\", LastName: "  x\"", Email: `a%b_c\d@x.example`, Active: true,
	}) {
		t.Errorf("customer 8: %+v, %v", page, err)
	}
}

// A walk by cursor in the order of equal names neither skips nor repeats a customer who was there all the time.
func TestWalkWhileCustomersComeAndGo(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	s, conn := open(t, address), pgtest.Connect(t, address)
	pgtest.Exec(t, conn.Exec, `UPDATE customer SET last_name = 'SAME' WHERE customer_id % 3 = 0`)
	for _, order := range []string{"last_name", "-last_name"} {
		want := pgtest.Value[[]int32](t, conn.QueryRow, `SELECT array_agg(customer_id ORDER BY `+sqlOrder(order, "customer_id")+`) FROM customer`)
		q := store.CustomerQuery{Paging: store.Paging{Order: order, PageSize: 20}}
		var got []int32
		for {
			page, err := s.Customers(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range page.Items {
				if c.FirstName != "COME AND GO" {
					got = append(got, c.CustomerID)
				}
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
			pgtest.Exec(t, conn.Exec, `DELETE FROM customer WHERE first_name = 'COME AND GO';
				INSERT INTO customer (store_id, first_name, last_name, address_id) SELECT 1, 'COME AND GO', name, 1 FROM unnest(ARRAY['AAA', 'SAME', 'ZZZ']) name`)
		}
		pgtest.Exec(t, conn.Exec, `DELETE FROM customer WHERE first_name = 'COME AND GO'`)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d, want %d", order, got, want)
		}
	}
}

// A cursor belongs to the list, the customer, the conditions and the order.
func TestCursorsOfCustomers(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.New(t))
	yes := true
	customers, err := s.Customers(t.Context(), store.CustomerQuery{Search: "a", Paging: store.Paging{PageSize: 2}})
	if err != nil {
		t.Fatal(err)
	}
	payments, err := s.CustomerPayments(t.Context(), 1, store.Paging{PageSize: 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Customers(t.Context(), store.CustomerQuery{Search: "\ta ", Paging: store.Paging{PageSize: 50, Cursor: customers.Next}}); err != nil {
		t.Errorf("the same conditions: %v", err)
	}
	for name, call := range map[string]func(p store.Paging) error{
		"search": func(p store.Paging) error {
			_, err := s.Customers(t.Context(), store.CustomerQuery{Search: "b", Paging: p})
			return err
		},
		"active": func(p store.Paging) error {
			_, err := s.Customers(t.Context(), store.CustomerQuery{Search: "a", Active: &yes, Paging: p})
			return err
		},
		"store": func(p store.Paging) error {
			_, err := s.Customers(t.Context(), store.CustomerQuery{Search: "a", StoreID: 1, Paging: p})
			return err
		},
		"payments of another": func(p store.Paging) error {
			_, err := s.CustomerPayments(t.Context(), 2, p)
			return err
		},
		"films": func(p store.Paging) error {
			_, err := s.Films(t.Context(), store.FilmQuery{Paging: store.Paging{Cursor: p.Cursor, PageSize: 1}})
			return err
		},
		"order": func(p store.Paging) error {
			p.Order = "payment_date"
			_, err := s.CustomerPayments(t.Context(), 1, p)
			return err
		},
	} {
		for _, cursor := range []string{customers.Next, payments.Next, customers.Next[:8], "x"} {
			var invalid *store.InvalidQueryError
			if err := call(store.Paging{Cursor: cursor, PageSize: 2}); !errors.As(err, &invalid) || invalid.Faults[0].Field != "cursor" {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	var invalid *store.InvalidQueryError
	for _, p := range []store.Paging{{Page: 2, Cursor: payments.Next}, {Order: "amount"}, {Order: "--payment_date"}, {Order: "payment_id"}} {
		if _, err := s.CustomerPayments(t.Context(), 1, p); !errors.As(err, &invalid) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

// A customer comes with the address, the open rentals by due date, what is overdue, the late fees and the
// subscription of today.
func TestCustomerDetail(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	s, conn := open(t, address), pgtest.Connect(t, address)
	const id = 1
	pgtest.Exec(t, conn.Exec, `UPDATE rental SET return_date = now() WHERE return_date IS NULL;
		UPDATE film SET rental_duration = 3, replacement_cost = 19.99`)
	none, err := s.Customer(t.Context(), id)
	if err != nil || none.OpenRentals == nil || len(none.OpenRentals) != 0 || none.Overdue != 0 || none.LateFees != "0.00" ||
		none.Subscription != nil {
		t.Errorf("without rentals: %+v, %v", none, err)
	}
	// Overdue by half a day, by 2 days and by 7 days, which is more than twice the duration; and not overdue.
	pgtest.Exec(t, conn.Exec, `INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id)
		SELECT now() - age, inventory_id, 1, 1 FROM (VALUES (1, interval '84 hours'), (2, interval '121 hours'),
			(3, interval '241 hours'), (4, interval '1 hour')) out (inventory_id, age)`)
	insertSubscription(t, conn, "ended", utcToday+` - 9`, utcToday+` - 1`)
	insertSubscription(t, conn, "to come", utcToday+` + 5`, `NULL`)
	active := insertSubscription(t, conn, "now", utcToday, utcToday+` + 4`)
	got, err := s.Customer(t.Context(), id)
	if err != nil || len(got.OpenRentals) != 4 {
		t.Fatalf("%+v, %v", got, err)
	}
	wantDetail(t, s, got, active)
	if got.Overdue != 3 || got.LateFees != "28.99" { // 0 + 2 + 7 + 19.99
		t.Errorf("overdue %d, late fees %+v", got.Overdue, got.LateFees)
	}
	pgtest.Exec(t, conn.Exec, `UPDATE film SET replacement_cost = 'NaN'`)
	if got, err := s.Customer(t.Context(), id); err != nil || got.LateFees != "" || got.Overdue != 3 {
		t.Errorf("with an unknown cost: %+v, %v", got, err)
	}
	var notFound *store.NotFoundError
	if _, err := s.Customer(t.Context(), 2147483647); !errors.As(err, &notFound) || *notFound != (store.NotFoundError{Kind: store.KindCustomer, ID: 2147483647}) {
		t.Errorf("no customer: %v", err)
	}
}

// wantDetail checks what a customer has against the calls for each of them.
func wantDetail(t *testing.T, s *store.Store, got store.CustomerDetail, subscription int32) {
	t.Helper()
	for i, rental := range got.OpenRentals {
		if i > 0 && rental.DueDate.Before(got.OpenRentals[i-1].DueDate) {
			t.Errorf("rental %d comes after %s", i, got.OpenRentals[i-1].DueDate)
		}
		if read, err := s.Rental(t.Context(), got.CustomerID, rental.RentalID); err != nil || !reflect.DeepEqual(read, rental) {
			t.Errorf("rental: %+v, want %+v, %v", rental, read, err)
		}
	}
	if read, err := s.Subscription(t.Context(), got.CustomerID, subscription); err != nil || got.Subscription == nil || !reflect.DeepEqual(read, *got.Subscription) {
		t.Errorf("subscription: %+v, want %+v, %v", got.Subscription, read, err)
	}
	page, err := s.Customers(t.Context(), store.CustomerQuery{Search: got.Email, Paging: store.Paging{PageSize: 100}})
	if err != nil || !slices.Contains(page.Items, got.Customer) {
		t.Errorf("%+v is not in the list: %+v, %v", got.Customer, page, err)
	}
}

// Unknown values, and rows that other programs have spoilt, are no errors.
func TestOddCustomers(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	s, conn := open(t, address), pgtest.Connect(t, address)
	pgtest.Exec(t, conn.Exec, `UPDATE customer SET email = NULL, active = NULL, last_update = NULL WHERE customer_id = 1;
		UPDATE address SET address2 = NULL, postal_code = NULL WHERE address_id = (SELECT address_id FROM customer WHERE customer_id = 1)`)
	unknown, err := s.Customer(t.Context(), 1)
	if err != nil || unknown.Email != "" || !unknown.Active || unknown.Address.PostalCode != "" || unknown.Address.AdditionalAddress != "" || unknown.Address.City == "" {
		t.Errorf("%+v, %v", unknown, err)
	}
	pgtest.Exec(t, conn.Exec, `SET session_replication_role = replica; -- without foreign keys
		UPDATE customer SET address_id = -7, store_id = -8 WHERE customer_id = 1;
		UPDATE city SET country_id = 0 WHERE city_id = (SELECT city_id FROM address JOIN customer USING (address_id) WHERE customer_id = 2);
		INSERT INTO rental (rental_id, rental_date, inventory_id, customer_id, staff_id) VALUES
			(-1, 'infinity', 1, 1, 1), (0, now(), 1, 1, 1), (900001, '-infinity', 1, 1, -1),
			(900002, 'infinity', 2, 1, 1), (900003, '0044-03-15 BC', 3, 1, 1);
		INSERT INTO streaming_subscription (id, customer_id, plan_name, start_date, end_date) VALUES
			(0, 1, 'hidden', '2020-01-01', NULL), (801, 1, '', '-infinity', 'infinity'), (802, 1, 'x', '2020-02-29', NULL)`)
	spoilt, err := s.Customer(t.Context(), 1)
	if err != nil || spoilt.Address != (store.Address{}) || spoilt.StoreID != -8 || spoilt.Subscription == nil || spoilt.Subscription.SubscriptionID != 802 {
		t.Fatalf("%+v, %v", spoilt, err)
	}
	var ids []int32
	for _, rental := range spoilt.OpenRentals {
		if rental.RentalID > 900000 || rental.RentalID < 1 {
			ids = append(ids, rental.RentalID)
		}
	}
	if !slices.Equal(ids, []int32{900001, 900003, 900002}) || int(spoilt.Overdue) < 2 || spoilt.LateFees == "" {
		t.Errorf("rentals %d, %d overdue, late fees %+v", ids, spoilt.Overdue, spoilt.LateFees)
	}
	if other, err := s.Customer(t.Context(), 2); err != nil || other.Address.City == "" || other.Address.Country != "" {
		t.Errorf("%+v, %v", other, err)
	}
}

// At most a thousand open rentals come with a customer, those that are due first.
func TestManyOpenRentals(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	s, conn := open(t, address), pgtest.Connect(t, address)
	pgtest.Exec(t, conn.Exec, `DELETE FROM payment; DELETE FROM rental; INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id)
		SELECT now() - interval '1 minute' * n, 1, 1, 1 FROM generate_series(1, 1100) n`)
	many, err := s.Customer(t.Context(), 1)
	if err != nil || len(many.OpenRentals) != 1000 {
		t.Fatalf("%d rentals, %v", len(many.OpenRentals), err)
	}
	oldest := pgtest.Value[int32](t, conn.QueryRow, `SELECT rental_id FROM rental ORDER BY rental_date LIMIT 1`)
	if many.OpenRentals[0].RentalID != oldest {
		t.Errorf("rental %d is first, want %d", many.OpenRentals[0].RentalID, oldest)
	}
}

// Payments have no unique number, may be of the same time, and may have amounts and times that no response can
// express.
func TestOddPayments(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	s, conn := open(t, address), pgtest.Connect(t, address)
	pgtest.Exec(t, conn.Exec, `DELETE FROM payment; CREATE TABLE payment_rest PARTITION OF payment DEFAULT;
		INSERT INTO payment (payment_id, customer_id, staff_id, rental_id, amount, payment_date) VALUES
			(7, 1, 1, 1, 'NaN', 'infinity'), (7, 1, 1, 1, -0.01, '-infinity'), (7, 1, 1, 1, 999.99, '0044-03-15 BC'), (8, 1, 1, 1, 0, '294276-12-31 23:59:59.999999+00'),
			(9, 1, -1, 0, 1.5, '2026-03-29 01:30:00.000001+00'), (10, 1, 2, 1, 1.5, '2026-03-29 01:30:00.000001+00'), (7, 1, 1, 1, 2, '2026-03-29 01:30:00.000001+00'),
			(0, 1, 1, 1, 1, '2022-02-01'), (-3, 1, 1, 1, 1, '2022-02-01'), (11, 2, 1, 1, 1, '2022-02-01')`)
	want := []string{
		"7 -0.01 0001-01-01T00:00:00Z", "7 999.99 0001-01-01T00:00:00Z", "7 2.00 2026-03-29T01:30:00.000001Z", "9 1.50 2026-03-29T01:30:00.000001Z",
		"10 1.50 2026-03-29T01:30:00.000001Z", "8 0.00 9999-12-31T23:59:59.999999Z", "7 - 9999-12-31T23:59:59.999999Z",
	}
	for _, parameters := range []string{"", "timezone=Europe/Berlin&datestyle=German"} {
		s := open(t, pgtest.WithParameters(t, address, parameters))
		for size := range int32(8) {
			got := allPayments(t, s, store.Paging{Order: "payment_date", PageSize: 1 + size})
			if !slices.Equal(got, want) {
				t.Errorf("%s, pages of %d: %q, want %q", parameters, 1+size, got, want)
			}
		}
	}
	newest := allPayments(t, s, store.Paging{PageSize: 2})
	if len(newest) != len(want) || newest[0] != want[6] || newest[2] != want[2] || newest[6] != want[0] {
		t.Errorf("the newest first: %q", newest)
	}
	for customer, want := range map[int32]bool{3: true, 2147483647: false} {
		page, err := s.CustomerPayments(t.Context(), customer, store.Paging{PageSize: 1})
		var notFound *store.NotFoundError
		if want && (err != nil || len(page.Items) != 0 || *page.Total != 0) || !want && (!errors.As(err, &notFound) || notFound.Kind != store.KindCustomer) {
			t.Errorf("customer %d: %+v, %v", customer, page, err)
		}
	}
}

// allPayments returns the payments of customer 1 on all pages.
func allPayments(t *testing.T, s *store.Store, p store.Paging) (all []string) {
	t.Helper()
	for {
		page, err := s.CustomerPayments(t.Context(), 1, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, payment := range page.Items {
			all = append(all, fmt.Sprintf("%d %s %s", payment.PaymentID, cmp.Or(payment.Amount, "-"), payment.PaymentDate.Format(time.RFC3339Nano)))
		}
		if p.Cursor = page.Next; p.Cursor == "" {
			return all
		}
	}
}

// A page of customers by cursor walks Pagila's index of its order. The payments of a customer are looked up in the
// partitions' indexes. Pagila's last partition has none.
func TestCustomerPagesUseIndexes(t *testing.T) {
	t.Parallel()
	pgtest.RealPagila(t)
	address := pgtest.New(t)
	s, conn := open(t, address), pgtest.Connect(t, address)
	pgtest.Exec(t, conn.Exec, `INSERT INTO customer (store_id, first_name, last_name, address_id) SELECT 1, 'A', md5(n::text), 1 FROM generate_series(1, 20000) n;
		INSERT INTO payment (customer_id, staff_id, rental_id, amount, payment_date)
		SELECT (SELECT min(customer_id) FROM customer WHERE first_name = 'A') + n % 20000, 1, rental_id, amount, payment_date FROM payment, generate_series(1, 20) n`)
	pgtest.Exec(t, conn.Exec, `VACUUM ANALYZE customer, payment`)
	pagings := map[string]string{"": "customer_pkey", "-customer_id": "customer_pkey", "last_name": "idx_last_name", "-last_name": "idx_last_name"}
	for order, index := range pagings {
		q := store.CustomerQuery{Paging: store.Paging{Order: order, PageSize: 1}}
		page, err := s.Customers(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		q.Cursor, q.PageSize = page.Next, 20
		sql, args, err := store.CustomersSQL(s, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, kept := range []bool{false, true} {
			got := planOf(t, address, kept, sql, args)
			wantIndex(t, got, "customers by "+order, index)
			if strings.Contains(got, "Seq Scan on customer") {
				t.Errorf("customers by %s:\n%s", order, got)
			}
		}
	}
	for _, order := range []string{"", "payment_date"} {
		p := store.Paging{Order: order, PageSize: 1}
		page, err := s.CustomerPayments(t.Context(), 1, p)
		if err != nil {
			t.Fatal(err)
		}
		p.Cursor, p.PageSize = page.Next, 20
		sql, args, err := store.PaymentsSQL(s, 1, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, kept := range []bool{false, true} {
			got := planOf(t, address, kept, sql, args)
			wantIndex(t, got, "payments by "+order, "customer_id_idx")
			if strings.Count(got, "Seq Scan on payment") != strings.Count(got, "Seq Scan on payment_p2022_07") {
				t.Errorf("payments by %s:\n%s", order, got)
			}
		}
	}
}
