package client

import (
	"context"
	"iter"
)

// filmsPerPage is the most that the contract allows, for the fewest calls.
const filmsPerPage = 100

// Films reads the catalogue page by page, as far as the caller goes on. It begins with the page of
// the parameters, or the first; where they name no page size, it is 100. An error is the last thing
// it yields. Each range over the result begins anew.
//
// Pages are read one after the other, not from one snapshot of the database.
func (a *API) Films(ctx context.Context, params ListFilmsParams) iter.Seq2[Film, error] {
	return func(yield func(Film, error) bool) {
		page, size := int32(1), int32(filmsPerPage)
		if params.Page != nil {
			page = *params.Page
		}
		if params.PageSize != nil {
			size = *params.PageSize
		}
		params := params // the caller's stay as they are
		params.Page, params.PageSize = &page, &size
		for {
			answer, err := a.ListFilmsWithResponse(ctx, &params)
			if err != nil {
				yield(Film{}, err)
				return
			}
			found := answer.JSON200
			for _, film := range found.Items {
				if !yield(film, nil) {
					return
				}
			}
			if len(found.Items) == 0 || int64(page)*int64(size) >= found.Total {
				return
			}
			page++
		}
	}
}
