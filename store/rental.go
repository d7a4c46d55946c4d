package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// Rental is a row of rental, with what its film says of it.
type Rental struct {
	bun.BaseModel `bun:"table:rental,alias:rental"`

	RentalID    int32     `bun:",pk,autoincrement"`
	RentalDate  time.Time `bun:",nullzero"` // zero where RFC 3339 cannot write it
	InventoryID int32
	CustomerID  int32
	StaffID     int32
	ReturnDate  time.Time `bun:",nullzero"` // zero while the copy is out, or where RFC 3339 cannot write it
	FilmID      int32     `bun:",scanonly"`
	DueDate     time.Time `bun:",scanonly"` // the rental date and the film's rental duration; zero where RFC 3339 cannot write it
}

// writable are the times that RFC 3339 can write. PostgreSQL's begin long before and end long after
// these, and have two infinities.
const writable = ` BETWEEN '0001-01-01 00:00:00Z' AND '9999-12-31 23:59:59.999999Z' `

// rentalColumns are Rental's columns, of the table alone. As expressions of the one
// table they serve RETURNING as well as SELECT.
const rentalColumns = `
	rental_id, inventory_id, customer_id, staff_id,
	CASE WHEN rental_date` + writable + `THEN rental_date END AS rental_date,
	CASE WHEN return_date` + writable + `THEN return_date END AS return_date,
	(SELECT i.film_id FROM inventory i WHERE i.inventory_id = rental.inventory_id) AS film_id,
	(
		SELECT due FROM inventory i JOIN film f USING (film_id), LATERAL (
			SELECT CASE WHEN rental.rental_date` + writable + `THEN
				rental.rental_date + make_interval(days => f.rental_duration) END AS due
		) date
		WHERE i.inventory_id = rental.inventory_id AND due` + writable + `
	) AS due_date`

// NewRental is what a rental is made from.
type NewRental struct {
	CustomerID  int32
	InventoryID int32
	StaffID     int32
}

type inventory struct {
	bun.BaseModel `bun:"table:inventory"`

	InventoryID int32 `bun:",pk"`
}

// CreateRental rents a copy to a customer, from the database's now() on.
//
// A copy is rented to one customer at a time. The row of the copy is locked before its rentals
// are read, so a second transaction for the same copy waits for the first, and then sees its
// rental.
//
// The error is a *NotFoundError for the customer, an *UnknownReferenceError for the copy or the
// member of staff, ErrCustomerInactive or ErrInventoryNotAvailable; in each case nothing is
// written.
func (s *Store) CreateRental(ctx context.Context, n NewRental) (Rental, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	rental := Rental{InventoryID: n.InventoryID, CustomerID: n.CustomerID, StaffID: n.StaffID}
	err := s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		active, err := checkParties(ctx, tx, n)
		if err != nil {
			return err
		}
		// NO KEY UPDATE excludes other rentals of the copy, and lets foreign keys to it be checked.
		err = tx.NewSelect().Model(&inventory{}).Column("inventory_id").
			Where("inventory_id = ?", n.InventoryID).For("NO KEY UPDATE").Scan(ctx)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return &UnknownReferenceError{[]Reference{{"inventory", n.InventoryID}}}
		case err != nil:
			return fmt.Errorf("lock copy %d: %w", n.InventoryID, err)
		case !active:
			return ErrCustomerInactive
		}
		// Only now: a statement sees what was committed before it began.
		out, err := tx.NewSelect().Model((*Rental)(nil)).
			Where("inventory_id = ?", n.InventoryID).Where("return_date IS NULL").Exists(ctx)
		if err != nil {
			return fmt.Errorf("read the rentals of copy %d: %w", n.InventoryID, err)
		}
		if out {
			return ErrInventoryNotAvailable
		}
		if _, err = tx.NewInsert().Model(&rental).Value("rental_date", "now()").Returning(rentalColumns).Exec(ctx); err != nil {
			return fmt.Errorf("insert the rental: %w", err)
		}
		return nil
	})
	if err != nil {
		return Rental{}, fmt.Errorf("rent copy %d to customer %d: %w", n.InventoryID, n.CustomerID, classify(err))
	}
	return rental, nil
}

// checkParties says whether the customer is active, or what is missing: the customer himself, or
// all of the references. The row of the customer is locked, so that he stays as he is read.
func checkParties(ctx context.Context, tx bun.Tx, n NewRental) (active bool, err error) {
	var staff, copyKnown bool
	err = tx.NewSelect().
		TableExpr("customer").
		ColumnExpr("active = 1").
		ColumnExpr("EXISTS (SELECT FROM staff WHERE staff_id = ?)", n.StaffID).
		ColumnExpr("EXISTS (SELECT FROM inventory WHERE inventory_id = ?)", n.InventoryID).
		Where("customer_id = ?", n.CustomerID).
		For("SHARE OF customer").
		Scan(ctx, &active, &staff, &copyKnown)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, &NotFoundError{"customer", n.CustomerID}
	case err != nil:
		return false, fmt.Errorf("read customer %d: %w", n.CustomerID, err)
	}
	var unknown []Reference
	if !copyKnown {
		unknown = append(unknown, Reference{"inventory", n.InventoryID})
	}
	if !staff {
		unknown = append(unknown, Reference{"staff", n.StaffID})
	}
	if unknown != nil {
		return false, &UnknownReferenceError{unknown}
	}
	return active, nil
}

// Rental returns the rental with that id if it is the customer's, or a *NotFoundError.
func (s *Store) Rental(ctx context.Context, customerID, id int32) (Rental, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var rental Rental
	err := s.db.NewSelect().Model(&rental).ColumnExpr(rentalColumns).
		Where("rental_id = ?", id).Where("customer_id = ?", customerID).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return Rental{}, &NotFoundError{"rental", id}
	}
	if err != nil {
		return Rental{}, fmt.Errorf("read rental %d: %w", id, classify(err))
	}
	return rental, nil
}
