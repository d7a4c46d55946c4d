package store

import (
	"context"
	"fmt"
	"maps"
	"time"
)

// RentalState is a state of a rental.
type RentalState string

// The states of rentals. An overdue rental is open, too.
const (
	RentalOpen     RentalState = "open"
	RentalReturned RentalState = "returned"
	RentalOverdue  RentalState = "overdue" // open and past its due date
)

// RentalQuery chooses a page of rentals. A rental has to meet all conditions. Zero values are no condition.
type RentalQuery struct {
	State      RentalState
	CustomerID int32
	FilmID     int32
	StoreID    int32            // of the copy
	RentalDate Range[time.Time] // days in UTC, both inclusive

	Paging // the order is rental_id, rental_date, due_date or return_date; the default is -rental_date
}

// rentalList is the list of all rentals. Pagila has indexes for rental_id, and for rental_date, which is never NULL.
// The other orders use the times as they are shown.
var rentalList = list{
	memory: memoryFor[rentalRow, Rental](),
	name:   "rentals.page", table: `{rental} r`, id: `r.rental_id`, order: "-rental_date",
	orders: map[string]order{
		"rental_id":   {key: `r.rental_id`, is: integerKey},
		"rental_date": {key: `r.rental_date`, is: timeKey},
		"due_date":    {key: shown(dueTime), is: timeKey, joins: rentalJoins},
		"return_date": {key: returnTime, is: timeKey, nullable: true},
	},
	columns: rentalColumns,
	joins: `
LEFT JOIN {rental} r ON r.rental_id = page.id
LEFT JOIN {inventory} i USING (inventory_id) LEFT JOIN {film} f USING (film_id)`,
}

// customerRentalList is rentalList for the rentals of one customer, which are few. The interval keeps the planner from
// walking through the rentals of all customers in the order of Pagila's index. At 16 million rentals, reading the
// table takes half a second, and that walk took longer than a call may.
var customerRentalList = func() list {
	l := rentalList
	l.orders = maps.Clone(l.orders)
	l.orders["rental_date"] = order{key: `(r.rental_date + interval '0')`, is: timeKey}
	return l
}()

// The conditions on the copy of the rental. They name the stores because Pagila's index of copies begins with them.
const (
	rentalOfFilm = `r.inventory_id = ANY (ARRAY(SELECT i.inventory_id FROM {inventory} i WHERE i.film_id = $1::integer
		AND i.store_id = ANY (CASE WHEN $2::integer = 0 THEN ARRAY(SELECT store_id FROM {store})
			ELSE ARRAY[$2::integer] END)))`
	rentalOfStore = `EXISTS (SELECT FROM {inventory} i WHERE i.inventory_id = r.inventory_id AND i.store_id = $1::integer)`
)

var rentalOverdue = `r.return_date IS NULL AND EXISTS (SELECT FROM {inventory} i JOIN {film} f USING (film_id)
		WHERE i.inventory_id = r.inventory_id AND ` + dueTime + ` < now())`

// The days that bound the times of rentals as they are shown. Every rental is on one of them or between them.
var (
	firstDay = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	lastDay  = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
)

// conditions returns a statement with the conditions of the query. The contract has no ids below 1.
func (q RentalQuery) conditions(bool) *statement {
	s, from, to := &statement{}, q.RentalDate.Min, q.RentalDate.Max
	s.where(true, `r.rental_id > 0 AND r.customer_id > 0`)
	s.where(q.State == RentalOpen, `r.return_date IS NULL`)
	s.where(q.State == RentalReturned, `r.return_date IS NOT NULL`)
	s.where(q.State == RentalOverdue, rentalOverdue)
	s.where(q.CustomerID != 0, `r.customer_id = $1::integer`, q.CustomerID)
	s.where(q.FilmID != 0, rentalOfFilm, q.FilmID, q.StoreID)
	s.where(q.FilmID == 0 && q.StoreID != 0, rentalOfStore, q.StoreID)
	s.where(from != nil && from.After(firstDay), `r.rental_date >= $1::text::timestamptz`, midnight(from, 0))
	s.where(to != nil && to.Before(lastDay), `r.rental_date < $1::text::timestamptz`, midnight(to, 1))
	return s
}

// midnight returns the text of the beginning of the day that is some days later.
func midnight(day *time.Time, later int) string {
	if day == nil {
		return ""
	}
	return day.UTC().AddDate(0, 0, later).Format("2006-01-02 00:00:00+00")
}

func (q RentalQuery) faults() []QueryFault {
	return q.RentalDate.faults("rental_date", time.Time.Compare)
}

func (q RentalQuery) identity(p Paging) any { q.Paging = p; return q }

// Rentals returns one page of rentals. The error is an *InvalidQueryError if the query contradicts itself or
// the cursor is not one for it.
func (s *Store) Rentals(ctx context.Context, q RentalQuery) (Page[Rental], error) {
	l := rentalList
	if q.CustomerID != 0 {
		l = customerRentalList
	}
	page, err := readPage(ctx, s, l, q.Paging, q, (*rentalRow).rental)
	if err != nil {
		return Page[Rental]{}, fmt.Errorf("read rentals: %w", err)
	}
	return page, nil
}

// CustomerRentals is Rentals for the customer of the query. The error is a *NotFoundError if there is no such
// customer.
func (s *Store) CustomerRentals(ctx context.Context, q RentalQuery) (Page[Rental], error) {
	page, err := s.Rentals(ctx, q)
	if err == nil && len(page.Items) == 0 {
		err = s.findCustomer(ctx, q.CustomerID)
	}
	return page, err
}
