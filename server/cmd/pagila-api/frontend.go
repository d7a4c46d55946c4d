package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// drainGrace is the time in which a connection in use can carry one more response, which tells the
	// client to open another connection.
	drainGrace = 500 * time.Millisecond
	// drainInterval is how often drain checks whether the connections are closed.
	drainInterval = 10 * time.Millisecond
)

// frontend is the HTTP server. It counts the open connections.
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

// start serves the listener. The channel receives the error that ends it.
func (f *frontend) start(listener net.Listener) <-chan error {
	served := make(chan error, 1)
	go func() { served <- f.Serve(listener) }()
	return served
}

// drain continues to serve for delay, so that load balancers see that the server is not ready. Closing a
// connection while its client sends the next request would lose that request, so drain also waits a moment
// for connections in use to end with a response that closes them. It returns early if ended is closed.
func (f *frontend) drain(delay time.Duration, ended <-chan struct{}) {
	begin := time.Now()
	tick := time.NewTicker(drainInterval)
	defer tick.Stop()
	for {
		passed := time.Since(begin)
		if passed >= delay && (f.open.Load() == 0 || passed >= drainGrace) {
			return
		}
		select {
		case <-tick.C:
		case <-ended:
			return
		}
	}
}

// shutdown waits for the requests in flight, and aborts those that take too long.
func (f *frontend) shutdown(logger *slog.Logger) error {
	// Not the program's context: it has been canceled, which is why the program stops.
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := f.Shutdown(ctx); err != nil {
		logger.Warn("requests in flight were aborted", "error", err)
		return f.Close()
	}
	return nil
}
