package main

import (
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// lastRequests is how long connections in use get to carry one more response, which tells the
	// client to open another.
	lastRequests = 500 * time.Millisecond
	// drainInterval is how often a drain looks whether the connections are closed.
	drainInterval = 10 * time.Millisecond
)

// frontend is the HTTP server. It knows how many connections are open.
type frontend struct {
	*http.Server
	open atomic.Int64
}

func newFrontend(c config, handler http.Handler, logger *slog.Logger) *frontend {
	f := &frontend{Server: &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      c.LLMTimeout + writeMargin,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}}
	f.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			f.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			f.open.Add(-1)
		default:
		}
	}
	return f
}

// drain goes on serving for delay, in which load balancers see that the server is not ready. A
// connection that is shut down while the client sends its next request loses that request, so those
// in use get a moment to end with a response that closes them. It returns early when ended is closed.
func (f *frontend) drain(delay time.Duration, ended <-chan struct{}) {
	begin := time.Now()
	tick := time.NewTicker(drainInterval)
	defer tick.Stop()
	for {
		passed := time.Since(begin)
		if passed >= delay && (f.open.Load() == 0 || passed >= lastRequests) {
			return
		}
		select {
		case <-tick.C:
		case <-ended:
			return
		}
	}
}
