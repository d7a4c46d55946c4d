package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The limits of a new subscription, in days.
const (
	maxDaysAhead  = 366  // from today to the first day
	maxDaysToLast = 3660 // from the first day to the last
)

// Subscription is a row of the table streaming_subscription. Days are midnights in UTC. A day outside the years 1
// to 9999, such as infinity, becomes the nearest day within them.
type Subscription struct {
	SubscriptionID int32
	CustomerID     int32
	PlanName       string
	StartDate      time.Time
	EndDate        *time.Time // the last day, or nil if it has no end
	Active         bool       // today is one of its days
}

// NewSubscription says who subscribes to which plan, and for which days. Days are midnights in UTC.
type NewSubscription struct {
	CustomerID int32
	PlanName   string
	StartDate  *time.Time // nil means today
	EndDate    *time.Time // the last day, or nil if it has no end
}

// subscriptionRow is a Subscription as it is read from the database. Days are numbers of days since 1970, because
// their format does not depend on any setting.
type subscriptionRow struct {
	SubscriptionID int32
	CustomerID     int32
	PlanName       string
	StartDate      int64
	EndDate        *int64
	Active         bool
}

func (r subscriptionRow) subscription() Subscription {
	s := Subscription{
		SubscriptionID: r.SubscriptionID, CustomerID: r.CustomerID, PlanName: r.PlanName,
		StartDate: dayOf(r.StartDate), Active: r.Active,
	}
	if r.EndDate != nil {
		s.EndDate = new(dayOf(*r.EndDate))
	}
	return s
}

const secondsPerDay = 24 * 60 * 60

// dayOf returns the midnight that begins a day, which is a number of days since 1970.
func dayOf(days int64) time.Time { return time.Unix(days*secondsPerDay, 0).UTC() }

// daysOf is the reverse of dayOf.
func daysOf(day *time.Time) *int64 {
	if day == nil {
		return nil
	}
	return new(day.Unix() / secondsPerDay)
}

// days returns an SQL expression that converts a date for subscriptionRow. It bounds the date to the years that
// RFC 3339 can represent.
func days(expression string) string {
	return `(LEAST(GREATEST(` + expression + `, '0001-01-01'), '9999-12-31') - '1970-01-01'::date)`
}

// dateOf returns an SQL expression for the date of an argument, which is a number of days since 1970.
func dateOf(argument string) string { return `('1970-01-01'::date + ` + argument + `::integer)` }

const (
	// utcToday does not depend on the session's time zone.
	utcToday = `(now() AT TIME ZONE 'UTC')::date`

	// cancelledEnd is the last day of the subscription s if it is cancelled today.
	cancelledEnd = `GREATEST(` + utcToday + `, s.start_date)`

	// subscribedUntil is the last day of the subscription s.
	subscribedUntil = `COALESCE(s.end_date, 'infinity')`
)

// subscriptionColumns are the columns of subscriptionRow, for the row s of streaming_subscription.
var subscriptionColumns = `
	s.id AS subscription_id, s.customer_id, s.plan_name, ` + days(`s.start_date`) + ` AS start_date,
	CASE WHEN s.end_date IS NOT NULL THEN ` + days(`s.end_date`) + ` END AS end_date,
	` + utcToday + ` BETWEEN s.start_date AND ` + subscribedUntil + ` AS active`

// overlappingSQL returns today, and the first subscription on any of the days from $2 to $3. NULL is today for $2,
// and no end for $3. No day is between a last day and a later first day.
var overlappingSQL = `
SELECT ` + days(utcToday) + ` AS today, overlapping.*
FROM (
	SELECT COALESCE(` + dateOf(`$2`) + `, ` + utcToday + `) AS first, COALESCE(` + dateOf(`$3`) + `, 'infinity') AS last
) wanted
LEFT JOIN LATERAL (
	SELECT` + subscriptionColumns + ` FROM {streaming_subscription} s
	WHERE s.customer_id = $1::integer AND s.id > 0 AND first <= last
		AND s.start_date <= last AND ` + subscribedUntil + ` >= first
	ORDER BY s.start_date, s.id LIMIT 1
) overlapping ON true`

var insertSubscriptionSQL = `
INSERT INTO {streaming_subscription} AS s (customer_id, plan_name, start_date, end_date)
VALUES ($1::integer, $2::text, ` + dateOf(`$3`) + `, ` + dateOf(`$4`) + `)
RETURNING txid_current() AS transaction_id,` + subscriptionColumns

