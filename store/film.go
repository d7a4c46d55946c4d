package store

import (
	"context"
	"fmt"

	"github.com/shopspring/decimal"
)

// Film is a row of film, with its language and its category by name. What is NULL in the
// database is the zero value here.
type Film struct {
	FilmID             int32
	Title              string
	Description        string
	ReleaseYear        int32
	Language           string
	Category           string // the first by name, should a film have several
	Rating             string // an mpaa_rating
	Length             int32  // minutes
	RentalRate         decimal.NullDecimal
	RentalDuration     int32 // days
	ReplacementCost    decimal.NullDecimal
	SpecialFeatures    []string `bun:",array"`
	StreamingAvailable bool
}

// FilmDetail is a film with its actors, ordered by name.
type FilmDetail struct {
	Film   `bun:",extend"`
	Actors []Actor `bun:"type:jsonb"`
}

// Actor is a row of actor.
type Actor struct {
	ActorID   int32  `json:"actor_id"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
}

// FilmQuery chooses a page of films.
type FilmQuery struct {
	Page     int32  // from 1
	PageSize int32  // at least 1
	Category string // by name, in any case; "" means all
}

// FilmPage is a page of films, ordered by film_id.
type FilmPage struct {
	Items []Film // empty past the end
	Total int64  // films on all pages
}

// filmColumns are Film's columns, of film f with language l and category c. The cast drops the
// blanks that character(20) pads a language's name with. NaN is a numeric to PostgreSQL, and no sum.
// An array of texts may have NULLs in it, and more dimensions than one.
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

const actorsColumn = `
	COALESCE((
		SELECT jsonb_agg(jsonb_build_object('actor_id', a.actor_id, 'first_name', a.first_name, 'last_name', a.last_name)
			ORDER BY a.last_name, a.first_name, a.actor_id)
		FROM {film_actor} fa JOIN {actor} a USING (actor_id)
		WHERE fa.film_id = f.film_id AND a.actor_id > 0
	), '[]') AS actors`

// Letters match without regard to case as Unicode folds it: upper first, for the letters that have
// two small forms. The total and the page come from one statement, and so from one snapshot. The
// outer join keeps the total where the page is empty.
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

// Films returns one page of films. A page past the end is empty. Films and actors have numbers from 1:
// a row with another one is not shown.
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
		if row.FilmID != 0 { // 0 is the row that only carries the total
			page.Items = append(page.Items, row.Film)
		}
	}
	return page, nil
}

const filmSQL = `SELECT` + filmColumns + `,` + actorsColumn + ` FROM {film} f` + filmJoins + ` WHERE f.film_id = $1::integer`

// Film returns the film with that id, or a *NotFoundError.
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
