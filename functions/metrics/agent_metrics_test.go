package metrics

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/figures"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

func (s service) figures(t *testing.T, agent, window string) agentFigures {
	t.Helper()
	return apitest.Decode[agentFigures](t, s.Do(t, "GET", "/api/v1/agents/"+agent+"/metrics?window="+window, "", "").Want(t, http.StatusOK))
}

// From birth there are figures: 0 in the five that were always there and in samples, null in the wider ones.
func TestMetrics_OfANewAgent(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, window := range []string{"all", "24h"} {
		got := apitest.Decode[map[string]any](t, s.Do(t, "GET", "/api/v1/agents/"+agent+"/metrics/?window="+window, "", "").Want(t, http.StatusOK))
		delete(got, "from")
		delete(got, "to")
		want := map[string]any{
			"agent_id": agent, "total_jobs": 0.0, "completed_jobs": 0.0, "avg_rating": 0.0, "response_time_seconds": 0.0, "retention_rate": 0.0,
			"success_rate": nil, "p50_duration_ms": nil, "p95_duration_ms": nil, "p99_duration_ms": nil, "mean_duration_ms": nil, "avg_cost": nil, "rank_score": nil,
			"reviews": 0.0, "sample_size": 0.0, "duration_samples": 0.0, "cost_samples": 0.0, "trials_ended": 0.0, "window": window,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

// Windows end with the quarter of an hour that now is in, and hold what happened in them: jobs, reviews and trials.
func TestMetrics_Windows(t *testing.T) {
	t.Parallel()
	s := start(t)
	var events []event
	durations := map[string][]int64{}
	for i := range 400 {
		ago := time.Duration(i) * 5 * time.Hour
		ms := int64(100 + i*i)
		kind := "job_completed"
		if i%4 == 3 {
			kind = "job_failed"
		}
		events = append(events, completed(fmt.Sprint(i), ago).with(event{"kind": kind, "duration_ms": ms, "cost": 0.5}))
		for window, length := range map[string]time.Duration{"24h": figures.Day, "7d": 7 * figures.Day, "30d": 30 * figures.Day, "90d": 90 * figures.Day, "all": math.MaxInt64} {
			if ago < length-figures.Quarter && kind == "job_completed" {
				durations[window] = append(durations[window], ms)
			}
		}
	}
	s.report(t, agent, events...)
	for n, ago := range []string{"1 hour", "3 days", "60 days", "300 days"} {
		s.DB.Exec(t, `insert into plant.hires (id, agent_id, customer_issuer, customer, status, duration, created_at, activated_at, trial_days)
			select ('01900000-0000-7000-8000-' || lpad((100 + $1)::text, 12, '0'))::uuid, $2, 'i', 'carl', case when $1 = 0 then 'trial' else 'active' end, 'monthly', at, case when $1 > 0 then at + interval '1 hour' end, 7
			from (select now() - $3::interval - case when $1 = 0 then interval '7 days' else interval '0' end as at) t`, n, agent, ago)
		s.DB.Exec(t, `insert into plant.reviews (id, hire_id, rating, created_at) select gen_random_uuid(), id, 2 + $1, now() - $2::interval from plant.hires where id = ('01900000-0000-7000-8000-' || lpad((100 + $1)::text, 12, '0'))::uuid`, n, ago)
	}
	now := time.Now()
	for window, want := range map[string]struct {
		reviews, trials    int64
		rating, rank, kept float64
	}{
		"24h": {1, 1, 2, 2.909, 0}, "7d": {2, 2, 2.5, 2.917, 0.5}, "30d": {2, 2, 2.5, 2.917, 0.5}, "90d": {3, 3, 3, 3, 0.6667}, "all": {4, 4, 3.5, 3.143, 0.75},
	} {
		got := s.figures(t, agent, window)
		sorted := slices.Sorted(slices.Values(durations[window]))
		for share, ms := range map[float64]*float64{0.5: got.P50DurationMS, 0.95: got.P95DurationMS, 0.99: got.P99DurationMS} {
			exact := float64(sorted[int(math.Ceil(share*float64(len(sorted))))-1])
			if ms == nil || math.Abs(*ms-exact) > 0.02*exact {
				t.Errorf("%s: p%v is %v, want about %v", window, 100*share, ms, exact)
			}
		}
		sum := int64(0)
		for _, ms := range sorted {
			sum += ms
		}
		if mean := float64(sum) / float64(len(sorted)); math.Abs(got.ResponseTimeSeconds-mean/1000) > 0.0006 || math.Abs(*got.MeanDurationMS-mean) > 0.0006 {
			t.Errorf("%s: mean is %v and %v s, want %v", window, *got.MeanDurationMS, got.ResponseTimeSeconds, mean)
		}
		if got.CompletedJobs != int64(len(sorted)) || got.DurationSamples != got.CompletedJobs || got.SampleSize != got.TotalJobs || *got.AvgCost != 0.5 || got.CostSamples != got.TotalJobs {
			t.Errorf("%s: %+v", window, got)
		}
		if got.Reviews != want.reviews || got.AvgRating != want.rating || *got.RankScore != want.rank || got.TrialsEnded != want.trials || got.RetentionRate != want.kept {
			t.Errorf("%s: reviews %d, rating %v, rank %v, trials %d, kept %v; want %+v", window, got.Reviews, got.AvgRating, *got.RankScore, got.TrialsEnded, got.RetentionRate, want)
		}
		if got.To.Truncate(figures.Quarter) != got.To || got.To.Sub(now) > figures.Quarter || window != "all" && got.To.Sub(*got.From) != figures.Lengths[window] || window == "all" && got.From != nil {
			t.Errorf("%s: from %v to %v", window, got.From, got.To)
		}
	}
}

func TestMetrics_Conditional(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, path := range []string{
		"/api/v1/agents/" + agent + "/metrics", "/api/v1/agents/" + agent + "/metrics/timeseries", "/api/v1/agents/" + agent + "/metrics/chart.svg", "/api/v1/agents/" + agent + "/metrics/chart.png",
		"/api/v1/agents/" + agent + "/metrics/badge.svg?window=all&measure=jobs", "/api/v1/marketplace/summary", "/api/v1/marketplace/leaderboard?by=total_jobs&min_sample=1",
	} {
		before := s.Do(t, "GET", path, "", "").Want(t, http.StatusOK).Header.Get("ETag")
		match := apitest.Header{Name: "If-None-Match", Value: before}
		if same := s.Do(t, "GET", path, "", "", match).Want(t, http.StatusNotModified); same.Body != "" || same.Header.Get("ETag") != before {
			t.Errorf("%s: %+v", path, same)
		}
		s.report(t, agent, completed(path[len(path)-10:], time.Minute))
		after := s.Do(t, "GET", path, "", "", match).Want(t, http.StatusOK)
		if cache := after.Header.Get("Cache-Control"); cache != "public, max-age=5, stale-while-revalidate=30" {
			t.Errorf("%s: %s", path, cache)
		}
	}
}

func TestMetrics_OfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.DB.Exec(t, `update plant.agents set deleted_at = now() where id = $1`, agent)
	for _, id := range []string{agent, noAgent, "x", "%00"} {
		for _, of := range []string{"", "/timeseries", "/chart.svg", "/chart.png", "/badge.svg"} {
			s.Do(t, "GET", "/api/v1/agents/"+id+"/metrics"+of, "", "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
		}
	}
	for _, wrong := range []string{
		"?window=1h", "/timeseries?interval=year", "/timeseries?tz=Local", "/timeseries?tz=Mars/Olympus", "/timeseries?tz=../UTC", "/timeseries?from=yesterday", "/timeseries?from=0000-01-01T00:00:00Z",
		"/timeseries?to=9999-12-31T23:59:59Z", "/timeseries?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "/timeseries?from=2026-01-01T00:00:00Z&interval=hour", "/timeseries?to=2026-06-30T23:59:60Z",
		"/chart.svg?theme=pink", "/chart.svg?measure=fun", "/badge.svg?measure=fun", "/chart.svg?colour=red",
	} {
		s.Do(t, "GET", "/api/v1/agents/"+otherAgent+"/metrics"+wrong, "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	}
}

// A series has every bucket of its zone's calendar, and what happened is in the one that it happened in.
func TestTimeseries_ByZone(t *testing.T) {
	t.Parallel()
	s := start(t)
	base := time.Now().UTC().AddDate(0, 0, -20).Truncate(24 * time.Hour)
	at := func(hours, minutes int) event {
		moment := base.Add(time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute)
		return completed(fmt.Sprint(hours, ":", minutes), 0).with(event{"occurred_at": moment.Format(time.RFC3339), "event_id": fmt.Sprintf("%d-%d", hours, minutes), "duration_ms": 1000})
	}
	// Midnight of base in Nepal, five and three quarters ahead, is at 18:15.
	s.report(t, agent, at(-6, 14), at(-6, 15), at(18, 14), at(18, 15), at(18, 29), at(18, 30), at(23, 59))
	counts := func(query string) (counts []int64, series timeseries) {
		series = apitest.Decode[timeseries](t, s.Do(t, "GET", "/api/v1/agents/"+agent+"/metrics/timeseries?"+query, "", "").Want(t, http.StatusOK))
		for _, b := range series.Buckets {
			counts = append(counts, b.TotalJobs)
		}
		return counts, series
	}
	window := "from=" + base.Add(-10*time.Hour).Format(time.RFC3339) + "&to=" + base.Add(40*time.Hour).Format(time.RFC3339)
	for zone, want := range map[string][]int64{
		"UTC": {2, 5, 0}, "Asia/Kathmandu": {1, 2, 4}, "Asia/Kolkata": {2, 3, 2}, "Pacific/Apia": {2, 5, 0},
	} {
		got, series := counts(window + "&tz=" + zone)
		if !cmp.Equal(got[:len(want)], want) {
			t.Errorf("%s: %v, want %v: %v", zone, got, want, series.Buckets[0].From)
		}
	}
	hours, series := counts("interval=hour&" + window + "&tz=Asia/Kathmandu")
	if len(hours) != 51 || series.Buckets[0].From.Minute() != 15 || series.Buckets[3].TotalJobs != 0 {
		t.Errorf("%d hours from %v: %v", len(hours), series.Buckets[0].From, hours)
	}
	if empty := series.Buckets[0]; empty.SuccessRate != nil || empty.P95DurationMS != nil || empty.TotalJobs != 0 {
		t.Errorf("an empty bucket is %+v", empty)
	}
	months, _ := counts("interval=month&tz=Asia/Kolkata")
	weeks, _ := counts("interval=week")
	days, _ := counts("")
	total := func(counts []int64) (sum int64) {
		for _, n := range counts {
			sum += n
		}
		return sum
	}
	if len(months) != 12 || len(weeks) != 13 || len(days) != 30 || total(months) != 7 || total(weeks) != 7 || total(days) != 7 {
		t.Errorf("months %v, weeks %v, days %v", months, weeks, days)
	}
}
