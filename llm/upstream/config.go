package upstream

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/tmc/langchaingo/llms"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

const (
	// defaultTimeout gives a slow local model time for a whole answer.
	defaultTimeout = 120 * time.Second
	// defaultIdleTimeout is far longer than the pause between two tokens, even on a busy server.
	defaultIdleTimeout = 20 * time.Second
	// defaultMaxTokens is a long page of text. Without a limit a model can repeat itself forever.
	defaultMaxTokens = 1024
	// defaultMaxBytes is ample for defaultMaxTokens: an event with one token has about 250 bytes.
	defaultMaxBytes = 1 << 20

	// dialTimeout is for the connection alone. A host that needs longer is assumed to be down.
	dialTimeout = 5 * time.Second
	// maxIdleConns keeps as many connections as a small server makes calls at once, since a new TLS
	// handshake costs more than everything else we do for a call.
	maxIdleConns = 64
	// idleConnTimeout is the default of net/http.
	idleConnTimeout = 90 * time.Second
	// bufferSize is the size of each of a connection's buffers in bytes. Every stream has a connection of
	// its own and is silent most of the time, and Go's default of 4 KiB per direction is meant for web
	// pages.
	bufferSize = 1 << 10
)

// The names of the providers in a Config.
const (
	providerOpenAI = "openai"
	providerOllama = "ollama"
)

// Config says which model to use and within which limits. A limit of zero means its default.
type Config struct {
	// Provider is "openai" or "ollama", or with Local the name of that model.
	Provider string
	// Model is the model's name at the provider. Empty means gpt-4o-mini or llama3.2.
	Model string
	// Local is a model in this process that is used instead of a server's. It ignores Model.
	Local llms.Model
	// APIKey is the key for OpenAI. It may be empty if BaseURL is set, for servers that need no key.
	APIKey string
	// BaseURL is any server with OpenAI's chat completions API, including the version
	// ("http://localhost:8000/v1"). Empty means OpenAI itself.
	BaseURL string
	// OllamaHost is Ollama's address in any form that Ollama's own OLLAMA_HOST accepts. Empty means
	// http://127.0.0.1:11434.
	OllamaHost string
	// HTTPClient sends the requests, for instance through a tracing transport. Its redirect policy is
	// replaced, because redirects are refused. Nil means a transport of our own, which follows the
	// proxy variables of the environment as Go programs do.
	HTTPClient *http.Client
	// Timeout is the longest time for a whole call, including retries. The default is 120 s.
	Timeout time.Duration
	// FirstByteTimeout is the longest wait from sending the request to the first content of the
	// response. A thought is content; a header or a comment is not. By default only Timeout applies.
	FirstByteTimeout time.Duration
	// IdleTimeout is the longest silence within a response after its first content. The default is
	// 20 s.
	IdleTimeout time.Duration
	// MaxTokens is the longest answer. A request may ask for less. The default is 1024.
	MaxTokens int
	// MaxBytes is the largest response body, including the framing but not the model's thoughts. The
	// default is 1 MiB.
	MaxBytes int64
	// Logger gets what is not an error yet: retries, corrections, parts of a request that are left
	// out. It may be nil.
	Logger *slog.Logger
	// TracerProvider and MeterProvider get a span and metrics for each call, by OpenTelemetry's
	// conventions for generative AI. They may be nil.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	// RecordContent puts the prompt and the answer, and so the customers' questions, into the spans.
	RecordContent bool
}

// applyDefaults fills in the limits that are zero and refuses negative ones.
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

// httpClient is the client that sends the requests.
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
	// A redirect would take the question, and on the same host the key, to an unintended place.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// serverURL checks the address of a server. It may not contain a secret, since errors quote it.
func serverURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// The parser's error would quote the address, which may contain a password.
		return nil, errors.New("not a URL")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("want http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("no host")
	case u.User != nil:
		return nil, errors.New("a user name or password is not allowed in it")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("a query or fragment is not allowed in it")
	}
	return u, nil
}
