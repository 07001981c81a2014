package agents

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/figures"
	"github.com/waooaw/plant/shared/httpapi"
)

// comparedAgent is an agent with the names of its skills, and what it really did in the window.
type comparedAgent struct {
	catalog.ComparedAgent
	Measured figures.Measured `json:"measured" db:"-" doc:"in the window, with the samples that it is made of"`
}

type comparison struct {
	Body struct {
		figures.Window
		Agents []comparedAgent `json:"agents" doc:"in the order of the ids"`
	}
}

func (a agents) compare(ctx context.Context, in *struct {
	IDs    []string `query:"ids" required:"true" format:"uuid" minItems:"2" maxItems:"8" doc:"the agents, separated by commas"`
	Window string   `query:"window" enum:"24h,7d,30d,90d,all" default:"30d" doc:"the time that what they did is told of"`
},
) (*comparison, error) {
	var ids []uuid.UUID
	for i, text := range in.IDs {
		id, err := uuid.Parse(text)
		if err != nil || slices.Contains(ids, id) {
			return nil, httpapi.Invalid.Problem("the ids of different agents are needed",
				&httpapi.Fault{Location: fmt.Sprintf("query.ids[%d]", i), Message: "must be the id of another agent than those before"})
		}
		ids = append(ids, id)
	}
	found, err := a.store.byIDs(ctx, ids)
	if err != nil {
		return nil, err
	}
	if len(found) < len(ids) {
		return nil, httpapi.NotFound.Problem(fmt.Sprintf("%d of the agents do not exist", len(ids)-len(found)), unknownOf(ids, found)...)
	}
	answer := &comparison{}
	answer.Body.Window = figures.WindowAt(time.Now(), in.Window)
	if answer.Body.Agents, err = a.store.measured(ctx, found, answer.Body.Span()); err != nil {
		return nil, err
	}
	return answer, nil
}

// unknownOf names the ids that no agent was found for.
func unknownOf(ids []uuid.UUID, found []catalog.ComparedAgent) []*httpapi.Fault {
	var faults []*httpapi.Fault
	for i, id := range ids {
		if !slices.ContainsFunc(found, func(agent catalog.ComparedAgent) bool { return agent.ID == id }) {
			faults = append(faults, &httpapi.Fault{Location: fmt.Sprintf("query.ids[%d]", i), Message: "there is no such agent", Value: id.String()})
		}
	}
	return faults
}
