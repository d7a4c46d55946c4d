package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

const utcToday = `(now() AT TIME ZONE 'UTC')::date`

// today returns the database's day in UTC.
func today(t *testing.T, conn *pgx.Conn) time.Time {
	t.Helper()
	day, err := time.Parse(time.DateOnly, pgtest.Value[string](t, conn.QueryRow, `SELECT to_char(`+utcToday+`, 'YYYY-MM-DD')`))
	if err != nil {
		t.Fatal(err)
	}
	return day
}

// subscriber returns an active customer without a subscription.
func subscriber(t *testing.T, conn *pgx.Conn) int32 {
	t.Helper()
	return pgtest.Value[int32](t, conn.QueryRow, `SELECT min(customer_id) FROM customer WHERE active = 1
		AND NOT EXISTS (SELECT FROM streaming_subscription s WHERE s.customer_id = customer.customer_id)`)
}

// insertSubscription inserts a row for customer 1 as another program would. The days are SQL expressions.
func insertSubscription(t *testing.T, conn *pgx.Conn, plan, start, end string) int32 {
	t.Helper()
	return pgtest.Value[int32](t, conn.QueryRow, `INSERT INTO streaming_subscription (customer_id, plan_name, start_date, end_date)
		VALUES (1, $1, `+start+`, `+end+`) RETURNING id`, plan)
}

