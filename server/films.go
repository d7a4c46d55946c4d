package server

import (
	"context"

	"github.com/shopspring/decimal"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/store"
)

// ListFilms responds with a page of the catalogue.
func (s *Server) ListFilms(ctx context.Context, request gen.ListFilmsRequestObject) (gen.ListFilmsResponseObject, error) {
	q := store.FilmQuery{Page: 1, PageSize: *request.Params.PageSize}
	if request.Params.Page != nil {
		q.Page = *request.Params.Page
	}
	if len(request.Params.Category) > 0 {
		q.Category = request.Params.Category[0]
	}
	page, err := s.deps.Store.Films(ctx, q)
	if err != nil {
		return nil, err
	}
	items := make([]gen.Film, len(page.Items)) // never nil: JSON needs [], not null
	for i, f := range page.Items {
		items[i] = film(f)
	}
	return gen.ListFilms200JSONResponse{Body: gen.FilmPage{Items: items, Page: &q.Page, PageSize: q.PageSize, Total: &page.Total}}, nil
}

// GetFilm responds with a film, its categories, its actors and its availability.
func (s *Server) GetFilm(ctx context.Context, request gen.GetFilmRequestObject) (gen.GetFilmResponseObject, error) {
	found, err := s.deps.Store.Film(ctx, request.FilmID)
	if err != nil {
		return nil, err
	}
	f := film(found.Film)
	actors := make([]gen.Actor, len(found.Actors))
	for i, a := range found.Actors {
		actors[i] = gen.Actor(a)
	}
	availability := make([]gen.Availability, len(found.Availability))
	for i, a := range found.Availability {
		availability[i] = gen.Availability{StoreID: a.StoreID, Copies: a.Copies, InStock: a.InStock}
	}
	return gen.GetFilm200JSONResponse{
		Actors: actors, Availability: availability,
		Categories: append([]string{}, found.Categories...), // never nil
		Category:   f.Category, Description: f.Description, FilmID: f.FilmID, Language: f.Language,
		Length: f.Length, Rating: f.Rating, ReleaseYear: f.ReleaseYear, RentalDuration: f.RentalDuration,
		RentalRate: f.RentalRate, ReplacementCost: f.ReplacementCost,
		SpecialFeatures: f.SpecialFeatures, StreamingAvailable: f.StreamingAvailable, Title: f.Title,
	}, nil
}

func film(f store.Film) gen.Film {
	features := f.SpecialFeatures
	if features == nil {
		features = []string{}
	}
	return gen.Film{
		FilmID:             f.FilmID,
		Title:              f.Title,
		Description:        known(f.Description),
		ReleaseYear:        known(f.ReleaseYear),
		Language:           f.Language,
		Category:           known(f.Category),
		Rating:             known(gen.Rating(f.Rating)),
		Length:             known(f.Length),
		RentalRate:         money(f.RentalRate),
		RentalDuration:     f.RentalDuration,
		ReplacementCost:    money(f.ReplacementCost),
		SpecialFeatures:    features,
		StreamingAvailable: f.StreamingAvailable,
	}
}

// known returns nil for a value that the database does not know, so that the response omits it.
func known[T comparable](v T) *T {
	var unknown T
	if v == unknown {
		return nil
	}
	return &v
}

// money formats an amount like the database, with two decimal places.
func money(amount decimal.NullDecimal) *gen.Money {
	if !amount.Valid {
		return nil
	}
	return new(amount.Decimal.StringFixed(2))
}
