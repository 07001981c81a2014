package config

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"time"
)

// Secret is a configuration value that no log line, error or JSON document can show. One that is kept in Secret Manager is
// read once, when the configuration is loaded.
type Secret string

const hidden = "[hidden]"

// Reveal returns the value itself, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// EnvDecode implements envconfig.DecoderCtx.
func (s *Secret) EnvDecode(ctx context.Context, text string) error {
	r, err := parseSecret(text, theManager)
	if err != nil {
		return err
	}
	value, err := r.Reveal(ctx)
	*s = Secret(value)
	return err
}

// String implements fmt.Stringer.
func (Secret) String() string { return hidden }

// GoString implements fmt.GoStringer, so that %#v hides it too.
func (Secret) GoString() string { return hidden }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText implements encoding.TextMarshaler, which JSON follows.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Rotating is a Secret that may change while the process runs, for what is needed again and again: a password for each new
// connection, say. It is read when first asked for, and again when it is a minute old. While Secret Manager does not answer,
// the last value that it gave holds. The zero value is not set.
type Rotating struct {
	literal Secret
	held    *held // nil where the value itself was given
}

// Literal returns a Rotating that never changes.
func Literal(value Secret) Rotating { return Rotating{literal: value} }

// EnvDecode implements envconfig.DecoderCtx. It reads nothing yet.
func (r *Rotating) EnvDecode(_ context.Context, text string) (err error) {
	*r, err = parseSecret(text, theManager)
	return err
}

// IsSet reports whether there is a value, or a place to read it from.
func (r Rotating) IsSet() bool { return r.held != nil || r.literal != "" }

// Reveal returns the value. The error names the secret, and what to do.
func (r Rotating) Reveal(ctx context.Context) (string, error) {
	return r.RevealSince(ctx, time.Time{})
}

// RevealSince is Reveal of a value that was read after a moment: for whoever was refused with an older one.
func (r Rotating) RevealSince(ctx context.Context, since time.Time) (string, error) {
	if r.held == nil {
		return r.literal.Reveal(), nil
	}
	return r.held.value(ctx, since)
}

// String implements fmt.Stringer.
func (Rotating) String() string { return hidden }

// GoString implements fmt.GoStringer, so that %#v hides it too.
func (Rotating) GoString() string { return hidden }

// LogValue implements slog.LogValuer.
func (Rotating) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText implements encoding.TextMarshaler, which JSON follows.
func (Rotating) MarshalText() ([]byte, error) { return []byte(hidden), nil }

const scheme = "secret://"

var versionName = regexp.MustCompile(`^projects/[a-z0-9.:-]+/secrets/[A-Za-z0-9_-]+/versions/[A-Za-z0-9_-]+$`)

// parseSecret reads what a variable was set to. The error does not repeat it: it may hold a value in the wrong form.
func parseSecret(text string, m *manager) (Rotating, error) {
	name, isReference := strings.CutPrefix(text, scheme)
	switch {
	case !isReference:
		return Literal(Secret(text)), nil
	case !versionName.MatchString(name):
		return Rotating{}, errors.New("not of the form secret://projects/PROJECT/secrets/SECRET/versions/VERSION")
	}
	return Rotating{held: &held{name: name, read: m.read, now: time.Now}}, nil
}
