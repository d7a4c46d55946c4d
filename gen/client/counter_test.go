package client_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/pagila-api/gen/client"
	"example.com/pagila-api/store/pgtest"
)

// losing returns a transport that loses every other response to a POST, after the server has carried out the request.
func losing() client.Option {
	posts := 0
	return client.WithTransport(transport(func(r *http.Request) (*http.Response, error) {
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil || r.Method != http.MethodPost {
			return response, err
		}
		if posts++; posts%2 == 1 {
			return nil, errors.Join(errors.New("the response is lost"), response.Body.Close())
		}
		return response, nil
	}))
}

// A rental whose response is lost is made once, and the method returns it. Repeated by the caller, it is an error with
// the rental.
func TestLostRental(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	lossy, a := newAPI(t, l.url, losing()), newAPI(t, l.url)
	film := pgtest.Value[int32](t, l.db.QueryRowContext, `SELECT min(film_id) FROM inventory WHERE store_id = 2
		AND film_id NOT IN (SELECT film_id FROM rental JOIN inventory USING (inventory_id) WHERE return_date IS NULL)`)
	byFilm := client.RentalRequest{FilmID: &film, StoreID: new(int32(2)), StaffID: 1}
	rental, err := lossy.CreateRental(t.Context(), 5, byFilm)
	if err != nil {
		t.Fatal(err)
	}
	if rental.FilmID != film || rental.StoreID != 2 || rental.CustomerID != 5 || rental.ReturnDate != nil {
		t.Errorf("got %+v", rental)
	}
	byCopy := client.RentalRequest{InventoryID: &rental.InventoryID, StaffID: 1}
	for name, request := range map[string]client.RentalRequest{"by film": byFilm, "by copy": byCopy} {
		if again, err := lossy.CreateRental(t.Context(), 5, request); err != nil || again.RentalID != rental.RentalID {
			t.Errorf("repeated %s: %+v, %v", name, again, err)
		}
		_, err := a.CreateRental(t.Context(), 5, request)
		problem := wantProblem(t, err, http.StatusConflict, client.ProblemCodeAlreadyRentedByCustomer)
		if problem.Rental == nil || problem.Rental.RentalID != rental.RentalID {
			t.Errorf("%s: the rental is %+v, want %d", name, problem.Rental, rental.RentalID)
		}
	}
	if n := pgtest.Value[int](t, l.db.QueryRowContext, `SELECT count(*) FROM rental WHERE customer_id = 5 AND return_date IS NULL
		AND inventory_id IN (SELECT inventory_id FROM inventory WHERE film_id = $1)`, film); n != 1 {
		t.Errorf("the customer has %d copies of the film, want 1", n)
	}
}

