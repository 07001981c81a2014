// Package config fills typed configuration structs from the environment.
//
// Each package declares its own Config with `env` tags and defaults; a function composes those it needs and calls Load
// once, at its start. The tags are those of github.com/sethvargo/go-envconfig.
package config

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/sethvargo/go-envconfig"
)

// Load fills a T from the process environment. The error names every variable that is missing or malformed, never a
// value.
func Load[T any](ctx context.Context) (T, error) {
	return LoadFrom[T](ctx, envconfig.OsLookuper())
}

// LoadFrom is Load with another source, such as envconfig.MapLookuper in a test.
func LoadFrom[T any](ctx context.Context, source envconfig.Lookuper) (T, error) {
	var cfg T
	if err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: &cfg, Lookuper: source}); err != nil {
		return cfg, fmt.Errorf("read configuration: %w", err)
	}
	return cfg, nil
}

// Secret is a configuration value that no log line, error or JSON document can show.
type Secret string

const hidden = "[hidden]"

// Reveal returns the value itself, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// String implements fmt.Stringer.
func (Secret) String() string { return hidden }

// GoString implements fmt.GoStringer, so that %#v hides it too.
func (Secret) GoString() string { return hidden }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText implements encoding.TextMarshaler, which JSON follows.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
