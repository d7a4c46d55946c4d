package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"example.com/pagila-api/server"
)

// Development defaults. They are in the README, so a production server refuses them.
const (
	defaultToken    = "dvd_admin"
	defaultPassword = "dvd_admin"
)

// defaultDrainDelay is the usual time between two looks of a load balancer.
const defaultDrainDelay = 5 * time.Second

// inFlightPerConn is how many requests there may be for each connection to the database when
// MAX_IN_FLIGHT does not say. A burst of some hundred requests is over within a second, which is
// better for its clients than to be refused; those of more would wait for longer.
const inFlightPerConn = 32

// config is the environment, typed. .env.example says what each variable is for.
type config struct {
	AppEnv   string `env:"APP_ENV" envDefault:"development"`
	HTTPAddr string `env:"HTTP_ADDR" envDefault:":8080"`
	// DrainDelay is 5 s in production when it is empty.
	DrainDelay     time.Duration `env:"DRAIN_DELAY"`
	TrustedProxies []string      `env:"TRUSTED_PROXIES"`
	CORSOrigins    []string      `env:"CORS_ORIGINS"`
	MaxInFlight    int           `env:"MAX_IN_FLIGHT" envDefault:"0"` // by the size of the pool when it is 0
	LogFormat      string        `env:"LOG_FORMAT"`                   // json or text; by APP_ENV when empty
	LogLevel       string        `env:"LOG_LEVEL" envDefault:"info"`

	DatabaseURL      string `env:"DATABASE_URL"`
	DatabaseMaxConns int    `env:"DATABASE_MAX_CONNS" envDefault:"16"`
	DataDir          string `env:"DATA_DIR"`
	PagilaDir        string `env:"PAGILA_DIR"`
	PostgresBinDir   string `env:"PG_BINDIR"`

	APIToken    string `env:"API_TOKEN" envDefault:"dvd_admin"`
	APIUsername string `env:"API_USERNAME" envDefault:"staff"`
	APIPassword string `env:"API_PASSWORD" envDefault:"dvd_admin"`

	LLMProvider string        `env:"LLM_PROVIDER"` // openai where it has a key or a base URL, else offline
	LLMModel    string        `env:"LLM_MODEL"`
	LLMTimeout  time.Duration `env:"LLM_TIMEOUT" envDefault:"120s"`
	// LLMFirstByteTimeout is LLMTimeout when it is 0.
	LLMFirstByteTimeout time.Duration `env:"LLM_FIRST_BYTE_TIMEOUT" envDefault:"0s"`
	LLMIdleTimeout      time.Duration `env:"LLM_IDLE_TIMEOUT" envDefault:"20s"`
	LLMPromptDir        string        `env:"LLM_PROMPT_DIR"`
	LLMRateLimit        int           `env:"LLM_RATE_LIMIT" envDefault:"60"`
	LLMMaxCalls         int           `env:"LLM_MAX_CALLS" envDefault:"256"`
	OpenAIAPIKey        string        `env:"OPENAI_API_KEY"`
	OpenAIBaseURL       string        `env:"OPENAI_BASE_URL"`
	OllamaHost          string        `env:"OLLAMA_HOST" envDefault:"http://127.0.0.1:11434"`

	CheckAnswers bool `env:"CHECK_ANSWERS"`

	OTLPEndpoint    string `env:"OTEL_EXPORTER_OTLP_ENDPOINT"`
	OTLPHeaders     string `env:"OTEL_EXPORTER_OTLP_HEADERS"` // the library reads it and the next two
	OTELServiceName string `env:"OTEL_SERVICE_NAME"`
	OTELAttributes  string `env:"OTEL_RESOURCE_ATTRIBUTES"`
	OTLPContent     bool   `env:"OTEL_RECORD_CONTENT"`

	otel     map[string]string // all variables of OpenTelemetry, for its library
	cacheDir string            // the program's directory in the user's cache
	warnings []string          // what looks misspelt
}

func (c config) production() bool { return c.AppEnv == "production" }

