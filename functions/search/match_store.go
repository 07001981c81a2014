package search

import (
	"context"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
)

// matchStore is the SQL of matches.
type matchStore struct{ db *database.DB }

// requiredColumns reads a requiredSkill from plant.skills k. A certification that has expired certifies nothing.
const requiredColumns = `
	k.id, k.name, case when k.certification_expires_at is null or k.certification_expires_at > now() then k.certification_level end as certification_level`

// A job role that requires nothing, as one of before there was that rule may, is a row without a skill.
const skillsOfRole = `
	select k.id, k.name, k.certification_level
	from plant.job_roles j left join lateral (
		select ` + requiredColumns + ` from plant.job_role_skills r join plant.skills k on k.id = r.skill_id
		where r.job_role_id = j.id and k.deleted_at is null) k on true
	where j.id = $1 and j.deleted_at is null
	order by k.name, k.id`

// ofRole returns the skills that a job role requires, by name.
func (s matchStore) ofRole(ctx context.Context, jobRole uuid.UUID) ([]requiredSkill, error) {
	type row struct {
		ID                 *uuid.UUID
		Name               *string
		CertificationLevel *string
	}
	rows, err := database.All[row](ctx, s.db, skillsOfRole, jobRole)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, database.ErrNotFound
	}
	required := []requiredSkill{}
	for _, row := range rows {
		if row.ID != nil {
			required = append(required, requiredSkill{*row.ID, *row.Name, row.CertificationLevel})
		}
	}
	return required, nil
}

// Skills are told by id or by name, of which the other is null.
const skillsAsked = `
	with asked as (select id, name, n from unnest(@ids::uuid[], @names::text[]) with ordinality a (id, name, n))
	select a.n - 1 as place, ` + requiredColumns + `
	from asked a join plant.skills k on k.id = a.id where k.deleted_at is null
	union all
	select a.n - 1, ` + requiredColumns + `
	from asked a join plant.skills k on lower(k.name collate "und-x-icu") = lower(a.name collate "und-x-icu") where k.deleted_at is null
	order by place`

// askedSkill is a skill, and at which place it was asked for.
type askedSkill struct {
	Place int
	requiredSkill
}

// asked returns those of the skills that exist.
func (s matchStore) asked(ctx context.Context, ids []*uuid.UUID, names []*string) ([]askedSkill, error) {
	return database.All[askedSkill](ctx, s.db, skillsAsked, pgx.NamedArgs{"ids": ids, "names": names})
}

const industryExists = `select exists (select from plant.industries where slug = lower($1) and deleted_at is null)`

func (s matchStore) hasIndustry(ctx context.Context, slug string) (bool, error) {
	return database.Scalar[bool](ctx, s.db, industryExists, slug)
}

// maxOffers are what teams are made of at most. Up to 12 skills have no more: 2¹² sets of them, of each the cheapest.
const maxOffers = 12_500

// candidate is an agent that has some of the required skills. One that is ranked has all figures; one for teams is only a
// set of skills and a rate.
type candidate struct {
	AgentID uuid.UUID
	Ranked  bool
	Mask    int64 // a bit for each of the required skills that it has
	Rate    int64 // hundredths an hour
	Price   float64
	Score   float64
	trackRecord
}

