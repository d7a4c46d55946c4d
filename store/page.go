package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/segmentio/encoding/json"
)

// MaxPageSize is the largest number of items on a page.
const MaxPageSize = 100

// Paging chooses the page of a list. Each list says which orders it has.
type Paging struct {
	Order    string // with a minus sign to reverse it
	Page     int32  // from 1, which is the default
	Cursor   string // Page.Next of the page before, instead of Page
	PageSize int32  // from 1 to MaxPageSize
	Count    Count
}

// Count is how the number of items on all pages is found.
type Count string

// The ways to count. The default is CountExact with a page number, and CountNone with a cursor.
const (
	CountExact     Count = "exact"
	CountCapped    Count = "capped"    // no further than CountCap+1, which means that there are more than CountCap
	CountEstimated Count = "estimated" // by the planner, which may be wrong
	CountNone      Count = "none"
)

// CountCap is how many items CountCapped counts.
const CountCap = 10_000

// Page is a page of a list in the order of the query.
type Page[T any] struct {
	Items []T    // empty past the last page
	Page  int32  // its number, or 0 if the query had a cursor
	Total *int64 // the number of items on all pages, or nil with CountNone
	Next  string // the cursor of the next page, or "" on the last page

	memory *[]T       // the slice that Items uses, or nil if it is not from a pool or was released
	pool   *sync.Pool // where Release puts it
}

// Release lets other pages use the memory of the items. It must be called on one copy of the page only. After it, no
// copy's items may be used, but their texts may be. A page that is not released is garbage like any other value.
func (p *Page[T]) Release() {
	if p.memory == nil {
		return
	}
	clear(p.Items[:cap(p.Items)]) // the pool must not keep the texts of a page in memory
	*p.memory = p.Items
	p.pool.Put(p.memory)
	p.Items, p.memory = nil, nil
}

// list describes a list that has pages. Its items are rows of a table with an integer id that is greater than 0.
type list struct {
	name   string // of the statement that reads a page, for the Observer
	table  string // with its alias, such as `{film} f`
	id     string // the column, such as `f.film_id`
	orders map[string]order
	order  string // the name of the default order

	// columns are those of an item. They are read only for the rows of the page, where page.id is the id, and the
	// joins find the rest by it.
	columns, joins string
	// carried are columns of the table that page has as well, for a table that cannot be looked up by its id alone.
	// They begin with a comma.
	carried string

	memory *pageMemory // made by memoryFor, with the types for which readPage is called
}

// pageMemory has the slices of a list's pages that are not in use.
type pageMemory struct {
	rows  sync.Pool // of slices of the rows that are read
	items sync.Pool // of slices of the items to which they are converted
}

// memoryFor returns the memory for a list with rows and items of these types.
func memoryFor[R, T any]() *pageMemory {
	return &pageMemory{
		rows:  sync.Pool{New: func() any { return new([]pageRow[R]) }},
		items: sync.Pool{New: func() any { return new([]T) }},
	}
}

// query is a query for a page of a list.
type query interface {
	// faults returns what contradicts itself.
	faults() []QueryFault
	// identity returns the query with this paging. Queries with the same JSON have the same items in the same order.
	// The fields of a type of queries differ from those of other types.
	identity(p Paging) any
	// conditions returns a statement with the conditions. all says that all matching rows are read, to count or sort them,
	// and not only the first ones. The text may depend on it, but the meaning and the arguments do not. Without arguments
	// the text is the same.
	conditions(all bool) *statement
}

// lookingUp is a query that looks something up before it knows its conditions.
type lookingUp interface {
	lookUp(ctx context.Context, c session) error
}

// pageRequest is a paging that was checked and completed with the defaults.
type pageRequest struct {
	list
	Paging
	by          order
	after       *position // of the cursor
	fingerprint [fingerprintSize]byte
}

// prepare completes the paging with the defaults and checks it.
func (l list) prepare(p Paging, q query) (pageRequest, error) {
	p.Order = cmp.Or(p.Order, l.order)
	by, known := l.orderNamed(p.Order)
	r := pageRequest{list: l, Paging: p, by: by, fingerprint: fingerprint(q.identity(Paging{Order: p.Order}))}
	faults := q.faults()
	switch {
	case !known:
		faults = append(faults, QueryFault{"sort", "there is no such order"})
	case p.Cursor != "" && p.Page != 0:
		faults = append(faults, QueryFault{"cursor", "a request has either a page or a cursor"})
	case p.Cursor != "":
		var err error
		if r.after, err = decodePosition(p.Cursor, r.fingerprint, by); err != nil {
			faults = append(faults, QueryFault{"cursor", err.Error()})
		}
		r.Count = cmp.Or(p.Count, CountNone)
	default:
		r.Page, r.Count = max(p.Page, 1), cmp.Or(p.Count, CountExact)
	}
	if faults != nil {
		return r, &InvalidQueryError{faults}
	}
	r.PageSize = min(max(p.PageSize, 1), MaxPageSize)
	return r, nil
}

