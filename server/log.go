package server

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/trace"
)

// statusClientGone is the status in the log for a request whose client disconnected before the response.
// It is never sent. nginx uses the same number.
const statusClientGone = 499

// validRequestID prevents clients from forging log lines or filling the log.
var validRequestID = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)

// identify gives a request its operation, its ID and its place in a trace.
func (s *Server) identify(c *gin.Context) *call {
	caller := callerOf(c.Request, s.deps.Propagator)
	call := newCall(c.Request, caller)
	call.operation = s.operationOf(c)
	ctx := s.startSpan(c.Request.Context(), call, caller)
	c.Request = c.Request.WithContext(withCall(ctx, call))
	call.request = c.Request
	if call.tool == nil {
		s.observer.RequestBegan()
	}
	call.id.writeTo(c.Writer.Header())
	return call
}

// The messages of the line in the log that each request has, and each call of a tool in a request.
const (
	requestMessage  = "request"
	toolCallMessage = "tool call"
)

// slow is how long a request takes whose line in the log is never left out.
const slow = time.Second

// logRequest writes the access line, unless it is left out at random.
func (s *Server) logRequest(call *call, status, size int, took time.Duration) {
	skip := s.deps.LogSkip
	if skip > 0 && status < http.StatusBadRequest && took < slow && mathrand.Float64() < skip { //nolint:gosec // it is not a secret
		return
	}
	message := requestMessage
	if call.tool != nil {
		message = toolCallMessage
	}
	ctx, handler := call.request.Context(), s.deps.Logger.Handler()
	if !handler.Enabled(ctx, slog.LevelInfo) {
		return
	}
	// The record has no program counter. A Logger would look it up for each line, although it is always that of this
	// function.
	record := slog.NewRecord(time.Now(), slog.LevelInfo, message, 0)
	record.AddAttrs(
		slog.String("request_id", call.id.request),
		slog.String("trace_id", call.id.span.TraceID().String()),
		slog.String("operation", call.operation.ID),
		tokenAttr(call),
		slog.String("method", call.request.Method),
		slog.String("path", truncatedPath(call.request.URL)),
		slog.Int("status", status),
		slog.Int("bytes", size),
		slog.Duration("duration", took),
	)
	_ = handler.Handle(ctx, record) // a Logger ignores the error as well
}

// tokenAttr names the token of a call, by its label. Loggers leave out the empty attribute of a call without one.
func tokenAttr(call *call) slog.Attr {
	if call.token == "" {
		return slog.Attr{}
	}
	return slog.String("token", call.token)
}

// identity identifies a request in the log, in its response and in a trace.
type identity struct {
	request string // the request's ID
	span    trace.SpanContext
}

// newIdentity reads the request's ID from X-Request-ID, and makes the request a part of its caller's trace, if that
// has one. It generates what the client does not send.
func newIdentity(r *http.Request, caller trace.SpanContext) identity {
	var random [32]byte
	rand.Read(random[:]) // never fails
	id := identity{request: r.Header.Get("X-Request-Id")}
	if !validRequestID.MatchString(id.request) {
		id.request = hex.EncodeToString(random[24:])
	}
	span := trace.SpanContextConfig{
		TraceID: trace.TraceID(random[:16]), SpanID: trace.SpanID(random[16:24]), TraceFlags: trace.FlagsSampled, Remote: true,
	}
	if caller.IsValid() {
		span.TraceID, span.TraceFlags = caller.TraceID(), caller.TraceFlags()
	}
	id.span = trace.NewSpanContext(span)
	return id
}

// noStore is the Cache-Control of every response for which nothing else is set, and noCache that of the operations
// with a 304 (RFC 9111, section 5.2.2). No code changes the values of a header in place, so responses can share the
// slices.
var noStore, noCache = []string{"no-store"}, []string{"no-cache"}

// The headers that keep a browser from treating a response as anything but data. TLS ends in front of the server, so
// Strict-Transport-Security is up to that proxy (RFC 6797, section 7.2).
var (
	noSniff    = []string{"nosniff"}
	dataPolicy = []string{"default-src 'none'; frame-ancestors 'none'"}
)

// writeTo sets the headers that all responses have.
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
	header["X-Content-Type-Options"] = noSniff
	header["Content-Security-Policy"] = dataPolicy
}

// maxPath is the longest path in the log and in a problem, in bytes. The contract's paths are far shorter.
const maxPath = 200

// truncatedPath returns a request's path, escaped, and truncated if it is very long.
func truncatedPath(u *url.URL) string {
	path := u.EscapedPath()
	if len(path) <= maxPath {
		return path
	}
	path = path[:maxPath]
	if i := strings.LastIndexByte(path, '%'); i > maxPath-3 {
		path = path[:i] // half an escape is not valid in a URI
	}
	return path
}

// recoverPanic is deferred, and turns a panic of a handler into a 500. It lets http.ErrAbortHandler pass,
// which breaks the connection and so tells the client that the response is incomplete. Gin's own recovery
// swallows it, and the response would look complete.
func (s *Server) recoverPanic(c *gin.Context, call *call) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { //nolint:errorlint // it is this very value or another panic
		panic(p)
	}
	s.fail(c, call, &panicError{value: p, stack: debug.Stack()})
}

// panicError is a panic of a handler.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.value, e.stack) }
