package search

import (
	"cmp"
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
)

// CatalogEntry is an agent as a catalogue entry of the Agentic Resource Discovery standard.
type CatalogEntry struct {
	Identifier            string    `json:"identifier" doc:"urn:air:<publisher>:<namespace>:<name>"`
	DisplayName           string    `json:"displayName"`
	Type                  string    `json:"type" doc:"the media type of what is at url"`
	URL                   string    `json:"url" format:"uri"`
	Description           string    `json:"description"`
	Tags                  []string  `json:"tags"`
	Capabilities          []string  `json:"capabilities" doc:"names of its skills"`
	RepresentativeQueries []string  `json:"representativeQueries"`
	Version               string    `json:"version"`
	UpdatedAt             time.Time `json:"updatedAt"`
	EntryMetadata         `json:"metadata"`
}

// EntryMetadata is what the standard has no member for.
type EntryMetadata struct {
	Industry       string        `json:"industry"`
	Specialization string        `json:"specialization"`
	Status         string        `json:"status"`
	Owner          string        `json:"owner"`
	HourlyRate     catalog.Money `json:"hourlyRate"`
	Currency       string        `json:"currency"`
	AvgRating      float64       `json:"avgRating"`
}

// ardStore is the SQL of catalogue entries.
type ardStore struct{ db *database.DB }

// entryColumns reads a CatalogEntry from catalog.AgentFrom. Its arguments are ard_urn, what identifiers begin with, and
// ard_agents, what the addresses of agents do.
const entryColumns = `
	a.id, @ard_urn::text || a.id as identifier, a.name as display_name, '` + cardMediaType + `' as type, @ard_agents::text || a.id || '/card' as url,
	coalesce(nullif(a.description, ''), a.specialization) as description, a.tags,
	array(select k.name from plant.skills k where k.id = any (a.skill_ids) order by lower(k.name), k.id) as capabilities,
	array['find an agent for ' || a.specialization, a.specialization || ' in ' || a.industry] || array(
		select 'who can help with ' || k.name from plant.skills k where k.id = any (a.skill_ids) order by lower(k.name), k.id limit 3)
		as representative_queries,
	a.version::text as version, a.updated_at,
	a.industry, a.specialization, a.status, a.owner, a.hourly_rate, a.currency, s.avg_rating::float8 as avg_rating`

// entryRow is an entry and the agent that it is of.
type entryRow struct {
	ID uuid.UUID
	CatalogEntry
}

// where completes what a filter asks for by what holds for every entry.
func (a ard) where(conditions []string, args map[string]any) *database.Where {
	where := database.NewWhere(conditions, args)
	where.And(`a.deleted_at is null`)
	where.With("ard_urn", a.urn)
	where.With("ard_agents", a.agents)
	return where
}

// entries reads those of the agents that pass the filter, in the order of their ids.
func (s ardStore) entries(ctx context.Context, where *database.Where, ids []uuid.UUID) ([]entryRow, error) {
	where.And(`a.id = any (@ard_ids::uuid[])`)
	where.With("ard_ids", ids)
	return database.All[entryRow](ctx, s.db, `select `+entryColumns+` from `+catalog.AgentFrom+where.SQL()+`
		order by array_position(@ard_ids::uuid[], a.id)`, where.Args)
}

// ardOrders are the ways to sort entries; each is an index of its own.
var ardOrders = map[string]database.Order{
	"displayName":    {Key: `lower(a.name) collate "C"`, Type: "text", ID: "a.id"},
	"createdAt":      {Key: "a.created_at", Type: "timestamptz", ID: "a.id"},
	"updatedAt":      {Key: "a.updated_at", Type: "timestamptz", ID: "a.id"},
	"createdAt DESC": {Key: "a.created_at", Type: "timestamptz", ID: "a.id", Descending: true},
	"updatedAt DESC": {Key: "a.updated_at", Type: "timestamptz", ID: "a.id", Descending: true},
	"displayName DESC": {
		Key: `lower(a.name) collate "C"`, Type: "text", ID: "a.id", Descending: true,
	},
}

// list reads a part of the entries that pass the filter.
func (s ardStore) list(ctx context.Context, where *database.Where, order string, part database.Part) (database.Rows[CatalogEntry], error) {
	rows, _, err := database.List[CatalogEntry](ctx, s.db, database.Listing{
		Columns: entryColumns, From: catalog.AgentFrom, Where: where, By: ardOrders[order],
	}, part)
	return rows, err
}

// count counts them. No filter asks for statistics, so they are not joined: that takes a sixth of the time.
func (s ardStore) count(ctx context.Context, where *database.Where) (int64, error) {
	return database.Scalar[int64](ctx, s.db, `select count(*) from plant.agents a`+where.SQL(), where.Args)
}

// bucketRow is one value of a facet, and how many agents have it; total counts those of all values.
type bucketRow struct {
	Value string
	Count int64
	Total int64
}

// facet counts the agents of each value of a field; the most frequent values come first. Among those whose ids are given,
// or all where ids is nil.
func (s ardStore) facet(ctx context.Context, field ardField, where *database.Where, ids []uuid.UUID, minCount, limit int) ([]bucketRow, error) {
	if ids != nil {
		where.And(`a.id = any (@ard_ids::uuid[])`)
		where.With("ard_ids", ids)
	}
	where.With("ard_min_count", minCount)
	where.With("ard_limit", limit)
	name := cmp.Or(field.name, `b.value`)
	return database.All[bucketRow](ctx, s.db, `
	select value, count, (sum(count) over ())::bigint as total
	from (
		select `+name+` as value, b.count
		from (select f.value, count(*) as count from plant.agents a`+field.facet+where.SQL()+` group by f.value having count(*) >= @ard_min_count) b) n
	order by count desc, value collate "C" limit @ard_limit`, where.Args)
}
