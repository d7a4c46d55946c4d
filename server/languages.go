package server

import (
	"context"

	"example.com/pagila-api/gen"
)

// ListLanguages responds with the languages.
func (s *Server) ListLanguages(ctx context.Context, _ gen.ListLanguagesRequestObject) (gen.ListLanguagesResponseObject, error) {
	languages, err := s.deps.Store.Languages(ctx)
	if err != nil {
		return nil, err
	}
	items := make([]gen.Language, len(languages))
	for i, l := range languages {
		items[i] = gen.Language{LanguageID: l.LanguageID, Name: l.Name, FilmCount: l.FilmCount}
	}
	return gen.ListLanguages200JSONResponse{Items: items}, nil
}
