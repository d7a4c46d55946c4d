package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/getkin/kin-openapi/openapi3"
	openapi_types "github.com/oapi-codegen/runtime/types"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/store"
)

// newPlans reads the streaming plans from the contract: the values of PlanName and their descriptions.
func newPlans(doc *openapi3.T) ([]gen.Plan, error) {
	schema := doc.Components.Schemas["PlanName"]
	if schema == nil {
		return nil, errors.New("the contract has no schema PlanName")
	}
	descriptions, _ := schema.Value.Extensions["x-enum-descriptions"].([]any)
	if len(descriptions) != len(schema.Value.Enum) {
		return nil, errors.New("the contract does not describe each value of PlanName")
	}
	plans := make([]gen.Plan, len(descriptions))
	for i, name := range schema.Value.Enum {
		plans[i] = gen.Plan{PlanName: gen.PlanName(fmt.Sprint(name)), Description: fmt.Sprint(descriptions[i])}
	}
	return plans, nil
}

// ListPlans responds with the streaming plans.
func (s *Server) ListPlans(context.Context, gen.ListPlansRequestObject) (gen.ListPlansResponseObject, error) {
	return gen.ListPlans200JSONResponse{Items: s.plans}, nil
}

// CreateSubscription subscribes a customer to streaming.
func (s *Server) CreateSubscription(ctx context.Context, request gen.CreateSubscriptionRequestObject) (gen.CreateSubscriptionResponseObject, error) {
	created, err := s.deps.Store.CreateSubscription(ctx, store.NewSubscription{
		CustomerID: request.CustomerID,
		PlanName:   string(request.Body.PlanName),
		StartDate:  day(request.Body.StartDate),
		EndDate:    day(request.Body.EndDate),
	})
	if err != nil {
		return nil, err
	}
	return gen.CreateSubscription201JSONResponse{
		Body:    subscription(created),
		Headers: gen.CreateSubscription201ResponseHeaders{Location: subscriptionLocation(created)},
	}, nil
}

// subscriptionLocation is the path of a subscription relative to the URL that made it (RFC 9110, section 10.2.2).
func subscriptionLocation(s store.Subscription) string {
	return fmt.Sprintf("subscriptions/%d", s.SubscriptionID)
}

// CancelSubscription ends a subscription of a customer.
func (s *Server) CancelSubscription(ctx context.Context, request gen.CancelSubscriptionRequestObject) (gen.CancelSubscriptionResponseObject, error) {
	cancelled, err := s.deps.Store.CancelSubscription(ctx, request.CustomerID, request.SubscriptionID)
	if err != nil {
		return nil, err
	}
	return gen.CancelSubscription200JSONResponse(subscription(cancelled)), nil
}

// GetSubscription responds with a subscription of a customer.
func (s *Server) GetSubscription(ctx context.Context, request gen.GetSubscriptionRequestObject) (gen.GetSubscriptionResponseObject, error) {
	found, err := s.deps.Store.Subscription(ctx, request.CustomerID, request.SubscriptionID)
	if err != nil {
		return nil, err
	}
	return gen.GetSubscription200JSONResponse(subscription(found)), nil
}

// ListCustomerSubscriptions responds with the subscriptions of a customer.
func (s *Server) ListCustomerSubscriptions(ctx context.Context, request gen.ListCustomerSubscriptionsRequestObject) (gen.ListCustomerSubscriptionsResponseObject, error) {
	found, err := s.deps.Store.CustomerSubscriptions(ctx, request.CustomerID)
	if err != nil {
		return nil, err
	}
	items := make([]gen.Subscription, len(found)) // never nil: JSON needs [], not null
	for i, each := range found {
		items[i] = subscription(each)
	}
	return gen.ListCustomerSubscriptions200JSONResponse{Items: items}, nil
}

func subscription(s store.Subscription) gen.Subscription {
	converted := gen.Subscription{
		SubscriptionID: s.SubscriptionID, CustomerID: s.CustomerID, PlanName: s.PlanName,
		StartDate: openapi_types.Date{Time: s.StartDate}, Active: s.Active,
	}
	if s.EndDate != nil {
		converted.EndDate = &openapi_types.Date{Time: *s.EndDate}
	}
	return converted
}
