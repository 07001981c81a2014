package agents

import (
	"context"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/figures"
)

// agentOrders are the ways to sort agents, each with an index of its own.
var agentOrders = map[string]database.Order{
	"created_at":       {Key: "a.created_at", Type: "timestamptz", ID: "a.id"},
	"-created_at":      {Key: "a.created_at", Type: "timestamptz", ID: "a.id", Descending: true},
	"updated_at":       {Key: "a.updated_at", Type: "timestamptz", ID: "a.id"},
	"-updated_at":      {Key: "a.updated_at", Type: "timestamptz", ID: "a.id", Descending: true},
	"name":             {Key: `lower(a.name) collate "C"`, Type: "text", ID: "a.id"},
	"-name":            {Key: `lower(a.name) collate "C"`, Type: "text", ID: "a.id", Descending: true},
	"hourly_rate":      {Key: "a.hourly_rate", Type: "numeric", ID: "a.id"},
	"-hourly_rate":     {Key: "a.hourly_rate", Type: "numeric", ID: "a.id", Descending: true},
	"rating":           {Key: "s.avg_rating", Type: "numeric", ID: "s.agent_id"},
	"-rating":          {Key: "s.avg_rating", Type: "numeric", ID: "s.agent_id", Descending: true},
	"rank_score":       {Key: "s.rank_score", Type: "numeric", ID: "s.agent_id"},
	"-rank_score":      {Key: "s.rank_score", Type: "numeric", ID: "s.agent_id", Descending: true},
	"success_rate":     {Key: "s.success_rate", Type: "numeric", ID: "s.agent_id"},
	"-success_rate":    {Key: "s.success_rate", Type: "numeric", ID: "s.agent_id", Descending: true},
	"total_jobs":       {Key: "s.total_jobs", Type: "bigint", ID: "s.agent_id"},
	"-total_jobs":      {Key: "s.total_jobs", Type: "bigint", ID: "s.agent_id", Descending: true},
	"p95_duration_ms":  {Key: "coalesce(s.p95_duration_ms, 'infinity')", Type: "float8", ID: "s.agent_id"},
	"-p95_duration_ms": {Key: "coalesce(s.p95_duration_ms, 'infinity')", Type: "float8", ID: "s.agent_id", Descending: true},
}

// list reads a part of the agents that pass the filter; sort is a key of agentOrders.
func (s agentStore) list(ctx context.Context, filter catalog.AgentFilter, includeDeleted bool, sort string, part database.Part) (database.Rows[catalog.Agent], string, error) {
	caller, _ := auth.FromContext(ctx)
	where := database.NewWhere(filter.Where(caller))
	if !includeDeleted {
		where.And(`a.deleted_at is null`)
	}
	return database.List[catalog.Agent](ctx, s.db, database.Listing{
		Columns: catalog.AgentColumns, From: catalog.AgentFrom, Where: where, By: agentOrders[sort],
	}, part)
}

// byIDs returns those of the agents that exist, in the order of the ids.
func (s agentStore) byIDs(ctx context.Context, ids []uuid.UUID) ([]catalog.ComparedAgent, error) {
	return database.All[catalog.ComparedAgent](ctx, s.db, catalog.AgentsByIDs, ids)
}

// measured adds to agents what they did within a time. One that was deleted meanwhile is left out.
func (s agentStore) measured(ctx context.Context, agents []catalog.ComparedAgent, within figures.Span) ([]comparedAgent, error) {
	ids := make([]uuid.UUID, len(agents))
	byID := make(map[uuid.UUID]catalog.ComparedAgent, len(agents))
	for i, agent := range agents {
		ids[i], byID[agent.ID] = agent.ID, agent
	}
	found, err := figures.Within(ctx, s.db, ids, within)
	compared := make([]comparedAgent, len(found))
	for i, measured := range found {
		compared[i] = comparedAgent{ComparedAgent: byID[measured.AgentID], Measured: measured}
	}
	return compared, err
}
