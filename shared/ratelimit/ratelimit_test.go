package ratelimit

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sethvargo/go-envconfig"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/redis"
	"github.com/waooaw/plant/shared/redis/redistest"
)

// Nothing runs on after Close, whatever has happened to Redis before.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logged collects log lines. It is safe for concurrent use.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// lines returns what was logged, a line each.
func (l *logged) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.FieldsFunc(l.text.String(), func(r rune) bool { return r == '\n' })
}

// start returns a limiter that is closed with the test, with what it logs. The URL may be "".
func start(t testing.TB, c *redistest.Clock, url string, timeout time.Duration) (*Limiter, *logged) {
	t.Helper()
	log := &logged{}
	l, err := newLimiter(Config{Redis: redis.Config{URL: config.Secret(url), Timeout: timeout}}, slog.New(slog.NewTextHandler(log, nil)), c.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l, log
}

const carl = "caller\x00https://issuer.example\x00carl"

// allowed returns how many of n requests are allowed.
func allowed(t testing.TB, l *Limiter, key string, perMinute, n int) int {
	t.Helper()
	count := 0
	for range n {
		if l.Allow(t.Context(), key, perMinute).Allowed {
			count++
		}
	}
	return count
}

func TestConfig(t *testing.T) {
	t.Parallel()
	got, err := config.LoadFrom[Config](t.Context(), envconfig.MapLookuper(nil))
	if diff := cmp.Diff(Config{Caller: 1200, Address: 3000, Redis: redis.Config{Timeout: redis.DefaultTimeout}}, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	got, err = config.LoadFrom[Config](t.Context(), envconfig.MapLookuper(map[string]string{
		"RATE_LIMIT_CALLER": "0", "RATE_LIMIT_ADDRESS": "60", "REDIS_URL": "rediss://cache:6379", "REDIS_TIMEOUT": "1s", "CLIENT_ADDRESS_FROM_RIGHT": "2",
	}))
	want := Config{Address: 60, Redis: redis.Config{URL: "rediss://cache:6379", Timeout: time.Second}, AddressFromRight: 2}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	for _, bad := range []Config{
		{Caller: -1},
		{Address: -1},
		{AddressFromRight: -1},
		{Redis: redis.Config{URL: "http://user:marker-password@cache"}},
		{Redis: redis.Config{URL: "unix:///marker-password"}},
		{Redis: redis.Config{URL: "redis://user:marker-password@cache:port"}},
		{Redis: redis.Config{URL: "redis://user:marker-password@cache/x"}},
		{Redis: redis.Config{URL: "redis://user:marker-password@cache?nonsense=1"}},
	} {
		if _, err := New(bad, slog.New(slog.DiscardHandler)); err == nil || strings.Contains(err.Error(), "marker") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// The same sequence is decided alike in this process and in Redis.
func TestAllow_Sequence(t *testing.T) {
	t.Parallel()
	type step struct {
		after time.Duration
		want  Decision
	}
	const s = time.Second
	tests := []struct {
		name      string
		perMinute int
		steps     []step
	}{
		{"no limit", 0, []step{{0, Decision{Allowed: true}}, {0, Decision{Allowed: true}}}},
		{"one a minute", 1, []step{
			{0, Decision{Allowed: true, Limit: 1, Reset: 60 * s}},
			{0, Decision{Limit: 1, Reset: 60 * s, RetryAfter: 60 * s}},
			{59 * s, Decision{Limit: 1, Reset: s, RetryAfter: s}},
			{s, Decision{Allowed: true, Limit: 1, Reset: 60 * s}},
		}},
		{"three a minute", 3, []step{
			{0, Decision{Allowed: true, Limit: 3, Remaining: 2, Reset: 20 * s}},
			{0, Decision{Allowed: true, Limit: 3, Remaining: 1, Reset: 20 * s}},
			{5 * s, Decision{Allowed: true, Limit: 3, Remaining: 0, Reset: 15 * s}},
			{0, Decision{Limit: 3, Reset: 15 * s, RetryAfter: 15 * s}},
			{14 * s, Decision{Limit: 3, Reset: s, RetryAfter: s}},
			{s, Decision{Allowed: true, Limit: 3, Reset: 20 * s}},
			{3600 * s, Decision{Allowed: true, Limit: 3, Remaining: 2, Reset: 20 * s}},
		}},
		{"the default", 1200, []step{
			{0, Decision{Allowed: true, Limit: 1200, Remaining: 299, Reset: 50 * time.Millisecond}},
			{0, Decision{Allowed: true, Limit: 1200, Remaining: 298, Reset: 50 * time.Millisecond}},
			{20 * time.Millisecond, Decision{Allowed: true, Limit: 1200, Remaining: 297, Reset: 30 * time.Millisecond}},
			{20 * time.Millisecond, Decision{Allowed: true, Limit: 1200, Remaining: 296, Reset: 10 * time.Millisecond}},
		}},
	}
	for _, test := range tests {
		for _, where := range []string{"local", "redis"} {
			t.Run(test.name+" "+where, func(t *testing.T) {
				t.Parallel()
				c, url := &redistest.Clock{}, ""
				m := redistest.Start(t, c.Now())
				if where == "redis" {
					url = "redis://" + m.Addr()
				}
				l, log := start(t, c, url, redistest.Patient)
				for i, step := range test.steps {
					c.Advance(step.after)
					m.SetTime(c.Now())
					if got := l.Allow(t.Context(), carl, test.perMinute); !alike(step.want, got) {
						t.Errorf("step %d: got %+v, want %+v", i, got, step.want)
					}
				}
				if lines := log.lines(); len(lines) > 0 {
					t.Error(lines)
				}
			})
		}
	}
}

// alike leaves the times a millisecond: Redis's script counts in floating point.
func alike(a, b Decision) bool {
	near := func(a, b time.Duration) bool { return math.Abs(float64(a-b)) <= float64(time.Millisecond) }
	return a.Allowed == b.Allowed && a.Limit == b.Limit && a.Remaining == b.Remaining && near(a.Reset, b.Reset) && near(a.RetryAfter, b.RetryAfter)
}

func TestAllow_LocalAndRedisAgree(t *testing.T) {
	t.Parallel()
	c := &redistest.Clock{}
	m := redistest.Start(t, c.Now())
	here, _ := start(t, c, "", 0)
	there, log := start(t, c, "redis://"+m.Addr(), redistest.Patient)
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		perMinute := rapid.IntRange(1, 6000).Draw(t, "quota")
		for range rapid.IntRange(1, 40).Draw(t, "requests") {
			key := fmt.Sprintf("%d.%d", run, rapid.IntRange(0, 1).Draw(t, "key"))
			// Whole intervals and a bit: on the boundary itself a rounding error decides, which nobody could notice.
			c.Advance(time.Duration((float64(rapid.IntRange(0, 9).Draw(t, "pause")) + 0.02) * interval(perMinute)))
			m.SetTime(c.Now())
			if a, b := here.Allow(t.Context(), key, perMinute), there.Allow(t.Context(), key, perMinute); !alike(a, b) {
				t.Fatalf("here %+v, in Redis %+v", a, b)
			}
		}
	})
	if lines := log.lines(); len(lines) > 0 {
		t.Error(lines)
	}
}

func TestF16_ConcurrentRequestsAreEachCountedOnce(t *testing.T) {
	t.Parallel()
	const requests, perMinute, want = 200, 240, 60 // a quarter of a second each: Redis's floating point is exact
	for _, where := range []string{"local", "redis"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			c := &redistest.Clock{}
			m := redistest.Start(t, c.Now())
			instances := make([]*Limiter, 1)
			if where == "redis" {
				instances = make([]*Limiter, 2)
			}
			for i := range instances {
				url := ""
				if where == "redis" {
					url = "redis://" + m.Addr()
				}
				instances[i], _ = start(t, c, url, redistest.Patient)
			}
			var all sync.WaitGroup
			var passed, refused atomic.Int64
			left := make([]atomic.Int64, want)
			for i := range requests {
				all.Go(func() {
					d := instances[i%len(instances)].Allow(t.Context(), carl, perMinute)
					if !d.Allowed {
						refused.Add(1)
						return
					}
					passed.Add(1)
					left[d.Remaining].Add(1)
				})
			}
			all.Wait()
			if passed.Load() != want || refused.Load() != requests-want {
				t.Errorf("%d passed and %d were refused, want %d and %d", passed.Load(), refused.Load(), want, requests-want)
			}
			for n := range left {
				if got := left[n].Load(); got != 1 {
					t.Errorf("%d requests were told that %d are left", got, n)
				}
			}
		})
	}
}

