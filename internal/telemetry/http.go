package telemetry

import (
	"context"
	"errors"
	"net/http"
	"path"
	"time"

	"github.com/felixge/httpsnoop"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// HTTP returns a middleware that measures requests and opens a span for each. The route is one of few, or empty for a
// path that is none; what silent says gets no span. otelhttp would put the path, the Host header, the client's address
// and its User-Agent into spans, and the first two into metrics: texts of strangers', without bound.
func (t *Telemetry) HTTP(route func(*http.Request) string, silent func(*http.Request) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if t == nil {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, method, to := r.Context(), methodOf(r), route(r)
			span := trace.Span(nil)
			if t.tracing && !silent(r) {
				ctx, span = t.serverSpan(ctx, r.Header, method, to)
			}
			t.measures.active.Add(ctx, 1)
			status, start := 0, time.Now()
			defer func() {
				if status == 0 {
					status = http.StatusInternalServerError // A panic on its way to the server.
				}
				t.measures.active.Add(ctx, -1)
				t.measures.httpDuration.Record(ctx, time.Since(start).Seconds(), metric.WithAttributeSet(attribute.NewSet(
					attribute.String("http.request.method", method), attribute.String("http.route", to), attribute.Int("http.response.status_code", status))))
				endServerSpan(span, status)
			}()
			next.ServeHTTP(noteStatus(w, &status), r.WithContext(ctx))
			if status == 0 {
				status = http.StatusOK // What net/http sends for a handler that wrote nothing.
			}
		})
	}
}

// serverSpan opens a request's span, below the one that traceparent names. Its tracestate is a stranger's text and left
// behind.
func (t *Telemetry) serverSpan(ctx context.Context, header http.Header, method, route string) (context.Context, trace.Span) {
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

// noteStatus notes the first final status.
func noteStatus(w http.ResponseWriter, status *int) http.ResponseWriter {
	return httpsnoop.Wrap(w, httpsnoop.Hooks{
		WriteHeader: func(write httpsnoop.WriteHeaderFunc) httpsnoop.WriteHeaderFunc {
			return func(code int) {
				if *status == 0 && code >= http.StatusOK {
					*status = code
				}
				write(code)
			}
		},
		Write: func(write httpsnoop.WriteFunc) httpsnoop.WriteFunc {
			return func(b []byte) (int, error) {
				if *status == 0 {
					*status = http.StatusOK
				}
				return write(b)
			}
		},
	})
}

// methodOf is the method, where it is a usual one: clients may send any.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	default:
		return "_OTHER"
	}
}

// Transport measures the questions to the auth server, by the last element of their path: get-session, jwks, ok. The auth
// server gets the traceparent.
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
	r = r.Clone(ctx) // A RoundTripper must not change the request it is given.
	if t.telemetry.tracing {
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(r.Header))
	}
	start := time.Now()
	res, err := t.RoundTripper.RoundTrip(r)
	var outcome attribute.KeyValue
	if err != nil {
		outcome = attribute.String("error.type", failure(err)) // Its text holds the address.
	} else {
		outcome = attribute.Int("http.response.status_code", res.StatusCode)
	}
	if err != nil || res.StatusCode >= http.StatusBadRequest {
		span.SetStatus(codes.Error, "")
	}
	span.SetAttributes(outcome)
	t.telemetry.measures.clientDuration.Record(ctx, time.Since(start).Seconds(), metric.WithAttributeSet(attribute.NewSet(
		attribute.String("http.request.method", r.Method), attribute.String("url.template", name), outcome)))
	return res, err
}

// failure names an error without its text.
func failure(err error) string {
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
