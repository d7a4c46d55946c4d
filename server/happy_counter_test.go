package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/pagila-api/gen"
)

func happyReturnRental(t *testing.T, a *testAPI) {
	rented := decode[gen.Rental](t, a.post(t, "/customers/1/rentals", fmt.Sprintf(`{"inventory_id": %d, "staff_id": 2}`, inStock(t, a))).want(t, 201))
	path := fmt.Sprintf("/customers/1/rentals/%d", rented.RentalID)
	returned := decode[gen.Rental](t, a.post(t, path+"/return", "").want(t, 200))
	wantRow(t, a, returned)
	if returned.ReturnDate == nil || returned.ReturnDate.Before(rented.RentalDate) || returned.DaysOverdue != 0 || *returned.LateFee != "0.00" {
		t.Errorf("the rental is %+v", returned)
	}
	if read := decode[gen.Rental](t, a.fetch(t, path).want(t, 200)); !cmp.Equal(read, returned) {
		t.Errorf("the rental reads as %+v after it was %+v", read, returned)
	}
}

func happyListRentals(t *testing.T, a *testAPI) {
	page := decode[gen.RentalPage](t, a.fetch(t, "/rentals?state=open&store_id=1&sort=rental_id&page=1&page_size=3").want(t, 200))
	where := `store_id = 1 AND return_date IS NULL`
	if diff := cmp.Diff(rowsOf(t, a, where+` AND rental_id <= (SELECT max(rental_id) FROM (SELECT rental_id `+fromRentals+
		` WHERE `+where+` ORDER BY rental_id LIMIT 3) first)`, "rental_id"), page.Items); diff != "" {
		t.Errorf("the page differs (-database +page):\n%s", diff)
	}
	if want := one[int64](t, a, `SELECT count(*) `+fromRentals+` WHERE `+where); *page.Total != want || *page.Page != 1 || page.PageSize != 3 {
		t.Errorf("the total is %d of %d on page %d of %d", *page.Total, want, *page.Page, page.PageSize)
	}
}

func happyListCustomerRentals(t *testing.T, a *testAPI) {
	page := decode[gen.RentalPage](t, a.fetch(t, "/customers/1/rentals?page_size=100").want(t, 200))
	if diff := cmp.Diff(rowsOf(t, a, `customer_id = 1`, `rental_date DESC, rental_id`), page.Items); diff != "" || len(page.Items) == 0 {
		t.Errorf("the page differs (-database +page):\n%s", diff)
	}
}

// customerJSON is the JSON of a customer in SQL.
const customerJSON = `jsonb_build_object('customer_id', customer_id, 'store_id', store_id, 'first_name', first_name, 'last_name', last_name,
	'email', email, 'active', active IS DISTINCT FROM 0 AND activebool)`

func happyListCustomers(t *testing.T, a *testAPI) {
	for query, where := range map[string]string{
		"":                                  `true`,
		"store_id=1&active=true":            `store_id = 1 AND active = 1`,
		"active=false":                      `active = 0`,
		"q=mary+s":                          `first_name || ' ' || last_name ILIKE '%mary s%'`,
		"q=MARY.SMITH%40sakilacustomer.org": `email = 'MARY.SMITH@sakilacustomer.org'`,
	} {
		got := a.fetch(t, "/customers?page_size=5&"+query).want(t, 200)
		want := one[string](t, a, `SELECT json_build_object('page', 1, 'page_size', 5, 'total', (SELECT count(*) FROM customer WHERE `+where+`),
			'items', (SELECT COALESCE(json_agg(item ORDER BY customer_id), '[]') FROM (SELECT customer_id, `+customerJSON+` AS item FROM customer WHERE `+where+`
			ORDER BY customer_id LIMIT 5) first))::text`)
		page := decode[gen.CustomerPage](t, got)
		page.NextCursor = nil
		if wanted := decode[gen.CustomerPage](t, &received{body: []byte(want)}); !cmp.Equal(page, wanted) {
			t.Errorf("%s: the page differs (-database +page):\n%s", query, cmp.Diff(wanted, page))
		}
	}
}

