package llm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/tmc/langchaingo/llms"

	"example.com/pagila-api/llm/offline"
	"example.com/pagila-api/llm/upstream"
)

const (
	// maxRounds is how often a model may call tools before it has to answer. A good model needs one or two
	// rounds: one to look a name up, one to search with it.
	maxRounds = 4
	// maxCalls is how many calls an answer may have in all.
	maxCalls = 12
	// maxResults is how many bytes of results a model is given, about 5,500 tokens. That leaves room for the
	// rest of the conversation in the context of small local models.
	maxResults = 16 << 10
)

// Question is what a customer asks, with the tools that a model may use to answer it.
type Question struct {
	Text  string
	Tools Tools
}

// clean is the text as a model reads it, without surrounding whitespace and invisible characters. A text
// without a visible character becomes the replacement character U+FFFD: models do not answer an empty
// message.
func (q Question) clean() string {
	if text := strings.TrimSpace(upstream.Clean(q.Text)); text != "" {
		return text
	}
	return string(unicode.ReplacementChar)
}

// Blank reports whether a text counts as empty: it has nothing but whitespace, control characters and
// invisible characters, such as zero-width ones.
func Blank(text string) bool { return upstream.Blank(text) }

// Clean returns a text without invisible characters, and with a blank for each control character.
func Clean(text string) string { return upstream.Clean(text) }

// Source is a film that an answer is based on.
type Source struct {
	FilmID int32
	Title  string
}

// Sources are the films that a model was given, in the order of the results.
type Sources struct {
	Films []Source // never nil
	Total int64    // the number of films that were found, as the last search counted them, at least len(Films)
}

// Observer is told how a question is answered. The functions are called one at a time, in the caller's
// goroutine. The error of one ends the call of the model, and comes back wrapped.
type Observer struct {
	Called  func(Call) error         // after each call of a tool
	Sources func(Sources) error      // before the first chunk, and again if more calls come after a chunk
	Chunk   func(chunk string) error // with each chunk of the answer, never empty
}

// Ask answers a question. The model is offered the tools. It calls some of them, in at most four rounds
// and twelve calls, and then answers, all within the model's one time limit and one limit of tokens. Only
// the answer is streamed. A model that cannot call tools gets the result of one search instead, which is
// made from the words of the question.
//
// An error of an observer or of a tool comes back wrapped. Every other failure is an [*Error]. After an
// error, the streamed text is not a whole answer. With [KindLength] it is complete up to the token limit,
// and the Result is filled in.
func (c *Client) Ask(ctx context.Context, q Question, o Observer) (Result, error) {
	ctx, cancel := c.model.WithTimeout(ctx)
	defer cancel()
	d, err := c.newDialogue(q, o)
	if err != nil {
		return c.result(c.ask, upstream.Answer{}), err
	}
	answer, err := d.run(ctx, c.model, c.ask.request(nil, upstream.Request{}))
	return c.result(c.ask, answer), err
}

// dialogue is the conversation of one question: the prompt, then the model's calls and their results.
type dialogue struct {
	question string
	tools    *toolRunner
	observer Observer
	messages []llms.MessageContent
	tokens   int // that the model may still write
	usage    Usage
	offers   bool // the model is offered the tools
	told     bool // the observer knows the sources
	// holding says that the text of the first round is kept in held: it may be a comment before a call, or the answer
	// of a model that ignores the tools.
	holding bool
	held    strings.Builder
}

func (c *Client) newDialogue(q Question, o Observer) (*dialogue, error) {
	d := &dialogue{question: q.clean(), tools: newToolRunner(q.Tools, o.Called), observer: o, tokens: c.ask.maxTokens}
	question, err := block(questionTag, d.question)
	if err != nil {
		return nil, rejected(err)
	}
	d.messages = c.ask.render(map[string]string{"question": question})
	return d, nil
}

// run asks a model until it answers. The request says how the answer is delivered. The usage of the answer
// is the sum of all rounds.
func (d *dialogue) run(ctx context.Context, model *upstream.Model, r upstream.Request) (upstream.Answer, error) {
	r.Emit = d.chunk
	d.tools.local = model.Local()
	d.offers = model.Tools()
	for round := 0; ; round++ {
		if err := d.prepare(ctx, &r, d.offers && round < maxRounds); err != nil {
			return upstream.Answer{}, err
		}
		answer, err := model.Generate(ctx, r)
		if len(r.Tools) > 0 && isKind(err, upstream.KindNoTools) {
			d.offers = false // this request or another one has just found it out
			continue
		}
		d.spend(answer)
		answer.Usage = d.usage
		more, err := d.advance(ctx, model, answer, err)
		switch {
		case !more:
			return answer, err
		case err != nil:
			return upstream.Answer{}, err
		}
	}
}

