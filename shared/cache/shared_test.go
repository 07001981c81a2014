package cache

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/redis"
	"github.com/waooaw/plant/shared/redis/redistest"
)

// Whatever becomes of Redis, there is no value and no error, once within 50 ms and then at once.
func TestF14_RedisIsAway(t *testing.T) {
	t.Parallel()
	for _, away := range redistest.AllAways {
		t.Run(away.Name, func(t *testing.T) {
			t.Parallel()
			url, connections := redistest.Fake(t, away.Serve)
			cache, log := start(t, &redistest.Clock{}, url, redis.DefaultTimeout)
			key := KeyOf("a")
			ask := func() {
				t.Helper()
				if cache.Get(t.Context(), []Key{key})[0] != nil {
					t.Error("it has a value")
				}
				cache.Set(t.Context(), time.Hour, []Entry{{key, []byte("1")}})
			}
			began := time.Now()
			ask()
			if took := time.Since(began); took > 250*time.Millisecond { // 50, and this machine has other things to do
				t.Errorf("%s were added", took)
			}
			asked := connections.Load()
			for range 1000 {
				ask()
			}
			if connections.Load() > asked+int64(inRedis.MaxFailures) { // those still being made when it was given up
				t.Errorf("asked %d times more while it is given up", connections.Load()-asked)
			}
			if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, away.Reason) || strings.Contains(got, "marker") {
				t.Errorf("logged %q", got)
			}
		})
	}
}

// When Redis is back it is asked again.
func TestF14_RedisComesBack(t *testing.T) {
	t.Parallel()
	c := &redistest.Clock{}
	m := redistest.Start(t, c.Now())
	cache, log := start(t, c, "redis://"+m.Addr(), redistest.Patient)
	key := KeyOf("a")
	cache.Set(t.Context(), time.Hour, []Entry{{key, []byte("1")}})
	m.SetError("LOADING Redis is loading the dataset in memory")
	for range 3 {
		if cache.Get(t.Context(), []Key{key})[0] != nil {
			t.Error("it has a value")
		}
	}
	m.SetError("")
	if cache.Get(t.Context(), []Key{key})[0] != nil {
		t.Error("it is asked while it is given up")
	}
	c.Advance(redis.Rest)
	if diff := cmp.Diff([]string{"1"}, text(cache.Get(t.Context(), []Key{key}))); diff != "" {
		t.Error(diff)
	}
	if got := log.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "in Redis again") {
		t.Errorf("logged %q", got)
	}
}

// Nothing that stands under a key in Redis is served but what was put there for it, for as long as it was.
func TestF15_RedisIsPoisoned(t *testing.T) {
	t.Parallel()
	ours, theirs := KeyOf("tenant a", "text"), KeyOf("tenant b", "text")
	c := &redistest.Clock{}
	other := &shared{key: []byte("another signing key"), now: c.Now}
	flip := func(i int) func(string) string {
		return func(good string) string { return good[:i] + string(good[i]^1) + good[i+1:] }
	}
	tests := map[string]func(good, theirs string) string{
		"text":             func(string, string) string { return "someone else's" },
		"empty":            func(string, string) string { return "" },
		"truncated":        func(good, _ string) string { return good[:len(good)-1] },
		"only the head":    func(good, _ string) string { return good[:headBytes] },
		"half a head":      func(good, _ string) string { return good[:headBytes/2] },
		"longer":           func(good, _ string) string { return good + "x" },
		"too long":         func(good, _ string) string { return good + strings.Repeat("x", 64<<20) },
		"another tenant's": func(_, theirs string) string { return theirs },
		"another schema":   func(good, _ string) string { return flip(0)(good) },
		"a longer life":    func(good, _ string) string { return flip(4)(good) },
		"another MAC":      func(good, _ string) string { return flip(1 + timeBytes)(good) },
		"another value":    func(good, _ string) string { return flip(headBytes)(good) },
		"signed by somebody else": func(string, string) string {
			return string(other.seal(c.Now().Add(time.Hour), Entry{ours, []byte("ours")}))
		},
		"older than it may be used": func(string, string) string { return "" }, // see below
	}
	for name, poison := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &redistest.Clock{}
			m := redistest.Start(t, c.Now())
			cache, log := start(t, c, "redis://"+m.Addr(), redistest.Patient)
			cache.Set(t.Context(), time.Hour, []Entry{{ours, []byte("ours")}, {theirs, []byte("theirs")}})
			good, _ := m.Get(nameOf(ours))
			foreign, _ := m.Get(nameOf(theirs))
			if name == "older than it may be used" { // Redis was told to keep it for longer
				c.Advance(time.Hour)
				m.SetTTL(nameOf(ours), 0)
			} else if err := m.Set(nameOf(ours), poison(good, foreign)); err != nil {
				t.Fatal(err)
			}
			if got := cache.Get(t.Context(), []Key{ours})[0]; got != nil {
				t.Errorf("it served %.40q", got)
			}
			cache.Set(t.Context(), time.Hour, []Entry{{ours, []byte("new")}})
			if diff := cmp.Diff([]string{"new"}, text(cache.Get(t.Context(), []Key{ours}))); diff != "" || log.Len() > 0 {
				t.Errorf("afterwards: %s; logged %q", diff, log)
			}
		})
	}
}

