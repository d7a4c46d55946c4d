package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Observer is told what a Store does, for metrics. Its methods are called concurrently and on the path of every call,
// so they have to be fast. A context has the span of the request that the call is a part of, if there is one.
type Observer interface {
	// ConnectionWanted says that a call begins to wait for a connection.
	ConnectionWanted()
	// ConnectionAcquired says that the call no longer waits: it has a connection, or has given up.
	ConnectionAcquired(ctx context.Context, waited time.Duration, ok bool)
	// StatementExecuted says how long a statement has taken, from sending it to the last of its rows. Statements that
	// are sent in one round trip have one name together, because the time of each cannot be told from here. The name is
	// a constant of this package, such as films.page.
	StatementExecuted(ctx context.Context, name string, took time.Duration, ok bool)
}

// unobserved is the Observer of a Store without one.
type unobserved struct{}

func (unobserved) ConnectionWanted()                                              {}
func (unobserved) ConnectionAcquired(context.Context, time.Duration, bool)        {}
func (unobserved) StatementExecuted(context.Context, string, time.Duration, bool) {}

// scope is the name of the instrumentation scope of the package's spans.
const scope = "example.com/pagila-api/store"

// The attributes of OpenTelemetry's conventions for databases.
var system = attribute.String("db.system.name", "postgresql")

const (
	keySummary   = "db.query.summary"
	keyBatchSize = "db.operation.batch.size"
	keyStatus    = "db.response.status_code"
	keyErrorType = "error.type"
)

// observation is a round trip that is being observed.
type observation struct {
	ctx   context.Context
	store *Store
	name  string
	start time.Time
	span  trace.Span // nil unless the request is traced
}

// observe begins an observation of some statements with one name. A span begins only within the span of a request
// that is recorded, so it costs nothing otherwise. The span has neither the text nor the arguments.
func (s *Store) observe(ctx context.Context, name string, statements int) observation {
	o := observation{ctx: ctx, store: s, name: name, start: time.Now()}
	if parent := trace.SpanFromContext(ctx); parent.IsRecording() {
		attributes := []attribute.KeyValue{system, attribute.String(keySummary, name)}
		if statements > 1 {
			attributes = append(attributes, attribute.Int(keyBatchSize, statements))
		}
		_, o.span = parent.TracerProvider().Tracer(scope).Start(ctx, name,
			trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(o.start), trace.WithAttributes(attributes...))
	}
	return o
}

// end ends the observation.
func (o observation) end(err error) {
	o.store.observer.StatementExecuted(o.ctx, o.name, time.Since(o.start), err == nil)
	if o.span == nil {
		return
	}
	if err != nil {
		o.fail(err)
	}
	o.span.End()
}

// fail marks the span as failed. It leaves out the message, which may quote values.
func (o observation) fail(err error) {
	kind := "client" // such as a lost connection or a deadline
	var response *pgconn.PgError
	if errors.As(err, &response) {
		kind = response.Code
		o.span.SetAttributes(attribute.String(keyStatus, kind))
	}
	o.span.SetAttributes(attribute.String(keyErrorType, kind))
	o.span.SetStatus(otelcodes.Error, kind)
}
