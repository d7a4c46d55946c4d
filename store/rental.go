package store

import (
	"context"
	"fmt"
	"time"
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
	// the rental duration overdue. It is unknown if the replacement cost is.
	LateFee string
}

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
	StoreID     int32
	Title       string
	DaysOverdue int64
	LateFee     string
}

func (r *rentalRow) rental() Rental {
	rental := Rental{
		RentalID: r.RentalID, InventoryID: r.InventoryID, CustomerID: r.CustomerID, StaffID: r.StaffID, FilmID: r.FilmID,
		RentalDate: time.UnixMicro(r.RentalDate).UTC(), DueDate: time.UnixMicro(r.DueDate).UTC(),
		StoreID: r.StoreID, Title: r.Title, DaysOverdue: r.DaysOverdue, LateFee: r.LateFee,
	}
	if r.ReturnDate != nil {
		rental.ReturnDate = new(time.UnixMicro(*r.ReturnDate).UTC())
	}
	return rental
}

// shown returns an SQL expression that bounds a timestamptz to the years that RFC 3339 can represent.
func shown(expression string) string {
	return `LEAST(GREATEST(` + expression + `, '0001-01-01 00:00:00+00'), '9999-12-31 23:59:59.999999+00')`
}

// microseconds returns an SQL expression that converts a timestamptz for rentalRow, as it is shown.
func microseconds(expression string) string {
	return `(extract(epoch FROM ` + shown(expression) + `) * 1000000)::bigint`
}

// dueTime is the due date of the row r of rental, for the row f of film. Days are counted in UTC, because the
// session's time zone may have days of 23 hours.
var dueTime = `(` + shown(`r.rental_date`) + ` AT TIME ZONE 'UTC'
		+ make_interval(days => f.rental_duration)) AT TIME ZONE 'UTC'`

// dueDate converts dueTime.
var dueDate = microseconds(dueTime)

// returnTime is the date of return of the row r of rental, as it is shown. It is NULL for an open rental.
var returnTime = `CASE WHEN r.return_date IS NOT NULL THEN ` + shown(`r.return_date`) + ` END`

// returnDate converts returnTime.
var returnDate = `CASE WHEN r.return_date IS NOT NULL THEN ` + microseconds("r.return_date") + ` END`

// overdue is how many microseconds after its due date the copy of the rental r was returned, or is out now. It is
// 0 for a rental that is not overdue.
var overdue = `GREATEST(` + microseconds("COALESCE(r.return_date, now())") + ` - ` + dueDate + `, 0)`

// aDay are the microseconds of a day.
const aDay = `86400000000`

var daysOverdue = overdue + ` / ` + aDay

// lateFee follows the comment in Pagila's function get_customer_balance. The function itself does not.
var lateFee = amount(`(` + daysOverdue + `)::numeric
	+ CASE WHEN ` + overdue + ` > GREATEST(2 * f.rental_duration::bigint * ` + aDay + `, 0)
		THEN f.replacement_cost ELSE 0 END`)

// rentalColumns are the columns of rentalRow, for the row r of rental.
var rentalColumns = `
	r.rental_id, ` + microseconds("r.rental_date") + ` AS rental_date, r.inventory_id, r.customer_id, r.staff_id,
	` + returnDate + ` AS return_date,
	i.film_id, ` + dueDate + ` AS due_date, i.store_id, f.title,
	` + daysOverdue + ` AS days_overdue, ` + lateFee + ` AS late_fee`

const rentalJoins = ` JOIN {inventory} i USING (inventory_id) JOIN {film} f USING (film_id)`

var readRentalSQL = `SELECT` + rentalColumns + ` FROM {rental} r` + rentalJoins + `
WHERE r.rental_id = $1::integer AND r.customer_id = $2::integer`

// Rental returns a customer's rental by its id. The error is a *NotFoundError if the customer has no such
// rental.
func (s *Store) Rental(ctx context.Context, customerID, id int32) (Rental, error) {
	var rental Rental
	err := s.call(ctx, s.reads, NoWrite, func(ctx context.Context, c session) (err error) {
		rental, err = c.rental(ctx, customerID, id)
		return err
	})
	return rental, err
}

func (c session) rental(ctx context.Context, customerID, id int32) (Rental, error) {
	var rows []rentalRow
	if err := c.query(ctx, "rental", &rows, readRentalSQL, id, customerID); err != nil {
		return Rental{}, fmt.Errorf("read rental %d: %w", id, err)
	}
	if len(rows) == 0 {
		return Rental{}, &NotFoundError{KindRental, id}
	}
	return rows[0].rental(), nil
}
