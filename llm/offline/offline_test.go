package offline_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/tmc/langchaingo/llms"

	"example.com/pagila-api/llm/offline"
)

var prompt = []llms.MessageContent{
	llms.TextParts(llms.ChatMessageTypeSystem, "You are a shop."),
	llms.TextParts(llms.ChatMessageTypeHuman, "Any films?"),
}

// says is a model that always gives the same answer.
func says(text string) offline.Model {
	return offline.New(func([]llms.MessageContent, bool) (string, error) { return text, nil })
}

func TestStream(t *testing.T) {
	t.Parallel()
	var pieces []string
	resp, err := says("one  two\nthree").GenerateContent(t.Context(), prompt, llms.WithStreamingFunc(func(_ context.Context, chunk []byte) error {
		pieces = append(pieces, string(chunk))
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"one ", " ", "two\nthree"}; !slices.Equal(pieces, want) {
		t.Errorf("the chunks are %q, want %q", pieces, want)
	}
	choice := resp.Choices[0]
	if choice.Content != "one  two\nthree" || choice.StopReason != "stop" || choice.GenerationInfo["PromptTokens"] != 6 || choice.GenerationInfo["CompletionTokens"] != 3 {
		t.Errorf("the choice is %+v", choice)
	}
}

// TestPrompt shows that the function gets the whole prompt, and whether the answer has to be JSON.
func TestPrompt(t *testing.T) {
	t.Parallel()
	for _, want := range []bool{false, true} {
		m := offline.New(func(got []llms.MessageContent, json bool) (string, error) {
			if len(got) != len(prompt) || json != want {
				t.Errorf("the function gets %d messages and JSON mode %t, want %t", len(got), json, want)
			}
			return "{}", nil
		})
		var options []llms.CallOption
		if want {
			options = append(options, llms.WithJSONMode())
		}
		if _, err := m.GenerateContent(t.Context(), prompt, options...); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCall(t *testing.T) {
	t.Parallel()
	if got, err := says("yes").Call(t.Context(), "Any films?"); err != nil || got != "yes" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestStops(t *testing.T) {
	t.Parallel()
	failed, full := errors.New("cannot answer"), errors.New("the client is gone")
	ctx, cancel := context.WithCancel(t.Context())
	cancelAfterFirst := llms.WithStreamingFunc(func(context.Context, []byte) error { cancel(); return nil })
	unable := offline.New(func([]llms.MessageContent, bool) (string, error) { return "", failed })
	for _, test := range []struct {
		name   string
		model  offline.Model
		stream llms.CallOption
		want   error
	}{
		{"no answer", unable, cancelAfterFirst, failed},
		{"error of the caller", says("one two"), llms.WithStreamingFunc(func(context.Context, []byte) error { return full }), full},
		{"canceled", says("one two"), cancelAfterFirst, context.Canceled},
	} {
		if _, err := test.model.GenerateContent(ctx, prompt, test.stream); !errors.Is(err, test.want) {
			t.Errorf("%s: the error is %v, want %v", test.name, err, test.want)
		}
	}
}
