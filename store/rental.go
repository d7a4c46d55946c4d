package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shopspring/decimal"
)

// Rental is a row of the table rental with details of its film. Times are in UTC, to the microsecond. A time
// outside the years 1 to 9999, such as infinity, becomes the nearest time within them.
type Rental struct {
	RentalID    int32
	RentalDate  time.Time
	InventoryID int32
	CustomerID  int32
	StaffID     int32
	ReturnDate  *time.Time // nil until the copy is returned
	FilmID      int32
	DueDate     time.Time // the rental date plus the film's rental duration, in days of 24 hours
	StoreID     int32     // of the copy
	Title       string    // of the film
	DaysOverdue int64     // whole days after the due date, until the return or until now
	// LateFee is one dollar for each day overdue, and the replacement cost as well if the copy is more than twice
	// the rental duration overdue. It is not valid if the replacement cost is unknown.
	LateFee decimal.NullDecimal
}

// NewRental says who rents which copy from whom. Without an InventoryID, the copy is one of the film FilmID that
// is in stock in the store StoreID.
type NewRental struct {
	CustomerID  int32
	InventoryID int32
	FilmID      int32
	StoreID     int32
	StaffID     int32
}

// settleWait is how long settle looks for the outcome of a commit.
const settleWait = time.Second

// rentalRow is a Rental as it is read from the database. Times are microseconds since 1970, because their
// format does not depend on any setting.
type rentalRow struct {
	RentalID    int32
	RentalDate  int64
	InventoryID int32
	CustomerID  int32
	StaffID     int32
	ReturnDate  *int64
	FilmID      int32
	DueDate     int64
}

func (r rentalRow) rental() Rental {
	rental := Rental{
		RentalID: r.RentalID, InventoryID: r.InventoryID, CustomerID: r.CustomerID, StaffID: r.StaffID, FilmID: r.FilmID,
		RentalDate: time.UnixMicro(r.RentalDate).UTC(), DueDate: time.UnixMicro(r.DueDate).UTC(),
	}
	if r.ReturnDate != nil {
		rental.ReturnDate = new(time.UnixMicro(*r.ReturnDate).UTC())
	}
	return rental
}

// microseconds returns an SQL expression that converts a timestamptz for rentalRow. It bounds the time to the
// years that RFC 3339 can represent.
func microseconds(expression string) string {
	return `(extract(epoch FROM LEAST(GREATEST(` + expression + `,
		'0001-01-01 00:00:00+00'), '9999-12-31 23:59:59.999999+00')) * 1000000)::bigint`
}

// dueDate converts the due date of the row r of rental, for the row f of film. Days are counted in UTC, because
// the session's time zone may have days of 23 hours.
var dueDate = microseconds(`(LEAST(GREATEST(r.rental_date, '0001-01-01 00:00:00+00'), '9999-12-31 23:59:59.999999+00')
		AT TIME ZONE 'UTC' + make_interval(days => f.rental_duration)) AT TIME ZONE 'UTC'`)

// rentalColumns are the columns of rentalRow, for the row r of rental.
var rentalColumns = `
	r.rental_id, ` + microseconds("r.rental_date") + ` AS rental_date, r.inventory_id, r.customer_id, r.staff_id,
	CASE WHEN r.return_date IS NOT NULL THEN ` + microseconds("r.return_date") + ` END AS return_date,
	i.film_id, ` + dueDate + ` AS due_date`

const rentalJoins = ` JOIN {inventory} i USING (inventory_id) JOIN {film} f USING (film_id)`

// partiesSQL reads what decides whether a rental is possible. A customer is active unless one of the two
// columns says otherwise: active may be NULL, and activebool is true for every customer of the original
// Pagila. The query locks the customer's row, so that the customer stays active until the commit.
const partiesSQL = `
SELECT COALESCE(c.active, 1) = 1 AND c.activebool AS customer_active,
	(SELECT s.active FROM {staff} s WHERE s.staff_id = $2::integer) AS staff_active,
	EXISTS (SELECT FROM {inventory} i WHERE i.inventory_id = $3::integer) AS copy_known,
	EXISTS (SELECT FROM {rental} r WHERE r.inventory_id = $3::integer AND r.return_date IS NULL) AS copy_out
FROM {customer} c WHERE c.customer_id = $1::integer
FOR SHARE OF c`

// lockCopySQL excludes other rentals of the copy, but allows checks of foreign keys to it.
const lockCopySQL = `SELECT inventory_id FROM {inventory} WHERE inventory_id = $1::integer FOR NO KEY UPDATE`

// insertRentalSQL inserts nothing if the copy is rented out. It is a statement of its own after lockCopySQL,
// because a statement sees only what was committed before it began.
var insertRentalSQL = `
WITH r AS (
	INSERT INTO {rental} (rental_date, inventory_id, customer_id, staff_id)
	SELECT now(), $1::integer, $2::integer, $3::integer
	WHERE NOT EXISTS (SELECT FROM {rental} WHERE inventory_id = $1::integer AND return_date IS NULL)
	RETURNING rental_id, rental_date, inventory_id, customer_id, staff_id, return_date
)
SELECT txid_current() AS transaction_id,` + rentalColumns + ` FROM r` + rentalJoins

