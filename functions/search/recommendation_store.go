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
func (s recommendationStore) quality(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]trackRecord, error) {
	type row struct {
		AgentID uuid.UUID
		trackRecord
	}
	rows, err := database.All[row](ctx, s.db, qualityOfAgents, ids)
	quality := make(map[uuid.UUID]trackRecord, len(rows))
	for _, row := range rows {
		quality[row.AgentID] = row.trackRecord
	}
	return quality, err
}
