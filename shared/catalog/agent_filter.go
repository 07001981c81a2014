package catalog

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/auth"
)

// AgentFilter narrows the agents that are listed or searched. Embed it in an input; a filter that is not sent asks for
// nothing.
type AgentFilter struct {
	Industry       string    `query:"industry" maxLength:"63" doc:"an industry's slug, in any case"`
	Specialization string    `query:"specialization" maxLength:"100" doc:"the whole specialization, in any case"`
	Status         string    `query:"status" enum:"available,working,offline"`
	SkillID        uuid.UUID `query:"skill_id" format:"uuid" doc:"has this skill"`
	JobRoleID      uuid.UUID `query:"job_role_id" format:"uuid" doc:"fills this job role"`
	TeamID         uuid.UUID `query:"team_id" format:"uuid" doc:"belongs to this team"`
	Tag            string    `query:"tag" maxLength:"50"`
	Language       string    `query:"language" maxLength:"35" doc:"BCP 47"`
	Owner          string    `query:"owner" maxLength:"255" doc:"an owner claim, or me"`
	MinRating      float64   `query:"min_rating" minimum:"0" maximum:"5" doc:"lowest mean rating"`
	MaxHourlyRate  float64   `query:"max_hourly_rate" exclusiveMinimum:"0" maximum:"9999999999.99" doc:"highest hourly rate, in each agent's currency"`
	MinSuccessRate float64   `query:"min_success_rate" minimum:"0" maximum:"1" doc:"lowest share of jobs that completed"`
	MaxP95Duration float64   `query:"max_p95_duration_ms" exclusiveMinimum:"0" maximum:"31536000000" doc:"highest time that 95 % of completed jobs were done in"`
	UpdatedSince   time.Time `query:"updated_since" doc:"changed at or after this moment (RFC 3339)"`

	also []condition
}

// condition is a constant text with named arguments.
type condition struct {
	text string
	args map[string]any
}

// And returns the filter with one more condition on AgentFrom: a constant text whose named arguments, in args, have names
// that no other condition's have. It is for filters of other standards.
func (f AgentFilter) And(text string, args map[string]any) AgentFilter {
	f.also = append(slices.Clone(f.also), condition{text, args})
	return f
}

// Resolve implements huma.Resolver. It keeps out what strconv takes for a number and JSON does not, such as NaN and 0x1p1,
// and the zero id, which would be a filter that is not sent.
func (f *AgentFilter) Resolve(ctx huma.Context) []error {
	var faults []error
	refuse := func(name, message string) {
		faults = append(faults, &huma.ErrorDetail{Location: "query." + name, Message: message})
	}
	for _, name := range []string{"min_rating", "max_hourly_rate", "min_success_rate", "max_p95_duration_ms"} {
		if strings.Trim(ctx.Query(name), "0123456789.eE+-") != "" {
			refuse(name, "must be a decimal number")
		}
	}
	for _, name := range []string{"skill_id", "job_role_id", "team_id"} {
		if id, err := uuid.Parse(ctx.Query(name)); err == nil && id == uuid.Nil {
			refuse(name, "must not be zero")
		}
	}
	return faults
}

// Where says a filter as conditions on AgentFrom: constant texts with named arguments, so that the planner sees only
// what was asked and no text of a caller is ever part of a statement. The caller is who owner=me means.
func (f AgentFilter) Where(caller auth.Principal) (conditions []string, args map[string]any) {
	args = map[string]any{}
	ask := func(sent bool, condition, name string, value any) {
		if sent {
			conditions = append(conditions, condition)
			args[name] = value
		}
	}
	ask(f.Industry != "", `a.industry = lower(@industry)`, "industry", f.Industry)
	ask(f.Specialization != "", `lower(a.specialization) = lower(@specialization)`, "specialization", f.Specialization)
	ask(f.Status != "", `a.status = @status`, "status", f.Status)
	ask(f.SkillID != uuid.Nil, `exists (select from plant.agent_skills k where k.agent_id = a.id and k.skill_id = @skill_id)`, "skill_id", f.SkillID)
	ask(f.JobRoleID != uuid.Nil, `a.job_role_id = @job_role_id`, "job_role_id", f.JobRoleID)
	ask(f.TeamID != uuid.Nil, `a.team_id = @team_id`, "team_id", f.TeamID)
	ask(f.Tag != "", `a.tags @> array[@tag::text]`, "tag", f.Tag)
	ask(f.Language != "", `a.languages @> array[@language::text]`, "language", f.Language)
	ask(f.MinRating > 0, `s.avg_rating >= @min_rating::float8::numeric`, "min_rating", f.MinRating)
	ask(f.MaxHourlyRate > 0, `a.hourly_rate <= @max_hourly_rate::float8::numeric`, "max_hourly_rate", f.MaxHourlyRate)
	ask(f.MinSuccessRate > 0, `s.success_rate >= @min_success_rate::float8::numeric`, "min_success_rate", f.MinSuccessRate)
	ask(f.MaxP95Duration > 0, `coalesce(s.p95_duration_ms, 'infinity') <= @max_p95_duration_ms`, "max_p95_duration_ms", f.MaxP95Duration)
	ask(!f.UpdatedSince.IsZero(), `a.updated_at >= @updated_since`, "updated_since", f.UpdatedSince)
	if f.Owner == "me" {
		ask(true, `a.owner_issuer = @owner_issuer`, "owner_issuer", caller.Issuer)
		ask(true, `a.owner = @owner`, "owner", caller.Owner)
	} else {
		ask(f.Owner != "", `a.owner = @owner`, "owner", f.Owner)
	}
	for _, more := range f.also {
		conditions = append(conditions, more.text)
		maps.Copy(args, more.args)
	}
	return conditions, args
}
