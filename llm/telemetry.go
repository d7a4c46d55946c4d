package llm

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"example.com/pagila-api/llm/upstream"
)

// newRejectionCounter makes the counter of summaries that failed a check.
func newRejectionCounter(meters metric.MeterProvider) (metric.Int64Counter, error) {
	if meters == nil {
		meters = noop.NewMeterProvider()
	}
	return meters.Meter(upstream.Scope).Int64Counter("pagila.llm.verification.failures",
		metric.WithUnit("{reply}"), metric.WithDescription("Summaries of the model that failed a check, by reason."))
}

// countRejection counts a summary that failed a check.
func (c *Client) countRejection(ctx context.Context, reason string) {
	attributes := append(c.model.MetricAttributes(), attribute.String("pagila.llm.reason", reason))
	c.rejection.Add(ctx, 1, metric.WithAttributes(attributes...))
}