// advance does what follows from an answer or its error. It reports whether there is another round.
func (d *dialogue) advance(ctx context.Context, model *upstream.Model, a upstream.Answer, err error) (more bool, _ error) {
	switch {
	case err == nil && len(a.Calls) > 0:
		return true, d.call(ctx, a.Calls)
	case (err == nil || isKind(err, KindLength)) && d.holding && !model.CallsTools():
		if found, failed := d.findInstead(ctx, model); failed != nil || found {
			return true, failed
		}
		return false, cmp.Or(d.release(), err)
	case err == nil || isKind(err, KindLength):
		return false, cmp.Or(d.release(), err)
	default:
		return false, err
	}
}

// findInstead searches for a model that has answered without a call, and has never made one. If films are found,
// the model should have searched, and its answer is not used.
func (d *dialogue) findInstead(ctx context.Context, model *upstream.Model) (found bool, err error) {
	if _, _, conditions := offline.Search(d.question); !conditions {
		return false, nil
	}
	if err := d.search(ctx); err != nil {
		return false, err
	}
	if found = len(d.tools.sources().Films) > 0; found {
		model.ToolsIgnored()
		d.offers = false
	}
	return found, nil
}

// prepare makes the request of the next round. If no tool is offered and none has been called, it searches first.
func (d *dialogue) prepare(ctx context.Context, r *upstream.Request, offer bool) error {
	if !offer && d.tools.unused() {
		if err := d.search(ctx); err != nil {
			return err
		}
	}
	r.Messages, r.MaxTokens, r.Tools = d.messages, d.tokens, nil
	if offer && d.tools.left() {
		r.Tools = d.tools.offered
	}
	d.holding = len(r.Tools) > 0 && d.tools.unused()
	d.held.Reset()
	return nil
}

// call runs the calls of a round. The next round gets their results.
func (d *dialogue) call(ctx context.Context, calls []upstream.ToolCall) error {
	if d.tokens <= 0 {
		return &Error{Kind: KindBadResponse, Err: errors.New("calls of tools have used up the tokens of the answer")}
	}
	results, err := d.tools.run(ctx, calls)
	if err != nil {
		return err
	}
	d.messages = append(append(d.messages, callMessage(calls)), results...)
	d.told = false
	return nil
}

// search makes one call from the words of the question, for a model that cannot call tools.
func (d *dialogue) search(ctx context.Context) error {
	name, arguments, _ := offline.Search(d.question)
	return d.call(ctx, []upstream.ToolCall{{ID: name, Name: name, Arguments: arguments}})
}

// spend counts what a round has cost.
func (d *dialogue) spend(a upstream.Answer) {
	d.usage.Prompt += a.Usage.Prompt
	d.usage.Completion += a.Usage.Completion
	written := 0
	for _, call := range a.Calls {
		written += (len(call.Name) + len(call.Arguments)) / bytesPerToken
	}
	d.tokens -= max(written, 1) // the thoughts of a model have a budget of their own
}

// bytesPerToken is roughly how long a token of JSON is.
const bytesPerToken = 3

// chunk passes on a chunk of the answer, the sources first.
func (d *dialogue) chunk(text string) error {
	if d.holding {
		d.held.WriteString(text)
		return nil
	}
	if !d.told {
		d.told = true
		if err := d.observer.Sources(d.tools.sources()); err != nil {
			return fmt.Errorf("report the sources: %w", err)
		}
	}
	return d.observer.Chunk(text)
}

// release passes on the text that was held.
func (d *dialogue) release() error {
	d.holding = false
	if d.held.Len() == 0 {
		return nil
	}
	return d.chunk(d.held.String())
}

// callMessage is the model's message with its calls.
func callMessage(calls []upstream.ToolCall) llms.MessageContent {
	m := llms.MessageContent{Role: llms.ChatMessageTypeAI}
	for _, call := range calls {
		m.Parts = append(m.Parts, llms.ToolCall{
			ID: call.ID, Type: "function", FunctionCall: &llms.FunctionCall{Name: call.Name, Arguments: string(call.Arguments)},
		})
	}
	return m
}

// resultMessage is the message with the result of a call.
func resultMessage(call upstream.ToolCall, result string) llms.MessageContent {
	return llms.MessageContent{Role: llms.ChatMessageTypeTool, Parts: []llms.ContentPart{
		llms.ToolCallResponse{ToolCallID: call.ID, Name: call.Name, Content: result},
	}}
}
