package httpapi

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/database"
)

// maxEchoedRunes bounds the values that an error repeats.
const maxEchoedRunes = 64

// huma's settings that are variables of its package: how it makes errors, and how strict it is.
func init() {
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false
	huma.NewError = func(status int, detail string, errs ...error) huma.StatusError {
		return problemOf(status, detail, errs)
	}
}

// finishProblem is a huma.Transformer. Every problem passes it on its way out, those that handlers return too.
func finishProblem(ctx huma.Context, _ string, body any) (any, error) {
	if p, ok := body.(*Problem); ok {
		finish(ctx.Context(), p, ctx.SetHeader)
	}
	return body, nil
}

// problemOf turns what huma found, or what a handler returned, into a problem.
func problemOf(status int, detail string, errs []error) *Problem {
	if status >= http.StatusInternalServerError && len(errs) == 1 {
		return problemFor(errs[0])
	}
	for _, err := range errs {
		var p *Problem
		if errors.As(err, &p) {
			return p
		}
	}
	faults := faultsOf(errs)
	for _, fault := range faults {
		if strings.HasPrefix(fault.Location, "path.") {
			// An id that is none names nothing: the answer is the same as for one that is not there.
			return NotFound.Problem("there is nothing at this address")
		}
	}
	switch status {
	case http.StatusUnprocessableEntity:
		return Invalid.Problem(summary(faults), faults...)
	case http.StatusBadRequest:
		return MalformedRequest.Problem(detail)
	}
	for _, t := range problemTypes {
		if t.Status == status {
			return t.Problem(detail, faults...)
		}
	}
	return Internal.Problem("the request could not be answered")
}

// problemFor maps an error of a handler to a problem: the only place that knows which sentinel has which status.
func problemFor(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	switch {
	case errors.Is(err, database.ErrNotFound):
		p = NotFound.Problem("there is nothing at this address")
	case errors.Is(err, database.ErrForbidden), errors.Is(err, auth.ErrForbidden):
		p = Forbidden.Problem("this belongs to someone else, or your role may not do it")
	case errors.Is(err, auth.ErrTokenInQuery):
		p = TokenInQuery.Problem("the address holds a token")
	case errors.Is(err, auth.ErrUnauthenticated):
		p = Unauthenticated.Problem("the token was not accepted")
		p.challenge = `Bearer error="invalid_token"`
	case errors.Is(err, auth.ErrKeysUnavailable):
		p = Unavailable.Problem("the token's issuer does not answer, so that no token can be checked")
	case errors.Is(err, database.ErrStale):
		p = Stale.Problem("the resource has a newer version than If-Match names")
	case errors.Is(err, database.ErrConflict):
		p = Conflict.Problem("the value is already taken")
	case errors.Is(err, database.ErrReference):
		p = Invalid.Problem("something that the request refers to does not exist")
	case errors.Is(err, database.ErrInvalid):
		p = Invalid.Problem("a value is out of the range that can be stored")
	case errors.Is(err, database.ErrInDoubt):
		p = Unavailable.Problem("it is not known whether this was done: send it again with the same Idempotency-Key or, without one, read what is there first")
	case errors.Is(err, database.ErrBusy), errors.Is(err, database.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		p = Unavailable.Problem("the answer took too long")
	case errors.Is(err, database.ErrUnavailable):
		p = Unavailable.Problem("the database does not answer")
	case errors.Is(err, context.Canceled):
		p = Unavailable.Problem("the caller went away")
	default:
		p = Internal.Problem("the request could not be answered")
	}
	p.cause = err
	return p
}

// summary says in one sentence what an Invalid problem's faults are.
func summary(faults []*Fault) string {
	switch len(faults) {
	case 0:
		return "a value breaks a rule"
	case 1:
		return faults[0].Error()
	default:
		return fmt.Sprintf("%d values break a rule; the first is %s", len(faults), faults[0].Error())
	}
}

func faultsOf(errs []error) []*Fault {
	faults := make([]*Fault, 0, len(errs))
	for _, err := range errs {
		var detailer huma.ErrorDetailer
		if !errors.As(err, &detailer) {
			faults = append(faults, &Fault{Location: "body", Message: err.Error()})
			continue
		}
		detail := detailer.ErrorDetail()
		faults = append(faults, &Fault{Location: detail.Location, Message: plain(detail.Message), Value: echo(detail.Value)})
	}
	return faults
}

// plain says in words for people what huma says in Go's.
func plain(message string) string {
	switch {
	case strings.HasPrefix(message, "invalid date/time for format"):
		return "must be a date and time as in RFC 3339, such as 2026-01-31T09:30:00Z"
	case strings.Contains(message, "invalid UUID"):
		return "must be a UUID"
	}
	return message
}

// echo returns a value that an error may repeat: a scalar, and short.
func echo(value any) any {
	switch v := value.(type) {
	case string:
		if v != "" && utf8.RuneCountInString(v) <= maxEchoedRunes {
			return v
		}
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) { // JSON has neither
			return v
		}
	case bool, int64:
		return v
	}
	return nil
}

// ProblemOf returns an error as the problem that it would be answered with, for the results of a batch.
func ProblemOf(ctx context.Context, err error) *Problem {
	p := problemFor(err)
	p.RequestID, p.Timestamp = callOf(ctx).id, now()
	return p
}

func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// finish stamps a problem with the request it answers, sets the headers that go with it and keeps its cause for the
// request's log line.
func finish(ctx context.Context, p *Problem, setHeader func(name, value string)) {
	c := callOf(ctx)
	p.RequestID, p.Timestamp = c.id, now()
	c.problem = p
	if p.retryAfter > 0 {
		setHeader("Retry-After", strconv.Itoa(int(p.retryAfter.Round(time.Second).Seconds())))
	}
	if p.Status == http.StatusUnauthorized {
		challenge := p.challenge
		if challenge == "" {
			challenge = "Bearer"
		}
		setHeader("WWW-Authenticate", challenge)
	}
}

// writeProblem answers outside huma: what the mux, the middleware and a panic have to say.
func writeProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	finish(r.Context(), p, w.Header().Set)
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	if r.Method == http.MethodHead {
		return
	}
	_ = json.MarshalWrite(w, p) // the caller may be gone; there is no one left to tell
}
