package store

import (
	"context"
	"fmt"

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
	OpenRentals  []Rental      // at most 1000, the first due date first
	Overdue      int32         // how many of them are past their due date
	LateFees     string        // their sum up to now; unknown if one of them is
	Subscription *Subscription // that is active today, or nil
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
	// Search is a part of the email address, or of the first name, a blank and the last name. It matches in any
	// case, by Unicode's rules, and any blanks match any others.
	Search  string
	StoreID int32
	Active  *bool

	Paging // the order is customer_id, which is the default, or last_name
}

// customerColumns are the columns of Customer, for the row c of customer.
const customerColumns = `
	c.customer_id, c.store_id, c.first_name, c.last_name, c.email, ` + customerActive + ` AS active`

// customerList is the list of all customers. Pagila has indexes for both orders, which are never NULL.
var customerList = list{
	memory: memoryFor[Customer, Customer](),
	name:   "customers.page", table: `{customer} c`, id: `c.customer_id`, order: "customer_id",
	orders: map[string]order{
		"customer_id": {key: `c.customer_id`, is: integerKey},
		"last_name":   {key: `c.last_name`, is: textKey},
	},
	columns: customerColumns,
	joins: `
LEFT JOIN {customer} c ON c.customer_id = page.id`,
}

// customerMatches is whether the customer c has the search in the name or in the email address.
var customerMatches = `(` + named(`c`, `$1`) + ` OR strpos(` + fold(`c.email`) + `, ` + folded + `) > 0)`

func (q CustomerQuery) conditions(bool) *statement {
	s := &statement{}
	s.where(true, `c.customer_id > 0`)
	s.where(q.Search != "", customerMatches, q.Search)
	s.where(q.StoreID != 0, `c.store_id = $1::integer`, q.StoreID)
	s.where(q.Active != nil, `(`+customerActive+`) = $1::boolean`, q.Active)
	return s
}

func (q CustomerQuery) faults() []QueryFault { return nil }

func (q CustomerQuery) identity(p Paging) any { q.Paging = p; return q }

// Customers returns one page of customers. The ids begin at 1. Rows with other ids are left out. The error is an
// *InvalidQueryError if the query contradicts itself or the cursor is not one for it.
func (s *Store) Customers(ctx context.Context, q CustomerQuery) (Page[Customer], error) {
	q.Search = oneBlank(q.Search)
	page, err := readPage(ctx, s, customerList, q.Paging, q, itself[Customer])
	if err != nil {
		return Page[Customer]{}, fmt.Errorf("read customers: %w", err)
	}
	return page, nil
}

// customerSQL reads a customer with the address, and with the subscription that is active today. If several are,
// it takes the one that began last.
var customerSQL = `
SELECT` + customerColumns + `,
	a.address, a.address2, a.district, a.postal_code, a.phone, ci.city, co.country,
	s.subscription_id, s.plan_name, s.start_date, s.end_date
FROM {customer} c
LEFT JOIN {address} a USING (address_id)
LEFT JOIN {city} ci USING (city_id)
LEFT JOIN {country} co USING (country_id)
LEFT JOIN LATERAL (
	SELECT * FROM (
		SELECT` + subscriptionColumns + ` FROM {streaming_subscription} s WHERE s.customer_id = c.customer_id AND s.id > 0
	) s
	WHERE s.active ORDER BY s.start_date DESC, s.subscription_id DESC LIMIT 1
) s ON true
WHERE c.customer_id = $1::integer`

// openRentalsSQL reads the open rentals of a customer. Pagila has no index for them.
var openRentalsSQL = `
SELECT` + rentalColumns + `, ` + overdue + ` > 0 AS overdue
FROM {rental} r` + rentalJoins + `
WHERE r.customer_id = $1::integer AND r.rental_id > 0 AND r.return_date IS NULL
ORDER BY ` + dueDate + `, r.rental_id LIMIT 1000`

// customerRow is a row of customerSQL.
type customerRow struct {
	Customer `bun:",extend"`

	Address, District, City, Country string
	AdditionalAddress                string `bun:"address2"`
	PostalCode, Phone                string

	SubscriptionID int32 // 0 if there is none
	PlanName       string
	StartDate      int64
	EndDate        *int64
}

