// Package tracing sends traces to an OpenTelemetry collector, where one is configured. Where none is, nothing is traced and
// nothing costs anything.
//
// On the platform an instance has no processor between requests, so nothing is sent in the background: the spans of a
// request are sent together when its last one ends, before its answer does. Only requests that are traced wait for that, not
// longer than is configured, and not at all for a while after a collector has failed.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/auth/httptransport"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"
)

// Config of tracing.
type Config struct {
	// Endpoint of a collector that speaks OTLP over HTTP, such as https://telemetry.googleapis.com, to which the function's
	// own credentials are sent. Without one nothing is traced.
	Endpoint string `env:"OTEL_EXPORTER_OTLP_ENDPOINT"`
	// Ratio of the requests to trace of which nobody before us has decided: 0 to 1. What is traced already goes on.
	Ratio float64 `env:"TRACE_RATIO, default=0.01"`
	// Timeout is how long a request that is traced may wait for the collector.
	Timeout time.Duration `env:"TRACE_TIMEOUT, default=250ms"`
	// Project that Google's collector keeps the traces in.
	Project string `env:"GOOGLE_CLOUD_PROJECT"`
}

const (
	pause        = 30 * time.Second // without sending, after the collector has failed
	maxPerSecond = 10               // traces of one process: callers may ask for theirs
	googleDomain = ".googleapis.com"
	googleScope  = "https://www.googleapis.com/auth/cloud-platform"
)

// Tracer traces requests. A nil Tracer traces none.
type Tracer struct {
	provider *sdktrace.TracerProvider
	options  []otelhttp.Option
}

// New returns a tracer for a service, or nil where no collector is configured. It reaches for nothing.
func New(cfg Config, service string, log *slog.Logger) (*Tracer, error) {
	if cfg.Endpoint == "" {
		return nil, nil
	}
	endpoint, err := url.Parse(cfg.Endpoint)
	if err != nil || endpoint.Host == "" || endpoint.Scheme != "https" && endpoint.Scheme != "http" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT %q is no http or https URL", cfg.Endpoint)
	}
	if !(cfg.Ratio >= 0 && cfg.Ratio <= 1) {
		return nil, fmt.Errorf("TRACE_RATIO is %v, not between 0 and 1", cfg.Ratio)
	}
	if cfg.Timeout <= 0 {
		return nil, fmt.Errorf("TRACE_TIMEOUT is %v, not more than 0", cfg.Timeout)
	}
	attributes := []attribute.KeyValue{attribute.String("service.name", "plant-"+service)}
	if cfg.Project != "" {
		attributes = append(attributes, attribute.String("gcp.project_id", cfg.Project))
	}
	sender := &sender{endpoint: endpoint, project: cfg.Project, timeout: cfg.Timeout}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithResource(resource.NewSchemaless(attributes...)),
		sdktrace.WithSampler(limited{
			Sampler: sdktrace.ParentBased(sdktrace.TraceIDRatioBased(cfg.Ratio)), limit: rate.NewLimiter(maxPerSecond, maxPerSecond),
		}),
		sdktrace.WithSpanProcessor(&requests{send: sender.send, log: log, now: time.Now, open: map[trace.TraceID]*request{}}),
	)
	return &Tracer{provider: provider, options: []otelhttp.Option{
		otelhttp.WithTracerProvider(provider), otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()), otelhttp.WithPropagators(propagation.TraceContext{}),
	}}, nil
}

// Handler returns a handler that traces what next answers.
func (t *Tracer) Handler(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return otelhttp.NewHandler(next, "", t.options...)
}

// Transport returns a transport that continues a request's trace in what it sends.
func (t *Tracer) Transport(next http.RoundTripper) http.RoundTripper {
	if t == nil {
		return next
	}
	return otelhttp.NewTransport(next, t.options...)
}

// Provider returns what other instrumentation needs, or nil where nothing is traced.
func (t *Tracer) Provider() trace.TracerProvider {
	if t == nil {
		return nil
	}
	return t.provider
}

// limited samples no more than so many traces a second.
type limited struct {
	sdktrace.Sampler
	limit *rate.Limiter
}

// ShouldSample implements sdktrace.Sampler.
func (l limited) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	result := l.Sampler.ShouldSample(p)
	parent := trace.SpanContextFromContext(p.ParentContext)
	if result.Decision == sdktrace.RecordAndSample && (!parent.IsValid() || parent.IsRemote()) && !l.limit.Allow() {
		result.Decision = sdktrace.Drop
	}
	return result
}

// sender sends spans to the collector. Its client is made with the first of them.
type sender struct {
	endpoint *url.URL
	project  string
	timeout  time.Duration

	mu       sync.Mutex
	exporter sdktrace.SpanExporter
}

func (s *sender) send(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	exporter, err := s.open(ctx)
	if err != nil {
		return err
	}
	return exporter.ExportSpans(ctx, spans)
}

func (s *sender) open(ctx context.Context) (sdktrace.SpanExporter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.exporter != nil {
		return s.exporter, nil
	}
	options := []otlptracehttp.Option{
		otlptracehttp.WithEndpointURL(s.endpoint.JoinPath("v1", "traces").String()), otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
		otlptracehttp.WithTimeout(s.timeout), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}),
	}
	if s.endpoint.Scheme == "https" && strings.HasSuffix(s.endpoint.Hostname(), googleDomain) {
		client, err := googleClient(s.project)
		if err != nil {
			return nil, err
		}
		options = append(options, otlptracehttp.WithHTTPClient(client))
	}
	exporter, err := otlptracehttp.New(context.WithoutCancel(ctx), options...)
	if err != nil {
		return nil, err
	}
	s.exporter = exporter
	return exporter, nil
}

// googleClient sends the process's own credentials.
func googleClient(project string) (*http.Client, error) {
	found, err := credentials.DetectDefault(&credentials.DetectOptions{Scopes: []string{googleScope}})
	if err != nil {
		return nil, err
	}
	headers := http.Header{}
	if project != "" {
		headers.Set("X-Goog-User-Project", project)
	}
	return httptransport.NewClient(&httptransport.Options{Credentials: found, Headers: headers, DisableTelemetry: true})
}