func happyGetCustomer(t *testing.T, a *testAPI) {
	rented := decode[gen.Rental](t, a.post(t, "/customers/1/rentals", fmt.Sprintf(`{"inventory_id": %d, "staff_id": 2}`, inStock(t, a))).want(t, 201))
	// Overdue by two days and a bit.
	a.exec(t, `UPDATE rental SET rental_date = now() - make_interval(days => rental_duration + 2, mins => 5) FROM inventory JOIN film USING (film_id)
		WHERE rental.inventory_id = inventory.inventory_id AND rental_id = ?`, rented.RentalID)
	subscribed := decode[gen.Subscription](t, a.post(t, "/customers/1/subscriptions", `{"plan_name": "basic"}`).want(t, 201))

	got := decode[gen.CustomerDetail](t, a.fetch(t, "/customers/1").want(t, 200))
	want := decode[gen.CustomerDetail](t, &received{body: []byte(one[string](t, a, `SELECT (`+customerJSON+` || jsonb_build_object('address', jsonb_strip_nulls(
		jsonb_build_object('address', address, 'additional_address', NULLIF(address2, ''), 'district', NULLIF(district, ''), 'city', city,
			'postal_code', NULLIF(postal_code, ''), 'country', country, 'phone', NULLIF(phone, ''))), 'open_rentals', '[]'::jsonb, 'overdue', 0))::text
		FROM customer JOIN address USING (address_id) JOIN city USING (city_id) JOIN country USING (country_id) WHERE customer_id = 1`))})
	want.OpenRentals = rowsOf(t, a, `customer_id = 1 AND return_date IS NULL`, `rental_date + make_interval(days => rental_duration), rental_id`)
	fees := one[string](t, a, `SELECT to_char(sum((`+rentalJSON+` ->> 'late_fee')::numeric), 'FM9999990.00') `+fromRentals+` WHERE customer_id = 1 AND return_date IS NULL`)
	want.LateFees, want.Subscription = &fees, &subscribed
	want.Overdue = one[int32](t, a, `SELECT count(*) `+fromRentals+` WHERE customer_id = 1 AND return_date IS NULL AND rental_date + make_interval(days => rental_duration) < now()`)
	if diff := cmp.Diff(want, got); diff != "" || got.Overdue == 0 {
		t.Errorf("the customer differs (-database +response):\n%s", diff)
	}
}

func happyListCustomerPayments(t *testing.T, a *testAPI) {
	customer := one[int32](t, a, `SELECT customer_id FROM payment GROUP BY customer_id ORDER BY count(*) DESC, customer_id LIMIT 1`)
	page := decode[gen.PaymentPage](t, a.fetch(t, fmt.Sprintf("/customers/%d/payments?page_size=100", customer)).want(t, 200))
	want := decode[[]gen.Payment](t, &received{body: []byte(one[string](t, a, `SELECT json_agg(to_jsonb(p) || jsonb_build_object('amount', amount::text)
		ORDER BY payment_date DESC, payment_id)::text FROM payment p WHERE customer_id = ?`, customer))})
	if diff := cmp.Diff(want, page.Items); diff != "" || *page.Total != int64(len(want)) {
		t.Errorf("the page of %d differs (-database +page):\n%s", *page.Total, diff)
	}
}

func happyListPlans(t *testing.T, a *testAPI) {
	var names []gen.PlanName
	for _, plan := range decode[gen.PlanList](t, a.get(t, "/plans").want(t, 200)).Items {
		names = append(names, plan.PlanName)
		if plan.Description == "" {
			t.Errorf("%s has no description", plan.PlanName)
		}
	}
	if diff := cmp.Diff([]gen.PlanName{gen.PlanNameBasic, gen.PlanNameStandard, gen.PlanNamePremium}, names); diff != "" {
		t.Errorf("the plans differ: %s", diff)
	}
}

// subscriptionRow returns a subscription as the database has it.
func subscriptionRow(t *testing.T, a *testAPI, id int32) gen.Subscription {
	t.Helper()
	return decode[gen.Subscription](t, &received{body: []byte(one[string](t, a, `SELECT json_build_object('subscription_id', id, 'customer_id', customer_id,
		'plan_name', plan_name, 'start_date', start_date, 'end_date', end_date, 'active', `+today+` BETWEEN start_date AND COALESCE(end_date, 'infinity'))::text
		FROM streaming_subscription WHERE id = ?`, id))})
}

// today is the database's day in SQL.
const today = `(now() AT TIME ZONE 'UTC')::date`

