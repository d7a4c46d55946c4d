// Package upstream asks a language model, and never mistakes a broken answer for a whole one.
//
// [New] makes a [Model], and [Model.Generate] asks it. It uses langchaingo's adapter, which reports most
// broken responses as success, so its results are not trusted. The doer sends the adapter's
// requests and reads the responses up to the first text, and the adapter gets an empty answer. The guard reads and
// checks the rest, and decides what counts as a success. A failure is an [*Error].
//
// Everything that does not affect whether an answer is good is read leniently. A response is a sequence of
// JSON documents (documents.go). Each document adds a fragment to the answer (openai.go, fragment.go), and
// one with neither text, a tool call nor an error is skipped. Tool calls are assembled from their parts
// (calls.go). Optional parts of a request that an upstream refuses are found by trying (search.go). The
// guard removes the model's thoughts from the text (thoughts.go) and makes the text safe to display
// (scrub.go).
//
// The package knows nothing about what the model is asked for.
package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"

	"github.com/tmc/langchaingo/llms"
	"go.opentelemetry.io/otel/attribute"
)

// Model is one language model behind the guard. It is safe for concurrent use.
type Model struct {
	adapter   llms.Model
	name      string
	timeout   time.Duration
	maxTokens int
	quirks    quirks
	doer      *doer // nil for a local model, which needs no HTTP
	thinking  thinking
	use       toolUse
	logger    *slog.Logger
	telemetry *telemetry
}

// New makes a model. It checks the whole configuration and reports all of its errors at once. It does
// not read the environment and sends no request.
func New(cfg Config) (*Model, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	limitErr := cfg.applyDefaults()
	adapter, adapterErr := newAdapter(&cfg)
	telemetry, telemetryErr := newTelemetry(&cfg)
	if err := errors.Join(limitErr, adapterErr, telemetryErr); err != nil {
		return nil, err
	}
	m := &Model{
		adapter:   adapter.Model,
		name:      cfg.Model,
		timeout:   cfg.Timeout,
		maxTokens: cfg.MaxTokens,
		quirks:    adapter.quirks,
		doer:      adapter.doer,
		logger:    cfg.Logger,
		telemetry: telemetry,
	}
	m.thinking.thinks.Store(adapter.quirks.thinks)
	if m.doer != nil && taggedModels.MatchString(cfg.Model) {
		m.thinking.buffered.Store(1)
	}
	return m, nil
}

// adapter is langchaingo's model, unguarded, with the quirks of its upstream.
type adapter struct {
	llms.Model
	quirks quirks
	doer   *doer // nil for a local model
}

// newAdapter makes the provider's adapter and fills in the default name of its model.
func newAdapter(cfg *Config) (adapter, error) {
	if strings.ContainsFunc(cfg.Model, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return adapter{}, fmt.Errorf("model name %q contains whitespace or a control character", cfg.Model)
	}
	switch {
	case cfg.Local != nil:
		cfg.Model = cfg.Provider
		return adapter{Model: cfg.Local}, nil
	case cfg.Provider == providerOpenAI:
		return newOpenAI(cfg)
	case cfg.Provider == providerOllama:
		return newOllama(cfg)
	default:
		return adapter{}, fmt.Errorf("unknown provider, want %s, %s or a local model", providerOpenAI, providerOllama)
	}
}

// Request is what a model is asked.
type Request struct {
	Messages    []llms.MessageContent
	Temperature float64
	TopP        float64 // not sent if 0
	MaxTokens   int     // Config.MaxTokens is the upper limit
	// Schema is the form of an answer in JSON. Nil asks for free text.
	Schema *Schema
	// Tools are offered to the model, which may call some of them instead of answering. The calls and their
	// results go back as further messages. Before a call the model may write a comment. So with tools the
	// first 240 characters are held back from Emit until there is more text or the answer ends, and they are
	// dropped if there is a call. Text that was emitted before a call is not an answer either. In a request
	// without tools, a server gets earlier calls and results as text, which any server accepts.
	Tools []Tool
	// Emit is called with each chunk of the answer as it arrives, in the caller's goroutine and never
	// with empty text. Its error ends the call. Nil asks for an answer that is not streamed.
	Emit func(text string) error
	// Buffer says that the caller uses only the whole answer. The guard may then hold text back from
	// Emit until it is certain that the text is not a thought of the model.
	Buffer bool
}

// Schema is a JSON Schema for an answer. Models write the properties of an object in the order of
// its schema, so that order is kept.
type Schema struct {
	Name string
	JSON json.RawMessage
}

// Answer is a model's answer.
type Answer struct {
	Text         string
	Calls        []ToolCall // if there are any, the model has not answered yet, and Text is empty
	Model        string     // as the upstream names it, or else as configured
	FinishReason string     // "stop" for a whole answer, "length" for one that was cut at the token limit, or "tool_calls"
	Usage        Usage
}

// Usage is what a call cost in tokens, including the model's thoughts. It is zero if the upstream
// does not report it.
type Usage struct {
	Prompt     int
	Completion int
}

// Local reports whether the model is in this process.
func (m *Model) Local() bool { return m.doer == nil }

// Name is the model's name, as configured or by default.
func (m *Model) Name() string { return m.name }

// SchemaPerCall reports whether each call may have a schema of its own at no cost. OpenAI compiles
// every new schema, which takes seconds.
func (m *Model) SchemaPerCall() bool { return m.quirks.schemaPerCall }

// MetricAttributes are the attributes of every metric of the model, for further metrics about it.
func (m *Model) MetricAttributes() []attribute.KeyValue { return m.telemetry.with() }

// WithTimeout gives a sequence of calls one deadline, [Config.Timeout] from now, unless it has an earlier one.
func (m *Model) WithTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= m.timeout {
		return ctx, func() {}
	}
	cause := fmt.Errorf("no whole answer within %s: %w", m.timeout, context.DeadlineExceeded)
	return context.WithTimeoutCause(ctx, m.timeout, cause)
}
