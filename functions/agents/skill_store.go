package agents

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// skillStore is the SQL of skills.
type skillStore struct {
	db             *database.DB
	secondGovernor bool // certification is by another governor than who made or changed it
}

var skillRows = rowsOf[catalog.Skill]{table: "plant.skills", columns: catalog.SkillColumns, from: "k", explain: func(constraint string) error {
	switch constraint {
	case "skills_name_key":
		return httpapi.Conflict.Problem("another skill has this name")
	case "skills_certification_expires_later":
		return expiresTooSoon()
	}
	return nil
}}

const skillByID = `
	select ` + catalog.SkillColumns + ` from plant.skills k where k.id = $1 and k.deleted_at is null`

func (s skillStore) byID(ctx context.Context, id uuid.UUID) (catalog.Skill, error) {
	return database.One[catalog.Skill](ctx, s.db, skillByID, id)
}

var newestSkills = database.Order{Key: "k.created_at", Type: "timestamptz", ID: "k.id", Descending: true}

// list reads a part of the skills, newest first; category may be "".
func (s skillStore) list(ctx context.Context, category string, part database.Part) (database.Rows[catalog.Skill], string, error) {
	where := database.NewWhere([]string{`k.deleted_at is null`}, nil)
	if category != "" {
		where.And(`k.category = @category`)
		where.With("category", category)
	}
	return database.List[catalog.Skill](ctx, s.db, database.Listing{
		Columns: catalog.SkillColumns, From: `plant.skills k`, Where: where, By: newestSkills,
	}, part)
}

const skillsOfJobRole = `
	select ` + catalog.SkillColumns + ` from plant.job_role_skills r join plant.skills k on k.id = r.skill_id
	where r.job_role_id = $1 and k.deleted_at is null
	order by lower(k.name), k.id`

// ofJobRole returns the skills that a job role requires, by name; none where there is no such role.
func (s skillStore) ofJobRole(ctx context.Context, jobRole uuid.UUID) ([]catalog.Skill, error) {
	return database.All[catalog.Skill](ctx, s.db, skillsOfJobRole, jobRole)
}

var createSkill = skillRows.creating(`
	insert into plant.skills (id, name, description, category) values (@id, @name, @description, @category)`)

func (s skillStore) create(ctx context.Context, tx database.Tx, draft skillDraft) (catalog.Skill, error) {
	return skillRows.create(ctx, tx, createSkill, pgx.NamedArgs{"name": draft.Name, "description": draft.Description, "category": draft.Category})
}

var (
	changeSkill = skillRows.changing(isLive, isGovernor, `true`, `
		name = coalesce(@name, name), description = coalesce(@description, description), category = coalesce(@category, category)`)
	deleteSkill    = skillRows.changing(isLive, isGovernor, `@unused::boolean`, `deleted_at = now()`)
	restoreSkill   = skillRows.changing(isRestorable, isGovernor, `true`, `deleted_at = null`)
	certifySkill   = skillRows.changing(isLive, isGovernor, isByAnother, certified)
	uncertifySkill = skillRows.changing(isLive, isGovernor, isCertified, uncertified)
)

func (s skillStore) change(ctx context.Context, id uuid.UUID, versions []int64, change skillChange) (found catalog.Skill, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		found, err = skillRows.change(ctx, tx, changeSkill, id, versions, pgx.NamedArgs{
			"name": change.Name, "description": change.Description.Or(""), "category": change.Category,
		}, nil)
		return err
	})
	return found, err
}

const lockSkill = `select from plant.skills where id = $1 and deleted_at is null for update`

var usersOfSkill = usedBy("agent", `plant.agent_skills l join plant.agents u on u.id = l.agent_id`, `l.skill_id = $1 and u.deleted_at is null`) + `
	union all` + usedBy("job role", `plant.job_role_skills l join plant.job_roles u on u.id = l.job_role_id`, `l.skill_id = $1 and u.deleted_at is null`)

func (s skillStore) delete(ctx context.Context, id uuid.UUID, versions []int64) error {
	return s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		refusal, err := stillUsed(ctx, tx, "skill", lockSkill, usersOfSkill, id)
		if err != nil {
			return err
		}
		_, err = skillRows.change(ctx, tx, deleteSkill, id, versions, pgx.NamedArgs{"unused": refusal == nil}, because[catalog.Skill](refusal))
		return err
	})
}

func (s skillStore) restore(ctx context.Context, tx database.Tx, id uuid.UUID) (catalog.Skill, error) {
	return skillRows.restore(ctx, tx, restoreSkill, id, pgx.NamedArgs{})
}

func (s skillStore) certify(ctx context.Context, tx database.Tx, id uuid.UUID, draft certificationDraft) (catalog.Skill, error) {
	return skillRows.change(ctx, tx, certifySkill, id, nil, certificationArgs(ctx, draft, s.secondGovernor), because[catalog.Skill](selfApproval()))
}

// uncertify takes a certification back; where there is none, it is not found.
func (s skillStore) uncertify(ctx context.Context, id uuid.UUID, versions []int64) error {
	return s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		_, err := skillRows.change(ctx, tx, uncertifySkill, id, versions, pgx.NamedArgs{}, because[catalog.Skill](database.ErrNotFound))
		return err
	})
}
