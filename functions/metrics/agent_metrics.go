package metrics

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/httpapi"
)

// wideMetrics are an agent's figures with their samples. The first five are 0 where there is no sample; what is beyond
// them is null there.
type wideMetrics struct {
	AgentID uuid.UUID `json:"agent_id" format:"uuid"`
	catalog.Metrics
	SuccessRate     *float64  `json:"success_rate" doc:"completed_jobs ÷ total_jobs"`
	Reviews         int64     `json:"reviews" doc:"how many avg_rating is made of"`
	SampleSize      int64     `json:"sample_size" doc:"jobs that ended: what the rates and durations are made of"`
	DurationSamples int64     `json:"duration_samples" doc:"completed jobs that told how long they took"`
	TrialsEnded     int64     `json:"trials_ended" doc:"what retention_rate is made of"`
	Window          string    `json:"window" enum:"all" doc:"the time that is looked at"`
	UpdatedAt       time.Time `json:"updated_at" doc:"when a figure last changed"`
}

// Tag implements httpapi.Tagged: figures have no version, all of them are derived.
func (m wideMetrics) Tag() (version int64, derived any) { return 0, m }

// agentMetrics answers what is asked of one agent's metrics.
type agentMetrics struct{ store agentMetricsStore }

func (m agentMetrics) get(ctx context.Context, in *struct {
	httpapi.ByID
	Window string `query:"window" enum:"all" default:"all" doc:"the time to look at"`
	httpapi.Conditional
},
) (*httpapi.Versioned[wideMetrics], error) {
	figures, err := m.store.byAgent(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	figures.Window = in.Window
	return httpapi.Answer(in.Conditional, figures)
}
