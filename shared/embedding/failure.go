package embedding

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/waooaw/plant/shared/breaker"
)

// ErrRefused is an ErrUnavailable that another text may not meet: the provider works, and refuses one of these. Asked for
// alone, each text tells whether it is the one.
var ErrRefused = errors.New("the text is refused")

// failure is why a provider gave no vectors, in words of our own: what it answers, and what libraries say of that, may
// repeat a text or a key.
type failure struct {
	reason  string
	refused bool          // it is the text's fault
	retry   bool          // it may be over in a moment,
	after   time.Duration // and not before this
}

func (f *failure) Error() string { return f.reason }

func (f *failure) Unwrap() error {
	if f.after > 0 {
		return &backoff.RetryAfterError{Duration: f.after}
	}
	return nil
}

// wrong is an answer that is not believed.
func wrong(what string) error { return &failure{reason: "it answers " + what} }

// ofStatus is what an HTTP status other than 200 means.
func ofStatus(status int, after time.Duration) *failure {
	f := &failure{reason: fmt.Sprintf("it answers %d", status)}
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		f.refused = true
	case http.StatusTooManyRequests:
		f.retry, f.after = true, after
	case http.StatusUnauthorized, http.StatusForbidden:
		f.reason += ": its credentials are refused"
	case http.StatusNotFound:
		f.reason += ": it does not know the address or the model"
	default:
		if status >= http.StatusInternalServerError {
			f.retry, f.after = true, after
		}
	}
	return f
}

// ofError says what an error of a request means.
func ofError(err error) *failure {
	var (
		known *failure
		lost  *url.Error // what http.Client says of a request without an answer
	)
	if errors.As(err, &known) {
		return known
	}
	f := &failure{reason: breaker.Reason(err)}
	f.retry = errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &lost) && !lost.Timeout()
	return f
}

// unavailable is what callers are told.
func unavailable(err error) error {
	f := ofError(err)
	if f.refused {
		return fmt.Errorf("%w: %w: %s", ErrUnavailable, ErrRefused, f.reason)
	}
	return fmt.Errorf("%w: %s", ErrUnavailable, f.reason)
}

// gone reports whether a caller went away, which says nothing about the provider. A caller whose time ran out is another
// matter.
func gone(ctx context.Context) bool {
	return ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded)
}
