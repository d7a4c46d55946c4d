package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"example.com/pagila-api/server"
)

// maxConns is the largest DATABASE_MAX_CONNS.
const maxConns = 1000

// mistakes collects what is wrong with the configuration.
type mistakes struct {
	errs     []error
	mistyped map[string]bool // variables that have been reported, and have no value to check
}

// add adds an error, unless it is nil.
func (m *mistakes) add(err error) {
	if err != nil {
		m.errs = append(m.errs, err)
	}
}

func (m *mistakes) mistype(name string) {
	if m.mistyped == nil {
		m.mistyped = map[string]bool{}
	}
	m.mistyped[name] = true
}

// unless adds an error if a condition does not hold.
func (m *mistakes) unless(ok bool, format string, args ...any) {
	if !ok {
		m.add(fmt.Errorf(format, args...))
	}
}

// oneOf checks that a variable has one of the allowed values.
func (m *mistakes) oneOf(name, value string, allowed ...string) {
	m.unless(slices.Contains(allowed, value), "%s is %q, want one of %s", name, value, strings.Join(allowed, ", "))
}

// inRange checks that a variable is in a range. want describes the range.
func inRange[T cmp.Ordered](m *mistakes, name string, value, low, high T, want string) {
	m.unless(m.mistyped[name] || low <= value && value <= high, "%s is %v, want %s", name, value, want)
}

// check checks what all commands need.
func (c config) check(m *mistakes) {
	m.oneOf("APP_ENV", c.AppEnv, "development", "production")
	m.oneOf("LOG_FORMAT", c.LogFormat, "json", "text")
	m.oneOf("LOG_LEVEL", strings.ToLower(c.LogLevel), "debug", "info", "warn", "error")
	_, _, err := net.SplitHostPort(c.HTTPAddr)
	m.unless(err == nil, "HTTP_ADDR is %q, want host:port or :port", c.HTTPAddr)
	_, _, err = net.SplitHostPort(c.OpsAddr)
	m.unless(err == nil || c.OpsAddr == opsOff, "OPS_ADDR is %q, want host:port, :port or off", c.OpsAddr)
	c.checkRanges(m)
	c.checkDatabase(m)
	c.checkNetwork(m)
}

func (c config) checkRanges(m *mistakes) {
	const many = 1_000_000
	inRange(m, "DRAIN_DELAY", c.DrainDelay, 0, time.Minute, "0s to 1m")
	inRange(m, "LOG_SAMPLE_RATE", c.LogSampleRate, 0, 1, "0 to 1")
	inRange(m, "DATABASE_MAX_CONNS", c.DatabaseMaxConns, 1, maxConns, "1 to 1000")
	inRange(m, "REPLICA_MAX_LAG", c.ReplicaMaxLag, time.Second, server.MaxReplicaLag, "1s to 50s")
	inRange(m, "MAX_IN_FLIGHT", c.MaxInFlight, 0, many, "0 to 1000000")
	inRange(m, "TOKEN_RATE_LIMIT", c.TokenRateLimit, 0, many, "0 to 1000000")
	inRange(m, "LLM_RATE_LIMIT", c.LLMRateLimit, 0, many, "0 to 1000000")
	inRange(m, "LLM_MAX_CALLS", c.LLMMaxCalls, 0, many, "0 to 1000000")
	inRange(m, "LLM_TIMEOUT", c.LLMTimeout, time.Second, time.Hour, "1s to 1h")
	inRange(m, "LLM_IDLE_TIMEOUT", c.LLMIdleTimeout, time.Second, time.Hour, "1s to 1h")
	if c.LLMFirstByteTimeout != 0 {
		inRange(m, "LLM_FIRST_BYTE_TIMEOUT", c.LLMFirstByteTimeout, time.Second, time.Hour, "1s to 1h, or 0s")
	}
}

// checkDatabase checks the settings of the database that is used, which may be the private one.
func (c config) checkDatabase(m *mistakes) {
	if c.DatabaseURL != "" {
		m.add(checkDatabaseURL("DATABASE_URL", c.DatabaseURL))
		for i, url := range c.ReplicaURLs {
			name := fmt.Sprintf("DATABASE_REPLICA_URLS, number %d,", i+1)
			m.unless(url != "", "%s is empty", name) // for pgx, that is the server on this machine
			m.add(checkDatabaseURL(name, url))
		}
		return
	}
	m.unless(len(c.ReplicaURLs) == 0, "DATABASE_REPLICA_URLS is set without DATABASE_URL, but the private PostgreSQL has no replicas")
	m.unless(c.PagilaDir == "" || isDirectory(c.PagilaDir), "PAGILA_DIR is %q, which is not a directory", c.PagilaDir)
	m.unless(c.PostgresBinDir == "" || isDirectory(c.PostgresBinDir), "PG_BINDIR is %q, which is not a directory", c.PostgresBinDir)
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// checkNetwork checks the lists of proxies and origins.
func (c config) checkNetwork(m *mistakes) {
	for _, proxy := range c.TrustedProxies {
		_, err := server.ParseProxy(proxy)
		m.unless(err == nil, "TRUSTED_PROXIES has %q, want addresses or networks such as 192.0.2.0/24, separated by commas", proxy)
	}
	for _, origin := range c.CORSOrigins {
		_, err := server.ParseOrigin(origin)
		m.unless(err == nil, "CORS_ORIGINS: %v", err)
	}
}

// bearerToken is RFC 6750's b64token (section 2.1). No client can send another.
var bearerToken = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)

// minToken is the length of a random token of 128 bits in base64. The cookie of package server is signed with a key that
// is derived from API_TOKEN, so a client can check its guesses at the token without asking the server.
const minToken = 22

// checkServing checks what only a server needs.
func (c config) checkServing(m *mistakes) {
	_, err := c.tokens(context.Background())
	m.add(err)
	m.unless(bearerToken.MatchString(c.APIToken), "API_TOKEN has a character that a bearer token must not have")
	m.unless(!c.production() || len(c.APIToken) >= minToken,
		"API_TOKEN is shorter than %d characters: set a random one for production, such as that of openssl rand -hex 32", minToken)
	m.unless(!c.production() || c.APIPassword != defaultPassword, "API_PASSWORD is the development password: set another one for production")
	m.oneOf("LLM_PROVIDER", c.LLMProvider, "offline", "openai", "ollama")
	m.unless(c.LLMProvider != "openai" || c.OpenAIAPIKey != "" || c.OpenAIBaseURL != "",
		"LLM_PROVIDER is openai: set OPENAI_API_KEY, or OPENAI_BASE_URL for a server that needs no key")
}
