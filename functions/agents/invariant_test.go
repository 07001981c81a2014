package agents

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// C13: many count their agents up, each step with the condition that nobody was faster, while the network breaks again
// and again. At every read the count is the version's, in the end all that was acknowledged is there, and there is no more
// than that but what was told to be in doubt.
func TestC13_InvariantUnderFaults(t *testing.T) {
	t.Parallel()
	const (
		agents, workers = 6, 8
		steps           = 600 // of all workers; no agent may have more than 90
		seed            = 13
	)
	s, wire := startFaulty(t)
	watch := s.watch(t)
	paths := make([]string, agents)
	for i := range paths {
		paths[i] = s.path(t, with("trial_days", "0"))
	}
	holds := func(agent catalog.Agent) {
		if int64(agent.TrialDays) != agent.Version-1 {
			t.Errorf("%s counts %d at version %d", agent.ID, agent.TrialDays, agent.Version)
		}
	}
	var acknowledged, doubtful [agents]atomic.Int64
	var taken atomic.Int64
	var working sync.WaitGroup
	for w := range uint64(workers) {
		working.Go(func() {
			random := rand.New(rand.NewPCG(seed, w))
			for taken.Add(1) <= steps {
				if random.IntN(5) == 0 {
					if list := s.meets(t, "GET", "/api/v1/agents", "", ""); list.Status == http.StatusOK {
						for _, agent := range apitest.Decode[[]catalog.Agent](t, list) {
							holds(agent)
						}
					}
					continue
				}
				i := random.IntN(agents)
				read := s.meets(t, "GET", paths[i], "", "")
				if read.Status != http.StatusOK {
					continue
				}
				agent := apitest.Decode[catalog.Agent](t, read)
				holds(agent)
				body := fmt.Sprintf(`{"trial_days":%d}`, agent.TrialDays+1)
				answer := s.Do(t, "PUT", paths[i], s.ada, body, apitest.Header{Name: "If-Match", Value: read.Header.Get("ETag")})
				switch {
				case answer.Status == http.StatusOK:
					acknowledged[i].Add(1)
				case answer.Status == http.StatusServiceUnavailable && strings.Contains(answer.Body, "not known"):
					doubtful[i].Add(1)
				case answer.Status != http.StatusServiceUnavailable && answer.Status != http.StatusPreconditionFailed:
					t.Errorf("got %d %s", answer.Status, answer.Body)
				}
			}
		})
	}
	wire.breaksAgain(t, rand.New(rand.NewPCG(seed, workers)), watch, &taken, steps)
	working.Wait()
	s.recoversReading(t, paths[0], watch)
	sum := int64(0)
	for i, path := range paths {
		agent := apitest.Decode[catalog.Agent](t, s.Do(t, "GET", path, "", "").Want(t, http.StatusOK))
		holds(agent)
		stored, least := int64(agent.TrialDays), acknowledged[i].Load()
		if stored < least || stored > least+doubtful[i].Load() {
			t.Errorf("%s: %d acknowledged, %d in doubt, and %d stored", path, least, doubtful[i].Load(), stored)
		}
		sum += stored
	}
	if sum == 0 {
		t.Error("nothing was done")
	}
}

// breaksAgain breaks the network again and again, each time in one of many ways, while steps are taken, and heals it.
func (n *network) breaksAgain(t *testing.T, random *rand.Rand, watch watcher, taken *atomic.Int64, steps int64) {
	t.Helper()
	faults := []func(){
		func() { n.poison(t, `{"type":"reset_peer","attributes":{"timeout":0}}`) },
		func() { n.poison(t, fmt.Sprintf(`{"type":"limit_data","attributes":{"bytes":%d}}`, random.IntN(3000))) },
		func() { n.poison(t, `{"type":"latency","attributes":{"latency":20,"jitter":20}}`) },
		func() {
			n.cut()
			n.mend(t)
		},
		func() {
			if _, err := database.Exec(t.Context(), watch.db, `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'plant' and usename <> current_user`); err != nil {
				t.Error(err)
			}
		},
	}
	for at := int64(30); at < steps-60; at += 30 {
		until(t, 30*time.Second, "steps are taken", func() bool { return taken.Load() >= at })
		faults[random.IntN(len(faults))]()
		until(t, 30*time.Second, "steps are taken", func() bool { return taken.Load() >= at+10 })
		n.heal(t)
	}
}

// recoversReading is recovers for a test that counts what is written.
func (s service) recoversReading(t *testing.T, path string, watch watcher) {
	t.Helper()
	until(t, healing, "whole again", func() bool { return s.Do(t, "GET", path, "", "").Status == http.StatusOK })
	until(t, healing, "nothing is at work", func() bool { return watch.sees(t, isAtWork) == 0 })
}
