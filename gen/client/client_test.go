package client_test

import (
	"context"
	"database/sql"
	"encoding/json"
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

// liveServer is the real server on a database of its own, behind a real socket.
type liveServer struct {
	url string
	db  *sql.DB
}

// start runs a server with a language model. The default is the offline model.
func start(t *testing.T, model server.Model) liveServer {
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
	return liveServer{url: ts.URL, db: st.DB()}
}

// newAPI creates a client with the token and short pauses between attempts.
func newAPI(t *testing.T, url string, options ...client.Option) *client.API {
	t.Helper()
	options = append([]client.Option{client.WithToken(bearer), client.WithTimeout(time.Minute), client.WithBackoff(time.Millisecond)}, options...)
	a, err := client.New(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// wantProblem checks that an error is a problem with this status and code.
func wantProblem(t *testing.T, err error, status int, code client.ProblemCode) *client.ProblemError {
	t.Helper()
	problem, ok := errors.AsType[*client.ProblemError](err)
	if !ok {
		t.Fatalf("got %v, want %d %s", err, status, code)
	}
	if problem.Status != status || problem.Code != code {
		t.Fatalf("got %d %s, want %d %s: %v", problem.Status, problem.Code, status, code, err)
	}
	return problem
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
		"a page past the end":     {client.ListFilmsParams{Page: new(int32(1000))}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.params.Category = []string{"comedy"}
			films := newAPI(t, l.url).ListAllFilms(t.Context(), tt.params)
			for range 2 { // each range over the result starts again
				var got []int32
				for film, err := range films {
					if err != nil {
						t.Fatal(err)
					}
					if film.Category == nil || *film.Category != "Comedy" {
						t.Errorf("film %d has another category", film.FilmID)
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

func TestListAllFilmsStopsAfterAnError(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	count := 0
	for _, err := range newAPI(t, l.url).ListAllFilms(t.Context(), client.ListFilmsParams{PageSize: new(int32(101))}) {
		count++
		problem := wantProblem(t, err, http.StatusBadRequest, client.ProblemCodeInvalidRequest)
		if len(problem.Errors) != 1 || problem.Errors[0].Parameter == nil || *problem.Errors[0].Parameter != "page_size" {
			t.Errorf("the errors are %+v", problem.Errors)
		}
		if !strings.Contains(err.Error(), " page_size: ") || !strings.Contains(err.Error(), problem.RequestID) {
			t.Errorf("the message is %q", err)
		}
	}
	if count != 1 {
		t.Errorf("%d errors, want 1", count)
	}
}

func TestCreateRental(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	a := newAPI(t, l.url)
	free := pgtest.Value[int32](t, l.db.QueryRowContext, `SELECT min(inventory_id) FROM inventory WHERE NOT EXISTS (
		SELECT FROM rental WHERE rental.inventory_id = inventory.inventory_id AND return_date IS NULL)`)

	rental, err := a.CreateRental(t.Context(), 1, client.RentalRequest{InventoryID: &free, StaffID: 2})
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
		t.Errorf("the rentals differ (-created +read):\n%s", diff)
	}

	_, err = a.CreateRental(t.Context(), 2, client.RentalRequest{InventoryID: &free, StaffID: 2})
	problem := wantProblem(t, err, http.StatusConflict, client.ProblemCodeInventoryNotAvailable)
	if problem.RequestID == "" || problem.Detail == "" || !strings.HasPrefix(err.Error(), "POST /customers/2/rentals: 409 inventory_not_available: ") {
		t.Errorf("got %v", err)
	}
	_, err = a.CreateRental(t.Context(), 1, client.RentalRequest{InventoryID: new(int32(999999)), StaffID: 2})
	problem = wantProblem(t, err, http.StatusUnprocessableEntity, client.ProblemCodeUnknownReference)
	if len(problem.Errors) != 1 || problem.Errors[0].Pointer == nil || *problem.Errors[0].Pointer != "#/inventory_id" {
		t.Errorf("the errors are %+v", problem.Errors)
	}
}

func TestCreateToken(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	rental := pgtest.Value[int32](t, l.db.QueryRowContext, `SELECT min(rental_id) FROM rental WHERE customer_id = 1`)
	read := func(token string) error {
		_, err := newAPI(t, l.url, client.WithToken(token)).GetRental(t.Context(), 1, rental)
		return err
	}
	wantProblem(t, read(""), http.StatusUnauthorized, client.ProblemCodeMissingToken)
	wantProblem(t, read("another"), http.StatusUnauthorized, client.ProblemCodeInvalidToken)

	token, err := newAPI(t, l.url, client.WithToken("")).CreateToken(t.Context(), "somebody", "secret")
	if err != nil {
		t.Fatal(err)
	}
	if err := read(token.AccessToken); err != nil {
		t.Error(err)
	}
	_, err = newAPI(t, l.url).CreateToken(t.Context(), "somebody", "wrong")
	wantProblem(t, err, http.StatusBadRequest, client.ProblemCodeInvalidCredentials)
}

func TestSummarizeFilm(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	summary, err := newAPI(t, l.url).SummarizeFilm(t.Context(), client.SummaryRequest{FilmID: 1})
	if err != nil {
		t.Fatal(err)
	}
	want := client.FilmSummary{
		Title:       pgtest.Value[string](t, l.db.QueryRowContext, `SELECT title FROM film WHERE film_id = 1`),
		Rating:      client.Rating(pgtest.Value[string](t, l.db.QueryRowContext, `SELECT rating::text FROM film WHERE film_id = 1`)),
		Recommended: pgtest.Value[bool](t, l.db.QueryRowContext, `SELECT rating > 'PG-13' AND rental_rate < 3.00 FROM film WHERE film_id = 1`),
	}
	if *summary != want {
		t.Errorf("got %+v, want %+v", *summary, want)
	}
	_, err = newAPI(t, l.url).SummarizeFilm(t.Context(), client.SummaryRequest{FilmID: 999999})
	wantProblem(t, err, http.StatusNotFound, client.ProblemCodeFilmNotFound)
}

func TestNewRejectsInvalidArguments(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "localhost:8080", "/films", "ftp://example.com", "http://", "http://a b"} {
		if _, err := client.New(url); err == nil {
			t.Errorf("%q is accepted", url)
		}
	}
	for name, option := range map[string]client.Option{
		"timeout": client.WithTimeout(-1), "idle timeout": client.WithIdleTimeout(-1),
		"number of retries": client.WithRetries(-1), "backoff": client.WithBackoff(0),
	} {
		if _, err := client.New("http://localhost", option); err == nil {
			t.Errorf("an invalid %s is accepted", name)
		}
	}
}

// fakeModel is a language model whose answers come from a test.
type fakeModel struct {
	server.Model
	ask func(ctx context.Context, emit func(string) error) (llm.Result, error)
}

func (fakeModel) Info() llm.Info { return llm.Info{Provider: "fake", Model: "fake-1"} }

// Ask tells the observer of a call and of one film before the first chunk.
func (m fakeModel) Ask(ctx context.Context, _ llm.Question, o llm.Observer) (llm.Result, error) {
	told := false
	return m.ask(ctx, func(chunk string) error {
		if told {
			return o.Chunk(chunk)
		}
		told = true
		return errors.Join(
			o.Called(llm.Call{Name: "listFilms", Arguments: json.RawMessage(`{"title":"academy"}`), Status: 200, Films: 1}),
			o.Sources(llm.Sources{Films: []llm.Source{{FilmID: 1, Title: "ACADEMY DINOSAUR"}}, Total: 1}),
			o.Chunk(chunk))
	})
}
