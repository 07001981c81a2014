package httpapi

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/logging"
)

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.traced == nil {
		a.answer(w, r)
		return
	}
	a.sending.Add(1)
	defer a.sending.Add(-1)
	a.traced.ServeHTTP(w, r)
}

// answer is the one way of every request: identity and log line, CORS, admission, limit, address, deadline, mux.
func (a *API) answer(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	c, client := &call{id: requestID(r)}, r.Context()
	if a.traced != nil {
		defer describeSpan(r, c)
	}
	ctx, timer := database.WithTimer(context.WithValue(r.Context(), callKey{}, c))
	c.timer = timer
	traced := a.traceOf(r)
	ctx = logging.WithTrace(ctx, traced)
	ctx, cancel := context.WithTimeout(ctx, a.cfg.RequestTimeout)
	defer cancel()
	r = r.WithContext(ctx)
	answer := &answer{ResponseWriter: w, request: r, call: c, start: start, patience: a.cfg.AnswerTimeout, dialect: a.dialectOf(r.URL.Path)}
	c.client = client
	admitted, leave := a.admit(r)
	defer leave() // the last thing that is done: until then, the process does not end
	defer func() {
		if reason := recover(); reason != nil {
			a.panicked(answer, r, reason)
		}
		if answer.held != 0 {
			answer.translate()
		}
		a.logRequest(answer, r, time.Since(start))
	}()
	if a.cors(answer, r) {
		return
	}
	if !admitted {
		if a.draining.Load() {
			answer.Header().Set("Connection", "close") // the next request is another instance's
		}
		writeProblem(answer, r, Overloaded.Problem("more requests are being worked on than this instance takes"))
		return
	}
	if problem := a.limitAddress(r, c); problem != nil {
		writeProblem(answer, r, problem)
		return
	}
	if problem := checkAddress(r); problem != nil {
		writeProblem(answer, r, problem)
		return
	}
	a.mux.ServeHTTP(answer, r)
	if a.AfterWrite != nil && answer.status >= http.StatusOK && answer.status < http.StatusMultipleChoices && r.Method != http.MethodGet && r.Method != http.MethodHead {
		a.AfterWrite(logging.WithTrace(context.Background(), traced))
	}
}

// methods that an operation can have, sorted as Allow names them.
var methods = []string{http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPatch, http.MethodPost, http.MethodPut}

