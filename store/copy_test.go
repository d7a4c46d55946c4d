package store_test

import (
	"testing"

	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

func TestCopyInStock(t *testing.T) {
	t.Parallel()
	st, err := store.Open(pgtest.New(t), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	seen := map[int32]bool{}
	for range 3 {
		id, err := st.CopyInStock(t.Context())
		if err != nil || id == 0 || seen[id] {
			t.Fatalf("copy %d after %v, %v", id, seen, err)
		}
		seen[id] = true
		if _, err := st.CreateRental(t.Context(), store.NewRental{CustomerID: 1, InventoryID: id, StaffID: 1}); err != nil {
			t.Errorf("copy %d: %v", id, err)
		}
	}
	if _, err := st.DB().ExecContext(t.Context(), "INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id) SELECT now(), inventory_id, 1, 1 FROM inventory ON CONFLICT DO NOTHING"); err != nil {
		t.Fatal(err)
	}
	if id, err := st.CopyInStock(t.Context()); id != 0 || err != nil {
		t.Errorf("with all copies out: %d, %v", id, err)
	}
}
