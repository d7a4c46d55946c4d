package server

import (
	"context"

	"example.com/pagila-api/gen"
)

// ListFilmInventory responds with the copies of a film.
func (s *Server) ListFilmInventory(ctx context.Context, request gen.ListFilmInventoryRequestObject) (gen.ListFilmInventoryResponseObject, error) {
	copies, err := s.deps.Store.Copies(ctx, request.FilmID)
	if err != nil {
		return nil, err
	}
	items := make([]gen.Copy, len(copies)) // never nil: JSON needs [], not null
	for i, c := range copies {
		items[i] = gen.Copy{InventoryID: c.InventoryID, StoreID: c.StoreID, InStock: c.InStock, DueDate: c.DueDate}
	}
	return gen.ListFilmInventory200JSONResponse{Items: items}, nil
}
