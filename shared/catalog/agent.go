// Package catalog holds what more than one function answers, and the columns that it is read from.
package catalog

import (
	"time"

	"github.com/google/uuid"
)

// Agent as everyone sees it.
type Agent struct {
	ID               uuid.UUID   `json:"id" format:"uuid"`
	Owner            string      `json:"owner" doc:"the owner claim of the partner's token"`
	ExternalID       *string     `json:"external_id" doc:"the partner's own id, unique per owner"`
	Name             string      `json:"name"`
	Specialization   string      `json:"specialization"`
	Industry         string      `json:"industry" doc:"an industry's slug"`
	Description      string      `json:"description"`
	HourlyRate       Money       `json:"hourly_rate" doc:"in currency, per hour"`
	Price            Money       `json:"price" doc:"in currency, per month of 160 hours"`
	Currency         string      `json:"currency" doc:"ISO 4217"`
	TrialDays        int         `json:"trial_days"`
	AllowedDurations []string    `json:"allowed_durations"`
	Tags             []string    `json:"tags"`
	Languages        []string    `json:"languages" doc:"BCP 47"`
	Exclusive        bool        `json:"exclusive" doc:"takes one hire at a time"`
	SkillIDs         []uuid.UUID `json:"skill_ids" format:"uuid"`
	JobRoleID        *uuid.UUID  `json:"job_role_id" format:"uuid" nullable:"true"`
	TeamID           *uuid.UUID  `json:"team_id" format:"uuid" nullable:"true"`
	Status           string      `json:"status" enum:"available,working,offline"`
	Metrics          `json:"metrics"`
	Version          int64      `json:"version"`
	CreatedAt        time.Time  `json:"created_at"`
	UpdatedAt        time.Time  `json:"updated_at"`
	DeletedAt        *time.Time `json:"deleted_at,omitempty"`
}

// Metrics are what an agent really did, all time. Each is 0 where there is no sample.
type Metrics struct {
	TotalJobs           int64   `json:"total_jobs" doc:"jobs that ended"`
	CompletedJobs       int64   `json:"completed_jobs" doc:"those that completed"`
	AvgRating           float64 `json:"avg_rating" doc:"plain mean of the reviews' stars, 1 to 5"`
	ResponseTimeSeconds float64 `json:"response_time_seconds" doc:"mean duration of completed jobs"`
	RetentionRate       float64 `json:"retention_rate" doc:"trials that went on ÷ trials that ended"`
}

// Address implements httpapi.Addressed.
func (a Agent) Address() string { return "/api/v1/agents/" + a.ID.String() }

// Tag implements httpapi.Tagged: the metrics change without a new version.
func (a Agent) Tag() (version int64, derived any) { return a.Version, a.Metrics }

// AgentColumns reads an Agent from AgentFrom.
const AgentColumns = `
	a.id, a.owner, a.external_id, a.name, a.specialization, a.industry, a.description, a.hourly_rate, a.price, a.currency,
	a.trial_days, a.allowed_durations, a.tags, a.languages, a.exclusive, a.skill_ids, a.job_role_id, a.team_id, a.status,
	a.version, a.created_at, a.updated_at, a.deleted_at, ` + MetricsColumns

// MetricsColumns reads Metrics from the statistics s. A table that answers Agent or Metrics joins them under this name.
const MetricsColumns = `
	s.total_jobs, s.completed_jobs, s.avg_rating::float8 as avg_rating,
	coalesce(round(s.duration_ms_sum / nullif(s.duration_samples, 0) / 1000, 3), 0)::float8 as response_time_seconds,
	coalesce(round(s.trials_retained::numeric / nullif(` + TrialsEnded + `, 0), 4), 0)::float8 as retention_rate`

// TrialsEnded counts the trials of an agent that are over, from its statistics s. A trial that nobody goes on with is over
// without anything being written: those are asked for where there may be some.
const TrialsEnded = `(s.trials_ended + case when s.lapses_at <= now() then plant.lapsed_trials(s.agent_id) else 0 end)`

// AgentFrom joins an agent a with its statistics s.
const AgentFrom = ` plant.agents a join plant.agent_statistics s on s.agent_id = a.id `

// ComparedAgent is an agent with the names of its skills.
type ComparedAgent struct {
	Agent
	Skills []string `json:"skills" doc:"names of its skills"`
}

// AgentsByIDs reads ComparedAgents: those of the ids in $1 that exist, in the order of the ids.
const AgentsByIDs = `
	select ` + AgentColumns + `,
		array(select k.name from plant.skills k where k.id = any (a.skill_ids) order by lower(k.name), k.id) as skills
	from ` + AgentFrom + `
	where a.id = any ($1::uuid[]) and a.deleted_at is null
	order by array_position($1::uuid[], a.id)`
