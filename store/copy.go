package store

import (
	"context"
	"fmt"
	"time"
)

// Copy is a copy of a film: a row of the table inventory.
type Copy struct {
	InventoryID int32
	StoreID     int32
	InStock     bool       // nobody has rented it
	DueDate     *time.Time // as in Rental; nil if the copy is in stock. The latest one if it is rented out several times.
}

// Availability counts the copies of a film in a store.
type Availability struct {
	StoreID int32 `json:"store_id"`
	Copies  int32 `json:"copies"`   // at least 1
	InStock int32 `json:"in_stock"` // those of the copies that nobody has rented
}

// stores is the part of a WITH that finds the stores with copies of any film, whether or not the table store
// has them. Pagila's index on inventory begins with the store, and only PostgreSQL 18 skips from one store to
// the next by itself.
const stores = `RECURSIVE stores (store_id) AS (
		(SELECT store_id FROM {inventory} ORDER BY store_id LIMIT 1)
		UNION ALL
		SELECT (SELECT i.store_id FROM {inventory} i WHERE i.store_id > stores.store_id ORDER BY i.store_id LIMIT 1)
		FROM stores WHERE stores.store_id IS NOT NULL
	)`

// filmCopies are the copies i of the film f. They are looked up in the index, store by store. OFFSET 0 keeps the
// planner from reading the copies of all films instead.
const filmCopies = `stores CROSS JOIN LATERAL (
		SELECT inventory_id, store_id FROM {inventory}
		WHERE store_id = stores.store_id AND film_id = f.film_id AND inventory_id > 0
		OFFSET 0
	) i`

// openRental is a condition for the row r of rental: the copy i is out.
const openRental = `r.inventory_id = i.inventory_id AND r.return_date IS NULL`

// availabilityColumn is the column of the availability of the film f.
const availabilityColumn = `
	COALESCE((
		WITH ` + stores + `
		SELECT jsonb_agg(jsonb_build_object('store_id', store_id, 'copies', copies, 'in_stock', in_stock) ORDER BY store_id)
		FROM (
			SELECT i.store_id, count(*) AS copies,
				count(*) FILTER (WHERE NOT EXISTS (SELECT FROM {rental} r WHERE ` + openRental + `)) AS in_stock
			FROM ` + filmCopies + `
			GROUP BY i.store_id
		) counted
	), '[]') AS availability`

// copiesSQL returns a row without a copy for a film that has none, and no row without such a film.
var copiesSQL = `
WITH ` + stores + `
SELECT i.inventory_id, i.store_id, o.out, o.due_date
FROM {film} f
LEFT JOIN (` + filmCopies + `) ON true
LEFT JOIN LATERAL (
	SELECT count(*) > 0 AS out, max(` + dueDate + `) AS due_date FROM {rental} r WHERE ` + openRental + `
) o ON true
WHERE f.film_id = $1::integer
ORDER BY i.inventory_id LIMIT 1000`

// Copies returns the first thousand copies of a film, by their ids. The error is a *NotFoundError if there is
// no such film. The ids of copies begin at 1. Rows with other ids are left out.
func (s *Store) Copies(ctx context.Context, filmID int32) ([]Copy, error) {
	var rows []struct {
		InventoryID int32
		StoreID     int32
		Out         bool
		DueDate     *int64
	}
	if err := s.read(ctx, "film.copies", &rows, copiesSQL, filmID); err != nil {
		return nil, fmt.Errorf("read the copies of film %d: %w", filmID, err)
	}
	if len(rows) == 0 {
		return nil, &NotFoundError{KindFilm, filmID}
	}
	copies := make([]Copy, 0, len(rows))
	for _, row := range rows {
		if row.InventoryID == 0 { // the film has no copies
			continue
		}
		c := Copy{InventoryID: row.InventoryID, StoreID: row.StoreID, InStock: !row.Out}
		if row.DueDate != nil {
			c.DueDate = new(time.UnixMicro(*row.DueDate).UTC())
		}
		copies = append(copies, c)
	}
	return copies, nil
}

// copyInStockSQL takes the last copy, because the examples of the documentation rent the first ones.
const copyInStockSQL = `SELECT COALESCE(max(i.inventory_id), 0) AS id FROM {inventory} i
	WHERE NOT EXISTS (SELECT FROM {rental} r WHERE ` + openRental + `)`

// CopyInStock returns the id of a copy that can be rented now, or 0 if all are out.
func (s *Store) CopyInStock(ctx context.Context) (int32, error) {
	var found []struct{ ID int32 }
	if err := s.read(ctx, "copy.in_stock", &found, copyInStockSQL); err != nil {
		return 0, fmt.Errorf("find a copy in stock: %w", err)
	}
	return found[0].ID, nil
}
