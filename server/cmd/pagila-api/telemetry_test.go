package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"example.com/pagila-api/store/pgtest"
)

var opsURL = regexp.MustCompile(`"?serving operators"? address=(\S+)`)

// operations returns the URL of a server's operations address.
func (s *served) operations(t *testing.T) string {
	t.Helper()
	found := opsURL.FindStringSubmatch(s.stderr.String())
	if found == nil {
		t.Fatalf("there is no operations address: %s", s.stderr)
	}
	return "http://" + found[1]
}

// exchange sends a request and returns the body of the response, whose status is 200.
func exchange(t *testing.T, method, url, body string, headers ...string) (string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: status %d, %v: %s", method, url, response.StatusCode, err, text)
	}
	return string(text), response.Header
}

// The operations address has the metrics of the program, and changes the level of its log.
func TestOperations(t *testing.T) {
	t.Parallel()
	s := serveProgram(t, environment(t, "DATABASE_URL="+pgtest.New(t), "OPS_ADDR=127.0.0.1:0"))
	operations := s.operations(t)
	s.get(t, "/films/1")
	exchange(t, http.MethodPut, operations+"/log/level", "error")
	s.get(t, "/films/2")
	metrics, _ := exchange(t, http.MethodGet, operations+"/metrics", "")
	for _, want := range []string{
		`pagila_build_info{commit="`, `version="2.`, `pagila_http_requests_total{operation="getFilm",outcome="success",status="2xx"} `,
		`pagila_db_statement_duration_seconds_count{statement="film"} 2`, `go_sql_max_open_connections{db_name="pagila"} 16`,
		`process_resident_memory_bytes `, `go_goroutines `,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in %s", want, metrics)
		}
	}
	if err := s.stop(t, os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if log := s.stderr.String(); !strings.Contains(log, "path=/films/1") || strings.Contains(log, "path=/films/2") || !strings.Contains(log, "to=error") {
		t.Errorf("the log is %s", log)
	}
}

// Two servers run on one machine in development. In production an operator has to know that there are no metrics.
func TestOperationsAddressInUse(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	env := environment(t, "DATABASE_URL="+pgtest.New(t), "OPS_ADDR="+listener.Addr().String())
	s := serveProgram(t, env)
	if log := s.stderr.String(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, "OPS_ADDR cannot be used") {
		t.Errorf("the log is %s", log)
	}
	env = append(env, "APP_ENV=production", "API_TOKEN=a-token-for-production", "API_PASSWORD=secret")
	if out, err := program(t, env).CombinedOutput(); err == nil || !strings.Contains(string(out), "listen on OPS_ADDR: ") {
		t.Errorf("in production: %v, %s", err, out)
	}
}

// grpcCollector is a collector that speaks OTLP over gRPC. It returns its URL, and the paths and the messages that it
// has received.
func grpcCollector(t *testing.T) (url string, received func() string) {
	t.Helper()
	var (
		mu  sync.Mutex
		all strings.Builder
	)
	collector := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		message, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		all.WriteString(r.URL.Path + " " + string(message))
		mu.Unlock()
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = w.Write(make([]byte, 5)) // an empty message
		w.Header().Set("Grpc-Status", "0")
	}))
	collector.Config.Protocols = new(http.Protocols)
	collector.Config.Protocols.SetUnencryptedHTTP2(true)
	collector.Start()
	t.Cleanup(collector.Close)
	return collector.URL, func() string {
		mu.Lock()
		defer mu.Unlock()
		return all.String()
	}
}

// OpenTelemetry's SDK reads its variables: the protocol, the exporter, the sampler and the propagators.
func TestTelemetryVariables(t *testing.T) {
	t.Parallel()
	url, received := grpcCollector(t)
	const traceID = "80f198ee56343ba864fe8b2a57d3eff7"
	for name, test := range map[string]struct {
		env   []string
		check func(t *testing.T, s *served)
	}{
		"gRPC": {
			[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + url, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"},
			func(t *testing.T, _ *served) {
				t.Helper()
				for _, want := range []string{
					"/opentelemetry.proto.collector.trace.v1.TraceService/Export", "summarizeFilm", "film.facts", "chat offline",
					"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", "gen_ai.client.operation.duration", "pagila_http_requests_total",
				} {
					if !strings.Contains(received(), want) {
						t.Errorf("the collector got no %s: %+q", want, received())
					}
				}
			},
		},
		"the console": {
			[]string{"OTEL_TRACES_EXPORTER=console"},
			func(t *testing.T, s *served) {
				t.Helper()
				if !strings.Contains(s.output, `"Name":"summarizeFilm"`) {
					t.Errorf("the output is %s", s.output)
				}
			},
		},
		"a sampler": {
			[]string{"OTEL_TRACES_EXPORTER=console", "OTEL_TRACES_SAMPLER=always_off"},
			func(t *testing.T, s *served) {
				t.Helper()
				if strings.Contains(s.output, "summarizeFilm") {
					t.Errorf("the output is %s", s.output)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveProgram(t, environment(t, append(test.env, "DATABASE_URL="+pgtest.New(t), "OTEL_PROPAGATORS=b3")...))
			_, header := exchange(t, http.MethodPost, s.url+"/ai/summary", `{"film_id": 1}`,
				"Content-Type", "application/json", "Authorization", "Bearer dvd_admin", "B3", traceID+"-e457b5a2e4d86bd1-1")
			if got := header.Get("Traceparent"); !strings.HasPrefix(got, "00-"+traceID) {
				t.Errorf("the traceparent is %s", got)
			}
			if err := s.stop(t, os.Interrupt); err != nil {
				t.Fatal(err)
			}
			test.check(t, s)
		})
	}
	for variable, want := range map[string]string{
		"OTEL_TRACES_EXPORTER=pigeon":         "OTEL_TRACES_EXPORTER",
		"OTEL_EXPORTER_OTLP_PROTOCOL=http/3":  "OTEL_EXPORTER_OTLP_PROTOCOL",
		"OTEL_EXPORTER_OTLP_ENDPOINT=nowhere": "OTEL_EXPORTER_OTLP_ENDPOINT",
	} {
		out, err := program(t, environment(t, "OTEL_METRICS_EXPORTER=otlp", variable)).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v, %s", variable, err, out)
		}
	}
}

// A collector that does not respond takes no time from the others.
func TestShutdownTogether(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	var log bytes.Buffer
	(&telemetry{closers: []func(context.Context) error{
		func(ctx context.Context) error {
			select {
			case <-begun:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
		func(ctx context.Context) error {
			close(begun)
			return ctx.Err()
		},
	}}).shutdown(slog.New(slog.NewTextHandler(&log, nil)))
	if log.Len() > 0 {
		t.Errorf("the log is %s", log.String())
	}
}
