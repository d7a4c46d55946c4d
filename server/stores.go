package server

import (
	"context"

	"example.com/pagila-api/gen"
)

// ListStores responds with the stores of the chain.
func (s *Server) ListStores(ctx context.Context, _ gen.ListStoresRequestObject) (gen.ListStoresResponseObject, error) {
	shops, err := s.deps.Store.Shops(ctx)
	if err != nil {
		return nil, err
	}
	items := make([]gen.Store, len(shops))
	for i := range shops {
		shop := &shops[i]
		items[i] = gen.Store{
			StoreID:  shop.StoreID,
			Address:  known(&shop.Address),
			District: known(&shop.District),
			City:     known(&shop.City),
			Country:  known(&shop.Country),
		}
	}
	return gen.ListStores200JSONResponse{Items: items}, nil
}
