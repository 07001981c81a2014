package search

import (
	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/httpapi"
)

// MatchCriteria are what every match can ask for.
type MatchCriteria struct {
	MaxHourlyRate *catalog.Money `json:"max_hourly_rate,omitempty" exclusiveMinimum:"0" maximum:"9999999999.99" doc:"highest hourly rate of one agent, in its currency"`
	Currency      string         `json:"currency,omitempty" pattern:"^[A-Z]{3}$" doc:"ISO 4217; any, if not sent, and then the figures of rates are compared as they are"`
	Industry      string         `json:"industry,omitempty" minLength:"1" maxLength:"63" doc:"an industry's slug, in any case; any industry, if not sent" example:"marketing"`
	Status        []string       `json:"status,omitempty" enum:"available,working,offline" minItems:"1" maxItems:"3" doc:"only available agents, if not sent"`
	Weights       *matchWeights  `json:"weights,omitempty" doc:"what the score is made of; coverage 0.5, certification 0.1, quality 0.25 and price 0.15, if not sent"`
	Limit         int            `json:"limit,omitempty" minimum:"1" maximum:"50" doc:"how many single agents at most; 10 if not sent"`
	TeamSize      int            `json:"team_size,omitempty" minimum:"1" maximum:"64" doc:"how many agents a team has at most; as many as it takes, if not sent"`
}

// matchWeights say how much each part of a score counts, in proportion to the others. Those that are left out count nothing.
type matchWeights struct {
	Coverage      float64 `json:"coverage,omitempty" minimum:"0" maximum:"1000" doc:"required skills that the agent has"`
	Certification float64 `json:"certification,omitempty" minimum:"0" maximum:"1000" doc:"how well those are certified"`
	Quality       float64 `json:"quality,omitempty" minimum:"0" maximum:"1000" doc:"what the agent really did"`
	Price         float64 `json:"price,omitempty" minimum:"0" maximum:"1000" doc:"how little it costs"`
}

// usualWeights are those where none are sent: first of all that the work can be done, then that it is done well.
var usualWeights = matchWeights{Coverage: 0.5, Certification: 0.1, Quality: 0.25, Price: 0.15}

func (w matchWeights) sum() float64 { return w.Coverage + w.Certification + w.Quality + w.Price }

// shares are the weights with a sum of 1.
func (w matchWeights) shares() matchWeights {
	sum := w.sum()
	return matchWeights{Coverage: w.Coverage / sum, Certification: w.Certification / sum, Quality: w.Quality / sum, Price: w.Price / sum}
}

// Resolve implements huma.ResolverWithPath: it checks what the schema cannot say.
func (c *MatchCriteria) Resolve(_ huma.Context, at *huma.PathBuffer) []error {
	checks := httpapi.CheckBody(at)
	if c.MaxHourlyRate != nil {
		checks.Add("max_hourly_rate", c.MaxHourlyRate.Fault())
	}
	if c.Weights != nil && c.Weights.sum() == 0 {
		checks.Add("weights", "at least one must be more than 0")
	}
	return checks.Errors()
}

// statuses are those that an agent may have.
func (c MatchCriteria) statuses() []string {
	if c.Status == nil {
		return []string{"available"}
	}
	return c.Status
}

func (c MatchCriteria) weights() matchWeights {
	if c.Weights == nil {
		return usualWeights
	}
	return *c.Weights
}

// matchDraft is a match of any skills.
type matchDraft struct {
	RequiredSkills []string   `json:"required_skills,omitempty" minLength:"1" maxLength:"255" minItems:"1" maxItems:"64" doc:"ids of skills, or their names in any case" example:"Copywriting"`
	JobRoleID      *uuid.UUID `json:"job_role_id,omitempty" format:"uuid" doc:"a job role, whose skills are required too"`
	MatchCriteria
}

const maxSkillName = 255

// Resolve implements huma.ResolverWithPath.
func (d *matchDraft) Resolve(ctx huma.Context, at *huma.PathBuffer) []error {
	checks := httpapi.CheckBody(at)
	checks.Lines("required_skills", d.RequiredSkills, maxSkillName)
	if d.RequiredSkills == nil && d.JobRoleID == nil {
		checks.Add("required_skills", "is needed where there is no job_role_id")
	}
	return append(checks.Errors(), d.MatchCriteria.Resolve(ctx, at)...)
}
