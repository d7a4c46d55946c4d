package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/shopspring/decimal"
)

// Film is a row of the table film with the names of its language and category. NULL becomes the zero value.
type Film struct {
	FilmID             int32
	Title              string
	Description        string
	ReleaseYear        int32
	Language           string
	Category           string   // the first by name if the film has several
	Rating             string   // an mpaa_rating
	Length             int32    // in minutes
	RentalRate         string   // an amount
	RentalDuration     int32    // in days
	ReplacementCost    string   // an amount
	SpecialFeatures    []string // shared with other films, so it must not be changed
	StreamingAvailable bool
}

// FilmDetail is a film with its categories and actors by name, and its availability by store.
type FilmDetail struct {
	Film         `bun:",extend"`
	Categories   []string       // shared, as SpecialFeatures is
	Actors       []Actor        `bun:"type:jsonb"`
	Availability []Availability `bun:"type:jsonb"`
	Version      string         `bun:"-"` // identifies all of the above, in hexadecimal digits
}

// FilmUpdate is a change of a film.
type FilmUpdate struct{ StreamingAvailable bool }

// FilmFacts are what a summary of a film is made from. NULL becomes the zero value.
type FilmFacts struct {
	FilmID     int32
	Title      string
	Rating     string              // an mpaa_rating
	RentalRate decimal.NullDecimal // exact
}

// filmColumns are the columns of Film, for the film f, the language l and the category c. The cast to text
// drops the blanks that character(20) adds to a language's name.
var filmColumns = `
	f.film_id, f.title, f.description, f.release_year, l.name::text AS language, c.name AS category,
	f.rating, f.length, ` + amount(`f.rental_rate`) + ` AS rental_rate, f.rental_duration,
	` + amount(`f.replacement_cost`) + ` AS replacement_cost, f.special_features::text AS special_features,
	f.streaming_available`

// amount returns an SQL expression for the text of an amount of money, with two decimal places. PostgreSQL accepts
// NaN as a numeric, but it is not an amount of money.
func amount(expression string) string {
	return `round(NULLIF(` + expression + `, 'NaN'), 2)::text`
}

// The joins that find the language l and the category c of the film f.
const (
	languageJoin = `
	LEFT JOIN {language} l ON l.language_id = f.language_id AND l.language_id > 0`
	// categoryJoin is for one film. It looks the names of its few categories up one by one.
	categoryJoin = `
	LEFT JOIN LATERAL (
		SELECT min((SELECT name FROM {category} WHERE category_id = fc.category_id AND category_id > 0)) AS name
		FROM {film_category} fc WHERE fc.film_id = f.film_id
	) c ON true`
)

// categoriesColumn is the column of the categories of the film f.
const categoriesColumn = `
	ARRAY(
		SELECT DISTINCT category.name
		FROM {film_category} film_category JOIN {category} category USING (category_id)
		WHERE film_category.film_id = f.film_id AND category_id > 0 AND category.name IS NOT NULL
		ORDER BY category.name
	)::text AS categories`

const filmFactsSQL = `SELECT f.film_id, f.title, f.rating, NULLIF(f.rental_rate, 'NaN') AS rental_rate FROM {film} f WHERE f.film_id = $1::integer`

var filmSQL = `SELECT` + filmColumns + `,` + categoriesColumn + `,` + actorsColumn + `,` + availabilityColumn + `
FROM {film} f` + languageJoin + categoryJoin + ` WHERE f.film_id = $1::integer`

const lockFilmSQL = `SELECT film_id FROM {film} WHERE film_id = $1::integer FOR NO KEY UPDATE`

const updateFilmSQL = `UPDATE {film} SET streaming_available = $2::boolean WHERE film_id = $1::integer
RETURNING txid_current() AS transaction_id`

// Film returns a film by its id. The error is a *NotFoundError if there is none.
func (s *Store) Film(ctx context.Context, id int32) (FilmDetail, error) {
	var films []FilmDetail
	if err := s.read(ctx, "film", &films, filmSQL, id); err != nil {
		return FilmDetail{}, fmt.Errorf("read film %d: %w", id, err)
	}
	return theFilm(films, id)
}

func readFilm(films *[]FilmDetail, id int32) step {
	return step{"read the film", films, filmSQL, []any{id}}
}

// theFilm returns the only film of a result, with its version.
func theFilm(films []FilmDetail, id int32) (FilmDetail, error) {
	if len(films) == 0 {
		return FilmDetail{}, &NotFoundError{KindFilm, id}
	}
	films[0].setVersion()
	return films[0], nil
}

// setVersion sets the version, which identifies everything else in the detail. A film that changes back has its old
// version again.
func (f *FilmDetail) setVersion() {
	f.Version = ""
	sum := digest(f)
	f.Version = hex.EncodeToString(sum[:len(sum)/2])
}

// UpdateFilm changes a film that has one of these versions, and returns it after the change. The row of the film
// is locked before its version is compared. The error is a *NotFoundError if there is none, ErrFilmChanged if it
// has another version, or a *RefusedError. In each of these cases nothing was written. An *UnavailableError says
// whether anything was.
func (s *Store) UpdateFilm(ctx context.Context, id int32, versions []string, u FilmUpdate) (FilmDetail, error) {
	var changed FilmDetail
	err := s.writeProven(ctx, func(ctx context.Context, c session) (p proof, err error) {
		changed, p.transaction, err = c.updateFilm(ctx, id, versions, u)
		p.row, p.args = filmUpdated, []any{id}
		return p, err
	})
	if err != nil {
		return FilmDetail{}, fmt.Errorf("update film %d: %w", id, err)
	}
	return changed, nil
}

// filmUpdated is the row of the proof.
const filmUpdated = `FROM {film} f WHERE f.film_id = $2::integer AND f.` + writtenBy1

func (c session) updateFilm(
	ctx context.Context, id int32, versions []string, u FilmUpdate,
) (film FilmDetail, transactionID int64, err error) {
	var (
		locked        []struct{ FilmID int32 }
		before, after []FilmDetail
		updated       []struct{ TransactionID int64 }
	)
	if _, err := c.pipeline(ctx, "film.lock", step{"lock the film", &locked, lockFilmSQL, []any{id}}, readFilm(&before, id)); err != nil {
		return film, 0, err
	}
	if film, err = theFilm(before, id); err != nil {
		return film, 0, err
	}
	if !slices.Contains(versions, film.Version) {
		return film, 0, ErrFilmChanged
	}
	update := step{"update the row", &updated, updateFilmSQL, []any{id, u.StreamingAvailable}}
	if _, err := c.pipeline(ctx, "film.update", update, readFilm(&after, id)); err != nil {
		return film, 0, err
	}
	if len(updated) == 0 {
		return film, 0, &RefusedError{errSuppressed}
	}
	film, err = theFilm(after, id)
	return film, updated[0].TransactionID, err
}

// FilmFacts returns what a summary of a film is made from. It reads no other table than film. The error is a
// *NotFoundError if there is no such film.
func (s *Store) FilmFacts(ctx context.Context, id int32) (FilmFacts, error) {
	var films []FilmFacts
	if err := s.read(ctx, "film.facts", &films, filmFactsSQL, id); err != nil {
		return FilmFacts{}, fmt.Errorf("read film %d: %w", id, err)
	}
	if len(films) == 0 {
		return FilmFacts{}, &NotFoundError{KindFilm, id}
	}
	return films[0], nil
}
