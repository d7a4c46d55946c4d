package llm_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	apitrace "go.opentelemetry.io/otel/trace"

	"example.com/pagila-api/llm"
)

// watch is what a client tells OpenTelemetry.
type watch struct {
	spans   *tracetest.InMemoryExporter
	metrics *metric.ManualReader
}

// watchedClient is a client of an upstream, and what it tells.
func watchedClient(t *testing.T, provider string, content bool, scripts ...script) (*llm.Client, watch) {
	t.Helper()
	w := watch{tracetest.NewInMemoryExporter(), metric.NewManualReader()}
	u := listen(t, scripts...)
	return newClient(t, llm.Config{
		Provider: provider, Model: "m", APIKey: key, BaseURL: u.url, OllamaHost: u.url, RecordContent: content,
		TracerProvider: trace.NewTracerProvider(trace.WithSyncer(w.spans)),
		MeterProvider:  metric.NewMeterProvider(metric.WithReader(w.metrics)),
	}), w
}

// attributes are those of a span.
func attributes(s tracetest.SpanStub) map[string]any {
	out := map[string]any{}
	for _, a := range s.Attributes {
		out[string(a.Key)] = a.Value.AsInterface()
	}
	return out
}

// points are the metrics: each name with its attributes, and how often it was measured or counted.
func (w watch) points(t *testing.T) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := w.metrics.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	out := map[string]int64{}
	add := func(name string, set attribute.Set, n int64) {
		for _, common := range []attribute.Key{"gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model"} {
			if _, ok := set.Value(common); !ok {
				t.Errorf("%s has no %s", name, common)
			}
		}
		rest, _ := set.Filter(func(a attribute.KeyValue) bool {
			return !strings.HasPrefix(string(a.Key), "gen_ai.") || a.Key == "gen_ai.token.type"
		})
		out[name+" "+rest.Encoded(attribute.DefaultEncoder())] += n
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, int64(p.Count))
				}
			case metricdata.Histogram[int64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, p.Sum)
				}
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, p.Value)
				}
			default:
				t.Errorf("%s is a %T", m.Name, data)
			}
		}
	}
	return out
}

