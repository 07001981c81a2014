// Package breaker keeps a process from asking, again and again, for what does not answer.
package breaker

import (
	"sync"
	"time"
)

// State is what a Breaker says to somebody who would ask.
type State int

// The states of a Breaker.
const (
	Closed State = iota // ask: as far as is known, there will be an answer
	Open                // do not
	Trial               // ask, to find out whether there is an answer again: the others wait for what this one finds
)

// Breaker opens after so many failures in a row. It then rests, and after that lets one try at a time, each after another
// rest, until one succeeds. It is safe for concurrent use.
type Breaker struct {
	maxFailures int
	rest        time.Duration
	now         func() time.Time

	mu       sync.Mutex
	failures int       // in a row
	retryAt  time.Time // zero while it is closed
}

// New returns a breaker that is closed. The clock is time.Now but in tests.
func New(maxFailures int, rest time.Duration, now func() time.Time) *Breaker {
	return &Breaker{maxFailures: maxFailures, rest: rest, now: now}
}

// Ask says whether to ask now. Whoever does says how it went, by Succeed or Fail; who cannot tell says nothing.
func (b *Breaker) Ask() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.retryAt.IsZero() {
		return Closed
	}
	now := b.now()
	if now.Before(b.retryAt) {
		return Open
	}
	b.retryAt = now.Add(b.rest)
	return Trial
}

// Succeed closes the breaker, and reports whether it was open.
func (b *Breaker) Succeed() (closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	closed = !b.retryAt.IsZero()
	b.failures, b.retryAt = 0, time.Time{}
	return closed
}

// Fail counts a failure, and reports whether the breaker is open now, and whether this failure opened it.
func (b *Breaker) Fail() (open, opened bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	wasOpen := !b.retryAt.IsZero()
	b.failures++
	if !wasOpen && b.failures < b.maxFailures {
		return false, false
	}
	b.retryAt = b.now().Add(b.rest)
	return true, !wasOpen
}
