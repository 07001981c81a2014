package faults

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waooaw/plant/scripts/internal/functions"
)

const (
	instances = 50
	// connections is what the server takes beside those that are its superuser's.
	connections = 60
	reserved    = 3
	// startBound is loose: instances share this machine's cores, as they do not in the cloud, where 1 s is the goal.
	startBound = 20 * time.Second
)

// L9: when many instances start at once, each takes the one connection that it was given, none is refused one, and each
// says that it is ready only once the database answers it.
func TestL9_ColdStartStorm(t *testing.T) {
	t.Parallel()
	s := ownStand(t, fmt.Sprintf("max_connections=%d", connections+reserved), fmt.Sprintf("superuser_reserved_connections=%d", reserved))
	s.Server.Kill()
	early := started(t)(s.Launch(t.Context(), "agents", "DATABASE_MAX_CONNS=1"))
	eventually(t, "the function lives", func() bool { return isHealthy(t, early) })
	if isReady(t, early) {
		t.Error("an instance is ready before the database answers")
	}
	if err := s.Server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := functions.AwaitReady(t.Context(), early); err != nil {
		t.Fatal(err)
	}
	functions.StopAll(early)

	watching, end := context.WithCancel(t.Context())
	defer end()
	var most atomic.Int64
	var watch sync.WaitGroup
	conn := ownerOf(t, s)
	watch.Go(func() {
		for watching.Err() == nil {
			var now int64
			if err := conn.QueryRow(context.WithoutCancel(watching), `select count(*) from pg_stat_activity where application_name = 'plant'`).Scan(&now); err != nil {
				t.Errorf("count the connections: %v", err)
				return
			}
			most.Store(max(most.Load(), now))
		}
	})
	took := make([]time.Duration, instances)
	all := make([]*functions.Function, instances)
	t.Cleanup(func() {
		functions.StopAll(slices.DeleteFunc(all, func(f *functions.Function) bool { return f == nil })...)
	})
	var starting sync.WaitGroup
	for i := range all {
		begin := time.Now()
		f, err := s.Launch(t.Context(), "agents", "DATABASE_MAX_CONNS=1")
		if err != nil {
			t.Fatal(err)
		}
		all[i] = f
		starting.Go(func() {
			if err := functions.AwaitReady(t.Context(), f); err != nil {
				t.Error(err)
			}
			took[i] = time.Since(begin)
		})
	}
	starting.Wait()
	// All of them work at once, and still each has its one connection.
	for _, f := range all {
		if !isReady(t, f) {
			t.Errorf("%s is not ready any more", f.Address.Host)
		}
	}
	end()
	watch.Wait()
	slices.Sort(took)
	t.Logf("%d instances: half were ready after %d ms, p99 after %d ms; %d connections at most", instances, took[instances/2].Milliseconds(), took[instances-1].Milliseconds(), most.Load())
	if got := most.Load(); got > instances || got < 1 {
		t.Errorf("%d connections at once, want %d at most", got, instances)
	}
	if slowest := took[instances-1]; slowest > startBound {
		t.Errorf("the slowest was ready after %v, want %v at most", slowest, startBound)
	}
	log, err := os.ReadFile(s.Server.LogFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, refusal := range []string{"too many clients", "remaining connection slots"} {
		if strings.Contains(string(log), refusal) {
			t.Errorf("the server has refused a connection: %s", refusal)
		}
	}
}
