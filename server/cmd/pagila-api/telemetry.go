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

// flushTimeout limits the time for sending the last spans and metrics, so that a collector that is down
// does not delay the end of the program.
const flushTimeout = 3 * time.Second

// telemetry sends spans and metrics to an OpenTelemetry collector, or nowhere.
type telemetry struct {
	traces  trace.TracerProvider
	metrics metric.MeterProvider
	closers []func(context.Context) error
}

// newTelemetry exports by OTLP over HTTP to the configured collector. Without one it does nothing. The
// library itself reads the specification's other variables (headers, sampling, intervals).
func newTelemetry(ctx context.Context, c config, logger *slog.Logger) (*telemetry, error) {
	t := &telemetry{traces: tracenoop.NewTracerProvider(), metrics: metricnoop.NewMeterProvider()}
	if !c.exports("TRACES") && !c.exports("METRICS") {
		return t, nil
	}
	for name, value := range c.otel { // the library does not read .env
		if err := os.Setenv(name, value); err != nil {
			return nil, fmt.Errorf("set up OpenTelemetry: %w", err)
		}
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logger.Warn("the collector cannot be reached", "error", err) }))
	// A later attribute replaces an earlier one.
	service, err := resource.New(ctx, resource.WithAttributes(semconv.ServiceName("pagila-api")), resource.WithFromEnv())
	if err != nil {
		logger.Warn("a part of OTEL_RESOURCE_ATTRIBUTES is ignored", "error", err)
	}
	if c.exports("TRACES") {
		if err := t.exportTraces(ctx, service); err != nil {
			return nil, fmt.Errorf("export spans: %w", err)
		}
	}
	if c.exports("METRICS") {
		if err := t.exportMetrics(ctx, service); err != nil {
			return nil, fmt.Errorf("export metrics: %w", err)
		}
	}
	return t, nil
}

func (t *telemetry) exportTraces(ctx context.Context, service *resource.Resource) error {
	spans, err := otlptracehttp.New(ctx)
	if err != nil {
		return err
	}
	traces := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans), sdktrace.WithResource(service))
	t.traces, t.closers = traces, append(t.closers, traces.Shutdown)
	return nil
}

func (t *telemetry) exportMetrics(ctx context.Context, service *resource.Resource) error {
	measurements, err := otlpmetrichttp.New(ctx)
	if err != nil {
		return err
	}
	metrics := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(measurements)), sdkmetric.WithResource(service))
	t.metrics, t.closers = metrics, append(t.closers, metrics.Shutdown)
	return nil
}

// shutdown sends the last spans and metrics.
func (t *telemetry) shutdown(logger *slog.Logger) {
	// Not the caller's context, which is canceled when the program is told to stop.
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	var errs []error
	for _, closes := range t.closers {
		errs = append(errs, closes(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		logger.Warn("the last spans and metrics were lost", "error", err)
	}
}

// exports reports whether a signal, TRACES or METRICS, is exported.
func (c config) exports(signal string) bool {
	if strings.EqualFold(c.otel["OTEL_SDK_DISABLED"], "true") || c.otel["OTEL_"+signal+"_EXPORTER"] == "none" {
		return false
	}
	return c.OTLPEndpoint != "" || c.otel["OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT"] != ""
}

// checkOTel checks the variables of OpenTelemetry, and returns warnings about those that have no effect.
func (c config) checkOTel(m *mistakes) (warnings []string) {
	for _, signal := range []string{"", "TRACES_", "METRICS_"} {
		name := "OTEL_EXPORTER_OTLP_" + signal + "ENDPOINT"
		if c.otel[name] != "" {
			u, err := url.Parse(c.otel[name])
			switch {
			case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
				m.add(fmt.Errorf("%s is not a URL such as http://localhost:4318", name))
			case u.RawQuery != "" || u.Fragment != "":
				warnings = append(warnings, name+" has a query or a fragment, which is not sent: put a key into OTEL_EXPORTER_OTLP_HEADERS")
			}
		}
		if protocol := c.otel["OTEL_EXPORTER_OTLP_"+signal+"PROTOCOL"]; protocol != "" && protocol != "http/protobuf" {
			warnings = append(warnings, "OTEL_EXPORTER_OTLP_"+signal+"PROTOCOL is not supported: the server sends http/protobuf")
		}
	}
	return warnings
}
