package ratelimit

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/waooaw/plant/shared/config"
)

const (
	// redisTimeout bounds what Redis adds to one Allow. A request is counted twice, for its address and for its caller:
	// together that is 50 ms.
	redisTimeout = 25 * time.Millisecond
	// dialTimeout bounds a connection that is being made. The request that asked for it does not wait for so long; the
	// connection is the next one's.
	dialTimeout = time.Second
	// maxFailures is after how many failures in a row Redis is given up.
	maxFailures = 5
	// retryInterval is how long Redis is left alone then, before one request tries it again.
	retryInterval = 5 * time.Second
	// poolSize is above the requests that one instance works on at once, so that none waits for a connection. Connections
	// are made only as they are needed; in calm a few are.
	poolSize = 256
	// maxIdle is how many connections stay.
	maxIdle = 16
	// bufferBytes of a connection are more than a question or an answer has.
	bufferBytes = 1 << 10
)

// keyPrefix names what stands under a key, and in which form. redis_rate puts "rate:" before it.
const keyPrefix = "plant:v1:"

// The driver writes to standard error on its own, addresses included, and once for every failure.
func init() { logging.Disable() }

// redisOptions returns how to reach Redis. What the URL's query says about timeouts and pools does not count: the bounds
// above have to hold.
func redisOptions(url config.Secret) (*redis.Options, error) {
	options, err := redis.ParseURL(url.Reveal())
	if err != nil || options.Network != "tcp" {
		// The driver's message may quote the URL, and with it the password.
		return nil, errors.New("REDIS_URL is not a valid redis:// or rediss:// URL")
	}
	options.Protocol = 2 // no messages that nobody asked for
	options.DisableIdentity = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	options.MaxRetries = -1
	options.DialerRetries = 1
	options.DialTimeout = dialTimeout
	options.ContextTimeoutEnabled = true // of every context that it is asked with, which is sooner than its own
	options.PoolSize, options.MinIdleConns, options.MaxIdleConns, options.MaxActiveConns = poolSize, 0, maxIdle, 0
	options.PipelinePoolSize = -1
	options.ReadBufferSize, options.WriteBufferSize = bufferBytes, bufferBytes
	return options, nil
}

// sharedBuckets are the buckets that all processes have in common, in Redis. They are behind a breaker: after maxFailures
// in a row nobody asks Redis until retryInterval has passed; then one request does, and the others when it was answered.
type sharedBuckets struct {
	options *redis.Options
	timeout time.Duration // of one question
	log     *slog.Logger
	now     func() time.Time

	mu       sync.Mutex
	conn     *redisConn // the one in use or on trial; nil before the first request and while the breaker is open
	failures int        // in a row
	retryAt  time.Time  // zero while the breaker is closed
	closed   bool
}

// take counts a request, or returns false where Redis cannot.
func (s *sharedBuckets) take(ctx context.Context, key id, perMinute int) (level, bool) {
	conn := s.acquire()
	if conn == nil {
		return level{}, false
	}
	l, err := conn.take(ctx, key, perMinute)
	s.report(ctx, conn, err)
	return l, err == nil
}

// acquire returns the connection to ask, or nil where nobody is to be asked now.
func (s *sharedBuckets) acquire() *redisConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	if !s.retryAt.IsZero() {
		now := s.now()
		if now.Before(s.retryAt) {
			return nil
		}
		s.retryAt = now.Add(retryInterval) // the others wait for what this one finds
	}
	if s.conn == nil {
		s.conn = newRedisConn(s.options, s.timeout)
	}
	return s.conn
}

