// Package ops is the operations listener: an address of its own with what operators need and clients must not see. It
// has
//
//   - GET /metrics, for Prometheus, in its text format or in OpenMetrics, which has exemplars;
//   - /debug/pprof/, the profiles of net/http/pprof;
//   - GET and PUT /log/level, the log level at run time: debug, info, warn or error.
//
// It has no authentication. So that web pages cannot use it through an operator's browser, it refuses what a page of
// another site requests. It does not refuse to be opened as a page of its own, by a link or a script: the page that led
// there cannot read it, and not every browser says whether the operator has followed a link. Browsers name the site of a
// read only to loopback and over HTTPS, so on other addresses reads by other sites' pages are not refused. On loopback it
// also refuses requests under a name other than localhost, which may be a name that an attacker has pointed at it (DNS
// rebinding).
//
// [Metrics] implements the observers that packages server and store declare. This package imports none of the
// project's others.
//
// The directory also has what reads the metrics: prometheus.yaml, alerts.yaml with its unit tests, and a dashboard for
// Grafana.
package ops

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"time"
)

const (
	readTimeout = 10 * time.Second
	// writeTimeout is ample for the metrics. Package pprof extends it for profiles that take longer.
	writeTimeout = 30 * time.Second
	idleTimeout  = 2 * time.Minute // longer than the interval between two scrapes
	// maxLevel is longer than the name of a level, in bytes.
	maxLevel = 16
)

// Server serves the operations address.
type Server struct{ http *http.Server }

// Start serves a listener until Close is called. The level is that of the log. The logger gets the errors of the server,
// and a line when the level changes.
func Start(listener net.Listener, m *Metrics, level *slog.LevelVar, logger *slog.Logger) *Server {
	s := &Server{&http.Server{
		Handler:           protect(handler(m, level, logger), listener.Addr()),
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}}
	go func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("the operations address is no longer served", "error", err)
		}
	}()
	return s
}

// Close ends the server, and what it is doing.
func (s *Server) Close() error { return s.http.Close() }

// protect refuses what only web pages of other sites send to a listener with this address.
func protect(next http.Handler, address net.Addr) http.Handler {
	next = refuseOtherSites(http.NewCrossOriginProtection().Handler(next))
	if tcp, ok := address.(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		return next // its name is not known here
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !local(r.Host) {
			http.Error(w, "use localhost or an IP address in the URL", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refuseOtherSites refuses the requests of other sites' pages that http.CrossOriginProtection allows: reads, such as a
// profile as the source of an image. The page would not see the response, but the server would do the work.
func refuseOtherSites(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site := r.Header.Get("Sec-Fetch-Site")
		navigates := r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
		if (site == "cross-site" || site == "same-site") && !navigates {
			http.Error(w, "pages of other sites have no access", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// local reports whether a host, with or without a port, is localhost or an IP address.
func local(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	_, err = netip.ParseAddr(name)
	return err == nil || strings.EqualFold(name, "localhost")
}

func handler(m *Metrics, level *slog.LevelVar, logger *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.handler())
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /log/level", func(w http.ResponseWriter, _ *http.Request) { writeLevel(w, level) })
	mux.HandleFunc("PUT /log/level", func(w http.ResponseWriter, r *http.Request) {
		name, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxLevel))
		l, known := levels[strings.ToLower(strings.TrimSpace(string(name)))]
		if err != nil || !known {
			http.Error(w, "want debug, info, warn or error in the body", http.StatusBadRequest)
			return
		}
		level.Set(l)
		// At a level that is always logged.
		logger.LogAttrs(context.WithoutCancel(r.Context()), max(l, slog.LevelWarn), "the log level was changed", slog.String("to", nameOf(l)))
		writeLevel(w, level)
	})
	return mux
}

var levels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

func nameOf(l slog.Level) string { return strings.ToLower(l.String()) }

func writeLevel(w http.ResponseWriter, level *slog.LevelVar) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, nameOf(level.Level())+"\n") // the client may be gone
}
