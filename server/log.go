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
	keyArrival   = "arrival"   // a time.Time
	keyOperation = "operation" // an *operation
	keyStatus    = "status"    // where the log's status is not the one sent
	keyRelease   = "release"   // a func() that gives the request's slot of admission control back
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
	id := newIdentity(c.Request)
	// The spans of what a handler calls are children of this one.
	c.Request = c.Request.WithContext(trace.ContextWithRemoteSpanContext(c.Request.Context(), id.span))
	c.Set(keyRequestID, id.request)
	c.Set(keyArrival, start)
	id.writeTo(c.Writer.Header())

	// Deferred, since a broken stream leaves through a panic.
	defer func() {
		status := c.Writer.Status()
		if c.GetInt(keyStatus) != 0 {
			status = c.GetInt(keyStatus)
		}
		s.deps.Logger.LogAttrs(c.Request.Context(), slog.LevelInfo, "request",
			slog.String("request_id", id.request),
			slog.String("trace_id", id.span.TraceID().String()),
			slog.String("operation", operationOf(c).id),
			slog.String("method", c.Request.Method),
			slog.String("path", shownPath(c.Request.URL)),
			slog.Int("status", status),
			slog.Int("bytes", max(c.Writer.Size(), 0)),
			slog.Duration("duration", time.Since(start)),
		)
	}()
	c.Next()
}

// identity names a request in the log, in its response and in a trace.
type identity struct {
	request string
	span    trace.SpanContext
}

// newIdentity takes the request's id from its X-Request-ID, and its place in a trace from its
// traceparent (W3C Trace Context, section 3.2). What the client does not send is generated.
func newIdentity(r *http.Request) identity {
	var random [32]byte
	rand.Read(random[:]) // never fails
	id := identity{request: r.Header.Get("X-Request-Id")}
	if !goodRequestID.MatchString(id.request) {
		id.request = hex.EncodeToString(random[24:])
	}
	span := trace.SpanContextConfig{
		TraceID: trace.TraceID(random[:16]), SpanID: trace.SpanID(random[16:24]), TraceFlags: trace.FlagsSampled, Remote: true,
	}
	if traceparent := r.Header.Get("Traceparent"); traceparent != "" {
		carrier := propagation.MapCarrier{"traceparent": traceparent}
		caller := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
		if caller.IsValid() {
			span.TraceID, span.TraceFlags = caller.TraceID(), caller.TraceFlags()
		}
	}
	id.span = trace.NewSpanContext(span)
	return id
}

// noStore is the Cache-Control of all responses whose handler does not know better. Nobody changes
// a header's values in place, so responses can share it.
var noStore = []string{"no-store"}

// writeTo writes the headers that all responses have.
func (i identity) writeTo(header http.Header) {
	traceID, spanID := i.span.TraceID(), i.span.SpanID()
	var parent [2 + 1 + 32 + 1 + 16 + 1 + 2]byte
	b := append(parent[:0], "00-"...)
	b = append(hex.AppendEncode(b, traceID[:]), '-')
	b = append(hex.AppendEncode(b, spanID[:]), '-')
	b = hex.AppendEncode(b, []byte{byte(i.span.TraceFlags())})
	values := []string{i.request, string(b)}
	header["X-Request-Id"] = values[:1:1]
	header["Traceparent"] = values[1:]
	header["Cache-Control"] = noStore
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
