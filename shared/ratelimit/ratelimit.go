// Package ratelimit counts requests, and says when somebody has made too many.
//
// A quota is so many requests a minute, of which a quarter may come at once: a token bucket, refilled evenly. With Redis
// all instances of all functions fill and empty the same buckets; without it, and while it does not answer well, each
// process has its own. That is to fail open: the quota is then each process's, not everyone's together, and whoever had
// used up a bucket in Redis finds a full one here.
package ratelimit

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"math"
	"net/netip"
	"time"

	"github.com/waooaw/plant/shared/redis"
)

// Config of the limits.
type Config struct {
	// Caller is how many requests a minute one known caller may make, over all addresses. 0 is no limit.
	Caller int `env:"RATE_LIMIT_CALLER, default=1200"`
	// Address is how many requests a minute may come from one address, whoever calls. 0 is no limit.
	Address int `env:"RATE_LIMIT_ADDRESS, default=3000"`
	// Redis counts for all processes together. Without it each counts on its own. A request waits for it twice at most:
	// once for each quota.
	Redis redis.Config
	// AddressFromRight says which entry of X-Forwarded-For is the client's address, counted from its end: as many as
	// there are proxies of ours that add one. 0 is none: the connection's own address. 2 is right behind Google's external
	// load balancer, which adds the client's address and its own. One too many lets clients choose their address.
	AddressFromRight int `env:"CLIENT_ADDRESS_FROM_RIGHT, default=0"`
}

// window is what quotas are counted over.
const window = time.Minute

// Decision is what a Limiter says about one request.
type Decision struct {
	Allowed    bool
	Limit      int           // requests a minute; 0 is no limit, and then the request is allowed and the rest is 0
	Remaining  int           // requests that may follow at once
	Reset      time.Duration // from now on, for how long there are no more than Remaining
	RetryAfter time.Duration // when the next request is allowed, where this one is not
}

// Limiter counts requests. It is safe for concurrent use.
type Limiter struct {
	local  *localBuckets
	shared *sharedBuckets // nil without Redis
	now    func() time.Time
}

// New returns a limiter. It connects when first used, so it fails only on a malformed configuration; the error never
// holds the URL.
func New(cfg Config, log *slog.Logger) (*Limiter, error) { return newLimiter(cfg, log, time.Now) }

func newLimiter(cfg Config, log *slog.Logger, now func() time.Time) (*Limiter, error) {
	if cfg.Caller < 0 || cfg.Address < 0 || cfg.AddressFromRight < 0 {
		return nil, errors.New("RATE_LIMIT_CALLER, RATE_LIMIT_ADDRESS and CLIENT_ADDRESS_FROM_RIGHT cannot be negative")
	}
	l := &Limiter{local: newLocalBuckets(now()), now: now}
	if cfg.Redis.URL == "" {
		return l, nil
	}
	shared, err := redis.Open(cfg.Redis, inRedis, log, now)
	if err != nil {
		return nil, err
	}
	l.shared = &sharedBuckets{redis: shared}
	return l, nil
}

// Close lets go of the connections to Redis. Requests that are still counted are counted in this process.
func (l *Limiter) Close() {
	if l.shared != nil {
		l.shared.redis.Close()
	}
}

// id stands for a key: no key is kept or sent as it is, since it names a person.
type id [16]byte

func idOf(key string) id {
	sum := sha256.Sum256([]byte(key))
	return id(sum[:len(id{})])
}

// Allow counts one request under a key, one of Caller or Address, and says whether a quota of perMinute allows it; of one
// key that is always the same. A request that is refused uses nothing up. Allow never fails: it waits for Redis for its timeout
// at most, and for no longer than it takes to look at the clock while Redis is known not to answer.
func (l *Limiter) Allow(ctx context.Context, key string, perMinute int) Decision {
	if perMinute <= 0 {
		return Decision{Allowed: true}
	}
	hashed := idOf(key)
	if l.shared != nil {
		if level, ok := l.shared.take(ctx, hashed, perMinute); ok {
			return level.decision(perMinute)
		}
	}
	return l.local.take(l.now(), hashed, perMinute).decision(perMinute)
}

// minBurst is how many requests may come at once even where a quarter of the quota is less: a page asks for several.
const minBurst = 10

// burst is how many requests a bucket holds when it is full. It refills in a quarter of a minute, or for quotas below 40
// in at most a minute: nobody is ever kept waiting for longer.
func burst(perMinute int) int { return min(perMinute, max(perMinute/4, minBurst)) }

// interval is how long one request takes to come back, in nanoseconds.
func interval(perMinute int) float64 { return float64(window) / float64(perMinute) }

// level is a bucket after a request was counted.
type level struct {
	allowed bool
	tokens  float64 // what is left; less than one where the request was refused
}

// roundingError bounds, in tokens, what Redis's script and this package's own arithmetic differ by.
const roundingError = 0.01

func (l level) decision(perMinute int) Decision {
	d := Decision{Allowed: l.allowed, Limit: perMinute}
	whole := 0.0
	if l.allowed {
		whole = math.Floor(l.tokens + roundingError)
	}
	d.Remaining = int(whole)
	d.Reset = time.Duration((whole + 1 - l.tokens) * interval(perMinute))
	if !l.allowed {
		d.RetryAfter = d.Reset
	}
	return d
}

// Caller is the key of a caller whom a token has identified.
func Caller(issuer, subject string) string { return "caller\x00" + issuer + "\x00" + subject }

// Address is the key of a client's address.
func Address(client netip.Prefix) string {
	const kind = "address\x00"
	text := make([]byte, 0, len(kind)+len("0000:0000:0000:0000:0000:0000:0000:0000/128"))
	return string(client.AppendTo(append(text, kind...)))
}
