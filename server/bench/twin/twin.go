// Package twin has two small servers that the benchmark compares the API with. They respond to a few of its requests
// with net/http, pgx and encoding/json, as people write such servers by hand. They have no validation, no
// authentication, no ORM, no log and no error documents.
//
// The equal-work twin executes the API's own statements and sends the same bytes, headers included. What the API has
// over it is the price of everything that the API does besides. The naive twin executes the statements that a developer
// would write without measuring.
package twin

import (
	"context"
	"encoding/json"
	"net/http"
	"runtime"
	"strconv"

	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/pagila-api/server/bench/wire"
)

// Exchange is a request that the API received, with what it sent to PostgreSQL and to the client.
type Exchange struct {
	Trips []wire.RoundTrip
	// Parameters are the numbers of the request. They differ from each other and from every other argument of the
	// statements.
	Parameters map[string]int32
	// ETag and Cursor are those of the response. Each is a format of the API, which the twin does not copy.
	ETag, Cursor string
}

// Recording is what the equal-work twin knows about the API.
type Recording struct {
	Reads  map[string]Exchange // by path and query
	Rent   Exchange            // with the parameters customer_id, inventory_id and staff_id
	Return Exchange            // with the parameters customer_id and rental_id
}

// The kinds of twins.
const (
	Equal = "equal"
	Naive = "naive"
)

// New returns a twin of a kind. Only the equal-work twin needs a recording.
func New(ctx context.Context, kind string, pool *pgxpool.Pool, r Recording) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /allocations", allocations)
	if kind == Naive {
		n := naive{pool}
		mux.HandleFunc("GET /films", n.films)
		mux.HandleFunc("GET /films/{film_id}", n.film)
		mux.HandleFunc("POST /customers/{customer_id}/rentals", n.rent)
		mux.HandleFunc("POST /customers/{customer_id}/rentals/{rental_id}/return", n.giveBack)
		return mux, nil
	}
	e, err := newEqual(ctx, pool, r)
	if err != nil {
		return nil, err
	}
	mux.HandleFunc("GET /films", e.films)
	mux.HandleFunc("GET /films/{film_id}", e.film)
	mux.HandleFunc("POST /customers/{customer_id}/rentals", e.rent)
	mux.HandleFunc("POST /customers/{customer_id}/rentals/{rental_id}/return", e.giveBack)
	return withHeaders(mux), nil
}

// allocations responds with the number of allocations of this process.
func allocations(w http.ResponseWriter, _ *http.Request) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	_, _ = w.Write(strconv.AppendUint(nil, m.Mallocs, 10)) // the client may have left
}

// respond sends a body as JSON, with the line break that the API's bodies have.
func respond(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		fail(w, err)
		return
	}
	data = append(data, '\n')
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	_, _ = w.Write(data) // the client may have left
}

func fail(w http.ResponseWriter, err error) {
	http.Error(w, err.Error(), http.StatusInternalServerError)
}

// rentalRequest is the body of a request to rent a copy.
type rentalRequest struct {
	InventoryID int32 `json:"inventory_id"`
	StaffID     int32 `json:"staff_id"`
}

// number returns a number in the path.
func number(r *http.Request, name string) (int32, error) {
	n, err := strconv.ParseInt(r.PathValue(name), 10, 32)
	return int32(n), err
}
