package server

import "net/http"

// Drain makes GET /readyz answer 503 from now on, so that a load balancer sends no more requests, and
// has each response end its connection. A client would otherwise send its next request on a kept
// connection just when the server closes that.
func (s *Server) Drain() { s.draining.Store(true) }

// closing gives next a writer that ends the connection when the server drains.
func (s *Server) closing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&drainWriter{w, s}, r)
	})
}

// drainWriter writes "Connection: close" into each head that is written while the server drains. It
// looks only then, because a request may have begun long before.
type drainWriter struct {
	http.ResponseWriter
	server *Server
}

// WriteHeader writes the head.
func (w *drainWriter) WriteHeader(status int) {
	if w.server.draining.Load() {
		// In HTTP/2, which has no such header, net/http takes it for the same wish.
		w.Header().Set("Connection", "close")
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *drainWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush is what Gin asks for by name.
func (w *drainWriter) Flush() { w.ResponseWriter.(http.Flusher).Flush() }
