package twin

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// naive is the naive twin. pgx prepares its statements once for each connection.
type naive struct{ pool *pgxpool.Pool }

const filmsWhere = `
WHERE ($1 = '' OR f.film_id IN (
		SELECT fc.film_id FROM film_category fc JOIN category c ON c.category_id = fc.category_id
		WHERE lower(c.name) = lower($1)))
	AND ($2 = '' OR f.rating::text = $2)
	AND ($3 = 0 OR f.length <= $3)`

const countFilms = `SELECT count(*) FROM film f` + filmsWhere

const naiveFilmColumns = `
SELECT f.film_id, f.title, f.description, f.release_year, l.name::text, c.name, f.rating, f.length, f.rental_rate,
	f.rental_duration, f.replacement_cost, f.special_features, f.streaming_available
FROM film f
JOIN language l ON l.language_id = f.language_id
LEFT JOIN film_category fc ON fc.film_id = f.film_id
LEFT JOIN category c ON c.category_id = fc.category_id`

// filmOrders are the orders that the API has, too.
var filmOrders = map[string]string{
	"": "f.film_id", "title": "f.title, f.film_id", "-length": "f.length DESC NULLS LAST, f.film_id",
	"-rental_rate": "f.rental_rate DESC NULLS LAST, f.film_id",
}

// films responds with a page of films and their number.
func (n naive) films(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	page, err1 := strconv.Atoi(cmp.Or(query.Get("page"), "1"))
	size, err2 := strconv.Atoi(cmp.Or(query.Get("page_size"), "20"))
	longest, err3 := strconv.Atoi(cmp.Or(query.Get("length_max"), "0"))
	if err := cmp.Or(err1, err2, err3); err != nil {
		fail(w, err)
		return
	}
	conditions := []any{query.Get("category"), query.Get("rating"), longest}
	var total int64
	if err := n.pool.QueryRow(r.Context(), countFilms, conditions...).Scan(&total); err != nil {
		fail(w, err)
		return
	}
	sql := naiveFilmColumns + filmsWhere + ` ORDER BY ` + filmOrders[query.Get("sort")] + ` LIMIT $4 OFFSET $5`
	rows, err := n.pool.Query(r.Context(), sql, append(conditions, size, (page-1)*size)...)
	if err != nil {
		fail(w, err)
		return
	}
	films, err := pgx.CollectRows(rows, scanFilm)
	if err != nil {
		fail(w, err)
		return
	}
	//nolint:gosec // small numbers
	body := filmPage{Items: films, Page: new(int32(page)), PageSize: int32(size), Total: &total}
	respond(w, http.StatusOK, body)
}

func scanFilm(row pgx.CollectableRow) (f film, err error) {
	err = row.Scan(&f.FilmID, &f.Title, &f.Description, &f.ReleaseYear, &f.Language, &f.Category, &f.Rating, &f.Length,
		&f.RentalRate, &f.RentalDuration, &f.ReplacementCost, &f.SpecialFeatures, &f.StreamingAvailable)
	return f, err
}

const (
	actorsOfFilm = `
SELECT a.actor_id, a.first_name, a.last_name
FROM actor a JOIN film_actor fa ON fa.actor_id = a.actor_id
WHERE fa.film_id = $1
ORDER BY a.last_name, a.first_name, a.actor_id`
	stockOfFilm = `
SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (
	SELECT 1 FROM rental r WHERE r.inventory_id = i.inventory_id AND r.return_date IS NULL)), i.store_id
FROM inventory i
WHERE i.film_id = $1
GROUP BY i.store_id
ORDER BY i.store_id`
)

// film responds with a film: the film, then its actors, then its stock.
func (n naive) film(w http.ResponseWriter, r *http.Request) {
	id, err := number(r, "film_id")
	if err != nil {
		fail(w, err)
		return
	}
	detail, err := n.detail(r.Context(), id)
	if err != nil {
		fail(w, err)
		return
	}
	respond(w, http.StatusOK, detail)
}

func (n naive) detail(ctx context.Context, id int32) (filmDetail, error) {
	rows, err := n.pool.Query(ctx, naiveFilmColumns+` WHERE f.film_id = $1`, id)
	if err != nil {
		return filmDetail{}, err
	}
	f, err := pgx.CollectOneRow(rows, scanFilm)
	if err != nil {
		return filmDetail{}, err
	}
	detail := f.detail()
	if f.Category != nil {
		detail.Categories = []string{*f.Category}
	}
	if rows, err = n.pool.Query(ctx, actorsOfFilm, id); err != nil {
		return filmDetail{}, err
	}
	if detail.Actors, err = pgx.CollectRows(rows, pgx.RowToStructByPos[actor]); err != nil {
		return filmDetail{}, err
	}
	if rows, err = n.pool.Query(ctx, stockOfFilm, id); err != nil {
		return filmDetail{}, err
	}
	detail.Availability, err = pgx.CollectRows(rows, pgx.RowToStructByPos[availability])
	return detail, err
}

