package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

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

// condition is a condition on the film f. It numbers its own arguments from $1.
type condition struct {
	set  bool
	sql  string
	args []any
}

const (
	// searchQuery does not depend on default_text_search_config. As a subquery it is evaluated once.
	searchQuery = `(SELECT websearch_to_tsquery('pg_catalog.english', lower($1::text {unicode})))`

	// searchWords are the words in $2 that are no stop words. They consist of letters and digits, so they are no
	// patterns.
	searchWords = `unnest($2::text[]) word WHERE numnode(` + wordQuery + `) > 0`
	wordQuery   = `plainto_tsquery('pg_catalog.english', lower(word {unicode}))`

	// abbreviated finds each of the words in the film, or at the beginning of a word of its title, for which
	// Pagila has no index. Few titles match the first pattern, which has all the words, so the rest costs little.
	// It is NULL if there are only stop words: they find nothing.
	abbreviated = `f.title {unicode} ~* (SELECT '\m(' || string_agg(word, '|') || ')' FROM ` + searchWords + `)
		AND NOT EXISTS (SELECT FROM unnest(ARRAY(SELECT ` + wordQuery + ` FROM ` + searchWords + `), ARRAY(SELECT '\m' || word FROM ` + searchWords + `))
			each_word (query, pattern) WHERE (f.fulltext @@ query OR f.title {unicode} ~* pattern) IS NOT TRUE)`

	// folded is the text in $1 as it is compared. A kept plan would evaluate it for each row without the SELECT.
	folded = `(SELECT lower(upper($1::text {unicode})))`

	// wanted are the names in $1 as they are compared.
	wanted = `(SELECT lower(upper(name {unicode})) FROM unnest($1::text[]) name)`

	categoryIs = `EXISTS (SELECT FROM {film_category} fc WHERE fc.film_id = f.film_id AND fc.category_id = ANY (ARRAY(
		SELECT category_id FROM {category} WHERE category_id > 0 AND lower(upper(name {unicode})) IN ` + wanted + `)))`

	// languageIs casts to text, which drops the blanks that character(20) adds.
	languageIs = `f.language_id = ANY (ARRAY(
		SELECT language_id FROM {language} WHERE language_id > 0 AND lower(upper(name::text {unicode})) IN ` + wanted + `))`

	// inStock names the stores because Pagila's index of copies begins with them.
	inStock = `EXISTS (SELECT FROM {inventory} i WHERE i.film_id = f.film_id AND i.inventory_id > 0
		AND i.store_id = ANY (CASE WHEN $1::integer = 0 THEN ARRAY(SELECT store_id FROM {store}) ELSE ARRAY[$1::integer] END)
		AND NOT EXISTS (SELECT FROM {rental} r WHERE r.inventory_id = i.inventory_id AND r.return_date IS NULL))`
	inStore = `EXISTS (SELECT FROM {inventory} i WHERE i.film_id = f.film_id AND i.inventory_id > 0 AND i.store_id = $1::integer)`

	// PostgreSQL accepts NaN as a numeric, but it is not an amount of money.
	rentalRate      = `NULLIF(f.rental_rate, 'NaN')`
	replacementCost = `NULLIF(f.replacement_cost, 'NaN')`
)

var (
	hasTitle = fold(`f.title`) + ` LIKE ` + folded

	// hasFeatures folds the array as a text, which costs less than a subquery for each film.
	hasFeatures = fold(`f.special_features::text`) + `::text[] @> ARRAY` + wanted

	hasActor = `EXISTS (SELECT FROM {film_actor} fa JOIN {actor} a USING (actor_id)
		WHERE fa.film_id = f.film_id AND a.actor_id > 0 AND ` + actorNamed(`$1`) + `)`
)

// fold returns SQL for the text as it is compared. A condition on it may have to read every film, and Unicode's rules
// are slow. ASCII texts get the rules of C, which have the same result. In UTF-8 they are the texts with as many bytes
// as characters.
func fold(text string) string {
	const c = ` COLLATE pg_catalog."C"`
	return `CASE WHEN (SELECT getdatabaseencoding() = 'UTF8') AND octet_length(` + text + `) = length(` + text + `)
		THEN lower(` + text + c + `) ELSE lower(upper(` + text + ` {unicode}))` + c + ` END`
}

