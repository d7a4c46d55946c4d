package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Defaults for development. They are public, so a production server does not accept them.
const (
	defaultToken    = "dvd_admin"
	defaultPassword = "dvd_admin"
)

// defaultDrainDelay is the usual interval between two health checks of a load balancer.
const defaultDrainDelay = 5 * time.Second

// inFlightPerConn is the number of requests in flight for each connection to the database, unless
// MAX_IN_FLIGHT is set. A burst of a few hundred requests is served within a second, which is better for
// the clients than a rejection. In a larger burst they would wait longer.
const inFlightPerConn = 32

// config is the configuration. .env.example explains each variable.
type config struct {
	AppEnv   string `env:"APP_ENV" envDefault:"development"`
	HTTPAddr string `env:"HTTP_ADDR" envDefault:":8080"`
	// DrainDelay is 5 s in production if it is empty.
	DrainDelay     time.Duration `env:"DRAIN_DELAY"`
	TrustedProxies []string      `env:"TRUSTED_PROXIES"`
	CORSOrigins    []string      `env:"CORS_ORIGINS"`
	MaxInFlight    int           `env:"MAX_IN_FLIGHT" envDefault:"0"` // 0 means that it depends on the size of the pool
	LogFormat      string        `env:"LOG_FORMAT"`                   // json or text; empty means that it depends on APP_ENV
	LogLevel       string        `env:"LOG_LEVEL" envDefault:"info"`
	LogSampleRate  float64       `env:"LOG_SAMPLE_RATE" envDefault:"1"`
	OpsAddr        string        `env:"OPS_ADDR" envDefault:"127.0.0.1:9091"`

	DatabaseURL      string `env:"DATABASE_URL"`
	DatabaseMaxConns int    `env:"DATABASE_MAX_CONNS" envDefault:"16"`
	// ReplicaURLs have one host each, because a comma separates them.
	ReplicaURLs    []string      `env:"DATABASE_REPLICA_URLS"`
	ReplicaMaxLag  time.Duration `env:"REPLICA_MAX_LAG" envDefault:"10s"`
	DataDir        string        `env:"DATA_DIR"`
	PagilaDir      string        `env:"PAGILA_DIR"`
	PostgresBinDir string        `env:"PG_BINDIR"`

	APIToken string `env:"API_TOKEN" envDefault:"dvd_admin"`
	// APITokensFile has tokens with fewer scopes. SIGHUP makes a server read it again.
	APITokensFile  string `env:"API_TOKENS_FILE"`
	APIUsername    string `env:"API_USERNAME" envDefault:"staff"`
	APIPassword    string `env:"API_PASSWORD" envDefault:"dvd_admin"`
	TokenRateLimit int    `env:"TOKEN_RATE_LIMIT" envDefault:"10"`

	LLMProvider string        `env:"LLM_PROVIDER"` // empty means openai if there is a key or a base URL, and offline otherwise
	LLMModel    string        `env:"LLM_MODEL"`
	LLMTimeout  time.Duration `env:"LLM_TIMEOUT" envDefault:"120s"`
	// LLMFirstByteTimeout is LLMTimeout if it is 0.
	LLMFirstByteTimeout time.Duration `env:"LLM_FIRST_BYTE_TIMEOUT" envDefault:"0s"`
	LLMIdleTimeout      time.Duration `env:"LLM_IDLE_TIMEOUT" envDefault:"20s"`
	LLMPromptDir        string        `env:"LLM_PROMPT_DIR"`
	LLMRateLimit        int           `env:"LLM_RATE_LIMIT" envDefault:"60"`
	LLMMaxCalls         int           `env:"LLM_MAX_CALLS" envDefault:"256"`
	OpenAIAPIKey        string        `env:"OPENAI_API_KEY"`
	OpenAIBaseURL       string        `env:"OPENAI_BASE_URL"`
	OllamaHost          string        `env:"OLLAMA_HOST" envDefault:"http://127.0.0.1:11434"`

	CheckResponses bool `env:"CHECK_RESPONSES"`

	OTLPEndpoint    string `env:"OTEL_EXPORTER_OTLP_ENDPOINT"`
	OTLPHeaders     string `env:"OTEL_EXPORTER_OTLP_HEADERS"` // only the library reads this variable and the next two
	OTELServiceName string `env:"OTEL_SERVICE_NAME"`
	OTELAttributes  string `env:"OTEL_RESOURCE_ATTRIBUTES"`
	OTLPContent     bool   `env:"OTEL_RECORD_CONTENT"`

	otel     map[string]string // all variables of OpenTelemetry, for its library
	cacheDir string            // the program's own directory in the user's cache directory
	warnings []string          // about variables that look misspelt
}