// report opens or closes the breaker after what one request has found.
func (s *sharedBuckets) report(ctx context.Context, conn *redisConn, err error) {
	s.mu.Lock()
	if conn != s.conn { // it was given up meanwhile
		s.mu.Unlock()
		return
	}
	wasOpen := !s.retryAt.IsZero()
	if err == nil {
		s.failures, s.retryAt = 0, time.Time{}
		s.mu.Unlock()
		if wasOpen {
			s.log.InfoContext(ctx, "rate limits are counted in Redis again")
		}
		return
	}
	s.failures++
	open := wasOpen || s.failures >= maxFailures
	if open {
		s.conn, s.retryAt = nil, s.now().Add(retryInterval)
	}
	s.mu.Unlock()
	if !open {
		return
	}
	conn.close() // a half-dead one never comes back into use
	if !wasOpen {
		s.log.WarnContext(ctx, "rate limits are counted in each process: Redis fails", "reason", reasonOf(err))
	}
}

func (s *sharedBuckets) close() {
	s.mu.Lock()
	conn := s.conn
	s.conn, s.closed = nil, true
	s.mu.Unlock()
	if conn != nil {
		conn.close()
	}
}

// redisConn is a pool of connections that is used until Redis is given up.
type redisConn struct {
	client  *redis.Client
	rate    *redis_rate.Limiter
	timeout time.Duration
	cancel  context.CancelFunc // ends what is being dialled
}

func newRedisConn(configured *redis.Options, timeout time.Duration) *redisConn {
	lifetime, cancel := context.WithCancel(context.Background())
	options := *configured
	options.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		defer context.AfterFunc(lifetime, stop)()
		if options.TLSConfig != nil {
			return (&tls.Dialer{Config: options.TLSConfig}).DialContext(ctx, network, address)
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	client := redis.NewClient(&options)
	return &redisConn{client: client, rate: redis_rate.NewLimiter(client), timeout: timeout, cancel: cancel}
}

func (c *redisConn) close() {
	c.cancel()
	_ = c.client.Close() // what has failed, or is no longer wanted, need not end well
}

// errNonsense is an answer that redis_rate's script cannot have given to a bucket of ours.
var errNonsense = errors.New("an answer that makes no sense")

// take counts a request. A bucket that holds something else, or says that it is fuller or emptier than any bucket can be,
// is dropped: at most the request that finds it is counted elsewhere, and nobody is shut out by what stands in Redis.
func (c *redisConn) take(ctx context.Context, key id, perMinute int) (level, error) {
	// A caller who goes away says nothing about Redis.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.timeout)
	defer cancel()
	name := keyPrefix + hex.EncodeToString(key[:])
	l, err := c.ask(ctx, name, perMinute)
	if answered := redis.Error(nil); errors.As(err, &answered) || errors.Is(err, errNonsense) {
		_ = c.rate.Reset(ctx, name)
	}
	return l, err
}

func (c *redisConn) ask(ctx context.Context, name string, perMinute int) (l level, err error) {
	defer func() {
		if recover() != nil { // redis_rate takes the types in an answer for granted
			err = errNonsense
		}
	}()
	result, err := c.rate.Allow(ctx, name, redis_rate.Limit{Rate: perMinute, Burst: burst(perMinute), Period: window})
	if err != nil {
		return level{}, err
	}
	full := float64(burst(perMinute))
	l = level{allowed: result.Allowed == 1, tokens: full - float64(result.ResetAfter)/interval(perMinute)}
	if l.tokens < -roundingError || l.tokens > full || !l.allowed && l.tokens > 1+roundingError {
		return level{}, errNonsense
	}
	return l, nil
}

// reasonOf says in a few words of our own why Redis is given up: an error's text may hold what was sent, such as the
// password.
func reasonOf(err error) string {
	var (
		answered  redis.Error
		number    syscall.Errno
		timeout   net.Error
		name      *net.DNSError
		untrusted *tls.CertificateVerificationError
	)
	switch {
	case errors.Is(err, errNonsense):
		return "its answer makes no sense"
	case errors.As(err, &answered):
		code, _, _ := strings.Cut(answered.Error(), " ") // such as NOAUTH or LOADING
		if strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			code = "an error"
		}
		return "it answers " + code
	case errors.As(err, &untrusted):
		return "its certificate is not trusted"
	case errors.As(err, &name):
		return "its name is not found"
	case errors.As(err, &number):
		return number.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	default:
		return "its answer cannot be read, or the connection was closed"
	}
}
