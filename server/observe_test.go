package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	otelcodes "go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"example.com/pagila-api/gen"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/llm/upstream"
	"example.com/pagila-api/llm/upstream/upstreamtest"
	"example.com/pagila-api/server"
	"example.com/pagila-api/server/ops"
	"example.com/pagila-api/store"
	"example.com/pagila-api/store/pgtest"
)

// observedAPI is a server with metrics, behind the operations listener, and with spans.
type observedAPI struct {
	*testAPI
	operations string // the URL
	spans      *tracetest.InMemoryExporter
}

// startObserved starts a server whose language model has a script.
func startObserved(t *testing.T, scripts ...upstreamtest.Script) *observedAPI {
	t.Helper()
	o := &observedAPI{spans: tracetest.NewInMemoryExporter()}
	metrics, err := ops.NewMetrics(ops.Build{Version: "1.2.3", Commit: "abc"})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	operations := ops.Start(listener, metrics, new(slog.LevelVar), slog.New(slog.DiscardHandler))
	t.Cleanup(func() { operations.Close() })
	o.operations = "http://" + listener.Addr().String()

	url := pgtest.New(t)
	st, err := store.Open(url, store.Options{Observer: metrics})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	for name, pool := range st.Pools() {
		metrics.AddPool(name, pool)
	}
	metrics.ReplicaInUse("replica:5432", true)
	traces := sdktrace.NewTracerProvider(sdktrace.WithSyncer(o.spans))
	model := newModel(t, loadContract(t), upstream.Config{
		Provider: "openai", Model: "m", APIKey: upstreamtest.Key, BaseURL: upstreamtest.Listen(t, scripts...).URL + "/v1",
		TracerProvider: traces, MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(metrics.Reader())),
	})
	o.testAPI = startOn(t, url, withModel(model), func(d *server.Deps) {
		d.Store, d.Observer, d.TracerProvider = st, metrics, traces
	})
	return o
}

// scrape returns the metrics, in the format that a header Accept asks for. It ends the server first, because a
// request is measured after its response.
func (o *observedAPI) scrape(t *testing.T, accept string) string {
	t.Helper()
	o.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.operations+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v: %s", response.StatusCode, err, text)
	}
	return string(text)
}

// openMetrics is the format that Prometheus asks for. It has exemplars.
const openMetrics = "application/openmetrics-text;version=1.0.0"

// hostile is a value that must not be in any span or label.
const hostile = "HOSTILE"

// visit makes requests with each kind of outcome.
func (o *observedAPI) visit(t *testing.T) {
	t.Helper()
	film := o.stock(t, map[int32]int{1: 1})
	copyID := one[int32](t, o.testAPI, `SELECT inventory_id FROM inventory WHERE film_id = ?`, film)
	body := fmt.Sprintf(`{"inventory_id": %d, "staff_id": 1}`, copyID)
	rental := decode[gen.Rental](t, o.post(t, "/customers/1/rentals", body).want(t, 201))
	o.post(t, "/customers/1/rentals", body).want(t, 409)
	o.post(t, "/customers/2/rentals", body).want(t, 409)
	path := fmt.Sprintf("/customers/1/rentals/%d/return", rental.RentalID)
	o.post(t, path, "").want(t, 200)
	o.post(t, path, "").want(t, 409)
	o.call(t, http.MethodPost, path, "", "Authorization", "Bearer "+hostile).want(t, 401)
	o.get(t, "/films?q="+hostile).want(t, 200)
	o.get(t, "/films?"+hostile+"=1").want(t, 400)
	o.get(t, "/"+hostile).want(t, 404)
	o.call(t, hostile, "/films", "").want(t, 405)
	o.get(t, "/ai/ask?question="+hostile, "Accept", "text/event-stream").want(t, 200)
}

