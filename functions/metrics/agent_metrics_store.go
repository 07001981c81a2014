package metrics

import (
	"context"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/figures"
)

// agentMetricsStore is the SQL of an agent's metrics.
type agentMetricsStore struct{ db *database.DB }

// within returns an agent's figures within a time.
func (s agentMetricsStore) within(ctx context.Context, agent uuid.UUID, span figures.Span) (figures.Measured, error) {
	found, err := figures.Within(ctx, s.db, []uuid.UUID{agent}, span)
	switch {
	case err != nil:
		return figures.Measured{}, err
	case len(found) == 0:
		return figures.Measured{}, database.ErrNotFound
	}
	return found[0], nil
}

// overTime returns what the jobs of an agent come to in each of the spans.
func (s agentMetricsStore) overTime(ctx context.Context, agent uuid.UUID, spans []figures.Span) ([]figures.Jobs, error) {
	return figures.OverTime(ctx, s.db, agent, spans)
}

const nameOfAgent = `select name from plant.agents where id = $1 and deleted_at is null`

// name returns an agent's.
func (s agentMetricsStore) name(ctx context.Context, agent uuid.UUID) (string, error) {
	return database.Scalar[string](ctx, s.db, nameOfAgent, agent)
}
