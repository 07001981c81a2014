package faults

import (
	"testing"
	"time"

	"github.com/waooaw/plant/scripts/internal/crash"
)

const (
	kills        = 20
	healingBound = 2 * time.Second // for a pool to be whole again, from when the server answers
)

// F2: what was acknowledged outlives 20 kills of the whole server, and what was not can be asked for again.
func TestF2_KillNine(t *testing.T) {
	t.Parallel()
	// To bring all of the data to disk in one call saves a second a round.
	s := ownStand(t, "recovery_init_sync_method=syncfs")
	agents := start(t, s)
	begin := time.Now()
	report, err := crash.Run(t.Context(), s, agents, crash.Config{Rounds: kills}, t.Output())
	t.Logf("%v; %.1f s in all", report, time.Since(begin).Seconds())
	if err != nil {
		t.Fatal(err)
	}
	if report.Findings != (crash.Findings{}) || report.Rounds != kills {
		t.Errorf("got %+v", report)
	}
	if report.SlowestRecovery > healingBound {
		t.Errorf("the pool was whole again after %v, want %v at most", report.SlowestRecovery, healingBound)
	}
	if report.Retried == 0 {
		t.Error("no kill has hit a write")
	}
}
