package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
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

// newTelemetry sends by OTLP over HTTP to the collector of c. Without one it does nothing. The
// library reads the specification's other variables (headers, sampling, intervals) itself.
func newTelemetry(ctx context.Context, c config, logger *slog.Logger) (*telemetry, error) {
	t := &telemetry{traces: tracenoop.NewTracerProvider(), metrics: metricnoop.NewMeterProvider()}
	var shutdown []func(context.Context) error
	t.close = func() error {
		// Not the caller's context: that one is over when the program is told to stop.
		ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
		defer cancel()
		var errs []error
		for _, f := range shutdown {
			errs = append(errs, f(ctx))
		}
		return errors.Join(errs...)
	}
	if !c.exports("TRACES") && !c.exports("METRICS") {
		return t, nil
	}
	for name, value := range c.otel { // the library reads no .env
		if err := os.Setenv(name, value); err != nil {
			return nil, fmt.Errorf("set up OpenTelemetry: %w", err)
		}
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logger.Warn("the collector cannot be reached", "error", err) }))
	// A later attribute replaces an earlier one.
	service, err := resource.New(ctx, resource.WithAttributes(semconv.ServiceName("pagila-api")), resource.WithFromEnv())
	if err != nil {
		logger.Warn("OTEL_RESOURCE_ATTRIBUTES is used in part", "error", err)
	}
	if c.exports("TRACES") {
		spans, err := otlptracehttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("export spans: %w", err)
		}
		traces := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans), sdktrace.WithResource(service))
		t.traces, shutdown = traces, append(shutdown, traces.Shutdown)
	}
	if c.exports("METRICS") {
		measurements, err := otlpmetrichttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("export metrics: %w", err)
		}
		metrics := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(measurements)), sdkmetric.WithResource(service))
		t.metrics, shutdown = metrics, append(shutdown, metrics.Shutdown)
	}
	return t, nil
}

// exports tells whether a signal, TRACES or METRICS, is sent anywhere.
func (c config) exports(signal string) bool {
	if strings.EqualFold(c.otel["OTEL_SDK_DISABLED"], "true") || c.otel["OTEL_"+signal+"_EXPORTER"] == "none" {
		return false
	}
	return c.OTLPEndpoint != "" || c.otel["OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT"] != ""
}

// checkOTel returns what is wrong with the variables of OpenTelemetry, and what has no effect.
func (c config) checkOTel() (errs []error, warnings []string) {
	for _, signal := range []string{"", "TRACES_", "METRICS_"} {
		name := "OTEL_EXPORTER_OTLP_" + signal + "ENDPOINT"
		if c.otel[name] != "" {
			u, err := url.Parse(c.otel[name])
			switch {
			case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
				errs = append(errs, fmt.Errorf("%s is not a URL such as http://localhost:4318", name))
			case u.RawQuery != "" || u.Fragment != "":
				warnings = append(warnings, name+" has a query or a fragment, which is not sent: a key goes into OTEL_EXPORTER_OTLP_HEADERS")
			}
		}
		if protocol := c.otel["OTEL_EXPORTER_OTLP_"+signal+"PROTOCOL"]; protocol != "" && protocol != "http/protobuf" {
			warnings = append(warnings, "OTEL_EXPORTER_OTLP_"+signal+"PROTOCOL is not supported: the server sends http/protobuf")
		}
	}
	return errs, warnings
}
