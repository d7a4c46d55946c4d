package store

import (
	"context"
	"errors"
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

// Rentals returns one page of rentals. The error is an *InvalidQueryError if the query contradicts itself or
// the cursor is not one for it.
func (s *Store) Rentals(ctx context.Context, q RentalQuery) (Page[Rental], error) {
	return Page[Rental]{}, errors.New("not implemented")
}

// CustomerRentals is Rentals for the customer of the query. The error is a *NotFoundError if there is no such
// customer.
func (s *Store) CustomerRentals(ctx context.Context, q RentalQuery) (Page[Rental], error) {
	return Page[Rental]{}, errors.New("not implemented")
}

// ReturnRental ends a rental of a customer at the database's now(). The error is a *NotFoundError if the
// customer has no such rental, an *AlreadyReturnedError or a *RefusedError. In each of these cases nothing was
// written. An *UnavailableError says whether anything was.
func (s *Store) ReturnRental(ctx context.Context, customerID, id int32) (Rental, error) {
	return Rental{}, errors.New("not implemented")
}
