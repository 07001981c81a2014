package search

import (
	"context"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
)

// agentStore reads single agents, for the tools.
type agentStore struct{ db *database.DB }

// byIDs returns those of the agents that exist, in the order of the ids.
func (s agentStore) byIDs(ctx context.Context, ids []uuid.UUID) ([]catalog.ComparedAgent, error) {
	return database.All[catalog.ComparedAgent](ctx, s.db, catalog.AgentsByIDs, ids)
}
