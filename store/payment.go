package store

import (
	"context"
	"errors"
	"time"

	"github.com/shopspring/decimal"
)

// Payment is a row of the table payment.
type Payment struct {
	PaymentID   int32
	CustomerID  int32
	StaffID     int32
	RentalID    int32
	Amount      decimal.NullDecimal // not valid if it is NaN
	PaymentDate time.Time
}

// CustomerPayments returns one page of a customer's payments. The order is payment_date; the default is
// -payment_date. The error is a *NotFoundError if there is no such customer, or an *InvalidQueryError.
func (s *Store) CustomerPayments(ctx context.Context, customerID int32, p Paging) (Page[Payment], error) {
	return Page[Payment]{}, errors.New("not implemented")
}
