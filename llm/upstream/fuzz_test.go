package upstream_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"example.com/pagila-api/llm/upstream"
)

// Whatever the response, streamed or not, the caller gets only text that is safe to display, and every
// successful answer has some.
func FuzzResponse(f *testing.F) {
	for _, seeds := range [][]oddity{oddStreams, oddLines, oddCompletions, oddLineReplies} {
		for _, seed := range seeds {
			f.Add(afterHead(seed.raw))
		}
	}
	for _, seed := range brokenStreams {
		if len(seed.raw) < 4<<10 {
			f.Add(afterHead(seed.raw))
		}
	}
	for _, seed := range brokenLines {
		if len(seed.raw) < 4<<10 {
			f.Add(afterHead(seed.raw))
		}
	}
	for _, seed := range oddCalls {
		f.Add(seed.raw)
	}
	for _, seed := range oddCallCompletions {
		f.Add(seed.raw)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, provider := range []string{"openai", "ollama"} {
			c := newModel(t, upstream.Config{Provider: provider, BaseURL: "http://upstream.test", OllamaHost: "http://upstream.test", HTTPClient: &http.Client{
				Transport: &once{body: body},
			}})
			text, result, err := ask(context.Background(), c)
			if err == nil {
				checkAnswer(t, result)
				if upstream.Blank(text) {
					t.Errorf("%s: the answer is %q", provider, text)
				}
			}
			if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
				t.Errorf("%s: the client got %q", provider, text)
			}
			_, _ = reply(context.Background(), c)
		}
		fuzzCalls(t, body)
	})
}

// fuzzCalls reads the response with tools. The caller gets either safe text or calls that can be sent back.
func fuzzCalls(t *testing.T, body string) {
	t.Helper()
	c := newModel(t, upstream.Config{Provider: "openai", BaseURL: "http://upstream.test", HTTPClient: &http.Client{Transport: &once{body: body}}})
	text, answer, err := askWithTools(context.Background(), c)
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		t.Errorf("the client got %q", text)
	}
	if err == nil && upstream.Blank(answer.Text) == (len(answer.Calls) == 0) || err != nil && answer.Calls != nil || len(answer.Calls) > 64 {
		t.Errorf("the answer is %+v, %v", answer, err)
	}
	ids := map[string]bool{"": true}
	for _, call := range answer.Calls {
		if ids[call.ID] || !utf8.ValidString(call.Name) || !utf8.Valid(call.Arguments) || len(call.Arguments) == 0 && call.Name == "" {
			t.Errorf("the calls are %+v", answer.Calls)
		}
		ids[call.ID] = true
	}
}

// afterHead is a response without its head, if it has one.
func afterHead(raw string) string {
	if _, body, ok := strings.Cut(raw, "\r\n\r\n"); ok {
		return body
	}
	return raw
}

// once responds to one request. Retries are refused, so that the test does not wait.
type once struct {
	body string
	used bool
}

func (o *once) RoundTrip(*http.Request) (*http.Response, error) {
	if o.used {
		return response(403, ""), nil
	}
	o.used = true
	return stream(io.MultiReader(strings.NewReader(o.body))), nil
}