func subscriptionCount(t *testing.T, conn *pgx.Conn) int {
	t.Helper()
	return pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM streaming_subscription`)
}

// wantNoCommonDay checks that no customer has two subscriptions on a day.
func wantNoCommonDay(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	if n := pgtest.Value[int](t, conn.QueryRow, `SELECT count(*) FROM streaming_subscription a JOIN streaming_subscription b USING (customer_id)
		WHERE a.id < b.id AND daterange(a.start_date, a.end_date, '[]') && daterange(b.start_date, b.end_date, '[]')`); n != 0 {
		t.Errorf("%d pairs of subscriptions overlap", n)
	}
}

// wantSubscriptions makes one customer subscribe several times at once, and checks that it happens once. It then
// cancels the subscription, twice.
func wantSubscriptions(t *testing.T, s *store.Store, conn *pgx.Conn) {
	t.Helper()
	ctx, customer := t.Context(), subscriber(t, conn)
	var wg sync.WaitGroup
	made := make([]store.Subscription, 4)
	repeated := make([]*store.AlreadySubscribedError, len(made))
	for i := range made {
		wg.Go(func() {
			var err error
			made[i], err = s.CreateSubscription(ctx, store.NewSubscription{CustomerID: customer, PlanName: "standard"})
			if err != nil && !errors.As(err, &repeated[i]) {
				t.Errorf("subscribe: %v", err)
			}
		})
	}
	wg.Wait()
	all, err := s.CustomerSubscriptions(ctx, customer)
	if err != nil || len(all) != 1 || !all[0].Active || all[0].EndDate != nil || all[0].PlanName != "standard" || all[0].CustomerID != customer {
		t.Fatalf("the subscriptions are %+v, %v, want one", all, err)
	}
	day := pgtest.Value[string](t, conn.QueryRow, `SELECT to_char(start_date, 'YYYY-MM-DD') FROM streaming_subscription
		WHERE id = $1`, all[0].SubscriptionID)
	if day != all[0].StartDate.Format(time.DateOnly) {
		t.Errorf("it starts on %s, want %s", all[0].StartDate, day)
	}
	first := 0
	for i := range made {
		if repeated[i] == nil {
			first++
		} else {
			made[i] = repeated[i].Subscription
		}
		if !reflect.DeepEqual(made[i], all[0]) {
			t.Errorf("subscribed: %+v, want %+v", made[i], all[0])
		}
	}
	if first != 1 {
		t.Errorf("the customer subscribed %d times", first)
	}
	wantCancelledOnce(t, s, all[0])
}

func wantCancelledOnce(t *testing.T, s *store.Store, before store.Subscription) {
	t.Helper()
	cancelled, err := s.CancelSubscription(t.Context(), before.CustomerID, before.SubscriptionID)
	if err != nil || cancelled.EndDate == nil || cancelled.EndDate.Before(before.StartDate) || cancelled.StartDate != before.StartDate {
		t.Errorf("cancelled: %+v, %v", cancelled, err)
	}
	var again *store.AlreadyCancelledError
	if _, err := s.CancelSubscription(t.Context(), before.CustomerID, before.SubscriptionID); !errors.As(err, &again) || !reflect.DeepEqual(again.Subscription, cancelled) {
		t.Errorf("cancelled again: %v, want %+v", err, cancelled)
	}
	if read, err := s.Subscription(t.Context(), before.CustomerID, before.SubscriptionID); err != nil || !reflect.DeepEqual(read, cancelled) {
		t.Errorf("read: %+v, %v, want %+v", read, err, cancelled)
	}
}

// A day is a day in UTC, whatever the time zone and the format of dates. At any time, it is another day in one of
// these zones.
func TestSubscriptionDaysAreUTC(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	conn := pgtest.Connect(t, address)
	for _, zone := range []string{"Pacific/Kiritimati", "Pacific/Niue"} {
		for _, style := range []string{"German", "SQL, DMY", "Postgres, YMD"} {
			pgtest.SetDefault(t, conn.Exec, "timezone = '"+zone+"'")
			pgtest.SetDefault(t, conn.Exec, "datestyle = '"+style+"'")
			s := open(t, pgtest.WithParameters(t, address, "timezone="+zone+"&datestyle="+strings.ReplaceAll(style, " ", "%20")))
			first := today(t, conn)
			end := first.AddDate(0, 0, 12)
			made, err := s.CreateSubscription(t.Context(), store.NewSubscription{CustomerID: subscriber(t, conn), PlanName: "basic", EndDate: &end})
			if err != nil || made.StartDate != first && made.StartDate != today(t, conn) || made.EndDate == nil || *made.EndDate != end || !made.Active {
				t.Errorf("%s, %s: %+v, %v, want %s to %s", zone, style, made, err, first, end)
			}
			stored := pgtest.Value[string](t, conn.QueryRow, `SELECT to_char(end_date, 'YYYY-MM-DD') FROM streaming_subscription
				WHERE id = $1`, made.SubscriptionID)
			if stored != end.Format(time.DateOnly) {
				t.Errorf("%s, %s: the row ends on %s, want %s", zone, style, stored, end)
			}
		}
	}
}

// A subscription begins within the next 366 days and ends within 3660 days after that. A leap day is a day.
func TestSubscriptionDates(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	s, conn := open(t, address), pgtest.Connect(t, address)
	leap := pgtest.Value[int](t, conn.QueryRow, `SELECT min(day::date) - `+utcToday+` FROM generate_series(`+utcToday+`, `+utcToday+` + 3660, interval '1 day') day
		WHERE extract(month FROM day) = 2 AND extract(day FROM day) = 29`)
	first := today(t, conn)
	day := func(days int) *time.Time { return new(first.AddDate(0, 0, days)) }
	for _, tt := range []struct {
		start, end *time.Time
		faults     string // fields and the beginnings of their details
	}{
		{nil, nil, ""},
		{day(0), day(0), ""},
		{day(366), nil, ""},
		{day(1), day(3661), ""},
		{nil, day(leap), ""},
		{day(-1), nil, "start_date: the date is before today, "},
		{new(time.Date(1900, 2, 28, 0, 0, 0, 0, time.UTC)), nil, "start_date: the date is before today, "},
		{day(367), nil, "start_date: the date is more than 366 days after today, "},
		{new(time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)), nil, "start_date: the date is more than 366 days after today, "},
		{new(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)), nil, "start_date: the date is before today, "},
		{nil, day(-1), "end_date: the date is before start_date, "},
		{day(10), day(9), "end_date: the date is before start_date, "},
		{nil, day(3661), "end_date: the date is more than 3660 days after start_date, "},
		{day(20), new(time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)), "end_date: the date is more than 3660 days after start_date, "},
		{day(-1), day(-2), "start_date: the date is before today, end_date: the date is before start_date, "},
	} {
		customer, before := subscriber(t, conn), subscriptionCount(t, conn)
		made, err := s.CreateSubscription(t.Context(), store.NewSubscription{CustomerID: customer, PlanName: "premium", StartDate: tt.start, EndDate: tt.end})
		var invalid *store.InvalidDatesError
		switch {
		case tt.faults == "" && (err != nil || !reflect.DeepEqual(made.EndDate, tt.end) || tt.start != nil && made.StartDate != *tt.start):
			t.Errorf("%v to %v: %+v, %v", tt.start, tt.end, made, err)
		case tt.faults != "" && !errors.As(err, &invalid):
			t.Errorf("%v to %v: %v, want %s", tt.start, tt.end, err, tt.faults)
		case tt.faults != "":
			var got strings.Builder
			for _, fault := range invalid.Faults {
				fmt.Fprintf(&got, "%s: %s", fault.Field, fault.Detail[:strings.LastIndex(fault.Detail, " ")+1])
			}
			if got.String() != tt.faults || subscriptionCount(t, conn) != before {
				t.Errorf("%v to %v: %s, want %s", tt.start, tt.end, got.String(), tt.faults)
			}
		}
	}
}

// One of many clients subscribes a customer. The others get its subscription.
func TestSubscribeAtOnce(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	s, conn := open(t, address), pgtest.Connect(t, address)
	customer := subscriber(t, conn)
	ids := make([]int32, 40)
	var wg sync.WaitGroup
	made := make(chan store.Subscription, len(ids))
	for i := range ids {
		wg.Go(func() {
			subscription, err := s.CreateSubscription(t.Context(), store.NewSubscription{CustomerID: customer, PlanName: "basic"})
			var repeated *store.AlreadySubscribedError
			switch {
			case err == nil:
				ids[i] = subscription.SubscriptionID
				made <- subscription
			case errors.As(err, &repeated):
				ids[i] = repeated.Subscription.SubscriptionID
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(made) != 1 || subscriptionCount(t, conn) != 1 {
		t.Fatalf("%d subscriptions were made", len(made))
	}
	want := (<-made).SubscriptionID
	for _, id := range ids {
		if id != want {
			t.Errorf("a client got subscription %d, want %d", id, want)
		}
	}
}

// Subscriptions of other days that overlap, made and cancelled at once, never share a day.
func TestSubscriptionsNeverOverlap(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	s, conn := open(t, address), pgtest.Connect(t, address)
	first := today(t, conn)
	var wg sync.WaitGroup
	for client := range 40 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(client)))
			for range 5 {
				start := first.AddDate(0, 0, random.IntN(300))
				n := store.NewSubscription{CustomerID: 1 + int32(client%3), PlanName: "basic", StartDate: &start}
				if random.IntN(4) > 0 {
					n.EndDate = new(start.AddDate(0, 0, random.IntN(30)))
				}
				made, err := s.CreateSubscription(t.Context(), n)
				var repeated *store.AlreadySubscribedError
				if err != nil && !errors.As(err, &repeated) {
					t.Errorf("%+v: %v", n, err)
				}
				if err != nil || random.IntN(2) > 0 {
					continue
				}
				if _, err := s.CancelSubscription(t.Context(), n.CustomerID, made.SubscriptionID); err != nil && (made.EndDate == nil || *made.EndDate != start) {
					t.Errorf("cancel %+v: %v", made, err)
				}
			}
		})
	}
	wg.Wait()
	wantNoCommonDay(t, conn)
	if n := subscriptionCount(t, conn); n < 3 {
		t.Errorf("%d subscriptions", n)
	}
}

// A call waits for another transaction that holds the customer, and then sees the other's subscription.
func TestSubscribeWaits(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	s, conn := open(t, address), pgtest.Connect(t, address)
	customer := subscriber(t, conn)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM customer WHERE customer_id = $1 FOR NO KEY UPDATE`, customer); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.CreateSubscription(context.WithoutCancel(t.Context()), store.NewSubscription{CustomerID: customer, PlanName: "basic"})
		done <- err
	}()
	wantTriedInVain(t, pgtest.Connect(t, address))
	if _, err := tx.Exec(t.Context(), `INSERT INTO streaming_subscription (customer_id, plan_name, start_date) VALUES ($1, 'other', '2020-02-29')`, customer); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	var repeated *store.AlreadySubscribedError
	leapDay := time.Date(2020, 2, 29, 0, 0, 0, 0, time.UTC)
	if err := <-done; !errors.As(err, &repeated) || repeated.Subscription.PlanName != "other" || repeated.Subscription.StartDate != leapDay {
		t.Errorf("got %v", err)
	}
}

