package store

import (
	"cmp"
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
	try := c.rentAnyCopy
	if n.InventoryID != 0 {
		try = c.rentCopy
	}
	for {
		if made, err = try(ctx, n); !errors.Is(err, errReturned) {
			return made, err
		}
	}
}

// rentCopy rents a copy in one round trip: it inserts the rental before it knows whether the rental is possible. If
// it is not, the transaction is rolled back.
func (c session) rentCopy(ctx context.Context, n NewRental) (writtenRental, error) {
	var (
		found  []parties
		locked []struct{ InventoryID int32 }
		rows   []insertedRental
	)
	done, err := c.pipeline(ctx, "rental.create",
		step{"read the customer", &found, copyPartiesSQL, []any{n.CustomerID, n.StaffID, n.InventoryID}},
		step{"lock the copy", &locked, lockCopySQL, []any{n.InventoryID}},
		n.insert(&rows))
	if done < 1 {
		return writtenRental{}, err
	}
	if len(found) == 0 {
		return writtenRental{}, &NotFoundError{KindCustomer, n.CustomerID}
	}
	if done > 1 && len(locked) == 0 { // it may have been there a moment ago
		found[0].CopyKnown = new(false)
	}
	if err != nil || found[0].unknown(n) != nil {
		return writtenRental{}, c.refusal(ctx, n, found[0], err)
	}
	return c.inserted(ctx, n, found[0], rows[0])
}

// rentAnyCopy rents the first copy of a film that is free. If other transactions have locked all free copies, it
// waits for one of them. It tries again only if that copy was rented out meanwhile.
func (c session) rentAnyCopy(ctx context.Context, n NewRental) (writtenRental, error) {
	found, err := c.partiesOfFilm(ctx, &n)
	if err != nil {
		return writtenRental{}, err
	}
	for {
		if n.InventoryID == 0 {
			if n.InventoryID, err = c.freeCopy(ctx, n); err != nil {
				return writtenRental{}, err
			}
		}
		var rows []insertedRental
		if _, err := c.pipeline(ctx, "rental.insert", n.insert(&rows)); err != nil {
			return writtenRental{}, err
		}
		made, err := c.inserted(ctx, n, found, rows[0])
		if !errors.Is(err, ErrInventoryNotAvailable) {
			return made, err
		}
		n.InventoryID = 0
	}
}

// partiesOfFilm returns an error if the rental of any copy is not possible. It also locks a free copy that nobody else
// has locked, if there is one, and sets its id.
func (c session) partiesOfFilm(ctx context.Context, n *NewRental) (p parties, err error) {
	var (
		customers []struct{ Active bool }
		found     []parties
		free      []struct{ InventoryID int32 }
	)
	done, err := c.pipeline(ctx, "rental.lock_any_copy",
		step{"lock the customer", &customers, lockCustomerSQL, []any{n.CustomerID}},
		step{"read the film", &found, filmPartiesSQL, []any{n.CustomerID, n.StaffID, n.FilmID, n.StoreID}},
		step{"lock a free copy", &free, freeCopySQL + ` SKIP LOCKED`, []any{n.FilmID, n.StoreID}})
	if done < 2 {
		return p, err
	}
	if len(customers) == 0 {
		return p, &NotFoundError{KindCustomer, n.CustomerID}
	}
	p = found[0]
	p.CustomerActive = customers[0].Active
	if err := c.refusal(ctx, *n, p, err); err != nil {
		return p, err
	}
	if len(free) > 0 {
		n.InventoryID = free[0].InventoryID
	}
	return p, nil
}

// refusal returns the reason why the rental is not possible, or else the error of a later statement. What does not
// exist comes first, all together. A repeated call comes next: it has to find its rental, even if somebody is no longer
// active.
func (c session) refusal(ctx context.Context, n NewRental, p parties, later error) error {
	unknown := p.unknown(n)
	switch {
	case unknown != nil:
		return &UnknownReferenceError{unknown}
	case p.RentedAlready != nil:
		if later != nil {
			c.restart(ctx)
		}
		return c.alreadyRented(ctx, n.CustomerID, *p.RentedAlready)
	default:
		return cmp.Or(p.inactive(), later)
	}
}

// inactive returns an error if one of the parties is not active.
func (p parties) inactive() error {
	switch {
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

// freeCopy locks a free copy, for which it waits, and returns its id.
func (c session) freeCopy(ctx context.Context, n NewRental) (int32, error) {
	var free []struct{ InventoryID int32 }
	if err := c.query(ctx, "rental.await_copy", &free, freeCopySQL, n.FilmID, n.StoreID); err != nil {
		return 0, fmt.Errorf("lock a copy of film %d: %w", n.FilmID, err)
	}
	if len(free) == 0 {
		return 0, ErrFilmNotAvailable
	}
	return free[0].InventoryID, nil
}

// insertedRental is the row of insertRentalSQL. Without a rental, its fields are zero.
type insertedRental struct {
	writtenRental `bun:",extend"`
	CopyOut       bool
	RentedAlready *int32
}

func (n NewRental) insert(rows *[]insertedRental) step {
	return step{"insert the rental", rows, insertRentalSQL, []any{n.CustomerID, n.StaffID, n.InventoryID}}
}

// inserted returns the rental that was inserted, or an error if the rental is not possible. Another request may have
// rented the copy to the same customer since p was read.
func (c session) inserted(ctx context.Context, n NewRental, p parties, row insertedRental) (writtenRental, error) {
	already := cmp.Or(p.RentedAlready, row.RentedAlready)
	if already != nil && row.RentalID == 0 {
		return writtenRental{}, c.alreadyRented(ctx, n.CustomerID, *already)
	}
	switch err := p.inactive(); {
	case err != nil:
		return writtenRental{}, err
	case row.CopyOut:
		return writtenRental{}, ErrInventoryNotAvailable
	case row.RentalID == 0:
		return writtenRental{}, &RefusedError{errSuppressed}
	default:
		return row.writtenRental, nil
	}
}
