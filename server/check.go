package server

import (
	"net/http"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/pagila-api/server/internal/conformance"
)

// Response is a response that was checked against the contract.
type Response = conformance.Response

// CheckResponses checks each response of next against the contract and reports it. It is for tests and
// for development: it keeps each body in memory, and takes longer than the response itself.
func CheckResponses(doc *openapi3.T, next http.Handler, report func(Response)) (http.Handler, error) {
	return conformance.CheckResponses(doc, next, report)
}
