// Package llm asks a language model about the films of the catalogue.
//
// [New] makes a [Client] with one model for all endpoints. [Client.Ask] streams an answer,
// [Client.Summarize] returns verified facts, and [Client.Handoff] asks the model only if the search
// agent does not understand the question. Each of them is a chain in a file of its own: a prompt, the
// model, and checks of its answer. The prompts are files in the directory prompts.
//
// To answer a question, a model calls [Tools]. The loop that runs the calls is in ask.go.
//
// The model is that of package upstream, or the stand-in of package offline. A failure is an
// [*Error].
//
// The package knows neither the database nor HTTP handlers.
package llm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/getkin/kin-openapi/openapi3"
	"go.opentelemetry.io/otel/metric"

	"example.com/pagila-api/llm/offline"
	"example.com/pagila-api/llm/upstream"
)

// providerOffline is the provider of the stand-in model.
const providerOffline = "offline"

// Config says which model and which prompts to use.
type Config struct {
	// Upstream is the model. Its provider may also be "offline", for the stand-in without a model.
	Upstream upstream.Config
	// PromptDir is a directory with ask.prompt and summary.prompt, which replace the embedded ones.
	PromptDir string
	// Summary is the contract's component for a summary, which the model has to follow. Required.
	Summary *openapi3.Schema
}

// Client asks one language model. It is safe for concurrent use.
type Client struct {
	info      Info
	model     *upstream.Model
	search    *upstream.Model // the offline model, as the search agent
	logger    *slog.Logger
	ask       *prompt
	summary   *prompt
	schema    *replySchema
	rejection metric.Int64Counter
}

// Info says which model a client asks, for logs and response headers.
type Info struct {
	Provider string // offline, openai or ollama
	Model    string // as configured
	// AskPrompt and SummaryPrompt are the versions of the prompts, as in [Result].
	AskPrompt, SummaryPrompt string
	// Problem is a sentence if the upstream is known not to have the model, and otherwise empty. It may
	// be shown to anyone.
	Problem string
}

// Result is what is known about an answer besides its text.
type Result struct {
	Model        string // as the upstream names it, or else as configured
	Provider     string
	Prompt       string // name@hash of the prompt file, with eight hexadecimal digits
	FinishReason string // "stop" for a whole answer, "length" for one that was cut at the token limit
	Usage        Usage
}

// Usage is what a call cost in tokens, including the model's thoughts. It is zero if the upstream
// does not report it.
type Usage = upstream.Usage

// New makes a client. It checks the whole configuration, parses the prompts, derives the schema of a
// summary, and reports all errors at once. It does not read the environment and sends no request.
func New(cfg Config) (*Client, error) {
	if cfg.Upstream.Logger == nil {
		cfg.Upstream.Logger = slog.New(slog.DiscardHandler)
	}
	local := upstream.Config{Provider: providerOffline, Local: offline.New(summarizeOffline), Logger: cfg.Upstream.Logger}
	if cfg.Upstream.Provider == providerOffline {
		cfg.Upstream.Local = local.Local
	}
	prompts, promptErr := loadPrompts(cfg.PromptDir)
	schema, schemaErr := newReplySchema(cfg.Summary)
	rejection, metricErr := newRejectionCounter(cfg.Upstream.MeterProvider)
	model, modelErr := upstream.New(cfg.Upstream)
	search, searchErr := upstream.New(local)
	if err := errors.Join(promptErr, schemaErr, modelErr, searchErr, metricErr); err != nil {
		return nil, fmt.Errorf("language model %q: %w", cfg.Upstream.Provider, err)
	}
	return &Client{
		info: Info{
			Provider: cfg.Upstream.Provider, Model: model.Name(),
			AskPrompt: prompts[askPrompt].version, SummaryPrompt: prompts[summaryPrompt].version,
		},
		model:     model,
		search:    search,
		logger:    cfg.Upstream.Logger,
		ask:       prompts[askPrompt],
		summary:   prompts[summaryPrompt],
		schema:    schema,
		rejection: rejection,
	}, nil
}

// Info says which model the client asks.
func (c *Client) Info() Info {
	info := c.info
	info.Problem = c.model.Problem()
	return info
}

// CheckModel asks the upstream whether it has the model, and logs a warning if it does not list it. It
// returns when ctx ends.
func (c *Client) CheckModel(ctx context.Context) { c.model.Check(ctx) }

// result is the result of an answer, which is zero if there is none.
func (c *Client) result(p *prompt, answer upstream.Answer) Result {
	return Result{
		Model: cmp.Or(answer.Model, c.info.Model), Provider: c.info.Provider, Prompt: p.version,
		FinishReason: answer.FinishReason, Usage: answer.Usage,
	}
}

// rejected makes the error of a request that is not sent.
func rejected(err error) *Error { return &Error{Kind: KindRejected, Err: err} }
