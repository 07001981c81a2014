package metrics

import (
	"context"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
)

// agentMetricsStore is the SQL of an agent's metrics.
type agentMetricsStore struct{ db *database.DB }

const metricsByAgent = `
	select a.id as agent_id, ` + catalog.MetricsColumns + `,
		round(s.completed_jobs::numeric / nullif(s.total_jobs, 0), 4)::float8 as success_rate,
		s.reviews, s.total_jobs as sample_size, s.duration_samples, ` + catalog.TrialsEnded + ` as trials_ended, 'all' as window, s.updated_at
	from ` + catalog.AgentFrom + ` where a.id = $1 and a.deleted_at is null`

func (s agentMetricsStore) byAgent(ctx context.Context, agent uuid.UUID) (wideMetrics, error) {
	return database.One[wideMetrics](ctx, s.db, metricsByAgent, agent)
}
