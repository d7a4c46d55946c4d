package llm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	sender    *doer // nil: nobody is called
	thinking  thinking
	logger    *slog.Logger
	telemetry *telemetry
}

var _ llms.Model = (*guard)(nil)

// Call is the short form of GenerateContent that llms.Model asks for.
func (g *guard) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, g, prompt, options...)
}

// call is what a caller of the guard wants.
type call struct {
	llms.CallOptions
	messages []llms.MessageContent
	options  []llms.CallOption
	schema   *jsonSchema
	held     bool                      // nobody waits for pieces
	chunk    func(ctx context.Context) // is told of each piece
}

// GenerateContent asks the model. A streaming function is called with non-empty text only, and in
// the caller's goroutine. An answer cut at the token limit comes back beside its error, so that
// the caller can show how far it got; no other error has a response beside it.
func (g *guard) GenerateContent(ctx context.Context, messages []llms.MessageContent, options ...llms.CallOption) (resp *llms.ContentResponse, err error) {
	c := call{messages: messages, options: options, schema: schemaOf(ctx)}
	for _, set := range options {
		set(&c.CallOptions)
	}
	c.held = c.StreamingFunc == nil || isHeld(ctx)
	if c.MaxTokens <= 0 || c.MaxTokens > g.maxTokens {
		c.MaxTokens = g.maxTokens
	}
	ctx, told := g.telemetry.begin(ctx, messages, c.MaxTokens+g.room(), g.temperature(c.Temperature))
	c.chunk = told.chunk
	var retried []Kind
	err = errCallerPanics // unless the call returns
	defer func() { told.end(ctx, resp, retried, err) }()
	return g.generate(ctx, &c, &retried)
}

// errCallerPanics stands for a panic of the caller's streaming function, which goes on.
var errCallerPanics = errors.New("the caller's function panicked")

// temperature is the one that is sent; negative where none is.
func (g *guard) temperature(wanted float64) float64 {
	if g.sender != nil && g.sender.lesson.get().without(extraSampling) {
		return -1
	}
	return wanted
}

// room is how many tokens the model gets for its thoughts.
func (g *guard) room() int {
	if !g.thinking.room.Load() || g.sender == nil || g.sender.lesson.get().without(extraRoom) {
		return 0
	}
	return thinkingRoom
}

// generate asks the model within one deadline. A model that turns out to think, and has used up the
// answer's tokens for that, is asked once more, with room for its thoughts.
func (g *guard) generate(ctx context.Context, c *call, retried *[]Kind) (*llms.ContentResponse, error) {
	ctx, cancel := withTimeout(ctx, g.timeout)
	defer cancel()
	first := g.newAttempt(c)
	resp, err := g.attempt(ctx, c, first)
	*retried = first.exchange.retried()
	if first.exchange.room > 0 || g.room() == 0 || first.answer.emitted || !isKind(err, KindLength) {
		return resp, err
	}
	g.logger.InfoContext(ctx, "the language model's thoughts have used up its tokens, asking again with room for them", "tokens", thinkingRoom)
	second := g.newAttempt(c)
	second.spent = first.exchange.usage
	resp, err = g.attempt(ctx, c, second)
	*retried = append(append(*retried, KindLength), second.exchange.retried()...)
	return resp, err
}

// attempt is one call of the adapter.
type attempt struct {
	exchange *exchange
	answer   *answer
	spent    Usage // of an attempt before this one
}

func (g *guard) newAttempt(c *call) *attempt {
	return &attempt{
		exchange: &exchange{schema: c.schema, topP: c.TopP, stream: c.StreamingFunc != nil, tokens: c.MaxTokens, room: g.room()},
		answer:   &answer{emit: c.StreamingFunc, chunk: c.chunk, thoughts: newThoughts(c.held, g.thinking.held.Load() > 0)},
	}
}

