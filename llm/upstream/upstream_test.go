package upstream_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tmc/langchaingo/llms"

	"example.com/pagila-api/llm/upstream"
	"example.com/pagila-api/llm/upstream/upstreamtest"
)

// The tables of responses read better with short names.
type (
	server       = upstreamtest.Server
	script       = upstreamtest.Script
	request      = upstreamtest.Request
	roundTripper = upstreamtest.RoundTripper
)

const (
	key        = upstreamtest.Key
	eventHead  = upstreamtest.EventHead
	chunkHead  = upstreamtest.ChunkHead
	lineHead   = upstreamtest.LineHead
	done       = upstreamtest.Done
	usageEvent = upstreamtest.UsageEvent
)

func listen(t *testing.T, scripts ...script) *server {
	t.Helper()
	return upstreamtest.Listen(t, scripts...)
}

var (
	raw         = upstreamtest.Raw
	untilClosed = upstreamtest.UntilClosed
	status      = upstreamtest.Status
	chunk       = upstreamtest.Chunk
	event       = upstreamtest.Event
	delta       = upstreamtest.Delta
	thought     = upstreamtest.Thought
	finish      = upstreamtest.Finish
	line        = upstreamtest.Line
	lastLine    = upstreamtest.LastLine
	completion  = upstreamtest.Completion
	quoted      = upstreamtest.Quoted
	response    = upstreamtest.Response
	stream      = upstreamtest.Stream
)

// The token limits of the requests in the tests.
const (
	askLimit   = 800
	replyLimit = 200
)

// goodReply is a reply in JSON.
const goodReply = `{"title":"ALIEN CENTER","rating":"NC-17","recommended":true}`

func newModel(tb testing.TB, cfg upstream.Config) *upstream.Model {
	tb.Helper()
	model, err := upstream.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return model
}

// openAI is a model at an OpenAI-compatible server.
func openAI(t *testing.T, s *server) *upstream.Model {
	t.Helper()
	return newModel(t, upstream.Config{Provider: "openai", APIKey: key, BaseURL: s.URL + "/v1"})
}

// ollama is a model at Ollama.
func ollama(t *testing.T, s *server) *upstream.Model {
	t.Helper()
	return newModel(t, upstream.Config{Provider: "ollama", OllamaHost: s.URL})
}

// bounded is a context that ends a test which hangs.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// question is a prompt for free text.
func question(text string) upstream.Request {
	return upstream.Request{
		Messages:    []llms.MessageContent{llms.TextParts(llms.ChatMessageTypeHuman, text)},
		Temperature: 0.2, MaxTokens: askLimit,
	}
}

// generate asks a question, with a function for the chunks of the answer.
func generate(ctx context.Context, m *upstream.Model, emit func(text string) error) (upstream.Answer, error) {
	r := question("Which film is it?")
	r.Emit = emit
	return m.Generate(ctx, r)
}

// ask asks a question and returns the text that was streamed.
func ask(ctx context.Context, m *upstream.Model) (string, upstream.Answer, error) {
	var text strings.Builder
	answer, err := generate(ctx, m, func(chunk string) error {
		text.WriteString(chunk)
		return nil
	})
	return text.String(), answer, err
}

// reply asks for a reply in JSON, which is not streamed.
func reply(ctx context.Context, m *upstream.Model) (upstream.Answer, error) {
	r := question("Sum up the film.")
	r.Temperature, r.MaxTokens = 0, replyLimit
	r.Schema = &upstream.Schema{Name: "film_summary", JSON: json.RawMessage(`{"type":"object","properties":{"title":{"type":"string"}}}`)}
	return m.Generate(ctx, r)
}

func replyError(ctx context.Context, m *upstream.Model) error {
	_, err := reply(ctx, m)
	return err
}
