// Package redis reaches the Redis that all instances of all functions share, and leaves it alone while it fails.
//
// Nothing that Plant keeps there is kept there only: whoever cannot have it from Redis goes on without.
package redis

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/waooaw/plant/shared/breaker"
	"github.com/waooaw/plant/shared/config"
)

// Config says where Redis is.
type Config struct {
	// URL is redis:// or rediss://, the same for all functions. Without it there is no Redis.
	URL config.Secret `env:"REDIS_URL"`
	// Authorities are certificates, in PEM, of those whom Redis has its own from, in place of the system's: Memorystore has
	// an authority for each instance.
	Authorities config.Secret `env:"REDIS_CA"`
	// Timeout ends the wait for one answer.
	Timeout time.Duration `env:"REDIS_TIMEOUT, default=25ms"`
}

// DefaultTimeout is that of a Config that says none. A request asks twice at most: together that adds 50 ms.
const DefaultTimeout = 25 * time.Millisecond

const (
	// dialTimeout bounds a connection that is being made. The request that asked for it does not wait for so long; the
	// connection is the next one's.
	dialTimeout = time.Second
	// Rest is how long Redis is left alone when it was given up, before one request tries it again.
	Rest = 5 * time.Second
	// poolSize is above the requests that one instance works on at once, so that none waits for a connection. Connections
	// are made only as they are needed; in calm a few are.
	poolSize = 256
	// maxIdle is how many connections stay.
	maxIdle = 16
)

// The driver writes to standard error on its own, addresses included, and once for every failure.
func init() { logging.Disable() }

// Use is what Redis is used for.
type Use struct {
	MaxFailures int    // after how many in a row it is given up
	BufferBytes int    // of a connection: more than a question or an answer usually has
	Fails       string // the log line when it is given up, and
	Works       string // when it is used again
}

// Redis is asked through Do. It is behind a breaker: once it is given up nobody asks until Rest has passed; then one
// request does, and the others when it was answered. It is safe for concurrent use.
type Redis struct {
	options *redis.Options
	timeout time.Duration // of one question
	use     Use
	log     *slog.Logger
	breaker *breaker.Breaker

	mu     sync.Mutex
	conn   *conn // the one in use or on trial; nil before the first request and while the breaker is open
	closed bool
}

// Open returns a Redis that connects when first asked, so it fails only on a malformed configuration; the error never
// holds the URL. The clock is time.Now but in tests.
func Open(cfg Config, use Use, log *slog.Logger, now func() time.Time) (*Redis, error) {
	options, err := parse(cfg, use.BufferBytes)
	if err != nil {
		return nil, err
	}
	return &Redis{
		options: options, timeout: cmp.Or(cfg.Timeout, DefaultTimeout), use: use, log: log,
		breaker: breaker.New(use.MaxFailures, Rest, now),
	}, nil
}

// parse returns how to reach Redis. What the URL's query says about timeouts and pools does not count: the bounds above
// have to hold.
func parse(cfg Config, bufferBytes int) (*redis.Options, error) {
	options, err := redis.ParseURL(cfg.URL.Reveal())
	if err != nil || options.Network != "tcp" {
		// The driver's message may quote the URL, and with it the password.
		return nil, errors.New("REDIS_URL is not a valid redis:// or rediss:// URL")
	}
	if cfg.Authorities != "" && options.TLSConfig != nil {
		options.TLSConfig.RootCAs = x509.NewCertPool()
		if !options.TLSConfig.RootCAs.AppendCertsFromPEM([]byte(cfg.Authorities.Reveal())) {
			return nil, errors.New("REDIS_CA holds no certificate in PEM")
		}
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

// ErrNonsense is an answer that Redis cannot have given to the question.
var ErrNonsense = errors.New("an answer that makes no sense")

// Do asks Redis, within the timeout, and reports whether it answered: the error that ask returns is a failure of Redis's.
// While Redis is given up ask is not called, which takes no longer than to look at the clock.
func (r *Redis) Do(ctx context.Context, ask func(context.Context, *redis.Client) error) bool {
	conn := r.acquire()
	if conn == nil {
		return false
	}
	// A caller who goes away says nothing about Redis.
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.timeout)
	defer cancel()
	err := ask(asking, conn.client)
	r.report(ctx, conn, err)
	return err == nil
}

// acquire returns the connection to ask, or nil where nobody is to be asked now.
func (r *Redis) acquire() *conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.breaker.Ask() == breaker.Open {
		return nil
	}
	if r.conn == nil {
		r.conn = connect(r.options)
	}
	return r.conn
}

// report opens or closes the breaker after what one request has found.
func (r *Redis) report(ctx context.Context, conn *conn, err error) {
	r.mu.Lock()
	if conn != r.conn { // it was given up meanwhile
		r.mu.Unlock()
		return
	}
	if err == nil {
		closed := r.breaker.Succeed()
		r.mu.Unlock()
		if closed {
			r.log.InfoContext(ctx, r.use.Works)
		}
		return
	}
	open, opened := r.breaker.Fail()
	if open {
		r.conn = nil
	}
	r.mu.Unlock()
	if open {
		conn.close() // a half-dead one never comes back into use
	}
	if opened {
		r.log.WarnContext(ctx, r.use.Fails, "reason", reasonOf(err))
	}
}

// Close lets go of the connections; after it Redis is not asked.
func (r *Redis) Close() {
	r.mu.Lock()
	conn := r.conn
	r.conn, r.closed = nil, true
	r.mu.Unlock()
	if conn != nil {
		conn.close()
	}
}

// conn is a pool of connections that is used until Redis is given up.
type conn struct {
	client *redis.Client
	cancel context.CancelFunc // ends what is being dialled
}

func connect(configured *redis.Options) *conn {
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
	return &conn{client: redis.NewClient(&options), cancel: cancel}
}

func (c *conn) close() {
	c.cancel()
	_ = c.client.Close() // what has failed, or is no longer wanted, need not end well
}

// reasonOf says why Redis is given up, without what was sent.
func reasonOf(err error) string {
	answered := redis.Error(nil)
	switch {
	case errors.Is(err, ErrNonsense):
		return "its answer makes no sense"
	case errors.As(err, &answered):
		code, _, _ := strings.Cut(answered.Error(), " ") // such as NOAUTH or LOADING
		if strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			code = "an error"
		}
		return "it answers " + code
	default:
		return breaker.Reason(err)
	}
}