func startVisited(t *testing.T) *observedAPI {
	t.Helper()
	o := startObserved(t,
		calls([2]string{"listFilms", `{"q": "` + hostile + `"}`}, [2]string{"listFilms", `{"page_size": "many"}`}, [2]string{hostile, `{}`}),
		upstreamtest.Raw(upstreamtest.EventHead+upstreamtest.Delta("There you are.")+
			upstreamtest.Finish("stop")+upstreamtest.UsageEvent+upstreamtest.Done))
	o.visit(t)
	return o
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	text := startVisited(t).scrape(t, "")
	for _, want := range []string{
		`pagila_http_requests_total{operation="createRental",outcome="success",status="2xx"} 1`,
		`pagila_http_requests_total{operation="createRental",outcome="already_rented_by_customer",status="4xx"} 1`,
		`pagila_http_requests_total{operation="createRental",outcome="inventory_not_available",status="4xx"} 1`,
		`pagila_http_requests_total{operation="returnRental",outcome="success",status="2xx"} 1`,
		`pagila_http_requests_total{operation="returnRental",outcome="already_returned",status="4xx"} 1`,
		`pagila_http_requests_total{operation="returnRental",outcome="invalid_token",status="4xx"} 1`,
		`pagila_http_requests_total{operation="listFilms",outcome="success",status="2xx"} 1`,
		`pagila_http_requests_total{operation="listFilms",outcome="invalid_request",status="4xx"} 1`,
		`pagila_http_requests_total{operation="none",outcome="not_found",status="4xx"} 1`,
		`pagila_http_requests_total{operation="none",outcome="method_not_allowed",status="4xx"} 1`,
		`pagila_http_request_duration_seconds_count{operation="createRental",status="2xx"} 1`,
		`pagila_http_request_duration_seconds_count{operation="createRental",status="4xx"} 2`,
		`pagila_http_request_duration_seconds_count{operation="createRental",status="5xx"} 0`,
		`pagila_http_requests_in_flight 0`,
		`pagila_tool_calls_total{operation="listFilms",outcome="success",status="2xx"} 1`,
		`pagila_tool_calls_total{operation="listFilms",outcome="invalid_request",status="4xx"} 1`,
		`pagila_tool_call_duration_seconds_count{operation="listFilms",status="2xx"} 1`,
		`pagila_streams_open 0`,
		`pagila_stream_chunks_total 1`,
		`pagila_stream_first_chunk_seconds_count 1`,
		`pagila_db_statement_duration_seconds_count{statement="rental.create"} 3`,
		`pagila_db_statement_duration_seconds_count{statement="transaction.commit"} 2`,
		`pagila_db_statement_duration_seconds_count{statement="rental.return"} 2`,
		`pagila_db_statement_duration_seconds_count{statement="films.page"} 2`,
		`pagila_db_statement_errors_total{statement="rental.create"} 0`,
		`pagila_db_connections_waiting 0`,
		`go_sql_in_use_connections{db_name="pagila"} 0`,
		`go_sql_max_open_connections{db_name="pagila"} 16`,
		`pagila_build_info{commit="abc",go_version="`,
		`gen_ai_client_token_usage_sum{gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="m",gen_ai_response_model="m-1",gen_ai_token_type="input"} 11`,
		`gen_ai_client_operation_duration_seconds_count{`,
		`gen_ai_client_operation_time_to_first_chunk_seconds_count{`,
	} {
		if !strings.Contains(text, "\n"+want) {
			name, _, _ := strings.Cut(strings.ReplaceAll(want, " ", "{"), "{")
			t.Errorf("no %s, but\n%s", want, strings.Join(regexp.MustCompile(`(?m)^`+name+`\b.*$`).FindAllString(text, -1), "\n"))
		}
	}
	if !strings.Contains(text, "\npagila_db_connection_wait_seconds_count ") {
		t.Error("no wait for a connection")
	}
	if strings.Contains(text, hostile) {
		t.Error("a label has a value of a client or of the model")
	}
}

// A histogram has the trace of a request as an exemplar, and what a histogram counts is a trace that exists.
func TestExemplars(t *testing.T) {
	t.Parallel()
	o := startVisited(t)
	text := o.scrape(t, openMetrics)
	traces := map[string]string{} // the IDs of traces by the names of their spans
	for _, span := range o.spans.GetSpans() {
		traces[span.Name] += " " + span.SpanContext.TraceID().String()
	}
	for series, span := range map[string]string{
		`pagila_http_request_duration_seconds_bucket{operation="createRental",status="2xx"`: "createRental",
		`pagila_db_statement_duration_seconds_bucket{statement="rental.return"`:             "rental.return",
		`pagila_stream_first_chunk_seconds_bucket{`:                                         "askQuestion",
		`pagila_tool_call_duration_seconds_bucket{operation="listFilms",status="2xx"`:       "listFilms",
	} {
		found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + `.*# {trace_id="([0-9a-f]{32})"}`).FindStringSubmatch(text)
		if found == nil || !strings.Contains(traces[span], found[1]) {
			t.Errorf("%s: the exemplar is %q, want one of %s", series, found, traces[span])
		}
	}
}

