package store_test

import (
	"testing"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

func TestCopyInStock(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s := open(t, url)
	seen := map[int32]bool{}
	for range 3 {
		id, err := s.CopyInStock(t.Context())
		if err != nil || id == 0 || seen[id] {
			t.Fatalf("copy %d after %v, %v", id, seen, err)
		}
		seen[id] = true
		if _, err := s.CreateRental(t.Context(), store.NewRental{CustomerID: 1, InventoryID: id, StaffID: 1}); err != nil {
			t.Errorf("copy %d: %v", id, err)
		}
	}
	pgtest.Exec(t, pgtest.Connect(t, url).Exec, `INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id)
		SELECT now(), inventory_id, 1, 1 FROM inventory ON CONFLICT DO NOTHING`)
	if id, err := s.CopyInStock(t.Context()); id != 0 || err != nil {
		t.Errorf("with all copies out: %d, %v", id, err)
	}
}
