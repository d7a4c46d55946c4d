package upstream_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/tmc/langchaingo/llms"

	"example.com/pagila-api/llm/upstream"
)

// local is a model in this process, which answers "Hello".
type local struct{ err error }

func (m local) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, m, prompt, options...)
}

func (m local) GenerateContent(ctx context.Context, _ []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	var o llms.CallOptions
	for _, set := range options {
		set(&o)
	}
	if o.StreamingFunc != nil {
		for _, chunk := range []string{"Hel", "lo"} {
			if err := o.StreamingFunc(ctx, []byte(chunk)); err != nil {
				return nil, err
			}
		}
	}
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{{
		Content: "Hello", StopReason: "stop", GenerationInfo: map[string]any{"PromptTokens": 4, "CompletionTokens": 2},
	}}}, m.err
}

// A local model is guarded like any other.
func TestLocal(t *testing.T) {
	t.Parallel()
	m := newModel(t, upstream.Config{Provider: "here", Model: "ignored", Local: local{}})
	want := upstream.Answer{Text: "Hello", Model: "here", FinishReason: "stop", Usage: upstream.Usage{Prompt: 4, Completion: 2}}
	text, streamed, err := ask(bounded(t), m)
	if err != nil || text != "Hello" || !reflect.DeepEqual(streamed, want) {
		t.Errorf("streamed: got %q, %+v, %v", text, streamed, err)
	}
	if whole, err := reply(bounded(t), m); err != nil || !reflect.DeepEqual(whole, want) {
		t.Errorf("whole: got %+v, %v", whole, err)
	}
	if m.Name() != "here" || m.Problem() != "" {
		t.Errorf("the name is %q, the problem %q", m.Name(), m.Problem())
	}
	m.Check(bounded(t)) // sends nothing
}

// The text of an unknown error is dropped, since it may quote anything.
func TestLocalError(t *testing.T) {
	t.Parallel()
	known := &upstream.Error{Kind: upstream.KindUnavailable, Err: errors.New("busy")}
	err := replyError(bounded(t), newModel(t, upstream.Config{Provider: "here", Local: local{known}}))
	if !errors.Is(err, known) {
		t.Errorf("the error is %v, want %v", err, known)
	}
	unknown := errors.New("about " + key)
	err = replyError(bounded(t), newModel(t, upstream.Config{Provider: "here", Local: local{unknown}}))
	checkKind(t, err, upstream.KindBadResponse)
}
