package agents

import (
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/httpapi"
)

// agentDraft is an agent as a partner publishes it. Its price, status and owner are never sent: they follow.
type agentDraft struct {
	Name             string        `json:"name" minLength:"1" maxLength:"255" example:"Campaign Writer"`
	Specialization   string        `json:"specialization" minLength:"1" maxLength:"100" example:"Content writing"`
	Industry         string        `json:"industry" minLength:"1" maxLength:"63" doc:"an industry's slug, for life" example:"marketing"`
	HourlyRate       catalog.Money `json:"hourly_rate" exclusiveMinimum:"0" maximum:"9999999999.99" doc:"at most 2 decimals, in currency" example:"85.0"`
	Description      string        `json:"description,omitempty" maxLength:"8000"`
	SkillIDs         []uuid.UUID   `json:"skill_ids,omitempty" format:"uuid" maxItems:"100"`
	JobRoleID        *uuid.UUID    `json:"job_role_id,omitempty" format:"uuid" nullable:"true"`
	TeamID           *uuid.UUID    `json:"team_id,omitempty" format:"uuid" nullable:"true" doc:"a team of the same owner"`
	TrialDays        *int          `json:"trial_days,omitempty" minimum:"0" maximum:"90" nullable:"false" doc:"7 if not sent"`
	AllowedDurations []string      `json:"allowed_durations,omitempty" minItems:"1" maxItems:"3" enum:"monthly,quarterly,yearly" doc:"monthly and quarterly if not sent"`
	Currency         string        `json:"currency,omitempty" pattern:"^[A-Z]{3}$" doc:"ISO 4217; INR if not sent"`
	Tags             []string      `json:"tags,omitempty" minLength:"1" maxLength:"50" maxItems:"50"`
	Languages        []string      `json:"languages,omitempty" pattern:"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$" maxLength:"35" maxItems:"50" doc:"BCP 47"`
	Exclusive        bool          `json:"exclusive,omitempty" doc:"takes one hire at a time"`
	ExternalID       *string       `json:"external_id,omitempty" minLength:"1" maxLength:"255" nullable:"true" doc:"your own id, unique among your agents"`
	Card             *card         `json:"card,omitempty" nullable:"true" doc:"an A2A v1 agent card, kept and served byte for byte; without one Plant makes it from the rest"`
}

// The maxLength of each text, which holds for what is stored too.
const (
	maxName           = 255
	maxSpecialization = 100
	maxExternalID     = 255
	maxTag            = 50
	maxDescription    = 8000
)

// What an agent has where nothing was sent.
const (
	defaultCurrency  = "INR"
	defaultTrialDays = 7
)

func defaultDurations() []string { return []string{"monthly", "quarterly"} }

// Resolve implements huma.ResolverWithPath: it checks what the schema cannot say and fills in the defaults.
func (d *agentDraft) Resolve(_ huma.Context, at *huma.PathBuffer) []error {
	checks := httpapi.CheckBody(at)
	checks.Line("name", &d.Name, maxName)
	checks.Line("specialization", &d.Specialization, maxSpecialization)
	checks.Line("external_id", d.ExternalID, maxExternalID)
	checks.Lines("tags", d.Tags, maxTag)
	checks.Prose("description", &d.Description, maxDescription)
	checks.Add("hourly_rate", d.HourlyRate.Fault())
	checks.Add("card", d.Card.fault())
	if d.Currency == "" {
		d.Currency = defaultCurrency
	}
	if d.TrialDays == nil {
		days := defaultTrialDays
		d.TrialDays = &days
	}
	if d.AllowedDurations == nil {
		d.AllowedDurations = defaultDurations()
	}
	d.SkillIDs, d.Tags, d.Languages = distinct(d.SkillIDs), distinct(d.Tags), distinct(d.Languages)
	d.AllowedDurations = distinct(d.AllowedDurations)
	return checks.Errors()
}

// agentChange is what a PUT or PATCH sends: an absent field keeps its value, null brings the default back.
type agentChange struct {
	Name             *string                    `json:"name,omitempty" minLength:"1" maxLength:"255" nullable:"false"`
	Specialization   *string                    `json:"specialization,omitempty" minLength:"1" maxLength:"100" nullable:"false"`
	Industry         *string                    `json:"industry,omitempty" minLength:"1" maxLength:"63" nullable:"false" doc:"cannot change: only the one that the agent has is accepted"`
	HourlyRate       *catalog.Money             `json:"hourly_rate,omitempty" exclusiveMinimum:"0" maximum:"9999999999.99"`
	Description      httpapi.Field[string]      `json:"description,omitzero" maxLength:"8000"`
	SkillIDs         httpapi.Field[[]uuid.UUID] `json:"skill_ids,omitzero" format:"uuid" maxItems:"100"`
	JobRoleID        httpapi.Field[uuid.UUID]   `json:"job_role_id,omitzero" format:"uuid"`
	TeamID           httpapi.Field[uuid.UUID]   `json:"team_id,omitzero" format:"uuid"`
	TrialDays        httpapi.Field[int]         `json:"trial_days,omitzero" minimum:"0" maximum:"90"`
	AllowedDurations httpapi.Field[[]string]    `json:"allowed_durations,omitzero" minItems:"1" maxItems:"3" enum:"monthly,quarterly,yearly"`
	Currency         httpapi.Field[string]      `json:"currency,omitzero" pattern:"^[A-Z]{3}$"`
	Tags             httpapi.Field[[]string]    `json:"tags,omitzero" minLength:"1" maxLength:"50" maxItems:"50"`
	Languages        httpapi.Field[[]string]    `json:"languages,omitzero" pattern:"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$" maxLength:"35" maxItems:"50"`
	Exclusive        httpapi.Field[bool]        `json:"exclusive,omitzero"`
	ExternalID       httpapi.Field[string]      `json:"external_id,omitzero" minLength:"1" maxLength:"255"`
	Card             httpapi.Field[card]        `json:"card,omitzero"`
}

// Resolve implements huma.ResolverWithPath: it checks what the schema cannot say.
func (c *agentChange) Resolve(_ huma.Context, at *huma.PathBuffer) []error {
	checks := httpapi.CheckBody(at)
	checks.Line("name", c.Name, maxName)
	checks.Line("specialization", c.Specialization, maxSpecialization)
	checks.Line("external_id", c.ExternalID.Value, maxExternalID)
	checks.Prose("description", c.Description.Value, maxDescription)
	checks.Add("card", c.Card.Value.fault())
	if c.HourlyRate != nil {
		checks.Add("hourly_rate", c.HourlyRate.Fault())
	}
	if c.Tags.Value != nil {
		checks.Lines("tags", *c.Tags.Value, maxTag)
		*c.Tags.Value = distinct(*c.Tags.Value)
	}
	if c.SkillIDs.Value != nil {
		*c.SkillIDs.Value = distinct(*c.SkillIDs.Value)
	}
	if c.Languages.Value != nil {
		*c.Languages.Value = distinct(*c.Languages.Value)
	}
	if c.AllowedDurations.Value != nil {
		*c.AllowedDurations.Value = distinct(*c.AllowedDurations.Value)
	}
	return checks.Errors()
}

// distinct leaves out what comes again, keeping the order; never nil.
func distinct[T comparable](values []T) []T {
	kept := make([]T, 0, len(values))
	for _, value := range values {
		if !slices.Contains(kept, value) {
			kept = append(kept, value)
		}
	}
	return kept
}
