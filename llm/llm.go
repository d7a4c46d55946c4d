// Package llm asks a language model about the films of the catalogue, through langchaingo.
//
// [New] makes one [Client] with one guarded model, and all endpoints use it: [Client.Ask] streams
// an answer, [Client.Summarize] returns verified facts, and [Client.Handoff] asks the model only
// what the films found do not answer by themselves. Each is a chain written out in one file:
// prompt, guarded model, parser, checks.
//
// langchaingo's adapters report most broken answers as success. So nothing they say is believed:
// the doer reads the upstream's bytes first and gives the adapter only what it has checked, and
// the guard round the model decides what is a success. What fails is an [*Error].
//
// What does not decide whether an answer is good is read leniently: a response is a sequence of JSON
// documents (frames.go), each of which the dialect reads as a piece (piece.go), and one that carries
// neither text nor an error is skipped. The doer finds out by trying what an upstream refuses
// (shape.go). The guard takes thoughts out of the text (think.go) and makes it fit to be shown
// (scrub.go).
//
// The package knows neither the database nor HTTP handlers. What it may know of a film is [Film].
package llm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/tmc/langchaingo/llms"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

const (
	// defaultTimeout leaves a slow local model time for a whole answer.
	defaultTimeout = 120 * time.Second
	// defaultIdleTimeout is far beyond the pause between two tokens, even of a busy server.
	defaultIdleTimeout = 20 * time.Second
	// defaultMaxTokens is a long page of text. Without a limit a model can repeat itself for ever.
	defaultMaxTokens = 1024
	// defaultMaxBytes is ample for defaultMaxTokens: an event of one token takes some 250 bytes.
	defaultMaxBytes = 1 << 20

	// dialTimeout is for the connection alone. A host that needs longer is not there.
	dialTimeout = 5 * time.Second
	// maxIdleConns keeps connections for as many calls as one small server makes at once, since a
	// new TLS handshake costs more than the rest of our overhead together.
	maxIdleConns = 64
	// idleConnTimeout is Go's own default.
	idleConnTimeout = 90 * time.Second
	// bufferSize is that of a connection's buffers, in bytes. Each stream has a connection, and is
	// silent most of the time; Go's 4 KiB for each direction are for pages.
	bufferSize = 1 << 10
)

// Config says which model to use and within which limits. The zero value of a limit is its default.
type Config struct {
	// Provider is "offline", "openai" or "ollama".
	Provider string
	// Model is the model's name at the provider. Empty: gpt-4o-mini or llama3.2.
	Model string
	// APIKey is OpenAI's. It may be empty where BaseURL is set, for servers that need no key.
	APIKey string
	// BaseURL is any server that speaks OpenAI's chat completions, with its version
	// ("http://localhost:8000/v1"). Empty: OpenAI's own.
	BaseURL string
	// OllamaHost is Ollama's address in any form its own OLLAMA_HOST takes. Empty:
	// http://127.0.0.1:11434.
	OllamaHost string
	// PromptDir is a folder with ask.prompt and summary.prompt in place of the embedded ones.
	PromptDir string
	// Summary is the contract's component for a summary, which the model is bound to. Required.
	Summary *openapi3.Schema
	// HTTPClient carries the calls, for instance through a tracing transport. Its redirect policy
	// is replaced: redirects are refused. Nil: an own transport, which keeps to the proxy variables
	// of the environment as Go programs do.
	HTTPClient *http.Client
	// Timeout is the longest a whole Ask or Summarize may take, retries included. Default 120 s.
	Timeout time.Duration
	// FirstByteTimeout is the longest wait for the first content of a response, thoughts included, from
	// the sending of the request. Comments and heads are no content. Default: no limit but Timeout.
	FirstByteTimeout time.Duration
	// IdleTimeout is the longest silence within a response, once its content has begun. Default 20 s.
	IdleTimeout time.Duration
	// MaxTokens is the longest answer. A prompt may ask for less. Default 1024.
	MaxTokens int
	// MaxBytes is the largest response body, framing included, without the model's thoughts. Default
	// 1 MiB.
	MaxBytes int64
	// Logger is told of what is not an error yet: retries, corrections, weaker reply formats. Nil:
	// nobody is.
	Logger *slog.Logger
	// TracerProvider and MeterProvider are told of each call in the terms of OpenTelemetry's
	// conventions for generative AI. Nil: nobody is.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	// RecordContent puts the prompt and the answer, and so what customers ask, into the spans.
	RecordContent bool
}

// Client asks one language model. It is safe for concurrent use.
type Client struct {
	info    Info
	model   *guard
	timeout time.Duration
	logger  *slog.Logger
	ask     *prompt
	summary *prompt
	schema  *replySchema
	quirks  quirks
	sender  *doer // nil: nobody is called
}

// Info says which model a client asks, for logs and response headers.
type Info struct {
	Provider string // offline, openai or ollama
	Model    string // as configured
	// AskPrompt and SummaryPrompt are the versions of the prompts in use, as in [Result].
	AskPrompt, SummaryPrompt string
	// Problem is a sentence while the upstream is known not to have the model. It may be shown to
	// anyone.
	Problem string
}

