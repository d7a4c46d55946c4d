package server

import (
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"

	"example.com/pagila-api/server/internal/contract"
)

// The operations that are treated differently from all others.
const (
	askQuestion  = "askQuestion"
	createToken  = "createToken"
	getReadiness = "getReadiness"
)

// operation is an operation of the contract, with what the middleware derives from the statuses that the
// contract documents for it.
type operation struct {
	*contract.Operation
	validated    bool // 400. Probes and documentation ignore what load balancers and links add to their URLs
	usesModel    bool // 429, and it is not about logging in: the limits of the language model apply
	usesDatabase bool // 503: admission control may reject it
	revalidated  bool // 304: a cache may store the response, and asks before it uses it
}

// noOperation is the operation of a request that has none.
var noOperation = &operation{Operation: &contract.Operation{}}

// endpoint is a method and Gin's form of a path.
type endpoint struct{ method, path string }

var ginPath = strings.NewReplacer("{", ":", "}", "")

func newEndpoint(op *contract.Operation) endpoint {
	return endpoint{op.Method, ginPath.Replace(op.Path)}
}

func newOperations(doc *openapi3.T) map[endpoint]*operation {
	table := map[endpoint]*operation{}
	for _, op := range contract.Operations(doc) {
		table[newEndpoint(op)] = &operation{
			Operation: op,
			validated: op.Documents(http.StatusBadRequest),
			usesModel: op.Documents(http.StatusTooManyRequests) && op.ID != createToken,
			// A busy server still has to say whether it is ready.
			usesDatabase: op.Documents(http.StatusServiceUnavailable) && op.ID != getReadiness,
			revalidated:  op.Documents(http.StatusNotModified),
		}
	}
	return table
}

// operationOf returns the operation of a request. It finds it by the route that Gin has matched, so that no
// request is routed twice.
func (s *Server) operationOf(c *gin.Context) *operation {
	if op, ok := s.operations[endpoint{contract.Method(c.Request), c.FullPath()}]; ok {
		return op
	}
	return noOperation // no such path or method: NoRoute or NoMethod responds
}

// check rejects a request of an operation that cannot be served. It authenticates the client before it
// validates the request: without a token, a client does not learn what else is wrong.
func (s *Server) check(c *gin.Context, call *call) error {
	op := call.operation
	if op.Secured {
		if err := s.authorize(call); err != nil {
			return err
		}
	}
	if op.validated {
		if err := validate(c, call); err != nil {
			return err
		}
	}
	return s.checkStarted(op)
}

// validate checks a request against the contract, and keeps its query.
func validate(c *gin.Context, call *call) (err error) {
	path := make(map[string]string, len(c.Params))
	for _, p := range c.Params {
		path[p.Key] = p.Value
	}
	call.query, err = call.operation.Validate(c.Request, path)
	// For the generated binding, which would parse the query once for each parameter. The Form then lacks the values of
	// the body. They are in the PostForm.
	c.Request.Form = call.query
	return err
}
