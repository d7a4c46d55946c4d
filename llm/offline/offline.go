// Package offline is a stand-in for a language model, for a server without one. It turns a question into calls
// of tools, and its answers say how it read the question. It makes the server useful without an account, and
// testable, since the same conversation always has the same answer.
//
// It knows no grammar. vocabulary.go splits a question into terms, which are the longest phrases of vocabulary.txt, and
// looks up other words as titles and names of actors. query.go turns patterns of terms into arguments of listFilms.
// What fits no pattern was not understood. answer.go makes the calls, write.go writes the answer, and this file has the
// model.
package offline

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tmc/langchaingo/llms"
)

// Model is a [llms.Model] that calls tools to answer a question. It streams word by word and counts words as
// tokens, so that callers need no special case for it.
type Model struct {
	summary func(prompt []llms.MessageContent) (string, error)
}

// New makes a model. In JSON mode, the function answers the prompt.
func New(summary func(prompt []llms.MessageContent) (string, error)) Model { return Model{summary} }

// Understood reports whether the model understood each word of the question of a conversation. The
// conversation needs the results of the model's calls.
func Understood(messages []llms.MessageContent) bool {
	c, err := newConversation(messages)
	_, understood := c.answer()
	return err == nil && understood
}

// Search returns the one call that finds films for a question, for models that call no tools themselves, and whether
// the question has a condition for films. Without one, it searches for the words that were not understood, and may
// find any film.
func Search(question string) (tool string, args json.RawMessage, conditions bool) {
	q := newQuery(split(question), meanings)
	conditions = len(q.args) > 0
	if text := strings.Join(q.unread, " or "); !conditions && text != "" && len(text) <= 200 {
		q.args["q"] = text
	}
	q.args["page_size"], q.args["count"] = maxListed, "capped"
	c := conversation{}
	c.call("listFilms", q.args)
	return c.wanted[0].name, json.RawMessage(c.wanted[0].arguments), conditions
}

// IsLookup reports whether a call with these arguments only looks a name up. The films that it finds are no sources.
func IsLookup(arguments json.RawMessage) bool {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(arguments, &members) // arguments that are not an object look nothing up
	return members["title"] != nil
}

// Call is the short form of GenerateContent that [llms.Model] requires.
func (m Model) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, m, prompt, options...)
}

// GenerateContent calls tools or answers.
func (m Model) GenerateContent(
	ctx context.Context, prompt []llms.MessageContent, options ...llms.CallOption,
) (*llms.ContentResponse, error) {
	var o llms.CallOptions
	for _, set := range options {
		set(&o)
	}
	c, err := newConversation(prompt)
	choice := &llms.ContentChoice{StopReason: "stop"}
	switch {
	case o.JSONMode:
		choice.Content, err = m.summary(prompt)
	case err == nil:
		c.choose(choice, len(o.Tools) > 0)
	}
	pieces, streams := strings.SplitAfter(choice.Content, " "), o.StreamingFunc != nil && choice.Content != ""
	for i := 0; err == nil && streams && i < len(pieces); i++ {
		if err = ctx.Err(); err == nil {
			err = o.StreamingFunc(ctx, []byte(pieces[i]))
		}
	}
	if err != nil {
		return nil, err
	}
	choice.GenerationInfo = map[string]any{"PromptTokens": len(strings.Fields(c.text)), "CompletionTokens": len(pieces)}
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{choice}}, nil
}

// conversation is what was said so far.
type conversation struct {
	text     string
	question string
	results  map[call]record
	wanted   []call // that have no result yet
	failed   bool   // something could not be looked up
}

// call is a call of a tool.
type call struct{ name, arguments string }

func newConversation(messages []llms.MessageContent) (*conversation, error) {
	c, calls := &conversation{results: map[call]record{}}, map[string]call{}
	for _, m := range messages {
		for _, part := range m.Parts {
			switch part := part.(type) {
			case llms.TextContent:
				c.text += part.Text + "\n"
			case llms.ToolCall:
				if part.FunctionCall != nil {
					calls[part.ID] = call{part.FunctionCall.Name, part.FunctionCall.Arguments}
				}
			case llms.ToolCallResponse:
				var r record
				d := json.NewDecoder(strings.NewReader(part.Content))
				d.UseNumber()
				_ = d.Decode(&r) // a result that is not an object stays empty
				c.results[calls[part.ToolCallID]] = r
			}
		}
	}
	_, block, _ := strings.Cut(c.text, "<question>\n")
	block, _, _ = strings.Cut(block, "\n</question>")
	return c, json.Unmarshal([]byte(block), &c.question)
}

// choose calls the tools that the answer needs, or answers.
func (c *conversation) choose(choice *llms.ContentChoice, tools bool) {
	choice.Content, _ = c.answer()
	if len(c.wanted) > 0 && !tools {
		choice.Content = "Not understood: the catalogue could not be searched without tools."
		return
	}
	for i, call := range c.wanted {
		choice.Content, choice.StopReason = "", "tool_calls"
		choice.ToolCalls = append(choice.ToolCalls, llms.ToolCall{
			ID: fmt.Sprintf("call_%d", len(c.results)+i+1), Type: "function",
			FunctionCall: &llms.FunctionCall{Name: call.name, Arguments: call.arguments},
		})
	}
}

// call returns the result of a call. It is empty until it is known, and then the question is read again.
func (c *conversation) call(name string, args map[string]any) record {
	raw, err := json.Marshal(args)
	wanted := call{name, string(raw)}
	r, known := c.results[wanted]
	if !known && !slices.Contains(c.wanted, wanted) {
		c.wanted = append(c.wanted, wanted)
	}
	c.failed = c.failed || err != nil || known && (len(r) == 0 || r["detail"] != nil)
	return r
}