var cancelSQL = `
UPDATE {streaming_subscription} s SET end_date = ` + cancelledEnd + ` WHERE s.id = $1::integer
RETURNING txid_current() AS transaction_id,` + subscriptionColumns

var readSubscriptionSQL = `SELECT` + subscriptionColumns + ` FROM {streaming_subscription} s
WHERE s.id = $1::integer AND s.customer_id = $2::integer`

// lockSubscriptionSQL locks the row as well, because other programs may not lock the customer's.
var lockSubscriptionSQL = `
SELECT COALESCE(s.end_date <= ` + cancelledEnd + `, false) AS ended,` + subscriptionColumns + `
FROM {streaming_subscription} s WHERE s.id = $1::integer AND s.customer_id = $2::integer
FOR NO KEY UPDATE`

// subscriptionsSQL returns one row of NULLs for a customer without subscriptions, and no row if the customer does not
// exist.
var subscriptionsSQL = `SELECT` + subscriptionColumns + `
FROM {customer} c LEFT JOIN {streaming_subscription} s ON s.customer_id = c.customer_id AND s.id > 0
WHERE c.customer_id = $1::integer
ORDER BY s.start_date DESC, s.id DESC LIMIT 1000`

// writtenSubscription is a subscription that a transaction has written.
type writtenSubscription struct {
	subscriptionRow `bun:",extend"`
	TransactionID   int64
}

// CreateSubscription subscribes a customer to streaming. A customer has at most one subscription on any day: the
// row of the customer is locked before the subscriptions are read. Today is the database's, in UTC.
//
// The error is a *NotFoundError for the customer, an *AlreadySubscribedError, an *InvalidDatesError,
// ErrCustomerInactive or a *RefusedError, in this order, so that a repeated call finds the subscription that the
// first one made, whatever has changed since. In each of these cases nothing was written. An *UnavailableError
// says whether anything was.
func (s *Store) CreateSubscription(ctx context.Context, n NewSubscription) (Subscription, error) {
	var made writtenSubscription
	err := s.writeProven(ctx, func(ctx context.Context, c session) (_ proof, err error) {
		made, err = c.createSubscription(ctx, n)
		args := []any{made.SubscriptionID, made.CustomerID, made.PlanName, made.StartDate}
		return proof{made.TransactionID, subscriptionMade, args}, err
	})
	if err != nil {
		return Subscription{}, fmt.Errorf("subscribe customer %d: %w", n.CustomerID, err)
	}
	return made.subscription(), nil
}

// subscriptionMade is the row of the proof. The subscription may have been cancelled since.
var subscriptionMade = `FROM {streaming_subscription} s WHERE s.id = $2::integer AND s.customer_id = $3::integer
	AND s.plan_name = $4::text AND s.start_date = ` + dateOf(`$5`)

func (c session) createSubscription(ctx context.Context, n NewSubscription) (writtenSubscription, error) {
	active, err := c.lockCustomer(ctx, n.CustomerID)
	if err != nil {
		return writtenSubscription{}, err
	}
	start, end := daysOf(n.StartDate), daysOf(n.EndDate)
	var found []struct {
		subscriptionRow `bun:",extend"`
		Today           int64
	}
	if err := c.query(ctx, "subscription.overlapping", &found, overlappingSQL, n.CustomerID, start, end); err != nil {
		return writtenSubscription{}, fmt.Errorf("read the subscriptions: %w", err)
	}
	if start == nil {
		start = &found[0].Today
	}
	faults := faultsOfDays(found[0].Today, *start, end)
	switch {
	case found[0].SubscriptionID != 0:
		return writtenSubscription{}, &AlreadySubscribedError{found[0].subscription()}
	case faults != nil:
		return writtenSubscription{}, &InvalidDatesError{faults}
	case !active:
		return writtenSubscription{}, ErrCustomerInactive
	}
	var rows []writtenSubscription
	if err := c.query(ctx, "subscription.create", &rows, insertSubscriptionSQL, n.CustomerID, n.PlanName, start, end); err != nil {
		return writtenSubscription{}, fmt.Errorf("insert the subscription: %w", err)
	}
	if len(rows) == 0 {
		return writtenSubscription{}, &RefusedError{errSuppressed}
	}
	return rows[0], nil
}

