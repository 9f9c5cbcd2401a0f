package telemetry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// Outcomes of operations.
const (
	outcomeOK          = "ok"
	outcomeClientError = "client_error"
	outcomeUnavailable = "unavailable"
	outcomeInternal    = "internal"
)

// The codes that decide an outcome. Every other one is the client's doing.
const (
	codeInternal    = "INTERNAL"
	codeUnavailable = "SERVICE_UNAVAILABLE"
)

// measures are the instruments. docs/operations explains each.
type measures struct {
	meter                                           metric.Meter
	httpDuration, clientDuration, operationDuration metric.Float64Histogram
	cost                                            metric.Int64Histogram
	active                                          metric.Int64UpDownCounter
	operations, errors, sessions, lookups           metric.Int64Counter
	poolConnections, poolMax                        metric.Int64ObservableGauge
	poolWaits, poolGaveUp                           metric.Int64ObservableCounter
	poolWaited                                      metric.Float64ObservableCounter
}

// maker makes instruments and keeps what goes wrong.
type maker struct {
	meter metric.Meter
	errs  []error
}

// newMeasures makes the instruments. Without a provider they measure nothing.
func newMeasures(provider *sdkmetric.MeterProvider) (*measures, error) {
	m := maker{meter: metricnoop.NewMeterProvider().Meter(scope)}
	if provider != nil {
		m.meter = provider.Meter(scope)
	}
	made := &measures{
		meter:             m.meter,
		httpDuration:      m.seconds("http.server.request.duration", "Time to answer an HTTP request"),
		clientDuration:    m.seconds("http.client.request.duration", "Time that the auth server took to answer"),
		operationDuration: m.seconds("taskql.graphql.operation.duration", "Time to execute a GraphQL operation"),
		operations:        m.counter("taskql.graphql.operations", "GraphQL operations executed"),
		errors:            m.counter("taskql.graphql.errors", "Errors in GraphQL answers"),
		sessions:          m.counter("taskql.sessions", "Requests by what became of their session"),
		lookups:           m.counter("taskql.session_cache.lookups", "Looks into the cache of sessions"),
	}
	var err error
	made.cost, err = m.meter.Int64Histogram("taskql.graphql.operation.cost", metric.WithDescription("Cost of a GraphQL operation"),
		metric.WithExplicitBucketBoundaries(1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000))
	m.keep(err)
	made.active, err = m.meter.Int64UpDownCounter("http.server.active_requests", metric.WithDescription("HTTP requests under way"))
	m.keep(err)
	made.poolConnections, err = m.meter.Int64ObservableGauge("taskql.db.pool.connections", metric.WithDescription("Open connections to the database"))
	m.keep(err)
	made.poolMax, err = m.meter.Int64ObservableGauge("taskql.db.pool.connections.limit", metric.WithDescription("The most connections to the database"))
	m.keep(err)
	made.poolWaits, err = m.meter.Int64ObservableCounter("taskql.db.pool.waits", metric.WithDescription("Waits for a free connection"))
	m.keep(err)
	made.poolGaveUp, err = m.meter.Int64ObservableCounter("taskql.db.pool.given_up", metric.WithDescription("Calls that had no connection in time"))
	m.keep(err)
	made.poolWaited, err = m.meter.Float64ObservableCounter("taskql.db.pool.wait_time", metric.WithUnit("s"), metric.WithDescription("Time spent waiting for a free connection"))
	m.keep(err)
	if err := errors.Join(m.errs...); err != nil {
		return nil, fmt.Errorf("making the instruments: %w", err)
	}
	return made, nil
}

func (m *maker) keep(err error) {
	if err != nil {
		m.errs = append(m.errs, err)
	}
}

func (m *maker) counter(name, what string) metric.Int64Counter {
	counter, err := m.meter.Int64Counter(name, metric.WithDescription(what))
	m.keep(err)
	return counter
}

func (m *maker) seconds(name, what string) metric.Float64Histogram {
	histogram, err := m.meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(what),
		metric.WithExplicitBucketBoundaries(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10))
	m.keep(err)
	return histogram
}

// Session counts a request by what became of its session: ok, or why it was refused; and by how it authenticated, empty
// where it did not. Both must be of few values.
func (t *Telemetry) Session(ctx context.Context, outcome, scheme string) {
	if t == nil {
		return
	}
	if scheme == "" {
		scheme = "none"
	}
	t.measures.sessions.Add(ctx, 1, metric.WithAttributeSet(attribute.NewSet(
		attribute.String("outcome", outcome), attribute.String("scheme", scheme))))
}

// CacheLookup counts a look into the cache of sessions by its result, which must be of few values.
func (t *Telemetry) CacheLookup(result string) {
	if t == nil {
		return
	}
	t.measures.lookups.Add(context.Background(), 1, metric.WithAttributeSet(attribute.NewSet(attribute.String("result", result))))
}

// WatchPool measures a pool whenever metrics are read. AcquireTimeouts is how many calls had no connection in time so far.
func (t *Telemetry) WatchPool(stats func() sql.DBStats, gaveUp func() int64) error {
	if t == nil {
		return nil
	}
	m := t.measures
	state := func(s string) metric.MeasurementOption { return metric.WithAttributes(attribute.String("state", s)) }
	used, idle := state("used"), state("idle")
	_, err := m.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := stats()
		o.ObserveInt64(m.poolConnections, int64(s.InUse), used)
		o.ObserveInt64(m.poolConnections, int64(s.Idle), idle)
		o.ObserveInt64(m.poolMax, int64(s.MaxOpenConnections))
		o.ObserveInt64(m.poolWaits, s.WaitCount)
		o.ObserveInt64(m.poolGaveUp, gaveUp())
		o.ObserveFloat64(m.poolWaited, s.WaitDuration.Seconds())
		return nil
	}, m.poolConnections, m.poolMax, m.poolWaits, m.poolGaveUp, m.poolWaited)
	if err != nil {
		return fmt.Errorf("measuring the pool: %w", err)
	}
	return nil
}

// Answered counts the errors of one GraphQL answer by their codes, which must be of few values, and notes what the
// operation cost, where that is known.
func (t *Telemetry) Answered(ctx context.Context, codes []string, cost int) {
	if t == nil {
		return
	}
	for _, code := range codes {
		t.measures.errors.Add(ctx, 1, metric.WithAttributeSet(attribute.NewSet(attribute.String("code", code))))
	}
	if cost > 0 {
		t.measures.cost.Record(ctx, int64(cost))
	}
}

// outcomeOf is the worst of the codes.
func outcomeOf(codes []string) string {
	outcome := outcomeOK
	for _, code := range codes {
		switch {
		case code == codeInternal:
			return outcomeInternal
		case code == codeUnavailable:
			outcome = outcomeUnavailable
		case outcome == outcomeOK:
			outcome = outcomeClientError
		}
	}
	return outcome
}

// executed measures an operation that ran.
func (m *measures) executed(ctx context.Context, kind, name, outcome string, took time.Duration) {
	byType, byOutcome := attribute.String("type", kind), attribute.String("outcome", outcome)
	m.operations.Add(ctx, 1, metric.WithAttributeSet(attribute.NewSet(byType, byOutcome, attribute.String("name", name))))
	m.operationDuration.Record(ctx, took.Seconds(), metric.WithAttributeSet(attribute.NewSet(byType, byOutcome)))
}
