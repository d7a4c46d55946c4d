package store

import (
	"reflect"
	"testing"
	"time"

	"example.com/pagila-api/store/pgtest"
)

// date returns the number of a day.
func date(year int, month time.Month, day int) int64 {
	return *daysOf(new(time.Date(year, month, day, 0, 0, 0, 0, time.UTC)))
}

// The limits count days, so they depend on leap years.
func TestFaultsOfDays(t *testing.T) {
	t.Parallel()
	leapDay := date(2028, time.February, 29)
	for _, tt := range []struct {
		today, start int64
		end          int64 // 0 is no end
		want         []QueryFault
	}{
		{date(2027, time.February, 28), leapDay, leapDay, nil},
		{date(2027, time.February, 27), leapDay, 0, []QueryFault{{"start_date", "the date is more than 366 days after today, 2027-02-27"}}},
		{leapDay, date(2029, time.March, 1), 0, nil},
		{leapDay, date(2029, time.March, 2), 0, []QueryFault{{"start_date", "the date is more than 366 days after today, 2028-02-29"}}},
		{date(2028, time.March, 1), leapDay, date(2028, time.March, 1), []QueryFault{{"start_date", "the date is before today, 2028-03-01"}}},
		{leapDay, leapDay, date(2028, time.February, 28), []QueryFault{{"end_date", "the date is before start_date, 2028-02-29"}}},
		{leapDay, leapDay, date(2038, time.March, 8), nil},
		{leapDay, leapDay, date(2038, time.March, 9), []QueryFault{{"end_date", "the date is more than 3660 days after start_date, 2028-02-29"}}},
		{date(2095, time.March, 1), date(2096, time.March, 1), date(2106, time.March, 11), []QueryFault{{"end_date", "the date is more than 3660 days after start_date, 2096-03-01"}}},
		{date(2095, time.March, 1), date(2096, time.February, 29), date(2106, time.March, 8), nil},
		{0, 0, date(1, time.January, 1), []QueryFault{{"end_date", "the date is before start_date, 1970-01-01"}}},
	} {
		end := &tt.end
		if tt.end == 0 {
			end = nil
		}
		if got := faultsOfDays(tt.today, tt.start, end); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("on %s, from %s: %v, want %v", dayOf(tt.today), dayOf(tt.start), got, tt.want)
		}
	}
}

// A subscription overlaps another one if they have a day in common, even 29 February.
func TestOverlapping(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	conn := pgtest.Connect(t, address)
	s, err := Open(pgtest.AsServer(t, address), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	pgtest.Exec(t, conn.Exec, `INSERT INTO streaming_subscription (id, customer_id, plan_name, start_date, end_date) VALUES
		(1, 1, 'basic', '2028-02-01', '2028-02-28'), (2, 1, 'basic', '2028-03-01', '2028-03-31'),
		(3, 1, 'basic', '2029-02-28', NULL), (4, 2, 'basic', '2028-02-29', '2028-02-29')`)
	day := func(year int, month time.Month, day int) *int64 { return new(date(year, month, day)) }
	for _, tt := range []struct {
		customer   int32
		start, end *int64
		want       int32 // 0 if none overlaps
	}{
		{1, day(2028, time.February, 29), day(2028, time.February, 29), 0},
		{1, day(2028, time.February, 28), day(2028, time.February, 29), 1},
		{1, day(2028, time.February, 29), day(2028, time.March, 1), 2},
		{1, day(2020, time.February, 29), day(2040, time.February, 29), 1},
		{1, day(2020, time.February, 29), nil, 1},
		{1, day(2028, time.April, 1), day(2029, time.February, 27), 0},
		{1, day(2028, time.April, 1), day(2029, time.February, 28), 3},
		{1, day(2028, time.April, 1), nil, 3},
		{1, day(9999, time.December, 31), day(9999, time.December, 31), 3},
		{1, day(2028, time.February, 10), day(2028, time.February, 9), 0},
		{2, day(2028, time.March, 1), nil, 0},
		{2, day(2028, time.February, 29), day(2028, time.March, 1), 4},
		{3, day(2028, time.February, 29), nil, 0},
	} {
		var found []struct {
			subscriptionRow `bun:",extend"`
			Today           int64
		}
		if err := s.read(t.Context(), "test", &found, overlappingSQL, tt.customer, *tt.start, tt.end); err != nil {
			t.Fatal(err)
		}
		if got := found[0].SubscriptionID; got != tt.want {
			t.Errorf("customer %d from %s to %v: %d, want %d", tt.customer, dayOf(*tt.start), tt.end, got, tt.want)
		}
	}
}
