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

// The outcomes of operations.
const (
	outcomeOK          = "ok"
	outcomeClientError = "client_error"
	outcomeUnavailable = "unavailable"
	outcomeInternal    = "internal"
)

// The error codes that decide an outcome. Other codes are the client's errors.
const (
	codeInternal    = "INTERNAL"
	codeUnavailable = "SERVICE_UNAVAILABLE"
)

// instruments are what is measured. docs/operations/README.md explains each.
type instruments struct {
	meter                                           metric.Meter
	httpDuration, clientDuration, operationDuration metric.Float64Histogram
	cost                                            metric.Int64Histogram
	active                                          metric.Int64UpDownCounter
	operations, errors, sessions, lookups           metric.Int64Counter
	poolConnections, poolMax                        metric.Int64ObservableGauge
	poolWaits, poolTimeouts                         metric.Int64ObservableCounter
	poolWaited                                      metric.Float64ObservableCounter
	live                                            liveInstruments
	reminders                                       reminderInstruments
}

// builder makes instruments and collects the errors.
type builder struct {
	meter metric.Meter
	errs  []error
}

// newInstruments makes the instruments. Without a provider they measure nothing.
func newInstruments(provider *sdkmetric.MeterProvider) (*instruments, error) {
	b := builder{meter: metricnoop.NewMeterProvider().Meter(scope)}
	if provider != nil {
		b.meter = provider.Meter(scope)
	}
	i := &instruments{
		meter:             b.meter,
		httpDuration:      b.seconds("http.server.request.duration", "Time to answer an HTTP request"),
		clientDuration:    b.seconds("http.client.request.duration", "Time that the auth server took to answer"),
		operationDuration: b.seconds("taskql.graphql.operation.duration", "Time to execute a GraphQL operation"),
		operations:        b.counter("taskql.graphql.operations", "GraphQL operations executed"),
		errors:            b.counter("taskql.graphql.errors", "Errors in GraphQL answers"),
		sessions:          b.counter("taskql.sessions", "Requests by what became of their session"),
		lookups:           b.counter("taskql.session_cache.lookups", "Looks into the cache of sessions"),
		live:              newLiveInstruments(&b),
		reminders:         newReminderInstruments(&b),

		poolConnections: b.gauge("taskql.db.pool.connections", "Open connections to the database"),
		poolMax:         b.gauge("taskql.db.pool.connections.limit", "The most connections to the database"),
		poolWaits:       b.watched("taskql.db.pool.waits", "Waits for a free connection"),
		poolTimeouts:    b.watched("taskql.db.pool.given_up", "Calls that had no connection in time"),
	}
	var err error
	i.cost, err = b.meter.Int64Histogram("taskql.graphql.operation.cost", metric.WithDescription("Cost of a GraphQL operation"),
		metric.WithExplicitBucketBoundaries(1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000))
	b.keep(err)
	i.active, err = b.meter.Int64UpDownCounter("http.server.active_requests", metric.WithDescription("HTTP requests under way"))
	b.keep(err)
	i.poolWaited, err = b.meter.Float64ObservableCounter("taskql.db.pool.wait_time", metric.WithUnit("s"), metric.WithDescription("Time spent waiting for a free connection"))
	b.keep(err)
	if err := errors.Join(b.errs...); err != nil {
		return nil, fmt.Errorf("making the instruments: %w", err)
	}
	// An alert must see the first one, and doesn't know what a counter was before it existed.
	i.errors.Add(context.Background(), 0, metric.WithAttributes(attribute.String("code", codeInternal)))
	return i, nil
}

func (b *builder) keep(err error) {
	if err != nil {
		b.errs = append(b.errs, err)
	}
}

func (b *builder) counter(name, what string) metric.Int64Counter {
	counter, err := b.meter.Int64Counter(name, metric.WithDescription(what))
	b.keep(err)
	return counter
}

// gauge returns an instrument that is read whenever metrics are.
func (b *builder) gauge(name, what string) metric.Int64ObservableGauge {
	gauge, err := b.meter.Int64ObservableGauge(name, metric.WithDescription(what))
	b.keep(err)
	return gauge
}

// watched returns a counter that is read whenever metrics are.
func (b *builder) watched(name, what string) metric.Int64ObservableCounter {
	counter, err := b.meter.Int64ObservableCounter(name, metric.WithDescription(what))
	b.keep(err)
	return counter
}

func (b *builder) seconds(name, what string) metric.Float64Histogram {
	histogram, err := b.meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(what),
		metric.WithExplicitBucketBoundaries(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10))
	b.keep(err)
	return histogram
}

// Session counts a request by the outcome of its session, ok or the reason of the refusal, and by its scheme of authentication,
// or "". Both must have few values.
func (t *Telemetry) Session(ctx context.Context, outcome, scheme string) {
	if t == nil {
		return
	}
	if scheme == "" {
		scheme = "none"
	}
	t.instruments.sessions.Add(ctx, 1, metric.WithAttributeSet(attribute.NewSet(
		attribute.String("outcome", outcome), attribute.String("scheme", scheme))))
}

// CacheLookup counts a lookup in the cache of sessions by its result, which must have few values.
func (t *Telemetry) CacheLookup(result string) {
	if t == nil {
		return
	}
	t.instruments.lookups.Add(context.Background(), 1, metric.WithAttributeSet(attribute.NewSet(attribute.String("result", result))))
}

// WatchPool measures a pool whenever metrics are read. acquireTimeouts returns how many calls got no connection in time so far.
func (t *Telemetry) WatchPool(stats func() sql.DBStats, acquireTimeouts func() int64) error {
	if t == nil {
		return nil
	}
	i := t.instruments
	state := func(s string) metric.MeasurementOption { return metric.WithAttributes(attribute.String("state", s)) }
	used, idle := state("used"), state("idle")
	_, err := i.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := stats()
		o.ObserveInt64(i.poolConnections, int64(s.InUse), used)
		o.ObserveInt64(i.poolConnections, int64(s.Idle), idle)
		o.ObserveInt64(i.poolMax, int64(s.MaxOpenConnections))
		o.ObserveInt64(i.poolWaits, s.WaitCount)
		o.ObserveInt64(i.poolTimeouts, acquireTimeouts())
		o.ObserveFloat64(i.poolWaited, s.WaitDuration.Seconds())
		return nil
	}, i.poolConnections, i.poolMax, i.poolWaits, i.poolTimeouts, i.poolWaited)
	if err != nil {
		return fmt.Errorf("measuring the pool: %w", err)
	}
	return nil
}

// Answered counts the errors of a GraphQL response by their codes, which must have few values, and records the operation's
// cost unless it is 0.
func (t *Telemetry) Answered(ctx context.Context, codes []string, cost int) {
	if t == nil {
		return
	}
	for _, code := range codes {
		t.instruments.errors.Add(ctx, 1, metric.WithAttributeSet(attribute.NewSet(attribute.String("code", code))))
	}
	if cost > 0 {
		t.instruments.cost.Record(ctx, int64(cost))
	}
}

// outcomeOf returns the outcome that the worst of the codes stands for.
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

// recordOperation records an operation that was executed.
func (i *instruments) recordOperation(ctx context.Context, kind, name, outcome string, took time.Duration) {
	byType, byOutcome := attribute.String("type", kind), attribute.String("outcome", outcome)
	i.operations.Add(ctx, 1, metric.WithAttributeSet(attribute.NewSet(byType, byOutcome, attribute.String("name", name))))
	i.operationDuration.Record(ctx, took.Seconds(), metric.WithAttributeSet(attribute.NewSet(byType, byOutcome)))
}
