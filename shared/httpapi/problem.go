package httpapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// ProblemType is one kind of problem: what its code means and what a caller does about it. Codes are stable.
type ProblemType struct {
	Slug   string `json:"slug"`   // last segment of the type URI, /problems/SLUG
	Code   string `json:"code"`   // UPPER_SNAKE
	Status int    `json:"status"` // HTTP status
	Title  string `json:"title"`
	Help   string `json:"help"` // what to do, in a sentence or two
}

// URI is the problem's type: where its page is.
func (t ProblemType) URI() string { return "/problems/" + t.Slug }

// The problems that every function can answer.
var (
	MalformedRequest = NewProblemType("MALFORMED_REQUEST", http.StatusBadRequest, "The request cannot be read",
		"The body is not one well-formed JSON document in UTF-8, or the address holds bytes that no address may hold. Correct what the detail names.")
	TokenInQuery = NewProblemType("TOKEN_IN_QUERY", http.StatusBadRequest, "A token stands in the address",
		"Addresses end up in logs: send the token in the Authorization header, and replace this one.")
	Unauthenticated = NewProblemType("UNAUTHENTICATED", http.StatusUnauthorized, "A valid token is needed",
		"Send one Authorization header, \"Bearer\" and a token of an issuer that Plant trusts, in date and for this audience.")
	Forbidden = NewProblemType("FORBIDDEN", http.StatusForbidden, "The token does not permit this",
		"Your role may not do this, or the resource belongs to someone else.")
	NotFound = NewProblemType("NOT_FOUND", http.StatusNotFound, "There is nothing here",
		"Check the address. What was deleted answers this too, as does what you may not see.")
	MethodNotAllowed = NewProblemType("METHOD_NOT_ALLOWED", http.StatusMethodNotAllowed, "The address has no such method",
		"The Allow header names the methods that this address has.")
	RequestTimeout = NewProblemType("REQUEST_TIMEOUT", http.StatusRequestTimeout, "The request arrived too slowly",
		"The body did not arrive in time. Send it again.")
	Conflict = NewProblemType("CONFLICT", http.StatusConflict, "Something else stands in the way",
		"The value is taken or in use. The detail says by what.")
	IdempotencyInProgress = NewProblemType("IDEMPOTENCY_IN_PROGRESS", http.StatusConflict, "The first request is still running",
		"A request with the same Idempotency-Key has not ended yet. Wait a moment and send this one again.")
	Stale = NewProblemType("STALE", http.StatusPreconditionFailed, "The resource changed meanwhile",
		"If-Match names an older version. Read the resource again, and decide on what it holds now.")
	TooLarge = NewProblemType("TOO_LARGE", http.StatusRequestEntityTooLarge, "The body is too large",
		"A body may have 1 MiB. Send less at a time.")
	UnsupportedMediaType = NewProblemType("UNSUPPORTED_MEDIA_TYPE", http.StatusUnsupportedMediaType, "The body is not JSON",
		"Send Content-Type: application/json, in UTF-8 and without a Content-Encoding.")
	Invalid = NewProblemType("INVALID", http.StatusUnprocessableEntity, "Some values break a rule",
		"Each entry of errors names one place and what is wrong there.")
	InvalidCursor = NewProblemType("INVALID_CURSOR", http.StatusUnprocessableEntity, "The cursor does not belong here",
		"A cursor continues the one list that gave it, with the same filters and order. Begin again without one.")
	IdempotencyKeyReused = NewProblemType("IDEMPOTENCY_KEY_REUSED", http.StatusUnprocessableEntity, "The key was used for another request",
		"An Idempotency-Key stands for one request for 24 hours. Use a new key for a new request.")
	Internal = NewProblemType("INTERNAL", http.StatusInternalServerError, "Something went wrong on our side",
		"It was logged under the request_id. Trying again may help; for a write, with the same Idempotency-Key.")
	Overloaded = NewProblemType("OVERLOADED", http.StatusServiceUnavailable, "Too much is going on",
		"Wait for as long as Retry-After says and try again.")
	Unavailable = NewProblemType("UNAVAILABLE", http.StatusServiceUnavailable, "Something that is needed does not answer",
		"Wait for as long as Retry-After says and try again; a write with the same Idempotency-Key.")
)

// problemTypes is filled while variables are initialised, here and in the functions, and only read afterwards.
var problemTypes []ProblemType

// NewProblemType adds a kind of problem. Call it only for package variables: it is not safe for concurrent use.
func NewProblemType(code string, status int, title, help string) ProblemType {
	t := ProblemType{
		Slug: strings.ReplaceAll(strings.ToLower(code), "_", "-"), Code: code, Status: status, Title: title, Help: help,
	}
	problemTypes = append(problemTypes, t)
	return t
}

// ProblemTypes returns every kind of problem, for the pages under /problems/.
func ProblemTypes() []ProblemType {
	return append([]ProblemType{}, problemTypes...)
}

// Fault is one thing that is wrong with a request.
type Fault struct {
	Location string `json:"location" doc:"where, such as body.agents[3].name or query.limit"`
	Message  string `json:"message" doc:"what is wrong there"`
	Value    any    `json:"value,omitempty" doc:"the value, when it is short"`
}

// Error implements error.
func (f *Fault) Error() string { return f.Location + ": " + f.Message }

// ErrorDetail implements huma.ErrorDetailer.
func (f *Fault) ErrorDetail() *huma.ErrorDetail {
	return &huma.ErrorDetail{Location: f.Location, Message: f.Message, Value: f.Value}
}

// Problem is an error as callers see it: RFC 9457, application/problem+json.
type Problem struct {
	Type      string    `json:"type" doc:"a page about this kind of problem"`
	Title     string    `json:"title"`
	Status    int       `json:"status" doc:"the HTTP status"`
	Detail    string    `json:"detail" doc:"what happened this time"`
	Code      string    `json:"code" doc:"the kind of problem, stable"`
	RequestID string    `json:"request_id" doc:"names this request in our logs"`
	Timestamp time.Time `json:"timestamp"`
	Errors    []*Fault  `json:"errors,omitempty" doc:"one entry for each fault"`

	retryAfter time.Duration // a Retry-After header, where it is not 0
	challenge  string        // a WWW-Authenticate header, where it is not empty
	cause      error         // for the log only
}

// Problem makes a problem of this type. Faults may be none.
func (t ProblemType) Problem(detail string, faults ...*Fault) *Problem {
	p := &Problem{Type: t.URI(), Title: t.Title, Status: t.Status, Detail: detail, Code: t.Code, Errors: faults}
	if t.Status == http.StatusServiceUnavailable || t.Code == IdempotencyInProgress.Code {
		p.retryAfter = time.Second
	}
	return p
}

// Because gives a problem its cause, for the log only.
func (p *Problem) Because(cause error) *Problem {
	p.cause = cause
	return p
}

// Error implements error.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// Unwrap returns what caused the problem, which callers never see.
func (p *Problem) Unwrap() error { return p.cause }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }
