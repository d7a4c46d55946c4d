package store

import (
	"context"
	"errors"
	"fmt"
)

// NewRental says who rents which copy from whom. Without an InventoryID, the copy is one of the film FilmID that
// is in stock in the store StoreID.
type NewRental struct {
	CustomerID  int32
	InventoryID int32
	FilmID      int32
	StoreID     int32
	StaffID     int32
}

// rentedAlready is the id of the last rental of a copy that the customer $1 has out, or NULL. The ids of rentals
// begin at 1.
const rentedAlready = `(SELECT r.rental_id FROM {rental} r WHERE r.customer_id = $1::integer AND r.return_date IS NULL
	AND r.rental_id > 0 AND r.inventory_id = `

const latest = ` ORDER BY r.rental_date DESC, r.rental_id DESC LIMIT 1)`

// parties are what decides whether a rental is possible. What the rental does not name is nil.
type parties struct {
	CustomerActive                   bool
	StaffActive                      *bool // nil if there is no such member of staff
	CopyKnown, FilmKnown, StoreKnown *bool
	RentedAlready                    *int32
}

const staffActive = `(SELECT COALESCE(s.active, true) FROM {staff} s WHERE s.staff_id = $2::integer) AS staff_active`

// copyPartiesSQL locks the customer's row, so that the customer stays active until the commit.
const copyPartiesSQL = `
SELECT ` + customerActive + ` AS customer_active, ` + staffActive + `,
	EXISTS (SELECT FROM {inventory} i WHERE i.inventory_id = $3::integer) AS copy_known,
	` + rentedAlready + `$3::integer` + latest + ` AS rented_already
FROM {customer} c WHERE c.customer_id = $1::integer
FOR SHARE OF c`

// filmPartiesSQL is executed after lockCustomerSQL, because a statement sees only what was committed before it
// began.
const filmPartiesSQL = `
SELECT ` + staffActive + `,
	EXISTS (SELECT FROM {film} f WHERE f.film_id = $3::integer) AS film_known,
	EXISTS (SELECT FROM {store} s WHERE s.store_id = $4::integer) AS store_known,
	` + rentedAlready + `ANY (ARRAY(
		SELECT i.inventory_id FROM {inventory} i
		WHERE i.film_id = $3::integer AND i.store_id = ANY (ARRAY(SELECT store_id FROM {store})
	)))` + latest + ` AS rented_already`

// lockCopySQL excludes other rentals of the copy, but allows checks of foreign keys to it.
const lockCopySQL = `SELECT inventory_id FROM {inventory} WHERE inventory_id = $1::integer FOR NO KEY UPDATE`

// freeCopySQL locks a copy of a film that seems to be free, as lockCopySQL does.
const freeCopySQL = `
SELECT i.inventory_id FROM {inventory} i
WHERE i.film_id = $1::integer AND i.store_id = $2::integer AND i.inventory_id > 0
	AND NOT EXISTS (SELECT FROM {rental} r WHERE ` + openRental + `)
ORDER BY i.inventory_id LIMIT 1
FOR NO KEY UPDATE OF i`

// insertRentalSQL inserts nothing if the copy is rented out. It is a statement of its own after the copy was
// locked, because a statement sees only what was committed before it began.
//
// The rental begins after everything that the statement sees. With now(), which is the beginning of the
// transaction, it could begin before the copy was returned.
var insertRentalSQL = `
WITH found AS (
	SELECT EXISTS (SELECT FROM {rental} WHERE inventory_id = $3::integer AND return_date IS NULL) AS copy_out,
		` + rentedAlready + `$3::integer` + latest + ` AS rented_already
), r AS (
	INSERT INTO {rental} (rental_date, inventory_id, customer_id, staff_id)
	SELECT clock_timestamp(), $3::integer, $1::integer, $2::integer FROM found WHERE NOT copy_out
	RETURNING rental_id, rental_date, inventory_id, customer_id, staff_id, return_date
)
SELECT found.copy_out, found.rented_already, txid_current() AS transaction_id,` + rentalColumns + `
FROM found LEFT JOIN (r` + rentalJoins + `) ON true`

