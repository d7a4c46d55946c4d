package store

import (
	"context"
	"fmt"
	"time"
)

// Payment is a row of the table payment. A time outside the years 1 to 9999, such as infinity, becomes the nearest
// time within them.
type Payment struct {
	PaymentID   int32
	CustomerID  int32
	StaffID     int32
	RentalID    int32
	Amount      string
	PaymentDate time.Time
}

// paymentRow is a Payment as it is read from the database. The time is in microseconds since 1970.
type paymentRow struct {
	PaymentID   int32
	CustomerID  int32
	StaffID     int32
	RentalID    int32
	Amount      string
	PaymentDate int64
}

func (r *paymentRow) payment() Payment {
	return Payment{r.PaymentID, r.CustomerID, r.StaffID, r.RentalID, r.Amount, time.UnixMicro(r.PaymentDate).UTC()}
}

// paymentList is the list of all payments. The table is partitioned by payment_date, which is a part of its key, so
// the page carries all columns. The interval keeps the planner from walking through the payments of all customers in
// the order of the key: those of one customer are few, and are found by Pagila's indexes for customers.
var paymentList = list{
	memory: memoryFor[paymentRow, Payment](),
	name:   "payments.page", table: `{payment} p`, id: `p.payment_id`, order: "-payment_date",
	orders:  map[string]order{"payment_date": {key: `(p.payment_date + interval '0')`, is: timeKey}},
	carried: `, p.customer_id, p.staff_id, p.rental_id, p.amount`,
	columns: `
	page.id AS payment_id, page.customer_id, page.staff_id, page.rental_id, ` + amount(`page.amount`) + ` AS amount,
	` + microseconds(`page.sort_key`) + ` AS payment_date`,
}

// paymentQuery is a query for the payments of a customer.
type paymentQuery struct {
	PayerID int32
	Paging
}

func (q paymentQuery) conditions(bool) *statement {
	s := &statement{}
	s.where(true, `p.payment_id > 0 AND p.customer_id = $1::integer`, q.PayerID)
	return s
}

func (q paymentQuery) faults() []QueryFault { return nil }

func (q paymentQuery) identity(p Paging) any { q.Paging = p; return q }

// CustomerPayments returns one page of a customer's payments. The order is payment_date; the default is
// -payment_date. The ids begin at 1. Rows with other ids are left out. The error is a *NotFoundError if there is no
// such customer, or an *InvalidQueryError.
func (s *Store) CustomerPayments(ctx context.Context, customerID int32, p Paging) (Page[Payment], error) {
	page, err := readPage(ctx, s, paymentList, p, paymentQuery{PayerID: customerID}, (*paymentRow).payment)
	if err == nil && len(page.Items) == 0 {
		err = s.findCustomer(ctx, customerID)
	}
	if err != nil {
		return Page[Payment]{}, fmt.Errorf("read the payments of customer %d: %w", customerID, err)
	}
	return page, nil
}
