package server

import (
	"context"
	"maps"
	"net/url"
	"path"
	"slices"
	"sync"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/store"
)

// paging converts the parameters that all lists with cursors have.
func paging(order string, page *gen.Page, size *gen.PageSize, cursor *gen.Cursor, count *gen.CountMode) store.Paging {
	return store.Paging{
		Order: order, Page: value(page), PageSize: value(size), Cursor: value(cursor), Count: store.Count(value(count)),
	}
}

// pageItems converts the items of the pages of a list.
type pageItems[R, T any] struct {
	convert func(*R) T // the result refers to its argument
	memory  sync.Pool  // of slices that are not in use
}

// of returns the items of a page for the response. When the request has ended, other requests may use the memory of the
// page and of the items.
func (p *pageItems[R, T]) of(ctx context.Context, page *store.Page[R]) []T {
	slice, ok := p.memory.Get().(*[]T)
	if !ok {
		slice = new([]T)
	}
	items := slices.Grow((*slice)[:0], max(len(page.Items), 1)) // never nil: JSON needs [], not null
	for i := range page.Items {
		items = append(items, p.convert(&page.Items[i]))
	}
	callOf(ctx).recycle = func() {
		page.Release()
		clear(items) // the pool must not keep the texts of a page in memory
		*slice = items
		p.memory.Put(slice)
	}
	return items
}

// linkTo returns the header Link to the next page, or nil on the last one.
func linkTo(ctx context.Context, cursor string) *string {
	if cursor == "" {
		return nil
	}
	return new(nextPage(ctx, cursor))
}

// nextPage returns a Link to the next page. The target is relative to the request's URL, so it works behind a
// prefix, and has all parameters of the request except for page.
func nextPage(ctx context.Context, cursor string) string {
	call := callOf(ctx)
	query := url.Values{}
	maps.Copy(query, call.query)
	query.Del("page")
	query.Set("cursor", cursor)
	return "<" + path.Base(call.request.URL.Path) + "?" + query.Encode() + `>; rel="next"`
}
