package ratelimit

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2/server"

	"github.com/waooaw/plant/shared/redis"
	"github.com/waooaw/plant/shared/redis/redistest"
)

// Whatever becomes of Redis, requests are decided as they would be without it, within 50 ms for both quotas together;
// after a few it is left alone.
func TestF14_RedisIsAway(t *testing.T) {
	t.Parallel()
	for _, test := range redistest.AllAways {
		t.Run(test.Name, func(t *testing.T) {
			t.Parallel()
			c := &redistest.Clock{}
			url, connections := redistest.Fake(t, test.Serve)
			l, log := start(t, c, url, redis.DefaultTimeout)
			fastest := time.Minute
			for i := range inRedis.MaxFailures {
				began := time.Now()
				if d := l.Allow(t.Context(), carl, 40); !d.Allowed || d.Remaining != 10-1-i {
					t.Errorf("request %d: %+v", i, d)
				}
				fastest = min(fastest, time.Since(began))
			}
			if fastest > 2*redis.DefaultTimeout { // the fastest: this machine has other things to do
				t.Errorf("%s were added to every request", fastest)
			}
			asked := connections.Load()
			if got := allowed(t, l, carl, 40, 1000); got != 10-inRedis.MaxFailures {
				t.Errorf("%d were allowed then", got)
			}
			if connections.Load() > asked+int64(inRedis.MaxFailures) { // those still being made when it was given up
				t.Errorf("asked %d times more while it is given up", connections.Load()-asked)
			}
			lines := log.lines()
			if len(lines) != 1 || !strings.Contains(lines[0], test.Reason) || strings.Contains(lines[0], "marker") {
				t.Errorf("logged %q", lines)
			}
		})
	}
}

func TestF14_NobodyListens(t *testing.T) {
	t.Parallel()
	l, log := start(t, &redistest.Clock{}, "redis://:marker-password@127.0.0.1:1", redis.DefaultTimeout)
	if got := allowed(t, l, carl, 40, 100); got != 10 {
		t.Errorf("%d were allowed", got)
	}
	if lines := log.lines(); len(lines) != 1 || !strings.Contains(lines[0], "connection refused") || strings.Contains(lines[0], "marker") {
		t.Errorf("logged %q", lines)
	}
}

// One request at a time finds out whether Redis is back, every few seconds, and then all ask it again.
func TestF14_OneRequestTriesAgain(t *testing.T) {
	t.Parallel()
	c := &redistest.Clock{}
	m := redistest.Start(t, c.Now())
	l, log := start(t, c, "redis://"+m.Addr(), redistest.Patient)
	if got := l.Allow(t.Context(), carl, 40).Remaining; got != 9 {
		t.Fatalf("%d are left", got)
	}
	var asked atomic.Int64
	var away atomic.Bool
	away.Store(true)
	m.Server().SetPreHook(func(peer *server.Peer, command string, _ ...string) bool {
		if !strings.HasPrefix(command, "EVAL") {
			return false
		}
		asked.Add(1)
		if away.Load() {
			peer.WriteError("LOADING Redis is loading the dataset in memory")
		}
		return away.Load()
	})
	for _, step := range []struct {
		after time.Duration
		asked int64
	}{{0, int64(inRedis.MaxFailures)}, {redis.Rest - time.Nanosecond, 0}, {time.Nanosecond, 1}, {redis.Rest - time.Nanosecond, 0}, {time.Nanosecond, 1}} {
		c.Advance(step.after)
		before := asked.Load()
		allowed(t, l, carl, 40, 20)
		if got := asked.Load() - before; got != step.asked {
			t.Errorf("after %s it was asked %d times, want %d", step.after, got, step.asked)
		}
		if lines := log.lines(); len(lines) != 1 {
			t.Errorf("logged %q", lines)
		}
	}
	away.Store(false)
	c.Advance(redis.Rest)
	m.SetTime(c.Now())
	m.FlushAll()
	if got := allowed(t, l, carl, 40, 20); got != 10 {
		t.Errorf("%d were allowed by a new bucket in Redis", got)
	}
	if len(m.Keys()) != 1 {
		t.Errorf("Redis has %q", m.Keys())
	}
	if lines := log.lines(); len(lines) != 2 || !strings.Contains(lines[1], "in Redis again") {
		t.Errorf("logged %q", lines)
	}
}

// Callers who go away are counted, and cannot open the breaker for the others.
func TestF14_CallersGoAway(t *testing.T) {
	t.Parallel()
	c := &redistest.Clock{}
	m := redistest.Start(t, c.Now())
	l, log := start(t, c, "redis://"+m.Addr(), redistest.Patient)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 * inRedis.MaxFailures {
		l.Allow(gone, carl, 400)
	}
	if got := l.Allow(t.Context(), carl, 400).Remaining; got != 100-3*inRedis.MaxFailures-1 || len(log.lines()) > 0 {
		t.Errorf("%d are left, logged %q", got, log.lines())
	}
}

