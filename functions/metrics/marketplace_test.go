package metrics

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/figures"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// The summary counts what is there: deleted agents are not, and industries without agents are.
func TestSummary(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.DB.Exec(t, `update plant.agents set status = 'working' where id = $1`, otherAgent)
	s.DB.Exec(t, `insert into plant.agents (id, owner_issuer, owner, name, specialization, industry, hourly_rate, deleted_at) values (gen_random_uuid(), 'i', 'zoe', 'Gone', 'Work', 'sales', 10, now())`)
	s.report(t, agent, completed("1", time.Hour), completed("2", time.Hour).with(event{"kind": "job_failed"}))
	s.report(t, otherAgent, completed("1", 40*figures.Day))
	s.DB.Exec(t, `insert into plant.hires (id, agent_id, customer_issuer, customer, duration) values (gen_random_uuid(), $1, 'i', 'carl', 'monthly')`, agent)
	got := apitest.Decode[marketSummary](t, s.Do(t, "GET", "/api/v1/marketplace/summary", "", "").Want(t, http.StatusOK))
	half, two, one := 0.5, 0.6667, 1.0
	want := marketSummary{
		MarketFigures: MarketFigures{Agents: 3, Available: 2, Working: 1, Hires: 1, OnTrial: 1, TotalJobs: 3, CompletedJobs: 2, SuccessRate: &two},
		Industries: []industryFigures{
			{"education", "Education", MarketFigures{}},
			{"marketing", "Marketing", MarketFigures{Agents: 1, Working: 1, TotalJobs: 1, CompletedJobs: 1, SuccessRate: &one}},
			{"sales", "Sales", MarketFigures{Agents: 2, Available: 2, Hires: 1, OnTrial: 1, TotalJobs: 2, CompletedJobs: 1, SuccessRate: &half}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Growth is of the last whole days against as many before, of those with a sample in both.
func TestTrending(t *testing.T) {
	t.Parallel()
	s := start(t)
	today := time.Now().UTC().Truncate(figures.Day)
	var events []event
	add := func(agent string, at time.Time, count int) {
		for i := range count {
			id := fmt.Sprint(agent[len(agent)-1:], at.Unix(), "-", i)
			events = append(events, completed(id, 0).with(event{"occurred_at": at.Format(time.RFC3339)}).of(agent))
		}
	}
	for agent, counts := range map[string][4]int{agent: {10, 30, 500, 0}, otherAgent: {20, 30, 0, 0}, bobsAgent: {9, 300, 0, 0}} {
		add(agent, today.Add(-7*figures.Day-time.Second), counts[0]) // the last moment of the week before
		add(agent, today.Add(-7*figures.Day), counts[1])
		add(agent, time.Now().Add(-time.Millisecond).Truncate(time.Second), counts[2]/10) // today is not over
	}
	if got := statuses(s.results(t, "/api/v1/events", s.scheduler, batchOf(t, events...))); got[0] != "stored" {
		t.Fatal(got[0])
	}
	list := func(query string) (ids []string, got trends) {
		got = apitest.Decode[trends](t, s.Do(t, "GET", "/api/v1/marketplace/trending?"+query, "", "").Want(t, http.StatusOK))
		for _, a := range got.Agents {
			ids = append(ids, a.AgentID.String())
		}
		return ids, got
	}
	ids, got := list("")
	if diff := cmp.Diff([]string{agent, otherAgent}, ids); diff != "" {
		t.Fatal(diff)
	}
	if first := got.Agents[0]; first.Growth != 2 || first.Jobs != 30 || first.JobsBefore != 10 || !got.To.Equal(today) {
		t.Errorf("got %+v", got)
	}
	for query, want := range map[string][]string{
		"min_jobs=9": {bobsAgent, agent, otherAgent}, "min_jobs=20": {otherAgent}, "industry=MARKETING": {otherAgent}, "limit=1": {agent}, "industry=none": nil, "window=30d": nil,
	} {
		if ids, _ := list(query); !cmp.Equal(want, ids) {
			t.Errorf("%s: %v, want %v", query, ids, want)
		}
	}
	s.Do(t, "GET", "/api/v1/marketplace/trending?min_jobs=0", "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	s.Do(t, "GET", "/api/v1/marketplace/trending?window=24h", "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
}

// One five-star review does not beat a hundred good ones, and what has too few samples is not ranked.
func TestLeaderboard(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.DB.Exec(t, `update plant.agent_statistics set reviews = 1, rating_sum = 5 where agent_id = $1`, agent)
	s.DB.Exec(t, `update plant.agent_statistics set reviews = 100, rating_sum = 440 where agent_id = $1`, otherAgent)
	s.DB.Exec(t, `update plant.agent_statistics set total_jobs = 50, completed_jobs = 40, duration_samples = 40, p95_duration_ms = 900 where agent_id = $1`, agent)
	s.DB.Exec(t, `update plant.agent_statistics set total_jobs = 100, completed_jobs = 80, duration_samples = 80, p95_duration_ms = 1200 where agent_id = $1`, otherAgent)
	s.DB.Exec(t, `update plant.agent_statistics set total_jobs = 5, completed_jobs = 5, duration_samples = 5, p95_duration_ms = 1 where agent_id = $1`, bobsAgent)
	for query, want := range map[string][]string{
		"min_sample=1": {"1 b 4.273", "2 a 3.182"}, "": {"1 b 4.273"}, "by=success_rate": {"1 a 0.8", "1 b 0.8"}, "by=success_rate&min_sample=5": {"1 c 1", "2 a 0.8", "2 b 0.8"},
		"by=p95_duration_ms": {"1 a 900", "2 b 1200"}, "by=total_jobs&limit=1": {"1 b 100"}, "by=total_jobs&industry=Sales&min_sample=1": {"1 a 50", "2 c 5"},
	} {
		var got []string
		for _, a := range apitest.Decode[leaders](t, s.Do(t, "GET", "/api/v1/marketplace/leaderboard?"+query, "", "").Want(t, http.StatusOK)).Agents {
			id := a.AgentID.String()
			got = append(got, fmt.Sprintf("%d %s %v", a.Rank, id[len(id)-1:], a.Value))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	for _, least := range []string{"0", "-1", "1000001"} {
		s.Do(t, "GET", "/api/v1/marketplace/leaderboard?min_sample="+least, "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	}
}
