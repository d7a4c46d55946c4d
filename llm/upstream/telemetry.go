package upstream

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/tmc/langchaingo/llms"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// Scope is the name of the instrumentation scope of all telemetry about language models.
const Scope = "example.com/pagila-api/llm"

// The attributes of OpenTelemetry's conventions for generative AI.
const (
	keyOperation     = "gen_ai.operation.name"
	keyProvider      = "gen_ai.provider.name"
	keyRequestModel  = "gen_ai.request.model"
	keyRequestLimit  = "gen_ai.request.max_tokens"
	keyTemperature   = "gen_ai.request.temperature"
	keyResponseModel = "gen_ai.response.model"
	keyFinishReasons = "gen_ai.response.finish_reasons"
	keyUsageInput    = "gen_ai.usage.input_tokens"
	keyUsageOutput   = "gen_ai.usage.output_tokens"
	keyUsageType     = "gen_ai.token.type"
	keyInput         = "gen_ai.input.messages"
	keyOutput        = "gen_ai.output.messages"
	keyErrorType     = "error.type"

	// The conventions count neither the tools that are offered nor the calls of an answer.
	keyTools     = "pagila.llm.tools"
	keyToolCalls = "pagila.llm.tool_calls"
)

// operationChat is the operation's name in the conventions.
const operationChat = "chat"