// tree returns the names of the spans of a trace, those of children after their parent and indented.
func tree(spans tracetest.SpanStubs, parent trace.SpanID, indent string) (lines []string) {
	slices.SortFunc(spans, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	for _, span := range spans {
		if span.Parent.SpanID() == parent {
			lines = append(lines, indent+span.SpanKind.String()+" "+span.Name)
			lines = append(lines, tree(spans, span.SpanContext.SpanID(), indent+"  ")...)
		}
	}
	return lines
}

// traced sends a GET request as a part of a trace, and returns the tree of its spans.
func (o *observedAPI) traced(t *testing.T, method, path, body string) []string {
	t.Helper()
	o.spans.Reset()
	const traceID, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	response := o.call(t, method, path, body, "Traceparent", "00-"+traceID+"-"+parent+"-01", "Authorization", "Bearer "+token, "Accept", "*/*, application/json, text/event-stream")
	o.Close() // a span ends after the response
	var own tracetest.SpanStubs
	for _, span := range o.spans.GetSpans() {
		if span.SpanContext.TraceID().String() == traceID {
			own = append(own, span)
		}
		if span.Parent.SpanID().String() == parent && !strings.Contains(response.header.Get("Traceparent"), span.SpanContext.SpanID().String()) {
			t.Errorf("the response has the traceparent %s, not span %s", response.header.Get("Traceparent"), span.SpanContext.SpanID())
		}
	}
	caller, err := trace.SpanIDFromHex(parent)
	if err != nil {
		t.Fatal(err)
	}
	return tree(own, caller, "")
}

func TestSpans(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		method, path, body string
		want               []string
	}{
		"a read": {method: "GET", path: "/films/1", want: []string{"server getFilm", "  client film"}},
		"a write": {
			method: "POST", path: "/customers/1/rentals", body: `{"film_id": 1, "store_id": 1, "staff_id": 1}`,
			want: []string{"server createRental", "  client rental.lock_any_copy", "  client rental.insert", "  client transaction.commit"},
		},
		"no route": {method: "GET", path: "/nowhere", want: []string{"server HTTP"}},
		"a question": {
			method: "GET", path: "/ai/ask?question=x",
			want: []string{
				"server askQuestion", "  client chat m", "  internal execute_tool getFilm", "    server getFilm", "      client film", "  client chat m",
			},
		},
		"MCP": {
			method: "POST", path: "/mcp",
			body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"getFilm","arguments":{"film_id":1}}}`,
			want: []string{"server mcp", "  internal execute_tool getFilm", "    server getFilm", "      client film"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := startObserved(t, calls([2]string{"getFilm", `{"film_id": 1}`}), saying("There you are."))
			o.get(t, "/films/1") // looks for Pagila's schema
			if diff := cmp.Diff(test.want, o.traced(t, test.method, test.path, test.body)); diff != "" {
				t.Errorf("the spans (-want +got):\n%s", diff)
			}
		})
	}
}

// The span of a tool's call fails if the server does, and not if the server refuses the call.
func TestFailedToolSpan(t *testing.T) {
	t.Parallel()
	o := startObserved(t)
	call := func(arguments string) {
		o.call(t, http.MethodPost, "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"getFilm","arguments":`+arguments+`}}`,
			"Accept", "application/json, text/event-stream").want(t, 200)
	}
	call(`{"film_id": 0}`)
	o.exec(t, `ALTER TABLE film RENAME TO elsewhere`)
	call(`{"film_id": 1}`)
	o.Close() // a span ends after the response
	var got []otelcodes.Code
	for _, span := range o.spans.GetSpans() {
		if span.Name == "execute_tool getFilm" {
			got = append(got, span.Status.Code)
		}
	}
	if want := []otelcodes.Code{otelcodes.Unset, otelcodes.Error}; !slices.Equal(got, want) {
		t.Errorf("the statuses are %v, want %v", got, want)
	}
}

// No span has a value of a request, of the model or of the database.
func TestSpansHaveNoValues(t *testing.T) {
	t.Parallel()
	o := startVisited(t)
	o.exec(t, `ALTER TABLE film RENAME TO `+hostile)
	o.get(t, "/films/1").want(t, 503)
	o.Close()
	names := map[string]int{}
	for _, span := range o.spans.GetSpans() {
		names[span.Name]++
		if text := fmt.Sprintf("%+v", span); strings.Contains(strings.ToUpper(text), hostile) {
			t.Errorf("a span has a value: %s", text)
		}
		if span.Name == "film" && upstreamtest.Attributes(span)["db.response.status_code"] != "42P01" {
			t.Errorf("the failed statement is %+v", span)
		}
	}
	if names["createRental"] != 3 || names["film"] == 0 || names["askQuestion"] != 1 {
		t.Errorf("the spans are %v", names)
	}
}