// writtenRental is a rental that a transaction has written.
type writtenRental struct {
	rentalRow     `bun:",extend"`
	TransactionID int64
}

// CreateRental rents a copy to a customer. The rental begins when it is written, by the database's clock.
//
// A copy is rented to one customer at a time. CreateRental locks the row of the copy before it reads the copy's
// rentals, so a second transaction for the same copy sees the first one's rental. If the rental names a film,
// CreateRental locks the row of the customer before that, so that the customer gets one copy however often the
// call is repeated.
//
// The error is a *NotFoundError for the customer, an *UnknownReferenceError for what else the rental names, an
// *AlreadyRentedError, ErrCustomerInactive, ErrStaffInactive, ErrInventoryNotAvailable, ErrFilmNotAvailable or a
// *RefusedError. In each of these cases nothing was written. An *UnavailableError says whether anything was.
func (s *Store) CreateRental(ctx context.Context, n NewRental) (Rental, error) {
	var made writtenRental
	err := s.writeProven(ctx, func(ctx context.Context, c session) (_ proof, err error) {
		made, err = c.createRental(ctx, n)
		written := []any{made.RentalID, made.InventoryID, made.CustomerID, made.RentalDate}
		return proof{made.TransactionID, rentalMade, written}, err
	})
	if err != nil {
		return Rental{}, fmt.Errorf("rent to customer %d: %w", n.CustomerID, err)
	}
	return made.rental(), nil
}

// rentalMade is the row of the proof.
var rentalMade = `FROM {rental} r WHERE r.rental_id = $2::integer AND r.inventory_id = $3::integer
	AND r.customer_id = $4::integer AND ` + microseconds("r.rental_date") + ` = $5::bigint`

// createRental tries again as long as the customer's rental of the copy is found and then found to be returned.
func (c session) createRental(ctx context.Context, n NewRental) (made writtenRental, err error) {
	for err = errReturned; errors.Is(err, errReturned) && ctx.Err() == nil; {
		made, err = c.tryRental(ctx, n)
	}
	return made, err
}

func (c session) tryRental(ctx context.Context, n NewRental) (writtenRental, error) {
	var (
		found parties
		err   error
	)
	if n.InventoryID != 0 {
		found, err = c.partiesOfCopy(ctx, n)
	} else {
		found, err = c.partiesOfFilm(ctx, n)
	}
	if err != nil {
		return writtenRental{}, err
	}
	if err := c.checkParties(ctx, n, found); err != nil {
		return writtenRental{}, err
	}
	if n.InventoryID == 0 {
		return c.rentAnyCopy(ctx, n)
	}
	return c.rentCopy(ctx, n)
}

func (c session) partiesOfCopy(ctx context.Context, n NewRental) (parties, error) {
	var found []parties
	if err := c.query(ctx, &found, copyPartiesSQL, n.CustomerID, n.StaffID, n.InventoryID); err != nil {
		return parties{}, fmt.Errorf("read customer %d: %w", n.CustomerID, err)
	}
	if len(found) == 0 {
		return parties{}, &NotFoundError{KindCustomer, n.CustomerID}
	}
	return found[0], nil
}

func (c session) partiesOfFilm(ctx context.Context, n NewRental) (parties, error) {
	active, err := c.lockCustomer(ctx, n.CustomerID)
	if err != nil {
		return parties{}, err
	}
	var found []parties
	if err := c.query(ctx, &found, filmPartiesSQL, n.CustomerID, n.StaffID, n.FilmID, n.StoreID); err != nil {
		return parties{}, fmt.Errorf("read film %d: %w", n.FilmID, err)
	}
	found[0].CustomerActive = active
	return found[0], nil
}

// checkParties returns an error if the rental is not possible. What does not exist comes first, all together. A
// repeated call comes next: it has to find its rental, even if somebody is no longer active.
func (c session) checkParties(ctx context.Context, n NewRental, p parties) error {
	unknown := p.unknown(n)
	switch {
	case unknown != nil:
		return &UnknownReferenceError{unknown}
	case p.RentedAlready != nil:
		return c.alreadyRented(ctx, n.CustomerID, *p.RentedAlready)
	case !p.CustomerActive:
		return ErrCustomerInactive
	case !*p.StaffActive:
		return ErrStaffInactive
	default:
		return nil
	}
}

