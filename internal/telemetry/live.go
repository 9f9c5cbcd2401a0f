package telemetry

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// liveInstruments are what is measured of streams and subscriptions.
type liveInstruments struct {
	streams                         metric.Int64UpDownCounter
	streamsEnded, deliveries, bytes metric.Int64Counter
	resets                          metric.Int64Counter
	delay, runs                     metric.Float64Histogram

	streamsLimit, subscriptions, subscriptionsLimit, behind, listening metric.Int64ObservableGauge
	timeouts, checks, hints, sweeps, unread                            metric.Int64ObservableCounter
}

func newLiveInstruments(b *builder) liveInstruments {
	i := liveInstruments{
		streamsEnded: b.counter("taskql.live.streams.ended", "Streams that have ended"),
		deliveries:   b.counter("taskql.live.deliveries", "Results of subscriptions that were sent"),
		resets:       b.counter("taskql.feed.resets", "Pages of changes that begin a copy"),
		delay:        b.seconds("taskql.live.delivery.delay", "Time from a change to the last client that was sent its result"),
		runs:         b.seconds("taskql.live.run.duration", "Time to read and encode a result of subscriptions"),

		streamsLimit:       b.gauge("taskql.live.streams.limit", "The most streams"),
		subscriptions:      b.gauge("taskql.live.subscriptions", "Subscriptions"),
		subscriptionsLimit: b.gauge("taskql.live.subscriptions.limit", "The most subscriptions"),
		behind:             b.gauge("taskql.live.subscriptions.behind", "Subscriptions that wait for a slow client"),
		listening:          b.gauge("taskql.live.listening", "1 while notifications of other replicas arrive"),
		timeouts:           b.watched("taskql.live.write_timeouts", "Streams that were closed because the client was too slow"),
		checks:             b.watched("taskql.live.session_checks", "Checks of the sessions of streams"),
		hints:              b.watched("taskql.live.hints", "Notifications between replicas, and what came of them"),
		sweeps:             b.watched("taskql.live.sweeps", "Statements that read the versions of watched workspaces"),
		unread:             b.watched("taskql.live.reads.failed", "Statements for the versions of watched workspaces that failed"),
	}
	var err error
	i.bytes, err = b.meter.Int64Counter("taskql.live.delivered", metric.WithUnit("By"), metric.WithDescription("Length of the results that were sent"))
	b.keep(err)
	i.streams, err = b.meter.Int64UpDownCounter("taskql.live.streams", metric.WithDescription("Open event streams and WebSockets"))
	b.keep(err)
	return i
}

// LiveStats are what is measured of streams and subscriptions whenever metrics are read. The keys of its maps must be few.
type LiveStats struct {
	StreamsLimit, SubscriptionsLimit int
	// Subscriptions are by their root field.
	Subscriptions map[string]int
	// Behind is how many of them wait for a slow client.
	Behind int
	// Timeouts counts the streams that were closed because the client was too slow.
	Timeouts int
	// Checks are the checks of streams' sessions by their outcome.
	Checks map[string]int64
	// Hints are events of notifications between replicas.
	Hints map[string]int64
	// Sweeps counts the statements that look for changes, and Unread those of all such statements that failed.
	Sweeps, Unread int64
	// Listening reports whether notifications arrive.
	Listening bool
}

