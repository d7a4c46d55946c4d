package llm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tmc/langchaingo/llms"
)

// The keys of a choice's GenerationInfo that the guard sets. The token counts have langchaingo's
// own names.
const (
	infoModel            = "Model"            // string
	infoPromptTokens     = "PromptTokens"     // int
	infoCompletionTokens = "CompletionTokens" // int
)

// guard is a llms.Model round another one that never reports a broken answer as a success. What
// fails is an [*Error], but for an error of the caller's own streaming function, which comes back
// wrapped as it is.
type guard struct {
	model     llms.Model
	name      string // the model's name, where the upstream gives none
	timeout   time.Duration
	maxTokens int
	quirks    quirks
	telemetry *telemetry
}

var _ llms.Model = (*guard)(nil)

// Call is the short form of GenerateContent that llms.Model asks for.
func (g *guard) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, g, prompt, options...)
}

// GenerateContent asks the model. A streaming function is called with non-empty text only, and in
// the caller's goroutine. An answer cut at the token limit comes back beside its error, so that
// the caller can show how far it got; no other error has a response beside it.
func (g *guard) GenerateContent(ctx context.Context, messages []llms.MessageContent, options ...llms.CallOption) (resp *llms.ContentResponse, err error) {
	var o llms.CallOptions
	for _, set := range options {
		set(&o)
	}
	tokens := g.maxTokens
	if o.MaxTokens > 0 {
		tokens = min(tokens, o.MaxTokens)
	}
	tokens += g.quirks.thinkingTokens
	options = append(options, llms.WithMaxTokens(tokens))
	temperature := o.Temperature
	if g.quirks.noSampling {
		temperature = -1
	}

	x := &exchange{schema: schemaOf(ctx), topP: o.TopP, stream: o.StreamingFunc != nil}
	ctx, told := g.telemetry.begin(ctx, messages, tokens, temperature)
	err = errCallerPanics // unless the call returns
	defer func() { told.end(ctx, resp, x.retried(), err) }()
	return g.generate(ctx, x, &answer{emit: o.StreamingFunc, chunk: told.chunk}, messages, options)
}

// errCallerPanics stands for a panic of the caller's streaming function, which goes on.
var errCallerPanics = errors.New("the caller's function panicked")

// generate is one call of the model within its deadline.
func (g *guard) generate(ctx context.Context, x *exchange, a *answer, messages []llms.MessageContent, options []llms.CallOption) (*llms.ContentResponse, error) {
	ctx, cancel := withTimeout(ctx, g.timeout)
	defer cancel()
	if ctx.Err() != nil {
		return nil, contextError(ctx)
	}
	if x.stream {
		options = append(options, llms.WithStreamingFunc(func(ctx context.Context, chunk []byte) error {
			return a.add(ctx, x.take()+string(chunk))
		}))
	}
	resp, err := g.call(withExchange(ctx, x), a, messages, options)
	switch failure := x.failure(); {
	case a.err != nil:
		return nil, fmt.Errorf("pass the model's answer on: %w", a.err)
	case failure != nil:
		return nil, failure
	case ctx.Err() != nil: // the adapters often report an aborted call as a success
		return nil, contextError(ctx)
	case err != nil:
		return nil, typed(err)
	case len(resp.Choices) == 0:
		return nil, newError(KindBadResponse, "a response without an answer")
	}
	choice := resp.Choices[0]
	rest := x.take()
	if !x.stream {
		rest = cmp.Or(rest, choice.Content)
	}
	if err := a.add(ctx, rest); err != nil {
		return nil, fmt.Errorf("pass the model's answer on: %w", err)
	}
	return g.judge(x, a, choice)
}

// call runs the adapter, which panics on some hostile responses. A panic of the caller's streaming
// function is the caller's own, and goes on.
func (g *guard) call(ctx context.Context, a *answer, messages []llms.MessageContent, options []llms.CallOption) (resp *llms.ContentResponse, err error) {
	defer func() {
		if a.emitting {
			return
		}
		if p := recover(); p != nil {
			// Its text can quote what the adapter was reading.
			resp, err = nil, newError(KindBadResponse, "the adapter panicked with a %T", p)
		}
	}()
	return g.model.GenerateContent(ctx, messages, options...)
}

