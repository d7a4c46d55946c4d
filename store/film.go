package store

import (
	"context"
	"fmt"

	"github.com/shopspring/decimal"
)

// Film is a row of the table film with the names of its language and category. NULL becomes the zero value.
type Film struct {
	FilmID             int32
	Title              string
	Description        string
	ReleaseYear        int32
	Language           string
	Category           string // the first by name if the film has several
	Rating             string // an mpaa_rating
	Length             int32  // in minutes
	RentalRate         decimal.NullDecimal
	RentalDuration     int32 // in days
	ReplacementCost    decimal.NullDecimal
	SpecialFeatures    []string `bun:",array"`
	StreamingAvailable bool
}

// FilmDetail is a film with its categories and actors by name, and its availability by store.
type FilmDetail struct {
	Film         `bun:",extend"`
	Categories   []string       `bun:",array"`
	Actors       []Actor        `bun:"type:jsonb"`
	Availability []Availability `bun:"type:jsonb"`
}

// FilmQuery chooses a page of films.
type FilmQuery struct {
	Page     int32  // from 1
	PageSize int32  // at least 1
	Category string // a name in any case; "" means all
}

// FilmPage is a page of films, ordered by film_id.
type FilmPage struct {
	Items []Film // empty past the last page
	Total int64  // the number of films on all pages
}

// filmColumns are the columns of Film, for the film f, the language l and the category c. The cast to text
// drops the blanks that character(20) adds to a language's name. PostgreSQL accepts NaN as a numeric, but it
// is not an amount of money. An array in PostgreSQL may have NULL elements and several dimensions.
const filmColumns = `
	f.film_id, f.title, f.description, f.release_year, l.name::text AS language, c.name AS category,
	f.rating, f.length, NULLIF(f.rental_rate, 'NaN') AS rental_rate, f.rental_duration,
	NULLIF(f.replacement_cost, 'NaN') AS replacement_cost,
	ARRAY(SELECT feature FROM unnest(f.special_features) WITH ORDINALITY AS all_of_them (feature, place)
		WHERE feature IS NOT NULL ORDER BY place) AS special_features,
	f.streaming_available`

const filmJoins = `
	LEFT JOIN {language} l USING (language_id)
	LEFT JOIN LATERAL (
		SELECT min(category.name) AS name
		FROM {film_category} film_category JOIN {category} category USING (category_id)
		WHERE film_category.film_id = f.film_id
	) c ON true`

// categoriesColumn is the column of the categories of the film f.
const categoriesColumn = `
	ARRAY(
		SELECT DISTINCT category.name
		FROM {film_category} film_category JOIN {category} category USING (category_id)
		WHERE film_category.film_id = f.film_id AND category.name IS NOT NULL
		ORDER BY category.name
	) AS categories`

// filmsSQL compares categories without regard to case, by Unicode's rules. It converts to upper case first,
// for letters that have two lower-case forms. The total and the page come from one statement, and therefore
// from one snapshot. The outer join keeps the total if the page is empty.
const filmsSQL = `
WITH matching AS (
	SELECT film_id FROM {film}
	WHERE film_id > 0 AND ($1::text = '' OR film_id IN (
		SELECT fc.film_id FROM {film_category} fc JOIN {category} c USING (category_id)
		WHERE lower(upper(c.name {unicode})) = lower(upper($1::text {unicode}))))
), page AS (
	SELECT film_id FROM matching ORDER BY film_id LIMIT $2::bigint OFFSET $3::bigint
)
SELECT total.total,` + filmColumns + `
FROM (SELECT count(*) AS total FROM matching) total
LEFT JOIN page ON true
LEFT JOIN {film} f USING (film_id)` + filmJoins + `
ORDER BY f.film_id`

// Films returns one page of films. A page past the last one is empty. The ids of films and actors begin at 1.
// Rows with other ids are left out.
func (s *Store) Films(ctx context.Context, q FilmQuery) (FilmPage, error) {
	var rows []struct {
		Film  `bun:",extend"`
		Total int64
	}
	offset := int64(q.Page-1) * int64(q.PageSize)
	err := s.read(ctx, &rows, filmsSQL, q.Category, q.PageSize, offset)
	if lacksCharacter(err) {
		return FilmPage{Items: []Film{}}, nil
	}
	if err != nil {
		return FilmPage{}, fmt.Errorf("read films: %w", err)
	}
	page := FilmPage{Items: make([]Film, 0, len(rows)), Total: rows[0].Total}
	for _, row := range rows {
		if row.FilmID != 0 { // with 0, the row carries only the total
			page.Items = append(page.Items, row.Film)
		}
	}
	return page, nil
}

const filmSQL = `SELECT` + filmColumns + `,` + categoriesColumn + `,` + actorsColumn + `,` + availabilityColumn + `
FROM {film} f` + filmJoins + ` WHERE f.film_id = $1::integer`

// Film returns a film by its id. The error is a *NotFoundError if there is none.
func (s *Store) Film(ctx context.Context, id int32) (FilmDetail, error) {
	var films []FilmDetail
	if err := s.read(ctx, &films, filmSQL, id); err != nil {
		return FilmDetail{}, fmt.Errorf("read film %d: %w", id, err)
	}
	if len(films) == 0 {
		return FilmDetail{}, &NotFoundError{KindFilm, id}
	}
	return films[0], nil
}
