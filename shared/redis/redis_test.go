package redis

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/waooaw/plant/shared/breaker"
	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/redis/redistest"
)

// Nothing runs on after Close, whatever has happened to Redis before.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start returns a Redis that is closed with the test, under a clock that stands.
func start(t *testing.T, url string, timeout time.Duration) *Redis {
	t.Helper()
	use := Use{MaxFailures: 2, BufferBytes: 1 << 10, Fails: "fails", Works: "works"}
	r, err := Open(Config{URL: config.Secret(url), Timeout: timeout}, use, slog.New(slog.DiscardHandler), func() time.Time { return time.Time{} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func ping(ctx context.Context, client *redis.Client) error { return client.Ping(ctx).Err() }

func TestOpen_MalformedURL(t *testing.T) {
	t.Parallel()
	for _, url := range []config.Secret{"", "http://user:marker@cache", "unix:///marker", "redis://user:marker@cache:port", "redis://user:marker@cache/x", "redis://user:marker@cache?nonsense=1"} {
		if _, err := Open(Config{URL: url}, Use{}, slog.Default(), time.Now); err == nil || strings.Contains(err.Error(), "marker") {
			t.Errorf("%q: %v", url.Reveal(), err)
		}
	}
}

// Whatever becomes of Redis, who asks is told so within the timeout, and after a few failures at once.
func TestF14_RedisIsAway(t *testing.T) {
	t.Parallel()
	for _, away := range redistest.AllAways {
		t.Run(away.Name, func(t *testing.T) {
			t.Parallel()
			url, connections := redistest.Fake(t, away.Serve)
			r := start(t, url, DefaultTimeout)
			for range r.use.MaxFailures {
				if r.Do(t.Context(), ping) {
					t.Error("it answered")
				}
			}
			asked := connections.Load()
			for range 1000 {
				r.Do(t.Context(), func(context.Context, *redis.Client) error {
					t.Error("it was asked while it is given up")
					return nil
				})
			}
			if connections.Load() > asked+int64(r.use.MaxFailures) { // those still being made when it was given up
				t.Errorf("%d more connections", connections.Load()-asked)
			}
		})
	}
}

// The connections of a Redis that was given up never come back into use.
func TestF14_ConnectionsAreGivenUp(t *testing.T) {
	t.Parallel()
	r := start(t, "redis://"+redistest.Start(t, time.Now()).Addr(), redistest.Patient)
	if !r.Do(t.Context(), ping) {
		t.Fatal("no answer")
	}
	given := r.conn
	for range r.use.MaxFailures {
		r.Do(t.Context(), func(context.Context, *redis.Client) error { return io.ErrUnexpectedEOF })
	}
	if err := given.client.Ping(t.Context()).Err(); !errors.Is(err, redis.ErrClosed) {
		t.Errorf("they are open: %v", err)
	}
}

// While one request tries, the others do not wait for it.
func TestF14_OthersDoNotWait(t *testing.T) {
	t.Parallel()
	arrived, release := make(chan struct{}, 100), make(chan struct{})
	url, _ := redistest.Fake(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		arrived <- struct{}{}
		<-release
	})
	r := start(t, url, redistest.Patient)
	var now time.Time
	r.breaker = breaker.New(1, Rest, func() time.Time { return now })
	r.breaker.Fail()
	now = now.Add(Rest) // it is open, and due
	tried := make(chan struct{})
	go func() {
		defer close(tried)
		r.Do(t.Context(), ping)
	}()
	<-arrived
	for range 20 {
		if r.Do(t.Context(), ping) { // would take a test's patience each
			t.Error("it answered")
		}
	}
	select {
	case <-arrived:
		t.Error("another request tried as well")
	default:
	}
	close(release)
	<-tried
}

// A late failure on connections that were given up says nothing about those in use now.
func TestF14_LateFailure(t *testing.T) {
	t.Parallel()
	r := start(t, "redis://"+redistest.Start(t, time.Now()).Addr(), redistest.Patient)
	if !r.Do(t.Context(), ping) {
		t.Fatal("no answer")
	}
	old := connect(r.options)
	defer old.close()
	for range 3 * r.use.MaxFailures {
		r.report(t.Context(), old, io.ErrUnexpectedEOF)
	}
	if !r.Do(t.Context(), ping) {
		t.Error("it was given up")
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	r := start(t, "redis://"+redistest.Start(t, time.Now()).Addr(), redistest.Patient)
	if !r.Do(t.Context(), ping) {
		t.Fatal("no answer")
	}
	r.Close()
	r.Close()
	if r.Do(t.Context(), ping) {
		t.Error("it was asked")
	}
}

// Memorystore's certificate is of an authority that no system knows: with it Redis answers, without it nobody asks.
func TestOpen_Authorities(t *testing.T) {
	t.Parallel()
	own := httptest.NewTLSServer(nil) // for its certificate, which signs itself and is for 127.0.0.1
	defer own.Close()
	m := miniredis.NewMiniRedis()
	m.RequireAuth("marker")
	if err := m.StartTLS(&tls.Config{Certificates: own.TLS.Certificates, MinVersion: tls.VersionTLS12}); err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate().Raw})
	open := func(authorities config.Secret) (*Redis, error) {
		cfg := Config{URL: config.Secret("rediss://:marker@" + m.Addr() + "/0"), Authorities: authorities, Timeout: redistest.Patient}
		return Open(cfg, Use{MaxFailures: 2, BufferBytes: 1 << 10}, slog.New(slog.DiscardHandler), time.Now)
	}
	for name, test := range map[string]struct {
		authorities config.Secret
		want        bool
	}{"its own": {config.Secret(authority), true}, "the system's": {"", false}} {
		r, err := open(test.authorities)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Do(t.Context(), ping); got != test.want {
			t.Errorf("%s: it answered: %v", name, got)
		}
		r.Close()
	}
	if _, err := open("marker, and no certificate"); err == nil || strings.Contains(err.Error(), "marker") {
		t.Errorf("got %v, want an error that shows nothing", err)
	}
}