var (
	// The buckets are those of the conventions.
	secondBuckets = metric.WithExplicitBucketBoundaries(.01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
	tokenBuckets  = metric.WithExplicitBucketBoundaries(1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
)

// telemetry reports each call of the model to OpenTelemetry.
type telemetry struct {
	tracer     trace.Tracer
	content    bool                 // spans contain the messages
	common     []attribute.KeyValue // of every span and metric
	name       string               // of every span
	duration   metric.Float64Histogram
	firstChunk metric.Float64Histogram
	tokens     metric.Int64Histogram
	retries    metric.Int64Counter
}

// newTelemetry makes the instruments. The configuration is complete, including the model's name.
func newTelemetry(cfg *Config) (*telemetry, error) {
	tracers, meters := cfg.TracerProvider, cfg.MeterProvider
	if tracers == nil {
		tracers = tracenoop.NewTracerProvider()
	}
	if meters == nil {
		meters = metricnoop.NewMeterProvider()
	}
	t := &telemetry{
		tracer: tracers.Tracer(Scope), content: cfg.RecordContent, name: operationChat + " " + cfg.Model,
		common: []attribute.KeyValue{
			attribute.String(keyOperation, operationChat),
			attribute.String(keyProvider, cfg.Provider),
			attribute.String(keyRequestModel, cfg.Model),
		},
	}
	meter := meters.Meter(Scope)
	var errs [4]error
	t.duration, errs[0] = meter.Float64Histogram("gen_ai.client.operation.duration", secondBuckets,
		metric.WithUnit("s"), metric.WithDescription("Time of a call of the language model, including retries."))
	t.firstChunk, errs[1] = meter.Float64Histogram("gen_ai.client.operation.time_to_first_chunk", secondBuckets,
		metric.WithUnit("s"), metric.WithDescription("Time from a call of the language model to the first text of its answer."))
	t.tokens, errs[2] = meter.Int64Histogram("gen_ai.client.token.usage", tokenBuckets,
		metric.WithUnit("{token}"), metric.WithDescription("Tokens of a call of the language model, by type."))
	t.retries, errs[3] = meter.Int64Counter("pagila.llm.retries",
		metric.WithUnit("{retry}"), metric.WithDescription("Requests sent again, by the reason."))
	return t, errors.Join(errs[:]...)
}

// with returns the common attributes and further ones.
func (t *telemetry) with(more ...attribute.KeyValue) []attribute.KeyValue {
	return append(t.common[:len(t.common):len(t.common)], more...)
}

// callSpan is the span of one call of the model.
type callSpan struct {
	*telemetry
	span    trace.Span
	started time.Time
	hasText bool // some text has arrived
}

// begin starts the span of a call. A negative temperature means that none is sent.
func (t *telemetry) begin(ctx context.Context, r Request, maxTokens int, temperature float64) (context.Context, *callSpan) {
	attributes := t.with(attribute.Int(keyRequestLimit, maxTokens))
	if len(r.Tools) > 0 {
		attributes = append(attributes, attribute.Int(keyTools, len(r.Tools)))
	}
	if temperature >= 0 {
		attributes = append(attributes, attribute.Float64(keyTemperature, temperature))
	}
	if t.content {
		attributes = append(attributes, attribute.String(keyInput, recorded(r.Messages)))
	}
	ctx, span := t.tracer.Start(ctx, t.name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	return ctx, &callSpan{telemetry: t, span: span, started: time.Now()}
}

// text is called for each chunk of text. Only the first one counts.
func (s *callSpan) text(ctx context.Context) {
	if s.hasText {
		return
	}
	s.hasText = true
	s.firstChunk.Record(ctx, time.Since(s.started).Seconds(), metric.WithAttributes(s.common...))
}

// end ends the span. The answer is zero if there is none.
func (s *callSpan) end(ctx context.Context, answer Answer, retries []Kind, err error) {
	defer s.span.End()
	for _, kind := range retries {
		s.retries.Add(ctx, 1, metric.WithAttributes(s.with(attribute.String(keyErrorType, string(kind)))...))
	}
	attributes := s.with()
	if answer.Model != "" {
		attributes = s.answer(ctx, answer)
	}
	if err != nil {
		kind := errorType(err)
		attributes = append(attributes, attribute.String(keyErrorType, kind))
		s.span.SetAttributes(attribute.String(keyErrorType, kind))
		s.span.SetStatus(codes.Error, kind)
	}
	s.duration.Record(ctx, time.Since(s.started).Seconds(), metric.WithAttributes(attributes...))
}

// answer records an answer, and returns the attributes for the metrics.
func (s *callSpan) answer(ctx context.Context, a Answer) []attribute.KeyValue {
	s.span.SetAttributes(attribute.String(keyResponseModel, a.Model), attribute.StringSlice(keyFinishReasons, []string{a.FinishReason}))
	if len(a.Calls) > 0 {
		s.span.SetAttributes(attribute.Int(keyToolCalls, len(a.Calls)))
	}
	if s.content {
		s.span.SetAttributes(attribute.String(keyOutput, recorded([]llms.MessageContent{a.message()})))
	}
	attributes := s.with(attribute.String(keyResponseModel, a.Model))
	if a.Usage == (Usage{}) {
		return attributes // the upstream does not report it
	}
	s.span.SetAttributes(attribute.Int(keyUsageInput, a.Usage.Prompt), attribute.Int(keyUsageOutput, a.Usage.Completion))
	for tokenType, n := range map[string]int{"input": a.Usage.Prompt, "output": a.Usage.Completion} {
		typed := append(attributes[:len(attributes):len(attributes)], attribute.String(keyUsageType, tokenType))
		s.tokens.Record(ctx, int64(n), metric.WithAttributes(typed...))
	}
	return attributes
}

// errorType is the kind of an error. An error that is not the model's is the caller's own.
func errorType(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return string(e.Kind)
	}
	return "caller"
}

// message is the answer as a message.
func (a Answer) message() llms.MessageContent {
	m := llms.MessageContent{Role: llms.ChatMessageTypeAI}
	if a.Text != "" {
		m.Parts = append(m.Parts, llms.TextContent{Text: a.Text})
	}
	for _, c := range a.Calls {
		m.Parts = append(m.Parts, llms.ToolCall{ID: c.ID, FunctionCall: &llms.FunctionCall{Name: c.Name, Arguments: string(c.Arguments)}})
	}
	return m
}

// recordedPart is a part of a message in the form of the conventions.
type recordedPart struct {
	Type      string `json:"type"`
	Content   string `json:"content,omitempty"`
	ID        string `json:"id,omitempty"`
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments,omitempty"`
	Response  string `json:"response,omitempty"`
}

// recorded writes messages in the form of the conventions.
func recorded(messages []llms.MessageContent) string {
	type recordedMessage struct {
		Role  string         `json:"role"`
		Parts []recordedPart `json:"parts"`
	}
	roles := map[llms.ChatMessageType]string{llms.ChatMessageTypeHuman: "user", llms.ChatMessageTypeAI: "assistant"}
	out := make([]recordedMessage, len(messages))
	for i, m := range messages {
		out[i] = recordedMessage{cmp.Or(roles[m.Role], string(m.Role)), recordedParts(m)}
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return "" // cannot happen with strings
	}
	return string(raw)
}

func recordedParts(m llms.MessageContent) []recordedPart {
	parts := []recordedPart{}
	for _, part := range m.Parts {
		switch p := part.(type) {
		case llms.TextContent:
			parts = append(parts, recordedPart{Type: "text", Content: p.Text})
		case llms.ToolCall:
			if p.FunctionCall != nil {
				parts = append(parts, recordedPart{Type: "tool_call", ID: p.ID, Name: p.FunctionCall.Name, Arguments: p.FunctionCall.Arguments})
			}
		case llms.ToolCallResponse:
			parts = append(parts, recordedPart{Type: "tool_call_response", ID: p.ToolCallID, Response: p.Content})
		}
	}
	return parts
}