func TestL4_OneCallerFloods(t *testing.T) {
	t.Parallel()
	c := &redistest.Clock{}
	m := redistest.Start(t, c.Now())
	for _, url := range []string{"", "redis://" + m.Addr()} {
		l, _ := start(t, c, url, redistest.Patient)
		if got := allowed(t, l, carl, 40, 100); got != 10 {
			t.Errorf("%d of the flood passed", got)
		}
		if got := allowed(t, l, Caller("https://issuer.example", "carol"), 40, 10); got != 10 {
			t.Errorf("another caller had %d of 10 requests", got)
		}
		if got := allowed(t, l, Caller("https://other.example", "carl"), 40, 10); got != 10 {
			t.Errorf("another issuer's carl had %d of 10 requests", got)
		}
	}
}

func TestKeys_AreNobodysName(t *testing.T) {
	t.Parallel()
	c := &redistest.Clock{}
	m := redistest.Start(t, c.Now())
	l, _ := start(t, c, "redis://"+m.Addr(), redistest.Patient)
	l.Allow(t.Context(), Caller("https://issuer.example", "carl@example.com"), 60)
	l.Allow(t.Context(), Address(netip.MustParsePrefix("192.0.2.1/32")), 60)
	keys := m.Keys()
	if len(keys) != 2 {
		t.Errorf("got %q", keys)
	}
	for _, key := range keys {
		if !regexp.MustCompile(`^rate:plant:v1:[0-9a-f]{32}$`).MatchString(key) || m.TTL(key) <= 0 || m.TTL(key) > time.Minute {
			t.Errorf("%q, kept for %s", key, m.TTL(key))
		}
	}
}

