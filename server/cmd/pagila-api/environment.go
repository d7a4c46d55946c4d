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

// readVariables reads environ and, where environ is silent, .env. Its warnings name what looks like a
// misspelt variable of ours.
func readVariables(environ []string) (vars map[string]string, warnings []string, err error) {
	vars = map[string]string{}
	file, err := godotenv.Read(".env")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		// Not the cause: it quotes the line, which may hold a secret.
		return nil, nil, errors.New(".env cannot be read: want lines of the form NAME=value")
	}
	for name, value := range file {
		vars[name] = clean(value)
	}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if value = clean(value); value != "" {
			vars[name] = value
		}
	}
	for name, value := range vars {
		if value == "" { // set to nothing is not set, as in .env.example
			delete(vars, name)
		}
	}
	return vars, misspelt(vars, file), nil
}

// clean removes the blanks and the pair of quotes around a value. Docker's --env-file, for one, takes
// quotes for a part of the value.
func clean(value string) string {
	value = strings.TrimSpace(value)
	if n := len(value); n >= 2 && value[0] == value[n-1] && (value[0] == '"' || value[0] == '\'') {
		value = strings.TrimSpace(value[1 : n-1])
	}
	return value
}

// standard are variables that resemble ours and belong to others: to OpenTelemetry's specification, of
// which its library reads these, to HTTP clients, and to the targets of the Makefile.
var standard = strings.Fields(`
	OTEL_SDK_DISABLED OTEL_LOG_LEVEL OTEL_PROPAGATORS
	OTEL_TRACES_EXPORTER OTEL_METRICS_EXPORTER OTEL_LOGS_EXPORTER OTEL_TRACES_SAMPLER OTEL_TRACES_SAMPLER_ARG
	OTEL_EXPORTER_OTLP_PROTOCOL OTEL_EXPORTER_OTLP_TRACES_PROTOCOL OTEL_EXPORTER_OTLP_METRICS_PROTOCOL
	OTEL_EXPORTER_OTLP_TRACES_ENDPOINT OTEL_EXPORTER_OTLP_METRICS_ENDPOINT OTEL_EXPORTER_OTLP_LOGS_ENDPOINT
	OTEL_EXPORTER_OTLP_TRACES_HEADERS OTEL_EXPORTER_OTLP_METRICS_HEADERS
	OTEL_EXPORTER_OTLP_TIMEOUT OTEL_EXPORTER_OTLP_TRACES_TIMEOUT OTEL_EXPORTER_OTLP_METRICS_TIMEOUT
	OTEL_EXPORTER_OTLP_COMPRESSION OTEL_EXPORTER_OTLP_TRACES_COMPRESSION OTEL_EXPORTER_OTLP_METRICS_COMPRESSION
	OTEL_EXPORTER_OTLP_CERTIFICATE OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE
	OTEL_EXPORTER_OTLP_CLIENT_KEY OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE OTEL_EXPORTER_OTLP_INSECURE
	OTEL_BSP_SCHEDULE_DELAY OTEL_BSP_EXPORT_TIMEOUT OTEL_BSP_MAX_QUEUE_SIZE OTEL_BSP_MAX_EXPORT_BATCH_SIZE
	OTEL_BLRP_SCHEDULE_DELAY OTEL_BLRP_EXPORT_TIMEOUT OTEL_BLRP_MAX_QUEUE_SIZE OTEL_BLRP_MAX_EXPORT_BATCH_SIZE
	OTEL_METRIC_EXPORT_INTERVAL OTEL_METRIC_EXPORT_TIMEOUT OTEL_METRICS_EXEMPLAR_FILTER
	HTTP_PROXY API_KEY PAGILA_URL`)

const (
	// maxTypos is how many letters a misspelt name may have wrong.
	maxTypos = 2
	// minLength is the length from which a name in the environment counts as misspelt. Short ones are
	// often another program's.
	minLength = 8
)

// misspelt says which variables look like ours and are none: those of .env that are near to one of
// ours or begin like one, and those of the environment that are near to one of ours which is not set.
func misspelt(vars, file map[string]string) []string {
	known := knownVariables()
	prefixes := map[string]bool{}
	for _, name := range known {
		prefix, _, _ := strings.Cut(name, "_")
		prefixes[prefix] = true
	}
	all := slices.Concat(known, standard)
	var warnings []string
	for name := range file {
		if _, there := vars[name]; !there || slices.Contains(all, name) {
			continue
		}
		prefix, _, _ := strings.Cut(strings.ToUpper(name), "_")
		if near := nearest(name, all); near != "" {
			warnings = append(warnings, fmt.Sprintf("%s in .env is not known: did you mean %s?", name, near))
		} else if prefixes[prefix] && prefix != "OTEL" { // of these there are many more
			warnings = append(warnings, name+" in .env is not known: .env.example has every variable")
		}
	}
	for name := range vars {
		if _, there := file[name]; there || slices.Contains(all, name) {
			continue
		}
		near := nearest(name, known)
		if _, set := vars[near]; near == "" || set || len(name) < minLength && !strings.EqualFold(name, near) {
			continue
		}
		warnings = append(warnings, fmt.Sprintf("%s in the environment is not known: did you mean %s?", name, near))
	}
	slices.Sort(warnings)
	return warnings
}

// knownVariables are the variables of config.
func knownVariables() []string {
	var names []string
	for i := range reflect.TypeFor[config]().NumField() {
		if name := reflect.TypeFor[config]().Field(i).Tag.Get("env"); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// nearest is the name that is meant by a misspelt one, or "".
func nearest(name string, names []string) string {
	best, typos := "", maxTypos+1
	for _, n := range names {
		if d := levenshtein.Distance(strings.ToUpper(name), n, nil); d < typos {
			best, typos = n, d
		}
	}
	return best
}

// parameter is the name of a setting of PostgreSQL's.
var parameter = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

// checkDatabaseURL says what is wrong with a connection string, without any of its text: a password
// may be anywhere in one that is malformed.
func checkDatabaseURL(url string) error {
	malformed := errors.New("DATABASE_URL is not a connection string of PostgreSQL: want postgres://user:password@host:5432/database, with %40 and the like for special characters of the password")
	config, err := pgx.ParseConfig(url)
	if err != nil {
		// The files that it names hold no secret in their names.
		for _, cause := range []string{"failed to configure TLS (", "failed to read service ("} {
			if _, reason, ok := strings.Cut(err.Error(), cause); ok {
				return fmt.Errorf("DATABASE_URL: %s%s", cause, reason)
			}
		}
		return malformed
	}
	for name := range config.RuntimeParams {
		if !parameter.MatchString(name) { // a URL with another scheme, taken for keywords
			return malformed
		}
	}
	return nil
}
