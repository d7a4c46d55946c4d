package llm

import (
	"context"
	"strings"

	"github.com/tmc/langchaingo/llms"
)

// answerFunc answers a prompt. In JSON mode the answer has to be a JSON object.
type answerFunc func(prompt []llms.MessageContent, json bool) (string, error)

// standIn is a [llms.Model] whose answers come from a function. It streams word by word and counts words
// as tokens, so that callers need no special case for it.
type standIn struct{ answer answerFunc }

var _ llms.Model = standIn{}

// newStandIn makes a model that answers with the function.
func newStandIn(answer answerFunc) standIn { return standIn{answer} }

// Call is the short form of GenerateContent that [llms.Model] requires.
func (m standIn) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, m, prompt, options...)
}

// GenerateContent answers a prompt.
func (m standIn) GenerateContent(ctx context.Context, prompt []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
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
