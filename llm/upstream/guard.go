package upstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tmc/langchaingo/llms"
)

// The token counts in GenerationInfo, under langchaingo's names.
const (
	infoPromptTokens     = "PromptTokens"     // int
	infoCompletionTokens = "CompletionTokens" // int
)

// Generate asks the model. It fails with an [*Error], except that an error of the caller's own Emit
// comes back wrapped.
//
// An answer that was cut at the token limit is returned along with its error of [KindLength], so that the
// caller can show it. With any other error the answer is zero. [KindNoTools] says that the same request can
// succeed without tools; no text has been emitted then.
func (m *Model) Generate(ctx context.Context, r Request) (answer Answer, err error) {
	if r.MaxTokens <= 0 || r.MaxTokens > m.maxTokens {
		r.MaxTokens = m.maxTokens
	}
	if len(r.Tools) == 0 && m.doer != nil {
		r.Messages = withoutCalls(r.Messages)
	}
	ctx, span := m.telemetry.begin(ctx, r, r.MaxTokens+m.thinkingBudget(), m.temperature(r.Temperature))
	c := &call{Request: r, onText: span.text}
	err = errEmitPanicked // unless generate returns
	defer func() { span.end(ctx, answer, c.retries, err) }()
	return m.generate(ctx, c)
}

// call is one call of Generate.
type call struct {
	Request
	onText  func(ctx context.Context) // is called for each chunk of text
	retries []Kind                    // why requests were sent again
}

// options are the adapter's options, with a token limit.
func (c *call) options(maxTokens int) []llms.CallOption {
	options := []llms.CallOption{llms.WithTemperature(c.Temperature), llms.WithTopP(c.TopP), llms.WithMaxTokens(maxTokens)}
	if c.Schema != nil {
		options = append(options, llms.WithJSONMode())
	}
	if len(c.Tools) > 0 {
		options = append(options, llms.WithTools(offered(c.Tools)))
	}
	return options
}

// errEmitPanicked is recorded for a panic of the caller's Emit, which is not recovered.
var errEmitPanicked = errors.New("the caller's function panicked")

// temperature is the temperature that is sent, or negative if none is sent.
func (m *Model) temperature(wanted float64) float64 {
	if m.doer != nil && m.doer.accepted.get().without(optSampling) {
		return -1
	}
	return wanted
}

// thinkingBudget is how many tokens the model gets for its thoughts.
func (m *Model) thinkingBudget() int {
	if !m.thinking.thinks.Load() || m.doer == nil || m.doer.accepted.get().without(optThinkingBudget) {
		return 0
	}
	return thinkingBudget
}

// generate asks the model within one deadline. If the model turns out to think, and its thoughts
// have used up the tokens of the answer, it is asked once more with a budget for them.
func (m *Model) generate(ctx context.Context, c *call) (Answer, error) {
	ctx, cancel := m.WithTimeout(ctx)
	defer cancel()
	first := m.newAttempt(c)
	answer, err := m.attempt(ctx, c, first)
	c.retries = first.exchange.retries
	if first.exchange.budget > 0 || m.thinkingBudget() == 0 || first.collector.emitted || !isKind(err, KindLength) {
		return answer, err
	}
	m.logger.InfoContext(ctx, "the language model used up its tokens for thoughts, asking again with more tokens", "tokens", thinkingBudget)
	second := m.newAttempt(c)
	second.spent = first.exchange.usage
	answer, err = m.attempt(ctx, c, second)
	c.retries = append(append(c.retries, KindLength), second.exchange.retries...)
	return answer, err
}

// attempt is one call of the adapter.
type attempt struct {
	exchange  *exchange
	collector *collector
	spent     Usage // by an earlier attempt
}

func (m *Model) newAttempt(c *call) *attempt {
	return &attempt{
		exchange: &exchange{
			schema: c.Schema, topP: c.TopP, stream: c.Emit != nil, tokens: c.MaxTokens, budget: m.thinkingBudget(),
			tools: len(c.Tools) > 0, called: hasToolCalls(c.Messages), calls: calls{tools: toolNames(c.Tools)},
		},
		collector: &collector{
			emit: c.Emit, onText: c.onText, hold: len(c.Tools) > 0, thoughts: newThoughts(c.Emit == nil || c.Buffer, m.thinking.buffered.Load() > 0),
		},
	}
}

func (m *Model) attempt(ctx context.Context, c *call, t *attempt) (Answer, error) {
	if ctx.Err() != nil {
		return Answer{}, ContextError(ctx)
	}
	x := t.exchange
	if x.tools && !m.Tools() {
		return Answer{}, noTools(nil)
	}
	options := c.options(x.limit())
	if x.stream {
		options = append(options, llms.WithStreamingFunc(func(ctx context.Context, chunk []byte) error {
			if m.doer != nil {
				return nil // the text does not come from the adapter
			}
			return t.collector.add(ctx, x, string(chunk))
		}))
	}
	resp, err := m.callAdapter(withExchange(ctx, x), t.collector, sendable(c.Messages), options)
	if x.body != nil {
		resp = nothing // frees what the adapter has made of its empty answer
		err = cmp.Or(t.deliver(ctx), err)
	}
	if err := t.failure(ctx, resp, err); err != nil {
		return Answer{}, err
	}
	return m.finish(ctx, t, resp.Choices[0])
}

// nothing is the response of an adapter to an empty answer.
var nothing = &llms.ContentResponse{Choices: []*llms.ContentChoice{{}}}

