package upstream

import (
	"cmp"
	"context"
	"strings"
)

// exchange is the state of one attempt that the guard and the doer share. It bypasses the adapter
// between them. It travels in the context, because an adapter offers no other way.
//
// The answer is also passed on here. The adapter concatenates text chunk by chunk and copies all of it each
// time, which takes seconds of CPU time for a megabyte. It assigns the parts of tool calls to the wrong calls,
// and passes them on as text. It also reads in a goroutine of its own. So the adapter gets an empty answer as soon as
// the answer has begun, and returns. Then the guard reads the body itself. While it does, the request, which has the
// tools and their results, can be freed.
type exchange struct {
	schema *Schema // nil for free text
	tools  bool    // some are offered
	called bool    // the messages have calls of tools
	topP   float64 // not sent if 0. The adapter for OpenAI's protocol leaves it out
	stream bool
	tokens int // the longest answer
	budget int // for thoughts, in addition

	body     *checkedBody // nil until the answer has begun, and for a local model
	pending  strings.Builder
	thoughts bool // some arrived outside the text
	err      error
	retries  []Kind // the reason for each retry
	calls    calls  // of tools

	model  string
	finish string
	usage  Usage
	// withoutBudget is set if the upstream refused the budget, and the request was sent without it.
	withoutBudget bool
}

// limit is the token limit that is sent.
func (x *exchange) limit() int {
	if x.withoutBudget {
		return x.tokens
	}
	return x.tokens + x.budget
}

// weakest is the weakest shape that a request can take.
func (x *exchange) weakest() shape {
	s := shape{optSampling: 1, optTokenField: 1}
	if x.stream {
		s[optUsage] = 1
	}
	if x.schema != nil {
		s[optFormat] = int(formatPrompt)
	}
	if x.budget > 0 {
		s[optThinkingBudget] = 1
	}
	if x.tools {
		s[optTools] = 1
	}
	if x.called {
		s[optNullContent] = 1
	}
	return s
}

// reset prepares for the next attempt with a request of the given shape.
func (x *exchange) reset(s shape) {
	x.model, x.finish, x.usage, x.withoutBudget = "", "", Usage{}, s.without(optThinkingBudget)
	x.get()
	x.calls.list, x.calls.size = nil, 0
}

// take adds a fragment to the answer. It fails if there are too many calls of tools.
func (x *exchange) take(f fragment) error {
	if x.model == "" { // every document repeats it
		x.model = displayName(f.model)
	}
	x.finish = worseReason(x.finish, f.finish)
	x.usage = Usage{Prompt: cmp.Or(f.usage.Prompt, x.usage.Prompt), Completion: cmp.Or(f.usage.Completion, x.usage.Completion)}
	x.thoughts = x.thoughts || f.thought
	x.pending.WriteString(f.text)
	return x.calls.add(f.calls, f.whole)
}

// ending is the reason for which the answer has ended, and the kind of error that it means. The adapter's reason
// is that of a local model.
func (x *exchange) ending(adapters string) (reason string, kind Kind) {
	reason = cmp.Or(x.finish, adapters)
	if x.calls.began() {
		return finishOfCalls(reason, &x.calls)
	}
	return finishOf(reason)
}

// get returns the text that has arrived since the last call.
func (x *exchange) get() string {
	text := x.pending.String()
	x.pending.Reset()
	return text
}

// fail keeps the first failure. The adapters lose the error, or its type.
func (x *exchange) fail(err error) {
	if x.err == nil {
		x.err = err
	}
}

// retry records why a request is sent again.
func (x *exchange) retry(why Kind) {
	x.retries = append(x.retries, why)
}

type exchangeKey struct{}

func withExchange(ctx context.Context, x *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}

// exchangeOf returns the exchange of the attempt. Only the guard calls the adapters, so there always
// is one.
func exchangeOf(ctx context.Context) *exchange {
	return ctx.Value(exchangeKey{}).(*exchange)
}