func TestF15_RedisHasAnotherType(t *testing.T) {
	t.Parallel()
	c := &redistest.Clock{}
	m := redistest.Start(t, c.Now())
	cache, log := start(t, c, "redis://"+m.Addr(), redistest.Patient)
	a, b := KeyOf("a"), KeyOf("b")
	if _, err := m.Lpush(nameOf(a), "x"); err != nil {
		t.Fatal(err)
	}
	cache.Set(t.Context(), time.Hour, []Entry{{b, []byte("b")}})
	if diff := cmp.Diff([]string{"none", "b"}, text(cache.Get(t.Context(), []Key{a, b}))); diff != "" || log.Len() > 0 {
		t.Errorf("%s; logged %q", diff, log)
	}
}

// Answers that Redis never gives to the question are misses.
func TestF15_AnswersThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"a word": "+OK\r\n", "a number": ":1\r\n", "nothing": "$-1\r\n", "an empty list": "*0\r\n", "numbers": "*2\r\n:1\r\n:2\r\n",
		"a long list": "*3\r\n$-1\r\n$-1\r\n$-1\r\n", "lists": "*2\r\n*0\r\n*0\r\n", "an error": "-ERR no\r\n",
		"an empty text": "$0\r\n\r\n", "another server": "HTTP/1.1 200 OK\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, _ := redistest.Fake(t, redistest.Say(answer))
			cache, log := start(t, &redistest.Clock{}, strings.Replace(url, "marker-user:marker-password@", "", 1), redis.DefaultTimeout)
			for range 3 {
				if diff := cmp.Diff([]string{"none", "none"}, text(cache.Get(t.Context(), []Key{KeyOf("a"), KeyOf("b")}))); diff != "" {
					t.Error(diff)
				}
			}
			if strings.Count(log.String(), "\n") > 1 {
				t.Errorf("logged %q", log)
			}
		})
	}
}

// What stands in Redis tells nobody what the texts were.
func TestRedis_KeysAreDigests(t *testing.T) {
	t.Parallel()
	c := &redistest.Clock{}
	m := redistest.Start(t, c.Now())
	cache, _ := start(t, c, "redis://"+m.Addr(), redistest.Patient)
	cache.Set(t.Context(), time.Hour, []Entry{{KeyOf("marker"), []byte("1")}, {KeyOf("large"), make([]byte, maxValueBytes+1)}})
	keys := m.Keys()
	if len(keys) != 1 || strings.Contains(keys[0], "marker") || !strings.HasPrefix(keys[0], keyPrefix) || m.TTL(keys[0]) != time.Hour {
		t.Errorf("got %q", keys)
	}
}

// No text that anybody puts under a key opens, but the one that was sealed for it.
func FuzzF15_Open(f *testing.F) {
	c := &redistest.Clock{}
	s := &shared{key: []byte(signingKey), now: c.Now}
	key := KeyOf("a")
	good := string(s.seal(c.Now().Add(time.Hour), Entry{key, []byte("value")}))
	for _, seed := range []string{good, good[:headBytes], good[1:], "", "\x01", strings.Repeat("\x01", headBytes)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		value, ok := s.open(c.Now(), key, text)
		if ok != (text == good) || ok && string(value) != "value" {
			t.Errorf("%q opened: %q", text, value)
		}
	})
}