func (g *guard) attempt(ctx context.Context, c *call, t *attempt) (*llms.ContentResponse, error) {
	if ctx.Err() != nil {
		return nil, contextError(ctx)
	}
	x, a := t.exchange, t.answer
	options := append(slices.Clone(c.options), llms.WithMaxTokens(x.limit()))
	if x.stream {
		options = append(options, llms.WithStreamingFunc(func(ctx context.Context, chunk []byte) error {
			return a.add(ctx, x, string(chunk))
		}))
	}
	resp, err := g.adapt(withExchange(ctx, x), a, c.messages, options)
	if err := t.failure(ctx, resp, err); err != nil {
		return nil, err
	}
	choice := resp.Choices[0]
	rest := ""
	if !x.stream && g.sender == nil { // no HTTP in between
		rest = choice.Content
	}
	finish, kind := finishOf(cmp.Or(x.finish, choice.StopReason))
	if err := a.finish(ctx, x, rest, g.ending(t, finish, kind)); err != nil {
		return nil, fmt.Errorf("pass the model's answer on: %w", err)
	}
	g.learn(t, kind)
	return g.judge(t, choice, finish, kind)
}

// failure is what an attempt has failed with, or nil where there is an answer to be judged. What the
// adapter says comes last.
func (t *attempt) failure(ctx context.Context, resp *llms.ContentResponse, err error) error {
	switch failure := t.exchange.failure(); {
	case t.answer.err != nil:
		return fmt.Errorf("pass the model's answer on: %w", t.answer.err)
	case failure != nil:
		return failure
	case ctx.Err() != nil: // the adapters often report an aborted call as a success
		return contextError(ctx)
	case err != nil:
		return typed(err)
	case len(resp.Choices) == 0:
		return newError(KindBadResponse, "a response without an answer")
	}
	return nil
}

// learn takes what an answer has shown of how the model thinks.
func (g *guard) learn(t *attempt, kind Kind) {
	h := t.answer.thoughts
	if h.seen || t.exchange.thought() || kind == KindLength && t.answer.blank() {
		g.thinking.room.Store(true)
	}
	g.thinking.learn(h)
}

// ending is how an attempt's answer has ended. One that was cut is shown unless it can be asked for again,
// with room for thoughts.
func (g *guard) ending(t *attempt, finish string, kind Kind) ending {
	again := t.exchange.room == 0 && g.sender != nil && !g.sender.lesson.get().without(extraRoom)
	switch {
	case finish != "" && kind == "":
		return endWhole
	case kind == KindLength && !again:
		return endCut
	}
	return endBroken
}

// adapt runs the adapter, which panics on some hostile responses. A panic of the caller's streaming
// function is the caller's own, and goes on.
func (g *guard) adapt(ctx context.Context, a *answer, messages []llms.MessageContent, options []llms.CallOption) (resp *llms.ContentResponse, err error) {
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
func (g *guard) judge(t *attempt, choice *llms.ContentChoice, finish string, kind Kind) (*llms.ContentResponse, error) {
	x, a := t.exchange, t.answer
	usage := x.usage
	if g.sender == nil { // no HTTP in between: the model has filled it in itself
		usage.Prompt, _ = choice.GenerationInfo[infoPromptTokens].(int)
		usage.Completion, _ = choice.GenerationInfo[infoCompletionTokens].(int)
	}
	resp := &llms.ContentResponse{Choices: []*llms.ContentChoice{{
		Content: a.text.String(), StopReason: finish, GenerationInfo: map[string]any{
			infoModel:            cmp.Or(x.model, g.name),
			infoPromptTokens:     min(usage.Prompt+t.spent.Prompt, maxTokenCount),
			infoCompletionTokens: min(usage.Completion+t.spent.Completion, maxTokenCount),
		},
	}}}
	switch {
	case a.thoughts.leaked:
		return nil, newError(KindBadResponse, "the answer turned out to be thoughts; the next one is held back until that is known")
	case finish == "" && kind == "":
		return nil, newError(KindTruncated, "the answer ends without a finish reason")
	case kind == KindLength:
		return resp, newError(KindLength, "the answer was cut at the token limit")
	case kind != "":
		return nil, newError(kind, "the answer ended for the reason %q", finish)
	case a.blank():
		return nil, newError(KindEmpty, "the answer has no text")
	}
	return resp, nil
}

func isKind(err error, kind Kind) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == kind
}

