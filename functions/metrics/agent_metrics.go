package metrics

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/figures"
	"github.com/waooaw/plant/shared/httpapi"
)

// agentFigures are the figures of an agent in a window.
type agentFigures struct {
	figures.Measured
	figures.Window
}

// Tag implements httpapi.Tagged: figures have no version, all of them are derived.
func (m agentFigures) Tag() (version int64, derived any) { return 0, m }

// agentMetrics answers what is asked of one agent's metrics.
type agentMetrics struct {
	store agentMetricsStore
	now   func() time.Time
}

func (m agentMetrics) get(ctx context.Context, in *struct {
	httpapi.ByID
	Window string `query:"window" enum:"24h,7d,30d,90d,all" default:"all" doc:"the time to look at"`
	httpapi.Conditional
},
) (*httpapi.Versioned[agentFigures], error) {
	answer, err := m.in(ctx, in.ID, in.Window)
	if err != nil {
		return nil, err
	}
	return httpapi.Answer(in.Conditional, answer)
}

// in returns an agent's figures in a window.
func (m agentMetrics) in(ctx context.Context, agent uuid.UUID, window string) (agentFigures, error) {
	answer := agentFigures{Window: figures.WindowAt(m.now(), window)}
	var err error
	answer.Measured, err = m.store.within(ctx, agent, answer.Span())
	return answer, err
}

// bucket is a part of a time series.
type bucket struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to" doc:"the beginning of the next"`
	figures.Jobs
}

// timeseries is an agent's figures over time.
type timeseries struct {
	AgentID  uuid.UUID `json:"agent_id" format:"uuid"`
	Interval string    `json:"interval" enum:"hour,day,week,month"`
	TZ       string    `json:"tz"`
	From     time.Time `json:"from" doc:"the beginning of the first bucket"`
	To       time.Time `json:"to" doc:"the end of the last bucket"`
	Buckets  []bucket  `json:"buckets" doc:"empty ones too, the earliest first"`
}

// Tag implements httpapi.Tagged: all of it is derived.
func (t timeseries) Tag() (version int64, derived any) { return 0, t }

func (m agentMetrics) timeseries(ctx context.Context, in *struct {
	httpapi.ByID
	Series
	httpapi.Conditional
},
) (*httpapi.Versioned[timeseries], error) {
	answer, err := m.over(ctx, in.ID, in.Series)
	if err != nil {
		return nil, err
	}
	return httpapi.Answer(in.Conditional, answer)
}

func (m agentMetrics) over(ctx context.Context, agent uuid.UUID, asked Series) (timeseries, error) {
	spans, err := asked.spans(m.now())
	if err != nil {
		return timeseries{}, err
	}
	jobs, err := m.store.overTime(ctx, agent, spans)
	if err != nil {
		return timeseries{}, err
	}
	answer := timeseries{
		AgentID: agent, Interval: asked.Interval, TZ: asked.TZ, From: spans[0].From, To: spans[len(spans)-1].To, Buckets: make([]bucket, len(spans)),
	}
	for i, s := range spans {
		answer.Buckets[i] = bucket{s.From, s.To, jobs[i]}
	}
	return answer, nil
}
