// Package logging writes log lines in Cloud Logging's fields: one JSON object a line on standard output.
//
// Source: https://cloud.google.com/logging/docs/structured-logging.
package logging

import (
	"context"
	"io"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// Config of the log.
type Config struct {
	// Level is the least severe level that is written.
	Level slog.Level `env:"LOG_LEVEL, default=INFO"`
	// Project is the Google Cloud project that trace names start with; without it traces are written by id alone.
	Project string `env:"GOOGLE_CLOUD_PROJECT"`
}

type traceKey struct{}

// Trace is the trace that a request belongs to, in the W3C form: 32 and 16 hexadecimal digits.
type Trace struct{ ID, Span string }

// WithTrace returns a context whose log lines carry the trace.
func WithTrace(ctx context.Context, of Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, of)
}

// New returns a logger that writes to w. It is safe for concurrent use; each line is one Write.
func New(w io.Writer, cfg Config) *slog.Logger {
	lines := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: cfg.Level, ReplaceAttr: cloudNames})
	return slog.New(traced{Handler: lines, project: cfg.Project})
}

// cloudNames gives slog's own fields the names and forms that Cloud Logging parses.
func cloudNames(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		return slog.String("time", a.Value.Time().UTC().Format(time.RFC3339Nano))
	case slog.MessageKey:
		a.Key = "message"
	case slog.LevelKey:
		level, _ := a.Value.Any().(slog.Level)
		return slog.String("severity", severity(level))
	}
	return a
}

func severity(level slog.Level) string {
	switch {
	case level < slog.LevelInfo:
		return "DEBUG"
	case level < slog.LevelWarn:
		return "INFO"
	case level < slog.LevelError:
		return "WARNING"
	default:
		return "ERROR"
	}
}

// traced adds the trace of the line's context: the one that WithTrace gave it, else that of an OpenTelemetry span.
type traced struct {
	slog.Handler
	project string
}

// Handle implements slog.Handler.
func (h traced) Handle(ctx context.Context, record slog.Record) error {
	of, ok := ctx.Value(traceKey{}).(Trace)
	if span := trace.SpanContextFromContext(ctx); !ok && span.IsValid() {
		of, ok = Trace{ID: span.TraceID().String(), Span: span.SpanID().String()}, true
	}
	if ok {
		name := of.ID
		if h.project != "" {
			name = "projects/" + h.project + "/traces/" + of.ID
		}
		record.AddAttrs(slog.String("logging.googleapis.com/trace", name))
		if of.Span != "" {
			record.AddAttrs(slog.String("logging.googleapis.com/spanId", of.Span))
		}
	}
	return h.Handler.Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (h traced) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traced{Handler: h.Handler.WithAttrs(attrs), project: h.project}
}

// WithGroup implements slog.Handler.
func (h traced) WithGroup(name string) slog.Handler {
	return traced{Handler: h.Handler.WithGroup(name), project: h.project}
}
