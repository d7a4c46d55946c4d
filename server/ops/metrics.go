package ops

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/trace"
)

// The buckets have a bound at each objective in the README: the share below any other duration would only be an estimate.
var (
	requestBuckets    = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	firstChunkBuckets = []float64{.05, .1, .25, .5, 1, 2, 3, 5, 10, 20, 30, 60}
	statementBuckets  = []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}
	waitBuckets       = []float64{.00001, .0001, .001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}
)

// Build says what the program was built from.
type Build struct {
	Version string // of the contract
	Commit  string
}

// Metrics are the program's metrics. They implement the observers of packages server and store. The instruments of
// OpenTelemetry, which are those of the language model, are read by the Reader. The number of time series depends on the
// contract and on the statements, not on requests.
type Metrics struct {
	registry *prometheus.Registry
	otel     *prometheus.Registry // the instruments of OpenTelemetry
	reader   sdkmetric.Reader

	inFlight   prometheus.Gauge
	requests   *requests
	toolCalls  *requests
	streams    prometheus.Gauge
	chunks     prometheus.Counter
	firstChunk prometheus.Histogram
	waiting    prometheus.Gauge
	wait       prometheus.Histogram
	replicas   *prometheus.GaugeVec
	statements *children[string, statement]
}

// NewMetrics makes the metrics, in registries of their own.
func NewMetrics(build Build) (*Metrics, error) {
	registry, otel := prometheus.NewRegistry(), prometheus.NewRegistry()
	reader, err := otelprometheus.New(otelprometheus.WithRegisterer(otel),
		otelprometheus.WithoutScopeInfo(), otelprometheus.WithoutTargetInfo())
	if err != nil {
		return nil, fmt.Errorf("export OpenTelemetry's metrics to Prometheus: %w", err)
	}
	m := &Metrics{
		registry:  registry,
		otel:      otel,
		reader:    reader,
		inFlight:  gauge("pagila_http_requests_in_flight", "HTTP requests that have not ended yet."),
		requests:  newRequests(registry, "pagila_http_requests_total", "pagila_http_request_duration_seconds", "HTTP requests"),
		toolCalls: newRequests(registry, "pagila_tool_calls_total", "pagila_tool_call_duration_seconds", "calls of tools by the language model and by MCP clients"),
		streams:   gauge("pagila_streams_open", "Answers of the language model that are being streamed."),
		chunks: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "pagila_stream_chunks_total", Help: "Chunks of streamed answers that have been sent.",
		}),
		firstChunk: histogram("pagila_stream_first_chunk_seconds", "Time from a request to the first text of its streamed answer.", firstChunkBuckets),
		waiting:    gauge("pagila_db_connections_waiting", "Calls that wait for a connection to the database."),
		wait:       histogram("pagila_db_connection_wait_seconds", "Time that calls have waited until they had a connection to the database.", waitBuckets),
		replicas: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "pagila_replica_in_use", Help: "1 if reads use the replica, 0 if it is left out.",
		}, []string{"replica"}),
		statements: newStatements(registry),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "pagila_build_info", Help: "What the program was built from. The value is 1.",
		ConstLabels: prometheus.Labels{"version": build.Version, "commit": build.Commit, "go_version": runtime.Version()},
	})
	info.Set(1)
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), info,
		m.inFlight, m.streams, m.chunks, m.firstChunk, m.waiting, m.wait, m.replicas)
	return m, nil
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
}

// Reader reads the instruments of OpenTelemetry for /metrics. It is for a MeterProvider.
func (m *Metrics) Reader() sdkmetric.Reader { return m.reader }

// Gatherer returns the metrics that are not instruments of OpenTelemetry.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// AddPool adds the statistics of a pool of connections (go_sql_…). Each pool has a name of its own.
func (m *Metrics) AddPool(name string, db *sql.DB) {
	m.registry.MustRegister(collectors.NewDBStatsCollector(db, name))
}

func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(prometheus.Gatherers{m.registry, m.otel}, promhttp.HandlerOpts{Registry: m.registry, EnableOpenMetrics: true})
}

// RequestBegan counts a request in flight.
func (m *Metrics) RequestBegan() { m.inFlight.Inc() }

// RequestEnded counts and measures a request.
func (m *Metrics) RequestEnded(ctx context.Context, operation, outcome string, status int, took time.Duration) {
	m.inFlight.Dec()
	m.requests.ended(ctx, operation, outcome, status, took)
}

// ToolCalled counts and measures the call of a tool.
func (m *Metrics) ToolCalled(ctx context.Context, operation, outcome string, status int, took time.Duration) {
	m.toolCalls.ended(ctx, operation, outcome, status, took)
}

// StreamBegan counts an open stream.
func (m *Metrics) StreamBegan() { m.streams.Inc() }

// StreamEnded uncounts an open stream.
func (m *Metrics) StreamEnded() { m.streams.Dec() }

