package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/waooaw/plant/scripts/internal/crash"
	"github.com/waooaw/plant/shared/auth"
)

const (
	givenAgents = 100
	givers      = 4
	watchers    = 2
)

// game is agents that two owners give each other. Each transfer makes one version, so that an agent is with the first
// owner in every odd version and with the second in every even one, whatever was retried on the way.
type game struct {
	callers [2]crash.Caller // as the owners
	owners  [2]string
	craft   string // the specialization of all agents of the game, and of no others
	ids     []string

	mu    sync.Mutex
	acked map[string]int64 // the versions that were acknowledged
	seen  map[string]int64 // the highest ones that were read
	count int              // of transfers
}

// C13: while backends are killed, every read finds all of the agents, each with the owner that its version says, in no
// version that is older than what was acknowledged before or read before.
func TestC13_InvariantUnderFaults(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s := ownStand(t)
	agents := start(t, s)
	g := &game{craft: "Game " + uuid.NewString()[:8], acked: map[string]int64{}, seen: map[string]int64{}}
	client := crash.NewClient(givers + watchers)
	for i := range g.owners {
		g.owners[i] = fmt.Sprintf("owner-%d-%s", i, uuid.NewString())
		g.callers[i] = crash.Caller{Function: agents, Token: token(t, s, auth.Partner, g.owners[i]), Client: client}
	}
	g.deal(t)
	conn := ownerOf(t, s)

	playing, end := context.WithTimeout(t.Context(), patience)
	defer end()
	group, ctx := errgroup.WithContext(playing)
	over := make(chan struct{})
	for i := range givers {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		group.Go(func() error { return g.give(ctx, random, over, g.ids[i*givenAgents/givers:(i+1)*givenAgents/givers]) })
	}
	for range watchers {
		group.Go(func() error { return g.watch(ctx, over) })
	}
	const kills, least, spread = 6, 40, 60
	random := rand.New(rand.NewPCG(seed, givers))
	for range kills {
		until := g.transfers() + least + random.IntN(spread)
		eventually(t, "transfers go on", func() bool { return g.transfers() >= until || ctx.Err() != nil })
		var pid int
		eventually(t, "a backend is busy", func() bool {
			if conn.IsClosed() { // it was of the same server
				conn = ownerOf(t, s)
			}
			return conn.QueryRow(ctx, `select pid from pg_stat_activity where application_name = 'plant' order by state, random() limit 1`).Scan(&pid) == nil || ctx.Err() != nil
		})
		if ctx.Err() != nil {
			break
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	last := g.transfers()
	eventually(t, "transfers go on", func() bool { return g.transfers() > last+least || ctx.Err() != nil })
	close(over)
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := g.look(t.Context()); err != nil {
		t.Error(err)
	}
	var sum int64
	for _, version := range g.acked {
		sum += version - 1
	}
	if sum != int64(g.count) || scalar[int64](t, ownerOf(t, s), `select sum(version - 1) from plant.agents where specialization = $1`, g.craft) != sum {
		t.Errorf("the versions tell of %d transfers, %d were acknowledged", sum, g.count)
	}
	t.Logf("%d transfers under %d kills", g.count, kills)
}

// deal publishes the agents, all of the first owner.
func (g *game) deal(t *testing.T) {
	t.Helper()
	for i := range givenAgents {
		body := fmt.Sprintf(`{"name":"Agent %d","specialization":%q,"industry":"marketing","hourly_rate":10}`, i, g.craft)
		answer, err := g.callers[0].Do(t.Context(), "POST", "/api/v1/agents", body)
		if err != nil || answer.Status != http.StatusCreated {
			t.Fatalf("publish: %v, %v", answer, err)
		}
		var agent given
		if err := json.Unmarshal(answer.Body, &agent); err != nil {
			t.Fatal(err)
		}
		g.ids = append(g.ids, agent.ID)
		g.acked[agent.ID] = agent.Version
	}
}

type given struct {
	ID      string `json:"id"`
	Owner   string `json:"owner"`
	Version int64  `json:"version"`
}

func (g *game) transfers() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count
}

// give transfers agents that nobody else transfers, each time by whom has it to the other.
func (g *game) give(ctx context.Context, random *rand.Rand, over <-chan struct{}, ids []string) error {
	for {
		select {
		case <-over:
			return nil
		default:
		}
		id := ids[random.IntN(len(ids))]
		g.mu.Lock()
		version := g.acked[id]
		g.mu.Unlock()
		from, to := (version+1)%2, version%2 // the first owner has the odd versions
		answer, err := again(ctx, g.callers[from], "POST", "/api/v1/agents/"+id+"/transfer", fmt.Sprintf(`{"owner":%q}`, g.owners[to]), uuid.NewString())
		if err != nil {
			return fmt.Errorf("transfer: %w", err)
		}
		var agent given
		if err := json.Unmarshal(answer.Body, &agent); err != nil || answer.Status != http.StatusOK || agent.Owner != g.owners[to] || agent.Version != version+1 {
			return fmt.Errorf("transfer version %d of %s to %s: answered %v", version, id, g.owners[to], answer)
		}
		g.mu.Lock()
		g.acked[id] = agent.Version
		g.count++
		g.mu.Unlock()
	}
}

func (g *game) watch(ctx context.Context, over <-chan struct{}) error {
	for {
		select {
		case <-over:
			return nil
		default:
		}
		if err := g.look(ctx); err != nil {
			return err
		}
	}
}

// look reads all of the agents at once.
func (g *game) look(ctx context.Context) error {
	g.mu.Lock()
	least := map[string]int64{}
	for id, version := range g.acked {
		least[id] = max(version, g.seen[id])
	}
	g.mu.Unlock()
	path := fmt.Sprintf("/api/v1/agents?specialization=%s&limit=%d", g.craft[:4]+"%20"+g.craft[5:], givenAgents)
	answer, err := again(ctx, g.callers[0], "GET", path, "", "")
	if err != nil {
		return err
	}
	var page []given
	if err := json.Unmarshal(answer.Body, &page); err != nil || answer.Status != http.StatusOK {
		return fmt.Errorf("list: answered %v", answer)
	}
	if len(page) != givenAgents {
		return fmt.Errorf("a read finds %d agents, want %d", len(page), givenAgents)
	}
	for _, agent := range page {
		switch {
		case agent.Owner != g.owners[(agent.Version+1)%2]:
			return fmt.Errorf("%s is with %s in version %d", agent.ID, agent.Owner, agent.Version)
		case agent.Version < least[agent.ID]:
			return fmt.Errorf("%s is read in version %d after version %d", agent.ID, agent.Version, least[agent.ID])
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, agent := range page {
		g.seen[agent.ID] = max(g.seen[agent.ID], agent.Version)
	}
	return nil
}

// again sends a request until it is answered, always with the same key.
func again(ctx context.Context, caller crash.Caller, method, path, body, key string) (crash.Answer, error) {
	header := []string{"Idempotency-Key", key}
	if key == "" {
		header = nil
	}
	return againAt(ctx, func() crash.Caller { return caller }, method, path, body, header)
}

// againAt is again where the function may be another one the next time.
func againAt(ctx context.Context, caller func() crash.Caller, method, path, body string, header []string) (crash.Answer, error) {
	for {
		answer, err := caller().Do(ctx, method, path, body, header...)
		switch {
		case err == nil && !answer.Unavailable():
			return answer, nil
		case ctx.Err() != nil:
			return answer, ctx.Err()
		case err != nil && !errors.Is(err, crash.ErrNoAnswer):
			return answer, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}
