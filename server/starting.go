package server

import "sync/atomic"

// startup is the state of a server that accepts requests before its store is ready.
type startup struct {
	done atomic.Bool
	step atomic.Pointer[string]
}

// Starting sets what the server is waiting for, until Ready is called. Clients see it, so it must not
// contain anything internal.
func (s *Server) Starting(step string) { s.startup.step.Store(&step) }

// Ready sets the store of a server that was created without one. It is called once.
func (s *Server) Ready(store Store) {
	s.deps.Store = store
	s.startup.done.Store(true) // a request that sees this also sees the store
}

// checkStarted rejects the operations that need the store until there is one.
func (s *Server) checkStarted(op *operation) error {
	if !s.startup.done.Load() && (op.usesDatabase || op.ID == getReadiness) {
		return &notReadyError{"The server is starting: " + *s.startup.step.Load() + ".", true}
	}
	return nil
}
