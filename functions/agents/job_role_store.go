package agents

import (
	"context"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/database"
)

// jobRoleStore is the SQL of job roles.
type jobRoleStore struct{ db *database.DB }

const jobRoleColumns = `
	j.id, j.name, j.description, j.seniority_level, j.industry, j.specializations, j.version, j.created_at, j.updated_at,
	array(select r.skill_id from plant.job_role_skills r where r.job_role_id = j.id order by r.skill_id) as required_skills`

const jobRoleByID = `
	select ` + jobRoleColumns + ` from plant.job_roles j where j.id = $1 and j.deleted_at is null`

func (s jobRoleStore) byID(ctx context.Context, id uuid.UUID) (jobRole, error) {
	return database.One[jobRole](ctx, s.db, jobRoleByID, id)
}

var newestJobRoles = database.Order{Key: "j.created_at", Type: "timestamptz", ID: "j.id", Descending: true}

// list reads a part of the job roles, newest first; industry and seniority may be "".
func (s jobRoleStore) list(ctx context.Context, industry, seniority string, part database.Part) (database.Rows[jobRole], string, error) {
	where := database.NewWhere([]string{`j.deleted_at is null`}, nil)
	if industry != "" {
		where.And(`j.industry = lower(@industry)`)
		where.With("industry", industry)
	}
	if seniority != "" {
		where.And(`j.seniority_level = @seniority`)
		where.With("seniority", seniority)
	}
	return database.List[jobRole](ctx, s.db, database.Listing{
		Columns: jobRoleColumns, From: `plant.job_roles j`, Where: where, By: newestJobRoles,
	}, part)
}
