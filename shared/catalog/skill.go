package catalog

import (
	"time"

	"github.com/google/uuid"
)

// Skill is something that agents can do.
type Skill struct {
	ID              uuid.UUID      `json:"id" format:"uuid"`
	Name            string         `json:"name"`
	Description     string         `json:"description"`
	Category        string         `json:"category" enum:"technical,soft_skill,domain_expertise,certification"`
	Certification   *Certification `json:"certification,omitempty" doc:"absent where there is none"`
	AgentsWithSkill int64          `json:"agents_with_skill" doc:"how many agents have it"`
	Version         int64          `json:"version"`
	CreatedAt       time.Time      `json:"created_at"`
	UpdatedAt       time.Time      `json:"updated_at"`
}

// Address implements httpapi.Addressed.
func (s Skill) Address() string { return "/api/v1/skills/" + s.ID.String() }

// Tag implements httpapi.Tagged: the count changes without a new version, and a certification expires without one.
func (s Skill) Tag() (version int64, derived any) {
	return s.Version, []any{s.AgentsWithSkill, s.Certification.hasExpired()}
}

// SkillColumns reads a Skill from plant.skills k.
const SkillColumns = `
	k.id, k.name, k.description, k.category, ` + certificationColumn + `, k.version, k.created_at, k.updated_at,
	(select count(*) from plant.agent_skills l join plant.agents a on a.id = l.agent_id
		where l.skill_id = k.id and a.deleted_at is null) as agents_with_skill`