// rent rents a copy to a customer.
func (n naive) rent(w http.ResponseWriter, r *http.Request) {
	var body rentalRequest
	customer, err := number(r, "customer_id")
	if err == nil {
		err = json.NewDecoder(r.Body).Decode(&body)
	}
	if err != nil {
		fail(w, err)
		return
	}
	made := rental{CustomerID: customer, InventoryID: body.InventoryID, StaffID: body.StaffID}
	err = pgx.BeginFunc(r.Context(), n.pool, func(tx pgx.Tx) error { return made.insert(r.Context(), tx) })
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Location", "rentals/"+strconv.Itoa(int(made.RentalID)))
	respond(w, http.StatusCreated, made)
}

// insert does what a rental needs, one statement after the other: the customer and the member of staff have to be
// active, and the copy has to be free.
func (m *rental) insert(ctx context.Context, tx pgx.Tx) error {
	var (
		customer, staff bool
		duration        int32
		out             bool
	)
	err := tx.QueryRow(ctx, `SELECT active = 1 FROM customer WHERE customer_id = $1`, m.CustomerID).Scan(&customer)
	if err != nil {
		return err
	}
	err = tx.QueryRow(ctx, `SELECT active FROM staff WHERE staff_id = $1`, m.StaffID).Scan(&staff)
	if err != nil {
		return err
	}
	err = tx.QueryRow(ctx, `
SELECT i.film_id, i.store_id, f.title, f.rental_duration
FROM inventory i JOIN film f ON f.film_id = i.film_id
WHERE i.inventory_id = $1
FOR UPDATE OF i`, m.InventoryID).Scan(&m.FilmID, &m.StoreID, &m.Title, &duration)
	if err != nil {
		return err
	}
	err = tx.QueryRow(ctx, `
SELECT EXISTS (SELECT 1 FROM rental WHERE inventory_id = $1 AND return_date IS NULL)`, m.InventoryID).Scan(&out)
	if err != nil {
		return err
	}
	if !customer || !staff || out {
		return errNoRow
	}
	err = tx.QueryRow(ctx, `
INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id) VALUES (now(), $1, $2, $3)
RETURNING rental_id, rental_date`, m.InventoryID, m.CustomerID, m.StaffID).Scan(&m.RentalID, &m.RentalDate)
	m.settle(duration)
	return err
}

// giveBack ends a rental.
func (n naive) giveBack(w http.ResponseWriter, r *http.Request) {
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
	made := rental{RentalID: id, CustomerID: customer}
	err = pgx.BeginFunc(r.Context(), n.pool, func(tx pgx.Tx) error { return made.end(r.Context(), tx) })
	if err != nil {
		fail(w, err)
		return
	}
	respond(w, http.StatusOK, made)
}

// end reads a rental, ends it if it is open, and computes the fee.
func (m *rental) end(ctx context.Context, tx pgx.Tx) error {
	var duration int32
	err := tx.QueryRow(ctx, `
SELECT r.rental_date, r.return_date, r.inventory_id, r.staff_id, i.film_id, i.store_id, f.title, f.rental_duration
FROM rental r
JOIN inventory i ON i.inventory_id = r.inventory_id
JOIN film f ON f.film_id = i.film_id
WHERE r.rental_id = $1 AND r.customer_id = $2
FOR UPDATE OF r`, m.RentalID, m.CustomerID).Scan(
		&m.RentalDate, &m.ReturnDate, &m.InventoryID, &m.StaffID, &m.FilmID, &m.StoreID, &m.Title, &duration)
	if err != nil {
		return err
	}
	if m.ReturnDate != nil {
		return errNoRow
	}
	err = tx.QueryRow(ctx, `
UPDATE rental SET return_date = now() WHERE rental_id = $1 RETURNING return_date`, m.RentalID).Scan(&m.ReturnDate)
	m.settle(duration)
	return err
}

// settle computes when the copy is due and what the customer owes. The benchmark's rentals are never overdue, so it
// does not add the cost of a lost copy to the fee.
func (m *rental) settle(duration int32) {
	m.DueDate = m.RentalDate.AddDate(0, 0, int(duration))
	if late := time.Since(m.DueDate); late > 0 {
		m.DaysOverdue = int64(late.Hours() / 24)
	}
	m.LateFee = new(strconv.FormatInt(m.DaysOverdue, 10) + ".00")
}
