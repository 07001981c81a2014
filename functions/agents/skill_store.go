package agents

import (
	"context"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/database"
)

// skillStore is the SQL of skills.
type skillStore struct{ db *database.DB }

const skillColumns = `
	k.id, k.name, k.description, k.category, k.version, k.created_at, k.updated_at,
	(select count(*) from plant.agent_skills l join plant.agents a on a.id = l.agent_id
		where l.skill_id = k.id and a.deleted_at is null) as agents_with_skill`

const skillByID = `
	select ` + skillColumns + ` from plant.skills k where k.id = $1 and k.deleted_at is null`

func (s skillStore) byID(ctx context.Context, id uuid.UUID) (skill, error) {
	return database.One[skill](ctx, s.db, skillByID, id)
}

var newestSkills = database.Order{Key: "k.created_at", Type: "timestamptz", ID: "k.id", Descending: true}

// list reads a part of the skills, newest first; category may be "".
func (s skillStore) list(ctx context.Context, category string, part database.Part) (database.Rows[skill], string, error) {
	where := database.NewWhere([]string{`k.deleted_at is null`}, nil)
	if category != "" {
		where.And(`k.category = @category`)
		where.With("category", category)
	}
	return database.List[skill](ctx, s.db, database.Listing{
		Columns: skillColumns, From: `plant.skills k`, Where: where, By: newestSkills,
	}, part)
}

const skillsOfJobRole = `
	select ` + skillColumns + ` from plant.job_role_skills r join plant.skills k on k.id = r.skill_id
	where r.job_role_id = $1 and k.deleted_at is null
	order by lower(k.name), k.id`

// ofJobRole returns the skills that a job role requires, by name; none where there is no such role.
func (s skillStore) ofJobRole(ctx context.Context, jobRole uuid.UUID) ([]skill, error) {
	return database.All[skill](ctx, s.db, skillsOfJobRole, jobRole)
}
