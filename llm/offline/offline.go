// Package offline is a stand-in for a language model, for a server without one. It turns a question into calls
// of tools, and says how it read the question. It makes the server useful without an account, and testable, since
// the same conversation always has the same answer.
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

// Search returns the one call that finds films for a question without the help of a model that calls tools.
func Search(question string) (tool string, args json.RawMessage) {

	words := split(question)
	q := newQuery(words, nil)
	var names []string
	for _, run := range unknowns(words) {
		names = append(names, texts(words[run.at:run.at+run.len]))
	}
	if text := strings.Join(names, " or "); len(q.args) == 0 && text != "" && len(text) <= 200 {
		q.args["q"] = []string{text}
	}
	q.args["page_size"] = []string{maxListed}
	return "listFilms", json.RawMessage(arguments(q.args))
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
	if o.JSONMode {
		text, err := m.summary(prompt)
		return reply(ctx, prompt, text, o.StreamingFunc, err)
	}
	question, err := questionOf(prompt)
	results := resultsOf(prompt)
	r := read(question, results)
	switch {
	case len(r.calls) == 0:
		return reply(ctx, prompt, r.answer, o.StreamingFunc, err)
	case len(o.Tools) == 0:
		return reply(ctx, prompt, "The catalogue could not be searched for this question.", o.StreamingFunc, err)
	}
	choice := &llms.ContentChoice{StopReason: "tool_calls", GenerationInfo: map[string]any{"PromptTokens": countWords(prompt), "CompletionTokens": len(r.calls)}}
	for i, c := range r.calls {
		choice.ToolCalls = append(choice.ToolCalls, llms.ToolCall{
			ID: fmt.Sprintf("call_%d", len(results)+i+1), Type: "function", FunctionCall: &llms.FunctionCall{Name: c.name, Arguments: c.arguments},
		})
	}
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{choice}}, err
}

// questionOf reads the question of a conversation.
func questionOf(conversation []llms.MessageContent) (string, error) {
	for _, m := range conversation {
		for _, part := range m.Parts {
			text, ok := part.(llms.TextContent)
			if _, block, found := strings.Cut(text.Text, "<question>\n"); ok && found && m.Role == llms.ChatMessageTypeHuman {
				block, _, _ = strings.Cut(block, "\n</question>")
				var question string
				return question, json.Unmarshal([]byte(block), &question)
			}
		}
	}
	return "", errors.New("the conversation has no question")
}

// resultsOf collects the results of the calls of a conversation.
func resultsOf(conversation []llms.MessageContent) map[call]record {
	calls, results := map[string]call{}, map[call]record{}
	for _, m := range conversation {
		for _, part := range m.Parts {
			switch part := part.(type) {
			case llms.ToolCall:
				var args any
				if part.FunctionCall != nil && json.Unmarshal([]byte(part.FunctionCall.Arguments), &args) == nil {
					raw, _ := json.Marshal(args) // what was unmarshalled can be marshalled
					calls[part.ID] = call{part.FunctionCall.Name, string(raw)}
				}
			case llms.ToolCallResponse:
				object := part.Content[max(0, strings.Index(part.Content, "{")):]
				var r record
				if json.Unmarshal([]byte(object[:strings.LastIndex(object, "}")+1]), &r) != nil {
					r = record{}
				}
				results[calls[part.ToolCallID]] = r
			}
		}
	}
	return results
}

// reply is an answer, streamed word by word.
func reply(ctx context.Context, prompt []llms.MessageContent, text string, stream func(context.Context, []byte) error, err error) (*llms.ContentResponse, error) {
	if err != nil {
		return nil, err
	}
	words := strings.SplitAfter(text, " ")
	for _, word := range words {
		if stream == nil {
			break
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := stream(ctx, []byte(word)); err != nil {
			return nil, err
		}
	}
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{{
		Content: text, StopReason: "stop", GenerationInfo: map[string]any{"PromptTokens": countWords(prompt), "CompletionTokens": len(words)},
	}}}, nil
}

// countWords counts the words of a prompt.
func countWords(prompt []llms.MessageContent) int {
	n := 0
	for _, message := range prompt {
		for _, part := range message.Parts {
			if text, ok := part.(llms.TextContent); ok {
				n += len(strings.Fields(text.Text))
			}
		}
	}
	return n
}