// unknown returns what the rental names and does not exist.
func (p parties) unknown(n NewRental) []Reference {
	var unknown []Reference
	for _, reference := range []struct {
		known *bool
		Reference
	}{
		{p.CopyKnown, Reference{KindInventory, n.InventoryID}},
		{p.FilmKnown, Reference{KindFilm, n.FilmID}},
		{p.StoreKnown, Reference{KindStore, n.StoreID}},
	} {
		if reference.known != nil && !*reference.known {
			unknown = append(unknown, reference.Reference)
		}
	}
	if p.StaffActive == nil {
		unknown = append(unknown, Reference{KindStaff, n.StaffID})
	}
	return unknown
}

// errReturned says that another transaction has ended or deleted a rental since it was found.
var errReturned = errors.New("the rental has just ended")

// alreadyRented returns an *AlreadyRentedError with the rental, or errReturned.
func (c session) alreadyRented(ctx context.Context, customerID, id int32) error {
	rental, err := c.rental(ctx, customerID, id)
	var gone *NotFoundError
	switch {
	case errors.As(err, &gone), err == nil && rental.ReturnDate != nil:
		return errReturned
	case err != nil:
		return err
	}
	return &AlreadyRentedError{rental}
}

func (c session) rentCopy(ctx context.Context, n NewRental) (writtenRental, error) {
	var locked []struct{ InventoryID int32 }
	if err := c.query(ctx, &locked, lockCopySQL, n.InventoryID); err != nil {
		return writtenRental{}, fmt.Errorf("lock copy %d: %w", n.InventoryID, err)
	}
	if len(locked) == 0 { // the copy was deleted a moment ago
		return writtenRental{}, &UnknownReferenceError{[]Reference{{KindInventory, n.InventoryID}}}
	}
	return c.insertRental(ctx, n)
}

// rentAnyCopy rents the first copy that is free. If other transactions have locked all free copies, it waits for one
// of them. It tries again only if that copy was rented out meanwhile.
func (c session) rentAnyCopy(ctx context.Context, n NewRental) (writtenRental, error) {
	for {
		var err error
		for _, lock := range []string{freeCopySQL + ` SKIP LOCKED`, freeCopySQL} {
			if n.InventoryID, err = c.freeCopy(ctx, lock, n); n.InventoryID != 0 || err != nil {
				break
			}
		}
		if err != nil {
			return writtenRental{}, err
		}
		if n.InventoryID == 0 {
			return writtenRental{}, ErrFilmNotAvailable
		}
		made, err := c.insertRental(ctx, n)
		if !errors.Is(err, ErrInventoryNotAvailable) {
			return made, err
		}
	}
}

// freeCopy locks a free copy and returns its id, or 0 if there is none.
func (c session) freeCopy(ctx context.Context, statement string, n NewRental) (int32, error) {
	var copies []struct{ InventoryID int32 }
	if err := c.query(ctx, &copies, statement, n.FilmID, n.StoreID); err != nil {
		return 0, fmt.Errorf("lock a copy of film %d: %w", n.FilmID, err)
	}
	if len(copies) == 0 {
		return 0, nil
	}
	return copies[0].InventoryID, nil
}

func (c session) insertRental(ctx context.Context, n NewRental) (writtenRental, error) {
	var rows []struct {
		writtenRental `bun:",extend"`
		CopyOut       bool
		RentedAlready *int32
	}
	if err := c.query(ctx, &rows, insertRentalSQL, n.CustomerID, n.StaffID, n.InventoryID); err != nil {
		return writtenRental{}, fmt.Errorf("insert the rental: %w", err)
	}
	switch row := rows[0]; {
	case row.RentedAlready != nil: // by a request at the same time
		return writtenRental{}, c.alreadyRented(ctx, n.CustomerID, *row.RentedAlready)
	case row.CopyOut:
		return writtenRental{}, ErrInventoryNotAvailable
	case row.RentalID == 0:
		return writtenRental{}, &RefusedError{errSuppressed}
	default:
		return row.writtenRental, nil
	}
}
