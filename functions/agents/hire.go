package agents

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/hiring"
	"github.com/waooaw/plant/shared/httpapi"
)

var (
	// agentHired is the problem of a change to an agent that hires stand in the way of.
	agentHired = httpapi.NewProblemType("AGENT_HIRED", http.StatusConflict, "The agent is hired",
		"Hires that run stand in the way. List them with /api/v1/hires?agent_id=…, and end those that may be.")
	// illegalMove is the problem of a hire that would get a status that does not follow from the one it has.
	illegalMove = httpapi.NewProblemType("ILLEGAL_MOVE", http.StatusConflict, "A hire does not go that way",
		"A trial becomes active or is cancelled, and ends by itself when its time is over; an active hire is ended. What has ended or was cancelled stays so: hire the agent anew.")
)

// hires answers what is asked of hires. They are private: whose a hire is not, it is not there for.
type hires struct {
	store   hireStore
	cursors httpapi.Cursors
}

func (h hires) create(ctx context.Context, in *struct {
	httpapi.Keyed
	httpapi.ByID
	Body hiring.Draft
},
) (*httpapi.Written[hiring.Hire], error) {
	return httpapi.Create(ctx, h.store.db, in.Keyed, in.Body, func(ctx context.Context, tx database.Tx) (hiring.Hire, error) {
		return hiring.Create(ctx, tx, in.ID, in.Body)
	})
}

func (h hires) get(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Conditional
},
) (*httpapi.Versioned[hiring.Hire], error) {
	found, err := h.store.byID(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return httpapi.Answer(in.Conditional, found)
}

// HireFilter narrows the hires that are listed.
type HireFilter struct {
	Status  string    `query:"status" enum:"trial,active,ended,cancelled"`
	AgentID uuid.UUID `query:"agent_id" format:"uuid" doc:"of this agent"`
}

// Resolve implements huma.Resolver: the zero id would be a filter that is not sent.
func (f *HireFilter) Resolve(ctx huma.Context) []error {
	if f.AgentID == uuid.Nil && ctx.Query("agent_id") != "" {
		return []error{&httpapi.Fault{Location: "query.agent_id", Message: "must not be zero"}}
	}
	return nil
}

func (h hires) list(ctx context.Context, in *struct {
	httpapi.Page
	HireFilter
},
) (*httpapi.List[hiring.Hire], error) {
	part, err := h.cursors.Part(in.Page)
	if err != nil {
		return nil, err
	}
	rows, total, err := h.store.list(ctx, in.HireFilter, part)
	if err != nil {
		return nil, err
	}
	return httpapi.NextPage(h.cursors, in.Page, rows, total)
}

func (h hires) setStatus(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Precondition
	Body struct {
		Status string `json:"status" enum:"active,ended,cancelled" doc:"a trial becomes active or is cancelled, by the customer; an active hire is ended, by the customer or the agent's owner"`
	}
},
) (*httpapi.Versioned[hiring.Hire], error) {
	return written(h.store.setStatus(ctx, in.ID, in.Versions(), in.Body.Status))
}
