package store

import (
	"context"
	"errors"
	"time"
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

// NewSubscription says who subscribes to which plan, and for which days.
type NewSubscription struct {
	CustomerID int32
	PlanName   string
	StartDate  *time.Time // nil means today
	EndDate    *time.Time // the last day, or nil if it has no end
}

// CreateSubscription subscribes a customer to streaming. A customer has at most one subscription on any day: the
// row of the customer is locked before the subscriptions are read. Today is the database's, in UTC.
//
// The error is a *NotFoundError for the customer, an *InvalidDatesError, ErrCustomerInactive, an
// *AlreadySubscribedError or a *RefusedError. In each of these cases nothing was written. An *UnavailableError
// says whether anything was.
func (s *Store) CreateSubscription(ctx context.Context, n NewSubscription) (Subscription, error) {
	return Subscription{}, errors.New("not implemented")
}

// CancelSubscription ends a subscription of a customer today, or on its first day if it has not begun. The error
// is a *NotFoundError if the customer has no such subscription, an *AlreadyCancelledError or a *RefusedError. In
// each of these cases nothing was written. An *UnavailableError says whether anything was.
func (s *Store) CancelSubscription(ctx context.Context, customerID, id int32) (Subscription, error) {
	return Subscription{}, errors.New("not implemented")
}

// Subscription returns a subscription of a customer by its id. The error is a *NotFoundError if the customer has
// no such subscription.
func (s *Store) Subscription(ctx context.Context, customerID, id int32) (Subscription, error) {
	return Subscription{}, errors.New("not implemented")
}

// CustomerSubscriptions returns a customer's subscriptions, at most 1000, the latest start first. The error is a
// *NotFoundError if there is no such customer.
func (s *Store) CustomerSubscriptions(ctx context.Context, customerID int32) ([]Subscription, error) {
	return nil, errors.New("not implemented")
}
