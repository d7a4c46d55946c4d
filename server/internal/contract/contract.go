// Package contract describes the operations of the OpenAPI contract, and validates requests.
//
// Its errors are typed. Package server turns them into problem documents.
package contract

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
)

// Operation is an operation of the contract.
type Operation struct {
	ID      string
	Method  string
	Path    string   // as in the contract, such as /films/{film_id}
	Secured bool     // requires a token
	Scopes  []string // that the token needs, sorted

	route      *routers.Route
	parameters []parameter
	body       openapi3.Content            // of its requests, by media type; nil if they have none
	query      map[string]*openapi3.Schema // its query parameters by name
	defaults   map[string]string           // of the query parameters that have one
	headers    []string                    // its header parameters, as net/http writes their names
}

// Operations returns all operations of the contract in the order of their IDs.
func Operations(doc *openapi3.T) []*Operation {
	var all []*Operation
	for path, item := range doc.Paths.Map() {
		for method, spec := range item.Operations() {
			all = append(all, newOperation(&routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: spec}))
		}
	}
	slices.SortFunc(all, func(a, b *Operation) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

func newOperation(route *routers.Route) *Operation {
	o := &Operation{
		ID: route.Operation.OperationID, Method: route.Method, Path: route.Path,
		route: route, query: map[string]*openapi3.Schema{}, defaults: map[string]string{},
	}
	for _, p := range o.Parameters() {
		o.parameters = append(o.parameters, newParameter(p))
		switch p.In {
		case openapi3.ParameterInQuery:
			o.query[p.Name] = p.Schema.Value
			if value := p.Schema.Value.Default; value != nil {
				o.defaults[p.Name] = fmt.Sprint(value)
			}
		case openapi3.ParameterInHeader:
			o.headers = append(o.headers, http.CanonicalHeaderKey(p.Name))
		}
	}
	if spec := route.Operation.RequestBody; spec != nil {
		o.body = spec.Value.Content
	}
	security := route.Operation.Security
	if security == nil {
		security = &route.Spec.Security
	}
	o.Secured = len(*security) > 0
	o.Scopes = requiredScopes(*security)
	return o
}

// requiredScopes returns the scopes of all alternatives of a security requirement. OpenAPI 3.0 allows scopes only for
// OAuth2. A token that the client got in another way needs the same.
func requiredScopes(security openapi3.SecurityRequirements) []string {
	var all []string
	for _, alternative := range security {
		for _, scopes := range alternative {
			all = append(all, scopes...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Scopes returns the scopes of the contract's OAuth2 flow, sorted.
func Scopes(doc *openapi3.T) []string {
	var all []string
	for _, scheme := range doc.Components.SecuritySchemes {
		if flows := scheme.Value.Flows; flows != nil && flows.Password != nil {
			all = slices.AppendSeq(all, maps.Keys(flows.Password.Scopes))
		}
	}
	slices.Sort(all)
	return all
}

// Spec returns the contract's own description of the operation.
func (o *Operation) Spec() *openapi3.Operation { return o.route.Operation }

// Parameters returns the operation's parameters, including those that its path declares.
func (o *Operation) Parameters() []*openapi3.Parameter {
	var all []*openapi3.Parameter
	for _, p := range slices.Concat(o.route.PathItem.Parameters, o.route.Operation.Parameters) {
		all = append(all, p.Value)
	}
	return all
}

// Documents reports whether the contract has a response with this status for the operation.
func (o *Operation) Documents(status int) bool { return o.Spec().Responses.Status(status) != nil }

// Method returns the method of the operation that serves a request. A HEAD request is a GET request for
// the head alone.
func Method(r *http.Request) string {
	if r.Method == http.MethodHead {
		return http.MethodGet
	}
	return r.Method
}

// IsPreflight reports whether a request is a CORS preflight request.
func IsPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}
