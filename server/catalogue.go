package server

import (
	"context"
	"errors"

	"example.com/pagila-api/gen"
)

var errSkeleton = errors.New("skeleton of the branch")

func (s *Server) GetActor(ctx context.Context, request gen.GetActorRequestObject) (gen.GetActorResponseObject, error) {
	return nil, errSkeleton
}
func (s *Server) ListActors(ctx context.Context, request gen.ListActorsRequestObject) (gen.ListActorsResponseObject, error) {
	return nil, errSkeleton
}
func (s *Server) ListCategories(ctx context.Context, request gen.ListCategoriesRequestObject) (gen.ListCategoriesResponseObject, error) {
	return nil, errSkeleton
}
func (s *Server) ListLanguages(ctx context.Context, request gen.ListLanguagesRequestObject) (gen.ListLanguagesResponseObject, error) {
	return nil, errSkeleton
}
func (s *Server) ListStores(ctx context.Context, request gen.ListStoresRequestObject) (gen.ListStoresResponseObject, error) {
	return nil, errSkeleton
}
func (s *Server) ListFilmInventory(ctx context.Context, request gen.ListFilmInventoryRequestObject) (gen.ListFilmInventoryResponseObject, error) {
	return nil, errSkeleton
}
