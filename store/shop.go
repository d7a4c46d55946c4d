package store

import (
	"context"
	"fmt"
)

// Shop is a row of the table store with its address. NULL becomes the zero value.
type Shop struct {
	StoreID  int32
	Address  string
	District string
	City     string
	Country  string
}

const shopsSQL = `
SELECT s.store_id, a.address, a.district, c.city, co.country
FROM {store} s
LEFT JOIN {address} a USING (address_id)
LEFT JOIN {city} c USING (city_id)
LEFT JOIN {country} co USING (country_id)
WHERE s.store_id > 0
ORDER BY s.store_id LIMIT 1000`

// Shops returns the first thousand stores, by their ids. The ids begin at 1. Rows with other ids are left out.
func (s *Store) Shops(ctx context.Context) ([]Shop, error) {
	shops := []Shop{}
	if err := s.read(ctx, "stores", &shops, shopsSQL); err != nil {
		return nil, fmt.Errorf("read the stores: %w", err)
	}
	return shops, nil
}
