package server

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Observer is told what happens to requests, for metrics. Its methods are called concurrently and on the path of every
// request, so they have to be fast. A context has the request's span, which has not ended yet.
//
// The operation is an operationId of the contract, "mcp", or "" for a request that has no operation. The outcome is
// "success", the code of a problem, or "client_gone". So both have few values, whatever clients send.
type Observer interface {
	// RequestBegan says that a request has arrived.
	RequestBegan()
	// RequestEnded says how a request has ended. The status is 499 if the client has disconnected.
	RequestEnded(ctx context.Context, operation, outcome string, status int, took time.Duration)
	// ToolCalled is RequestEnded for the call of a tool, which is a part of another request.
	ToolCalled(ctx context.Context, operation, outcome string, status int, took time.Duration)
	// StreamBegan says that a client waits for the language model's answer to be streamed.
	StreamBegan()
	// ChunkSent says that a chunk of an answer has been sent.
	ChunkSent()
	// FirstChunkSent says how long after its request the first text of an answer has been sent.
	FirstChunkSent(ctx context.Context, took time.Duration)
	// StreamEnded says that an answer has ended, for whatever reason.
	StreamEnded()
}

// unobserved is the Observer of a server without one.
type unobserved struct{}

func (unobserved) RequestBegan()                                                    {}
func (unobserved) RequestEnded(context.Context, string, string, int, time.Duration) {}
func (unobserved) ToolCalled(context.Context, string, string, int, time.Duration)   {}
func (unobserved) StreamBegan()                                                     {}
func (unobserved) ChunkSent()                                                       {}
func (unobserved) FirstChunkSent(context.Context, time.Duration)                    {}
func (unobserved) StreamEnded()                                                     {}

// The outcomes that are not codes of problems.
const (
	outcomeSuccess    = "success"
	outcomeClientGone = "client_gone"
)

// scope is the name of the instrumentation scope of the package's spans.
const scope = "example.com/pagila-api/server"

// The attributes of OpenTelemetry's conventions for HTTP and for generative AI. A span has no path, no query and no
// body: they have the values of the request.
const (
	keyMethod    = "http.request.method"
	keyRoute     = "http.route"
	keyStatus    = "http.response.status_code"
	keyErrorType = "error.type"
	keyOperation = "gen_ai.operation.name"
	keyToolName  = "gen_ai.tool.name"

	executeTool = "execute_tool"
	otherMethod = "_OTHER"
)

// callerOf returns the caller's place in a trace: that of the request that calls a tool, or else what the headers say.
// Without a propagator these are the headers of W3C Trace Context.
func callerOf(r *http.Request, p propagation.TextMapPropagator) trace.SpanContext {
	if caller := trace.SpanContextFromContext(r.Context()); caller.IsValid() {
		return caller
	}
	if p == nil {
		if r.Header.Get("Traceparent") == "" {
			return trace.SpanContext{}
		}
		p = propagation.TraceContext{}
	}
	return trace.SpanContextFromContext(p.Extract(context.Background(), propagation.HeaderCarrier(r.Header)))
}

// startSpan begins the span of a request. Without a tracer, the spans that others start are children of the request's
// place in the trace of its caller.
func (s *Server) startSpan(ctx context.Context, call *call, caller trace.SpanContext) context.Context {
	if s.tracer == nil {
		return trace.ContextWithRemoteSpanContext(ctx, call.id.span)
	}
	if call.tool == nil {
		ctx = trace.ContextWithRemoteSpanContext(ctx, caller)
	}
	ctx, call.span = s.tracer.Start(ctx, spanName(call.operation), trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(call.arrival),
		trace.WithAttributes(attribute.String(keyMethod, knownMethod(call.request.Method)), attribute.String(keyRoute, call.operation.Path)))
	call.id.span = call.span.SpanContext()
	return ctx
}

// spanName is the name of an operation's span. That of a request without an operation does not depend on the client.
func spanName(op *operation) string { return cmp.Or(op.ID, "HTTP") }

// knownMethod returns the method, or a placeholder for one that the server does not have.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return method
	default:
		return otherMethod
	}
}

// startToolSpan begins the span of a tool's call if the request that makes it is traced.
func startToolSpan(ctx context.Context, name string) (context.Context, trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, trace.SpanFromContext(context.Background()) // it does nothing
	}
	return parent.TracerProvider().Tracer(scope).Start(ctx, executeTool+" "+name,
		trace.WithAttributes(attribute.String(keyOperation, executeTool), attribute.String(keyToolName, name)))
}

// endToolSpan ends the span of a tool's call. As for a request, only an error of the server is an error of the span.
func endToolSpan(span trace.Span, response *toolResponse) {
	if response.status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, http.StatusText(response.status))
	}
	span.End()
}

// finish logs and measures a request whose response is complete, ends its span, and lets other requests use the memory
// of the response.
func (s *Server) finish(call *call, status, size int) {
	took := time.Since(call.arrival)
	s.logRequest(call, status, size, took)
	outcome, ctx := cmp.Or(call.outcome, outcomeSuccess), call.request.Context()
	if call.tool == nil {
		s.observer.RequestEnded(ctx, call.operation.ID, outcome, status, took)
	} else {
		s.observer.ToolCalled(ctx, call.operation.ID, outcome, status, took)
	}
	if call.span != nil {
		call.endSpan(status, outcome)
	}
	if recycle := call.recycle; recycle != nil {
		call.recycle = nil
		recycle() // last, since nothing may read the items of the response after it
	}
}

// endSpan ends the request's span. An error of the client is not an error of the server's span.
func (c *call) endSpan(status int, outcome string) {
	c.span.SetName(spanName(c.operation)) // the operation of an MCP request is known late
	c.span.SetAttributes(attribute.Int(keyStatus, status))
	if status >= http.StatusBadRequest {
		c.span.SetAttributes(attribute.String(keyErrorType, outcome))
	}
	if status >= http.StatusInternalServerError {
		c.span.SetStatus(codes.Error, outcome)
	}
	c.span.End()
}
