package agents

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// industryStore is the SQL of industries. Its keys are ids or slugs.
type industryStore struct{ db *database.DB }

const industryColumns = `i.id, i.slug, i.name, i.description, i.version, i.created_at, i.updated_at`

var industryRows = rowsOf[industry]{
	table: "plant.industries", is: `(id = @id or slug = lower(@slug::text))`, columns: industryColumns, from: "i",
	explain: func(constraint string) error {
		if constraint == "industries_slug_key" {
			return httpapi.Conflict.Problem("the slug belongs to another industry, or did before that was deleted: send another slug")
		}
		return nil
	},
}

const industryByIDOrSlug = `
	select ` + industryColumns + ` from plant.industries i
	where (i.id = $1 or i.slug = lower($2)) and i.deleted_at is null`

// parts of a key: an id or a slug, of which the other is one that no industry has. What looks like an id is never a slug.
func parts(key string) (id uuid.UUID, slug string) {
	if isID(key) {
		return uuid.MustParse(key), ""
	}
	return uuid.Nil, key
}

func (s industryStore) byIDOrSlug(ctx context.Context, key string) (industry, error) {
	id, slug := parts(key)
	return database.One[industry](ctx, s.db, industryByIDOrSlug, id, slug)
}

var newestIndustries = database.Order{Key: "i.created_at", Type: "timestamptz", ID: "i.id", Descending: true}

// list reads a part of the industries, newest first.
func (s industryStore) list(ctx context.Context, part database.Part) (database.Rows[industry], string, error) {
	return database.List[industry](ctx, s.db, database.Listing{
		Columns: industryColumns, From: `plant.industries i`,
		Where: database.NewWhere([]string{`i.deleted_at is null`}, nil), By: newestIndustries,
	}, part)
}

var createIndustry = industryRows.creating(`
	insert into plant.industries (id, slug, name, description) values (@id, @slug, @name, @description)`)

func (s industryStore) create(ctx context.Context, tx database.Tx, draft industryDraft) (industry, error) {
	return industryRows.create(ctx, tx, createIndustry, pgx.NamedArgs{"slug": draft.Slug, "name": draft.Name, "description": draft.Description})
}

var (
	changeIndustry = industryRows.changing(isLive, isGovernor, `true`, `
		name = coalesce(@name, name), description = coalesce(@description, description)`)
	deleteIndustry  = industryRows.changing(isLive, isGovernor, `@unused::boolean`, `deleted_at = now()`)
	restoreIndustry = industryRows.changing(isRestorable, isGovernor, `true`, `deleted_at = null`)
)

func (s industryStore) change(ctx context.Context, key string, versions []int64, change industryChange) (found industry, err error) {
	id, slug := parts(key)
	err = s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		found, err = industryRows.change(ctx, tx, changeIndustry, id, versions, pgx.NamedArgs{
			"slug": slug, "name": change.Name, "description": change.Description.Or(""),
		}, nil)
		return err
	})
	return found, err
}

const (
	lockIndustry    = `select from plant.industries where (id = $1 or slug = lower($2)) and deleted_at is null for update`
	byIndustrysSlug = `u.deleted_at is null and u.industry = (select slug from plant.industries where id = $1 or slug = lower($2))`
)

var usersOfIndustry = usedBy("agent", `plant.agents u`, byIndustrysSlug) + `
	union all` + usedBy("job role", `plant.job_roles u`, byIndustrysSlug)

func (s industryStore) delete(ctx context.Context, key string, versions []int64) error {
	id, slug := parts(key)
	return s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		refusal, err := stillUsed(ctx, tx, "industry", lockIndustry, usersOfIndustry, id, slug)
		if err != nil {
			return err
		}
		_, err = industryRows.change(ctx, tx, deleteIndustry, id, versions, pgx.NamedArgs{"slug": slug, "unused": refusal == nil}, because[industry](refusal))
		return err
	})
}

func (s industryStore) restore(ctx context.Context, tx database.Tx, key string) (industry, error) {
	id, slug := parts(key)
	return industryRows.restore(ctx, tx, restoreIndustry, id, pgx.NamedArgs{"slug": slug})
}
