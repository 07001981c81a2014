package agents

import (
	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/httpapi"
)

// teamDraft is a team as a partner makes it.
type teamDraft struct {
	Name        string      `json:"name" minLength:"1" maxLength:"255" example:"Newsroom"`
	Description string      `json:"description,omitempty" maxLength:"8000" example:"A writer, an optimiser and a scheduler that fill a blog together."`
	JobRoleID   uuid.UUID   `json:"job_role_id" format:"uuid" doc:"what the team does together"`
	AgentIDs    []uuid.UUID `json:"agent_ids" format:"uuid" minItems:"1" maxItems:"1000" doc:"agents of the team's owner that are in no other team"`
}

// Resolve implements huma.ResolverWithPath: it checks what the schema cannot say.
func (d *teamDraft) Resolve(_ huma.Context, at *huma.PathBuffer) []error {
	checks := httpapi.CheckBody(at)
	checks.Line("name", &d.Name, maxName)
	checks.Prose("description", &d.Description, maxDescription)
	d.AgentIDs = distinct(d.AgentIDs)
	return checks.Errors()
}

// teamChange is what a PUT or PATCH sends: an absent field keeps its value, null brings the default back.
type teamChange struct {
	Name        *string               `json:"name,omitempty" minLength:"1" maxLength:"255" nullable:"false"`
	Description httpapi.Field[string] `json:"description,omitzero" maxLength:"8000"`
	JobRoleID   *uuid.UUID            `json:"job_role_id,omitempty" format:"uuid" nullable:"false"`
	AgentIDs    []uuid.UUID           `json:"agent_ids,omitempty" format:"uuid" minItems:"1" maxItems:"1000" doc:"all that are in the team from now on"`
}

// Resolve implements huma.ResolverWithPath: it checks what the schema cannot say.
func (c *teamChange) Resolve(_ huma.Context, at *huma.PathBuffer) []error {
	checks := httpapi.CheckBody(at)
	checks.Line("name", c.Name, maxName)
	checks.Prose("description", c.Description.Value, maxDescription)
	if c.AgentIDs != nil {
		c.AgentIDs = distinct(c.AgentIDs)
	}
	return checks.Errors()
}