// Addresses are many: buckets are bounded, those in use are kept, and a minute after the flood it costs nothing.
func TestLocal_IsBounded(t *testing.T) {
	t.Parallel()
	c := &redistest.Clock{}
	l, _ := start(t, c, "", 0)
	held := func() int { return len(l.local.recent) + len(l.local.older) }
	for i := range 3 * maxLocalKeys {
		if i%1000 == 0 && l.Allow(t.Context(), carl, 1).Allowed != (i == 0) {
			t.Fatalf("after %d keys the one in use was forgotten", i)
		}
		l.Allow(t.Context(), Caller("https://issuer.example", fmt.Sprint(i)), 1)
		if held() > maxLocalKeys+1 {
			t.Fatalf("%d keys are held", held())
		}
	}
	c.Advance(30 * time.Second)
	if l.Allow(t.Context(), carl, 1).Allowed {
		t.Error("allowed after half a minute")
	}
	c.Advance(2 * time.Minute)
	if !l.Allow(t.Context(), carl, 1).Allowed || held() != 1 {
		t.Errorf("%d keys are held in the end", held())
	}
}

// A bucket is only forgotten when it is as good as new.
func TestLocal_TurnsWithoutLoss(t *testing.T) {
	t.Parallel()
	c := &redistest.Clock{}
	l, _ := start(t, c, "", 0)
	for second := range 600 { // asks for one a second, and may have one in 20 seconds
		if got, want := l.Allow(t.Context(), carl, 3).Allowed, second < 3 || second%20 == 0; got != want {
			t.Fatalf("second %d: %t", second, got)
		}
		c.Advance(time.Second)
	}
}

func BenchmarkAllow(b *testing.B) {
	client := Config{AddressFromRight: 2}
	header := []string{"203.0.113.9, 2001:db8:1:2:3:4:5:6, 192.0.2.1"}
	run := func(name, url string, key func() string) {
		b.Run(name, func(b *testing.B) {
			l, err := New(Config{Redis: redis.Config{URL: config.Secret(url)}}, slog.New(slog.DiscardHandler))
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			b.ReportAllocs()
			for b.Loop() {
				l.Allow(b.Context(), key(), 1200)
			}
		})
	}
	run("caller", "", func() string { return Caller("https://issuer.example", "carl@example.com") })
	run("address", "", func() string { return Address(client.Client("192.0.2.1:4711", header)) })
	run("caller, breaker open", "redis://127.0.0.1:1", func() string { return Caller("https://issuer.example", "carl@example.com") })
	n := 0
	run("always another", "", func() string { n++; return fmt.Sprintf("caller%d", n) })
}

// BenchmarkLocal_Memory reports what a full table takes.
func BenchmarkLocal_Memory(b *testing.B) {
	heap := func() uint64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := heap()
	buckets := newLocalBuckets(time.Now())
	for b.Loop() {
		for i := range maxLocalKeys {
			buckets.take(time.Now(), idOf(fmt.Sprint(i)), 1200)
		}
	}
	b.ReportMetric(float64(heap()-before)/(1<<20), "MB")
	runtime.KeepAlive(buckets)
}
