package catalog

import (
	"time"

	"github.com/google/uuid"
)

// JobRole is work that an agent, or a team of them, can fill.
type JobRole struct {
	ID              uuid.UUID      `json:"id" format:"uuid"`
	Name            string         `json:"name"`
	Description     string         `json:"description"`
	RequiredSkills  []uuid.UUID    `json:"required_skills" format:"uuid"`
	SeniorityLevel  string         `json:"seniority_level" enum:"junior,mid,senior"`
	Industry        *string        `json:"industry" doc:"an industry's slug; null for any"`
	Specializations []string       `json:"specializations"`
	Certification   *Certification `json:"certification,omitempty" doc:"absent where there is none"`
	Version         int64          `json:"version"`
	CreatedAt       time.Time      `json:"created_at"`
	UpdatedAt       time.Time      `json:"updated_at"`
}

// Address implements httpapi.Addressed.
func (j JobRole) Address() string { return "/api/v1/job-roles/" + j.ID.String() }

// Tag implements httpapi.Tagged: a certification expires without a new version.
func (j JobRole) Tag() (version int64, derived any) { return j.Version, j.Certification.hasExpired() }

// JobRoleColumns reads a JobRole from plant.job_roles j.
const JobRoleColumns = `
	j.id, j.name, j.description, j.required_skills, j.seniority_level, j.industry, j.specializations, ` + certificationColumn + `,
	j.version, j.created_at, j.updated_at`