// ChunkSent counts a chunk.
func (m *Metrics) ChunkSent() { m.chunks.Inc() }

// FirstChunkSent measures the time to the first chunk.
func (m *Metrics) FirstChunkSent(ctx context.Context, took time.Duration) {
	observe(ctx, m.firstChunk, took)
}

// ConnectionWanted counts a call that waits for a connection.
func (m *Metrics) ConnectionWanted() { m.waiting.Inc() }

// ConnectionAcquired measures how long a call has waited, unless it has given up.
func (m *Metrics) ConnectionAcquired(ctx context.Context, waited time.Duration, ok bool) {
	m.waiting.Dec()
	if ok {
		observe(ctx, m.wait, waited)
	}
}

// ReplicaInUse says whether reads use the replica at an address.
func (m *Metrics) ReplicaInUse(address string, inUse bool) {
	value := 0.0
	if inUse {
		value = 1
	}
	m.replicas.WithLabelValues(address).Set(value)
}

// StatementExecuted measures a statement.
func (m *Metrics) StatementExecuted(ctx context.Context, name string, took time.Duration, ok bool) {
	s := m.statements.get(name)
	observe(ctx, s.duration, took)
	if !ok {
		s.errors.Inc()
	}
}

// observe adds a duration to a histogram, with the trace as an exemplar if there is one that a collector gets.
func observe(ctx context.Context, h prometheus.Observer, d time.Duration) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() && span.SpanContext().IsSampled() {
		if e, ok := h.(prometheus.ExemplarObserver); ok {
			e.ObserveWithExemplar(d.Seconds(), prometheus.Labels{"trace_id": span.SpanContext().TraceID().String()})
			return
		}
	}
	h.Observe(d.Seconds())
}

// statement is what is measured of the statements with a name.
type statement struct {
	duration prometheus.Observer
	errors   prometheus.Counter
}

func newStatements(registry *prometheus.Registry) *children[string, statement] {
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "pagila_db_statement_duration_seconds", Buckets: statementBuckets,
		Help: "Time of a round trip to the database, by the name of its statements.",
	}, []string{"statement"})
	failed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pagila_db_statement_errors_total", Help: "Round trips to the database that ended with an error.",
	}, []string{"statement"})
	registry.MustRegister(durations, failed)
	return newChildren(func(name string) statement {
		return statement{durations.WithLabelValues(name), failed.WithLabelValues(name)}
	})
}

// requests are the metrics of requests, by operation.
type requests struct {
	count     *children[outcome, prometheus.Counter]
	durations *children[string, [len(classes)]prometheus.Observer]
}

// classes are the classes of statuses. A response has no status below 200.
var classes = [...]string{"2xx", "3xx", "4xx", "5xx"}

// outcome is how a request has ended.
type outcome struct {
	operation, outcome string
	class              int // the index in classes
}

// noOperation is the label of a request without an operation, for which Prometheus would otherwise have no label.
const noOperation = "none"

func newRequests(registry *prometheus.Registry, counter, duration, what string) *requests {
	count := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: counter, Help: "The number of " + what + ", by operation, class of the status, and outcome: success or the code of the problem.",
	}, []string{"operation", "status", "outcome"})
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: duration, Buckets: requestBuckets, Help: "How long " + what + " have taken, by operation and class of the status.",
	}, []string{"operation", "status"})
	registry.MustRegister(count, durations)
	return &requests{
		count: newChildren(func(o outcome) prometheus.Counter {
			return count.WithLabelValues(labelOf(o.operation), classes[o.class], o.outcome)
		}),
		// All classes at once, so that the first error of an operation is an increase, and not a new time series.
		durations: newChildren(func(operation string) (all [len(classes)]prometheus.Observer) {
			for i, class := range classes {
				all[i] = durations.WithLabelValues(labelOf(operation), class)
			}
			return all
		}),
	}
}

func labelOf(operation string) string {
	if operation == "" {
		return noOperation
	}
	return operation
}

func (r *requests) ended(ctx context.Context, operation, how string, status int, took time.Duration) {
	class := min(max(status/100-2, 0), len(classes)-1)
	r.count.get(outcome{operation, how, class}).Inc()
	observe(ctx, r.durations.get(operation)[class], took)
}

// children are the children of a vector of metrics. Unlike the vector's own methods, get allocates nothing for a child
// that exists.
type children[K comparable, T any] struct {
	mu      sync.RWMutex
	made    map[K]T
	makeNew func(K) T
}

func newChildren[K comparable, T any](makeNew func(K) T) *children[K, T] {
	return &children[K, T]{made: map[K]T{}, makeNew: makeNew}
}

// get returns the child with these labels.
func (c *children[K, T]) get(labels K) T {
	c.mu.RLock()
	child, ok := c.made[labels]
	c.mu.RUnlock()
	if ok {
		return child
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	child = c.makeNew(labels) // the vector returns the same one to a concurrent caller
	c.made[labels] = child
	return child
}
