package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/waooaw/plant/scripts/internal/crash"
	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/scripts/internal/stand"
	"github.com/waooaw/plant/shared/auth"
)

const (
	reporters      = 4
	reportedAgents = 30
	batchEvents    = 300
)

// reports are batches of events that many send at once, parts of earlier ones again among them.
type reports struct {
	function atomic.Pointer[functions.Function] // the one that runs
	client   *http.Client
	token    string
	agents   []string

	mu      sync.Mutex
	events  map[string]string // those that were acknowledged, and the job that each ends; "" where it ends none
	batches int
}

// C8, C13 and L12: the server, its backends and the function are killed under those who report, who send again what was
// not answered. Every read meanwhile finds all rollups in step, and in the end each event is stored and counted once.
func TestC8_C13_L12_Events(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s := ownStand(t, "recovery_init_sync_method=syncfs")
	r := &reports{client: crash.NewClient(reporters), token: token(t, s, auth.Governor, "grace"), events: map[string]string{}}
	for range reportedAgents {
		r.agents = append(r.agents, uuid.NewString())
	}
	execute(t, ownerOf(t, s), `insert into plant.agents (id, owner_issuer, owner, name, specialization, industry, hourly_rate)
		select id::uuid, 'i', 'ada', 'Name', 'Work', 'sales', 10 from unnest('{`+strings.Join(r.agents, ",")+`}'::text[]) id`)
	r.run(t, s)

	reporting, end := context.WithTimeout(t.Context(), 3*patience)
	defer end()
	group, ctx := errgroup.WithContext(reporting)
	over := make(chan struct{})
	for i := range reporters {
		group.Go(func() error { return r.report(ctx, rand.New(rand.NewPCG(seed, uint64(i))), i, over) })
	}
	group.Go(func() error { return inStep(ctx, s, over) })
	random := rand.New(rand.NewPCG(seed, reporters))
	for round := range 9 {
		until := r.count() + 5 + random.IntN(10)
		eventually(t, "batches are stored", func() bool { return r.count() >= until || ctx.Err() != nil })
		if ctx.Err() != nil {
			break
		}
		switch round % 3 {
		case 0:
			for _, pid := range s.Server.Backends()[:1] {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		case 1:
			s.Server.Kill()
			if err := s.Server.Restart(ctx); err != nil {
				t.Fatal(err)
			}
		case 2:
			_ = syscall.Kill(r.function.Load().Pid(), syscall.SIGKILL)
			r.run(t, s)
		}
	}
	last := r.count()
	eventually(t, "batches are stored", func() bool { return r.count() > last+reporters || ctx.Err() != nil })
	close(over)
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	jobs := map[string]bool{}
	for _, job := range r.events {
		if job != "" {
			jobs[job] = true
		}
	}
	owner := ownerOf(t, s)
	t.Logf("%d batches, %d events of %d jobs", r.count(), len(r.events), len(jobs))
	for what, want := range map[string]int{
		`select count(*) from plant.job_events`:                           len(r.events),
		`select count(*) from plant.jobs`:                                 len(jobs),
		`select sum(total_jobs) from plant.agent_statistics`:              len(jobs),
		`select sum(jobs) from plant.job_rollups where grain = 'quarter'`: len(jobs),
	} {
		if got := scalar[int64](t, owner, `select n::bigint from (`+what+`) c (n)`); got != int64(want) {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	const all = `select md5(string_agg(r::text, ';' order by agent_id, grain, starts_at)) from plant.job_rollups r`
	before := scalar[string](t, owner, all)
	execute(t, owner, `select plant.rebuild_job_rollups()`)
	if scalar[string](t, owner, all) != before {
		t.Error("a rebuild makes other rollups")
	}
}

// run starts the function until the test ends.
func (r *reports) run(t *testing.T, s *stand.Stand) {
	t.Helper()
	r.function.Store(started(t)(s.Start(t.Context(), "metrics", "DATABASE_MAX_CONNS=6")))
}

func (r *reports) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.batches
}

type reported struct {
	AgentID    string    `json:"agent_id"`
	EventID    string    `json:"event_id"`
	JobID      string    `json:"job_id"`
	Kind       string    `json:"kind"`
	OccurredAt time.Time `json:"occurred_at"`
	DurationMS int64     `json:"duration_ms"`
}

// report sends batches, each until it is answered.
func (r *reports) report(ctx context.Context, random *rand.Rand, reporter int, over <-chan struct{}) error {
	var sent []reported
	for n := 0; ; n++ {
		select {
		case <-over:
			return nil
		default:
		}
		batch := make([]reported, batchEvents)
		for i := range batch {
			if len(sent) > 0 && random.IntN(4) == 0 {
				batch[i] = sent[random.IntN(len(sent))] // again
				continue
			}
			batch[i] = reported{
				AgentID: r.agents[random.IntN(len(r.agents))], EventID: fmt.Sprintf("%d-%d-%d", reporter, n, i), JobID: fmt.Sprintf("%d-%d", reporter, random.IntN(2000)),
				Kind:       []string{"job_started", "job_completed", "job_failed"}[random.IntN(3)],
				OccurredAt: time.Now().UTC().Add(-time.Duration(random.IntN(72)) * time.Hour).Truncate(time.Microsecond), DurationMS: random.Int64N(100_000),
			}
			sent = append(sent, batch[i])
		}
		if err := r.send(ctx, batch); err != nil {
			return err
		}
	}
}

func (r *reports) send(ctx context.Context, batch []reported) error {
	body, err := json.Marshal(map[string]any{"events": batch})
	if err != nil {
		return err
	}
	answer, err := againAt(ctx, func() crash.Caller {
		return crash.Caller{Function: r.function.Load(), Token: r.token, Client: r.client}
	}, "POST", "/api/v1/events", string(body), nil)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	var results struct{ Results []struct{ Status string } }
	if err := json.Unmarshal(answer.Body, &results); err != nil || len(results.Results) != len(batch) {
		return fmt.Errorf("report: answered %v", answer)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, e := range batch {
		if status := results.Results[i].Status; status != "stored" && status != "duplicate" {
			return fmt.Errorf("event %+v is %s", e, status)
		}
		job := ""
		if e.Kind != "job_started" {
			job = e.AgentID + e.JobID
		}
		r.events[e.AgentID+e.EventID] = job
	}
	r.batches++
	return nil
}

// inStep reads until it is over, and finds the rollups of every grain, the jobs and the statistics of every agent in step.
func inStep(ctx context.Context, s *stand.Stand, over <-chan struct{}) error {
	const outOfStep = `
		select count(*) from plant.agent_statistics t
		left join (select agent_id, sum(jobs) filter (where grain = 'quarter') as quarters, sum(jobs) filter (where grain = 'day') as days, sum(jobs) filter (where grain = 'all') as total,
			sum(duration_ms_sum) filter (where grain = 'quarter') as ms from plant.job_rollups group by agent_id) r using (agent_id)
		left join (select agent_id, count(*) as jobs, count(*) filter (where completed) as completed from plant.jobs group by agent_id) j using (agent_id)
		where (t.total_jobs, t.total_jobs, t.total_jobs, t.total_jobs, t.completed_jobs, t.duration_ms_sum) is distinct from
			(coalesce(r.quarters, 0), coalesce(r.days, 0), coalesce(r.total, 0), coalesce(j.jobs, 0), coalesce(j.completed, 0), coalesce(r.ms, 0))`
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close(context.WithoutCancel(ctx))
		}
	}()
	for {
		select {
		case <-over:
			return nil
		case <-time.After(pause):
		}
		if conn == nil || conn.IsClosed() {
			var err error
			if conn, err = s.Owner(ctx); err != nil {
				continue // the server is being killed
			}
		}
		var agents int
		if err := conn.QueryRow(ctx, outOfStep).Scan(&agents); err == nil && agents > 0 {
			return fmt.Errorf("a read finds %d agents out of step", agents)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}
