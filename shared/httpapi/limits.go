package httpapi

import (
	"context"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/ratelimit"
)

// RateLimited answers a caller, or an address, that has asked for more than its share.
var RateLimited = NewProblemType("RATE_LIMITED", http.StatusTooManyRequests, "Too many requests",
	"Wait for as long as Retry-After says. The RateLimit-Policy header has the quota (q requests in w seconds), RateLimit what is left of it.")

// limits are how often the same caller, and the same address, may ask. The zero value is no limit.
type limits struct {
	cfg     ratelimit.Config
	limiter *ratelimit.Limiter // nil where nothing is limited
}

func newLimits(cfg ratelimit.Config, log *slog.Logger) (limits, error) {
	limiter, err := ratelimit.New(cfg, log)
	return limits{cfg: cfg, limiter: limiter}, err
}

// close lets go of what counts the requests.
func (l limits) close() {
	if l.limiter != nil {
		l.limiter.Close()
	}
}

// The names of the two quotas, in the RateLimit fields.
const (
	callerQuota  = "caller"
	addressQuota = "address"
)

// limitAddress counts a request for the address that it comes from, before a token is looked at: whoever tries tokens is
// limited as well. Health and readiness are never limited, so that a flood does not look like a dead instance, but for
// those who send a token with them: nobody who only asks how the function is does.
func (a *API) limitAddress(r *http.Request, c *call) *Problem {
	perMinute := a.limits.cfg.Address
	if perMinute == 0 || a.isProbe(r.URL.Path) && r.Header["Authorization"] == nil {
		return nil
	}
	client := a.limits.cfg.Client(r.RemoteAddr, r.Header["X-Forwarded-For"])
	decision := a.limits.limiter.Allow(r.Context(), ratelimit.Address(client), perMinute)
	return c.spend(addressQuota, decision)
}

// limitCaller counts a request for its caller, from whatever address it comes.
func (a *API) limitCaller(ctx context.Context, c *call, p auth.Principal) *Problem {
	perMinute := a.limits.cfg.Caller
	if perMinute == 0 {
		return nil
	}
	return c.spend(callerQuota, a.limits.limiter.Allow(ctx, ratelimit.Caller(p.Issuer, p.Subject), perMinute))
}

// isProbe reports whether a path is that of the function's health or readiness.
func (a *API) isProbe(path string) bool {
	rest, ok := strings.CutPrefix(path, "/api/v1/"+a.name)
	if !ok {
		return false
	}
	rest = strings.TrimSuffix(rest, "/")
	return rest == "/health" || rest == "/ready"
}

// quota is what the answer says of a quota that the request was counted in.
type quota struct {
	name     string // empty where the request was not counted
	decision ratelimit.Decision
}

// spend notes what is left of a quota, and returns the problem of a request that exceeds it. The last quota that a request
// is counted in is the one that its answer tells of: the caller's, once the caller is known.
func (c *call) spend(name string, decision ratelimit.Decision) *Problem {
	c.quota = quota{name: name, decision: decision}
	if decision.Allowed {
		return nil
	}
	p := RateLimited.Problem("this " + name + " may make " + strconv.Itoa(decision.Limit) + " requests a minute")
	p.retryAfter = time.Duration(wholeSeconds(decision.RetryAfter)) * time.Second
	return p
}

// setHeaders tells what is left (draft-ietf-httpapi-ratelimit-headers-11: lists of strings with parameters, RFC 9651).
// Answers that shared caches may keep are without, see WriteHeader: a cache would tell everyone what was left to one.
func (q quota) setHeaders(h http.Header) {
	if q.name == "" {
		return
	}
	text := make([]byte, 0, 48)
	policy := append(append(append(text, '"'), q.name...), `";q=`...)
	policy = append(strconv.AppendInt(policy, int64(q.decision.Limit), 10), ";w=60"...)
	h["Ratelimit-Policy"] = []string{string(policy)}
	left := append(append(append(text, '"'), q.name...), `";r=`...)
	left = append(strconv.AppendInt(left, int64(q.decision.Remaining), 10), ";t="...)
	h["Ratelimit"] = []string{string(strconv.AppendInt(left, wholeSeconds(q.decision.Reset), 10))}
}

// wholeSeconds rounds up, so that nobody comes back too early.
func wholeSeconds(d time.Duration) int64 { return max(1, int64(math.Ceil(d.Seconds()))) }
