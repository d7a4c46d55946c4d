package store

import (
	"context"
	"fmt"
)

// copyInStockSQL takes the last copy, because the examples of the documentation rent the first ones.
const copyInStockSQL = `SELECT COALESCE(max(i.inventory_id), 0) AS id FROM {inventory} i
	WHERE NOT EXISTS (SELECT FROM {rental} r WHERE r.inventory_id = i.inventory_id AND r.return_date IS NULL)`

// CopyInStock returns the id of a copy that can be rented now, or 0 if all are out.
func (s *Store) CopyInStock(ctx context.Context) (int32, error) {
	var found []struct{ ID int32 }
	if err := s.read(ctx, &found, copyInStockSQL); err != nil {
		return 0, fmt.Errorf("find a copy in stock: %w", err)
	}
	return found[0].ID, nil
}
