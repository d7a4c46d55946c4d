package store

import (
	"errors"
	"fmt"
	"strings"
)

// ErrCustomerInactive says that the customer may not rent or subscribe, because one of Pagila's two columns active and
// activebool says that the customer is not active.
var ErrCustomerInactive = errors.New("the customer is not active")

// ErrStaffInactive says that the member of staff may not rent out copies, because the column active is
// false.
var ErrStaffInactive = errors.New("the member of staff is not active")

// ErrInventoryNotAvailable says that the copy is rented out: it has a rental without a return date.
var ErrInventoryNotAvailable = errors.New("the copy is not available")

// ErrFilmNotAvailable says that the store has no copy of the film that is not rented out.
var ErrFilmNotAvailable = errors.New("no copy of the film is available")

// ErrFilmChanged says that the film has changed since the version that the caller knows.
var ErrFilmChanged = errors.New("the film has changed")

// errSuppressed says that a trigger of the database made a statement write nothing.
var errSuppressed = errors.New("a trigger suppressed the row")

// Kind is a kind of row that an error can be about.
type Kind int

// The kinds of rows that callers name by id.
const (
	KindFilm Kind = iota
	KindActor
	KindCustomer
	KindRental
	KindInventory // a copy of a film
	KindStaff
	KindStore
	KindSubscription

	kindCount = int(iota)
)

var kindNames = [kindCount]string{
	KindFilm:         "film",
	KindActor:        "actor",
	KindCustomer:     "customer",
	KindRental:       "rental",
	KindInventory:    "inventory",
	KindStaff:        "staff",
	KindStore:        "store",
	KindSubscription: "subscription",
}

// String returns the name of the table that holds rows of this kind.
func (k Kind) String() string {
	if k < 0 || int(k) >= kindCount {
		return fmt.Sprintf("kind(%d)", int(k))
	}
	return kindNames[k]
}

// NotFoundError says that what the caller asked for does not exist.
type NotFoundError struct {
	Kind Kind
	ID   int32
}

func (e *NotFoundError) Error() string { return fmt.Sprintf("no %s %d", e.Kind, e.ID) }

// Reference names a row that a new row would refer to.
type Reference struct {
	Kind Kind
	ID   int32
}

// UnknownReferenceError says that a new row would refer to rows that do not exist.
type UnknownReferenceError struct {
	References []Reference // at least one
}

func (e *UnknownReferenceError) Error() string {
	var b strings.Builder
	for i, r := range e.References {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "no %s %d", r.Kind, r.ID)
	}
	return b.String()
}

// AlreadyRentedError says that the customer has the copy, or a copy of the film.
type AlreadyRentedError struct{ Rental Rental }

func (e *AlreadyRentedError) Error() string {
	return fmt.Sprintf("customer %d has rented copy %d already (rental %d)", e.Rental.CustomerID, e.Rental.InventoryID, e.Rental.RentalID)
}

// AlreadyReturnedError says that the copy of the rental was returned before.
type AlreadyReturnedError struct{ Rental Rental }

func (e *AlreadyReturnedError) Error() string {
	return fmt.Sprintf("rental %d was returned before", e.Rental.RentalID)
}

// AlreadySubscribedError says that the customer has a subscription on one of the days of a new one.
type AlreadySubscribedError struct{ Subscription Subscription }

func (e *AlreadySubscribedError) Error() string {
	return fmt.Sprintf("customer %d has subscription %d on one of these days", e.Subscription.CustomerID, e.Subscription.SubscriptionID)
}

// AlreadyCancelledError says that a subscription ends today or earlier, or on its first day.
type AlreadyCancelledError struct{ Subscription Subscription }

func (e *AlreadyCancelledError) Error() string {
	return fmt.Sprintf("subscription %d was cancelled or has ended before", e.Subscription.SubscriptionID)
}

// InvalidDatesError says that a subscription cannot have its dates. The fields of the faults are start_date and
// end_date.
type InvalidDatesError struct{ Faults []QueryFault }

func (e *InvalidDatesError) Error() string { return fmt.Sprintf("invalid dates: %+v", e.Faults) }

// InvalidQueryError says that a query contradicts itself, or that its cursor is not one for it.
type InvalidQueryError struct{ Faults []QueryFault }

// QueryFault is one reason why a query is invalid. Field is the field of the query in snake case. The bound of
// a range has the suffix _min or _max.
type QueryFault struct{ Field, Detail string }

func (e *InvalidQueryError) Error() string { return fmt.Sprintf("invalid query: %+v", e.Faults) }

// RefusedError says that a constraint or a trigger of the database refused the row. Pagila has none that
// would, but the database's owner may have added one. Nothing was written.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return "refused by the database: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *RefusedError) Unwrap() error { return e.Err }

// Reason is the reason why the database could not be used.
type Reason int

// The reasons.
const (
	// Away says that the database could not be reached, is shutting down, or has no connection left.
	Away Reason = iota
	// Busy says that the database did not complete the call in time, because others hold what it needs.
	Busy
	// ReadOnly says that the database accepts no writes, because it is a standby.
	ReadOnly
	// NotSetUp says that the database lacks something that the call needs: Pagila, a migration or a
	// privilege. Store.Status names it.
	NotSetUp
)

// Outcome is the outcome of a call that failed.
type Outcome int

// The outcomes.
const (
	// NoWrite is the outcome of a call that only reads.
	NoWrite Outcome = iota
	// NothingWritten says that nothing was written, and that nothing will be.
	NothingWritten
	// Unknown says that the connection was lost while the server committed, or that no synchronous standby has confirmed
	// the commit in time, so the write may have been made.
	Unknown
)

// UnavailableError says that the database could not be used. The same call may succeed later.
type UnavailableError struct {
	Reason  Reason
	Outcome Outcome
	Err     error
}

func (e *UnavailableError) Error() string {
	reason := [...]string{Away: "is away", Busy: "is busy", ReadOnly: "is read-only", NotSetUp: "is not set up"}[e.Reason]
	outcome := [...]string{NoWrite: "", NothingWritten: " (nothing was written)", Unknown: " (it is unknown whether the write was made)"}[e.Outcome]
	return "the database " + reason + outcome + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// reasons has the reason for each meaning that becomes an UnavailableError.
var reasons = map[meaning]Reason{
	conflict:   Busy,
	locked:     Busy,
	slow:       Busy,
	unprepared: Away,
	denied:     Away,
	away:       Away,
	readOnly:   ReadOnly,
	unready:    NotSetUp,
	uncertain:  Away,
}

// translate turns an error of the database into one of this package, by its meaning. It leaves a fault as it
// is, and an error after the caller has left.
func translate(err error, m meaning, o Outcome) error {
	if (m == refused || m == collision) && o != NoWrite {
		return &RefusedError{err}
	}
	if reason, ok := reasons[m]; ok {
		return &UnavailableError{reason, o, err}
	}
	return err
}
