package agents

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/waooaw/plant/shared/httpapi"
)

// skillDraft is a skill as a governor adds it.
type skillDraft struct {
	Name        string `json:"name" minLength:"1" maxLength:"255" doc:"unique among skills, in any case" example:"Keyword research"`
	Description string `json:"description,omitempty" maxLength:"8000" example:"Groups search terms by intent, volume and difficulty."`
	Category    string `json:"category" enum:"technical,soft_skill,domain_expertise,certification"`
}

// Resolve implements huma.ResolverWithPath: it checks what the schema cannot say.
func (d *skillDraft) Resolve(_ huma.Context, at *huma.PathBuffer) []error {
	checks := httpapi.CheckBody(at)
	checks.Line("name", &d.Name, maxName)
	checks.Prose("description", &d.Description, maxDescription)
	return checks.Errors()
}

// skillChange is what a PUT or PATCH sends: an absent field keeps its value, null brings the default back.
type skillChange struct {
	Name        *string               `json:"name,omitempty" minLength:"1" maxLength:"255" nullable:"false"`
	Description httpapi.Field[string] `json:"description,omitzero" maxLength:"8000"`
	Category    *string               `json:"category,omitempty" enum:"technical,soft_skill,domain_expertise,certification" nullable:"false"`
}

// Resolve implements huma.ResolverWithPath: it checks what the schema cannot say.
func (c *skillChange) Resolve(_ huma.Context, at *huma.PathBuffer) []error {
	checks := httpapi.CheckBody(at)
	checks.Line("name", c.Name, maxName)
	checks.Prose("description", c.Description.Value, maxDescription)
	return checks.Errors()
}
