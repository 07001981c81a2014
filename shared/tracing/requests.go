package tracing

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// maxSpans of one request are kept; what it does beyond them is not told.
const maxSpans = 500

// requests implements sdktrace.SpanProcessor: it gathers the spans of each request, and sends them when the request's own
// span, which has no parent in this process, ends. It is safe for concurrent use.
type requests struct {
	send func(context.Context, []sdktrace.ReadOnlySpan) error
	log  *slog.Logger
	now  func() time.Time

	mu     sync.Mutex
	open   map[trace.TraceID]*request
	silent time.Time // until then nothing is sent
}

// request is what one trace has done here so far; requests of one trace at the same time share it.
type request struct {
	running int
	ended   []sdktrace.ReadOnlySpan
}

func isRequest(span sdktrace.ReadOnlySpan) bool {
	return !span.Parent().IsValid() || span.Parent().IsRemote()
}

// OnStart implements sdktrace.SpanProcessor.
func (p *requests) OnStart(_ context.Context, span sdktrace.ReadWriteSpan) {
	if !isRequest(span) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id := span.SpanContext().TraceID()
	if p.open[id] == nil {
		p.open[id] = &request{}
	}
	p.open[id].running++
}

// OnEnd implements sdktrace.SpanProcessor. A span that ends after its request is not sent any more.
func (p *requests) OnEnd(span sdktrace.ReadOnlySpan) {
	if spans := p.take(span); len(spans) > 0 {
		ctx := trace.ContextWithSpanContext(context.Background(), span.SpanContext()) // for the log
		if err := p.send(ctx, spans); err != nil {
			p.log.WarnContext(ctx, "traces not sent: none are for a while", "error", err.Error(), "seconds", pause.Seconds())
			p.mu.Lock()
			p.silent = p.now().Add(pause)
			p.mu.Unlock()
		}
	}
}

// take adds a span, and returns what is to be sent now.
func (p *requests) take(span sdktrace.ReadOnlySpan) []sdktrace.ReadOnlySpan {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := span.SpanContext().TraceID()
	r := p.open[id]
	if r == nil {
		return nil
	}
	if len(r.ended) < maxSpans || isRequest(span) {
		r.ended = append(r.ended, plain{span})
	}
	if !isRequest(span) {
		return nil
	}
	if r.running--; r.running == 0 {
		delete(p.open, id)
	}
	ended := r.ended
	r.ended = nil
	if p.now().Before(p.silent) {
		return nil
	}
	return ended
}

// Shutdown implements sdktrace.SpanProcessor: nothing waits.
func (p *requests) Shutdown(context.Context) error { return nil }

// ForceFlush implements sdktrace.SpanProcessor.
func (p *requests) ForceFlush(context.Context) error { return nil }

// plain is a span without what may be personal: who called, and what errors quote.
type plain struct{ sdktrace.ReadOnlySpan }

// Attributes implements sdktrace.ReadOnlySpan.
func (s plain) Attributes() []attribute.KeyValue {
	var kept []attribute.KeyValue
	for _, a := range s.ReadOnlySpan.Attributes() {
		switch a.Key {
		case "client.address", "network.peer.address", "network.peer.port", "user_agent.original", "url.full", "url.query":
		default:
			kept = append(kept, a)
		}
	}
	return kept
}

// Events implements sdktrace.ReadOnlySpan.
func (plain) Events() []sdktrace.Event { return nil }

// Status implements sdktrace.ReadOnlySpan.
func (s plain) Status() sdktrace.Status { return sdktrace.Status{Code: s.ReadOnlySpan.Status().Code} }