// Nothing that stands under a key in Redis shuts its caller out, opens the breaker for others, or stays.
func TestF15_RedisIsPoisoned(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, value string }{
		{"text", "someone else's"},
		{"empty", ""},
		{"truncated", "2947"},
		{"binary", "\x00\xff\x01"},
		{"for ever", "1e300"},
		{"next year", "400000000"},
		{"endless", "inf"},
		{"no number", "nan"},
		{"long ago", "-1e300"},
		{"another schema", `{"v":2}`},
		{"long", strings.Repeat("9", 100_000)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := &redistest.Clock{}
			m := redistest.Start(t, c.Now())
			l, log := start(t, c, "redis://"+m.Addr(), redistest.Patient)
			l.Allow(t.Context(), carl, 40)
			name := m.Keys()[0]
			if err := m.Set(name, test.value); err != nil {
				t.Fatal(err)
			}
			// The one that finds it may be counted here, and then Redis has a new bucket.
			if got := allowed(t, l, carl, 40, 30); got < 10 || got > 11 {
				t.Errorf("%d were allowed", got)
			}
			if value, err := m.Get(name); err != nil || value == test.value || len(log.lines()) > 0 {
				t.Errorf("the value is %.40q, %v; logged %q", value, err, log.lines())
			}
		})
	}
	t.Run("wrong type", func(t *testing.T) {
		t.Parallel()
		c := &redistest.Clock{}
		m := redistest.Start(t, c.Now())
		l, log := start(t, c, "redis://"+m.Addr(), redistest.Patient)
		l.Allow(t.Context(), carl, 40)
		name := m.Keys()[0]
		m.Del(name)
		if _, err := m.Lpush(name, "x"); err != nil {
			t.Fatal(err)
		}
		if got := allowed(t, l, carl, 40, 30); got != 11 || len(log.lines()) > 0 {
			t.Errorf("%d were allowed, logged %q", got, log.lines())
		}
		if _, err := m.Get(name); err != nil {
			t.Errorf("still of the wrong type: %v", err)
		}
	})
}

// Answers that redis_rate's script never gives, which that library takes for granted, are no panic.
func TestF15_AnswersThatMakeNoSense(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"a word":             "+OK\r\n",
		"a number":           ":1\r\n",
		"nothing":            "$-1\r\n",
		"an empty list":      "*0\r\n",
		"a short list":       "*2\r\n:1\r\n:1\r\n",
		"words for numbers":  "*4\r\n+1\r\n+1\r\n+1\r\n+1\r\n",
		"numbers for words":  "*4\r\n:1\r\n:1\r\n:-1\r\n:1\r\n",
		"no such numbers":    "*4\r\n:1\r\n:1\r\n+x\r\n+y\r\n",
		"not a number":       "*4\r\n:0\r\n:0\r\n+nan\r\n+nan\r\n",
		"refused for ever":   "*4\r\n:0\r\n:0\r\n+inf\r\n+inf\r\n",
		"refused while full": "*4\r\n:0\r\n:0\r\n+1\r\n+0\r\n",
		"fuller than full":   "*4\r\n:1\r\n:9\r\n+-1\r\n+-5\r\n",
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &redistest.Clock{}
			m := redistest.Start(t, c.Now())
			m.Server().SetPreHook(func(peer *server.Peer, command string, _ ...string) bool {
				if !strings.HasPrefix(command, "EVAL") {
					return false
				}
				peer.WriteRaw(answer)
				return true
			})
			l, log := start(t, c, "redis://"+m.Addr(), redistest.Patient)
			if got := allowed(t, l, carl, 40, 30); got != 10 {
				t.Errorf("%d were allowed", got)
			}
			if lines := log.lines(); len(lines) != 1 {
				t.Errorf("logged %q", lines)
			}
		})
	}
}

// The state is in Redis and Redis goes away: each process limits on its own, from full buckets, until it is back.
func TestF17_FailsOpenToTheProcess(t *testing.T) {
	t.Parallel()
	c := &redistest.Clock{}
	m := redistest.Start(t, c.Now())
	here, _ := start(t, c, "redis://"+m.Addr(), redistest.Patient)
	there, _ := start(t, c, "redis://"+m.Addr(), redistest.Patient)
	if a, b := allowed(t, here, carl, 40, 6), allowed(t, there, carl, 40, 6); a+b != 10 {
		t.Errorf("%d and %d with one quota", a, b)
	}
	m.Close()
	if a, b := allowed(t, here, carl, 40, 30), allowed(t, there, carl, 40, 30); a != 10 || b != 10 {
		t.Errorf("%d and %d on their own", a, b)
	}
	if err := m.Restart(); err != nil {
		t.Fatal(err)
	}
	c.Advance(redis.Rest) // in which 3⅓ requests came back
	m.SetTime(c.Now())
	if a, b := allowed(t, here, carl, 40, 6), allowed(t, there, carl, 40, 6); a+b != 3 {
		t.Errorf("%d and %d with one quota again", a, b)
	}
}

func TestClose_IsTheEndOfRedis(t *testing.T) {
	t.Parallel()
	c := &redistest.Clock{}
	m := redistest.Start(t, c.Now())
	l, log := start(t, c, "redis://"+m.Addr(), redistest.Patient)
	l.Allow(t.Context(), carl, 40)
	l.Close()
	l.Close()
	if got := allowed(t, l, carl, 40, 30); got != 10 || len(log.lines()) > 0 {
		t.Errorf("%d were allowed, logged %q", got, log.lines())
	}
}