func (c config) production() bool { return c.AppEnv == "production" }

// loadConfig parses the environment, sets the defaults and checks the result. Its error names all mistakes
// at once, and contains no secret. What only a server needs is checked only if serving is set: a job that
// migrates needs no token.
func loadConfig(environ []string, serving bool) (config, error) {
	vars, warnings, err := readVariables(environ)
	if err != nil {
		return config{}, err
	}
	var m mistakes
	c := parseConfig(vars, &m)
	m.add(c.setDefaults(vars))
	c.check(&m)
	warnings = append(warnings, c.checkOTel(&m)...)
	if serving {
		c.checkServing(&m)
	}
	if len(m.errs) > 0 {
		for _, warning := range warnings { // a misspelt name may be the cause
			m.add(errors.New(warning))
		}
		return config{}, fmt.Errorf("the configuration is not valid:\n%w", errors.Join(m.errs...))
	}
	c.warnings = warnings
	return c, nil
}

// parseConfig fills the fields with the values of the variables, or with the defaults in the tags.
func parseConfig(vars map[string]string, m *mistakes) config {
	var c config
	for _, e := range parseErrors(env.ParseWithOptions(&c, env.Options{Environment: vars})) {
		field, _ := reflect.TypeFor[config]().FieldByName(e.Name)
		name := field.Tag.Get("env")
		m.add(fmt.Errorf("%s is %q, want %s", name, vars[name], typeNames[e.Type]))
		m.mistype(name)
	}
	for i, url := range c.ReplicaURLs {
		c.ReplicaURLs[i] = strings.TrimSpace(url)
	}
	c.otel = map[string]string{}
	for name, value := range vars {
		if strings.HasPrefix(name, "OTEL_") {
			c.otel[name] = value
		}
	}
	return c
}

// typeNames describe the types of the variables.
var typeNames = map[reflect.Type]string{
	reflect.TypeFor[int]():           "a whole number",
	reflect.TypeFor[float64]():       "a number",
	reflect.TypeFor[bool]():          "true or false",
	reflect.TypeFor[time.Duration](): "a duration such as 90s",
}

// parseErrors returns the errors of env.ParseWithOptions: one for each variable of the wrong type.
func parseErrors(err error) []env.ParseError {
	var all env.AggregateError
	errors.As(err, &all)
	var found []env.ParseError
	for _, e := range all.Errors {
		var mistyped env.ParseError
		if !errors.As(e, &mistyped) {
			panic(e) // a mistake in the struct's tags
		}
		found = append(found, mistyped)
	}
	return found
}

// setDefaults sets the defaults that depend on other variables or on the machine.
func (c *config) setDefaults(vars map[string]string) (err error) {
	if c.LogFormat == "" {
		c.LogFormat = "text"
		if c.production() {
			c.LogFormat = "json"
		}
	}
	if vars["DRAIN_DELAY"] == "" && c.production() {
		c.DrainDelay = defaultDrainDelay
	}
	if c.MaxInFlight == 0 {
		c.MaxInFlight = inFlightPerConn * max(0, min(c.DatabaseMaxConns, maxConns)) // check reports one that is out of range
	}
	if c.LLMProvider == "" {
		c.LLMProvider = "offline"
		if c.OpenAIAPIKey != "" || c.OpenAIBaseURL != "" {
			c.LLMProvider = "openai"
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil { // no HOME, as in some containers
		cache = os.TempDir()
	}
	c.cacheDir = filepath.Join(cache, "pagila-api")
	if c.DataDir == "" {
		c.DataDir = filepath.Join(c.cacheDir, "data")
	}
	if c.DataDir, err = filepath.Abs(c.DataDir); err != nil {
		return fmt.Errorf("DATA_DIR: %w", err)
	}
	return nil
}

// level is the configured log level, which may change at run time.
func (c config) level() *slog.LevelVar {
	var level slog.LevelVar
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		panic(err) // check has accepted it
	}
	return &level
}

// logger returns a logger that writes JSON or text.
func (c config) logger(w io.Writer, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
