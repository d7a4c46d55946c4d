package llm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tmc/langchaingo/llms"
	"golang.org/x/sync/errgroup"

	"example.com/pagila-api/llm/offline"
	"example.com/pagila-api/llm/upstream"
)

// Tool is an operation that a model may call to look something up.
type Tool = upstream.Tool

// Tools are the operations that a model may call. The server implements them. They are safe for concurrent
// use.
type Tools interface {
	// List returns the tools in a fixed order.
	List() []Tool
	// Call calls a tool with arguments, a JSON object. A call that is refused, for example because of its
	// arguments or because there is no such tool, has a result that says so, and the model can correct it.
	// An error means that the question cannot be answered, for example because the database is down.
	Call(ctx context.Context, name string, arguments json.RawMessage) (ToolResult, error)
}

// ToolResult is what a call of a tool returned.
type ToolResult struct {
	Status int             // the HTTP status
	Body   json.RawMessage // the response, or a problem document. It may have been cut, and says so.
	Films  []Source        // the films in Body, in their order
	Total  int64           // the number of films that were found. Body may have only the first of them.
}

// Call describes a call of a tool to an observer.
type Call struct {
	Name      string
	Arguments json.RawMessage // a JSON object, which is empty if the model wrote anything else
	Status    int             // the HTTP status
	Films     int             // in the result
	Duration  time.Duration
}

// parallelCalls is how many calls of one round run at the same time. Each of them takes a connection to the
// database.
const parallelCalls = 4

// The results that take the place of one that a model is not given.
const (
	tooManyCalls = `{"detail":"The limit of calls is reached. Answer from the results that you have."}`
	tooLong      = `{"detail":"The result is left out, since the results are too long in all. Ask for fewer films."}`
)

// toolRunner runs the calls of one question, within its limits.
type toolRunner struct {
	tools   Tools
	offered []Tool
	called  func(Call) error

	calls   int                 // so far, repeated ones included
	size    int                 // of the results that the model was given, in bytes
	results map[string]*outcome // by the name and the arguments of the call
	found   Sources
	local   bool // the model is the offline one, whose lookups of names are no sources
}

// outcome is the result of a call that has been made.
type outcome struct {
	ToolResult        // without its body, and without its films once they are remembered
	text       string // the body as the model reads it
	shown      int    // the number of films in the text
	duration   time.Duration
}

func newToolRunner(tools Tools, called func(Call) error) *toolRunner {
	return &toolRunner{
		tools: tools, offered: tools.List(), called: called,
		results: map[string]*outcome{}, found: Sources{Films: []Source{}},
	}
}

// unused reports whether no tool has been called yet.
func (t *toolRunner) unused() bool { return t.calls == 0 }

// left reports whether the model may call another tool.
func (t *toolRunner) left() bool { return t.calls < maxCalls }

// sources returns the films that the model was given.
func (t *toolRunner) sources() Sources {
	t.found.Total = max(t.found.Total, int64(len(t.found.Films)))
	return t.found
}

// run runs the calls of a round and returns a message for each. A call that repeats an earlier one is not
// run again.
func (t *toolRunner) run(ctx context.Context, calls []upstream.ToolCall) ([]llms.MessageContent, error) {
	allowed := calls[:min(len(calls), maxCalls-t.calls)]
	t.calls += len(allowed)
	if err := t.fetch(ctx, allowed); err != nil {
		return nil, err
	}
	messages := make([]llms.MessageContent, len(calls))
	for i, call := range calls {
		result := tooManyCalls
		if i < len(allowed) {
			o := t.results[keyOf(call)]
			if err := t.called(o.describe(call)); err != nil {
				return nil, fmt.Errorf("report a call of a tool: %w", err)
			}
			result = t.give(call, o)
		}
		messages[i] = resultMessage(call, result)
	}
	return messages, nil
}

// fetch makes the calls that have not been made yet, some at a time.
func (t *toolRunner) fetch(ctx context.Context, calls []upstream.ToolCall) error {
	group, each := errgroup.WithContext(ctx)
	group.SetLimit(parallelCalls)
	for _, call := range calls {
		if t.results[keyOf(call)] != nil {
			continue
		}
		o := &outcome{}
		t.results[keyOf(call)] = o
		group.Go(func() (err error) {
			start := time.Now()
			o.ToolResult, err = t.tools.Call(each, call.Name, call.Arguments)
			o.duration = time.Since(start)
			o.shown = len(o.Films)
			o.text, o.Body = readable(o.Body), nil // kept once, with the messages
			return err
		})
	}
	err := group.Wait()
	switch {
	case ctx.Err() != nil:
		return upstream.ContextError(ctx)
	case err != nil:
		return fmt.Errorf("call a tool: %w", err)
	}
	return nil
}

// readable is a result as the model reads it. A "<" is escaped, so that no text of the catalogue contains the marks
// of roles that local models use ("<|im_start|>").
func readable(result json.RawMessage) string {
	var escaped bytes.Buffer
	json.HTMLEscape(&escaped, []byte(upstream.Clean(string(result))))
	return escaped.String()
}

// give returns a result for the model, and remembers its films.
func (t *toolRunner) give(call upstream.ToolCall, o *outcome) string {
	if t.size+len(o.text) > maxResults {
		return tooLong
	}
	t.size += len(o.text)
	if !t.local || !offline.IsLookup(call.Arguments) {
		t.remember(o)
	}
	return o.text
}

// remember adds the films of a result to the sources. The total is that of the last search which found other films
// than those before. The details of one film do not change it.
func (t *toolRunner) remember(o *outcome) {
	before := len(t.found.Films)
	for _, film := range o.Films {
		if !slices.ContainsFunc(t.found.Films, func(known Source) bool { return known.FilmID == film.FilmID }) {
			t.found.Films = append(t.found.Films, film)
		}
	}
	if len(t.found.Films) > before && (o.Total > 1 || t.found.Total == 0) {
		t.found.Total = o.Total
	}
	o.Films = nil
}

func (o *outcome) describe(call upstream.ToolCall) Call {
	arguments := call.Arguments
	if object := map[string]json.RawMessage(nil); json.Unmarshal(arguments, &object) != nil || object == nil {
		arguments = json.RawMessage("{}")
	}
	return Call{Name: cut(upstream.Clean(call.Name), maxTitle), Arguments: arguments, Status: o.Status, Films: o.shown, Duration: o.duration}
}

// keyOf identifies what a call asks for.
func keyOf(call upstream.ToolCall) string {
	var compact bytes.Buffer
	if json.Compact(&compact, call.Arguments) != nil {
		return call.Name + " " + string(call.Arguments)
	}
	return call.Name + " " + compact.String()
}
