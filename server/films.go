package server

import (
	"context"

	"github.com/shopspring/decimal"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/store"
)

// ListFilms responds with a page of the catalogue.
func (s *Server) ListFilms(ctx context.Context, request gen.ListFilmsRequestObject) (gen.ListFilmsResponseObject, error) {
	// The validation has set the contract's defaults.
	q := store.FilmQuery{Page: *request.Params.Page, PageSize: *request.Params.PageSize}
	if request.Params.Category != nil {
		q.Category = *request.Params.Category
	}
	page, err := s.deps.Store.Films(ctx, q)
	if err != nil {
		return nil, err
	}
	items := make([]gen.Film, len(page.Items)) // never nil: JSON needs [], not null
	for i, f := range page.Items {
		items[i] = film(f)
	}
	return gen.ListFilms200JSONResponse{Items: items, Page: q.Page, PageSize: q.PageSize, Total: page.Total}, nil
}

// GetFilm responds with a film and its actors.
func (s *Server) GetFilm(ctx context.Context, request gen.GetFilmRequestObject) (gen.GetFilmResponseObject, error) {
	found, err := s.deps.Store.Film(ctx, request.FilmID)
	if err != nil {
		return nil, err
	}
	f := film(found.Film)
	actors := make([]gen.Actor, len(found.Actors))
	for i, a := range found.Actors {
		actors[i] = gen.Actor{ActorID: a.ActorID, FirstName: a.FirstName, LastName: a.LastName}
	}
	return gen.GetFilm200JSONResponse{
		Actors: actors, Category: f.Category, Description: f.Description, FilmID: f.FilmID,
		Language: f.Language, Length: f.Length, Rating: f.Rating, ReleaseYear: f.ReleaseYear,
		RentalDuration: f.RentalDuration, RentalRate: f.RentalRate, ReplacementCost: f.ReplacementCost,
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
		Description:        nilIfZero(f.Description),
		ReleaseYear:        nilIfZero(f.ReleaseYear),
		Language:           f.Language,
		Category:           nilIfZero(f.Category),
		Rating:             nilIfZero(gen.Rating(f.Rating)),
		Length:             nilIfZero(f.Length),
		RentalRate:         money(f.RentalRate),
		RentalDuration:     f.RentalDuration,
		ReplacementCost:    money(f.ReplacementCost),
		SpecialFeatures:    features,
		StreamingAvailable: f.StreamingAvailable,
	}
}

// nilIfZero returns nil for a value that the database does not know, so that the response omits it.
func nilIfZero[T comparable](v T) *T {
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