// orderNamed returns the order with this name, which may begin with a minus sign.
func (l list) orderNamed(name string) (order, bool) {
	plain, reversed := strings.CutPrefix(name, "-")
	by, ok := l.orders[plain]
	by.descending = by.descending != reversed
	by.id = l.id
	return by, ok
}

// fingerprint identifies a query.
func fingerprint(identity any) [fingerprintSize]byte {
	sum := digest(identity)
	return [fingerprintSize]byte(sum[:])
}

// pageRow is a row of the statement. Without an id, it carries only the total.
type pageRow[R any] struct {
	Row     R `bun:"embed:"`
	ID      int32
	Total   int64
	SortKey string // after keyMark, or "" if it is NULL
}

// keyMark precedes a sort key that is not NULL, so that an empty key differs from NULL. A column of its own would be the
// 17th of a page of films. pgx has room for the descriptions of 16, and allocates a kilobyte for more.
const keyMark = "="

// readPage reads a page of a list and converts its rows to items. The error is an *InvalidQueryError if the query
// contradicts itself or the cursor is not one for it.
func readPage[R, T any](ctx context.Context, s *Store, l list, p Paging, q query, convert func(*R) T) (Page[T], error) {
	r, err := l.prepare(p, q)
	if err != nil {
		return Page[T]{}, err
	}
	rows := l.memory.rows.Get().(*[]pageRow[R])
	defer func() {
		clear((*rows)[:cap(*rows)]) // the pool must not keep their texts in memory either
		l.memory.rows.Put(rows)
	}()
	var estimate int64
	err = s.call(ctx, s.reads, NoWrite, func(ctx context.Context, c session) error {
		if l, ok := q.(lookingUp); ok {
			if err := l.lookUp(ctx, c); err != nil {
				return err
			}
		}
		if r.Count == CountEstimated {
			if estimate, err = c.estimate(ctx, l.table, q); err != nil {
				return err
			}
		}
		known, err := c.layout(ctx)
		if err != nil {
			return err
		}
		sql, args := r.sql(q, known.isSmall(r.table))
		return c.query(ctx, r.name, rows, sql, args...)
	})
	if lacksCharacter(err) {
		*rows, estimate = append((*rows)[:0], pageRow[R]{}), 0
	} else if err != nil {
		return Page[T]{}, err
	}
	return newPage(r, *rows, estimate, convert), nil
}

// sql returns the statement that reads the page, from one snapshot with its total. It finds the ids of the page
// first, and reads the details of these rows alone. The outer join keeps the total if the page is empty.
//
// A plan that is kept has to do for every page. If the planner saw its size and number, which stand in a SELECT
// therefore, it would make a plan for each execution, which takes longer than the execution. The inner limit tells it
// that few rows are wanted, so that it prefers to walk an index.
//
// In a small table, a page and its exact total come from the same rows. It is cheaper to find all matching rows once than
// to walk to the page and then count. Without arguments, the query is usually the list of all films. Nearly all rows then
// match and the walk is short, so the page and the total are found one after the other.
func (r pageRequest) sql(q query, small bool) (sql string, args []any) {
	together := small && r.Count == CountExact && r.after == nil
	s := q.conditions(together)
	together = together && len(s.args) > 0
	size := `(SELECT ` + s.arg(r.PageSize+1) + `::bigint)`
	total := `(SELECT count(*) FROM matching)`
	if !together {
		total = r.total(s, q, size)
	}
	offset, skipped := ``, int64(0)
	switch {
	case r.after != nil:
		s.where(true, r.by.after(*r.after, s.arg))
	case r.Page > 1:
		skipped = int64(r.Page-1) * int64(r.PageSize)
		offset = ` OFFSET (SELECT ` + s.arg(skipped) + `::bigint)`
	}
	var opening, closing string
	if together {
		opening, closing = `matching AS MATERIALIZED (`, `), page AS MATERIALIZED (
	SELECT * FROM matching`
	} else {
		opening, closing = `page AS MATERIALIZED (
	SELECT * FROM (`, `
		ORDER BY `+r.by.by(r.by.key, r.id)+` LIMIT `+innerLimit(skipped)+`
	) best`
	}
	return intern(`
WITH `, opening, `
		SELECT `, r.id, ` AS id, `, r.by.key, ` AS sort_key`, r.carried, ` FROM `, r.table, r.by.joins, `
		WHERE `, s.all(), closing, `
	ORDER BY `, r.by.by(`sort_key`, `id`), ` LIMIT `, size, offset, `
)
SELECT total.total, page.id, '`, keyMark, `' || `, r.by.is.text(`page.sort_key`), ` AS sort_key,`, r.columns, `
FROM (SELECT `, total, ` AS total) total
LEFT JOIN page ON true`, r.joins, `
ORDER BY `, r.by.by(`page.sort_key`, `page.id`)), s.args
}

