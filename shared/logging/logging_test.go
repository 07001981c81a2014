package logging_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"github.com/waooaw/plant/shared/logging"
)

func TestNew_WritesCloudLoggingFields(t *testing.T) {
	t.Parallel()
	const id, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	tests := []struct {
		name string
		cfg  logging.Config
		log  func(*slog.Logger)
		want map[string]any
	}{
		{"info", logging.Config{}, func(l *slog.Logger) { l.Info("hello", "n", 1) }, map[string]any{"severity": "INFO", "message": "hello", "n": 1.0}},
		{"warning", logging.Config{}, func(l *slog.Logger) { l.Warn("careful") }, map[string]any{"severity": "WARNING", "message": "careful"}},
		{"error", logging.Config{}, func(l *slog.Logger) { l.Error("broken") }, map[string]any{"severity": "ERROR", "message": "broken"}},
		{"debug", logging.Config{Level: slog.LevelDebug}, func(l *slog.Logger) { l.Debug("detail") }, map[string]any{"severity": "DEBUG", "message": "detail"}},
		{"below the level", logging.Config{Level: slog.LevelError}, func(l *slog.Logger) { l.Info("hello") }, nil},
		{
			"group keeps its names",
			logging.Config{},
			func(l *slog.Logger) { l.With("a", 1).WithGroup("g").Info("x", "level", "y") },
			map[string]any{"severity": "INFO", "message": "x", "a": 1.0, "g": map[string]any{"level": "y"}},
		},
		{"trace", logging.Config{Project: "p"}, func(l *slog.Logger) {
			l.InfoContext(logging.WithTrace(t.Context(), logging.Trace{ID: id, Span: span}), "x")
		}, map[string]any{
			"severity": "INFO", "message": "x",
			"logging.googleapis.com/trace": "projects/p/traces/" + id, "logging.googleapis.com/spanId": span,
		}},
		{"trace of a span", logging.Config{}, func(l *slog.Logger) {
			l.InfoContext(trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{15: 7}, SpanID: trace.SpanID{7: 9}})), "x")
		}, map[string]any{
			"severity": "INFO", "message": "x",
			"logging.googleapis.com/trace": "00000000000000000000000000000007", "logging.googleapis.com/spanId": "0000000000000009",
		}},
		{"trace without a project", logging.Config{}, func(l *slog.Logger) {
			l.InfoContext(logging.WithTrace(t.Context(), logging.Trace{ID: id}), "x")
		}, map[string]any{"severity": "INFO", "message": "x", "logging.googleapis.com/trace": id}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			test.log(logging.New(&out, test.cfg))
			var got map[string]any
			if out.Len() > 0 {
				if err := json.Unmarshal(out.Bytes(), &got); err != nil {
					t.Fatal(err)
				}
				at, _ := got["time"].(string)
				if _, err := time.Parse(time.RFC3339Nano, at); err != nil {
					t.Error(err)
				}
				delete(got, "time")
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