// A repeated call finds what the first one made, even if the customer is no longer active or the day is over. The
// first subscription of the days is reported.
func TestSubscribeRefusals(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	s, conn := open(t, address), pgtest.Connect(t, address)
	insertSubscription(t, conn, "basic", utcToday+` + 20`, `NULL`)
	first := insertSubscription(t, conn, "basic", utcToday+` - 1`, utcToday+` + 10`)
	yesterday := today(t, conn).AddDate(0, 0, -1)
	for i, tt := range []struct {
		change string
		n      store.NewSubscription
		want   any
	}{
		{`SELECT`, store.NewSubscription{CustomerID: 1}, first},
		{`SELECT`, store.NewSubscription{CustomerID: 1, StartDate: &yesterday}, first},
		{`UPDATE customer SET active = 0 WHERE customer_id < 3`, store.NewSubscription{CustomerID: 1}, first},
		{`SELECT`, store.NewSubscription{CustomerID: 2}, store.ErrCustomerInactive},
		{`UPDATE customer SET active = 1, activebool = false WHERE customer_id = 2`, store.NewSubscription{CustomerID: 2}, store.ErrCustomerInactive},
		{`SELECT`, store.NewSubscription{CustomerID: 2147483647}, store.NotFoundError{Kind: store.KindCustomer, ID: 2147483647}},
		{`UPDATE customer SET active = NULL, activebool = true WHERE customer_id = 2`, store.NewSubscription{CustomerID: 2}, nil},
	} {
		pgtest.Exec(t, conn.Exec, tt.change)
		tt.n.PlanName = "standard"
		_, err := s.CreateSubscription(t.Context(), tt.n)
		var (
			repeated *store.AlreadySubscribedError
			notFound *store.NotFoundError
			got      any
		)
		switch {
		case errors.As(err, &repeated):
			got = repeated.Subscription.SubscriptionID
		case errors.As(err, &notFound):
			got = *notFound
		case errors.Is(err, store.ErrCustomerInactive):
			got = store.ErrCustomerInactive
		case err != nil:
			got = err
		}
		if got != tt.want {
			t.Errorf("%d: got %v, want %v", i, got, tt.want)
		}
	}
	if n := subscriptionCount(t, conn); n != 3 {
		t.Errorf("%d subscriptions", n)
	}
}

