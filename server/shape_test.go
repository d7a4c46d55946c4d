package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/server/internal/contract"
)

// anotherShape makes a chain of 500 stores with 1,500 members of staff of the dataset. Its films are of 19 years, in
// several languages and several categories. Whatever the schema allows to be NULL is NULL in some rows, and in all of
// the first customer's.
const anotherShape = `
INSERT INTO staff (staff_id, first_name, last_name, address_id, store_id, active, username)
	SELECT n, 'STAFF', n::text, 1, 1, n % 10 > 0, 'staff' || n FROM generate_series((SELECT max(staff_id) + 1 FROM staff), 1500) n;
INSERT INTO store (store_id, manager_staff_id, address_id)
	SELECT n, 500 + n, (SELECT min(address_id) FROM address) FROM generate_series((SELECT max(store_id) + 1 FROM store), 500) n;
INSERT INTO category (name) SELECT 'Category ' || n FROM generate_series(1, 100) n;
INSERT INTO film_category (film_id, category_id)
	SELECT film_id, category_id FROM film JOIN category ON (film_id + category_id) % 12 = 0 ON CONFLICT DO NOTHING;
UPDATE film SET release_year = 1990 + film_id % 19, language_id = 1 + film_id % 6, original_language_id = NULL;
UPDATE film SET description = NULL WHERE film_id % 7 = 0;
UPDATE film SET release_year = NULL, original_language_id = 1 WHERE film_id % 11 = 0;
UPDATE film SET length = NULL WHERE film_id % 13 = 0;
UPDATE film SET rating = NULL WHERE film_id % 17 = 0;
UPDATE film SET special_features = NULL, streaming_available = film_id % 2 = 0 WHERE film_id % 19 = 0;
INSERT INTO inventory (film_id, store_id) SELECT film_id, 1 + (film_id * 7 + n * 131) % 500 FROM film, generate_series(1, 6) n;
UPDATE address SET address2 = NULL, postal_code = NULL WHERE address_id % 2 = 1 OR address_id = (SELECT address_id FROM customer WHERE customer_id = 1);
UPDATE customer SET store_id = 1 + customer_id * 37 % 500, last_update = NULL;
UPDATE customer SET email = NULL WHERE customer_id % 3 = 1;
UPDATE customer SET active = NULL WHERE customer_id % 4 = 1;
UPDATE staff SET email = NULL, password = NULL, picture = NULL, store_id = 1 + staff_id % 500;
INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id)
	SELECT now() - make_interval(hours => n), inventory_id, 1 + n % 20, 1 + n % 1500 FROM (
		SELECT inventory_id, row_number() OVER (ORDER BY inventory_id DESC)::integer AS n FROM inventory
		WHERE inventory_id NOT IN (SELECT inventory_id FROM rental WHERE return_date IS NULL)) free
	WHERE n <= 3000;
INSERT INTO streaming_subscription (customer_id, plan_name, start_date, end_date)
	SELECT customer_id, 'basic', '2020-01-01', CASE WHEN customer_id % 2 = 0 THEN date '2020-12-31' END FROM customer WHERE customer_id > 1`

