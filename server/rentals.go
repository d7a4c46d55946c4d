package server

import (
	"context"
	"fmt"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/store"
)

// CreateRental rents a copy to a customer.
func (s *Server) CreateRental(ctx context.Context, request gen.CreateRentalRequestObject) (gen.CreateRentalResponseObject, error) {
	created, err := s.deps.Store.CreateRental(ctx, store.NewRental{
		CustomerID:  request.CustomerID,
		InventoryID: request.Body.InventoryID,
		StaffID:     request.Body.StaffID,
	})
	if err != nil {
		return nil, err
	}
	return gen.CreateRental201JSONResponse{
		Body: rental(created),
		Headers: gen.CreateRental201ResponseHeaders{
			Location: fmt.Sprintf("rentals/%d", created.RentalID), // relative to the request (RFC 9110, section 10.2.2)
		},
	}, nil
}

// GetRental responds with a rental of a customer.
func (s *Server) GetRental(ctx context.Context, request gen.GetRentalRequestObject) (gen.GetRentalResponseObject, error) {
	found, err := s.deps.Store.Rental(ctx, request.CustomerID, request.RentalID)
	if err != nil {
		return nil, err
	}
	return gen.GetRental200JSONResponse(rental(found)), nil
}

func rental(r store.Rental) gen.Rental {
	return gen.Rental{
		RentalID:    r.RentalID,
		RentalDate:  r.RentalDate,
		InventoryID: r.InventoryID,
		CustomerID:  r.CustomerID,
		StaffID:     r.StaffID,
		ReturnDate:  r.ReturnDate,
		FilmID:      r.FilmID,
		DueDate:     r.DueDate,
	}
}
