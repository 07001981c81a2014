package agents

import (
	"cmp"
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// jobRoleStore is the SQL of job roles.
type jobRoleStore struct {
	db             *database.DB
	secondGovernor bool // certification is by another governor than who made or changed it
}

var jobRoleRows = rowsOf[catalog.JobRole]{table: "plant.job_roles", columns: catalog.JobRoleColumns, from: "j", explain: func(constraint string) error {
	switch constraint {
	case "job_roles_name_key":
		return httpapi.Conflict.Problem("another job role has this name")
	case "job_roles_certification_expires_later":
		return expiresTooSoon()
	}
	return nil
}}

const jobRoleByID = `
	select ` + catalog.JobRoleColumns + ` from plant.job_roles j where j.id = $1 and j.deleted_at is null`

func (s jobRoleStore) byID(ctx context.Context, id uuid.UUID) (catalog.JobRole, error) {
	return database.One[catalog.JobRole](ctx, s.db, jobRoleByID, id)
}

var newestJobRoles = database.Order{Key: "j.created_at", Type: "timestamptz", ID: "j.id", Descending: true}

// list reads a part of the job roles, newest first; industry and seniority may be "".
func (s jobRoleStore) list(ctx context.Context, industry, seniority string, part database.Part) (database.Rows[catalog.JobRole], string, error) {
	where := database.NewWhere([]string{`j.deleted_at is null`}, nil)
	if industry != "" {
		where.And(`j.industry = lower(@industry)`)
		where.With("industry", industry)
	}
	if seniority != "" {
		where.And(`j.seniority_level = @seniority`)
		where.With("seniority", seniority)
	}
	return database.List[catalog.JobRole](ctx, s.db, database.Listing{
		Columns: catalog.JobRoleColumns, From: `plant.job_roles j`, Where: where, By: newestJobRoles,
	}, part)
}

// unknown tells which of the skills and the industry that a body refers to do not exist: refusal is nil where all do.
func (s jobRoleStore) unknown(ctx context.Context, tx database.Tx, skills []uuid.UUID, industry *string) (refusal, err error) {
	wanted := references{SkillIDs: skills}
	if industry != nil {
		wanted.Industries = []string{*industry}
	}
	if !wanted.any() {
		return nil, nil
	}
	caller, _ := auth.FromContext(ctx)
	missing, err := lookFor(ctx, tx, wanted, caller)
	if faults := missing.faults(wanted, "required_skills"); len(faults) > 0 {
		refusal = unknownReferences(faults)
	}
	return refusal, err
}

var createJobRole = jobRoleRows.creating(`
	insert into plant.job_roles (id, name, description, required_skills, seniority_level, industry, specializations)
	values (@id, @name, @description, @required_skills, @seniority_level, @industry, @specializations)`)

func (s jobRoleStore) create(ctx context.Context, tx database.Tx, draft jobRoleDraft) (catalog.JobRole, error) {
	if refusal, err := s.unknown(ctx, tx, draft.RequiredSkills, draft.Industry); err != nil || refusal != nil {
		return catalog.JobRole{}, cmp.Or(err, refusal)
	}
	return jobRoleRows.create(ctx, tx, createJobRole, pgx.NamedArgs{
		"name": draft.Name, "description": draft.Description, "required_skills": draft.RequiredSkills, "seniority_level": draft.SeniorityLevel,
		"industry": draft.Industry, "specializations": draft.Specializations,
	})
}

var (
	changeJobRole = jobRoleRows.changing(isLive, isGovernor, `@known::boolean`, `
		name = coalesce(@name, name),
		description = coalesce(@description, description),
		required_skills = coalesce(@required_skills, required_skills),
		seniority_level = coalesce(@seniority_level, seniority_level),
		industry = case when @industry_sent then @industry else industry end,
		specializations = coalesce(@specializations, specializations)`)
	deleteJobRole    = jobRoleRows.changing(isLive, isGovernor, `@unused::boolean`, `deleted_at = now()`)
	restoreJobRole   = jobRoleRows.changing(isRestorable, isGovernor, `true`, `deleted_at = null`)
	certifyJobRole   = jobRoleRows.changing(isLive, isGovernor, isByAnother, certified)
	uncertifyJobRole = jobRoleRows.changing(isLive, isGovernor, isCertified, uncertified)
)

func (s jobRoleStore) change(ctx context.Context, id uuid.UUID, versions []int64, change jobRoleChange) (found catalog.JobRole, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		refusal, err := s.unknown(ctx, tx, change.RequiredSkills, change.Industry.Value)
		if err != nil {
			return err
		}
		found, err = jobRoleRows.change(ctx, tx, changeJobRole, id, versions, pgx.NamedArgs{
			"name": change.Name, "description": change.Description.Or(""), "required_skills": change.RequiredSkills,
			"seniority_level": change.SeniorityLevel, "industry_sent": change.Industry.Sent, "industry": change.Industry.Value,
			"specializations": change.Specializations.Or([]string{}), "known": refusal == nil,
		}, because[catalog.JobRole](refusal))
		return err
	})
	return found, err
}

const lockJobRole = `select from plant.job_roles where id = $1 and deleted_at is null for update`

var usersOfJobRole = usedBy("agent", `plant.agents u`, `u.job_role_id = $1 and u.deleted_at is null`) + `
	union all` + usedBy("team", `plant.teams u`, `u.job_role_id = $1 and u.deleted_at is null`)

func (s jobRoleStore) delete(ctx context.Context, id uuid.UUID, versions []int64) error {
	return s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		refusal, err := stillUsed(ctx, tx, "job role", lockJobRole, usersOfJobRole, id)
		if err != nil {
			return err
		}
		_, err = jobRoleRows.change(ctx, tx, deleteJobRole, id, versions, pgx.NamedArgs{"unused": refusal == nil}, because[catalog.JobRole](refusal))
		return err
	})
}

func (s jobRoleStore) restore(ctx context.Context, tx database.Tx, id uuid.UUID) (catalog.JobRole, error) {
	return jobRoleRows.restore(ctx, tx, restoreJobRole, id, pgx.NamedArgs{})
}

func (s jobRoleStore) certify(ctx context.Context, tx database.Tx, id uuid.UUID, draft certificationDraft) (catalog.JobRole, error) {
	return jobRoleRows.change(ctx, tx, certifyJobRole, id, nil, certificationArgs(ctx, draft, s.secondGovernor), because[catalog.JobRole](selfApproval()))
}

// uncertify takes a certification back; where there is none, it is not found.
func (s jobRoleStore) uncertify(ctx context.Context, id uuid.UUID, versions []int64) error {
	return s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		_, err := jobRoleRows.change(ctx, tx, uncertifyJobRole, id, versions, pgx.NamedArgs{}, because[catalog.JobRole](database.ErrNotFound))
		return err
	})
}
