package search

import (
	"context"

	"github.com/waooaw/plant/shared/catalog"
)

// maxFound agents are found for one query, however they are asked for.
const maxFound = 200

// find returns at most limit agents that answer a query and pass the filter, the best first. It is what the open
// protocols search by.
func (s search) find(ctx context.Context, query string, filter catalog.AgentFilter, onlyAvailable bool, limit int) ([]foundAgent, error) {
	rows, err := s.store.agents(ctx, query, filter, onlyAvailable, limit)
	if err != nil {
		return nil, err
	}
	found := make([]foundAgent, len(rows))
	for i, row := range rows {
		found[i] = foundAgent{Agent: row.Agent, Score: row.Score}
	}
	return found, nil
}
