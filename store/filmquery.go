package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// MaxPageSize is the largest number of films on a page.
const MaxPageSize = 100

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

	// Order is a name in filmOrders, with a minus sign to reverse it. The default is relevance with Search, and
	// otherwise film_id. Unknown values are last, and films with equal values are ordered by film_id.
	Order    string
	Page     int32  // from 1, which is the default
	Cursor   string // FilmPage.Next of the page before, instead of Page
	PageSize int32  // from 1 to MaxPageSize
	Count    Count

	films [][]int32 // the films of each of Actors, or nil if they are many
}

// Range are the bounds of a value. Nil is no bound.
type Range[T any] struct{ Min, Max *T }

// Count is how the number of films on all pages is found.
type Count string

// The ways to count. The default is CountExact with a page number, and CountNone with a cursor.
const (
	CountExact     Count = "exact"
	CountEstimated Count = "estimated" // by the planner, which may be wrong
	CountNone      Count = "none"
)

// FilmPage is a page of films in the order of the query.
type FilmPage struct {
	Items []Film // empty past the last page
	Page  int32  // its number, or 0 if the query had a cursor
	Total *int64 // the number of films on all pages, or nil with CountNone
	Next  string // the cursor of the next page, or "" on the last page
}

// statement is a statement under construction.
type statement struct {
	conditions []string
	args       []any
}

// arg adds an argument and returns its placeholder.
func (s *statement) arg(value any) string {
	s.args = append(s.args, value)
	return "$" + strconv.Itoa(len(s.args))
}

// where adds a condition if it is set. The condition numbers its own arguments from $1.
func (s *statement) where(set bool, condition string, args ...any) {
	if !set {
		return
	}
	var marks []string
	for i, value := range args {
		marks = append(marks, "$"+strconv.Itoa(i+1), s.arg(value))
	}
	s.conditions = append(s.conditions, strings.NewReplacer(marks...).Replace(condition))
}

// all returns the conditions as one.
func (s *statement) all() string { return strings.Join(s.conditions, "\n\tAND ") }

// pageSQL returns the statement that reads the page, from one snapshot with its total. It finds the ids of the
// page first, and reads the details of these films alone. The outer join keeps the total if the page is empty.
//
// A plan that is kept has to do for every page size. The inner limit tells the planner that few films are
// wanted, so that it prefers to walk an index.
func (q FilmQuery) pageSQL(order filmOrder, after *position) (sql string, args []any) {
	s := q.conditions(categoryIs)
	total := `SELECT NULL::bigint AS total`
	if q.Count == CountExact {
		total = `SELECT count(*) AS total FROM {film} f WHERE ` + q.conditions(categoryJoined).all() // the same arguments
	}
	offset, limit := ``, ` LIMIT `+strconv.Itoa(MaxPageSize+1)
	switch {
	case after != nil:
		s.where(true, order.after(*after, s.arg))
	case q.Page > 1:
		limit, offset = ``, ` OFFSET `+s.arg(int64(q.Page-1)*int64(q.PageSize))+`::bigint`
	}
	return `
SELECT total.total, page.sort_key::text AS sort_key,` + filmColumns + `
FROM (` + total + `) total
LEFT JOIN (
	SELECT film_id, sort_key FROM (
		SELECT f.film_id, ` + order.key + ` AS sort_key FROM {film} f
		WHERE ` + s.all() + `
		ORDER BY ` + order.by(order.key, `f.film_id`) + limit + `
	) best
	ORDER BY ` + order.by(`sort_key`, `film_id`) + ` LIMIT ` + s.arg(q.PageSize+1) + `::bigint` + offset + `
) page ON true
LEFT JOIN {film} f USING (film_id)` + filmJoins + `
ORDER BY ` + order.by(`page.sort_key`, `page.film_id`), s.args
}

// Films returns one page of films. The ids of films and actors begin at 1. Rows with other ids are left out.
// The error is an *InvalidQueryError if the query contradicts itself or the cursor is not one for it.
func (s *Store) Films(ctx context.Context, q FilmQuery) (FilmPage, error) {
	order, after, err := q.prepare()
	if err != nil {
		return FilmPage{}, err
	}
	var (
		rows     []filmRow
		estimate int64
	)
	err = s.call(ctx, s.reads, NoWrite, func(ctx context.Context, c session) error {
		rows = nil
		if q.films, err = c.filmsOf(ctx, q.Actors); err != nil {
			return err
		}
		if q.Count == CountEstimated {
			if estimate, err = c.estimate(ctx, q); err != nil {
				return err
			}
		}
		sql, args := q.pageSQL(order, after)
		return c.query(ctx, &rows, sql, args...)
	})
	if lacksCharacter(err) {
		rows, estimate = []filmRow{{}}, 0
	} else if err != nil {
		return FilmPage{}, fmt.Errorf("read films: %w", err)
	}
	return q.page(order, rows, estimate), nil
}

// filmRow is a row of the statement. Without a film, it carries only the total.
type filmRow struct {
	Film    `bun:",extend"`
	Total   int64
	SortKey *string
}

// page makes a page of the rows, which are one more than the page has if there is a next page.
func (q FilmQuery) page(order filmOrder, rows []filmRow, estimate int64) FilmPage {
	page := FilmPage{Items: make([]Film, 0, len(rows)), Page: q.Page}
	if more := len(rows) > int(q.PageSize); more {
		rows = rows[:q.PageSize]
		last := rows[len(rows)-1]
		page.Next = position{ID: last.FilmID, Key: last.SortKey}.encode(q.fingerprint(order))
	}
	for _, row := range rows {
		if row.FilmID != 0 {
			page.Items = append(page.Items, row.Film)
		}
	}
	switch q.Count {
	case CountExact:
		page.Total = &rows[0].Total
	case CountEstimated:
		page.Total = new(max(estimate, int64(len(page.Items))))
	case CountNone:
	}
	return page
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
		if err := c.query(ctx, &rows, filmsOfSQL, oneBlank(name)); err != nil {
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

// estimate returns the number of matching films that the planner expects.
func (c session) estimate(ctx context.Context, q FilmQuery) (int64, error) {
	s := q.conditions(categoryJoined)
	sql := `EXPLAIN (FORMAT JSON) SELECT FROM {film} f WHERE ` + s.all()
	var rows []struct {
		Plan string `bun:"QUERY PLAN"`
	}
	if err := c.query(ctx, &rows, sql, s.args...); err != nil {
		return 0, fmt.Errorf("explain: %w", err)
	}
	var plans []struct {
		Plan struct {
			Rows float64 `json:"Plan Rows"`
		}
	}
	if err := json.Unmarshal([]byte(rows[0].Plan), &plans); err != nil {
		return 0, fmt.Errorf("read the plan: %w", err)
	}
	return int64(plans[0].Plan.Rows), nil
}