func happyCreateSubscription(t *testing.T, a *testAPI) {
	response := a.post(t, "/customers/1/subscriptions", `{"plan_name": "standard"}`).want(t, 201)
	created := decode[gen.Subscription](t, response)
	if diff := cmp.Diff(subscriptionRow(t, a, created.SubscriptionID), created); diff != "" || created.EndDate != nil || !created.Active {
		t.Errorf("the row and the response differ: %s", diff)
	}
	if got := a.fetch(t, "/customers/1/"+response.header.Get("Location")).want(t, 200); string(got.body) != string(response.body) {
		t.Errorf("the response at Location is %s, want %s", got.body, response.body)
	}
	days := one[string](t, a, `SELECT format('"start_date": "%s", "end_date": "%s"', `+today+` + 366, `+today+` + 366 + 3660)`)
	later := decode[gen.Subscription](t, a.post(t, "/customers/2/subscriptions", `{"plan_name": "premium", `+days+`}`).want(t, 201))
	if diff := cmp.Diff(subscriptionRow(t, a, later.SubscriptionID), later); diff != "" || later.Active {
		t.Errorf("the row and the response differ: %s", diff)
	}
}

func happyGetSubscription(t *testing.T, a *testAPI) {
	a.insertExampleRows(t)
	got := decode[gen.Subscription](t, a.fetch(t, "/customers/1/subscriptions/1").want(t, 200))
	if diff := cmp.Diff(subscriptionRow(t, a, 1), got); diff != "" {
		t.Errorf("the row and the response differ: %s", diff)
	}
}

func happyListCustomerSubscriptions(t *testing.T, a *testAPI) {
	a.exec(t, `INSERT INTO streaming_subscription (customer_id, plan_name, start_date, end_date)
		VALUES (1, 'basic', '2020-02-29', '2021-02-28'), (1, 'premium', '2024-02-29', NULL), (2, 'basic', '2020-02-29', NULL), (1, 'gold', '2022-01-01', '2022-01-01')`)
	var got []string
	for _, each := range decode[gen.SubscriptionList](t, a.fetch(t, "/customers/1/subscriptions").want(t, 200)).Items {
		got = append(got, each.PlanName)
		if diff := cmp.Diff(subscriptionRow(t, a, each.SubscriptionID), each); diff != "" {
			t.Errorf("the row and the response differ: %s", diff)
		}
	}
	if names := strings.Join(got, " "); names != "premium gold basic" {
		t.Errorf("the subscriptions are %s", names)
	}
	if got := a.fetch(t, "/customers/3/subscriptions").want(t, 200); !sameJSON(t, got.body, []byte(`{"items":[]}`)) {
		t.Errorf("no subscriptions are %s", got.body)
	}
}

func happyCancelSubscription(t *testing.T, a *testAPI) {
	a.insertExampleRows(t)
	got := decode[gen.Subscription](t, a.post(t, "/customers/1/subscriptions/1/cancel", "").want(t, 200))
	if diff := cmp.Diff(subscriptionRow(t, a, 1), got); diff != "" || got.EndDate == nil || !got.Active {
		t.Errorf("the row and the response differ: %s", diff)
	}
	if want := one[string](t, a, `SELECT `+today+`::text`); got.EndDate.String() != want {
		t.Errorf("the last day is %s, want %s", got.EndDate, want)
	}
}

// patch changes a film with the right token.
func (a *testAPI) patch(t *testing.T, path, body string, ifMatch ...string) *received {
	t.Helper()
	headers := []string{"Authorization", "Bearer " + token}
	for _, line := range ifMatch {
		headers = append(headers, "If-Match", line)
	}
	return a.call(t, http.MethodPatch, path, body, headers...)
}

func happyUpdateFilm(t *testing.T, a *testAPI) {
	before := a.get(t, "/films/1").want(t, 200)
	after := a.patch(t, "/films/1", `{"streaming_available": true}`, before.header.Get("ETag")).want(t, 200)
	want := decode[gen.FilmDetail](t, before)
	got := decode[gen.FilmDetail](t, after)
	if want.Etag == got.Etag || got.Etag != after.header.Get("ETag") {
		t.Errorf("the ETag was %s and is %s, with %s in the header", want.Etag, got.Etag, after.header.Get("ETag"))
	}
	want.StreamingAvailable, want.Etag = true, got.Etag
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the film differs from what it was (-before +after):\n%s", diff)
	}
	if again := a.get(t, "/films/1").want(t, 200); string(again.body) != string(after.body) {
		t.Errorf("the film is %s, want %s", again.body, after.body)
	}
	if !one[bool](t, a, `SELECT streaming_available FROM film WHERE film_id = 1`) {
		t.Error("nothing was written")
	}
}
