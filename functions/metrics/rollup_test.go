package metrics

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
)

// model is what events come to, by brute force over all of them.
type model map[string]agentEventDraft // by agent and job: its earliest end

func (m model) add(e agentEventDraft) {
	if e.Kind == "job_started" {
		return
	}
	key := e.AgentID.String() + e.JobID
	if before, known := m[key]; !known || earlier(e, before) {
		m[key] = e
	}
}

func earlier(a, b agentEventDraft) bool {
	return cmp.Or(a.OccurredAt.Compare(b.OccurredAt), strings.Compare(a.EventID, b.EventID)) < 0
}

// rollups are the lines that job_rollups has to have.
func (m model) rollups() []string {
	type sums struct {
		jobs, completed, durations, costs, costSamples int64
		slots                                          map[int]int
	}
	all := map[string]*sums{}
	for _, e := range m {
		for _, bucket := range []string{
			"quarter " + e.OccurredAt.Truncate(15*time.Minute).Format(time.DateTime), "day " + e.OccurredAt.Truncate(24*time.Hour).Format(time.DateTime), "all -infinity",
		} {
			key := e.AgentID.String() + " " + bucket
			if all[key] == nil {
				all[key] = &sums{slots: map[int]int{}}
			}
			s := all[key]
			s.jobs++
			if e.Kind == "job_completed" {
				s.completed++
				if e.DurationMS != nil {
					s.durations += *e.DurationMS
					s.slots[slotOf(*e.DurationMS)]++
				}
			}
			if e.Cost != nil {
				var whole, hundredths int64
				_, _ = fmt.Sscanf(e.Cost.String(), "%d.%d", &whole, &hundredths)
				s.costs, s.costSamples = s.costs+whole*100+hundredths, s.costSamples+1
			}
		}
	}
	var lines []string
	for key, s := range all {
		var slots, counts []string
		for _, slot := range slices.Sorted(maps.Keys(s.slots)) {
			slots, counts = append(slots, fmt.Sprint(slot)), append(counts, fmt.Sprint(s.slots[slot]))
		}
		lines = append(lines, fmt.Sprintf("%s %d %d %d %d.%02d %d {%s} {%s}", key, s.jobs, s.completed, s.durations, s.costs/100, s.costs%100, s.costSamples,
			strings.Join(slots, ","), strings.Join(counts, ",")))
	}
	slices.Sort(lines)
	return lines
}

func slotOf(ms int64) int {
	if ms <= 25 {
		return int(ms)
	}
	return 25 + int(math.Ceil(math.Log(float64(ms)/25)/math.Log(1.04)))
}

// statistics are the lines that agent_statistics has to have of those who did something.
func (m model) statistics() (lines []string, p95 map[string]int64) {
	p95 = map[string]int64{}
	durations := map[string][]int64{}
	for _, e := range m {
		if e.Kind == "job_completed" && e.DurationMS != nil {
			durations[e.AgentID.String()] = append(durations[e.AgentID.String()], *e.DurationMS)
		}
	}
	for agent, all := range durations {
		slices.Sort(all)
		p95[agent] = all[int(math.Ceil(0.95*float64(len(all))))-1]
	}
	for _, line := range m.rollups() {
		fields := strings.Fields(line)
		if fields[1] == "all" {
			lines = append(lines, fmt.Sprintf("%s %s %s %s %d %s %s", fields[0], fields[3], fields[4], fields[5], len(durations[fields[0]]), fields[6], fields[7]))
		}
	}
	return lines, p95
}

const (
	storedRollups = `
		select coalesce(array_agg(line order by line collate "C"), '{}') from (
			select concat_ws(' ', agent_id, grain, case grain when 'all' then '-infinity' else to_char(starts_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') end,
				jobs, completed, duration_ms_sum, cost_sum, cost_samples, slots, counts) as line from plant.job_rollups) l`
	storedStatistics = `
		select coalesce(array_agg(line order by line collate "C"), '{}') from (
			select concat_ws(' ', agent_id, total_jobs, completed_jobs, duration_ms_sum, duration_samples, cost_sum, cost_samples) as line
			from plant.agent_statistics where total_jobs > 0) l`
	storedP95 = `select p95_duration_ms from plant.agent_statistics where agent_id = $1`
)

