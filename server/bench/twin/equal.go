package twin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// equal is the equal-work twin.
type equal struct {
	pool      *pgxpool.Pool
	reads     map[string]read
	rental    plan
	returning plan
}

// read is the plan of a request that only reads, with what the twin does not compute.
type read struct {
	plan
	etag, cursor string
}

var (
	errNotRecorded = errors.New("the API was not asked this")
	errNoRow       = errors.New("the statements found nothing")
)

func newEqual(ctx context.Context, pool *pgxpool.Pool, r Recording) (*equal, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	e := &equal{pool: pool, reads: map[string]read{}}
	for target, exchange := range r.Reads {
		p, err := newPlan(ctx, conn.Conn(), exchange)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", target, err)
		}
		e.reads[target] = read{p, exchange.ETag, exchange.Cursor}
	}
	if e.rental, err = newPlan(ctx, conn.Conn(), r.Rent); err != nil {
		return nil, fmt.Errorf("rent: %w", err)
	}
	if e.returning, err = newPlan(ctx, conn.Conn(), r.Return); err != nil {
		return nil, fmt.Errorf("return: %w", err)
	}
	return e, nil
}

// films responds with a page of films, like the API.
func (e *equal) films(w http.ResponseWriter, r *http.Request) {
	known, ok := e.reads[r.URL.RequestURI()]
	if !ok {
		fail(w, errNotRecorded)
		return
	}
	query := r.URL.Query()
	size, err := strconv.ParseInt(cmp.Or(query.Get("page_size"), "20"), 10, 32)
	if err != nil {
		fail(w, err)
		return
	}
	page := filmPage{PageSize: int32(size)}
	if query.Get("cursor") == "" {
		n, err := strconv.ParseInt(cmp.Or(query.Get("page"), "1"), 10, 32)
		if err != nil {
			fail(w, err)
			return
		}
		page.Page = new(int32(n))
	}
	if err := known.execute(r.Context(), e.pool, nil, page.scan); err != nil {
		fail(w, err)
		return
	}
	if len(page.Items) > int(size) { // there is a next page
		page.Items, page.NextCursor = page.Items[:size], &known.cursor
		query.Del("page")
		query.Set("cursor", known.cursor)
		w.Header().Set("Link", "<films?"+query.Encode()+`>; rel="next"`)
	}
	respond(w, http.StatusOK, page)
}

// scan reads the rows of a page: one more than the page has if there is a next page.
func (p *filmPage) scan(rows pgx.Rows) error {
	defer rows.Close()
	p.Items = make([]film, 0, p.PageSize+1)
	var f film
	into := targets(rows.FieldDescriptions(), func(column string) any {
		if column == "total" {
			return &p.Total
		}
		return filmField(&f, column)
	})
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		p.Items = append(p.Items, f)
	}
	return rows.Err()
}

// film responds with a film, like the API.
func (e *equal) film(w http.ResponseWriter, r *http.Request) {
	known, ok := e.reads[r.URL.RequestURI()]
	if !ok {
		fail(w, errNotRecorded)
		return
	}
	var detail filmDetail
	if err := known.execute(r.Context(), e.pool, nil, detail.scan); err != nil {
		fail(w, err)
		return
	}
	detail.ETag = known.etag
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", known.etag)
	respond(w, http.StatusOK, detail)
}

// scan reads the row of a film.
func (d *filmDetail) scan(rows pgx.Rows) error {
	defer rows.Close()
	var (
		f     film
		extra filmDetail
	)
	into := targets(rows.FieldDescriptions(), func(column string) any {
		switch column {
		case "actors":
			return &extra.Actors
		case "availability":
			return &extra.Availability
		case "categories":
			return (*textArray)(&extra.Categories)
		default:
			return filmField(&f, column)
		}
	})
	if !rows.Next() {
		return cmp.Or(rows.Err(), errNoRow)
	}
	if err := rows.Scan(into...); err != nil {
		return err
	}
	*d = f.detail()
	d.Actors, d.Availability, d.Categories = extra.Actors, extra.Availability, extra.Categories
	rows.Close()
	return rows.Err()
}

// rent rents a copy to a customer, like the API.
func (e *equal) rent(w http.ResponseWriter, r *http.Request) {
	var body rentalRequest
	customer, err := number(r, "customer_id")
	if err == nil {
		err = json.NewDecoder(r.Body).Decode(&body)
	}
	if err != nil {
		fail(w, err)
		return
	}
	parameters := numbers{"customer_id": customer, "inventory_id": body.InventoryID, "staff_id": body.StaffID}
	var made rentalRow
	if err := e.rental.execute(r.Context(), e.pool, parameters, made.scan); err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Location", "rentals/"+strconv.Itoa(int(made.RentalID)))
	respond(w, http.StatusCreated, made.body())
}

// giveBack ends a rental, like the API.
func (e *equal) giveBack(w http.ResponseWriter, r *http.Request) {
	customer, err := number(r, "customer_id")
	if err != nil {
		fail(w, err)
		return
	}
	id, err := number(r, "rental_id")
	if err != nil {
		fail(w, err)
		return
	}
	var made rentalRow
	parameters := numbers{"customer_id": customer, "rental_id": id}
	if err := e.returning.execute(r.Context(), e.pool, parameters, made.scan); err != nil {
		fail(w, err)
		return
	}
	respond(w, http.StatusOK, made.body())
}

// rentalRow is a rental as the API's statements return it, with times in microseconds since 1970.
type rentalRow struct {
	rental
	rentalDate, dueDate int64
	returnDate          *int64
}

// scan reads the row of a rental. The other statements of the transaction have rows without a title.
func (r *rentalRow) scan(rows pgx.Rows) error {
	defer rows.Close()
	found := false
	into := targets(rows.FieldDescriptions(), func(column string) any {
		found = found || column == "title"
		return r.field(column)
	})
	if found && !rows.Next() {
		return cmp.Or(rows.Err(), errNoRow)
	}
	if found {
		if err := rows.Scan(into...); err != nil {
			return err
		}
	}
	rows.Close()
	return rows.Err()
}

func (r *rentalRow) field(column string) any {
	switch column {
	case "rental_id":
		return &r.RentalID
	case "rental_date":
		return &r.rentalDate
	case "return_date":
		return &r.returnDate
	case "due_date":
		return &r.dueDate
	case "inventory_id":
		return &r.InventoryID
	case "customer_id":
		return &r.CustomerID
	case "staff_id":
		return &r.StaffID
	case "film_id":
		return &r.FilmID
	default:
		return r.term(column)
	}
}

// term is field for what the customer has to know.
func (r *rentalRow) term(column string) any {
	switch column {
	case "store_id":
		return &r.StoreID
	case "title":
		return &r.Title
	case "days_overdue":
		return &r.DaysOverdue
	case "late_fee":
		return &r.LateFee
	default:
		return nil
	}
}

// body returns the rental with its times. An amount of money has two decimal places.
func (r *rentalRow) body() rental {
	made := r.rental
	made.RentalDate, made.DueDate = time.UnixMicro(r.rentalDate).UTC(), time.UnixMicro(r.dueDate).UTC()
	if r.returnDate != nil {
		made.ReturnDate = new(time.UnixMicro(*r.returnDate).UTC())
	}
	if made.LateFee != nil && !strings.Contains(*made.LateFee, ".") {
		made.LateFee = new(*made.LateFee + ".00")
	}
	return made
}
