package agents

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// team is agents of one owner that fill a job role together.
type team struct {
	ID          uuid.UUID   `json:"id" format:"uuid"`
	Owner       string      `json:"owner" doc:"the owner claim of the partner's token"`
	Name        string      `json:"name"`
	Description string      `json:"description"`
	JobRoleID   uuid.UUID   `json:"job_role_id" format:"uuid"`
	AgentIDs    []uuid.UUID `json:"agent_ids" format:"uuid" doc:"at least one, in the order in which they came"`
	Version     int64       `json:"version"`
	CreatedAt   time.Time   `json:"created_at"`
	UpdatedAt   time.Time   `json:"updated_at"`
}

// Address implements httpapi.Addressed.
func (t team) Address() string { return "/api/v1/teams/" + t.ID.String() }

// Tag implements httpapi.Tagged.
func (t team) Tag() (version int64, derived any) { return t.Version, nil }

// teams answers what is asked of teams.
type teams struct {
	store   teamStore
	cursors httpapi.Cursors
}

func (t teams) create(ctx context.Context, in *struct {
	httpapi.Keyed
	Body teamDraft
},
) (*httpapi.Written[team], error) {
	return httpapi.Create(ctx, t.store.db, in.Keyed, in.Body, func(ctx context.Context, tx database.Tx) (team, error) {
		return t.store.create(ctx, tx, in.Body)
	})
}

func (t teams) get(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Conditional
},
) (*httpapi.Versioned[team], error) {
	found, err := t.store.byID(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return httpapi.Answer(in.Conditional, found)
}

// TeamFilter narrows the teams that are listed.
type TeamFilter struct {
	Owner     string    `query:"owner" maxLength:"255" doc:"an owner claim, or me"`
	JobRoleID uuid.UUID `query:"job_role_id" format:"uuid" doc:"fills this job role"`
}

// Resolve implements huma.Resolver: the zero id would be a filter that is not sent.
func (f *TeamFilter) Resolve(ctx huma.Context) []error {
	if f.JobRoleID == uuid.Nil && ctx.Query("job_role_id") != "" {
		return []error{&httpapi.Fault{Location: "query.job_role_id", Message: "must not be zero"}}
	}
	return nil
}

func (t teams) list(ctx context.Context, in *struct {
	httpapi.Page
	TeamFilter
},
) (*httpapi.List[team], error) {
	if _, known := auth.FromContext(ctx); in.Owner == "me" && !known {
		return nil, httpapi.Unauthenticated.Problem("owner=me needs a token")
	}
	part, err := t.cursors.Part(in.Page)
	if err != nil {
		return nil, err
	}
	rows, total, err := t.store.list(ctx, in.TeamFilter, part)
	if err != nil {
		return nil, err
	}
	return httpapi.NextPage(t.cursors, in.Page, rows, total)
}

func (t teams) change(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Precondition
	Body teamChange
},
) (*httpapi.Versioned[team], error) {
	return written(t.store.change(ctx, in.ID, in.Versions(), in.Body))
}

func (t teams) delete(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Precondition
},
) (*struct{}, error) {
	return nil, t.store.delete(ctx, in.ID, in.Versions())
}

func (t teams) restore(ctx context.Context, in *struct {
	httpapi.Keyed
	httpapi.ByID
},
) (*httpapi.Written[team], error) {
	return httpapi.Act(ctx, t.store.db, in.Keyed, nil, func(ctx context.Context, tx database.Tx) (team, error) {
		return t.store.restore(ctx, tx, in.ID)
	})
}

// TeamMember names an agent that enters or leaves a team.
type TeamMember struct {
	AgentID uuid.UUID `path:"agent_id" format:"uuid"`
}

// Resolve implements huma.Resolver: uuid.Parse also takes braces, a prefix and no hyphens.
func (m *TeamMember) Resolve(ctx huma.Context) []error {
	if len(ctx.Param("agent_id")) == len(m.AgentID.String()) {
		return nil
	}
	return []error{&httpapi.Fault{Location: "path.agent_id", Message: "must be a UUID"}}
}

func (t teams) addAgent(ctx context.Context, in *struct {
	httpapi.ByID
	TeamMember
	httpapi.Precondition
},
) (*httpapi.Versioned[team], error) {
	return written(t.store.addAgent(ctx, in.ID, in.AgentID, in.Versions()))
}

func (t teams) removeAgent(ctx context.Context, in *struct {
	httpapi.ByID
	TeamMember
	httpapi.Precondition
},
) (*struct{}, error) {
	return nil, t.store.removeAgent(ctx, in.ID, in.AgentID, in.Versions())
}
