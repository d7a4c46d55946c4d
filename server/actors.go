package server

import (
	"context"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/store"
)

// ListActors responds with a page of the actors.
func (s *Server) ListActors(ctx context.Context, request gen.ListActorsRequestObject) (gen.ListActorsResponseObject, error) {
	q := store.ActorQuery{Page: *request.Params.Page, PageSize: *request.Params.PageSize}
	if request.Params.Q != nil {
		q.Name = *request.Params.Q
	}
	page, err := s.deps.Store.Actors(ctx, q)
	if err != nil {
		return nil, err
	}
	items := make([]gen.ActorSummary, len(page.Items))
	for i, a := range page.Items {
		items[i] = gen.ActorSummary{ActorID: a.ActorID, FirstName: a.FirstName, LastName: a.LastName, FilmCount: a.FilmCount}
	}
	return gen.ListActors200JSONResponse{Items: items, Page: q.Page, PageSize: q.PageSize, Total: page.Total}, nil
}

// GetActor responds with an actor and the actor's films.
func (s *Server) GetActor(ctx context.Context, request gen.GetActorRequestObject) (gen.GetActorResponseObject, error) {
	found, err := s.deps.Store.Actor(ctx, request.ActorID)
	if err != nil {
		return nil, err
	}
	films := make([]gen.Source, len(found.Films))
	for i, f := range found.Films {
		films[i] = gen.Source(f)
	}
	return gen.GetActor200JSONResponse{
		ActorID: found.ActorID, FirstName: found.FirstName, LastName: found.LastName, Films: films,
	}, nil
}
