// Package config fills typed configuration structs from the environment.
//
// Each package declares its own Config with `env` tags and defaults; a function composes those it needs and calls Load
// once, at its start. The tags are those of github.com/sethvargo/go-envconfig. A Secret or a Rotating may be given as
// secret://projects/PROJECT/secrets/SECRET/versions/VERSION: its value is then Secret Manager's.
package config

import (
	"context"
	"errors"
	"fmt"

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
	asked := &lastAsked{Lookuper: source}
	switch err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: &cfg, Lookuper: asked}); {
	case errors.Is(err, envconfig.ErrMissingRequired): // it says which
		return cfg, fmt.Errorf("read configuration: %w", err)
	case err != nil:
		return cfg, fmt.Errorf("read configuration: %s: %w", asked.key, err)
	}
	return cfg, nil
}

// lastAsked knows the variable that is being read, of which the library's errors tell only the field.
type lastAsked struct {
	envconfig.Lookuper
	key string
}

// Lookup implements envconfig.Lookuper.
func (l *lastAsked) Lookup(key string) (string, bool) {
	l.key = key
	return l.Lookuper.Lookup(key)
}