// judge decides from its end whether an answer is a whole one.
func (g *guard) judge(x *exchange, a *answer, choice *llms.ContentChoice) (*llms.ContentResponse, error) {
	finish := cmp.Or(x.finish, choice.StopReason)
	info := map[string]any{
		infoModel:            cmp.Or(x.model, g.name),
		infoPromptTokens:     x.usage.Prompt,
		infoCompletionTokens: x.usage.Completion,
	}
	if x.usage == (Usage{}) { // no HTTP in between: the model has filled it in itself
		for _, key := range []string{infoPromptTokens, infoCompletionTokens} {
			if n, ok := choice.GenerationInfo[key].(int); ok {
				info[key] = n
			}
		}
	}
	resp := &llms.ContentResponse{Choices: []*llms.ContentChoice{{
		Content: a.text.String(), StopReason: finish, GenerationInfo: info,
	}}}
	kind, known := finishReasons[finish]
	switch {
	case finish == "":
		return nil, newError(KindTruncated, "the answer ends without a finish reason")
	case !known:
		return nil, newError(KindBadResponse, "the answer ended for the unknown reason %q", identifier(finish, ""))
	case kind == KindLength:
		return resp, newError(KindLength, "the answer was cut at the token limit")
	case kind != "":
		return nil, newError(kind, "the answer ended for the reason %q", finish)
	case strings.TrimSpace(a.text.String()) == "":
		return nil, newError(KindEmpty, "the answer has no text")
	}
	return resp, nil
}

// typed makes any error of an adapter an *Error. The text of one that is no *Error is dropped, since
// it can quote what the adapter was reading.
func typed(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: KindBadResponse, Err: errors.New("the adapter fails")}
}

// answer collects an answer's text and passes it on.
type answer struct {
	emit     func(ctx context.Context, chunk []byte) error // nil: nobody waits for pieces
	chunk    func(ctx context.Context)                     // is told of each piece
	text     strings.Builder
	emitting bool  // the caller's function is running
	err      error // of the caller's function
}

// add takes the next piece. Adapters also send empty ones, which are nothing.
func (a *answer) add(ctx context.Context, piece string) error {
	if piece == "" {
		return nil
	}
	a.chunk(ctx)
	a.text.WriteString(piece)
	if a.emit == nil {
		return nil
	}
	a.emitting = true
	err := a.emit(ctx, []byte(piece))
	a.emitting = false
	a.err = err
	return err
}

// exchange is one call as guard and doer share it, past the adapter between them. It travels in
// the call's context, because an adapter has no other way through.
//
// The answer's text goes this way too. The adapters join it piece by piece, each time copying all
// of it, which takes seconds of CPU for a megabyte; so they are given empty pieces, and the guard
// takes the text from here.
type exchange struct {
	schema *jsonSchema // the reply's form; nil for free text
	topP   float64     // 0: not to be sent. The adapter of OpenAI's protocol leaves it out
	stream bool

	mu      sync.Mutex // the adapter reads in a goroutine of its own
	pending strings.Builder
	err     error
	retries []Kind // what each retry was for

	// These are set before the adapter sees the end, and read after.
	model  string
	finish string
	usage  Usage
}

// put adds text that the doer has read.
func (x *exchange) put(text string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.pending.WriteString(text)
}

// take returns the text that was put since the last time.
func (x *exchange) take() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	text := x.pending.String()
	x.pending.Reset()
	return text
}

// fail keeps the first failure. The adapters lose it, or its type.
func (x *exchange) fail(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err == nil {
		x.err = err
	}
}

// retry notes that a request is sent again.
func (x *exchange) retry(why Kind) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.retries = append(x.retries, why)
}

func (x *exchange) retried() []Kind {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.retries
}

func (x *exchange) failure() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.err
}

type (
	exchangeKey struct{}
	schemaKey   struct{}
)

func withExchange(ctx context.Context, x *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}

// exchangeOf returns the guard's exchange. Nothing else calls the adapters, so it is always there.
func exchangeOf(ctx context.Context) *exchange {
	return ctx.Value(exchangeKey{}).(*exchange)
}

// withSchema asks the guarded model for a reply that follows a schema.
func withSchema(ctx context.Context, s *jsonSchema) context.Context {
	return context.WithValue(ctx, schemaKey{}, s)
}

// schemaOf returns the schema asked for, or nil.
func schemaOf(ctx context.Context) *jsonSchema {
	s, _ := ctx.Value(schemaKey{}).(*jsonSchema)
	return s
}
