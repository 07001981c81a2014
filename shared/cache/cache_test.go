package cache

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/sethvargo/go-envconfig"
	"go.uber.org/goleak"

	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/redis"
	"github.com/waooaw/plant/shared/redis/redistest"
)

// Nothing runs on after Close, whatever has happened to Redis before.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const signingKey = "marker-key-0123456789"

// start returns a cache that is closed with the test, with what it logs. The URL may be "".
func start(t testing.TB, c *redistest.Clock, url string, timeout time.Duration) (Cache, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	cache, err := newCache(Config{
		Redis: redis.Config{URL: config.Secret(url), Timeout: timeout}, Key: signingKey, Bytes: 1 << 20,
	}, slog.New(slog.NewTextHandler(log, nil)), c.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cache.Close)
	return cache, log
}

// everywhere runs a test for values in this process and for values in Redis. After tells both what time it is.
func everywhere(t *testing.T, test func(t *testing.T, cache Cache, after func(time.Duration))) {
	t.Run("local", func(t *testing.T) {
		t.Parallel()
		c := &redistest.Clock{}
		cache, _ := start(t, c, "", 0)
		test(t, cache, c.Advance)
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		c := &redistest.Clock{}
		m := redistest.Start(t, c.Now())
		cache, log := start(t, c, "redis://"+m.Addr(), redistest.Patient)
		test(t, cache, func(d time.Duration) { c.Advance(d); m.FastForward(d) })
		if log.Len() > 0 {
			t.Error(log)
		}
	})
}

func text(values [][]byte) []string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = "none"
		if value != nil {
			texts[i] = string(value)
		}
	}
	return texts
}

func TestConfig(t *testing.T) {
	t.Parallel()
	got, err := config.LoadFrom[Config](t.Context(), envconfig.MapLookuper(nil))
	if diff := cmp.Diff(Config{Redis: redis.Config{Timeout: redis.DefaultTimeout}, Bytes: 4 << 20}, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	const url = "redis://:marker@127.0.0.1:1"
	for _, bad := range []Config{
		{Bytes: -1},
		{Key: "marker", Redis: redis.Config{URL: url}},
		{Key: signingKey, Redis: redis.Config{URL: "http://marker@cache"}},
	} {
		if _, err := New(bad, slog.New(slog.DiscardHandler)); err == nil || strings.Contains(err.Error(), "marker") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	for _, alone := range []Config{{}, {Key: signingKey}, {Redis: redis.Config{URL: url}}} {
		if c, err := New(alone, slog.New(slog.DiscardHandler)); err != nil {
			t.Errorf("%+v: %v", alone, err)
		} else if _, ok := c.(*local); !ok {
			t.Errorf("%+v: %T", alone, c)
		}
	}
}

func TestKeyOf_NoTwoListsAlike(t *testing.T) {
	t.Parallel()
	seen := map[Key][]string{}
	for _, parts := range [][]string{nil, {""}, {"", ""}, {"ab", "c"}, {"a", "bc"}, {"abc"}, {"a\x00b"}, {"a", "b"}, {"b", "a"}} {
		key := KeyOf(parts...)
		if other, ok := seen[key]; ok {
			t.Errorf("%q and %q have one key", parts, other)
		}
		seen[key] = parts
	}
}

func TestCache_KeepsForAWhile(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, cache Cache, after func(time.Duration)) {
		ctx := t.Context()
		a, b, c := KeyOf("a"), KeyOf("b"), KeyOf("c")
		want := func(want ...string) {
			t.Helper()
			if diff := cmp.Diff(want, text(cache.Get(ctx, []Key{a, b, c, a}))); diff != "" {
				t.Error(diff)
			}
		}
		want("none", "none", "none", "none")
		cache.Set(ctx, time.Hour, []Entry{{a, []byte("1")}, {b, []byte{}}})
		want("1", "", "none", "1")
		cache.Set(ctx, 2*time.Hour, []Entry{{c, []byte("\x00\xff")}, {a, []byte("2")}})
		want("2", "", "\x00\xff", "2")
		after(time.Hour)
		want("2", "none", "\x00\xff", "2")
		after(time.Hour)
		want("none", "none", "none", "none")
		if got := cache.Get(ctx, nil); len(got) != 0 {
			t.Errorf("no keys have %d values", len(got))
		}
		cache.Set(ctx, time.Hour, nil)
	})
}

// A caller who goes away neither loses values nor opens the breaker for others.
func TestF14_CallersGoAway(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, cache Cache, _ func(time.Duration)) {
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for i := range 3 * inRedis.MaxFailures {
			key := KeyOf(fmt.Sprint(i))
			cache.Set(gone, time.Hour, []Entry{{key, []byte("1")}})
			if diff := cmp.Diff([]string{"1"}, text(cache.Get(gone, []Key{key}))); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// Texts are many: those that were asked for last are kept, within the bytes that are set.
func TestLocal_IsBounded(t *testing.T) {
	t.Parallel()
	c := &redistest.Clock{}
	l := newLocal(100*(overhead+1000), c.Now)
	used := KeyOf("used")
	l.Set(t.Context(), time.Hour, []Entry{{used, make([]byte, 1000)}})
	for i := range 1000 {
		l.Set(t.Context(), time.Hour, []Entry{{KeyOf(fmt.Sprint(i)), make([]byte, 1000)}})
		if l.Get(t.Context(), []Key{used})[0] == nil {
			t.Fatalf("after %d the one in use was forgotten", i)
		}
		if l.bytes > l.max || l.entries.Len() > 100 {
			t.Fatalf("%d bytes in %d entries", l.bytes, l.entries.Len())
		}
	}
	if l.entries.Len() != 100 || l.bytes != l.max {
		t.Errorf("%d bytes in %d entries", l.bytes, l.entries.Len())
	}
	l.Set(t.Context(), time.Hour, []Entry{{used, make([]byte, l.max)}}) // too large, and the old one is no longer true
	if l.Get(t.Context(), []Key{used})[0] != nil {
		t.Error("it was kept")
	}
	c.Advance(time.Hour)
	for i := range 1000 {
		l.Get(t.Context(), []Key{KeyOf(fmt.Sprint(i))})
	}
	if l.bytes != 0 || l.entries.Len() != 0 {
		t.Errorf("%d bytes in %d entries are left", l.bytes, l.entries.Len())
	}
}

func BenchmarkCache(b *testing.B) {
	value := make([]byte, 1536)
	run := func(name, url string, texts int) {
		b.Run(fmt.Sprintf("%s/%d", name, texts), func(b *testing.B) {
			cache, _ := start(b, &redistest.Clock{}, url, time.Second)
			entries, keys := make([]Entry, texts), make([]Key, texts)
			for i := range entries {
				keys[i] = KeyOf(fmt.Sprint(i))
				entries[i] = Entry{keys[i], value}
			}
			cache.Set(b.Context(), time.Hour, entries)
			b.ReportAllocs()
			for b.Loop() {
				cache.Get(b.Context(), keys)
			}
		})
	}
	m := miniredis.RunT(b)
	for _, texts := range []int{1, 64} {
		run("local", "", texts)
		run("redis", "redis://"+m.Addr(), texts)
		run("redis is away", "redis://127.0.0.1:1", texts)
	}
}
