package client_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/pagila-api/api"
	"example.com/pagila-api/gen/client"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/llm/upstream"
	"example.com/pagila-api/server"
	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

const bearer = "test-token"

func TestMain(m *testing.M) { pgtest.Main(m) }

// live is the real server on a database of its own, behind a real socket.
type live struct {
	url string
	db  *sql.DB
}

// start runs a server with a language model; nil is the offline one.
func start(t *testing.T, model server.Model) live {
	t.Helper()
	contract, err := api.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if model == nil {
		if model, err = llm.New(llm.Config{Upstream: upstream.Config{Provider: "offline"}, Summary: contract.Components.Schemas["FilmSummary"].Value}); err != nil {
			t.Fatal(err)
		}
	}
	st, err := store.Open(pgtest.New(t), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	handler, err := server.New(server.Deps{
		Contract:    contract,
		Store:       st,
		Model:       model,
		Credentials: server.Credentials{Token: bearer, Username: "somebody", Password: "secret"},
		Logger:      slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	checked, err := server.CheckResponses(contract, handler, func(got server.Response) {
		if got.Err != nil {
			t.Errorf("%s %s: the response does not follow the contract: %v", got.Request.Method, got.Request.URL, got.Err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(checked)
	t.Cleanup(ts.Close)
	return live{url: ts.URL, db: st.DB()}
}

// newAPI creates a client that has the token and does not wait long before it retries.
func newAPI(t *testing.T, url string, options ...client.Option) *client.API {
	t.Helper()
	options = append([]client.Option{client.WithToken(bearer), client.WithTimeout(time.Minute), client.WithRetries(2, time.Millisecond)}, options...)
	a, err := client.New(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// one reads a value from the database by SQL.
func one[T any](t *testing.T, l live, query string, args ...any) T {
	t.Helper()
	var v T
	if err := l.db.QueryRowContext(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// wantError checks that an error is the server's problem with this status and code.
func wantError(t *testing.T, err error, status int, code client.ProblemCode) *client.ProblemError {
	t.Helper()
	refusal, ok := errors.AsType[*client.ProblemError](err)
	if !ok {
		t.Fatalf("got %v, want %d %s", err, status, code)
	}
	if refusal.Status != status || refusal.Code != code {
		t.Fatalf("got %d %s, want %d %s: %v", refusal.Status, refusal.Code, status, code, err)
	}
	return refusal
}

func TestListAllFilms(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	rows, err := l.db.QueryContext(t.Context(), `SELECT film_id FROM film JOIN film_category USING (film_id)
		JOIN category c USING (category_id) WHERE c.name = 'Comedy' ORDER BY film_id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var want []int32
	for rows.Next() {
		var id int32
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		want = append(want, id)
	}
	if err := rows.Err(); err != nil || len(want) < 5 {
		t.Fatalf("%d comedies, %v", len(want), err)
	}

	for name, tt := range map[string]struct {
		params client.ListFilmsParams
		want   []int32
	}{
		"one page":                {client.ListFilmsParams{}, want},
		"pages of 4":              {client.ListFilmsParams{PageSize: new(int32(4))}, want},
		"pages of 1":              {client.ListFilmsParams{PageSize: new(int32(1))}, want},
		"the last page is full":   {client.ListFilmsParams{PageSize: new(int32(len(want)))}, want},
		"from the second page on": {client.ListFilmsParams{PageSize: new(int32(3)), Page: new(int32(2))}, want[3:]},
		"past the end":            {client.ListFilmsParams{Page: new(int32(1000))}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.params.Category = new("comedy")
			films := newAPI(t, l.url).ListAllFilms(t.Context(), tt.params)
			for range 2 { // each range starts again
				var got []int32
				for film, err := range films {
					if err != nil {
						t.Fatal(err)
					}
					if film.Category == nil || *film.Category != "Comedy" {
						t.Errorf("film %d is of another category", film.FilmID)
					}
					got = append(got, film.FilmID)
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("got %v, want %v", got, tt.want)
				}
			}
		})
	}
}

func TestListAllFilmsFails(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	count := 0
	for _, err := range newAPI(t, l.url).ListAllFilms(t.Context(), client.ListFilmsParams{PageSize: new(int32(101))}) {
		count++
		refusal := wantError(t, err, http.StatusBadRequest, client.ProblemCodeInvalidRequest)
		if len(refusal.Errors) != 1 || refusal.Errors[0].Parameter == nil || *refusal.Errors[0].Parameter != "page_size" {
			t.Errorf("the errors are %+v", refusal.Errors)
		}
		if !strings.Contains(err.Error(), " page_size: ") || !strings.Contains(err.Error(), refusal.RequestID) {
			t.Errorf("the message is %q", err)
		}
	}
	if count != 1 {
		t.Errorf("%d errors, want 1", count)
	}
}

func TestRent(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	a := newAPI(t, l.url)
	free := one[int32](t, l, `SELECT min(inventory_id) FROM inventory WHERE NOT EXISTS (
		SELECT FROM rental WHERE rental.inventory_id = inventory.inventory_id AND return_date IS NULL)`)

	rental, err := a.CreateRental(t.Context(), 1, client.RentalRequest{InventoryID: free, StaffID: 2})
	if err != nil {
		t.Fatal(err)
	}
	if rental.InventoryID != free || rental.CustomerID != 1 || rental.StaffID != 2 || rental.ReturnDate != nil {
		t.Errorf("got %+v", rental)
	}
	read, err := a.GetRental(t.Context(), 1, rental.RentalID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rental, read); diff != "" {
		t.Errorf("the rental reads otherwise (-created +read):\n%s", diff)
	}

	_, err = a.CreateRental(t.Context(), 1, client.RentalRequest{InventoryID: free, StaffID: 2})
	refusal := wantError(t, err, http.StatusConflict, client.ProblemCodeInventoryNotAvailable)
	if refusal.RequestID == "" || refusal.Detail == "" || !strings.HasPrefix(err.Error(), "POST /customers/1/rentals: 409 inventory_not_available: ") {
		t.Errorf("got %v", err)
	}
	_, err = a.CreateRental(t.Context(), 1, client.RentalRequest{InventoryID: 999999, StaffID: 2})
	refusal = wantError(t, err, http.StatusUnprocessableEntity, client.ProblemCodeUnknownReference)
	if len(refusal.Errors) != 1 || refusal.Errors[0].Pointer == nil || *refusal.Errors[0].Pointer != "#/inventory_id" {
		t.Errorf("the errors are %+v", refusal.Errors)
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	rental := one[int32](t, l, `SELECT min(rental_id) FROM rental WHERE customer_id = 1`)
	read := func(token string) error {
		_, err := newAPI(t, l.url, client.WithToken(token)).GetRental(t.Context(), 1, rental)
		return err
	}
	wantError(t, read(""), http.StatusUnauthorized, client.ProblemCodeMissingToken)
	wantError(t, read("another"), http.StatusUnauthorized, client.ProblemCodeInvalidToken)

	token, err := newAPI(t, l.url, client.WithToken("")).CreateToken(t.Context(), "somebody", "secret")
	if err != nil {
		t.Fatal(err)
	}
	if err := read(token.AccessToken); err != nil {
		t.Error(err)
	}
	_, err = newAPI(t, l.url).CreateToken(t.Context(), "somebody", "wrong")
	wantError(t, err, http.StatusBadRequest, client.ProblemCodeInvalidCredentials)
}

func TestSummarize(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	summary, err := newAPI(t, l.url).SummarizeFilm(t.Context(), client.SummaryRequest{FilmID: 1})
	if err != nil {
		t.Fatal(err)
	}
	want := client.FilmSummary{
		Title:       one[string](t, l, `SELECT title FROM film WHERE film_id = 1`),
		Rating:      client.Rating(one[string](t, l, `SELECT rating::text FROM film WHERE film_id = 1`)),
		Recommended: one[bool](t, l, `SELECT rating > 'PG-13' AND rental_rate < 3.00 FROM film WHERE film_id = 1`),
	}
	if *summary != want {
		t.Errorf("got %+v, want %+v", *summary, want)
	}
	_, err = newAPI(t, l.url).SummarizeFilm(t.Context(), client.SummaryRequest{FilmID: 999999})
	wantError(t, err, http.StatusNotFound, client.ProblemCodeFilmNotFound)
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "localhost:8080", "/films", "ftp://example.com", "http://", "http://a b"} {
		if _, err := client.New(url); err == nil {
			t.Errorf("%q is accepted", url)
		}
	}
	for name, option := range map[string]client.Option{
		"time-out": client.WithTimeout(-1), "idle time-out": client.WithIdleTimeout(-1),
		"retries": client.WithRetries(-1, time.Second), "back-off": client.WithRetries(1, 0),
	} {
		if _, err := client.New("http://localhost", option); err == nil {
			t.Errorf("a wrong %s is accepted", name)
		}
	}
}

// scripted is a language model that does what a test says.
type scripted struct {
	server.Model
	ask func(ctx context.Context, emit func(string) error) (llm.Result, error)
}

func (scripted) Info() llm.Info { return llm.Info{Provider: "scripted", Model: "script-1"} }

func (s scripted) Ask(ctx context.Context, _ llm.Question, emit func(string) error) (llm.Result, error) {
	return s.ask(ctx, emit)
}
