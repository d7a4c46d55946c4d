package server

import (
	"context"

	"github.com/shopspring/decimal"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/store"
)

// ListFilms responds with a page of the catalogue.
func (s *Server) ListFilms(ctx context.Context, request gen.ListFilmsRequestObject) (gen.ListFilmsResponseObject, error) {
	q := filmQuery(request.Params)
	found, err := s.deps.Store.Films(ctx, q)
	if err != nil {
		return nil, err
	}
	return gen.ListFilms200JSONResponse{
		Body: gen.FilmPage{
			Items: filmItems.of(ctx, &found), Page: known(&found.Page), PageSize: q.PageSize, Total: found.Total, NextCursor: known(&found.Next),
		},
		Headers: gen.ListFilms200ResponseHeaders{Link: linkTo(ctx, found.Next)},
	}, nil
}

var filmItems = pageItems[store.Film, gen.Film]{convert: film}

func filmQuery(p gen.ListFilmsParams) store.FilmQuery {
	return store.FilmQuery{
		Search: value(p.Q), Title: value(p.Title), Categories: p.Category, Ratings: strs(p.Rating), Languages: p.Language,
		Actors: p.Actor, ActorIDs: p.ActorID, SpecialFeatures: p.SpecialFeature,
		ReleaseYear:     store.Range[int32]{Min: p.ReleaseYearMin, Max: p.ReleaseYearMax},
		Length:          store.Range[int32]{Min: p.LengthMin, Max: p.LengthMax},
		RentalRate:      store.Range[decimal.Decimal]{Min: amount(p.RentalRateMin), Max: amount(p.RentalRateMax)},
		ReplacementCost: store.Range[decimal.Decimal]{Min: amount(p.ReplacementCostMin), Max: amount(p.ReplacementCostMax)},
		RentalDuration:  store.Range[int32]{Min: p.RentalDurationMin, Max: p.RentalDurationMax},

		StreamingAvailable: p.StreamingAvailable, InStock: p.InStock, StoreID: value(p.StoreID),
		Paging: paging(string(value(p.Sort)), p.Page, p.PageSize, p.Cursor, p.Count),
	}
}

// GetFilm responds with a film, its categories, its actors and its availability.
func (s *Server) GetFilm(ctx context.Context, request gen.GetFilmRequestObject) (gen.GetFilmResponseObject, error) {
	found, err := s.deps.Store.Film(ctx, request.FilmID)
	if err != nil {
		return nil, err
	}
	tag := etag(found.Version)
	if unchanged(callOf(ctx).request, found.Version) {
		return gen.GetFilm304Response{Headers: gen.GetFilm304ResponseHeaders{ETag: tag}}, nil
	}
	return gen.GetFilm200JSONResponse{Body: filmDetail(&found, tag), Headers: gen.GetFilm200ResponseHeaders{ETag: tag}}, nil
}

// UpdateFilm changes a film that the client has read, and responds with it.
func (s *Server) UpdateFilm(ctx context.Context, request gen.UpdateFilmRequestObject) (gen.UpdateFilmResponseObject, error) {
	versions, err := knownVersions(request.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	changed, err := s.deps.Store.UpdateFilm(ctx, request.FilmID, versions, store.FilmUpdate{StreamingAvailable: request.Body.StreamingAvailable})
	if err != nil {
		return nil, err
	}
	tag := etag(changed.Version)
	return gen.UpdateFilm200JSONResponse{Body: filmDetail(&changed, tag), Headers: gen.UpdateFilm200ResponseHeaders{ETag: tag}}, nil
}

// filmDetail converts a film with its entity tag. The result refers to the film.
func filmDetail(found *store.FilmDetail, tag string) gen.FilmDetail {
	f := film(&found.Film)
	actors := make([]gen.Actor, len(found.Actors))
	for i, a := range found.Actors {
		actors[i] = gen.Actor(a)
	}
	availability := make([]gen.Availability, len(found.Availability))
	for i, a := range found.Availability {
		availability[i] = gen.Availability{StoreID: a.StoreID, Copies: a.Copies, InStock: a.InStock}
	}
	return gen.FilmDetail{
		Actors: actors, Availability: availability, Etag: tag,
		Categories: append([]string{}, found.Categories...), // never nil
		Category:   f.Category, Description: f.Description, FilmID: f.FilmID, Language: f.Language,
		Length: f.Length, Rating: f.Rating, ReleaseYear: f.ReleaseYear, RentalDuration: f.RentalDuration,
		RentalRate: f.RentalRate, ReplacementCost: f.ReplacementCost,
		SpecialFeatures: f.SpecialFeatures, StreamingAvailable: f.StreamingAvailable, Title: f.Title,
	}
}

// film converts a film. The result refers to it, which saves an allocation for each optional member.
func film(f *store.Film) gen.Film {
	return gen.Film{
		FilmID:             f.FilmID,
		Title:              f.Title,
		Description:        known(&f.Description),
		ReleaseYear:        known(&f.ReleaseYear),
		Language:           f.Language,
		Category:           known(&f.Category),
		Rating:             (*gen.Rating)(known(&f.Rating)),
		Length:             known(&f.Length),
		RentalRate:         known(&f.RentalRate),
		RentalDuration:     f.RentalDuration,
		ReplacementCost:    known(&f.ReplacementCost),
		SpecialFeatures:    f.SpecialFeatures,
		StreamingAvailable: f.StreamingAvailable,
	}
}

// known returns v, or nil for the zero value, which stands for a value that the database does not know. The response
// omits it.
func known[T comparable](v *T) *T {
	var unknown T
	if *v == unknown {
		return nil
	}
	return v
}

// value returns the value of an optional parameter, or the zero value.
func value[T any](v *T) (zero T) {
	if v == nil {
		return zero
	}
	return *v
}

// strs converts the values of an enum.
func strs[T ~string](values []T) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return all
}

// amount reads an amount that follows the contract.
func amount(text *gen.Amount) *decimal.Decimal {
	if text == nil {
		return nil
	}
	return new(decimal.RequireFromString(*text))
}
