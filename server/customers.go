package server

import (
	"context"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/store"
)

// ListCustomers responds with a page of the customers.
func (s *Server) ListCustomers(ctx context.Context, request gen.ListCustomersRequestObject) (gen.ListCustomersResponseObject, error) {
	p := request.Params
	q := store.CustomerQuery{
		Search: value(p.Q), StoreID: value(p.StoreID), Active: p.Active,
		Paging: paging(string(value(p.Sort)), p.Page, p.PageSize, p.Cursor, p.Count),
	}
	found, err := s.deps.Store.Customers(ctx, q)
	if err != nil {
		return nil, err
	}
	return gen.ListCustomers200JSONResponse{
		Body: gen.CustomerPage{
			Items: customerItems.of(ctx, &found), Page: known(&found.Page), PageSize: q.PageSize, Total: found.Total, NextCursor: known(&found.Next),
		},
		Headers: gen.ListCustomers200ResponseHeaders{Link: linkTo(ctx, found.Next)},
	}, nil
}

var customerItems = pageItems[store.Customer, gen.Customer]{convert: customer}

// GetCustomer responds with a customer, the open rentals and the subscription.
func (s *Server) GetCustomer(ctx context.Context, request gen.GetCustomerRequestObject) (gen.GetCustomerResponseObject, error) {
	found, err := s.deps.Store.Customer(ctx, request.CustomerID)
	if err != nil {
		return nil, err
	}
	c := customer(&found.Customer)
	response := gen.GetCustomer200JSONResponse{
		CustomerID: c.CustomerID, StoreID: c.StoreID, FirstName: c.FirstName, LastName: c.LastName, Email: c.Email, Active: c.Active,
		Address: address(found.Address), OpenRentals: rentals(found.OpenRentals), Overdue: found.Overdue, LateFees: known(&found.LateFees),
	}
	if found.Subscription != nil {
		response.Subscription = new(subscription(*found.Subscription))
	}
	return response, nil
}

// customer converts a customer. The result refers to it, as that of film does.
func customer(c *store.Customer) gen.Customer {
	return gen.Customer{
		CustomerID: c.CustomerID, StoreID: c.StoreID, FirstName: c.FirstName, LastName: c.LastName,
		Email: known(&c.Email), Active: c.Active,
	}
}

func address(a store.Address) *gen.Address {
	return known(&gen.Address{
		Address: known(&a.Address), AdditionalAddress: known(&a.AdditionalAddress), District: known(&a.District),
		City: known(&a.City), PostalCode: known(&a.PostalCode), Country: known(&a.Country), Phone: known(&a.Phone),
	})
}

// ListCustomerPayments responds with a page of a customer's payments.
func (s *Server) ListCustomerPayments(ctx context.Context, request gen.ListCustomerPaymentsRequestObject) (gen.ListCustomerPaymentsResponseObject, error) {
	p := request.Params
	q := paging(string(value(p.Sort)), p.Page, p.PageSize, p.Cursor, p.Count)
	found, err := s.deps.Store.CustomerPayments(ctx, request.CustomerID, q)
	if err != nil {
		return nil, err
	}
	return gen.ListCustomerPayments200JSONResponse{
		Body: gen.PaymentPage{
			Items: paymentItems.of(ctx, &found), Page: known(&found.Page), PageSize: q.PageSize, Total: found.Total, NextCursor: known(&found.Next),
		},
		Headers: gen.ListCustomerPayments200ResponseHeaders{Link: linkTo(ctx, found.Next)},
	}, nil
}

var paymentItems = pageItems[store.Payment, gen.Payment]{convert: payment}

// payment converts a payment. The result refers to it, as that of film does.
func payment(p *store.Payment) gen.Payment {
	return gen.Payment{
		PaymentID: p.PaymentID, CustomerID: p.CustomerID, StaffID: p.StaffID, RentalID: p.RentalID,
		Amount: known(&p.Amount), PaymentDate: p.PaymentDate,
	}
}
