package agents

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const sequencingTimeout = 5 * time.Second

// sequencer gives amendments their places soon after they were written, so that who reads them finds little left to do.
// Nothing relies on it: where the platform takes the processor away, the statement that it has sent ends by itself.
type sequencer struct {
	store amendmentStore
	log   *slog.Logger
	every time.Duration

	mu      sync.Mutex
	running bool
	next    time.Time
}

// nudge sequences in the background, as often as is configured at most, and never makes anybody wait.
func (s *sequencer) nudge(ctx context.Context) {
	if s.every <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); s.running || now.Before(s.next) {
		return
	}
	s.running = true
	go func() {
		ctx, cancel := context.WithTimeout(ctx, sequencingTimeout)
		defer cancel()
		if _, err := s.store.sequence(ctx, false); err != nil {
			s.log.WarnContext(ctx, "amendments were not sequenced after a write; the next reader does it", "error", err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running, s.next = false, time.Now().Add(s.every)
	}()
}
