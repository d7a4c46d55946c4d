package server

import (
	"sync/atomic"

	"github.com/gin-gonic/gin"
)

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

// awaitStore is the middleware that refuses the operations that need the store until there is one:
// those that the contract gives a 503.
func (s *Server) awaitStore(c *gin.Context) {
	if !s.startup.over.Load() && (operationOf(c).stored || operationOf(c).id == getReadiness) {
		s.fail(c, &notReadyError{"The server is starting: " + *s.startup.step.Load() + ".", true})
	}
}
