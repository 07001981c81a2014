package search

import (
	"context"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/pgvector/pgvector-go"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
)

// placeRow is what an agent is, to find others like it.
type placeRow struct {
	Name, Specialization string
	Vector               *pgvector.HalfVector // nil where it has none yet, or its text says nothing to the model
}

const placeOfAgent = `
	select a.name, a.specialization, v.vector
	from plant.agents a left join plant.search_vectors v on v.slot = $2 and v.id = a.id
	where a.id = $1 and a.deleted_at is null`

// place returns an agent, and its vector in a slot.
func (s searchStore) place(ctx context.Context, id uuid.UUID, slot int) (placeRow, error) {
	return database.One[placeRow](ctx, s.db, placeOfAgent, id, slot)
}

// nearest is how many the index is asked for: some more than are answered, since it gives them in about the right order.
const nearest = `100`

// nearness is what is near to a vector of a slot.
type nearness struct {
	kind   kind
	slot   int
	vector []float32
	// from is what is looked at, known by id, and where what it has to pass.
	from, id string
	where    *database.Where
}

// sql makes the statement that finds columns of what is nearest. An exact statement compares all that pass.
func (n nearness) sql(columns string, exact bool) string {
	nearestOnly := ` order by v.vector <=> @vector::halfvec(384) limit ` + nearest
	if exact {
		nearestOnly = ``
	}
	text := `
	with near as materialized (
		select v.id, v.vector <=> @vector::halfvec(384) as distance
		from plant.search_vectors v join ` + n.from + ` on ID = v.id` + n.where.SQL() + ` and v.slot = SLOT and v.kind = 'KIND' and v.vector is not null` + nearestOnly + `)
	select ` + columns + `, least(greatest(1 - near.distance, 0), 1)::numeric(5, 4)::float8 as score
	from (select * from near order by distance, id limit @limit) near join ` + n.from + ` on ID = near.id
	order by near.distance, near.id`
	return strings.NewReplacer("KIND", string(n.kind), "SLOT", strconv.Itoa(n.slot), "ID", n.id).Replace(text)
}

// near finds what is nearest to a vector, the nearest first. Of few, each is looked at; so it is where the index, which
// gives up after a while, has left less than was asked for.
func near[T any](ctx context.Context, db *database.DB, n nearness, columns string, limit int) ([]T, error) {
	passing, err := database.Estimate(ctx, db, database.Listing{From: n.from, Where: n.where})
	if err != nil {
		return nil, err
	}
	args := pgx.NamedArgs{"limit": limit, "vector": pgvector.NewHalfVector(n.vector)}
	for name, value := range n.where.Args {
		args[name] = value
	}
	if passing > fewAgents {
		rows, err := database.All[T](ctx, db, n.sql(columns, false), args)
		if err != nil || len(rows) == limit {
			return rows, err
		}
	}
	return database.All[T](ctx, db, n.sql(columns, true), args)
}

// nearAgent is an agent and how near it is.
type nearAgent struct {
	catalog.Agent
	Score float64
}

// similar finds the agents that are nearest to one, of those that pass the filter.
func (s searchStore) similar(ctx context.Context, slot int, vector []float32, where *database.Where, limit int) ([]nearAgent, error) {
	n := nearness{kind: agentKind, slot: slot, vector: vector, from: catalog.AgentFrom, id: `a.id`, where: where}
	return near[nearAgent](ctx, s.db, n, catalog.AgentColumns, limit)
}

// nearSkill is a skill and how near it is.
type nearSkill struct {
	catalog.Skill
	Score float64
}

// nearSkills finds the skills that are nearest to a vector.
func (s searchStore) nearSkills(ctx context.Context, slot int, vector []float32, limit int) ([]nearSkill, error) {
	n := nearness{kind: skillKind, slot: slot, vector: vector, from: `plant.skills k`, id: `k.id`, where: database.NewWhere([]string{`k.deleted_at is null`}, nil)}
	return near[nearSkill](ctx, s.db, n, catalog.SkillColumns, limit)
}
