package agents

import (
	"context"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
)

// agentOrders are the ways to sort agents, each with an index of its own.
var agentOrders = map[string]database.Order{
	"created_at":   {Key: "a.created_at", Type: "timestamptz", ID: "a.id"},
	"-created_at":  {Key: "a.created_at", Type: "timestamptz", ID: "a.id", Descending: true},
	"updated_at":   {Key: "a.updated_at", Type: "timestamptz", ID: "a.id"},
	"-updated_at":  {Key: "a.updated_at", Type: "timestamptz", ID: "a.id", Descending: true},
	"name":         {Key: `lower(a.name) collate "C"`, Type: "text", ID: "a.id"},
	"-name":        {Key: `lower(a.name) collate "C"`, Type: "text", ID: "a.id", Descending: true},
	"hourly_rate":  {Key: "a.hourly_rate", Type: "numeric", ID: "a.id"},
	"-hourly_rate": {Key: "a.hourly_rate", Type: "numeric", ID: "a.id", Descending: true},
	"rating":       {Key: "s.avg_rating", Type: "numeric", ID: "s.agent_id"},
	"-rating":      {Key: "s.avg_rating", Type: "numeric", ID: "s.agent_id", Descending: true},
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
