package agents

import (
	"context"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/database"
)

// industryStore is the SQL of industries.
type industryStore struct{ db *database.DB }

const industryColumns = `i.id, i.slug, i.name, i.description, i.version, i.created_at, i.updated_at`

const industryByIDOrSlug = `
	select ` + industryColumns + ` from plant.industries i
	where (i.id = $1 or i.slug = lower($2)) and i.deleted_at is null`

// byIDOrSlug finds an industry by either; what looks like an id is never a slug.
func (s industryStore) byIDOrSlug(ctx context.Context, key string) (industry, error) {
	id, err := uuid.Parse(key)
	if err == nil {
		key = ""
	}
	return database.One[industry](ctx, s.db, industryByIDOrSlug, id, key)
}

var newestIndustries = database.Order{Key: "i.created_at", Type: "timestamptz", ID: "i.id", Descending: true}

// list reads a part of the industries, newest first.
func (s industryStore) list(ctx context.Context, part database.Part) (database.Rows[industry], string, error) {
	return database.List[industry](ctx, s.db, database.Listing{
		Columns: industryColumns, From: `plant.industries i`,
		Where: database.NewWhere([]string{`i.deleted_at is null`}, nil), By: newestIndustries,
	}, part)
}
