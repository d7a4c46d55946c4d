package store

import (
	"context"
	"errors"

	"github.com/shopspring/decimal"
)

// Customer is a row of the table customer. NULL becomes the zero value.
type Customer struct {
	CustomerID int32
	StoreID    int32
	FirstName  string
	LastName   string
	Email      string
	Active     bool // unless one of Pagila's two columns says otherwise
}

// CustomerDetail is a customer with the address, the open rentals and the subscription.
type CustomerDetail struct {
	Customer
	Address      Address
	OpenRentals  []Rental            // at most 1000, the first due date first
	Overdue      int32               // how many of them are past their due date
	LateFees     decimal.NullDecimal // their sum up to now; not valid if one of them is unknown
	Subscription *Subscription       // that is active today, or nil
}

// Address is a postal address. NULL becomes the zero value.
type Address struct {
	Address           string
	AdditionalAddress string
	District          string
	City              string
	PostalCode        string
	Country           string
	Phone             string
}

// CustomerQuery chooses a page of customers. A customer has to meet all conditions. Zero values are no condition.
type CustomerQuery struct {
	Search  string // a part of the name or of the email address
	StoreID int32
	Active  *bool

	Paging // the order is customer_id, which is the default, or last_name
}

// Customers returns one page of customers. The error is an *InvalidQueryError if the query contradicts itself or
// the cursor is not one for it.
func (s *Store) Customers(ctx context.Context, q CustomerQuery) (Page[Customer], error) {
	return Page[Customer]{}, errors.New("not implemented")
}

// Customer returns a customer by its id. The error is a *NotFoundError if there is none.
func (s *Store) Customer(ctx context.Context, id int32) (CustomerDetail, error) {
	return CustomerDetail{}, errors.New("not implemented")
}
