package telemetry

import (
	"context"
	"errors"
	"net/http"
	"path"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// HTTPConfig configures HTTP.
type HTTPConfig struct {
	// Route returns the route of a request, one of few, or "" for an unknown path.
	Route func(*http.Request) string
	// Silent reports whether a request gets no span.
	Silent func(*http.Request) bool
	// Record returns a writer to be used instead of w, and a function that returns the status that was sent through it, or 0.
	Record func(w http.ResponseWriter) (http.ResponseWriter, func() int)
}

// HTTP returns a middleware that measures requests and starts a span for each.
//
// otelhttp would put the path, the Host header, the client's address and its User-Agent into spans, and the first two into
// metrics. Clients choose these, so that their number has no bound.
func (t *Telemetry) HTTP(c HTTPConfig) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if t == nil {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, method, route := r.Context(), methodOf(r), c.Route(r)
			span := trace.Span(nil)
			if t.tracing && !c.Silent(r) {
				ctx, span = t.startServerSpan(ctx, r.Header, method, route)
			}
			t.instruments.active.Add(ctx, 1)
			recorder, sent := c.Record(w)
			start, unsent := time.Now(), http.StatusInternalServerError // If the handler panics.
			defer func() {
				status := sent()
				if status == 0 {
					status = unsent
				}
				t.instruments.active.Add(ctx, -1)
				t.instruments.httpDuration.Record(ctx, time.Since(start).Seconds(), metric.WithAttributeSet(attribute.NewSet(
					attribute.String("http.request.method", method), attribute.String("http.route", route), attribute.Int("http.response.status_code", status))))
				endServerSpan(span, status)
			}()
			next.ServeHTTP(recorder, r.WithContext(ctx))
			unsent = http.StatusOK // net/http sends it if the handler wrote nothing.
		})
	}
}

// startServerSpan starts a request's span. Its parent is the span that the traceparent header names. The tracestate header is
// ignored, because it is any text.
func (t *Telemetry) startServerSpan(ctx context.Context, header http.Header, method, route string) (context.Context, trace.Span) {
	incoming := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(header)))
	if incoming.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, incoming.WithTraceState(trace.TraceState{}))
	}
	name := method
	if route != "" {
		name += " " + route
	}
	return t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", method), attribute.String("http.route", route)))
}

// endServerSpan ends a request's span, unless it is nil.
func endServerSpan(span trace.Span, status int) {
	if span == nil {
		return
	}
	span.SetAttributes(attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// methodOf returns the request's method if it is a usual one, and "_OTHER" otherwise: clients may send any text.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	default:
		return "_OTHER"
	}
}

// Transport returns a RoundTripper that measures requests to the auth server by the last element of their path, such as
// get-session, jwks or ok. It sends a traceparent header.
func (t *Telemetry) Transport(inner http.RoundTripper) http.RoundTripper {
	if t == nil {
		return inner
	}
	return transport{RoundTripper: inner, telemetry: t}
}

type transport struct {
	http.RoundTripper

	telemetry *Telemetry
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	name := path.Base(r.URL.Path)
	ctx, span := t.telemetry.tracer.Start(r.Context(), name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("http.request.method", r.Method), attribute.String("url.template", name)))
	defer span.End()
	r = r.Clone(ctx) // A RoundTripper must not change its request.
	if t.telemetry.tracing {
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(r.Header))
	}
	start := time.Now()
	res, err := t.RoundTripper.RoundTrip(r)
	var outcome attribute.KeyValue
	if err != nil {
		outcome = attribute.String("error.type", errorType(err))
	} else {
		outcome = attribute.Int("http.response.status_code", res.StatusCode)
	}
	if err != nil || res.StatusCode >= http.StatusBadRequest {
		span.SetStatus(codes.Error, "")
	}
	span.SetAttributes(outcome)
	t.telemetry.instruments.clientDuration.Record(ctx, time.Since(start).Seconds(), metric.WithAttributeSet(attribute.NewSet(
		attribute.String("http.request.method", r.Method), attribute.String("url.template", name), outcome)))
	return res, err
}

// errorType names an error without its text, which contains addresses.
func errorType(err error) string {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	default:
		return "error"
	}
}
