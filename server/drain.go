package server

import "net/http"

// Drain makes GET /readyz respond with 503 from now on, so that a load balancer sends no more requests, and
// makes each response close its connection. Otherwise a client could send its next request on a kept
// connection just when the server closes it.
func (s *Server) Drain() { s.draining.Store(true) }

// closeWhileDraining makes the responses of next close their connection while the server drains.
func (s *Server) closeWhileDraining(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&drainWriter{w, s}, r)
	})
}

// drainWriter adds "Connection: close" to each head that is written while the server drains. It checks
// at that moment, because the request may have begun long before.
type drainWriter struct {
	http.ResponseWriter
	server *Server
}

// WriteHeader writes the head of the response.
func (w *drainWriter) WriteHeader(status int) {
	if w.server.draining.Load() {
		// HTTP/2 has no such header. There net/http sends GOAWAY instead.
		w.Header().Set("Connection", "close")
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *drainWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush is for Gin, which requires an http.Flusher.
func (w *drainWriter) Flush() { w.ResponseWriter.(http.Flusher).Flush() }
