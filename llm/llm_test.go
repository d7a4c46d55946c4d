package llm_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/shopspring/decimal"

	"example.com/pagila-api/api"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/llm/upstream"
	"example.com/pagila-api/llm/upstream/upstreamtest"
)

const key = upstreamtest.Key

// streamed is an answer that is streamed by OpenAI's protocol.
func streamed(text string) upstreamtest.Script {
	return upstreamtest.Raw(upstreamtest.EventHead + upstreamtest.Delta(text) + upstreamtest.Finish("stop") + upstreamtest.Done)
}

// completed is an answer that is not streamed, by OpenAI's protocol.
func completed(text string) upstreamtest.Script {
	return upstreamtest.Status(200, "", upstreamtest.Completion(text, "stop"))
}

// lines is an answer of one document per line, without events.
func lines(text string) upstreamtest.Script {
	return upstreamtest.Raw(upstreamtest.LineHead + upstreamtest.Line(text) + upstreamtest.LastLine("stop"))
}

// summaryComponent is the contract's component for a summary, parsed once.
var summaryComponent = sync.OnceValues(func() (*openapi3.Schema, error) {
	contract, err := api.Load(context.Background())
	if err != nil {
		return nil, err
	}
	return contract.Components.Schemas["FilmSummary"].Value, nil
})

// newClient makes a client with the contract's component for a summary.
func newClient(tb testing.TB, cfg llm.Config) *llm.Client {
	tb.Helper()
	component, err := summaryComponent()
	if err != nil {
		tb.Fatal(err)
	}
	cfg.Summary = component
	client, err := llm.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return client
}

func offline(tb testing.TB) *llm.Client {
	tb.Helper()
	return clientOf(tb, upstream.Config{Provider: "offline"})
}

// clientOf makes a client of a model with the embedded prompts.
func clientOf(tb testing.TB, model upstream.Config) *llm.Client {
	tb.Helper()
	return newClient(tb, llm.Config{Upstream: model})
}

// openAI is a client of an OpenAI-compatible server.
func openAI(t *testing.T, s *upstreamtest.Server) *llm.Client {
	t.Helper()
	return clientOf(t, upstream.Config{Provider: "openai", APIKey: key, BaseURL: s.URL + "/v1"})
}

// ollama is a client of Ollama.
func ollama(t *testing.T, s *upstreamtest.Server) *llm.Client {
	t.Helper()
	return clientOf(t, upstream.Config{Provider: "ollama", OllamaHost: s.URL})
}

func listen(t *testing.T, scripts ...upstreamtest.Script) *upstreamtest.Server {
	t.Helper()
	return upstreamtest.Listen(t, scripts...)
}

// bounded is a context that ends a test which hangs.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// film is rated above PG-13 and cheap, so it is recommended.
func film() llm.Film {
	return llm.Film{ID: 7, Title: "ALIEN CENTER", Rating: "NC-17", RentalRate: decimal.NewNullDecimal(decimal.RequireFromString("2.99"))}
}

// ask asks the client a question that needs no tool, and returns the text that was streamed.
func ask(ctx context.Context, c *llm.Client) (string, llm.Result, error) {
	return askQuestion(ctx, c, llm.Question{Text: "Which film is it?", Tools: emptyShelf()})
}

func askQuestion(ctx context.Context, c *llm.Client, q llm.Question) (string, llm.Result, error) {
	var seen record
	result, err := c.Ask(ctx, q, seen.observer())
	return seen.text.String(), result, err
}

// checkKind fails the test unless err is an *llm.Error of the kind, without the key in its text.
func checkKind(t *testing.T, err error, want llm.Kind) *llm.Error {
	t.Helper()
	e, ok := errors.AsType[*llm.Error](err)
	if !ok {
		t.Fatalf("the error is %v, want an *llm.Error of kind %s", err, want)
	}
	if e.Kind != want {
		t.Fatalf("kind is %s, want %s: %v", e.Kind, want, err)
	}
	if strings.Contains(err.Error(), key) {
		t.Errorf("the error contains the key: %v", err)
	}
	return e
}

func TestInfo(t *testing.T) {
	t.Parallel()
	version := regexp.MustCompile(`^(ask|summary)@[0-9a-f]{8}$`)
	for _, test := range []struct {
		cfg  upstream.Config
		want llm.Info
	}{
		{upstream.Config{Provider: "offline"}, llm.Info{Provider: "offline", Model: "offline"}},
		{upstream.Config{Provider: "offline", Model: "gpt-4o"}, llm.Info{Provider: "offline", Model: "offline"}},
		{upstream.Config{Provider: "openai", APIKey: key}, llm.Info{Provider: "openai", Model: "gpt-4o-mini"}},
		{upstream.Config{Provider: "ollama", Model: "qwen"}, llm.Info{Provider: "ollama", Model: "qwen"}},
	} {
		got := clientOf(t, test.cfg).Info()
		if !version.MatchString(got.AskPrompt) || !version.MatchString(got.SummaryPrompt) {
			t.Errorf("the prompts are %s and %s", got.AskPrompt, got.SummaryPrompt)
		}
		got.AskPrompt, got.SummaryPrompt = "", ""
		if got != test.want {
			t.Errorf("%+v: got %+v, want %+v", test.cfg, got, test.want)
		}
	}
}

// All errors of a configuration are reported at once.
func TestBadConfig(t *testing.T) {
	t.Parallel()
	_, err := llm.New(llm.Config{Upstream: upstream.Config{Provider: "OpenAI", Timeout: -1}, PromptDir: "no such directory"})
	for _, want := range []string{`language model "OpenAI"`, "unknown provider", "negative", "no such file", "schema is missing"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want one with %q", err, want)
		}
	}
}

// The client reports what its model has found out about the upstream.
func TestProblem(t *testing.T) {
	t.Parallel()
	c := openAI(t, listen(t, upstreamtest.Status(200, "", `{"data":[{"id":"other"}]}`)))
	c.CheckModel(bounded(t))
	if got := c.Info().Problem; !strings.Contains(got, `may not have the model "gpt-4o-mini"`) {
		t.Errorf("the problem is %q", got)
	}
	o := offline(t)
	o.CheckModel(bounded(t))
	if got := o.Info().Problem; got != "" {
		t.Errorf("the problem of the offline model is %q", got)
	}
}

// A correction is logged, without the key and without the reply.
func TestLog(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := listen(t, completed(`{"title":"`+confidential+`"}`), completed(goodReply))
	c := clientOf(t, upstream.Config{
		Provider: "openai", APIKey: key, BaseURL: s.URL, Logger: slog.New(slog.NewJSONHandler(&log, nil)),
	})
	if err := summarize(bounded(t), c); err != nil {
		t.Fatal(err)
	}
	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), `"reason":"form"`) {
		t.Errorf("the log is not one line with the reason:\n%s", &log)
	}
	if strings.Contains(log.String(), key) || strings.Contains(log.String(), confidential) {
		t.Errorf("a secret is logged:\n%s", &log)
	}
}