// D22: whatever the order in which events arrive, how often, how late and in which batches, jobs, rollups and statistics
// are what brute force makes of them, and what a rebuild from the raw events makes of them.
func TestD22_RollupsAreExact(t *testing.T) {
	t.Parallel()
	db := dbtest.New(t)
	agents := addAgents(t, db, 3)
	store := eventStore{db.DB}
	ctx := auth.WithPrincipal(t.Context(), auth.Principal{Issuer: "i", Subject: "ada", Owner: "ada", Role: auth.Partner})
	now := time.Now().UTC()
	moment := rapid.Custom(func(r *rapid.T) time.Time {
		day := now.AddDate(0, 0, -rapid.SampledFrom([]int{0, 1, 89}).Draw(r, "days")).Truncate(24 * time.Hour)
		at := day.Add(time.Duration(rapid.SampledFrom([]int{0, 1, 12}).Draw(r, "quarters")) * 15 * time.Minute)
		at = at.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 0, 0, 1, -1, 899_999_999}).Draw(r, "microseconds")) * time.Microsecond)
		if at.After(now) {
			at = at.AddDate(0, 0, -1)
		}
		return at
	})
	event := rapid.Custom(func(r *rapid.T) agentEventDraft {
		e := agentEventDraft{AgentID: rapid.SampledFrom(agents).Draw(r, "agent"), EventDraft: EventDraft{
			EventID: rapid.SampledFrom([]string{"a", "B", "b", "c", "d1", "d2", "~", "!"}).Draw(r, "event"), JobID: rapid.SampledFrom([]string{"j1", "j2", "J1"}).Draw(r, "job"),
			Kind:       rapid.SampledFrom([]string{"job_started", "job_completed", "job_completed", "job_failed"}).Draw(r, "kind"),
			OccurredAt: moment.Draw(r, "at"),
		}}
		if rapid.Bool().Draw(r, "timed") {
			ms := rapid.OneOf(rapid.Int64Range(0, 100), rapid.Int64Range(0, 100_000), rapid.Int64Range(0, 31_536_000_000)).Draw(r, "ms")
			e.DurationMS = &ms
		}
		if rapid.Bool().Draw(r, "paid") {
			cost := catalog.Hundredths(rapid.Int64Range(0, 100_000).Draw(r, "cost"))
			e.Cost = &cost
		}
		return e
	})
	rapid.Check(t, func(r *rapid.T) {
		db.Exec(t, `truncate plant.job_events, plant.jobs, plant.job_rollups`)
		db.Exec(t, `update plant.agent_statistics set total_jobs = 0, completed_jobs = 0, duration_ms_sum = 0, duration_samples = 0, cost_sum = 0, cost_samples = 0, p95_duration_ms = null`)
		sent, want := map[string]bool{}, model{}
		for _, batch := range rapid.SliceOfN(rapid.SliceOfN(event, 1, 30), 1, 4).Draw(r, "batches") {
			tries := rapid.IntRange(1, 2).Draw(r, "tries")
			for try := range tries {
				outcomes := record(ctx, t, store, batch)
				for i, e := range batch {
					key := e.AgentID.String() + " " + e.EventID + " " + e.OccurredAt.String()
					wanted := "duplicate"
					if !sent[key] {
						sent[key], wanted = true, "stored"
						want.add(e)
					}
					if outcomes[i] != wanted {
						r.Fatalf("try %d of event %d is %s, want %s", try, i, outcomes[i], wanted)
					}
				}
			}
		}
		compare := func(when string) {
			statistics, p95 := want.statistics()
			if diff := gocmp.Diff(orEmpty(want.rollups()), dbtest.Scalar[[]string](t, db, storedRollups)); diff != "" {
				r.Fatalf("rollups %s: %s", when, diff)
			}
			if diff := gocmp.Diff(orEmpty(statistics), dbtest.Scalar[[]string](t, db, storedStatistics)); diff != "" {
				r.Fatalf("statistics %s: %s", when, diff)
			}
			for _, agent := range agents {
				got, exact := dbtest.Scalar[*float64](t, db, storedP95, agent), p95[agent.String()]
				_, some := p95[agent.String()]
				if some != (got != nil) || some && math.Abs(*got-float64(exact)) > 0.02*float64(exact) {
					r.Fatalf("p95 %s is %v, want about %d", when, got, exact)
				}
			}
		}
		compare("as events came")
		db.Exec(t, `select plant.rebuild_job_rollups()`)
		compare("rebuilt")
	})
}

func orEmpty(lines []string) []string {
	if lines == nil {
		return []string{}
	}
	return lines
}

// addAgents adds agents of Ada's.
func addAgents(t *testing.T, db *dbtest.Database, count int) []uuid.UUID {
	t.Helper()
	return dbtest.Scalar[[]uuid.UUID](t, db, `
		with added as (
			insert into plant.agents (id, owner_issuer, owner, name, specialization, industry, hourly_rate)
			select gen_random_uuid(), 'i', 'ada', 'Name', 'Work', 'sales', 10 from generate_series(1, $1) returning id)
		select array_agg(id) from added`, count)
}

func record(ctx context.Context, t *testing.T, store eventStore, batch []agentEventDraft) (outcomes []string) {
	t.Helper()
	err := store.db.InTx(ctx, func(ctx context.Context, tx database.Tx) (err error) {
		outcomes, err = store.record(ctx, tx, batch)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return outcomes
}