// deliver reads the answer to its end, and passes it on.
func (t *attempt) deliver(ctx context.Context) error {
	body := t.exchange.body
	defer body.Close()
	for {
		// Before the first time, the doer has read the first text.
		if t.exchange.stream {
			if err := t.collector.add(ctx, t.exchange, ""); err != nil {
				return err
			}
		}
		err := body.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return body.fail(ctx, err)
		}
	}
}

// failure is the error of an attempt, or nil if there is an answer to judge. The adapter's own error
// is the last resort.
func (t *attempt) failure(ctx context.Context, resp *llms.ContentResponse, err error) error {
	switch failure := t.exchange.err; {
	case t.collector.err != nil:
		return emitError(t.collector.err)
	case failure != nil:
		return failure
	case ctx.Err() != nil: // the adapters often report an aborted call as a success
		return ContextError(ctx)
	case err != nil:
		return typed(err)
	case len(resp.Choices) == 0:
		return newError(KindBadResponse, "a response without an answer")
	}
	return nil
}

func emitError(err error) error { return fmt.Errorf("pass on the model's answer: %w", err) }

// callAdapter runs the adapter. A server's runs in a goroutine of its own: it writes and sends the request with a deep
// stack, which the caller's goroutine would keep during the answer.
func (m *Model) callAdapter(
	ctx context.Context, c *collector, messages []llms.MessageContent, options []llms.CallOption,
) (resp *llms.ContentResponse, err error) {
	if m.doer == nil {
		return m.runAdapter(ctx, c, messages, options)
	}
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		resp, err = m.runAdapter(ctx, c, messages, options)
	}()
	<-returned
	return resp, err
}

// runAdapter runs the adapter, which panics on some hostile responses. A panic of the caller's Emit
// is not recovered.
func (m *Model) runAdapter(
	ctx context.Context, c *collector, messages []llms.MessageContent, options []llms.CallOption,
) (resp *llms.ContentResponse, err error) {
	defer func() {
		if c.emitting {
			return
		}
		if p := recover(); p != nil {
			// The text of the panic can quote what the adapter was reading.
			resp, err = nil, newError(KindBadResponse, "the adapter panicked with a %T", p)
		}
	}()
	return m.adapter.GenerateContent(ctx, messages, options...)
}

// finish collects the rest of an answer, remembers what it shows about the model, and decides whether
// it is whole.
func (m *Model) finish(ctx context.Context, t *attempt, choice *llms.ContentChoice) (Answer, error) {
	x := t.exchange
	rest := ""
	if m.doer == nil { // nothing else has read a local model's answer
		x.usage.Prompt, _ = choice.GenerationInfo[infoPromptTokens].(int)
		x.usage.Completion, _ = choice.GenerationInfo[infoCompletionTokens].(int)
		if !x.stream {
			rest = choice.Content
		}
		if x.tools {
			if err := x.calls.add(localParts(choice.ToolCalls), true); err != nil {
				return Answer{}, err
			}
		}
	}
	reason, kind := x.ending(choice.StopReason)
	failed := kind != KindLength && (kind != "" || reason == "")
	if err := t.collector.finish(ctx, x, rest, m.ending(t, reason, kind), failed); err != nil {
		return Answer{}, emitError(err)
	}
	m.learn(t, kind)
	return m.judge(t, reason, kind)
}

// learn remembers what an answer shows about how the model thinks.
func (m *Model) learn(t *attempt, kind Kind) {
	h := t.collector.thoughts
	if h.seen || t.exchange.thoughts || kind == KindLength && t.collector.blank() && !t.exchange.calls.began() {
		m.thinking.thinks.Store(true)
	}
	m.thinking.learn(h)
}

// ending says how the answer of an attempt ended. An answer that was cut is shown, unless the model can
// be asked again with a budget for thoughts.
func (m *Model) ending(t *attempt, reason string, kind Kind) ending {
	again := t.exchange.budget == 0 && m.doer != nil && !m.doer.accepted.get().without(optThinkingBudget)
	switch {
	case reason != "" && kind == "":
		return endWhole
	case kind == KindLength && !again:
		return endCut
	}
	return endBroken
}

// judge decides whether an answer is whole, by the reason for its end.
func (m *Model) judge(t *attempt, reason string, kind Kind) (Answer, error) {
	x := t.exchange
	answer := Answer{
		Text: t.collector.text.String(), Model: cmp.Or(x.model, m.name), FinishReason: reason,
		Usage: Usage{
			Prompt:     min(x.usage.Prompt+t.spent.Prompt, maxTokenCount),
			Completion: min(x.usage.Completion+t.spent.Completion, maxTokenCount),
		},
	}
	switch {
	case t.collector.thoughts.leaked && (t.collector.emitted || !x.calls.began()):
		return Answer{}, newError(KindBadResponse, "the answer turned out to be the model's thoughts; the next answer is buffered until that is clear")
	case reason == "" && kind == "":
		return Answer{}, newError(KindTruncated, "the answer ends without a finish reason")
	case kind == KindLength:
		return answer, newError(KindLength, "the answer was cut at the token limit")
	case kind != "":
		return Answer{}, newError(kind, "the answer ended with the finish reason %q", reason)
	case x.calls.began():
		m.use.called.Store(true)
		answer.Text, answer.Calls = "", x.calls.finish()
	case x.tools && !m.CallsTools() && writtenCall.MatchString(answer.Text):
		m.ToolsIgnored()
		return Answer{}, noTools(nil)
	case t.collector.blank():
		return Answer{}, newError(KindEmpty, "the answer has no text")
	}
	return answer, nil
}

// typed converts any error of an adapter to an [*Error]. The text of another error is dropped, since it
// can quote what the adapter was reading.
func typed(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: KindBadResponse, Err: errors.New("the adapter failed")}
}