type openRentalRow struct {
	rentalRow `bun:",extend"`
	Overdue   bool
}

// Customer returns a customer by its id. The error is a *NotFoundError if there is none.
func (s *Store) Customer(ctx context.Context, id int32) (CustomerDetail, error) {
	var (
		customers []customerRow
		rentals   []openRentalRow
	)
	err := s.call(ctx, s.reads, NoWrite, func(ctx context.Context, c session) error {
		customers, rentals = nil, nil
		if err := c.query(ctx, "customer", &customers, customerSQL, id); err != nil || len(customers) == 0 {
			return err
		}
		return c.query(ctx, "customer.open_rentals", &rentals, openRentalsSQL, id)
	})
	if err != nil {
		return CustomerDetail{}, fmt.Errorf("read customer %d: %w", id, err)
	}
	if len(customers) == 0 {
		return CustomerDetail{}, &NotFoundError{KindCustomer, id}
	}
	return customers[0].detail(rentals), nil
}

func (r customerRow) detail(rentals []openRentalRow) CustomerDetail {
	detail := CustomerDetail{
		Customer: r.Customer,
		Address: Address{
			Address: r.Address, AdditionalAddress: r.AdditionalAddress, District: r.District, City: r.City,
			PostalCode: r.PostalCode, Country: r.Country, Phone: r.Phone,
		},
		OpenRentals: make([]Rental, len(rentals)),
		LateFees:    sum(rentals),
	}
	for i, rental := range rentals {
		detail.OpenRentals[i] = rental.rental()
		if rental.Overdue {
			detail.Overdue++
		}
	}
	if r.SubscriptionID != 0 {
		active := subscriptionRow{r.SubscriptionID, r.CustomerID, r.PlanName, r.StartDate, r.EndDate, true}
		detail.Subscription = new(active.subscription())
	}
	return detail
}

// sum returns the sum of the late fees of rentals, or "" if one of them is unknown.
func sum(rentals []openRentalRow) string {
	var total decimal.Decimal
	for _, rental := range rentals {
		fee, err := decimal.NewFromString(rental.LateFee)
		if err != nil {
			return ""
		}
		total = total.Add(fee)
	}
	return total.StringFixed(2)
}

// customerActive is whether the customer c is active. A customer is active unless one of the two columns says
// otherwise: active may be NULL, and activebool is true for every customer of the original Pagila.
const customerActive = `COALESCE(c.active, 1) = 1 AND COALESCE(c.activebool, true)`

const lockCustomerSQL = `
SELECT ` + customerActive + ` AS active FROM {customer} c WHERE c.customer_id = $1::integer
FOR NO KEY UPDATE OF c`

// lockCustomer locks the row of a customer until the commit, and returns whether the customer is active. It excludes
// every other lockCustomer, and changes of the row. The next statement sees what earlier holders of the lock have
// written. The error is a *NotFoundError if there is no such customer.
func (c session) lockCustomer(ctx context.Context, id int32) (active bool, err error) {
	var found []struct{ Active bool }
	if err := c.query(ctx, "customer.lock", &found, lockCustomerSQL, id); err != nil {
		return false, fmt.Errorf("lock customer %d: %w", id, err)
	}
	if len(found) == 0 {
		return false, &NotFoundError{KindCustomer, id}
	}
	return found[0].Active, nil
}

const findCustomerSQL = `SELECT EXISTS (SELECT FROM {customer} c WHERE c.customer_id = $1::integer) AS found`

// findCustomer returns a *NotFoundError if there is no such customer. An empty list of the customer's is not found
// either, then.
func (s *Store) findCustomer(ctx context.Context, id int32) error {
	var rows []struct{ Found bool }
	if err := s.read(ctx, "customer.find", &rows, findCustomerSQL, id); err != nil {
		return fmt.Errorf("look for customer %d: %w", id, err)
	}
	if !rows[0].Found {
		return &NotFoundError{KindCustomer, id}
	}
	return nil
}
