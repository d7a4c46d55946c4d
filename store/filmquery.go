package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// FilmQuery chooses a page of films. A film has to meet all conditions. Empty and nil values are no
// condition. Names match in any case, by Unicode's rules.
type FilmQuery struct {
	Search          string   // words of the title or the description, as in web search engines
	Title           string   // a part of the title
	Categories      []string // any of them
	Ratings         []string // any of them
	Languages       []string // any of them
	Actors          []string // parts of names: an actor for each of them
	ActorIDs        []int32  // all of them
	SpecialFeatures []string // all of them

	ReleaseYear     Range[int32]
	Length          Range[int32] // in minutes
	RentalRate      Range[decimal.Decimal]
	ReplacementCost Range[decimal.Decimal]
	RentalDuration  Range[int32] // in days

	StreamingAvailable *bool
	InStock            *bool // whether a copy can be rented, in the store StoreID or in any
	StoreID            int32 // a store that has a copy, if InStock is nil

	// The order is one of filmList. The default is relevance with Search, and otherwise film_id. Unknown values are
	// last, and films with equal values are ordered by film_id.
	Paging

	films [][]int32 // the films of each of Actors, or nil if they are many
}

// relevance is the order that needs a search.
const relevance = "relevance"

// filmRank is how well a film matches the search. The rank is a float4. All 9 of its digits are in the numeric, so
// that a cursor compares exactly.
const filmRank = `ts_rank_cd(f.fulltext, ` + searchQuery + `)::float8::numeric`

// filmList is the list of all films. Pagila has indexes for film_id and title, which are never NULL.
var filmList = list{
	memory: memoryFor[Film, Film](),
	name:   "films.page", table: `{film} f`, id: `f.film_id`, order: "film_id",
	orders: map[string]order{
		"film_id":          {key: `f.film_id`, is: integerKey},
		"title":            {key: `f.title`, is: textKey},
		"release_year":     {key: `f.release_year::integer`, is: integerKey, nullable: true},
		"length":           {key: `f.length`, is: integerKey, nullable: true},
		"rental_rate":      {key: rentalRate, is: numericKey, nullable: true},
		"replacement_cost": {key: replacementCost, is: numericKey, nullable: true},
		relevance:          {key: filmRank, is: numericKey, descending: true},
	},
	columns: filmColumns,
	// OFFSET 0 keeps the planner from reading all films where they are few. The categories are read once for the page.
	joins: `
LEFT JOIN LATERAL (SELECT * FROM {film} WHERE film_id = page.id OFFSET 0) f ON true` + languageJoin + `
	LEFT JOIN (
		SELECT fc.film_id, min(category.name) AS name
		FROM {film_category} fc JOIN {category} category USING (category_id)
		WHERE fc.film_id = ANY (ARRAY(SELECT id FROM page)) AND category_id > 0 GROUP BY fc.film_id
	) c ON c.film_id = page.id`,
}

// Films returns one page of films. The ids of films and actors begin at 1. Rows with other ids are left out.
// The error is an *InvalidQueryError if the query contradicts itself or the cursor is not one for it.
func (s *Store) Films(ctx context.Context, q FilmQuery) (Page[Film], error) {
	page, err := readPage(ctx, s, filmList, q.paging(), &q, itself[Film])
	if err != nil {
		return Page[Film]{}, fmt.Errorf("read films: %w", err)
	}
	return page, nil
}

// paging returns the paging with the default order.
func (q FilmQuery) paging() Paging {
	if q.Order == "" && q.Search != "" {
		q.Order = relevance
	}
	return q.Paging
}

// faults returns the ranges whose bounds contradict each other, and an order by relevance to nothing.
func (q FilmQuery) faults() []QueryFault {
	faults := slices.Concat(
		q.ReleaseYear.faults("release_year", cmp.Compare[int32]),
		q.Length.faults("length", cmp.Compare[int32]),
		q.RentalRate.faults("rental_rate", decimal.Decimal.Cmp),
		q.ReplacementCost.faults("replacement_cost", decimal.Decimal.Cmp),
		q.RentalDuration.faults("rental_duration", cmp.Compare[int32]))
	if strings.TrimPrefix(q.Order, "-") == relevance && q.Search == "" {
		faults = append(faults, QueryFault{"sort", "the order by relevance needs a search"})
	}
	return faults
}

// identity leaves out the order of the values of a condition, which does not matter.
func (q FilmQuery) identity(p Paging) any {
	q.Paging = p
	q.Categories, q.Ratings, q.Languages = sorted(q.Categories), sorted(q.Ratings), sorted(q.Languages)
	q.Actors, q.SpecialFeatures, q.ActorIDs = sorted(q.Actors), sorted(q.SpecialFeatures), sorted(q.ActorIDs)
	return q
}

// sorted returns the different values in their order, or nil if there are none.
func sorted[T cmp.Ordered](values []T) []T {
	if len(values) == 0 {
		return nil
	}
	return slices.Compact(slices.Sorted(slices.Values(values)))
}

// lookUp looks up the films of the actors.
func (q *FilmQuery) lookUp(ctx context.Context, c session) (err error) {
	q.films, err = c.filmsOf(ctx, q.Actors)
	return err
}

// manyFilms is the number of films from which it is faster to look at the actors of each film, in the order of
// the page, than to collect the films of the actors.
const manyFilms = 1000

var filmsOfSQL = `SELECT fa.film_id FROM {actor} a JOIN {film_actor} fa USING (actor_id)
	WHERE a.actor_id > 0 AND ` + actorNamed(`$1`) + ` LIMIT ` + strconv.Itoa(manyFilms)

// filmsOf returns the films of the actors with each name, or nil for one that has many. No plan is good for
// both, and the planner cannot know how many actors have a part of a name.
func (c session) filmsOf(ctx context.Context, names []string) ([][]int32, error) {
	films := make([][]int32, len(names))
	for i, name := range names {
		var rows []struct{ FilmID int32 }
		if err := c.query(ctx, "actors.films", &rows, filmsOfSQL, oneBlank(name)); err != nil {
			return nil, fmt.Errorf("find the films of actors: %w", err)
		}
		if len(rows) == manyFilms {
			continue
		}
		films[i] = make([]int32, 0, len(rows))
		for _, row := range rows {
			films[i] = append(films[i], row.FilmID)
		}
	}
	return films, nil
}
