package server_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/server/internal/contract"
	"example.com/pagila-api/store/pgtest"
)

// wantJSON checks that a response equals a JSON document that a query selects.
func (a *testAPI) wantJSON(t *testing.T, path, query string, args ...any) {
	t.Helper()
	var got, want any
	if err := json.Unmarshal(a.get(t, path).want(t, 200).body, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(one[string](t, a, query, args...)), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-database +response):\n%s", path, diff)
	}
}

// The copies of each film, and their number in each store.
func TestListFilmInventory(t *testing.T) {
	t.Parallel()
	a := start(t)
	for film := int32(1); film <= 1000; film += 13 {
		a.wantJSON(t, fmt.Sprintf("/films/%d/inventory", film), `
			SELECT jsonb_build_object('items', COALESCE(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('inventory_id', inventory_id, 'store_id', store_id,
				'in_stock', due IS NULL, 'due_date', to_char(due AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))) ORDER BY inventory_id), '[]'))::text
			FROM (SELECT i.*, (SELECT rental_date + make_interval(days => rental_duration) FROM rental JOIN film USING (film_id)
				WHERE inventory_id = i.inventory_id AND return_date IS NULL) AS due FROM (SELECT * FROM inventory JOIN film USING (film_id)) i
				WHERE film_id = ?) copies`, film)
	}
}
