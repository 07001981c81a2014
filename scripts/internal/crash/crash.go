// Package crash kills PostgreSQL under writers, again and again, and looks what became of each write.
//
// A run proves, for the writes and the moments that its seed chose:
//   - what a client was told is done is stored, in the version that it was told, however the server ended: the
//     transaction was on disk before the answer;
//   - what a client was told nothing of can be sent again with the same Idempotency-Key, and then is done once: the key,
//     the work and the answer are one transaction, so that none of them is there without the others. A change, which has
//     no key, can be sent again with the same If-Match;
//   - nobody is answered anything but success or 503 meanwhile, and the function's pool heals by itself.
//
// SIGKILL ends processes, not the machine: that the disk keeps what it was told to (fsync) is not tried here.
package crash

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/scripts/internal/process"
	"github.com/waooaw/plant/scripts/internal/stand"
)

// Config of a run.
type Config struct {
	Rounds  int    // how often the server is killed
	Writers int    // at once; 8 where it is 0
	Seed    uint64 // of all that is left to chance; a random one where it is 0
}

// Report of a run.
type Report struct {
	Seed   uint64
	Rounds int // that were completed
	Counts
	Findings
	// SlowestRecovery is the longest time from when the server answered again until each writer had written: the
	// function's pool is whole again.
	SlowestRecovery time.Duration
}

// String tells all of it in one line.
func (r Report) String() string {
	return fmt.Sprintf("%d kills: %d writes acknowledged, %d tries repeated, %d of them done already; %d lost, %d doubled, %d stray, %d torn; slowest recovery %d ms; seed %d",
		r.Rounds, r.Acknowledged, r.Retried, r.Replayed, r.Lost, r.Doubled, r.Stray, r.Torn, r.SlowestRecovery.Milliseconds(), r.Seed)
}

const (
	defaultWriters = 8
	fewestWrites   = 30 // acknowledged between two kills
	mostWrites     = 130
	recoveryBound  = 30 * time.Second // then it does not recover at all
)

// Run kills the server of a stand under writers of a function that runs on it, and starts it again, so many times. It fails
// where an answer was none that may be given, where the function does not recover, and where anything was lost, doubled,
// stray or torn; the report tells how far it came, even so.
func Run(ctx context.Context, s *stand.Stand, agents *functions.Function, cfg Config, out io.Writer) (Report, error) {
	if cfg.Writers == 0 {
		cfg.Writers = defaultWriters
	}
	for cfg.Seed == 0 {
		cfg.Seed = rand.Uint64() //nolint:gosec // chance, no secret
	}
	report := Report{Seed: cfg.Seed}
	process.Say(out, "killing PostgreSQL %d times under %d writers; seed %d", cfg.Rounds, cfg.Writers, cfg.Seed)
	writing, giveUp := context.WithCancel(ctx)
	defer giveUp()
	w, err := StartWriters(writing, s, agents, cfg.Writers, cfg.Seed)
	if err != nil {
		return report, err
	}
	random := rand.New(rand.NewPCG(cfg.Seed, 0)) //nolint:gosec // the same every time is what is wanted
	for round := 1; round <= cfg.Rounds && err == nil; round++ {
		writes := fewestWrites + random.IntN(mostWrites-fewestWrites)
		var down, recovery time.Duration
		if down, recovery, err = kill(ctx, s, w, writes); err != nil {
			err = fmt.Errorf("round %d: %w", round, err)
			break
		}
		report.Rounds = round
		report.SlowestRecovery = max(report.SlowestRecovery, recovery)
		process.Say(out, "round %d: killed after %d writes, back after %d ms, whole %d ms later", round, writes, down.Milliseconds(), recovery.Milliseconds())
	}
	if err != nil {
		giveUp() // a write may never be answered any more
	}
	counts, stopped := w.Stop()
	report.Counts = counts
	if err == nil {
		err = stopped
	}
	if err != nil {
		return report, err
	}
	owner, err := s.Owner(ctx)
	if err != nil {
		return report, err
	}
	defer func() { _ = owner.Close(context.WithoutCancel(ctx)) }()
	report.Findings, err = w.Check(ctx, owner)
	return report, err
}

// kill waits for so many writes and kills the server. It returns how long the server was down, and how long it took from
// then until each writer had written again.
func kill(ctx context.Context, s *stand.Stand, w *Writers, writes int) (down, recovery time.Duration, err error) {
	if err := w.AwaitWrites(ctx, writes); err != nil {
		return 0, 0, err
	}
	begin := time.Now()
	s.Server.Kill()
	if err := s.Server.Restart(ctx); err != nil {
		return 0, 0, err
	}
	back := time.Now()
	waiting, cancel := context.WithTimeout(ctx, recoveryBound)
	defer cancel()
	if err := w.AwaitEach(waiting); err != nil {
		return 0, 0, fmt.Errorf("the function has not recovered: %w", err)
	}
	return back.Sub(begin), time.Since(back), nil
}
