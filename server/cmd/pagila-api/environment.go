package main

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/jackc/pgx/v5"
	"github.com/joho/godotenv"
)

// readVariables reads environ, and .env for the variables that environ does not set. Its warnings are about
// variables that look misspelt.
func readVariables(environ []string) (vars map[string]string, warnings []string, err error) {
	file, err := godotenv.Read(".env")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		// The cause is left out: it quotes the line, which may contain a secret.
		return nil, nil, errors.New(".env is malformed: want lines of the form NAME=value")
	}
	vars = map[string]string{}
	for name, value := range file {
		set(vars, name, value)
	}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		set(vars, name, value)
	}
	return vars, misspelt(vars, file), nil
}

// set sets a variable, unless the value is empty, which means that the variable is not set.
func set(vars map[string]string, name, value string) {
	if value = clean(value); value != "" {
		vars[name] = value
	}
}

// clean removes whitespace and a pair of quotes around a value. Some programs, such as Docker with
// --env-file, do not remove the quotes.
func clean(value string) string {
	value = strings.TrimSpace(value)
	if n := len(value); n >= 2 && value[0] == value[n-1] && (value[0] == '"' || value[0] == '\'') {
		value = strings.TrimSpace(value[1 : n-1])
	}
	return value
}

// external are variables that others read, such as OpenTelemetry's library. They are not misspelt names of this
// program's.
var external = strings.Fields(`
	OTEL_SDK_DISABLED OTEL_LOG_LEVEL OTEL_PROPAGATORS
	OTEL_TRACES_EXPORTER OTEL_METRICS_EXPORTER OTEL_LOGS_EXPORTER OTEL_TRACES_SAMPLER OTEL_TRACES_SAMPLER_ARG
	OTEL_EXPORTER_OTLP_PROTOCOL OTEL_EXPORTER_OTLP_TRACES_PROTOCOL OTEL_EXPORTER_OTLP_METRICS_PROTOCOL
	OTEL_EXPORTER_OTLP_TRACES_ENDPOINT OTEL_EXPORTER_OTLP_METRICS_ENDPOINT OTEL_EXPORTER_OTLP_LOGS_ENDPOINT
	OTEL_EXPORTER_OTLP_TRACES_HEADERS OTEL_EXPORTER_OTLP_METRICS_HEADERS
	OTEL_EXPORTER_OTLP_TIMEOUT OTEL_EXPORTER_OTLP_TRACES_TIMEOUT OTEL_EXPORTER_OTLP_METRICS_TIMEOUT
	OTEL_EXPORTER_OTLP_COMPRESSION OTEL_EXPORTER_OTLP_TRACES_COMPRESSION OTEL_EXPORTER_OTLP_METRICS_COMPRESSION
	OTEL_EXPORTER_OTLP_CERTIFICATE OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE
	OTEL_EXPORTER_OTLP_CLIENT_KEY OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE OTEL_EXPORTER_OTLP_INSECURE
	OTEL_EXPORTER_PROMETHEUS_HOST OTEL_EXPORTER_PROMETHEUS_PORT OTEL_METRICS_PRODUCERS
	OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT OTEL_ATTRIBUTE_COUNT_LIMIT
	OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT OTEL_SPAN_EVENT_COUNT_LIMIT OTEL_SPAN_LINK_COUNT_LIMIT
	OTEL_BSP_SCHEDULE_DELAY OTEL_BSP_EXPORT_TIMEOUT OTEL_BSP_MAX_QUEUE_SIZE OTEL_BSP_MAX_EXPORT_BATCH_SIZE
	OTEL_BLRP_SCHEDULE_DELAY OTEL_BLRP_EXPORT_TIMEOUT OTEL_BLRP_MAX_QUEUE_SIZE OTEL_BLRP_MAX_EXPORT_BATCH_SIZE
	OTEL_METRIC_EXPORT_INTERVAL OTEL_METRIC_EXPORT_TIMEOUT OTEL_METRICS_EXEMPLAR_FILTER
	HTTP_PROXY API_KEY PAGILA_URL`)

const (
	// maxTypos is the largest number of wrong letters in a misspelt name.
	maxTypos = 2
	// minLength is the length of the shortest name in the environment that may count as misspelt. Shorter
	// ones often belong to other programs.
	minLength = 8
)

// misspelt returns warnings about variables that this program does not know, but that resemble those that
// it knows.
func misspelt(vars, file map[string]string) []string {
	var warnings []string
	known := knownVariables()
	all := slices.Concat(known, external)
	for name := range vars {
		if slices.Contains(all, name) {
			continue
		}
		warning := misspeltInEnvironment(name, known, vars)
		if _, inFile := file[name]; inFile {
			warning = misspeltInFile(name, known, all)
		}
		if warning != "" {
			warnings = append(warnings, warning)
		}
	}
	slices.Sort(warnings)
	return warnings
}

// misspeltInFile returns a warning if a variable of .env resembles a known one or has the prefix of one.
func misspeltInFile(name string, known, all []string) string {
	if near := nearest(name, all); near != "" {
		return fmt.Sprintf("%s in .env is not known: did you mean %s?", name, near)
	}
	prefix := prefixOf(strings.ToUpper(name))
	// OpenTelemetry has many more variables with its prefix.
	if prefix != "OTEL" && slices.ContainsFunc(known, func(k string) bool { return prefixOf(k) == prefix }) {
		return name + " in .env is not known: .env.example lists all variables"
	}
	return ""
}

func prefixOf(name string) string {
	prefix, _, _ := strings.Cut(name, "_")
	return prefix
}

// misspeltInEnvironment returns a warning if a variable of the environment resembles a known one that is not
// set.
func misspeltInEnvironment(name string, known []string, vars map[string]string) string {
	near := nearest(name, known)
	if _, set := vars[near]; near == "" || set || len(name) < minLength && !strings.EqualFold(name, near) {
		return ""
	}
	return fmt.Sprintf("%s in the environment is not known: did you mean %s?", name, near)
}

// knownVariables returns the variables of config.
func knownVariables() []string {
	var names []string
	for i := range reflect.TypeFor[config]().NumField() {
		if name := reflect.TypeFor[config]().Field(i).Tag.Get("env"); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// nearest returns the name that a misspelt one probably means, or "".
func nearest(name string, names []string) string {
	best, typos := "", maxTypos+1
	for _, n := range names {
		if d := levenshtein.Distance(strings.ToUpper(name), n, nil); d < typos {
			best, typos = n, d
		}
	}
	return best
}

// parameterName is the form of the name of a PostgreSQL setting.
var parameterName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

// checkDatabaseURL checks the connection string in a variable. The error contains none of its text: the password may be
// anywhere in a malformed one.
func checkDatabaseURL(name, url string) error {
	malformed := errors.New(name + " is not a connection string of PostgreSQL: want postgres://user:password@host:5432/database, with special characters in the password escaped, such as %40 for @")
	config, err := pgx.ParseConfig(url)
	if err != nil {
		// The names of files in these messages are not secret.
		for _, cause := range []string{"failed to configure TLS (", "failed to read service ("} {
			if _, reason, ok := strings.Cut(err.Error(), cause); ok {
				return fmt.Errorf("%s: %s%s", name, cause, reason)
			}
		}
		return malformed
	}
	for name := range config.RuntimeParams {
		if !parameterName.MatchString(name) { // a URL with another scheme is parsed as keywords
			return malformed
		}
	}
	return nil
}