// A subscription ends today, or on its first day if it has not begun. It cannot be cancelled again, nor by another
// customer.
func TestCancelSubscription(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	s, conn := open(t, address), pgtest.Connect(t, address)
	for _, tt := range []struct{ start, end, want string }{ // no want if it has ended already
		{utcToday, `NULL`, utcToday},
		{utcToday + ` - 30`, utcToday + ` + 1`, utcToday},
		{utcToday + ` + 5`, utcToday + ` + 9`, utcToday + ` + 5`},
		{utcToday + ` + 5`, `NULL`, utcToday + ` + 5`},
		{`'-infinity'`, `'infinity'`, utcToday},
		{`'infinity'`, `NULL`, `'infinity'`},
		{utcToday + ` - 30`, utcToday, ``},
		{utcToday + ` - 30`, utcToday + ` - 1`, ``},
		{utcToday + ` + 5`, utcToday + ` + 5`, ``},
		{`'-infinity'`, `'-infinity'`, ``},
	} {
		id := insertSubscription(t, conn, "old", tt.start, tt.end)
		before, err := s.Subscription(t.Context(), 1, id)
		if err != nil {
			t.Fatal(err)
		}
		for _, stranger := range []int32{2, 2147483647} {
			var notFound *store.NotFoundError
			if _, err := s.CancelSubscription(t.Context(), stranger, id); !errors.As(err, &notFound) || *notFound != (store.NotFoundError{Kind: store.KindSubscription, ID: id}) {
				t.Errorf("customer %d: %v", stranger, err)
			}
			if _, err := s.Subscription(t.Context(), stranger, id); !errors.As(err, &notFound) || *notFound != (store.NotFoundError{Kind: store.KindSubscription, ID: id}) {
				t.Errorf("customer %d: %v", stranger, err)
			}
		}
		if tt.want != "" {
			wantCancelledOnce(t, s, before)
		} else {
			var ended *store.AlreadyCancelledError
			if _, err := s.CancelSubscription(t.Context(), 1, id); !errors.As(err, &ended) || !reflect.DeepEqual(ended.Subscription, before) {
				t.Errorf("%s to %s: %v", tt.start, tt.end, err)
			}
			tt.want = tt.end
		}
		if !pgtest.Value[bool](t, conn.QueryRow, `SELECT end_date = `+tt.want+` FROM streaming_subscription WHERE id = $1`, id) {
			t.Errorf("%s to %s does not end on %s", tt.start, tt.end, tt.want)
		}
	}
}

// A cancellation waits for a program that changes the subscription and does not lock the customer. Then it sees the
// change.
func TestCancelWaits(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	s, conn, holder := open(t, address), pgtest.Connect(t, address), pgtest.Connect(t, address)
	id := insertSubscription(t, conn, "old", utcToday+` - 30`, `NULL`)
	pgtest.Exec(t, holder.Exec, `BEGIN`)
	pgtest.Exec(t, holder.Exec, `UPDATE streaming_subscription SET end_date = start_date WHERE id = $1`, id)
	done := make(chan error, 1)
	go func() {
		_, err := s.CancelSubscription(context.WithoutCancel(t.Context()), 1, id)
		done <- err
	}()
	wantWaiting(t, conn)
	pgtest.Exec(t, holder.Exec, `COMMIT`)
	var ended *store.AlreadyCancelledError
	if err := <-done; !errors.As(err, &ended) || *ended.Subscription.EndDate != ended.Subscription.StartDate {
		t.Errorf("got %v", err)
	}
}

