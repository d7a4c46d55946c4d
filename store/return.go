package store

import (
	"context"
	"fmt"
)

// returnRentalSQL ends a rental that is open. It waits for another transaction that ends it, and writes nothing
// then. The rental ends after it began. With now(), which is the beginning of the transaction, it could end before.
var returnRentalSQL = `
WITH r AS (
	UPDATE {rental} SET return_date = clock_timestamp()
	WHERE rental_id = $1::integer AND customer_id = $2::integer AND return_date IS NULL
	RETURNING rental_id, rental_date, inventory_id, customer_id, staff_id, return_date
)
SELECT txid_current() AS transaction_id,` + rentalColumns + ` FROM r` + rentalJoins

// ReturnRental ends a rental of a customer now, by the database's clock. The error is a *NotFoundError if the
// customer has no such rental, an *AlreadyReturnedError or a *RefusedError. In each of these cases nothing was
// written. An *UnavailableError says whether anything was.
func (s *Store) ReturnRental(ctx context.Context, customerID, id int32) (Rental, error) {
	var made writtenRental
	err := s.writeProven(ctx, func(ctx context.Context, c session) (_ proof, err error) {
		made, err = c.returnRental(ctx, customerID, id)
		return proof{made.TransactionID, rentalReturned, []any{made.RentalID, made.ReturnDate}}, err
	})
	if err != nil {
		return Rental{}, fmt.Errorf("return rental %d: %w", id, err)
	}
	return made.rental(), nil
}

// rentalReturned is the row of the proof.
var rentalReturned = `FROM {rental} r WHERE r.rental_id = $2::integer AND ` + microseconds("r.return_date") + ` = $3::bigint`

func (c session) returnRental(ctx context.Context, customerID, id int32) (writtenRental, error) {
	var made []writtenRental
	if err := c.query(ctx, "rental.return", &made, returnRentalSQL, id, customerID); err != nil {
		return writtenRental{}, fmt.Errorf("update the rental: %w", err)
	}
	if len(made) > 0 {
		return made[0], nil
	}
	rental, err := c.rental(ctx, customerID, id)
	switch {
	case err != nil:
		return writtenRental{}, err
	case rental.ReturnDate == nil:
		return writtenRental{}, &RefusedError{errSuppressed}
	default:
		return writtenRental{}, &AlreadyReturnedError{rental}
	}
}