func TestTelemetry(t *testing.T) {
	t.Parallel()
	for provider, answer := range map[string]script{
		"openai": raw(eventHead + delta("He") + delta("llo") + finish("stop") + usageEvent + done),
		"ollama": raw(lineHead + line("He") + line("llo") + lastLine("stop")),
	} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			c, w := watchedClient(t, provider, false, status(503, "Retry-After-Ms: 1\r\n", ""), answer)
			if _, _, err := ask(bounded(t), c); err != nil {
				t.Fatal(err)
			}
			spans := w.spans.GetSpans()
			if len(spans) != 1 || spans[0].Name != "chat m" || spans[0].SpanKind != apitrace.SpanKindClient || spans[0].Status.Code != codes.Unset {
				t.Fatalf("the spans are %+v", spans)
			}
			want := map[string]any{
				"gen_ai.operation.name": "chat", "gen_ai.provider.name": provider, "gen_ai.request.model": "m",
				"gen_ai.request.max_tokens": int64(800), "gen_ai.request.temperature": 0.2, "gen_ai.response.model": "m-1",
				"gen_ai.response.finish_reasons": []string{"stop"}, "gen_ai.usage.input_tokens": int64(11), "gen_ai.usage.output_tokens": int64(3),
			}
			if diff := cmp.Diff(want, attributes(spans[0])); diff != "" {
				t.Errorf("the attributes (-want +got):\n%s", diff)
			}
			wantPoints := map[string]int64{
				"gen_ai.client.operation.duration ":                  1,
				"gen_ai.client.operation.time_to_first_chunk ":       1,
				"gen_ai.client.token.usage gen_ai.token.type=input":  11,
				"gen_ai.client.token.usage gen_ai.token.type=output": 3,
				"pagila.llm.retries error.type=unavailable":          1,
			}
			if diff := cmp.Diff(wantPoints, w.points(t)); diff != "" {
				t.Errorf("the metrics (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTelemetryOfFailures shows that each kind of failure has its error.type, and one span.
func TestTelemetryOfFailures(t *testing.T) {
	t.Parallel()
	full := errors.New("the client is full")
	for want, test := range map[string]struct {
		script script
		emit   func(string) error
	}{
		"auth":      {status(401, "", ""), nil},
		"truncated": {raw(eventHead + delta("He")), nil},
		"length":    {raw(eventHead + delta("He") + finish("length") + done), nil},
		"caller":    {raw(eventHead + delta("He") + finish("stop") + done), func(string) error { return full }},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			c, w := watchedClient(t, "openai", false, test.script)
			emit := test.emit
			if emit == nil {
				emit = func(string) error { return nil }
			}
			if _, err := c.Ask(bounded(t), llm.NewQuestion("?", nil), emit); err == nil {
				t.Fatal("no error")
			}
			spans := w.spans.GetSpans()
			if len(spans) != 1 || spans[0].Status.Code != codes.Error || attributes(spans[0])["error.type"] != want {
				t.Errorf("the spans are %+v, want one with error.type %s", spans, want)
			}
			if points := w.points(t); points["gen_ai.client.operation.duration error.type="+want] != 1 {
				t.Errorf("the metrics are %v", points)
			}
		})
	}
}

// TestTelemetryOfPanic has a handler that aborts. Its span ends all the same.
func TestTelemetryOfPanic(t *testing.T) {
	t.Parallel()
	c, w := watchedClient(t, "openai", false, raw(eventHead+delta("He")+finish("stop")+done))
	func() {
		defer func() { _ = recover() }() // the panic is this test's own
		_, err := c.Ask(bounded(t), llm.NewQuestion("?", nil), func(string) error { panic("abort") })
		t.Errorf("no panic, but %v", err)
	}()
	if spans := w.spans.GetSpans(); len(spans) != 1 || attributes(spans[0])["error.type"] != "caller" {
		t.Errorf("the spans are %+v", spans)
	}
}

// TestTelemetryOfRefusals counts why summaries did not stand.
func TestTelemetryOfRefusals(t *testing.T) {
	t.Parallel()
	for reason, reply := range map[string]string{
		"form":        `{}`,
		"schema":      `{"title":"ALIEN CENTER","rating":"X","recommended":true}`,
		"title":       `{"title":"OTHER","rating":"NC-17","recommended":true}`,
		"rating":      `{"title":"ALIEN CENTER","rating":"PG","recommended":true}`,
		"recommended": `{"title":"ALIEN CENTER","rating":"NC-17","recommended":false}`,
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			c, w := watchedClient(t, "openai", false, status(200, "", completion(reply, "stop")))
			_, _, err := c.Summarize(bounded(t), film())
			checkKind(t, err, llm.KindUnverified)
			points := w.points(t)
			if points["pagila.llm.verification.failures pagila.llm.reason="+reason] != 3 {
				t.Errorf("no three failures for %s in %v", reason, points)
			}
			if n := len(w.spans.GetSpans()); n != 3 {
				t.Errorf("%d spans, want one for each try", n)
			}
		})
	}
}

// TestRecordContent shows that what is asked and answered is in the spans only where that is switched on.
func TestRecordContent(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{false, true} {
		c, w := watchedClient(t, "openai", on, raw(eventHead+delta("Hello")+finish("stop")+done))
		if _, _, err := ask(bounded(t), c); err != nil {
			t.Fatal(err)
		}
		got := attributes(w.spans.GetSpans()[0])
		input, _ := got["gen_ai.input.messages"].(string)
		output, _ := got["gen_ai.output.messages"].(string)
		if strings.Contains(input, "Which film is it?") != on || (output == `[{"role":"assistant","parts":[{"type":"text","content":"Hello"}]}]`) != on {
			t.Errorf("switched on: %t; the attributes are %v", on, got)
		}
	}
}
