package upstreamtest

import (
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// Telemetry records what a model reports to OpenTelemetry.
type Telemetry struct {
	Traces  *trace.TracerProvider
	Metrics *metric.MeterProvider
	spans   *tracetest.InMemoryExporter
	metrics *metric.ManualReader
}

// NewTelemetry makes an empty record.
func NewTelemetry() *Telemetry {
	t := &Telemetry{spans: tracetest.NewInMemoryExporter(), metrics: metric.NewManualReader()}
	t.Traces = trace.NewTracerProvider(trace.WithSyncer(t.spans))
	t.Metrics = metric.NewMeterProvider(metric.WithReader(t.metrics))
	return t
}

// Spans returns the spans so far.
func (t *Telemetry) Spans() tracetest.SpanStubs { return t.spans.GetSpans() }

// Attributes are the attributes of a span.
func Attributes(s tracetest.SpanStub) map[string]any {
	out := map[string]any{}
	for _, a := range s.Attributes {
		out[string(a.Key)] = a.Value.AsInterface()
	}
	return out
}

// Points returns the metrics. Each key is a name with its attributes, and each value is how often it
// was measured or counted. It fails the test if a metric lacks one of the common attributes.
func (t *Telemetry) Points(tb testing.TB) map[string]int64 {
	tb.Helper()
	var all metricdata.ResourceMetrics
	if err := t.metrics.Collect(tb.Context(), &all); err != nil {
		tb.Fatal(err)
	}
	out := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			for _, p := range points(tb, m) {
				checkCommon(tb, m.Name, p.Attributes)
				own, _ := p.Attributes.Filter(func(a attribute.KeyValue) bool {
					return !strings.HasPrefix(string(a.Key), "gen_ai.") || a.Key == "gen_ai.token.type"
				})
				out[m.Name+" "+own.Encoded(attribute.DefaultEncoder())] += p.Value
			}
		}
	}
	return out
}

// points are the points of a metric: the number of durations, the sum of tokens, or a counter.
func points(tb testing.TB, m metricdata.Metrics) []metricdata.DataPoint[int64] {
	tb.Helper()
	var out []metricdata.DataPoint[int64]
	switch data := m.Data.(type) {
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			out = append(out, metricdata.DataPoint[int64]{Attributes: p.Attributes, Value: int64(p.Count)}) //nolint:gosec // a few calls
		}
	case metricdata.Histogram[int64]:
		for _, p := range data.DataPoints {
			out = append(out, metricdata.DataPoint[int64]{Attributes: p.Attributes, Value: p.Sum})
		}
	case metricdata.Sum[int64]:
		return data.DataPoints
	default:
		tb.Errorf("%s is a %T", m.Name, data)
	}
	return out
}

// checkCommon fails the test if a metric lacks one of the attributes that all have.
func checkCommon(tb testing.TB, name string, set attribute.Set) {
	tb.Helper()
	for _, common := range []attribute.Key{"gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model"} {
		if _, ok := set.Value(common); !ok {
			tb.Errorf("%s has no %s", name, common)
		}
	}
}