// innerLimit returns a number of rows that is enough for any page after so many rows. There are few such numbers, so
// that there are few texts.
func innerLimit(skipped int64) string {
	limit := int64(MaxPageSize)
	for limit < skipped+MaxPageSize {
		limit *= 10
	}
	return strconv.FormatInt(limit+1, 10)
}

// total returns an expression for the total, with the arguments of the statement. If the first page has all items,
// they are counted there: PostgreSQL does not evaluate the branch that it does not need.
func (r pageRequest) total(s *statement, q query, size string) string {
	var matching string
	switch r.Count {
	case CountExact:
		matching = r.table + ` WHERE ` + q.conditions(true).all()
	case CountCapped:
		matching = `(` + r.capped(s) + `) capped`
	default:
		return `NULL::bigint`
	}
	total := `(SELECT count(*) FROM ` + matching + `)`
	if r.Page == 1 {
		total = `CASE WHEN (SELECT count(*) FROM page) < ` + size + ` THEN (SELECT count(*) FROM page) ELSE ` + total + ` END`
	}
	return total
}

// capped returns a statement for the rows of a capped count. It has the conditions of pages, since it can end early as
// well. It tests the slow ones last, and for one row at a time: a plan that joins whole tables would not end early, and
// the planner cannot know how many rows meet these conditions.
func (r pageRequest) capped(s *statement) string {
	from := r.table + ` WHERE ` + and(s.conditions)
	if s.slow != nil {
		alias, _, _ := strings.Cut(r.id, ".")
		from = `(SELECT * FROM ` + from + ` OFFSET 0) ` + alias + ` WHERE (SELECT ` + and(s.slow) + `)`
	}
	return `SELECT FROM ` + from + ` LIMIT ` + strconv.Itoa(CountCap+1)
}

// newPage makes a page of the rows, which are one more than the page has if there is a next page.
func newPage[R, T any](r pageRequest, rows []pageRow[R], estimate int64, convert func(*R) T) Page[T] {
	memory := r.memory.items.Get().(*[]T)
	page := Page[T]{Items: slices.Grow((*memory)[:0], len(rows)), Page: r.Page, memory: memory, pool: &r.memory.items}
	if more := len(rows) > int(r.PageSize); more {
		rows = rows[:r.PageSize]
		last := &rows[len(rows)-1]
		at := position{ID: last.ID}
		if key, known := strings.CutPrefix(last.SortKey, keyMark); known {
			last.SortKey = key
			at.Key = &last.SortKey
		}
		page.Next = at.encode(r.fingerprint)
	}
	for i := range rows {
		if row := &rows[i]; row.ID != 0 {
			page.Items = append(page.Items, convert(&row.Row))
		}
	}
	switch r.Count {
	case CountExact, CountCapped:
		page.Total = new(rows[0].Total)
	case CountEstimated:
		page.Total = new(max(estimate, int64(len(page.Items))))
	case CountNone:
	}
	return page
}

// itself converts a row that is an item as it is.
func itself[R any](row *R) R { return *row }

// estimate returns the number of matching rows of a table that the planner expects.
func (c session) estimate(ctx context.Context, table string, q query) (int64, error) {
	s := q.conditions(true)
	sql := `EXPLAIN (FORMAT JSON) SELECT FROM ` + table + ` WHERE ` + s.all()
	var rows []struct {
		Plan string `bun:"QUERY PLAN"`
	}
	if err := c.query(ctx, "page.estimate", &rows, sql, s.args...); err != nil {
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