// Lines of the log are left out at random, but not those of requests that fail, break off or take long.
func TestLogSampling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &logBuffer{}
		model := scripted{ask: func(ctx context.Context, q llm.Question, emit func(string) error) (llm.Result, error) {
			if q.Text == "long" {
				<-time.After(time.Second)
			}
			return says(nil, "There you are.").ask(ctx, q, emit)
		}}
		serve := func(skip float64, targets ...string) {
			s, err := server.New(server.Deps{
				Contract: loadContract(t), Store: struct{ server.Store }{}, Model: model, Credentials: server.Credentials{Token: token},
				Logger: slog.New(slog.NewJSONHandler(log, nil)), LogSkip: skip,
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, target := range targets {
				w := &timedRecorder{ResponseRecorder: httptest.NewRecorder()}
				s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
			}
		}
		serve(1, "/healthz", "/ai/ask?question=short", "/ai/ask?question=long", "/films?page=0", "/nowhere")
		var logged []string
		for _, found := range regexp.MustCompile(`"path":"([^"]+)","status":([0-9]+)`).FindAllStringSubmatch(log.String(), -1) {
			logged = append(logged, found[1]+" "+found[2])
		}
		if diff := cmp.Diff([]string{"/ai/ask 200", "/films 400", "/nowhere 404"}, logged); diff != "" {
			t.Errorf("the log (-want +got):\n%s", diff)
		}
		before := strings.Count(log.String(), "/healthz")
		serve(.5, slices.Repeat([]string{"/healthz"}, 2000)...)
		// The standard deviation is 22.
		if n := strings.Count(log.String(), "/healthz") - before; n < 800 || n > 1200 {
			t.Errorf("%d of 2000 lines were written, want about half", n)
		}
	})
}

// The line of a request follows the level and the attributes of the logger.
func TestLogLine(t *testing.T) {
	t.Parallel()
	for level, want := range map[slog.Level]int{slog.LevelInfo: 1, slog.LevelWarn: 0} {
		log := &logBuffer{}
		logger := slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: level})).With("instance", "a")
		s, err := server.New(server.Deps{Contract: loadContract(t), Store: struct{ server.Store }{}, Model: scripted{}, Logger: logger})
		if err != nil {
			t.Fatal(err)
		}
		s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/healthz", nil))
		line := regexp.MustCompile(`^\{"time":"[^"]+","level":"INFO","msg":"request","instance":"a","request_id":"[^"]+",.*"status":200,.*\}\n$`)
		if lines := strings.Count(log.String(), "\n"); lines != want || want == 1 && !line.MatchString(log.String()) {
			t.Errorf("%s: %q", level, log.String())
		}
	}
}

// Each metric that the alerts and the dashboard name is one that the server has.
func TestOperationsFiles(t *testing.T) {
	t.Parallel()
	text := startVisited(t).scrape(t, "")
	metric := regexp.MustCompile(`\b(?:pagila|go|process|gen_ai_client)_[a-z_]+\b`)
	exists := func(name string) bool {
		for _, suffix := range []string{"", "_bucket", "_count", "_sum"} {
			if strings.Contains(text, "\n# TYPE "+strings.TrimSuffix(name, suffix)+" ") {
				return true
			}
		}
		return false
	}
	for file, expressions := range map[string][]string{
		"alerts.yaml":            alertExpressions(t),
		"grafana/dashboard.json": dashboardExpressions(t),
	} {
		if len(expressions) < 10 {
			t.Errorf("%s has only %d expressions", file, len(expressions))
		}
		for _, expression := range expressions {
			for _, name := range metric.FindAllString(expression, -1) {
				if !exists(name) {
					t.Errorf("%s: there is no metric %s", file, name)
				}
			}
		}
	}
}

// alertExpressions returns the expressions of alerts.yaml.
func alertExpressions(t *testing.T) (expressions []string) {
	t.Helper()
	data, err := os.ReadFile("ops/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct{ Expr string }
		}
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			expressions = append(expressions, rule.Expr)
		}
	}
	return expressions
}

// dashboardExpressions returns the queries of the dashboard.
func dashboardExpressions(t *testing.T) (expressions []string) {
	t.Helper()
	data, err := os.ReadFile("ops/grafana/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(data, &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			expressions = append(expressions, target.Expr)
		}
	}
	return expressions
}
