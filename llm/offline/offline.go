// Package offline is a stand-in for a language model, for a server without one. It turns a question into calls
// of tools, and its answers say how it read the question. It makes the server useful without an account, and
// testable, since the same conversation always has the same answer.
//
// It knows no grammar. It replaces the longest phrases of its vocabulary (vocabulary.txt) by their meanings
// (words.go), looks up other words as names (names.go), and matches a few patterns (query.go, amount.go). What is
// then left was not understood.
package offline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tmc/langchaingo/llms"
)

// Model is a [llms.Model] that calls tools to answer a question. It streams word by word and counts words as
// tokens, so that callers need no special case for it.
type Model struct {
	summary func(prompt []llms.MessageContent) (string, error)
}

var _ llms.Model = Model{}

// New makes a model. In JSON mode, the function answers the prompt.
func New(summary func(prompt []llms.MessageContent) (string, error)) Model { return Model{summary} }

// Understood reports whether the model understood each word of the question of a conversation. The
// conversation needs the results of the model's calls.
func Understood(conversation []llms.MessageContent) bool {
	question, err := questionOf(conversation)
	r := read(question, resultsOf(conversation))
	return err == nil && len(r.calls) == 0 && r.whole
}

// Search returns the one call that finds films for a question, for models that call no tools themselves. Without
// any condition, it searches for the words outside the vocabulary.
func Search(question string) (tool string, args json.RawMessage) {
	words := split(question)
	q := newQuery(words, nil)
	var names []string
	for _, t := range unknowns(words) {
		names = append(names, strings.Join(words[t.at:t.at+t.len], " "))
	}
	if text := strings.Join(names, " or "); len(q.args) == 0 && text != "" && len(text) <= 200 {
		q.args["q"] = text
	}
	q.args["page_size"] = maxListed
	return "listFilms", json.RawMessage(encode(q.args))
}

// Call is the short form of GenerateContent that [llms.Model] requires.
func (m Model) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, m, prompt, options...)
}

// GenerateContent calls tools or answers.
func (m Model) GenerateContent(ctx context.Context, prompt []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	var o llms.CallOptions
	for _, set := range options {
		set(&o)
	}
	choice, err := m.choose(prompt, o)
	if err != nil {
		return nil, err
	}
	pieces := strings.SplitAfter(choice.Content, " ")
	for i := 0; o.StreamingFunc != nil && choice.Content != "" && i < len(pieces); i++ {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := o.StreamingFunc(ctx, []byte(pieces[i])); err != nil {
			return nil, err
		}
	}
	words := 0
	for _, message := range prompt {
		for _, part := range message.Parts {
			if text, ok := part.(llms.TextContent); ok {
				words += len(strings.Fields(text.Text))
			}
		}
	}
	choice.GenerationInfo = map[string]any{"PromptTokens": words, "CompletionTokens": len(pieces)}
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{choice}}, nil
}

// choose calls tools or answers.
func (m Model) choose(prompt []llms.MessageContent, o llms.CallOptions) (*llms.ContentChoice, error) {
	if o.JSONMode {
		text, err := m.summary(prompt)
		return &llms.ContentChoice{Content: text, StopReason: "stop"}, err
	}
	question, err := questionOf(prompt)
	results := resultsOf(prompt)
	r := read(question, results)
	if len(r.calls) > 0 && len(o.Tools) == 0 {
		r = reading{answer: notSearched}
	}
	choice := &llms.ContentChoice{Content: r.answer, StopReason: "stop"}
	for i, c := range r.calls {
		choice.Content, choice.StopReason = "", "tool_calls"
		function := llms.FunctionCall{Name: c.name, Arguments: c.arguments}
		choice.ToolCalls = append(choice.ToolCalls, llms.ToolCall{ID: fmt.Sprintf("call_%d", len(results)+i+1), Type: "function", FunctionCall: &function})
	}
	return choice, err
}

// questionOf reads the question of a conversation.
func questionOf(conversation []llms.MessageContent) (question string, err error) {
	for _, m := range conversation {
		for _, part := range m.Parts {
			text, ok := part.(llms.TextContent)
			if _, block, found := strings.Cut(text.Text, "<question>\n"); ok && found && m.Role == llms.ChatMessageTypeHuman {
				block, _, _ = strings.Cut(block, "\n</question>")
				return question, json.Unmarshal([]byte(block), &question)
			}
		}
	}
	return "", errors.New("the conversation has no question")
}

// resultsOf collects the results of the calls of a conversation. What is no JSON object is an empty result.
func resultsOf(conversation []llms.MessageContent) map[call]record {
	calls, results := map[string]call{}, map[call]record{}
	for _, m := range conversation {
		for _, part := range m.Parts {
			switch part := part.(type) {
			case llms.ToolCall:
				if part.FunctionCall != nil {
					calls[part.ID] = call{part.FunctionCall.Name, part.FunctionCall.Arguments}
				}
			case llms.ToolCallResponse:
				object := part.Content[max(0, strings.Index(part.Content, "{")):]
				results[calls[part.ToolCallID]] = parse(object[:strings.LastIndex(object, "}")+1])
			}
		}
	}
	return results
}
