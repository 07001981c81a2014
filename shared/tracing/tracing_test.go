package tracing

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"
)

var quiet = slog.New(slog.NewJSONHandler(io.Discard, nil))

// sent collects what a processor sends.
type sent struct {
	batches [][]sdktrace.ReadOnlySpan
	err     error
}

func (s *sent) send(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	s.batches = append(s.batches, spans)
	return s.err
}

// newTraced returns a tracer whose spans go through a processor of the test's own, under a clock that the test moves.
func newTraced(t *testing.T) (trace.Tracer, *requests, *sent, *time.Time) {
	t.Helper()
	collected, now := &sent{}, time.Now()
	processor := &requests{send: collected.send, log: quiet, now: func() time.Time { return now }, open: map[trace.TraceID]*request{}}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(processor), sdktrace.WithSampler(sdktrace.AlwaysSample()))
	return provider.Tracer("test"), processor, collected, &now
}

func TestRequests_AreSentWholeWhenTheyEnd(t *testing.T) {
	t.Parallel()
	tracer, processor, collected, _ := newTraced(t)
	ctx, request := tracer.Start(t.Context(), "request")
	_, statement := tracer.Start(ctx, "statement")
	_, late := tracer.Start(ctx, "late")
	statement.SetAttributes(attribute.String("db.query.text", "select 1"), attribute.String("client.address", "198.51.100.7"))
	statement.RecordError(errors.New("quotes ada@example.com"))
	statement.SetStatus(codes.Error, "quotes ada@example.com")
	statement.End()
	if len(collected.batches) != 0 {
		t.Fatal("sent before the request ended")
	}
	request.End()
	late.End()
	if len(collected.batches) != 1 || len(collected.batches[0]) != 2 {
		t.Fatalf("got %d batches, want one of 2 spans", len(collected.batches))
	}
	if len(processor.open) != 0 {
		t.Errorf("%d traces are still held", len(processor.open))
	}
	told := collected.batches[0][0]
	if attributes := told.Attributes(); len(attributes) != 1 || attributes[0].Value.AsString() != "select 1" {
		t.Errorf("it tells %v", attributes)
	}
	if len(told.Events()) != 0 || told.Status() != (sdktrace.Status{Code: codes.Error}) {
		t.Errorf("it tells %v and %v", told.Events(), told.Status())
	}
}

// Two requests of one trace at the same time, as when one function calls another twice, each send what is there.
func TestRequests_OfOneTrace(t *testing.T) {
	t.Parallel()
	tracer, processor, collected, _ := newTraced(t)
	parent := trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, Remote: true,
	}))
	_, first := tracer.Start(parent, "first")
	ctx, second := tracer.Start(parent, "second")
	first.End()
	_, statement := tracer.Start(ctx, "statement")
	statement.End()
	second.End()
	if len(collected.batches) != 2 || len(collected.batches[0]) != 1 || len(collected.batches[1]) != 2 || len(processor.open) != 0 {
		t.Errorf("got %v, and %d traces are held", collected.batches, len(processor.open))
	}
}

func TestRequests_KeepNoMoreThanTheyMay(t *testing.T) {
	t.Parallel()
	tracer, _, collected, _ := newTraced(t)
	ctx, request := tracer.Start(t.Context(), "request")
	for range maxSpans + 5 {
		_, span := tracer.Start(ctx, "statement")
		span.End()
	}
	request.End()
	if got := collected.batches[0]; len(got) != maxSpans+1 || got[maxSpans].Name() != "request" {
		t.Errorf("got %d spans, the last %s", len(got), got[len(got)-1].Name())
	}
}

// After a failure nothing is sent for a while, and nothing is held either.
func TestRequests_AfterAFailure(t *testing.T) {
	t.Parallel()
	tracer, processor, collected, now := newTraced(t)
	one := func() {
		_, span := tracer.Start(t.Context(), "request")
		span.End()
	}
	collected.err = errors.New("refused")
	one()
	collected.err = nil
	one()
	*now = now.Add(pause - time.Second)
	one()
	if len(collected.batches) != 1 || len(processor.open) != 0 {
		t.Errorf("sent %d times while silent, and %d traces are held", len(collected.batches)-1, len(processor.open))
	}
	*now = now.Add(2 * time.Second)
	one()
	if len(collected.batches) != 2 {
		t.Error("not sent when the pause was over")
	}
}

// Callers cannot have as many traces as they like; what is in a trace already stays whole.
func TestLimited(t *testing.T) {
	t.Parallel()
	collected := &sent{}
	processor := &requests{send: collected.send, log: quiet, now: time.Now, open: map[trace.TraceID]*request{}}
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(processor), sdktrace.WithSampler(limited{
		Sampler: sdktrace.ParentBased(sdktrace.TraceIDRatioBased(0)), limit: rate.NewLimiter(0, 2),
	})).Tracer("test")
	for n := range 5 {
		parent := trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{byte(n + 1)}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled, Remote: true,
		}))
		ctx, request := tracer.Start(parent, "request")
		_, statement := tracer.Start(ctx, "statement")
		statement.End()
		request.End()
	}
	_, root := tracer.Start(t.Context(), "nobody asked")
	root.End()
	if len(collected.batches) != 2 || len(collected.batches[1]) != 2 {
		t.Errorf("got %d traces, want 2 of 2 spans each", len(collected.batches))
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	none, err := New(Config{}, "agents", quiet)
	if none != nil || err != nil || none.Provider() != nil {
		t.Errorf("without an endpoint: got %v, %v", none, err)
	}
	next := http.NotFoundHandler()
	if none.Transport(http.DefaultTransport) != http.DefaultTransport {
		t.Error("a transport is changed where nothing is traced")
	}
	answer := httptest.NewRecorder()
	none.Handler(next).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if answer.Code != http.StatusNotFound {
		t.Errorf("got %d", answer.Code)
	}
	for _, cfg := range []Config{
		{Endpoint: "collector:4318", Timeout: 1},
		{Endpoint: "ftp://x", Timeout: 1},
		{Endpoint: "://", Timeout: 1},
		{Endpoint: "http://x", Ratio: 2, Timeout: 1},
		{Endpoint: "http://x", Ratio: -1, Timeout: 1},
		{Endpoint: "http://x"},
	} {
		if _, err := New(cfg, "agents", quiet); err == nil || !strings.Contains(err.Error(), "OTEL_") && !strings.Contains(err.Error(), "TRACE_") {
			t.Errorf("%+v: got %v", cfg, err)
		}
	}
}