// A late return whose response is lost has its fee, and its time is that of the first request.
func TestLostReturn(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	lossy, a := newAPI(t, l.url, losing()), newAPI(t, l.url)
	free := pgtest.Value[int32](t, l.db.QueryRowContext, `SELECT min(inventory_id) FROM inventory WHERE NOT EXISTS (
		SELECT FROM rental WHERE rental.inventory_id = inventory.inventory_id AND return_date IS NULL)`)
	rental, err := a.CreateRental(t.Context(), 6, client.RentalRequest{InventoryID: &free, StaffID: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.db.ExecContext(t.Context(), `UPDATE rental SET rental_date = rental_date - rental_duration * interval '1 day' - interval '50 hours'
		FROM inventory JOIN film USING (film_id) WHERE inventory.inventory_id = rental.inventory_id AND rental_id = $1`, rental.RentalID); err != nil {
		t.Fatal(err)
	}
	returned, err := lossy.ReturnRental(t.Context(), 6, rental.RentalID)
	if err != nil {
		t.Fatal(err)
	}
	if returned.ReturnDate == nil || returned.DaysOverdue != 2 || returned.LateFee == nil || *returned.LateFee != "2.00" {
		t.Errorf("got %+v", returned)
	}
	_, err = a.ReturnRental(t.Context(), 6, rental.RentalID)
	problem := wantProblem(t, err, http.StatusConflict, client.ProblemCodeAlreadyReturned)
	if diff := cmp.Diff(returned, problem.Rental); diff != "" {
		t.Errorf("the rental in the problem differs (-returned +problem):\n%s", diff)
	}
	_, err = a.ReturnRental(t.Context(), 7, rental.RentalID)
	wantProblem(t, err, http.StatusNotFound, client.ProblemCodeRentalNotFound)
}

// A subscription whose response is lost is made once, and so is its cancellation. A subscription to another plan is
// not the one that the lost request asked for.
func TestLostSubscription(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	lossy, a := newAPI(t, l.url, losing()), newAPI(t, l.url)
	standard := client.SubscriptionRequest{PlanName: client.PlanNameStandard}
	subscription, err := lossy.CreateSubscription(t.Context(), 8, standard)
	if err != nil {
		t.Fatal(err)
	}
	if subscription.PlanName != "standard" || subscription.EndDate != nil || !subscription.Active {
		t.Errorf("got %+v", subscription)
	}
	for name, tt := range map[string]struct {
		api     *client.API
		request client.SubscriptionRequest
	}{
		"repeated by the caller":  {a, standard},
		"lost, with another plan": {lossy, client.SubscriptionRequest{PlanName: client.PlanNamePremium}},
	} {
		_, err := tt.api.CreateSubscription(t.Context(), 8, tt.request)
		problem := wantProblem(t, err, http.StatusConflict, client.ProblemCodeAlreadySubscribed)
		if diff := cmp.Diff(subscription, problem.Subscription); diff != "" {
			t.Errorf("%s: the subscription differs (-created +problem):\n%s", name, diff)
		}
	}
	canceled, err := lossy.CancelSubscription(t.Context(), 8, subscription.SubscriptionID)
	if err != nil {
		t.Fatal(err)
	}
	if canceled.EndDate == nil || *canceled.EndDate != subscription.StartDate {
		t.Errorf("got %+v", canceled)
	}
	_, err = a.CancelSubscription(t.Context(), 8, subscription.SubscriptionID)
	problem := wantProblem(t, err, http.StatusConflict, client.ProblemCodeAlreadyCancelled)
	if diff := cmp.Diff(canceled, problem.Subscription); diff != "" {
		t.Errorf("the subscription in the problem differs (-canceled +problem):\n%s", diff)
	}
	all, err := a.ListCustomerSubscriptions(t.Context(), 8)
	if err != nil || len(all.Items) != 1 {
		t.Errorf("the customer has the subscriptions %+v, %v", all, err)
	}
}

// The ETag of a film as it was read allows one change.
func TestUpdateFilm(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	a := newAPI(t, l.url)
	film, err := a.GetFilm(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	seen := client.UpdateFilmParams{IfMatch: &film.Etag}
	changed, err := a.UpdateFilm(t.Context(), 1, client.FilmUpdate{StreamingAvailable: true}, seen)
	if err != nil {
		t.Fatal(err)
	}
	if !changed.StreamingAvailable || changed.Etag == film.Etag {
		t.Errorf("got %+v", changed)
	}
	_, err = a.UpdateFilm(t.Context(), 1, client.FilmUpdate{StreamingAvailable: false}, seen)
	wantProblem(t, err, http.StatusPreconditionFailed, client.ProblemCodePreconditionFailed)
	_, err = a.UpdateFilm(t.Context(), 1, client.FilmUpdate{StreamingAvailable: false}, client.UpdateFilmParams{})
	wantProblem(t, err, http.StatusPreconditionRequired, client.ProblemCodePreconditionRequired)
	if _, err := a.UpdateFilm(t.Context(), 1, client.FilmUpdate{StreamingAvailable: false}, client.UpdateFilmParams{IfMatch: &changed.Etag}); err != nil {
		t.Error(err)
	}
}