// conditions returns the conditions of the query. The search comes first: the order by relevance relies on
// its $1.
func (q FilmQuery) conditions() []condition {
	words := prefixes(q.Search)
	all := []condition{
		{q.Search != "" && words != nil, `(f.fulltext @@ ` + searchQuery + ` OR ` + abbreviated + `)`, []any{q.Search, words}},
		{q.Search != "" && words == nil, `f.fulltext @@ ` + searchQuery, []any{q.Search}},
		{true, `f.film_id > 0`, nil},
		{q.Title != "", hasTitle, []any{containing(q.Title)}},
		{len(q.Categories) > 0, categoryIs, []any{q.Categories}},
		{len(q.Ratings) > 0, `f.rating::text = ANY ($1::text[])`, []any{q.Ratings}},
		{len(q.Languages) > 0, languageIs, []any{q.Languages}},
		{len(q.SpecialFeatures) > 0, hasFeatures, []any{q.SpecialFeatures}},
		{q.StreamingAvailable != nil, `COALESCE(f.streaming_available, false) = $1::boolean`, []any{q.StreamingAvailable}},
		{q.InStock != nil && *q.InStock, inStock, []any{q.StoreID}},
		{q.InStock != nil && !*q.InStock, `NOT ` + inStock, []any{q.StoreID}},
		{q.InStock == nil && q.StoreID != 0, inStore, []any{q.StoreID}},
	}
	for i, name := range q.Actors {
		if few := q.films[i]; few != nil {
			all = append(all, condition{true, `f.film_id = ANY ($1::integer[])`, []any{few}})
		} else {
			all = append(all, condition{true, hasActor, []any{oneBlank(name)}})
		}
	}
	for _, id := range q.ActorIDs {
		all = append(all, condition{true, `f.film_id IN (SELECT film_id FROM {film_actor} WHERE actor_id = $1::integer)`, []any{id}})
	}
	all = slices.Concat(all,
		q.ReleaseYear.conditions(`f.release_year`, `integer`),
		q.Length.conditions(`f.length`, `integer`),
		q.RentalRate.conditions(rentalRate, `numeric`),
		q.ReplacementCost.conditions(replacementCost, `numeric`),
		q.RentalDuration.conditions(`f.rental_duration`, `integer`))
	return slices.DeleteFunc(all, func(c condition) bool { return !c.set })
}

// conditions compares with the bounds as the type. As a numeric, an amount with more places than the column has
// is exact.
func (r Range[T]) conditions(value, as string) []condition {
	return []condition{
		{r.Min != nil, value + ` >= $1::text::` + as, []any{text(r.Min)}},
		{r.Max != nil, value + ` <= $1::text::` + as, []any{text(r.Max)}},
	}
}

func text[T any](value *T) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(*value)
}

// containing returns the pattern of LIKE for texts that contain this one.
func containing(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + "%"
}

// prefixes returns the words of a search, which may be the beginnings of a title's words, or nil if the
// search has operators.
func prefixes(search string) []string {
	if strings.Contains(search, `"`) {
		return nil
	}
	for _, word := range strings.Fields(search) {
		if word[0] == '-' || strings.EqualFold(word, "or") {
			return nil
		}
	}
	return strings.FieldsFunc(search, func(r rune) bool { return !unicode.In(r, unicode.L, unicode.N, unicode.M) })
}

// statement is a statement under construction.
type statement struct{ args []any }

// arg adds an argument and returns its placeholder.
func (s *statement) arg(value any) string {
	s.args = append(s.args, value)
	return "$" + strconv.Itoa(len(s.args))
}

// where adds the arguments of the conditions and returns them as one.
func (s *statement) where(conditions []condition) string {
	parts := make([]string, len(conditions))
	for i, c := range conditions {
		var marks []string
		for n, value := range c.args {
			marks = append(marks, "$"+strconv.Itoa(n+1), s.arg(value))
		}
		parts[i] = strings.NewReplacer(marks...).Replace(c.sql)
	}
	return strings.Join(parts, "\n\tAND ")
}

// pageSQL returns the statement that reads the page, from one snapshot with its total. It finds the ids of the
// page first, and reads the details of these films alone. The outer join keeps the total if the page is empty.
//
// A plan that is kept has to do for every page size. The inner limit tells the planner that few films are
// wanted, so that it prefers to walk an index.
func (q FilmQuery) pageSQL(order filmOrder, after *position) (sql string, args []any) {
	var s statement
	conditions := s.where(q.conditions())
	total := `SELECT NULL::bigint AS total`
	if q.Count == CountExact {
		total = `SELECT count(*) AS total FROM {film} f WHERE ` + conditions
	}
	offset, limit := ``, ` LIMIT `+strconv.Itoa(MaxPageSize+1)
	switch {
	case after != nil:
		conditions += "\n\tAND " + order.after(*after, s.arg)
	case q.Page > 1:
		limit, offset = ``, ` OFFSET `+s.arg(int64(q.Page-1)*int64(q.PageSize))+`::bigint`
	}
	return `
SELECT total.total, page.sort_key::text AS sort_key,` + filmColumns + `
FROM (` + total + `) total
LEFT JOIN (
	SELECT film_id, sort_key FROM (
		SELECT f.film_id, ` + order.key + ` AS sort_key FROM {film} f
		WHERE ` + conditions + `
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
	var s statement
	sql := `EXPLAIN (FORMAT JSON) SELECT FROM {film} f WHERE ` + s.where(q.conditions())
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
