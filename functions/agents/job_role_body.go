package agents

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/httpapi"
)

// jobRoleDraft is a job role as a governor adds it.
type jobRoleDraft struct {
	Name            string      `json:"name" minLength:"1" maxLength:"255" doc:"unique among job roles, in any case" example:"Content writer"`
	Description     string      `json:"description,omitempty" maxLength:"8000" example:"Fills a content calendar with articles that rank and read well."`
	RequiredSkills  []uuid.UUID `json:"required_skills" format:"uuid" minItems:"1" maxItems:"100" doc:"ids of skills"`
	SeniorityLevel  string      `json:"seniority_level" enum:"junior,mid,senior"`
	Industry        *string     `json:"industry,omitempty" minLength:"1" maxLength:"63" nullable:"true" doc:"an industry's slug; any industry, if not sent" example:"marketing"`
	Specializations []string    `json:"specializations,omitempty" minLength:"1" maxLength:"100" maxItems:"50" example:"Blog writing"`
}

// Resolve implements huma.ResolverWithPath: it checks what the schema cannot say.
func (d *jobRoleDraft) Resolve(_ huma.Context, at *huma.PathBuffer) []error {
	checks := httpapi.CheckBody(at)
	checks.Line("name", &d.Name, maxName)
	checks.Prose("description", &d.Description, maxDescription)
	checks.Lines("specializations", d.Specializations, maxSpecialization)
	d.RequiredSkills, d.Specializations, d.Industry = distinct(d.RequiredSkills), distinct(d.Specializations), slug(d.Industry)
	return checks.Errors()
}

// jobRoleChange is what a PUT or PATCH sends: an absent field keeps its value, null brings the default back.
type jobRoleChange struct {
	Name            *string                 `json:"name,omitempty" minLength:"1" maxLength:"255" nullable:"false"`
	Description     httpapi.Field[string]   `json:"description,omitzero" maxLength:"8000"`
	RequiredSkills  []uuid.UUID             `json:"required_skills,omitempty" format:"uuid" minItems:"1" maxItems:"100" doc:"ids of skills: all that it requires from now on"`
	SeniorityLevel  *string                 `json:"seniority_level,omitempty" enum:"junior,mid,senior" nullable:"false"`
	Industry        httpapi.Field[string]   `json:"industry,omitzero" minLength:"1" maxLength:"63" doc:"an industry's slug; null for any"`
	Specializations httpapi.Field[[]string] `json:"specializations,omitzero" minLength:"1" maxLength:"100" maxItems:"50"`
}

// Resolve implements huma.ResolverWithPath: it checks what the schema cannot say.
func (c *jobRoleChange) Resolve(_ huma.Context, at *huma.PathBuffer) []error {
	checks := httpapi.CheckBody(at)
	checks.Line("name", c.Name, maxName)
	checks.Prose("description", c.Description.Value, maxDescription)
	if c.Specializations.Value != nil {
		checks.Lines("specializations", *c.Specializations.Value, maxSpecialization)
		*c.Specializations.Value = distinct(*c.Specializations.Value)
	}
	if c.RequiredSkills != nil {
		c.RequiredSkills = distinct(c.RequiredSkills)
	}
	c.Industry.Value = slug(c.Industry.Value)
	return checks.Errors()
}

// slug is an industry's slug as it is stored: callers may send it in any case. Nil stays nil.
func slug(sent *string) *string {
	if sent == nil {
		return nil
	}
	lower := strings.ToLower(*sent)
	return &lower
}