// faultsOfDays says why a subscription cannot have these days.
func faultsOfDays(today, start int64, end *int64) (faults []QueryFault) {
	const name = time.DateOnly
	switch {
	case start < today:
		faults = append(faults, QueryFault{"start_date", "the date is before today, " + dayOf(today).Format(name)})
	case start > today+maxDaysAhead:
		detail := fmt.Sprintf("the date is more than %d days after today, %s", maxDaysAhead, dayOf(today).Format(name))
		faults = append(faults, QueryFault{"start_date", detail})
	}
	switch {
	case end == nil:
	case *end < start:
		faults = append(faults, QueryFault{"end_date", "the date is before start_date, " + dayOf(start).Format(name)})
	case *end > start+maxDaysToLast:
		detail := fmt.Sprintf("the date is more than %d days after start_date, %s", maxDaysToLast, dayOf(start).Format(name))
		faults = append(faults, QueryFault{"end_date", detail})
	}
	return faults
}

// CancelSubscription ends a subscription of a customer today, or on its first day if it has not begun. The error
// is a *NotFoundError if the customer has no such subscription, an *AlreadyCancelledError or a *RefusedError. In
// each of these cases nothing was written. An *UnavailableError says whether anything was.
func (s *Store) CancelSubscription(ctx context.Context, customerID, id int32) (Subscription, error) {
	var cancelled writtenSubscription
	err := s.writeProven(ctx, func(ctx context.Context, c session) (_ proof, err error) {
		cancelled, err = c.cancelSubscription(ctx, customerID, id)
		return proof{cancelled.TransactionID, subscriptionCancelled, []any{id}}, err
	})
	if err != nil {
		return Subscription{}, fmt.Errorf("cancel subscription %d: %w", id, err)
	}
	return cancelled.subscription(), nil
}

// subscriptionCancelled is the row of the proof.
const subscriptionCancelled = `FROM {streaming_subscription} s WHERE s.id = $2::integer AND s.` + writtenBy1

func (c session) cancelSubscription(ctx context.Context, customerID, id int32) (writtenSubscription, error) {
	var noCustomer *NotFoundError
	if _, err := c.lockCustomer(ctx, customerID); errors.As(err, &noCustomer) {
		return writtenSubscription{}, &NotFoundError{KindSubscription, id}
	} else if err != nil {
		return writtenSubscription{}, err
	}
	var found []struct {
		subscriptionRow `bun:",extend"`
		Ended           bool
	}
	if err := c.query(ctx, "subscription.lock", &found, lockSubscriptionSQL, id, customerID); err != nil {
		return writtenSubscription{}, fmt.Errorf("lock the subscription: %w", err)
	}
	if len(found) == 0 {
		return writtenSubscription{}, &NotFoundError{KindSubscription, id}
	}
	if found[0].Ended {
		return writtenSubscription{}, &AlreadyCancelledError{found[0].subscription()}
	}
	var rows []writtenSubscription
	if err := c.query(ctx, "subscription.cancel", &rows, cancelSQL, id); err != nil {
		return writtenSubscription{}, fmt.Errorf("update the subscription: %w", err)
	}
	if len(rows) == 0 {
		return writtenSubscription{}, &RefusedError{errSuppressed}
	}
	return rows[0], nil
}

// Subscription returns a subscription of a customer by its id. The error is a *NotFoundError if the customer has
// no such subscription.
func (s *Store) Subscription(ctx context.Context, customerID, id int32) (Subscription, error) {
	var found []subscriptionRow
	if err := s.read(ctx, "subscription", &found, readSubscriptionSQL, id, customerID); err != nil {
		return Subscription{}, fmt.Errorf("read subscription %d: %w", id, err)
	}
	if len(found) == 0 {
		return Subscription{}, &NotFoundError{KindSubscription, id}
	}
	return found[0].subscription(), nil
}

// CustomerSubscriptions returns a customer's subscriptions, at most 1000, the latest start first. The ids begin at
// 1. Rows with other ids are left out. The error is a *NotFoundError if there is no such customer.
func (s *Store) CustomerSubscriptions(ctx context.Context, customerID int32) ([]Subscription, error) {
	var rows []subscriptionRow
	if err := s.read(ctx, "subscriptions", &rows, subscriptionsSQL, customerID); err != nil {
		return nil, fmt.Errorf("read the subscriptions of customer %d: %w", customerID, err)
	}
	if len(rows) == 0 {
		return nil, &NotFoundError{KindCustomer, customerID}
	}
	subscriptions := make([]Subscription, 0, len(rows))
	for _, row := range rows {
		if row.SubscriptionID != 0 { // with 0, the customer has none
			subscriptions = append(subscriptions, row.subscription())
		}
	}
	return subscriptions, nil
}
