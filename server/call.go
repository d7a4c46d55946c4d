package server

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// call is what the server knows about a request while it handles it.
//
// Functions of this package get the call as an argument. It is also in the request's context, for the
// functions whose parameters Gin or the generated code prescribes: the handlers, [Server.admit],
// [Server.onError] and the endpoint of MCP.
type call struct {
	request   *http.Request
	id        identity
	arrival   time.Time
	operation *operation
	token     string        // the label of its bearer token, if the server knows it
	status    int           // the status to log, if it is not the one that was sent
	outcome   string        // what the Observer is told; "" means success
	query     url.Values    // with the contract's defaults, once it has been validated
	slots     chan struct{} // of admission control; the request has one of them until it is released
	released  sync.Once
	span      trace.Span // nil unless requests are traced
	tool      *toolCall  // nil unless the request is the call of a tool
	recycle   func()     // lets other requests use the memory of the response; nil if it refers to none
}

func newCall(r *http.Request, caller trace.SpanContext) *call {
	return &call{request: r, id: newIdentity(r, caller), arrival: time.Now(), operation: noOperation, tool: toolCallOf(r.Context())}
}

type callKey struct{}

// withCall returns the context of a request that is handled as this call.
func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// callOf returns the call of a context. A context that does not come from [Server.process], such as that of
// a handler that is called directly, has a call without an operation.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return newCall((&http.Request{URL: &url.URL{}}).WithContext(ctx), trace.SpanContext{})
}

// doneWithDatabase releases the request's slot of admission control before its handler returns. A handler
// calls it before it waits for the language model, which has limits of its own and may take minutes.
func (c *call) doneWithDatabase() {
	if c.slots != nil {
		c.released.Do(func() { <-c.slots })
	}
}
