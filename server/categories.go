package server

import (
	"context"

	"example.com/pagila-api/gen"
)

// ListCategories responds with the categories.
func (s *Server) ListCategories(ctx context.Context, _ gen.ListCategoriesRequestObject) (gen.ListCategoriesResponseObject, error) {
	categories, err := s.deps.Store.Categories(ctx)
	if err != nil {
		return nil, err
	}
	items := make([]gen.Category, len(categories))
	for i, c := range categories {
		items[i] = gen.Category{CategoryID: c.CategoryID, Name: c.Name, FilmCount: c.FilmCount}
	}
	return gen.ListCategories200JSONResponse{Items: items}, nil
}
