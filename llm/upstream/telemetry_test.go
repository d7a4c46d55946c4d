package upstream_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"example.com/pagila-api/llm/upstream"
	"example.com/pagila-api/llm/upstream/upstreamtest"
)

// observedModel is a model at a server, with what it reports.
func observedModel(t *testing.T, provider string, content bool, scripts ...script) (*upstream.Model, *upstreamtest.Telemetry) {
	t.Helper()
	reported := upstreamtest.NewTelemetry()
	s := listen(t, scripts...)
	return newModel(t, upstream.Config{
		Provider: provider, Model: "m", APIKey: key, BaseURL: s.URL, OllamaHost: s.URL, RecordContent: content,
		TracerProvider: reported.Traces, MeterProvider: reported.Metrics,
	}), reported
}

func TestTelemetry(t *testing.T) {
	t.Parallel()
	for provider, answer := range map[string]script{
		"openai": raw(eventHead + delta("He") + delta("llo") + finish("stop") + usageEvent + done),
		"ollama": raw(lineHead + line("He") + line("llo") + lastLine("stop")), // without events
	} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			c, reported := observedModel(t, provider, false, status(503, "Retry-After-Ms: 1\r\n", ""), answer)
			if _, _, err := ask(bounded(t), c); err != nil {
				t.Fatal(err)
			}
			spans := reported.Spans()
			if len(spans) != 1 || spans[0].Name != "chat m" || spans[0].SpanKind != trace.SpanKindClient || spans[0].Status.Code != codes.Unset {
				t.Fatalf("the spans are %+v", spans)
			}
			want := map[string]any{
				"gen_ai.operation.name": "chat", "gen_ai.provider.name": provider, "gen_ai.request.model": "m",
				"gen_ai.request.max_tokens": int64(800), "gen_ai.request.temperature": 0.2, "gen_ai.response.model": "m-1",
				"gen_ai.response.finish_reasons": []string{"stop"}, "gen_ai.usage.input_tokens": int64(11), "gen_ai.usage.output_tokens": int64(3),
			}
			if diff := cmp.Diff(want, upstreamtest.Attributes(spans[0])); diff != "" {
				t.Errorf("the attributes (-want +got):\n%s", diff)
			}
			wantPoints := map[string]int64{
				"gen_ai.client.operation.duration ":                  1,
				"gen_ai.client.operation.time_to_first_chunk ":       1,
				"gen_ai.client.token.usage gen_ai.token.type=input":  11,
				"gen_ai.client.token.usage gen_ai.token.type=output": 3,
				"pagila.llm.retries error.type=unavailable":          1,
			}
			if diff := cmp.Diff(wantPoints, reported.Points(t)); diff != "" {
				t.Errorf("the metrics (-want +got):\n%s", diff)
			}
		})
	}
}

// Each failure has one span with its error.type.
func TestTelemetryOfFailures(t *testing.T) {
	t.Parallel()
	full := errors.New("the client is gone")
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
			c, reported := observedModel(t, "openai", false, test.script)
			emit := test.emit
			if emit == nil {
				emit = func(string) error { return nil }
			}
			if _, err := generate(bounded(t), c, emit); err == nil {
				t.Fatal("no error")
			}
			spans := reported.Spans()
			if len(spans) != 1 || spans[0].Status.Code != codes.Error || upstreamtest.Attributes(spans[0])["error.type"] != want {
				t.Errorf("the spans are %+v, want one with error.type %s", spans, want)
			}
			if points := reported.Points(t); points["gen_ai.client.operation.duration error.type="+want] != 1 {
				t.Errorf("the metrics are %v", points)
			}
		})
	}
}

// A span ends even if the caller's function panics.
func TestTelemetryOfPanic(t *testing.T) {
	t.Parallel()
	c, reported := observedModel(t, "openai", false, raw(eventHead+delta("He")+finish("stop")+done))
	func() {
		defer func() { _ = recover() }() // the panic of this test
		_, err := generate(bounded(t), c, func(string) error { panic("abort") })
		t.Errorf("no panic, the error is %v", err)
	}()
	if spans := reported.Spans(); len(spans) != 1 || upstreamtest.Attributes(spans[0])["error.type"] != "caller" {
		t.Errorf("the spans are %+v", spans)
	}
}

// The spans contain the prompt and the answer only if that is switched on.
func TestRecordContent(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{false, true} {
		c, reported := observedModel(t, "openai", on, raw(eventHead+delta("Hello")+finish("stop")+done))
		if _, _, err := ask(bounded(t), c); err != nil {
			t.Fatal(err)
		}
		got := upstreamtest.Attributes(reported.Spans()[0])
		input, _ := got["gen_ai.input.messages"].(string)
		output, _ := got["gen_ai.output.messages"].(string)
		if strings.Contains(input, "Which film is it?") != on || (output == `[{"role":"assistant","parts":[{"type":"text","content":"Hello"}]}]`) != on {
			t.Errorf("switched on: %t; the attributes are %v", on, got)
		}
	}
}
