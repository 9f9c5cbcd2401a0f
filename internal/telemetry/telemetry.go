// Package telemetry exports traces and metrics by OTLP over HTTP, if the standard OTEL_* variables ask for them, and metrics as
// Prometheus text. If neither is asked for, there is no Telemetry and nothing is measured.
//
// Spans and metrics contain nothing that a client chose, except a bounded number of operation names: no addresses, headers,
// documents, values in statements, or texts of errors.
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

// scope is the name of the instrumentation scope and the default service name.
const scope = "taskql"

// errorInterval is the least time between two log lines about a collector that can't be reached.
const errorInterval = time.Minute

// Config configures Start. Log is required.
type Config struct {
	// Environ is the process's environment. Its OTEL_* variables decide what is sent, and where; the exporters read them from
	// the process.
	Environ map[string]string
	// Version is the version of the build.
	Version string
	// Prometheus enables Handler.
	Prometheus bool
	// Log receives a line if a collector can't be reached, at most one a minute.
	Log *slog.Logger
}

// Telemetry measures requests, operations and statements. The methods of a nil *Telemetry do nothing, or return their
// argument. It is safe for concurrent use. It must be shut down.
type Telemetry struct {
	tracing     bool
	traces      trace.TracerProvider
	tracer      trace.Tracer
	meters      *sdkmetric.MeterProvider
	instruments *instruments
	names       *operationNames
	registry    *prometheus.Registry
	shutdown    []func(context.Context) error
}

// Start returns a Telemetry that measures what the configuration asks for, or nil if that is nothing. It doesn't connect yet.
// The error names the wrong variable. Start sets OpenTelemetry's error handler, which is global: otherwise its errors would
// not be in the log's format.
func Start(ctx context.Context, cfg Config) (*Telemetry, error) {
	signals, err := parseSignals(cfg.Environ)
	if err != nil {
		return nil, err
	}
	if !signals.traces && !signals.metrics && !cfg.Prometheus {
		return nil, nil //nolint:nilnil // A nil Telemetry is off.
	}
	handleErrors(cfg.Log)
	res, err := newResource(ctx, cfg)
	if err != nil {
		return nil, err
	}
	t := &Telemetry{names: newOperationNames(maxNames), traces: noop.NewTracerProvider(), tracing: signals.traces}
	if signals.traces {
		if err := t.startTraces(ctx, res); err != nil {
			return nil, err
		}
	}
	t.tracer = t.traces.Tracer(scope)
	if signals.metrics || cfg.Prometheus {
		if err := t.startMetrics(ctx, res, signals.metrics, cfg.Prometheus); err != nil {
			return nil, errors.Join(err, t.Shutdown(ctx))
		}
	}
	if t.instruments, err = newInstruments(t.meters); err != nil {
		return nil, errors.Join(err, t.Shutdown(ctx))
	}
	cfg.Log.LogAttrs(ctx, slog.LevelInfo, "telemetry", slog.Bool("otlp_traces", signals.traces),
		slog.Bool("otlp_metrics", signals.metrics), slog.Bool("prometheus", cfg.Prometheus))
	return t, nil
}

// Handler serves the metrics as Prometheus text, to operators only. It is nil unless Config.Prometheus is set.
func (t *Telemetry) Handler() http.Handler {
	if t == nil || t.registry == nil {
		return nil
	}
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{})
}

// Shutdown sends what is left and stops measuring. It returns when the context ends at the latest.
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

// signals are the signals to be sent by OTLP.
type signals struct{ traces, metrics bool }

// parseSignals reads which signals the variables ask for. The exporters read the other variables.
func parseSignals(env map[string]string) (signals, error) {
	if strings.EqualFold(env["OTEL_SDK_DISABLED"], "true") {
		return signals{}, nil
	}
	traces, err := wantsSignal(env, "TRACES")
	if err != nil {
		return signals{}, err
	}
	metrics, err := wantsSignal(env, "METRICS")
	return signals{traces: traces, metrics: metrics}, err
}

// wantsSignal reports whether a signal is to be sent. It returns an error if the variables ask for something unsupported.
func wantsSignal(env map[string]string, name string) (bool, error) {
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
			break // The signal's own variable takes precedence.
		}
	}
	return true, nil
}

// handleErrors logs OpenTelemetry's errors, such as that a collector can't be reached.
func handleErrors(log *slog.Logger) {
	limit := &rate.Sometimes{First: 1, Interval: errorInterval}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		limit.Do(func() {
			log.LogAttrs(context.Background(), slog.LevelWarn, "telemetry can't be sent", slog.String("error", err.Error()))
		})
	}))
}

// newResource describes this process. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence.
func newResource(ctx context.Context, cfg Config) (*resource.Resource, error) {
	attrs := []attribute.KeyValue{attribute.String("service.name", scope), attribute.String("service.version", cfg.Version)}
	if replica := cfg.Environ["RAILWAY_REPLICA_ID"]; replica != "" {
		attrs = append(attrs, attribute.String("service.instance.id", replica))
	}
	res, err := resource.New(ctx, resource.WithAttributes(attrs...), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("reading OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return res, nil
}

func (t *Telemetry) startTraces(ctx context.Context, res *resource.Resource) error {
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return fmt.Errorf("setting up traces by OTLP: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(res))
	t.traces, t.shutdown = provider, append(t.shutdown, provider.Shutdown)
	return nil
}

func (t *Telemetry) startMetrics(ctx context.Context, res *resource.Resource, otlp, text bool) error {
	options := []sdkmetric.Option{sdkmetric.WithResource(res)}
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
