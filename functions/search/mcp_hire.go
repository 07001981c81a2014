package search

import (
	"cmp"
	"context"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/google/uuid"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/hiring"
	"github.com/waooaw/plant/shared/httpapi"
)

// addHiring adds the tools that lead to a hire: who can fill a job role, and the hire itself.
func (t tools) addHiring(server *mcp.Server) {
	addTool(server, t, reads, "match_job_role", "Find the agents, and the smallest teams of them, that have the skills of a job role: coverage, gaps, price, and why.", t.matchJobRole,
		func(p map[string]*jsonschema.Schema) {
			p["job_role_id"].Format = "uuid"
			bound(p["industry"], 0, 63)
			between(p["max_hourly_rate"], 0, 9999999999.99)
			between(p["limit"], 1, 50)
		})
	addTool(server, t, writes, "hire_agent", "Hire an agent for the caller, who needs a customer's token. The hire begins with the agent's free trial, and ends with it unless the customer goes on.", t.hire,
		func(p map[string]*jsonschema.Schema) {
			p["agent_id"].Format = "uuid"
			p["duration"].Enum = []any{"monthly", "quarterly", "yearly"}
		})
}

type matchJobRole struct {
	JobRoleID     string  `json:"job_role_id" jsonschema:"the job role's id"`
	Industry      string  `json:"industry,omitempty" jsonschema:"only agents of this industry, by its slug"`
	MaxHourlyRate float64 `json:"max_hourly_rate,omitempty" jsonschema:"highest hourly rate of one agent, in its currency"`
	Limit         int     `json:"limit,omitempty" jsonschema:"how many single agents at most; 10 if not sent"`
}

func (t tools) matchJobRole(ctx context.Context, in matchJobRole) (any, error) {
	id, err := uuid.Parse(in.JobRoleID)
	if err != nil {
		return nil, httpapi.NotFound.Problem("there is no such job role")
	}
	criteria := &MatchCriteria{Industry: in.Industry, Limit: in.Limit}
	if in.MaxHourlyRate > 0 {
		rate := catalog.Hundredths(int64(in.MaxHourlyRate*100 + 0.5))
		criteria.MaxHourlyRate = &rate
	}
	answer, err := t.matches.ofRole(ctx, id, criteria)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

type hireAgent struct {
	AgentID  string `json:"agent_id" jsonschema:"the agent's id, as search_agents tells it"`
	Duration string `json:"duration,omitempty" jsonschema:"for how long: one of the agent's allowed_durations; monthly if not sent"`
}

func (t tools) hire(ctx context.Context, in hireAgent) (any, error) {
	caller, known := auth.FromContext(ctx)
	switch {
	case !known:
		return nil, httpapi.Unauthenticated.Problem("hiring needs a customer's token")
	case !caller.Can(auth.Customer):
		return nil, httpapi.Forbidden.Problem("only customers hire agents")
	}
	id, err := uuid.Parse(in.AgentID)
	if err != nil {
		return nil, httpapi.NotFound.Problem("there is no such agent")
	}
	var hire hiring.Hire
	err = t.store.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		hire, err = hiring.Create(ctx, tx, id, hiring.Draft{Duration: cmp.Or(in.Duration, "monthly")})
		return err
	})
	return hire, err
}
