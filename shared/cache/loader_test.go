package cache

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// upper is a loader of texts in capitals that counts what it loads.
func upper(cache Cache) *Loader[string] {
	return &Loader[string]{
		Cache: cache, Life: time.Hour,
		Encode: func(s string) []byte { return []byte(s) },
		Decode: func(b []byte) (string, bool) { return string(b), string(b) != "BAD" },
	}
}

// get asks for texts by themselves. Loading calls before with those that are missing.
func get(ctx context.Context, l *Loader[string], before func(ctx context.Context, texts []string) error, texts ...string) ([]string, error) {
	keys := make([]Key, len(texts))
	for i, text := range texts {
		keys[i] = KeyOf(text)
	}
	return l.Get(ctx, keys, func(ctx context.Context, missing []int) ([]string, error) {
		var asked, values []string
		for _, i := range missing {
			asked = append(asked, texts[i])
			values = append(values, strings.ToUpper(texts[i]))
		}
		return values, before(ctx, asked)
	})
}

// Only what is missing is asked for, once even where it occurs twice.
func TestLoader_AsksForWhatIsMissing(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, cache Cache, after func(time.Duration)) {
		l := upper(cache)
		var asked []string
		note := func(_ context.Context, texts []string) error { asked = append(asked, texts...); return nil }
		for _, step := range []struct {
			after time.Duration
			texts []string
			asked []string
		}{
			{0, []string{"a", "b", "a"}, []string{"a", "b"}},
			{0, []string{"b", "c", "a"}, []string{"c"}},
			{time.Hour - time.Second, []string{"a", "b", "c"}, nil},
			{time.Second, []string{"c"}, []string{"c"}},
			{0, []string{"bad", "c"}, []string{"bad"}},
			{0, []string{"bad", "c"}, []string{"bad"}}, // what cannot be read is not there
			{0, nil, nil},
		} {
			after(step.after)
			asked = nil
			got, err := get(t.Context(), l, note, step.texts...)
			want := []string{}
			for _, text := range step.texts {
				want = append(want, strings.ToUpper(text))
			}
			if err != nil || !slices.Equal(want, got) || !slices.Equal(step.asked, asked) {
				t.Errorf("%q: got %q, %v, asked for %q", step.texts, got, err, asked)
			}
		}
		if len(l.flights) > 0 {
			t.Errorf("%d are still on their way", len(l.flights))
		}
	})
}

// However many ask for what has run out, one loads it.
func TestF16_OneLoads(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, cache Cache, _ func(time.Duration)) {
		l := upper(cache)
		loaded := map[string]int{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				texts := []string{"a", "b", "c"}
				got, err := get(t.Context(), l, func(_ context.Context, texts []string) error {
					mu.Lock()
					defer mu.Unlock()
					for _, text := range texts {
						loaded[text]++
					}
					return nil
				}, texts[i%3], texts[(i+1)%3])
				if want := []string{strings.ToUpper(texts[i%3]), strings.ToUpper(texts[(i+1)%3])}; err != nil || !slices.Equal(want, got) {
					t.Errorf("got %q, %v", got, err)
				}
			})
		}
		all.Wait()
		if diff := cmp.Diff(map[string]int{"a": 1, "b": 1, "c": 1}, loaded); diff != "" {
			t.Error(diff)
		}
	})
}

// A failure is everybody's who waits, and is not kept.
func TestF16_LoadFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := upper(newLocal(1<<20, time.Now))
		failure := errors.New("it fails")
		var loads atomic.Int64
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				_, err := get(t.Context(), l, func(context.Context, []string) error {
					loads.Add(1)
					time.Sleep(time.Second)
					return failure
				}, "a")
				if !errors.Is(err, failure) {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait()
		if loads.Load() != 1 {
			t.Errorf("loaded %d times", loads.Load())
		}
		if got, err := get(t.Context(), l, func(context.Context, []string) error { return nil }, "a"); err != nil || got[0] != "A" {
			t.Errorf("then %q, %v", got, err)
		}
	})
}

// Who no longer waits gets no answer, and the next finds it all the same.
func TestLoader_LoadOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := upper(newLocal(1<<20, time.Now))
		hurried, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		slow := func(context.Context, []string) error { time.Sleep(500 * time.Millisecond); return nil }
		began := time.Now()
		if _, err := get(hurried, l, slow, "a"); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 50*time.Millisecond {
			t.Errorf("got %v after %s", err, time.Since(began))
		}
		got, err := get(t.Context(), l, func(context.Context, []string) error { t.Error("loaded again"); return nil }, "a")
		if err != nil || got[0] != "A" || time.Since(began) != 500*time.Millisecond {
			t.Errorf("got %q, %v after %s", got, err, time.Since(began))
		}
	})
}

// A load that nobody waits for ends a second later, with its caller's cause; who has joined it loads anew.
func TestLoader_LoadIsAbandoned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := upper(newLocal(1<<20, time.Now))
		hurried, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		began := time.Now()
		var cause error
		hang := func(ctx context.Context, _ []string) error {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return cause
		}
		go func() { _, _ = get(hurried, l, hang, "a") }()
		synctest.Wait()
		got, err := get(t.Context(), l, func(context.Context, []string) error { return nil }, "a")
		if err != nil || got[0] != "A" || time.Since(began) != 50*time.Millisecond+linger {
			t.Errorf("got %q, %v after %s", got, err, time.Since(began))
		}
		if !errors.Is(cause, context.DeadlineExceeded) {
			t.Errorf("its cause was %v", cause)
		}
	})
}

func BenchmarkLoader_Kept(b *testing.B) {
	l := upper(newLocal(1<<20, time.Now))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := get(b.Context(), l, func(context.Context, []string) error { return nil }, "a"); err != nil {
			b.Fatal(err)
		}
	}
}
