package server

import (
	"context"
	"strconv"
	"time"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/server/internal/contract"
	"example.com/pagila-api/store"
)

// CreateRental rents a copy to a customer.
func (s *Server) CreateRental(ctx context.Context, request gen.CreateRentalRequestObject) (gen.CreateRentalResponseObject, error) {
	if err := checkRentalRequest(request.Body); err != nil {
		return nil, err
	}
	created, err := s.deps.Store.CreateRental(ctx, store.NewRental{
		CustomerID:  request.CustomerID,
		InventoryID: value(request.Body.InventoryID),
		FilmID:      value(request.Body.FilmID),
		StoreID:     value(request.Body.StoreID),
		StaffID:     request.Body.StaffID,
	})
	if err != nil {
		return nil, err
	}
	return gen.CreateRental201JSONResponse{
		Body:    rental(&created),
		Headers: gen.CreateRental201ResponseHeaders{Location: rentalLocation(created.RentalID)},
	}, nil
}

// checkRentalRequest checks that a request names either a copy, or a film and a store. The contract says so in
// words, because generated clients cannot express it.
func checkRentalRequest(r *gen.RentalRequest) error {
	var places []contract.Place
	switch {
	case r.InventoryID == nil && r.FilmID == nil && r.StoreID == nil:
		places = append(places, contract.Place{Pointer: "#", Detail: "the body needs inventory_id, or film_id and store_id"})
	case r.InventoryID == nil && r.FilmID == nil:
		places = append(places, contract.Place{Pointer: "#/film_id", Detail: "store_id needs film_id, too"})
	case r.InventoryID == nil && r.StoreID == nil:
		places = append(places, contract.Place{Pointer: "#/store_id", Detail: "film_id needs store_id, too"})
	}
	if r.InventoryID != nil && r.FilmID != nil {
		places = append(places, contract.Place{Pointer: "#/film_id", Detail: "the body has inventory_id, so it cannot have film_id"})
	}
	if r.InventoryID != nil && r.StoreID != nil {
		places = append(places, contract.Place{Pointer: "#/store_id", Detail: "the body has inventory_id, so it cannot have store_id"})
	}
	if places == nil {
		return nil
	}
	return &contract.InvalidError{Places: places}
}

// rentalLocation is the path of a rental relative to the URL that made it (RFC 9110, section 10.2.2).
func rentalLocation(id int32) string { return "rentals/" + strconv.Itoa(int(id)) }

// ReturnRental ends a rental of a customer.
func (s *Server) ReturnRental(ctx context.Context, request gen.ReturnRentalRequestObject) (gen.ReturnRentalResponseObject, error) {
	returned, err := s.deps.Store.ReturnRental(ctx, request.CustomerID, request.RentalID)
	if err != nil {
		return nil, err
	}
	return gen.ReturnRental200JSONResponse(rental(&returned)), nil
}

// ListCustomerRentals responds with a page of a customer's rentals.
func (s *Server) ListCustomerRentals(ctx context.Context, request gen.ListCustomerRentalsRequestObject) (gen.ListCustomerRentalsResponseObject, error) {
	p := request.Params
	q := store.RentalQuery{
		CustomerID: request.CustomerID, State: store.RentalState(value(p.State)),
		Paging: paging(string(value(p.Sort)), p.Page, p.PageSize, p.Cursor, p.Count),
	}
	found, err := s.deps.Store.CustomerRentals(ctx, q)
	if err != nil {
		return nil, err
	}
	return gen.ListCustomerRentals200JSONResponse{
		Body: rentalPage(ctx, &found, q.PageSize), Headers: gen.ListCustomerRentals200ResponseHeaders{Link: linkTo(ctx, found.Next)},
	}, nil
}

// ListRentals responds with a page of the rentals of the shop.
func (s *Server) ListRentals(ctx context.Context, request gen.ListRentalsRequestObject) (gen.ListRentalsResponseObject, error) {
	p := request.Params
	q := store.RentalQuery{
		State: store.RentalState(value(p.State)), CustomerID: value(p.CustomerID), FilmID: value(p.FilmID), StoreID: value(p.StoreID),
		RentalDate: store.Range[time.Time]{Min: day(p.RentalDateMin), Max: day(p.RentalDateMax)},
		Paging:     paging(string(value(p.Sort)), p.Page, p.PageSize, p.Cursor, p.Count),
	}
	found, err := s.deps.Store.Rentals(ctx, q)
	if err != nil {
		return nil, err
	}
	return gen.ListRentals200JSONResponse{
		Body: rentalPage(ctx, &found, q.PageSize), Headers: gen.ListRentals200ResponseHeaders{Link: linkTo(ctx, found.Next)},
	}, nil
}

var rentalItems = pageItems[store.Rental, gen.Rental]{convert: rental}

func rentalPage(ctx context.Context, found *store.Page[store.Rental], size int32) gen.RentalPage {
	return gen.RentalPage{
		Items: rentalItems.of(ctx, found), Page: known(&found.Page), PageSize: size, Total: found.Total, NextCursor: known(&found.Next),
	}
}

// rentals is never nil: JSON needs [], not null.
func rentals(all []store.Rental) []gen.Rental {
	items := make([]gen.Rental, len(all))
	for i := range all {
		items[i] = rental(&all[i])
	}
	return items
}

// GetRental responds with a rental of a customer.
func (s *Server) GetRental(ctx context.Context, request gen.GetRentalRequestObject) (gen.GetRentalResponseObject, error) {
	found, err := s.deps.Store.Rental(ctx, request.CustomerID, request.RentalID)
	if err != nil {
		return nil, err
	}
	return gen.GetRental200JSONResponse(rental(&found)), nil
}

// rental converts a rental. The result refers to it, as that of film does.
func rental(r *store.Rental) gen.Rental {
	return gen.Rental{
		RentalID:    r.RentalID,
		RentalDate:  r.RentalDate,
		InventoryID: r.InventoryID,
		CustomerID:  r.CustomerID,
		StaffID:     r.StaffID,
		ReturnDate:  r.ReturnDate,
		FilmID:      r.FilmID,
		DueDate:     r.DueDate,
		StoreID:     r.StoreID,
		Title:       r.Title,
		DaysOverdue: r.DaysOverdue,
		LateFee:     known(&r.LateFee),
	}
}

// day converts a day of the contract, which is midnight in UTC.
func day(d *gen.Day) *time.Time {
	if d == nil {
		return nil
	}
	return &d.Time
}
