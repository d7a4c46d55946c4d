package server

import (
	"net/http"
	"sync/atomic"

	"github.com/gin-gonic/gin"

	"example.com/pagila-api/gen"
)

// startingError says that the server has no store yet, and what it is waiting for.
type startingError struct{ step string }

func (e *startingError) Error() string { return "the server is starting: " + e.step }

// startup is the state of a server that serves before its store can be used.
type startup struct {
	over atomic.Bool
	step atomic.Pointer[string]
}

// Starting says what the server waits for, until Ready. It is for clients, so it tells nothing
// internal.
func (s *Server) Starting(step string) { s.startup.step.Store(&step) }

// Ready gives a server that was made without a store its store. It is called once.
func (s *Server) Ready(store Store) {
	s.deps.Store = store
	s.startup.over.Store(true) // the requests that see this see the store
}

// awaitStore returns the middleware that refuses the operations that need the store until there is
// one: those that the contract gives a 503.
func (s *Server) awaitStore() gin.HandlerFunc {
	needed := map[string]bool{}
	for _, item := range s.deps.Contract.Paths.Map() {
		for _, op := range item.Operations() {
			needed[op.OperationID] = op.Responses.Value("503") != nil
		}
	}
	return func(c *gin.Context) {
		if !s.startup.over.Load() && needed[c.GetString(keyOperation)] {
			s.fail(c, &startingError{step: *s.startup.step.Load()})
		}
	}
}

// describeStart is the problem of a request that came before the store.
func describeStart(err *startingError) problem {
	p := describe(http.StatusServiceUnavailable, gen.ProblemCodeNotReady, "The server is starting: "+err.step+".")
	p.retryAfter = retryAfter
	return p
}