// A new subscription may begin on the day after a cancelled one, and not before.
func TestSubscribeAfterCancelling(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	s, conn := open(t, address), pgtest.Connect(t, address)
	start := today(t, conn).AddDate(0, 0, 3) // far from a midnight during the test
	n := store.NewSubscription{CustomerID: 1, PlanName: "basic", StartDate: &start}
	made, err := s.CreateSubscription(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CancelSubscription(t.Context(), 1, made.SubscriptionID); err != nil {
		t.Fatal(err)
	}
	var repeated *store.AlreadySubscribedError
	if _, err := s.CreateSubscription(t.Context(), n); !errors.As(err, &repeated) || repeated.Subscription.SubscriptionID != made.SubscriptionID {
		t.Errorf("on its last day: %v", err)
	}
	n.StartDate = new(start.AddDate(0, 0, 1))
	if next, err := s.CreateSubscription(t.Context(), n); err != nil || next.SubscriptionID == made.SubscriptionID {
		t.Errorf("on the day after: %+v, %v", next, err)
	}
	n.StartDate, n.EndDate = nil, new(start.AddDate(0, 0, -1))
	if before, err := s.CreateSubscription(t.Context(), n); err != nil || before.SubscriptionID == made.SubscriptionID {
		t.Errorf("until the day before: %+v, %v", before, err)
	}
	wantNoCommonDay(t, conn)
}

// Rows of other programs may have any plan, days that RFC 3339 cannot express, ids below 1, and days in common.
func TestForeignSubscriptions(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	s, conn := open(t, address), pgtest.Connect(t, address)
	pgtest.Exec(t, conn.Exec, `INSERT INTO streaming_subscription (id, customer_id, plan_name, start_date, end_date) VALUES
		(101, 1, '', '-infinity', 'infinity'), (102, 1, E'50%_"\n''', '0044-03-15 BC', '0044-03-15 BC'), (103, 1, 'ÉTÉ', 'infinity', NULL),
		(104, 1, 'basic', '5874897-12-31', '5874897-12-31'), (105, 1, 'basic', '2024-02-29', '2024-02-29'), (106, 1, 'basic', '2024-02-29', NULL),
		(0, 1, 'hidden', '2024-02-29', NULL), (-2147483648, 1, 'hidden', '2024-02-29', NULL)`)
	all, err := s.CustomerSubscriptions(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, each := range all {
		end := "-"
		if each.EndDate != nil {
			end = each.EndDate.Format(time.DateOnly)
		}
		got = append(got, fmt.Sprintf("%d %q %s %s %t", each.SubscriptionID, each.PlanName, each.StartDate.Format(time.DateOnly), end, each.Active))
		if read, err := s.Subscription(t.Context(), 1, each.SubscriptionID); err != nil || !reflect.DeepEqual(read, each) {
			t.Errorf("read: %+v, %v, want %+v", read, err, each)
		}
	}
	want := []string{
		`103 "ÉTÉ" 9999-12-31 - false`, `104 "basic" 9999-12-31 9999-12-31 false`, `106 "basic" 2024-02-29 - true`,
		`105 "basic" 2024-02-29 2024-02-29 false`, `102 "50%_\"\n'" 0001-01-01 0001-01-01 false`, `101 "" 0001-01-01 9999-12-31 true`,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var repeated *store.AlreadySubscribedError
	if _, err := s.CreateSubscription(t.Context(), store.NewSubscription{CustomerID: 1, PlanName: "basic"}); !errors.As(err, &repeated) || repeated.Subscription.SubscriptionID != 101 {
		t.Errorf("subscribed: %v", err)
	}
	if none, err := s.CustomerSubscriptions(t.Context(), 2); err != nil || none == nil || len(none) != 0 {
		t.Errorf("a customer without subscriptions: %v, %v", none, err)
	}
	var notFound *store.NotFoundError
	if _, err := s.CustomerSubscriptions(t.Context(), 2147483647); !errors.As(err, &notFound) || notFound.Kind != store.KindCustomer {
		t.Errorf("no customer: %v", err)
	}
}
