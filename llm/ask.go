package llm

import (
	"context"
	"strings"

	"github.com/tmc/langchaingo/llms"
)

// Question is what a customer asks, with what the answer may rest on.
type Question struct {
	Text  string
	Films []Film // the films found for it, best first; may be empty
}

// Blank says whether a text counts as empty: it holds nothing but blanks, control characters and
// invisible ones, such as those of zero width. [Client.Ask] and [Client.Handoff] refuse a blank
// question.
func Blank(text string) bool { return strings.TrimSpace(clean(text)) == "" }

// Ask streams the answer to a question. The chain is: prompt, guarded model, stream.
//
// The function emit gets non-empty pieces of text, in the goroutine of the caller. An error of it
// ends the call to the upstream and comes back wrapped; every other failure is an [*Error]. After
// an error, what was emitted is not a whole answer. With [KindLength] it is whole up to the token
// limit, and the Result is filled in.
func (c *Client) Ask(ctx context.Context, q Question, emit func(chunk string) error) (Result, error) {
	result := c.result(c.ask, nil)
	if Blank(q.Text) {
		return result, newError(KindRejected, "the question is empty")
	}
	question := strings.TrimSpace(clean(q.Text))
	block, err := catalogueBlock(q.Films)
	if err != nil {
		return result, &Error{Kind: KindRejected, Err: err}
	}
	messages := c.ask.render(map[string]string{"catalogue": block, "question": question})
	stream := llms.WithStreamingFunc(func(_ context.Context, chunk []byte) error { return emit(string(chunk)) })
	resp, err := c.model.GenerateContent(ctx, messages, append(c.ask.options(), stream)...)
	return c.result(c.ask, resp), err
}
