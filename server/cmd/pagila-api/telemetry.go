package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/contrib/propagators/autoprop"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.26.0"
	"go.opentelemetry.io/otel/trace"

	"example.com/pagila-api/server/ops"
)

// flushTimeout limits the time for sending the last spans and metrics, so that a collector that is down
// does not delay the end of the program.
const flushTimeout = 3 * time.Second

// telemetry measures the program, and sends spans and metrics to an OpenTelemetry collector or nowhere.
type telemetry struct {
	metrics    *ops.Metrics
	meters     *sdkmetric.MeterProvider // of the language model
	traces     trace.TracerProvider     // nil if spans are not exported
	propagator propagation.TextMapPropagator
	closers    []func(context.Context) error
}

// startTelemetry makes the telemetry, and serves OPS_ADDR until it is shut down.
func startTelemetry(ctx context.Context, c config, version string, level *slog.LevelVar, logger *slog.Logger) (*telemetry, error) {
	t, err := newTelemetry(ctx, c, version, logger)
	if err != nil {
		return nil, err
	}
	if err := t.serveOps(ctx, c, level, logger); err != nil {
		t.shutdown(logger)
		return nil, err
	}
	return t, nil
}

// newTelemetry makes the metrics and what exports them. The variables of OpenTelemetry are read by its own library
// alone, except for those that the library leaves to the program (see exports).
func newTelemetry(ctx context.Context, c config, version string, logger *slog.Logger) (t *telemetry, err error) {
	t = &telemetry{}
	if t.metrics, err = ops.NewMetrics(ops.Build{Version: version, Commit: commit()}); err != nil {
		return nil, err
	}
	for name, value := range c.otel { // the library does not read .env
		if err := os.Setenv(name, value); err != nil {
			return nil, fmt.Errorf("set up OpenTelemetry: %w", err)
		}
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logger.Warn("OpenTelemetry has a problem", "error", err) }))
	// A later attribute replaces an earlier one.
	service, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(semconv.ServiceName("pagila-api"), semconv.ServiceVersion(version)), resource.WithFromEnv())
	if err != nil {
		logger.Warn("a part of OTEL_RESOURCE_ATTRIBUTES is ignored", "error", err)
	}
	if c.otel["OTEL_PROPAGATORS"] != "" {
		t.propagator = autoprop.NewTextMapPropagator()
	}
	if err := t.exportTraces(ctx, c, service); err != nil {
		return nil, fmt.Errorf("export spans (OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_PROTOCOL): %w", err)
	}
	if err := t.exportMetrics(ctx, c, service); err != nil {
		return nil, fmt.Errorf("export metrics (OTEL_METRICS_EXPORTER, OTEL_EXPORTER_OTLP_PROTOCOL): %w", err)
	}
	return t, nil
}

func (t *telemetry) exportTraces(ctx context.Context, c config, service *resource.Resource) error {
	if !c.exports("TRACES") {
		return nil
	}
	spans, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return err
	}
	traces := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans), sdktrace.WithResource(service))
	t.traces, t.closers = traces, append(t.closers, traces.Shutdown)
	return nil
}

// exportMetrics makes the instruments of OpenTelemetry. They are always read for /metrics. A collector gets all of the
// program's metrics.
func (t *telemetry) exportMetrics(ctx context.Context, c config, service *resource.Resource) error {
	options := []sdkmetric.Option{sdkmetric.WithResource(service), sdkmetric.WithReader(t.metrics.Reader())}
	if c.exports("METRICS") {
		autoexport.WithFallbackMetricProducer(func(context.Context) (sdkmetric.Producer, error) {
			return prometheus.NewMetricProducer(prometheus.WithGatherer(t.metrics.Gatherer())), nil
		})
		reader, err := autoexport.NewMetricReader(ctx)
		if err != nil {
			return err
		}
		options = append(options, sdkmetric.WithReader(reader))
	}
	t.meters = sdkmetric.NewMeterProvider(options...)
	t.closers = append(t.closers, t.meters.Shutdown)
	return nil
}

// shutdown stops serving OPS_ADDR, and sends the last spans and metrics.
func (t *telemetry) shutdown(logger *slog.Logger) {
	// Not the caller's context, which is canceled when the program is told to stop.
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	errs := make([]error, len(t.closers))
	var closing sync.WaitGroup
	for i, closes := range t.closers { // at once, because each may need all of the time
		closing.Go(func() { errs[i] = closes(ctx) })
	}
	closing.Wait()
	if err := errors.Join(errs...); err != nil {
		logger.Warn("the last spans and metrics were lost", "error", err)
	}
}

// opsOff is the value of OPS_ADDR that turns the operations address off.
const opsOff = "off"

// serveOps serves OPS_ADDR. In development the program continues without it if the address cannot be used, so that two
// servers with the default address can run on one machine.
func (t *telemetry) serveOps(ctx context.Context, c config, level *slog.LevelVar, logger *slog.Logger) error {
	if c.OpsAddr == opsOff {
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.OpsAddr)
	switch {
	case err == nil:
		operations := ops.Start(listener, t.metrics, level, logger)
		t.closers = append(t.closers, func(context.Context) error { return operations.Close() })
		logger.Info("serving operators", "address", listener.Addr().String())
		return nil
	case c.production():
		return fmt.Errorf("listen on OPS_ADDR: %w", err)
	default:
		logger.Warn("there are no metrics: OPS_ADDR cannot be used", "error", err)
		return nil
	}
}

// exports reports whether a signal, TRACES or METRICS, is exported. The specification's default is to export to a
// collector on this machine. Most machines have none, and the library would report that again and again, so here an
// endpoint or an exporter has to be set. The library for Go leaves OTEL_SDK_DISABLED to the program.
func (c config) exports(signal string) bool {
	exporter := c.otel["OTEL_"+signal+"_EXPORTER"]
	if strings.EqualFold(c.otel["OTEL_SDK_DISABLED"], "true") || exporter == "none" {
		return false
	}
	return exporter != "" || c.OTLPEndpoint != "" || c.otel["OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT"] != ""
}

// checkOTel checks what the library does not: it silently replaces a malformed endpoint by one on this machine.
func (c config) checkOTel(m *mistakes) (warnings []string) {
	for _, signal := range []string{"", "TRACES_", "METRICS_"} {
		name := "OTEL_EXPORTER_OTLP_" + signal + "ENDPOINT"
		if c.otel[name] == "" {
			continue
		}
		u, err := url.Parse(c.otel[name])
		switch {
		case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
			m.add(fmt.Errorf("%s is not a URL such as http://localhost:4318", name))
		case u.RawQuery != "" || u.Fragment != "":
			warnings = append(warnings, name+" has a query or a fragment, which is not sent: put a key into OTEL_EXPORTER_OTLP_HEADERS")
		}
	}
	return warnings
}
