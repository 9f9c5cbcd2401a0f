// Package telemetry says what the server does: traces and metrics by OTLP over HTTP, where the standard OTEL_* variables
// ask for them, and metrics as Prometheus text. Where neither is asked for there is no Telemetry, and nothing of it runs.
//
// Nothing that a client chose reaches a span or a metric but the names of operations, bounded in number: no address, no
// header, no document, no statement's values, no error's text.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"golang.org/x/time/rate"
)

// scope names who measures.
const scope = "taskql"

// errorInterval is how often a collector that can't be reached is worth a line.
const errorInterval = time.Minute

// Config is what Start needs. Log is required.
type Config struct {
	// Environ decides, by its OTEL_* variables, what is sent where. The exporters read the variables of the process, so
	// it must be the process's own.
	Environ map[string]string
	// Version is the build's.
	Version string
	// Prometheus asks for Handler.
	Prometheus bool
	// Log gets a line where a collector can't be reached, at most one a minute.
	Log *slog.Logger
}

// Telemetry measures. Nil is one that is off: its methods return what they are given, or do nothing. It is safe for use
// by many goroutines. It must be shut down.
type Telemetry struct {
	tracing  bool
	traces   trace.TracerProvider
	tracer   trace.Tracer
	meters   *sdkmetric.MeterProvider
	measures *measures
	names    *names
	registry *prometheus.Registry
	shutdown []func(context.Context) error
}

// Start begins to measure what the configuration asks for. It returns nil where that is nothing. The error names the
// variable that is wrong. It sets OpenTelemetry's handler of errors, which is the process's: there is no other way to
// keep them in the log's format. It connects to nothing yet.
func Start(ctx context.Context, cfg Config) (*Telemetry, error) {
	want, err := parse(cfg.Environ)
	if err != nil {
		return nil, err
	}
	if !want.traces && !want.metrics && !cfg.Prometheus {
		return nil, nil //nolint:nilnil // Nil is a Telemetry that is off.
	}
	handleErrors(cfg.Log)
	about, err := describe(ctx, cfg)
	if err != nil {
		return nil, err
	}
	t := &Telemetry{names: newNames(maxNames), traces: noop.NewTracerProvider(), tracing: want.traces}
	if want.traces {
		if err := t.startTraces(ctx, about); err != nil {
			return nil, err
		}
	}
	t.tracer = t.traces.Tracer(scope)
	if want.metrics || cfg.Prometheus {
		if err := t.startMetrics(ctx, about, want.metrics, cfg.Prometheus); err != nil {
			return nil, errors.Join(err, t.Shutdown(ctx))
		}
	}
	if t.measures, err = newMeasures(t.meters); err != nil {
		return nil, errors.Join(err, t.Shutdown(ctx))
	}
	cfg.Log.LogAttrs(ctx, slog.LevelInfo, "telemetry", slog.Bool("otlp_traces", want.traces),
		slog.Bool("otlp_metrics", want.metrics), slog.Bool("prometheus", cfg.Prometheus))
	return t, nil
}

// Handler answers with the metrics as Prometheus text; nil where Config.Prometheus was not set. It is for operators only.
func (t *Telemetry) Handler() http.Handler {
	if t == nil || t.registry == nil {
		return nil
	}
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{})
}

// Shutdown sends what is not sent yet, and ends. The context bounds it.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	if t == nil {
		return nil
	}
	var errs []error
	for _, stop := range t.shutdown {
		errs = append(errs, stop(ctx))
	}
	return errors.Join(errs...)
}

// want is what the variables ask for.
type want struct{ traces, metrics bool }

// parse reads the variables that decide. What they say further is the exporters' business.
func parse(env map[string]string) (want, error) {
	if strings.EqualFold(env["OTEL_SDK_DISABLED"], "true") {
		return want{}, nil
	}
	traces, err := signal(env, "TRACES")
	if err != nil {
		return want{}, err
	}
	metrics, err := signal(env, "METRICS")
	return want{traces: traces, metrics: metrics}, err
}

// signal says whether a signal is to be sent, and refuses what could not be done.
func signal(env map[string]string, name string) (bool, error) {
	on := false
	switch variable := "OTEL_" + name + "_EXPORTER"; env[variable] {
	case "otlp":
		on = true
	case "":
		on = env["OTEL_EXPORTER_OTLP_ENDPOINT"] != "" || env["OTEL_EXPORTER_OTLP_"+name+"_ENDPOINT"] != ""
	case "none":
	default:
		return false, fmt.Errorf("%s must be otlp or none", variable)
	}
	if !on {
		return false, nil
	}
	for _, variable := range [...]string{"OTEL_EXPORTER_OTLP_" + name + "_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if protocol := env[variable]; protocol != "" {
			if protocol != "http/protobuf" {
				return false, fmt.Errorf("%s must be http/protobuf, whose usual port is 4318", variable)
			}
			break // The signal's own variable goes before the common one.
		}
	}
	return true, nil
}

// handleErrors writes OpenTelemetry's complaints, as of a collector that is away, into the log.
func handleErrors(log *slog.Logger) {
	sometimes := &rate.Sometimes{First: 1, Interval: errorInterval}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		sometimes.Do(func() {
			log.LogAttrs(context.Background(), slog.LevelWarn, "telemetry can't be sent", slog.String("error", err.Error()))
		})
	}))
}

// describe says what measures. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
func describe(ctx context.Context, cfg Config) (*resource.Resource, error) {
	attrs := []attribute.KeyValue{attribute.String("service.name", scope), attribute.String("service.version", cfg.Version)}
	if replica := cfg.Environ["RAILWAY_REPLICA_ID"]; replica != "" {
		attrs = append(attrs, attribute.String("service.instance.id", replica))
	}
	about, err := resource.New(ctx, resource.WithAttributes(attrs...), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("reading OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return about, nil
}

func (t *Telemetry) startTraces(ctx context.Context, about *resource.Resource) error {
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return fmt.Errorf("setting up traces by OTLP: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	t.traces, t.shutdown = provider, append(t.shutdown, provider.Shutdown)
	return nil
}

func (t *Telemetry) startMetrics(ctx context.Context, about *resource.Resource, otlp, text bool) error {
	options := []sdkmetric.Option{sdkmetric.WithResource(about)}
	if otlp {
		exporter, err := otlpmetrichttp.New(ctx)
		if err != nil {
			return fmt.Errorf("setting up metrics by OTLP: %w", err)
		}
		options = append(options, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter)))
	}
	if text {
		t.registry = prometheus.NewRegistry()
		if err := t.registry.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})); err != nil {
			return fmt.Errorf("setting up the process's metrics: %w", err)
		}
		exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(t.registry), otelprometheus.WithoutScopeInfo())
		if err != nil {
			return fmt.Errorf("setting up metrics for Prometheus: %w", err)
		}
		options = append(options, sdkmetric.WithReader(exporter))
	}
	t.meters = sdkmetric.NewMeterProvider(options...)
	t.shutdown = append(t.shutdown, t.meters.Shutdown)
	if err := runtime.Start(runtime.WithMeterProvider(t.meters)); err != nil {
		return fmt.Errorf("setting up Go's metrics: %w", err)
	}
	return nil
}
