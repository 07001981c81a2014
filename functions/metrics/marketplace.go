package metrics

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/figures"
	"github.com/waooaw/plant/shared/httpapi"
)

// MarketFigures are what the agents of a market come to.
type MarketFigures struct {
	Agents        int64    `json:"agents"`
	Available     int64    `json:"available" doc:"agents that can be hired now"`
	Working       int64    `json:"working"`
	Offline       int64    `json:"offline"`
	Hires         int64    `json:"hires" doc:"ever"`
	OnTrial       int64    `json:"on_trial" doc:"hires whose trial runs"`
	ActiveHires   int64    `json:"active_hires" doc:"hires that went on, and have not ended"`
	TotalJobs     int64    `json:"total_jobs" doc:"jobs that ended, ever"`
	CompletedJobs int64    `json:"completed_jobs"`
	SuccessRate   *float64 `json:"success_rate" doc:"completed_jobs ÷ total_jobs; null where no job ended"`
	Reviews       int64    `json:"reviews"`
	AvgRating     *float64 `json:"avg_rating" doc:"plain mean of the reviews' stars; null where there are none"`
}

// industryFigures are those of one industry.
type industryFigures struct {
	Industry string `json:"industry" doc:"its slug"`
	Name     string `json:"name"`
	MarketFigures
}

// marketSummary is the whole market.
type marketSummary struct {
	MarketFigures
	Industries []industryFigures `json:"industries" doc:"those without agents too, by slug"`
}

// Tag implements httpapi.Tagged: all of it is derived.
func (s marketSummary) Tag() (version int64, derived any) { return 0, s }

// marketplace answers what is asked of all agents together.
type marketplace struct {
	store marketplaceStore
	now   func() time.Time
}

func (m marketplace) summary(ctx context.Context, in *struct{ httpapi.Conditional }) (*httpapi.Versioned[marketSummary], error) {
	rows, err := m.store.summary(ctx)
	if err != nil {
		return nil, err
	}
	answer := marketSummary{Industries: []industryFigures{}}
	for _, row := range rows {
		if row.Industry == "" {
			answer.MarketFigures = row.MarketFigures
			continue
		}
		answer.Industries = append(answer.Industries, row)
	}
	return httpapi.Answer(in.Conditional, answer)
}

// ListedAgent is an agent as rankings name it.
type ListedAgent struct {
	AgentID        uuid.UUID `json:"agent_id" format:"uuid"`
	Name           string    `json:"name"`
	Specialization string    `json:"specialization"`
	Industry       string    `json:"industry"`
	Status         string    `json:"status" enum:"available,working,offline"`
}

// Among narrows a ranking. Embed it in an input.
type Among struct {
	Industry string `query:"industry" maxLength:"63" doc:"only agents of this industry: its slug, in any case"`
	Limit    int    `query:"limit" minimum:"1" maximum:"100" default:"10" doc:"how many at most"`
}

// trendingAgent is an agent whose use grows.
type trendingAgent struct {
	ListedAgent
	Jobs       int64   `json:"jobs" doc:"that ended in the window"`
	JobsBefore int64   `json:"jobs_before" doc:"that ended in the window before, which is as long"`
	Growth     float64 `json:"growth" doc:"jobs ÷ jobs_before − 1"`
}

type trends struct {
	Window  string          `json:"window" enum:"7d,30d"`
	From    time.Time       `json:"from"`
	To      time.Time       `json:"to" doc:"the beginning of today in UTC: only whole days are compared"`
	MinJobs int64           `json:"min_jobs"`
	Agents  []trendingAgent `json:"agents" doc:"the fastest growing first"`
}

// Tag implements httpapi.Tagged: all of it is derived.
func (t trends) Tag() (version int64, derived any) { return 0, t }

func (m marketplace) trending(ctx context.Context, in *struct {
	Among
	Window  string `query:"window" enum:"7d,30d" default:"7d" doc:"the time that is set against the one before"`
	MinJobs int64  `query:"min_jobs" minimum:"1" maximum:"1000000" default:"10" doc:"jobs that an agent needs in each of the two"`
	httpapi.Conditional
},
) (*httpapi.Versioned[trends], error) {
	to := m.now().UTC().Truncate(figures.Day)
	answer := trends{Window: in.Window, From: to.Add(-figures.Lengths[in.Window]), To: to, MinJobs: in.MinJobs}
	var err error
	if answer.Agents, err = m.store.trending(ctx, figures.Span{From: answer.From, To: to}, in.Among, in.MinJobs); err != nil {
		return nil, err
	}
	return httpapi.Answer(in.Conditional, answer)
}

// leader is an agent that is among the best by a measure.
type leader struct {
	Rank int64 `json:"rank" doc:"1 is best, the same for equals"`
	ListedAgent
	Value      float64 `json:"value" doc:"of the measure, over all time"`
	SampleSize int64   `json:"sample_size" doc:"reviews or jobs that the value is made of"`
}

type leaders struct {
	By        string   `json:"by" enum:"rank_score,success_rate,p95_duration_ms,total_jobs"`
	MinSample int64    `json:"min_sample"`
	Agents    []leader `json:"agents" doc:"the best first"`
}

// Tag implements httpapi.Tagged: all of it is derived.
func (l leaders) Tag() (version int64, derived any) { return 0, l }

func (m marketplace) leaderboard(ctx context.Context, in *struct {
	Among
	By        string `query:"by" enum:"rank_score,success_rate,p95_duration_ms,total_jobs" default:"rank_score" doc:"what is best: a high value, but of p95_duration_ms a low one"`
	MinSample int64  `query:"min_sample" minimum:"1" maximum:"1000000" doc:"reviews or jobs that an agent needs; without, 3 reviews or 20 jobs"`
	httpapi.Conditional
},
) (*httpapi.Versioned[leaders], error) {
	measure := measures[in.By]
	answer := leaders{By: in.By, MinSample: in.MinSample}
	if answer.MinSample == 0 {
		answer.MinSample = measure.usualSample
	}
	var err error
	if answer.Agents, err = m.store.leaders(ctx, measure, in.Among, answer.MinSample); err != nil {
		return nil, err
	}
	return httpapi.Answer(in.Conditional, answer)
}
