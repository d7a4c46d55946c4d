package server

import (
	"context"
	"maps"
	"net/url"
	"path"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/store"
)

// paging converts the parameters that all lists with cursors have.
func paging(order string, page *gen.Page, size *gen.PageSize, cursor *gen.Cursor, count *gen.CountMode) store.Paging {
	return store.Paging{
		Order: order, Page: value(page), PageSize: value(size), Cursor: value(cursor), Count: store.Count(value(count)),
	}
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