// WatchLive measures streams and subscriptions whenever metrics are read.
func (t *Telemetry) WatchLive(stats func() LiveStats) error {
	if t == nil {
		return nil
	}
	i := &t.instruments.live
	_, err := t.instruments.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := stats()
		o.ObserveInt64(i.streamsLimit, int64(s.StreamsLimit))
		o.ObserveInt64(i.subscriptionsLimit, int64(s.SubscriptionsLimit))
		for field, n := range s.Subscriptions {
			o.ObserveInt64(i.subscriptions, int64(n), metric.WithAttributes(attribute.String("field", field)))
		}
		o.ObserveInt64(i.behind, int64(s.Behind))
		o.ObserveInt64(i.timeouts, int64(s.Timeouts))
		for outcome, n := range s.Checks {
			o.ObserveInt64(i.checks, n, metric.WithAttributes(attribute.String("outcome", outcome)))
		}
		for event, n := range s.Hints {
			o.ObserveInt64(i.hints, n, metric.WithAttributes(attribute.String("event", event)))
		}
		o.ObserveInt64(i.sweeps, s.Sweeps)
		o.ObserveInt64(i.unread, s.Unread)
		listening := int64(0)
		if s.Listening {
			listening = 1
		}
		o.ObserveInt64(i.listening, listening)
		return nil
	}, i.streamsLimit, i.subscriptions, i.subscriptionsLimit, i.behind, i.listening, i.timeouts, i.checks, i.hints, i.sweeps, i.unread)
	if err != nil {
		return fmt.Errorf("measuring subscriptions: %w", err)
	}
	return nil
}

// StreamOpened counts a stream by its transport, which must have few values.
func (t *Telemetry) StreamOpened(transport string) {
	if t != nil {
		t.instruments.live.streams.Add(context.Background(), 1, metric.WithAttributes(attribute.String("transport", transport)))
	}
}

// StreamEnded counts the end of a stream that StreamOpened has counted. The reason must have few values. If it is empty, the
// stream is only counted as no longer open.
func (t *Telemetry) StreamEnded(transport, reason string) {
	if t == nil {
		return
	}
	by := attribute.String("transport", transport)
	t.instruments.live.streams.Add(context.Background(), -1, metric.WithAttributes(by))
	if reason != "" {
		t.instruments.live.streamsEnded.Add(context.Background(), 1, metric.WithAttributes(by, attribute.String("reason", reason)))
	}
}

// Delivered counts a result that so many subscriptions of a root field were sent, and its bytes for all of them. It records the
// delay unless it is 0.
func (t *Telemetry) Delivered(field string, count, bytes int, delay time.Duration) {
	if t == nil {
		return
	}
	ctx, by := context.Background(), metric.WithAttributeSet(attribute.NewSet(attribute.String("field", field)))
	t.instruments.live.deliveries.Add(ctx, int64(count), by)
	t.instruments.live.bytes.Add(ctx, int64(bytes), by)
	if delay > 0 {
		t.instruments.live.delay.Record(ctx, delay.Seconds(), by)
	}
}

// FeedResets counts pages of changes that begin a copy, by the reason, which must have few values. A count of 0 makes alerts see the
// first page too: they don't know what a counter was before it existed.
func (t *Telemetry) FeedResets(reason string, count int) {
	if t != nil {
		t.instruments.live.resets.Add(context.Background(), int64(count), metric.WithAttributes(attribute.String("reason", reason)))
	}
}

// SubscriptionRun starts a span for a result of subscriptions to a root field. The returned function ends it, with the fault if
// there was one.
func (t *Telemetry) SubscriptionRun(ctx context.Context, field string) (context.Context, func(fault error)) {
	if t == nil {
		return ctx, func(error) {}
	}
	ctx, span := t.tracer.Start(ctx, "subscription run", trace.WithNewRoot(), trace.WithAttributes(attribute.String("graphql.field.name", field)))
	start := time.Now()
	return ctx, func(fault error) {
		outcome := outcomeOK
		if fault != nil {
			outcome = outcomeUnavailable
			span.SetStatus(codes.Error, "")
		}
		t.instruments.live.runs.Record(ctx, time.Since(start).Seconds(), metric.WithAttributeSet(attribute.NewSet(
			attribute.String("field", field), attribute.String("outcome", outcome))))
		span.SetAttributes(attribute.String("taskql.outcome", outcome))
		span.End()
	}
}

// SocketOperation starts a span for an operation over a WebSocket, as HTTP does for a request. The returned function ends it.
func (t *Telemetry) SocketOperation(ctx context.Context) (context.Context, func()) {
	if t == nil || !t.tracing {
		return ctx, func() {}
	}
	ctx, span := t.tracer.Start(ctx, "WebSocket operation", trace.WithSpanKind(trace.SpanKindServer))
	return ctx, func() { span.End() }
}
