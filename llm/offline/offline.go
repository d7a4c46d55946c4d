// Package offline is a stand-in for a language model, for a server without one. It makes the server
// useful without an account, and testable, since the same prompt always has the same answer.
package offline

import (
	"context"
	"strings"

	"github.com/tmc/langchaingo/llms"
)

// AnswerFunc answers a prompt. In JSON mode the answer has to be a JSON object.
type AnswerFunc func(prompt []llms.MessageContent, json bool) (string, error)

// Model is a [llms.Model] whose answers come from a function. It streams word by word and counts words
// as tokens, so that callers need no special case for it.
type Model struct{ answer AnswerFunc }

var _ llms.Model = Model{}

// New makes a model that answers with the function.
func New(answer AnswerFunc) Model { return Model{answer} }

// Call is the short form of GenerateContent that [llms.Model] requires.
func (m Model) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, m, prompt, options...)
}

// GenerateContent answers a prompt.
func (m Model) GenerateContent(ctx context.Context, prompt []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	var o llms.CallOptions
	for _, set := range options {
		set(&o)
	}
	text, err := m.answer(prompt, o.JSONMode)
	if err != nil {
		return nil, err
	}
	words := strings.SplitAfter(text, " ")
	if o.StreamingFunc != nil {
		for _, word := range words {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err := o.StreamingFunc(ctx, []byte(word)); err != nil {
				return nil, err
			}
		}
	}
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{{
		Content:        text,
		StopReason:     "stop",
		GenerationInfo: map[string]any{"PromptTokens": countWords(prompt), "CompletionTokens": len(words)},
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
