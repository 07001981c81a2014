package breaker

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const (
	maxFailures = 3
	rest        = 5 * time.Second
)

// The states that follow each other as time passes and calls end.
func TestBreaker_Sequence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := New(maxFailures, rest, time.Now)
		want := func(states ...State) {
			t.Helper()
			for i, want := range states {
				if got := b.Ask(); got != want {
					t.Errorf("state %d: got %d, want %d", i, got, want)
				}
			}
		}
		fail := func(wantOpen, wantOpened bool) {
			t.Helper()
			if open, opened := b.Fail(); open != wantOpen || opened != wantOpened {
				t.Errorf("a failure: open %v, opened %v", open, opened)
			}
		}
		want(Closed, Closed)
		fail(false, false)
		fail(false, false)
		if b.Succeed() {
			t.Error("it was closed")
		}
		fail(false, false) // they count in a row only
		fail(false, false)
		want(Closed)
		fail(true, true)
		want(Open, Open)
		time.Sleep(rest - time.Nanosecond)
		want(Open)
		time.Sleep(time.Nanosecond)
		want(Trial, Open) // one at a time
		fail(true, false)
		time.Sleep(rest)
		want(Trial, Open)
		time.Sleep(rest) // one that never says how it went is followed by another
		want(Trial)
		if !b.Succeed() {
			t.Error("it was open")
		}
		want(Closed)
		fail(false, false)
	})
}

// However many ask at once, one tries.
func TestBreaker_OneTries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := New(1, rest, time.Now)
		b.Fail()
		time.Sleep(rest)
		var trials atomic.Int64
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if b.Ask() == Trial {
					trials.Add(1)
				}
			})
		}
		all.Wait()
		if trials.Load() != 1 {
			t.Errorf("%d tried", trials.Load())
		}
	})
}
