package store

import (
	"context"
	"fmt"
)

// The last one, because examples in documentation rent the first ones.
const copyInStockSQL = `SELECT COALESCE(MAX(i.inventory_id), 0) FROM inventory i
	WHERE NOT EXISTS (SELECT FROM rental r WHERE r.inventory_id = i.inventory_id AND r.return_date IS NULL)`

// CopyInStock returns the id of a copy that can be rented now, or 0.
func (s *Store) CopyInStock(ctx context.Context) (int32, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var id int32
	if err := s.db.NewRaw(copyInStockSQL).Scan(ctx, &id); err != nil {
		return 0, fmt.Errorf("find a copy in stock: %w", classify(err))
	}
	return id, nil
}