// noOperation answers where the mux knows no operation: that there is nothing, or nothing with this method.
func (a *API) noOperation(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range methods {
		other := *r
		other.Method = method
		if _, pattern := a.mux.Handler(&other); pattern != anyPath {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		writeProblem(w, r, NotFound.Problem("there is nothing at this address"))
		return
	}
	allow := strings.Join(allowed, ", ")
	w.Header().Set("Allow", allow)
	writeProblem(w, r, MethodNotAllowed.Problem("this address answers "+allow))
}

const anyPath = "/" // the mux's pattern for all that no other fits

const (
	corsMethods = "GET, POST, PUT, PATCH, DELETE"
	corsHeaders = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id, Mcp-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name"
	corsExposed = "Degraded, ETag, Link, Location, X-Request-Id, X-Total-Count, RateLimit, RateLimit-Policy, Retry-After, Idempotent-Replayed, Server-Timing"
	corsMaxAge  = "600" // seconds
)

// cors answers preflight requests and lets configured origins read answers. It never allows credentials: tokens travel
// in a header, not in cookies.
func (a *API) cors(w http.ResponseWriter, r *http.Request) (done bool) {
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	allowed := origin != "" && origin != "null" && slices.Contains(a.cfg.CORSOrigins, origin)
	if allowed {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Expose-Headers", corsExposed)
	}
	if r.Method != http.MethodOptions || origin == "" || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	if allowed {
		w.Header().Set("Access-Control-Allow-Methods", corsMethods)
		w.Header().Set("Access-Control-Allow-Headers", corsHeaders)
		w.Header().Set("Access-Control-Max-Age", corsMaxAge)
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}

// answer is the response writer of a request: it adds the headers that every answer has.
type answer struct {
	http.ResponseWriter
	request *http.Request
	call    *call
	start   time.Time
	// patience is how long the caller may take for the whole answer.
	patience time.Duration
	status   int
	bytes    int64
	dialect  *Dialect // that problems are said in; nil is our own
	held     int      // the status of a problem that is still to be said in the dialect; 0 where there is none
	said     bool     // it was: what our own way has to say of it is dropped
}

const publicCache = "public, max-age=5, stale-while-revalidate=30"

// WriteHeader implements http.ResponseWriter.
func (w *answer) WriteHeader(status int) {
	if w.status != 0 || w.holds(status) {
		return
	}
	w.status = status
	h := w.Header()
	h.Set("X-Request-Id", w.call.id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Server-Timing", "db;dur="+decimal(milliseconds(w.call.timer.Elapsed()), 3)+", app;dur="+decimal(milliseconds(time.Since(w.start)), 3))
	switch {
	case w.request.Header.Get("Authorization") != "":
		h.Set("Cache-Control", "private, no-store")
		h.Add("Vary", "Authorization")
	case w.call.shared && (status == http.StatusOK || status == http.StatusNotModified):
		h.Set("Cache-Control", publicCache)
		w.call.quota = quota{} // whoever a cache sends this to would take it for theirs
	default:
		h.Set("Cache-Control", "no-store")
	}
	w.call.quota.setHeaders(h)
	if trace.SpanFromContext(w.request.Context()).IsRecording() {
		// With a length the answer would end, and the platform take the processor away, before its trace is sent.
		h.Del("Content-Length")
	}
	if w.patience > 0 {
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(w.patience)) // a recorder in tests has no connection
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *answer) Write(b []byte) (int, error) {
	if w.held != 0 {
		w.translate()
	}
	if w.said {
		return len(b), nil
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *answer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func decimal(f float64, decimals int) string { return strconv.FormatFloat(f, 'f', decimals, 64) }

// panicked answers a panic once and logs its stack. The process lives on.
func (a *API) panicked(w *answer, r *http.Request, reason any) {
	if err, ok := reason.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(reason)
	}
	a.Log.ErrorContext(r.Context(), "panic", "request_id", w.call.id, "panic", fmt.Sprint(reason), "stack", string(debug.Stack()))
	if w.status == 0 {
		writeProblem(w, r, Internal.Problem("the request could not be answered"))
	}
}

// logRequest writes the request's one line. The query stays out of it: people type personal things into searches.
func (a *API) logRequest(w *answer, r *http.Request, took time.Duration) {
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("request_id", w.call.id),
		{Key: "httpRequest", Value: slog.GroupValue(
			slog.String("requestMethod", r.Method), slog.String("requestUrl", r.URL.EscapedPath()), slog.Int("status", w.status),
			slog.String("responseSize", strconv.FormatInt(w.bytes, 10)), slog.String("latency", decimal(took.Seconds(), 6)+"s"))},
		slog.String("route", w.call.route), slog.String("role", w.call.role),
		slog.Int64("db_us", w.call.timer.Elapsed().Microseconds()),
	}
	if w.call.caller != "" {
		attrs = append(attrs, slog.String("caller", w.call.caller))
	}
	if w.call.guarded { // who did what only some may do, and who was kept from it (row A27)
		access := "allowed"
		if w.status == http.StatusUnauthorized || w.status == http.StatusForbidden {
			access = "denied"
		}
		attrs = append(attrs, slog.String("access", access))
	}
	if p := w.call.problem; p != nil {
		attrs = append(attrs, slog.String("code", p.Code))
		if p.Status >= http.StatusInternalServerError {
			level = slog.LevelError
			if errors.Is(p.cause, context.Canceled) {
				level = slog.LevelInfo // the caller went away: nothing is wrong here
			}
			if p.cause != nil {
				attrs = append(attrs, slog.String("error", p.cause.Error()))
			}
		}
	}
	a.Log.LogAttrs(context.WithoutCancel(r.Context()), level, "request", attrs...)
}

// describeSpan gives the request's span what only the inside knows. It is named after the pattern that a mux has noted in
// the request: that of the mux outside ours says nothing.
func describeSpan(r *http.Request, c *call) {
	r.Pattern = cmp.Or(c.route, "unknown")
	trace.SpanFromContext(r.Context()).SetAttributes(attribute.String("http.route", c.route), attribute.String("request_id", c.id))
}

// traceOf returns the trace that a request belongs to, for its log lines: our own span of it where it is traced, else the
// caller's.
func (a *API) traceOf(r *http.Request) logging.Trace {
	if a.traced != nil {
		if span := trace.SpanContextFromContext(r.Context()); span.IsValid() {
			return logging.Trace{ID: span.TraceID().String(), Span: span.SpanID().String()}
		}
	}
	return callersTrace(r)
}

// callersTrace returns the trace that the caller says, else a new one, so that every line has one.
func callersTrace(r *http.Request) logging.Trace {
	if sent, ok := sentTrace(r); ok {
		return sent
	}
	var id [16]byte
	binary.LittleEndian.PutUint64(id[:8], rand.Uint64()) //nolint:gosec // a name, no secret
	binary.LittleEndian.PutUint64(id[8:], rand.Uint64()) //nolint:gosec // likewise
	return logging.Trace{ID: hex.EncodeToString(id[:])}
}

// sentTrace reads W3C traceparent, else X-Cloud-Trace-Context, whose span is decimal.
func sentTrace(r *http.Request) (logging.Trace, bool) {
	if parts := strings.Split(r.Header.Get("traceparent"), "-"); len(parts) >= 4 && isHex(parts[1], 32) && isHex(parts[2], 16) {
		return logging.Trace{ID: parts[1], Span: parts[2]}, true
	}
	id, rest, _ := strings.Cut(r.Header.Get("X-Cloud-Trace-Context"), "/")
	if !isHex(id, 32) {
		return logging.Trace{}, false
	}
	span, _, _ := strings.Cut(rest, ";")
	number, err := strconv.ParseUint(span, 10, 64)
	if err != nil {
		return logging.Trace{ID: id}, true
	}
	return logging.Trace{ID: id, Span: fmt.Sprintf("%016x", number)}, true
}

func isHex(s string, length int) bool {
	return len(s) == length && strings.Trim(s, "0123456789abcdef") == ""
}
