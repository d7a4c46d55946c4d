package llm

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

// scope names this package to OpenTelemetry.
const scope = "example.com/pagila-api/llm"

// The attributes of OpenTelemetry's conventions for generative AI that are used here.
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
	// keyReason is our own: why a summary did not stand.
	keyReason = "pagila.llm.reason"
)

// operationChat is the conventions' name for what is done here.
const operationChat = "chat"

var (
	// secondBuckets and tokenBuckets are those of the conventions.
	secondBuckets = metric.WithExplicitBucketBoundaries(.01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
	tokenBuckets  = metric.WithExplicitBucketBoundaries(1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
)

// telemetry tells OpenTelemetry of each call of the model.
type telemetry struct {
	tracer     trace.Tracer
	content    bool                 // spans hold the messages
	common     []attribute.KeyValue // of every span and metric
	name       string               // of every span
	duration   metric.Float64Histogram
	firstChunk metric.Float64Histogram
	tokens     metric.Int64Histogram
	retries    metric.Int64Counter
	refusals   metric.Int64Counter
}

// newTelemetry makes the instruments. The configuration is complete, the model's name included.
func newTelemetry(cfg *Config) (*telemetry, error) {
	tracers, meters := cfg.TracerProvider, cfg.MeterProvider
	if tracers == nil {
		tracers = tracenoop.NewTracerProvider()
	}
	if meters == nil {
		meters = metricnoop.NewMeterProvider()
	}
	t := &telemetry{
		tracer: tracers.Tracer(scope), content: cfg.RecordContent, name: operationChat + " " + cfg.Model,
		common: []attribute.KeyValue{
			attribute.String(keyOperation, operationChat),
			attribute.String(keyProvider, cfg.Provider),
			attribute.String(keyRequestModel, cfg.Model),
		},
	}
	meter := meters.Meter(scope)
	var errs [5]error
	t.duration, errs[0] = meter.Float64Histogram("gen_ai.client.operation.duration", secondBuckets,
		metric.WithUnit("s"), metric.WithDescription("Time of a call of the language model, retries included."))
	t.firstChunk, errs[1] = meter.Float64Histogram("gen_ai.client.operation.time_to_first_chunk", secondBuckets,
		metric.WithUnit("s"), metric.WithDescription("Time from a call of the language model to the first text of its answer."))
	t.tokens, errs[2] = meter.Int64Histogram("gen_ai.client.token.usage", tokenBuckets,
		metric.WithUnit("{token}"), metric.WithDescription("Tokens of a call of the language model, by type."))
	t.retries, errs[3] = meter.Int64Counter("pagila.llm.retries",
		metric.WithUnit("{retry}"), metric.WithDescription("Requests sent again, by what had failed."))
	t.refusals, errs[4] = meter.Int64Counter("pagila.llm.verification.failures",
		metric.WithUnit("{reply}"), metric.WithDescription("Summaries of the model that did not stand, by reason."))
	return t, errors.Join(errs[:]...)
}

// refused counts a summary that did not stand.
func (t *telemetry) refused(ctx context.Context, c *complaint) {
	t.refusals.Add(ctx, 1, metric.WithAttributes(t.with(attribute.String(keyReason, c.reason))...))
}

// with is the common attributes and some more.
func (t *telemetry) with(more ...attribute.KeyValue) []attribute.KeyValue {
	return append(t.common[:len(t.common):len(t.common)], more...)
}

// modelCall is one call of the model as it is told of.
type modelCall struct {
	*telemetry
	span    trace.Span
	started time.Time
	chunks  bool // some text has come
}

// begin starts the span of a call. A negative temperature is one that is not sent.
func (t *telemetry) begin(ctx context.Context, messages []llms.MessageContent, maxTokens int, temperature float64) (context.Context, *modelCall) {
	attributes := t.with(attribute.Int(keyRequestLimit, maxTokens))
	if temperature >= 0 {
		attributes = append(attributes, attribute.Float64(keyTemperature, temperature))
	}
	if t.content {
		attributes = append(attributes, attribute.String(keyInput, recorded(messages)))
	}
	ctx, span := t.tracer.Start(ctx, t.name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	return ctx, &modelCall{telemetry: t, span: span, started: time.Now()}
}

// chunk is called for each piece of text, of which the first one counts.
func (c *modelCall) chunk(ctx context.Context) {
	if c.chunks {
		return
	}
	c.chunks = true
	c.firstChunk.Record(ctx, time.Since(c.started).Seconds(), metric.WithAttributes(c.common...))
}

// end ends the span. The response is nil where there is none.
func (c *modelCall) end(ctx context.Context, resp *llms.ContentResponse, retries []Kind, err error) {
	defer c.span.End()
	for _, kind := range retries {
		c.retries.Add(ctx, 1, metric.WithAttributes(c.with(attribute.String(keyErrorType, string(kind)))...))
	}
	attributes := c.with()
	if resp != nil {
		attributes = c.response(ctx, resp)
	}
	if err != nil {
		kind := errorType(err)
		attributes = append(attributes, attribute.String(keyErrorType, kind))
		c.span.SetAttributes(attribute.String(keyErrorType, kind))
		c.span.SetStatus(codes.Error, kind)
	}
	c.duration.Record(ctx, time.Since(c.started).Seconds(), metric.WithAttributes(attributes...))
}

// response records what the response says, and returns the metrics' attributes.
func (c *modelCall) response(ctx context.Context, resp *llms.ContentResponse) []attribute.KeyValue {
	choice := resp.Choices[0]
	// The guard always sets these three.
	model, _ := choice.GenerationInfo[infoModel].(string)
	input, _ := choice.GenerationInfo[infoPromptTokens].(int)
	output, _ := choice.GenerationInfo[infoCompletionTokens].(int)
	c.span.SetAttributes(attribute.String(keyResponseModel, model), attribute.StringSlice(keyFinishReasons, []string{choice.StopReason}))
	if c.content {
		c.span.SetAttributes(attribute.String(keyOutput, recorded([]llms.MessageContent{llms.TextParts(llms.ChatMessageTypeAI, choice.Content)})))
	}
	attributes := c.with(attribute.String(keyResponseModel, model))
	if input+output > 0 { // else the upstream did not say
		c.span.SetAttributes(attribute.Int(keyUsageInput, input), attribute.Int(keyUsageOutput, output))
		for tokenType, n := range map[string]int{"input": input, "output": output} {
			c.tokens.Record(ctx, int64(n), metric.WithAttributes(append(attributes[:len(attributes):len(attributes)], attribute.String(keyUsageType, tokenType))...))
		}
	}
	return attributes
}

// errorType is the kind of an error. One that is not the model's is the caller's own.
func errorType(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return string(e.Kind)
	}
	return "caller"
}

// recorded writes messages in the form of the conventions.
func recorded(messages []llms.MessageContent) string {
	type part struct {
		Type    string `json:"type"`
		Content string `json:"content"`
	}
	type recordedMessage struct {
		Role  string `json:"role"`
		Parts []part `json:"parts"`
	}
	roles := map[llms.ChatMessageType]string{llms.ChatMessageTypeHuman: "user", llms.ChatMessageTypeAI: "assistant"}
	out := make([]recordedMessage, len(messages))
	for i, m := range messages {
		out[i] = recordedMessage{cmp.Or(roles[m.Role], string(m.Role)), []part{{"text", messageText(m)}}}
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return "" // texts alone
	}
	return string(raw)
}