// Result is what is known of an answer besides its text.
type Result struct {
	Model        string // as the upstream names it, else as configured
	Provider     string
	Prompt       string // name@hash of the prompt's file, in eight hexadecimal digits
	FinishReason string // "stop" for a whole answer, "length" for one that was cut at the token limit
	Usage        Usage
}

// Usage is what a call cost, in tokens, thoughts included. An upstream that does not say leaves it
// zero.
type Usage struct {
	Prompt     int
	Completion int
}

// New makes a client. It checks the whole configuration, parses the prompts and derives the reply's
// schema, and reports all that is wrong at once. It reads no environment and calls nobody.
func New(cfg Config) (*Client, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	limitErr := cfg.applyDefaults()
	prompts, promptErr := loadPrompts(cfg.PromptDir)
	schema, schemaErr := newReplySchema(cfg.Summary)
	model, modelErr := newModel(&cfg)
	telemetry, telemetryErr := newTelemetry(&cfg)
	if err := errors.Join(limitErr, promptErr, schemaErr, modelErr, telemetryErr); err != nil {
		return nil, fmt.Errorf("language model %q: %w", cfg.Provider, err)
	}
	c := &Client{
		info: Info{
			Provider: cfg.Provider, Model: cfg.Model,
			AskPrompt: prompts[askPrompt].version, SummaryPrompt: prompts[summaryPrompt].version,
		},
		model: &guard{
			model: model.Model, name: cfg.Model, timeout: cfg.Timeout, maxTokens: cfg.MaxTokens, sender: model.sender, logger: cfg.Logger, telemetry: telemetry,
		},
		timeout: cfg.Timeout,
		logger:  cfg.Logger,
		ask:     prompts[askPrompt],
		summary: prompts[summaryPrompt],
		schema:  schema,
		quirks:  model.quirks,
		sender:  model.sender,
	}
	c.model.thinking.room.Store(model.quirks.thinks)
	if model.sender != nil && taggedModels.MatchString(cfg.Model) {
		c.model.thinking.held.Store(1)
	}
	return c, nil
}

// Info says which model the client asks.
func (c *Client) Info() Info {
	info := c.info
	info.Problem = c.sender.problem()
	return info
}

// applyDefaults fills in the limits that are zero, and refuses the negative ones.
func (cfg *Config) applyDefaults() error {
	if cfg.Timeout < 0 || cfg.FirstByteTimeout < 0 || cfg.IdleTimeout < 0 || cfg.MaxTokens < 0 || cfg.MaxBytes < 0 {
		return errors.New("a limit is negative")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.IdleTimeout == 0 {
		cfg.IdleTimeout = defaultIdleTimeout
	}
	if cfg.MaxTokens == 0 {
		cfg.MaxTokens = defaultMaxTokens
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = defaultMaxBytes
	}
	return nil
}

// providerModel is a model as langchaingo has it, unguarded, with what is odd about its upstream.
type providerModel struct {
	llms.Model
	quirks quirks
	sender *doer // nil: nobody is called
}

// newModel makes the provider's model and fills in its default name.
func newModel(cfg *Config) (providerModel, error) {
	if strings.ContainsFunc(cfg.Model, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return providerModel{}, fmt.Errorf("model name %q holds a space or a control character", cfg.Model)
	}
	switch cfg.Provider {
	case providerOffline:
		cfg.Model = offlineName
		return providerModel{Model: offlineModel{}}, nil
	case providerOpenAI:
		return newOpenAI(cfg)
	case providerOllama:
		return newOllama(cfg)
	default:
		return providerModel{}, fmt.Errorf("unknown provider, want %s, %s or %s", providerOffline, providerOpenAI, providerOllama)
	}
}

// The providers' names in a Config.
const (
	providerOffline = "offline"
	providerOpenAI  = "openai"
	providerOllama  = "ollama"
)

// httpClient is the client that carries the calls of cfg.
func (cfg *Config) httpClient() *http.Client {
	client := http.Client{Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout: dialTimeout,
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        maxIdleConns,
		MaxIdleConnsPerHost: maxIdleConns,
		IdleConnTimeout:     idleConnTimeout,
		DisableCompression:  true, // a compressed stream can be held back until a block is full
		ReadBufferSize:      bufferSize,
		WriteBufferSize:     bufferSize,
	}}
	if cfg.HTTPClient != nil {
		client = *cfg.HTTPClient
	}
	// A redirect would carry the question, and to the same host the key, to where nobody meant.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// withTimeout gives a call its total deadline.
func withTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("no whole answer within %s: %w", d, context.DeadlineExceeded))
}

// result reads what the guard says of an answer.
func (c *Client) result(p *prompt, resp *llms.ContentResponse) Result {
	r := Result{Model: c.info.Model, Provider: c.info.Provider, Prompt: p.version}
	if resp == nil {
		return r
	}
	choice := resp.Choices[0]
	r.FinishReason = choice.StopReason
	// The guard always sets these three.
	r.Model, _ = choice.GenerationInfo[infoModel].(string)
	r.Usage.Prompt, _ = choice.GenerationInfo[infoPromptTokens].(int)
	r.Usage.Completion, _ = choice.GenerationInfo[infoCompletionTokens].(int)
	return r
}
