package agents

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/httpapi"
)

// comparedAgent is an agent with the names of its skills.
type comparedAgent struct {
	catalog.Agent
	Skills []string `json:"skills" doc:"names of its skills"`
}

type comparison struct {
	Body struct {
		Agents []comparedAgent `json:"agents" doc:"in the order of the ids"`
	}
}

func (a agents) compare(ctx context.Context, in *struct {
	IDs []uuid.UUID `query:"ids" required:"true" format:"uuid" minItems:"2" maxItems:"8" doc:"the agents, separated by commas"`
},
) (*comparison, error) {
	ids := distinct(in.IDs)
	if len(ids) < len(in.IDs) {
		return nil, httpapi.Invalid.Problem("an agent is named twice", &httpapi.Fault{Location: "query.ids", Message: "must be different"})
	}
	found, err := a.store.byIDs(ctx, ids)
	if err != nil {
		return nil, err
	}
	if len(found) < len(ids) {
		return nil, httpapi.NotFound.Problem(fmt.Sprintf("%d of the agents do not exist", len(ids)-len(found)), unknownOf(ids, found)...)
	}
	answer := &comparison{}
	answer.Body.Agents = found
	return answer, nil
}

// unknownOf names the ids that no agent was found for.
func unknownOf(ids []uuid.UUID, found []comparedAgent) []*httpapi.Fault {
	var faults []*httpapi.Fault
	for i, id := range ids {
		known := false
		for _, agent := range found {
			known = known || agent.ID == id
		}
		if !known {
			faults = append(faults, &httpapi.Fault{Location: fmt.Sprintf("query.ids[%d]", i), Message: "there is no such agent", Value: id.String()})
		}
	}
	return faults
}