// candidatesFound makes the statement that finds those who have any of the required skills and pass the filter, which is
// on the links l alone. It looks at each link once: what a link costs is what a match costs.
func candidatesFound(where *database.Where) string {
	const (
		looks   = `200` // at the quality of the most promising set a bar that most others stay below
		quality = `select ` + measuredColumns + ` from plant.agent_statistics s where s.agent_id = v.agent_id limit 1`
	)
	cheapest, most := strconv.Itoa(maxTeams), strconv.Itoa(maxOffers) // enough of each set of skills to make all teams of
	return `
	with asked as materialized (
		select (n - 1)::int as bit, skill_id, level from unnest(@skills::uuid[], @levels::int[]) with ordinality a (skill_id, level, n)),
	held as materialized (
		select l.agent_id, l.rate, bit_or(1::bigint << bit) as mask, count(*)::int as skills, sum(level)::int as levels
		from asked join plant.agent_skills l using (skill_id)` + where.SQL() + `
		group by l.agent_id, l.rate),
	usual as materialized ( -- the geometric mean, which neither the dearest nor the cheapest moves much
		select exp(avg(ln(rate))) as rate from held),
	valued as materialized ( -- by all but the quality, which takes a look at each one's statistics
		select agent_id, mask, rate, price, @coverage::float8 * skills / @most::float8
			+ @certification::float8 * levels / (3 * @most::float8) + @price::float8 * price as value
		from (select h.*, u.rate / (u.rate + h.rate) as price from held h cross join usual u) h),
	bar as materialized ( -- what the best by that reach: whoever stays below it with the best quality that there can be is not looked at
		select score
		from (
			select value + @quality::float8 * quality as score
			from (select * from valued order by value desc, agent_id limit greatest(@limit::int, ` + looks + `)) v cross join lateral (` + quality + `) m) s
		order by score desc offset @limit::int - 1 limit 1),
	ranked as (
		select v.*, m.*, value + @quality::float8 * quality as score
		from valued v cross join lateral (` + quality + `) m
		where value + @quality::float8 >= coalesce((select score from bar), 0)
		order by score desc, agent_id limit @limit::int),
	offers as (
		select agent_id, mask, rate
		from (
			select agent_id, mask, rate, skills, row_number() over (partition by mask order by rate, agent_id) as place
			from held where skills > 1) h
		where place <= ` + cheapest + `
		order by skills desc, rate, agent_id limit ` + most + `)
	select true as ranked, agent_id, mask, rate, price, score, success_rate, jobs, rating, reviews, quality from ranked
	union all
	select false, agent_id, mask, rate, 0, 0, null, 0, null, 0, 0 from offers
	union all -- whoever has one of the skills only is dearer than these, or the same
	select false, c.agent_id, 1::bigint << bit, c.rate, 0, 0, null, 0, null, 0, 0
	from asked cross join lateral (
		select l.agent_id, l.rate from plant.agent_skills l` + where.SQL() + ` and l.skill_id = asked.skill_id
		order by l.rate, l.agent_id limit ` + cheapest + `) c
	order by ranked desc, score desc, agent_id`
}

// candidates finds the best single agents, at most limit of them, and those that teams can be made of.
func (s matchStore) candidates(ctx context.Context, required []requiredSkill, c MatchCriteria, weights matchWeights, limit int) ([]candidate, error) {
	where := database.NewWhere([]string{`l.live`, `l.status = any (@status)`}, map[string]any{"status": c.statuses()})
	ask := func(sent bool, condition, name string, value any) {
		if sent {
			where.And(condition)
			where.With(name, value)
		}
	}
	ask(c.Industry != "", `l.industry = lower(@industry)`, "industry", c.Industry)
	ask(c.Currency != "", `l.currency = @currency`, "currency", c.Currency)
	ask(c.MaxHourlyRate != nil, `l.rate <= (@max_hourly_rate::numeric * 100)::bigint`, "max_hourly_rate", c.MaxHourlyRate)
	ids, levels := make([]uuid.UUID, len(required)), make([]int, len(required))
	for i, skill := range required {
		ids[i], levels[i] = skill.ID, skill.level()
	}
	for name, value := range map[string]any{
		"skills": ids, "levels": levels, "most": len(required), "limit": limit, "coverage": weights.Coverage,
		"certification": weights.Certification, "quality": weights.Quality, "price": weights.Price,
	} {
		where.With(name, value)
	}
	return database.All[candidate](ctx, s.db, candidatesFound(where), where.Args)
}

const agentsOfMatch = `
	select ` + catalog.AgentColumns + ` from ` + catalog.AgentFrom + `
	where a.id = any ($1) and a.deleted_at is null and a.status = any ($2)`

// agents reads those of the agents that can still be answered, in no order.
func (s matchStore) agents(ctx context.Context, ids []uuid.UUID, c MatchCriteria) ([]catalog.Agent, error) {
	return database.All[catalog.Agent](ctx, s.db, agentsOfMatch, ids, c.statuses())
}