// typed makes any error of an adapter an *Error. The text of one that is no *Error is dropped, since
// it can quote what the adapter was reading.
func typed(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: KindBadResponse, Err: errors.New("the adapter fails")}
}

// answer collects an answer's text and passes it on. All text that leaves the guard passes here, so
// here is where it is made fit to be shown and loses its thoughts.
type answer struct {
	emit     func(ctx context.Context, chunk []byte) error // nil: nobody waits for pieces
	chunk    func(ctx context.Context)                     // is told of each piece
	scrubber scrubber
	thoughts *thoughts
	text     strings.Builder
	emitting bool  // the caller's function is running
	emitted  bool  // it has got some text
	err      error // of the caller's function
}

// add takes what has come, and the adapter's own piece.
func (a *answer) add(ctx context.Context, x *exchange, piece string) error {
	text := x.get() + piece
	if x.thought() {
		a.thoughts.apart()
	}
	return a.pass(ctx, a.thoughts.add(a.scrubber.add(text)))
}

// finish takes the last piece of an answer, and how it has ended.
func (a *answer) finish(ctx context.Context, x *exchange, piece string, e ending) error {
	if err := a.add(ctx, x, piece); err != nil {
		return err
	}
	return a.pass(ctx, a.thoughts.add(a.scrubber.end())+a.thoughts.end(e))
}

// blank says whether the answer has no text that can be seen.
func (a *answer) blank() bool { return Blank(a.text.String()) }

// pass passes the next piece on. An empty one is nothing.
func (a *answer) pass(ctx context.Context, piece string) error {
	if piece == "" {
		return nil
	}
	a.chunk(ctx)
	a.text.WriteString(piece)
	if a.emit == nil {
		return nil
	}
	a.emitted = true
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
	tokens int // the longest answer
	room   int // for thoughts, on top of that

	mu       sync.Mutex // the adapter reads in a goroutine of its own
	pending  strings.Builder
	thoughts bool // some have come by another way than the text
	err      error
	retries  []Kind // what each retry was for

	// These are set before the adapter sees the end, and read after.
	model  string
	finish string
	usage  Usage
	// roomless: the request was sent without room for thoughts, which the upstream had refused.
	roomless bool
}

// limit is the token limit that is sent.
func (x *exchange) limit() int {
	if x.roomless {
		return x.tokens
	}
	return x.tokens + x.room
}

// weakest is what every request can do without.
func (x *exchange) weakest() shape {
	s := shape{extraSampling: 1}
	if x.schema != nil {
		s[extraFormat] = int(formatPrompt)
	}
	if x.room > 0 {
		s[extraRoom] = 1
	}
	return s
}

// reset prepares for the next try, in a shape.
func (x *exchange) reset(s shape) {
	x.model, x.finish, x.usage, x.roomless = "", "", Usage{}, s.without(extraRoom)
	x.get()
}

// take adds what the doer has read.
func (x *exchange) take(p piece) {
	x.model = cmp.Or(x.model, shownName(p.model))
	x.finish = worse(x.finish, p.finish)
	x.usage = Usage{Prompt: cmp.Or(p.usage.Prompt, x.usage.Prompt), Completion: cmp.Or(p.usage.Completion, x.usage.Completion)}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.thoughts = x.thoughts || p.thought
	x.pending.WriteString(p.text)
}

// get returns the text that has come since the last time.
func (x *exchange) get() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	text := x.pending.String()
	x.pending.Reset()
	return text
}

// thought says whether thoughts have come by another way than the text.
func (x *exchange) thought() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.thoughts
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
	heldKey     struct{}
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

// withHeld says that the caller only uses the whole answer, though it is streamed.
func withHeld(ctx context.Context) context.Context { return context.WithValue(ctx, heldKey{}, true) }

func isHeld(ctx context.Context) bool { return ctx.Value(heldKey{}) != nil }
