package search

import (
	"context"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/database"
)

// recommendationStore is the SQL of recommendations.
type recommendationStore struct{ db *database.DB }

const qualityOfAgents = `
	select s.agent_id, ` + measuredColumns + ` from plant.agent_statistics s where s.agent_id = any ($1)`

// quality returns what each of the agents really did.
func (s recommendationStore) quality(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]measured, error) {
	type row struct {
		AgentID uuid.UUID
		measured
	}
	rows, err := database.All[row](ctx, s.db, qualityOfAgents, ids)
	quality := make(map[uuid.UUID]measured, len(rows))
	for _, row := range rows {
		quality[row.AgentID] = row.measured
	}
	return quality, err
}