// Nothing depends on the number of stores, years or languages, or on values that may be unknown. The server under test
// checks each response against the contract.
func TestDatabaseOfAnotherShape(t *testing.T) {
	t.Parallel()
	a := start(t, withDocumentedCredentials)
	a.insertExampleRows(t)
	a.exec(t, anotherShape)
	a.exec(t, `ANALYZE`)
	t.Run("lists", func(t *testing.T) {
		for _, list := range exampleRequests(t, isList) {
			for _, p := range list.Parameters() {
				if p.Name != "sort" {
					continue
				}
				for _, order := range p.Schema.Value.Enum {
					t.Run(list.ID+" "+fmt.Sprint(order), func(t *testing.T) {
						t.Parallel()
						a.walkPages(t, list, order.(string))
					})
				}
			}
		}
	})
	for film := int32(1); film <= 60; film++ {
		got := decode[gen.FilmDetail](t, a.get(t, fmt.Sprintf("/films/%d", film)).want(t, 200))
		if stores := one[int](t, a, `SELECT count(DISTINCT store_id) FROM inventory WHERE film_id = ?`, film); len(got.Availability) != stores {
			t.Errorf("film %d is in %d stores, want %d", film, len(got.Availability), stores)
		}
		if categories := one[int](t, a, `SELECT count(*) FROM film_category WHERE film_id = ?`, film); len(got.Categories) != categories || categories < 3 {
			t.Errorf("film %d has %d categories, want %d", film, len(got.Categories), categories)
		}
		a.get(t, fmt.Sprintf("/films/%d/inventory", film)).want(t, 200)
	}
	for customer := 1; customer <= 40; customer++ {
		for _, path := range []string{"", "/rentals", "/payments", "/subscriptions"} {
			a.get(t, fmt.Sprintf("/customers/%d%s", customer, path), "Authorization", "Bearer "+documented.Token).want(t, 200)
		}
	}
	if stores := decode[gen.StoreList](t, a.get(t, "/stores").want(t, 200)); len(stores.Items) != 500 {
		t.Errorf("%d stores", len(stores.Items))
	}
	t.Run("writes", a.visitAStore)
	for _, r := range exampleRequests(t, func(op *contract.Operation) bool { return op.ID != "createSubscription" && op.ID != "createRental" }) {
		if got := r.asRead(t, a).send(t, a); got.status/100 != 2 && got.status != http.StatusUnprocessableEntity && got.status != http.StatusConflict {
			t.Errorf("%s: %d %s", r.ID, got.status, got.body)
		}
	}
}

// walkPages reads the first pages of a list in an order by cursor.
func (a *testAPI) walkPages(t *testing.T, list request, order string) {
	t.Helper()
	list.query = map[string][]string{"sort": {order}, "page_size": {"50"}}
	if order == "relevance" {
		list.query.Set("q", "drama")
	}
	for range 10 {
		var page struct {
			Items      []any
			NextCursor string `json:"next_cursor"`
		}
		if err := json.Unmarshal(list.send(t, a).want(t, 200).body, &page); err != nil {
			t.Fatal(err)
		}
		if page.NextCursor == "" {
			return
		}
		if len(page.Items) != 50 {
			t.Errorf("a page before the last one has %d items", len(page.Items))
		}
		list.query.Set("cursor", page.NextCursor)
	}
}

// visitAStore rents, returns and subscribes in a store, with a member of staff of another one.
func (a *testAPI) visitAStore(t *testing.T) {
	t.Helper()
	as := []string{"Authorization", "Bearer " + documented.Token}
	copyID := one[int32](t, a, `SELECT min(inventory_id) FROM inventory WHERE store_id > 400 AND inventory_id NOT IN (SELECT inventory_id FROM rental WHERE return_date IS NULL)`)
	film := one[int32](t, a, `SELECT film_id FROM inventory WHERE inventory_id = ?`, copyID)
	storeID := one[int32](t, a, `SELECT store_id FROM inventory WHERE inventory_id = ?`, copyID)
	body := fmt.Sprintf(`{"film_id": %d, "store_id": %d, "staff_id": 1234}`, film, storeID)
	rental := decode[gen.Rental](t, a.call(t, http.MethodPost, "/customers/201/rentals", body, as...).want(t, 201))
	wantRow(t, a, rental)
	if rental.StoreID != storeID || rental.StaffID != 1234 {
		t.Errorf("the rental is %+v", rental)
	}
	returned := decode[gen.Rental](t, a.call(t, http.MethodPost, fmt.Sprintf("/customers/201/rentals/%d/return", rental.RentalID), "", as...).want(t, 200))
	if diff := cmp.Diff(rental.DueDate, returned.DueDate); diff != "" {
		t.Errorf("the due date has changed: %s", diff)
	}
	a.call(t, http.MethodPost, "/customers/202/rentals", fmt.Sprintf(`{"film_id": %d, "store_id": %d, "staff_id": 1230}`, film, storeID), as...).
		wantProblem(t, 409, "staff_inactive")
	a.call(t, http.MethodPost, "/customers/202/subscriptions", `{"plan_name": "premium"}`, as...).want(t, 201)
}