// loadConfig reads the configuration. Its error names everything that is wrong at once, and no secret.
// If serving is set, it also checks what only a server needs: a job that migrates has no use for a
// token.
func loadConfig(environ []string, serving bool) (config, error) {
	vars, warnings, err := readVariables(environ)
	if err != nil {
		return config{}, err
	}
	var (
		c    config
		errs []error
	)
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	mistyped := map[string]bool{}
	for _, e := range parseErrors(env.ParseWithOptions(&c, env.Options{Environment: vars})) {
		field, _ := reflect.TypeFor[config]().FieldByName(e.Name)
		name := field.Tag.Get("env")
		mistyped[name] = true
		check(false, "%s is %q, want %s", name, vars[name], typeNames[e.Type])
	}
	oneOf := func(name, value string, allowed ...string) {
		for _, a := range allowed {
			if value == a {
				return
			}
		}
		errs = append(errs, fmt.Errorf("%s is %q, want one of %s", name, value, strings.Join(allowed, ", ")))
	}
	oneOf("APP_ENV", c.AppEnv, "development", "production")
	if c.LogFormat == "" {
		c.LogFormat = "text"
		if c.production() {
			c.LogFormat = "json"
		}
	}
	oneOf("LOG_FORMAT", c.LogFormat, "json", "text")
	oneOf("LOG_LEVEL", strings.ToLower(c.LogLevel), "debug", "info", "warn", "error")
	if vars["DRAIN_DELAY"] == "" && c.production() {
		c.DrainDelay = defaultDrainDelay
	}
	check(c.DrainDelay >= 0 && c.DrainDelay <= time.Minute, "DRAIN_DELAY is %s, want 0s to 1m", c.DrainDelay)
	_, _, err = net.SplitHostPort(c.HTTPAddr)
	check(err == nil, "HTTP_ADDR is %q, want host:port or :port", c.HTTPAddr)
	check(mistyped["DATABASE_MAX_CONNS"] || c.DatabaseMaxConns >= 1 && c.DatabaseMaxConns <= 1000, "DATABASE_MAX_CONNS is %d, want 1 to 1000", c.DatabaseMaxConns)
	check(mistyped["MAX_IN_FLIGHT"] || c.MaxInFlight >= 0 && c.MaxInFlight <= 1_000_000, "MAX_IN_FLIGHT is %d, want 0 to 1000000", c.MaxInFlight)
	if c.MaxInFlight == 0 {
		c.MaxInFlight = inFlightPerConn * c.DatabaseMaxConns
	}
	check(mistyped["LLM_RATE_LIMIT"] || c.LLMRateLimit >= 0 && c.LLMRateLimit <= 1_000_000, "LLM_RATE_LIMIT is %d, want 0 to 1000000", c.LLMRateLimit)
	check(mistyped["LLM_MAX_CALLS"] || c.LLMMaxCalls >= 0 && c.LLMMaxCalls <= 1_000_000, "LLM_MAX_CALLS is %d, want 0 to 1000000", c.LLMMaxCalls)
	check(mistyped["LLM_TIMEOUT"] || c.LLMTimeout >= time.Second && c.LLMTimeout <= time.Hour, "LLM_TIMEOUT is %s, want 1s to 1h", c.LLMTimeout)
	check(mistyped["LLM_FIRST_BYTE_TIMEOUT"] || c.LLMFirstByteTimeout == 0 || c.LLMFirstByteTimeout >= time.Second && c.LLMFirstByteTimeout <= time.Hour,
		"LLM_FIRST_BYTE_TIMEOUT is %s, want 1s to 1h, or 0s", c.LLMFirstByteTimeout)
	check(mistyped["LLM_IDLE_TIMEOUT"] || c.LLMIdleTimeout >= time.Second && c.LLMIdleTimeout <= time.Hour, "LLM_IDLE_TIMEOUT is %s, want 1s to 1h", c.LLMIdleTimeout)
	if c.DatabaseURL != "" {
		if err := checkDatabaseURL(c.DatabaseURL); err != nil {
			errs = append(errs, err)
		}
	} else {
		check(c.PagilaDir == "" || isFolder(c.PagilaDir), "PAGILA_DIR is %q, which is not a folder", c.PagilaDir)
		check(c.PostgresBinDir == "" || isFolder(c.PostgresBinDir), "PG_BINDIR is %q, which is not a folder", c.PostgresBinDir)
	}
	for i, proxy := range c.TrustedProxies {
		c.TrustedProxies[i] = strings.TrimSpace(proxy)
		_, err := server.ParseProxy(c.TrustedProxies[i])
		check(err == nil, "TRUSTED_PROXIES has %q, want addresses or networks such as 192.0.2.0/24, with commas between", proxy)
	}
	for _, origin := range c.CORSOrigins {
		_, err := server.ParseOrigin(origin)
		check(err == nil, "CORS_ORIGINS: %v", err)
	}
	if c.LLMProvider == "" {
		c.LLMProvider = "offline"
		if c.OpenAIAPIKey != "" || c.OpenAIBaseURL != "" {
			c.LLMProvider = "openai"
		}
	}
	c.otel = map[string]string{}
	for name, value := range vars {
		if strings.HasPrefix(name, "OTEL_") {
			c.otel[name] = value
		}
	}
	wrong, ineffective := c.checkOTel()
	errs, warnings = append(errs, wrong...), append(warnings, ineffective...)
	if serving {
		check(bearerToken.MatchString(c.APIToken), "API_TOKEN has a character that no bearer token may have")
		check(!c.production() || c.APIToken != defaultToken, "API_TOKEN is the development token: set another for production")
		check(!c.production() || c.APIPassword != defaultPassword, "API_PASSWORD is the development password: set another for production")
		oneOf("LLM_PROVIDER", c.LLMProvider, "offline", "openai", "ollama")
		check(c.LLMProvider != "openai" || c.OpenAIAPIKey != "" || c.OpenAIBaseURL != "",
			"LLM_PROVIDER is openai: set OPENAI_API_KEY, or OPENAI_BASE_URL for a server that needs no key")
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
		errs = append(errs, fmt.Errorf("DATA_DIR: %w", err))
	}
	if len(errs) > 0 {
		for _, warning := range warnings { // a misspelt name may be the cause
			errs = append(errs, errors.New(warning))
		}
		return config{}, fmt.Errorf("the configuration is not valid:\n%w", errors.Join(errs...))
	}
	c.warnings = warnings
	return c, nil
}

// bearerToken is RFC 6750's b64token (section 2.1). No client could send another.
var bearerToken = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)

// typeNames say what a variable should be.
var typeNames = map[reflect.Type]string{
	reflect.TypeFor[int]():           "a whole number",
	reflect.TypeFor[bool]():          "true or false",
	reflect.TypeFor[time.Duration](): "a duration such as 90s",
}

// parseErrors are env's errors, one for each variable that does not have its type.
func parseErrors(err error) []env.ParseError {
	var all env.AggregateError
	errors.As(err, &all)
	var found []env.ParseError
	for _, e := range all.Errors {
		var mistyped env.ParseError
		if !errors.As(e, &mistyped) {
			panic(e) // of our struct's tags
		}
		found = append(found, mistyped)
	}
	return found
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// logger writes JSON lines for machines, or text for people.
func (c config) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		panic(err) // loadConfig has checked it
	}
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
