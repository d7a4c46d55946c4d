package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.26.0"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// flushTimeout is how long the last spans and metrics may take to be sent. A collector that is away
// does not hold up the end.
const flushTimeout = 3 * time.Second

// telemetry sends spans and metrics to an OpenTelemetry collector, or nowhere.
type telemetry struct {
	traces  trace.TracerProvider
	metrics metric.MeterProvider
	close   func() error
}

// newTelemetry sends by OTLP over HTTP to the collector at endpoint. Where that is "", it does
// nothing.
func newTelemetry(ctx context.Context, endpoint string, logger *slog.Logger) (*telemetry, error) {
	if endpoint == "" {
		return &telemetry{tracenoop.NewTracerProvider(), metricnoop.NewMeterProvider(), func() error { return nil }}, nil
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logger.Warn("the collector cannot be reached", "error", err) }))
	spans, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint+"/v1/traces"))
	if err != nil {
		return nil, fmt.Errorf("export spans: %w", err)
	}
	measurements, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(endpoint+"/v1/metrics"))
	if err != nil {
		return nil, fmt.Errorf("export metrics: %w", err)
	}
	service := resource.NewSchemaless(semconv.ServiceName("pagila-api"))
	traces := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans), sdktrace.WithResource(service))
	metrics := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(measurements)), sdkmetric.WithResource(service))
	return &telemetry{traces, metrics, func() error {
		// Not the caller's context: that one is over when the program is told to stop.
		ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
		defer cancel()
		return errors.Join(traces.Shutdown(ctx), metrics.Shutdown(ctx))
	}}, nil
}
