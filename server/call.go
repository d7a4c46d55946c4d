package server

import (
	"context"
	"net/http"
	"time"
)

// call is what the server knows about a request while it handles it.
type call struct {
	request   *http.Request
	id        identity
	arrival   time.Time
	operation *operation
	status    int       // the status to log, if it is not the one that was sent
	release   func()    // releases the request's slot of admission control, if it has one
	tool      *toolCall // nil unless the request is the call of a tool
}

type callKey struct{}

// withCall returns the context of a request that is handled as this call.
func withCall(ctx context.Context, k *call) context.Context {
	return context.WithValue(ctx, callKey{}, k)
}

// callOf returns the call of a context that comes from [Server.identify].
func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// doneWithDatabase releases the request's slot of admission control before its handler returns. A handler
// calls it before it waits for the language model, which has limits of its own and may take minutes.
func (k *call) doneWithDatabase() {
	if k.release != nil {
		k.release()
	}
}
