package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Keys of what the middleware leaves on Gin's context.
const (
	keyRequestID = "request_id"
	keyOperation = "operation"
	keyStatus    = "status"  // where the log's status is not the one sent
	keyLimited   = "limited" // the operation calls the language model
)

// statusClientGone is what the log says of a request whose client left before the answer. Nothing
// is sent. The number is nginx's.
const statusClientGone = 499

var (
	// goodRequestID keeps what a client sends from forging log lines or filling the log.
	goodRequestID = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)
)

// identify gives the request its id and its place in a trace, and logs it when it is over.
func (s *Server) identify(c *gin.Context) {
	start := time.Now()
	id := c.GetHeader("X-Request-ID")
	if !goodRequestID.MatchString(id) {
		id = randomHex(8)
	}
	span := startSpan(c.GetHeader("traceparent"))
	// The spans of what a handler calls are children of this one.
	c.Request = c.Request.WithContext(trace.ContextWithRemoteSpanContext(c.Request.Context(), span))
	c.Set(keyRequestID, id)
	header := c.Writer.Header()
	header.Set("X-Request-ID", id)
	header.Set("traceparent", fmt.Sprintf("00-%s-%s-%s", span.TraceID(), span.SpanID(), span.TraceFlags()))
	header.Set("Cache-Control", "no-store") // unless a handler knows better

	// Deferred, since a broken stream leaves through a panic.
	defer func() {
		status := c.Writer.Status()
		if c.GetInt(keyStatus) != 0 {
			status = c.GetInt(keyStatus)
		}
		s.deps.Logger.LogAttrs(c.Request.Context(), slog.LevelInfo, "request",
			slog.String("request_id", id),
			slog.String("trace_id", span.TraceID().String()),
			slog.String("operation", c.GetString(keyOperation)),
			slog.String("method", c.Request.Method),
			slog.String("path", shownPath(c.Request.URL)),
			slog.Int("status", status),
			slog.Int("bytes", max(c.Writer.Size(), 0)),
			slog.Duration("duration", time.Since(start)),
		)
	}()
	c.Next()
}

// startSpan gives the request its place in the trace of its caller, whose traceparent is W3C Trace
// Context's (section 3.2), or in a new one.
func startSpan(traceparent string) trace.SpanContext {
	carrier := propagation.MapCarrier{"traceparent": traceparent}
	caller := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
	span := trace.SpanContextConfig{TraceID: caller.TraceID(), TraceFlags: caller.TraceFlags(), Remote: true}
	if !caller.IsValid() {
		rand.Read(span.TraceID[:]) // never fails
		span.TraceFlags = trace.FlagsSampled
	}
	rand.Read(span.SpanID[:])
	return trace.NewSpanContext(span)
}

// maxPath is how much of a path is shown in the log and in a problem, in bytes. Those of the
// contract are far shorter.
const maxPath = 200

// shownPath is a request's path, escaped, and cut where it is very long.
func shownPath(u *url.URL) string {
	path := u.EscapedPath()
	if len(path) <= maxPath {
		return path
	}
	path = path[:maxPath]
	if i := strings.LastIndexByte(path, '%'); i > maxPath-3 {
		path = path[:i] // half of an escape is no part of a URI
	}
	return path
}

// recover turns a panic of a handler into a 500. http.ErrAbortHandler goes on up: it breaks the
// connection, which is how a client learns that an answer is not complete. (Gin's own recovery
// swallows it, and the answer then looks complete.)
func (s *Server) recover(c *gin.Context) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p == http.ErrAbortHandler { //nolint:errorlint // it is this very value or another panic
			panic(p)
		}
		s.fail(c, &panicError{value: p, stack: debug.Stack()})
	}()
	c.Next()
}

// panicError is what a handler panicked with.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.value, e.stack) }

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