// CreateRental rents a copy to a customer. The rental begins at the database's now().
//
// A copy is rented to one customer at a time. CreateRental locks the row of the copy before it reads the
// copy's rentals, so a second transaction for the same copy sees the first one's rental.
//
// The error is a *NotFoundError for the customer, an *UnknownReferenceError for the copy or the member of
// staff, ErrCustomerInactive, ErrStaffInactive, ErrInventoryNotAvailable or a *RefusedError. In each of these
// cases nothing was written. An *UnavailableError says whether anything was.
func (s *Store) CreateRental(ctx context.Context, n NewRental) (Rental, error) {
	var made createdRow
	err := s.write(ctx, func(ctx context.Context, c session) error {
		var err error
		made, err = createRental(ctx, c, n)
		return err
	})
	var unavailable *UnavailableError
	if errors.As(err, &unavailable) && unavailable.Outcome == Unknown {
		err = s.settle(ctx, made, unavailable)
	}
	if err != nil {
		return Rental{}, fmt.Errorf("rent copy %d to customer %d: %w", n.InventoryID, n.CustomerID, err)
	}
	return made.rental(), nil
}

type createdRow struct {
	rentalRow     `bun:",extend"`
	TransactionID int64
}

func createRental(ctx context.Context, c session, n NewRental) (createdRow, error) {
	if err := checkParties(ctx, c, n); err != nil {
		return createdRow{}, err
	}
	var locked []struct{ InventoryID int32 }
	if err := c.query(ctx, &locked, lockCopySQL, n.InventoryID); err != nil {
		return createdRow{}, fmt.Errorf("lock copy %d: %w", n.InventoryID, err)
	}
	if len(locked) == 0 { // the copy was deleted a moment ago
		return createdRow{}, &UnknownReferenceError{[]Reference{{KindInventory, n.InventoryID}}}
	}
	var made []createdRow
	if err := c.query(ctx, &made, insertRentalSQL, n.InventoryID, n.CustomerID, n.StaffID); err != nil {
		return createdRow{}, fmt.Errorf("insert the rental: %w", err)
	}
	if len(made) == 0 {
		return createdRow{}, ErrInventoryNotAvailable
	}
	return made[0], nil
}

// checkParties returns an error if the rental is not possible. Rows that do not exist come first: the
// customer, then all references together.
func checkParties(ctx context.Context, c session, n NewRental) error {
	var found []struct {
		CustomerActive, CopyKnown, CopyOut bool
		StaffActive                        *bool
	}
	if err := c.query(ctx, &found, partiesSQL, n.CustomerID, n.StaffID, n.InventoryID); err != nil {
		return fmt.Errorf("read customer %d: %w", n.CustomerID, err)
	}
	if len(found) == 0 {
		return &NotFoundError{KindCustomer, n.CustomerID}
	}
	parties := found[0]
	var unknown []Reference
	if !parties.CopyKnown {
		unknown = append(unknown, Reference{KindInventory, n.InventoryID})
	}
	if parties.StaffActive == nil {
		unknown = append(unknown, Reference{KindStaff, n.StaffID})
	}
	switch {
	case unknown != nil:
		return &UnknownReferenceError{unknown}
	case !parties.CustomerActive:
		return ErrCustomerInactive
	case !*parties.StaffActive:
		return ErrStaffInactive
	case parties.CopyOut:
		return ErrInventoryNotAvailable
	default:
		return nil
	}
}

var rentalMadeSQL = `
SELECT EXISTS (SELECT FROM {rental} r WHERE r.rental_id = $1::integer AND r.inventory_id = $2::integer
		AND r.customer_id = $3::integer AND ` + microseconds("r.rental_date") + ` = $4::bigint) AS made,
	COALESCE(txid_status($5::bigint), '') AS status`

// settle finds the outcome of a rental whose commit was not confirmed. Only the row itself proves that the
// rental was made: after a failover, the transaction's id may belong to another transaction. The error is nil
// if the rental was made, and otherwise unavailable with the outcome.
func (s *Store) settle(ctx context.Context, made createdRow, unavailable *UnavailableError) error {
	outcome := *unavailable
	ctx, cancel := context.WithTimeout(ctx, settleWait)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		var found []struct {
			Made   bool
			Status string
		}
		err := s.read(ctx, &found, rentalMadeSQL, made.RentalID, made.InventoryID, made.CustomerID, made.RentalDate, made.TransactionID)
		switch {
		case err == nil && found[0].Made:
			return nil
		case err == nil && found[0].Status == "aborted":
			outcome.Outcome = NothingWritten
			return &outcome
		}
		if !sleep(ctx, pause) {
			return &outcome
		}
	}
}

// Rental returns a customer's rental by its id. The error is a *NotFoundError if the customer has no such
// rental.
func (s *Store) Rental(ctx context.Context, customerID, id int32) (Rental, error) {
	var rows []rentalRow
	if err := s.read(ctx, &rows, readRentalSQL, id, customerID); err != nil {
		return Rental{}, fmt.Errorf("read rental %d: %w", id, err)
	}
	if len(rows) == 0 {
		return Rental{}, &NotFoundError{KindRental, id}
	}
	return rows[0].rental(), nil
}

var readRentalSQL = `SELECT` + rentalColumns + ` FROM {rental} r` + rentalJoins + `
WHERE r.rental_id = $1::integer AND r.customer_id = $2::integer`
