package search

import (
	"context"
	"errors"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/embedding"
	"github.com/waooaw/plant/shared/httpapi"
)

// alike is whose like is looked for.
type alike struct {
	httpapi.ByID
	Limit int `query:"limit" minimum:"1" maximum:"50" default:"10" doc:"how many at most"`
	catalog.AgentFilter
}

// Resolve implements huma.Resolver, for both that are embedded.
func (a *alike) Resolve(ctx huma.Context) []error {
	return append(a.ByID.Resolve(ctx), a.AgentFilter.Resolve(ctx)...)
}

type similarAgents struct {
	Degraded
	Body []foundAgent
}

// similar finds the other agents that are nearest to one in meaning. Where it has no vector, they are found by the words
// of its name and specialization.
func (s search) similar(ctx context.Context, in *alike) (*similarAgents, error) {
	if err := ownerIsKnown(ctx, in.AgentFilter); err != nil {
		return nil, err
	}
	model, err := s.models.Serving(ctx)
	unserved := errors.Is(err, embedding.ErrUnavailable) && ctx.Err() == nil
	if err != nil && !unserved {
		return nil, err
	}
	one, err := s.store.place(ctx, in.ID, model.Slot)
	if err != nil {
		return nil, err
	}
	others := in.And(`a.id <> @similar_to`, map[string]any{"similar_to": in.ID})
	if unserved || one.Vector == nil {
		found, err := s.find(ctx, one.Name+" "+one.Specialization, others, false, in.Limit)
		return &similarAgents{Degraded{"true"}, found}, err
	}
	rows, err := s.store.similar(ctx, model.Slot, one.Vector.Slice(), filtered(ctx, others, false), in.Limit)
	if err != nil {
		return nil, err
	}
	answer := &similarAgents{Body: make([]foundAgent, len(rows))}
	for i, row := range rows {
		answer.Body[i] = foundAgent{row.Agent, Match{Score: row.Score}}
	}
	return answer, nil
}
