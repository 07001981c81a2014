package search

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
)

// searchStore is the SQL of searches.
type searchStore struct{ db *database.DB }

// The measures of the ranking. They are SQL, so that the planner sees them.
const (
	// maxWords of a query are looked for.
	maxWords = `16`
	// enough agents are candidates by one word, or by all together; no fewer than the highest limit, so that whatever
	// else is left out, as many are answered as there are.
	enough = `100`
	// alike is the least trigram similarity of a misspelt word to the one that was meant; unrelated words stay below. The
	// index goes down to pg_trgm.similarity_threshold, which is 0.3. They differ in length by as many letters as slips.
	alike, slips = `0.4`, `2`
	// swapped is the likeness of a word to itself with two neighbouring letters swapped, which trigrams see too little of.
	swapped = `0.8`
	// meant words are taken for a misspelt one at most.
	meant = `3`
	// places are what a word counts in D description, C tags and industry, B specialization and skills, A name; and
	// once is what ts_rank makes of a single occurrence, 6/π² of that.
	places, once = `'{0.2, 0.4, 0.6, 1}'`, `0.6079`
	// telling is the least share of the query that one word of it has to be to find agents by itself.
	telling = `0.05`
)

type foundRow struct {
	catalog.Agent
	Score      float64
	WordsScore float64
	WordsRank  *int64
	TyposScore float64
	TyposRank  *int64
}

// agentsFound makes the statement that finds agents. Every look into an index passes the filter itself, so that what it
// hides takes no one's place.
func agentsFound(where *database.Where) string {
	// Agents that have what w.wanted asks for, those in whose names it is first. It reads no further than it has to.
	// The left join falls away where the filter asks nothing of the statistics.
	const from = `plant.agents a join plant.agent_search d on d.agent_id = a.id
				left join plant.agent_statistics s on s.agent_id = a.id`
	candidates := `lateral (
			select a.id as agent_id
			from ` + from + where.SQL() + ` and ts_filter(d.document, '{a}') @@ w.wanted
			union all
			select a.id
			from ` + from + where.SQL() + ` and d.document @@ w.wanted and not ts_filter(d.document, '{a}') @@ w.wanted
			limit ` + enough + `) c`
	return `
	with asked as materialized ( -- the words of the query but for stop words
		select lexeme as word, plainto_tsquery('english', lexeme) as wanted
		from unnest(to_tsvector('simple', @query::text))
		where numnode(plainto_tsquery('english', lexeme)) > 0
		order by positions[1], lexeme limit ` + maxWords + `),
	exact as materialized (
		select w.word, c.agent_id from asked w cross join ` + candidates + `),
	likely as materialized ( -- what was meant by the words that no agent has, whatever the filter
		select w.word, l.alike, plainto_tsquery('english', l.word) as wanted
		from asked w cross join lateral (
			select word, max(alike) as alike
			from (
				select k.word, similarity(k.word, w.word) as alike from plant.search_words k
				where k.word % w.word and abs(length(k.word) - length(w.word)) <= ` + slips + `
				union all
				select k.word, ` + swapped + ` from plant.search_words k where k.word = any (array(
					select overlay(w.word placing reverse(substr(w.word, i, 2)) from i for 2)
					from generate_series(1, length(w.word) - 1) i))) k
			where alike >= ` + alike + `
			group by word
			order by alike desc, word limit ` + meant + `) l
		where w.word not in (select word from exact) and not exists (
			select from plant.agents a join plant.agent_search d on d.agent_id = a.id
			where a.deleted_at is null and d.document @@ w.wanted)),
	guessed as materialized (
		select w.word, c.agent_id
		from (select word, string_agg(wanted::text, ' | ')::tsquery as wanted from likely where numnode(wanted) > 0 group by word) w
		cross join ` + candidates + `),
	meanings as materialized (
		select word, wanted, 1 as alike, false as guess from asked where word in (select word from exact)
		union all
		select word, wanted, alike, true from likely),
	weights as materialized ( -- rare words tell more than common ones, and words that no agent has most of all
		select word, weight / sum(weight) over () as weight
		from (
			select w.word, 1 + ln(` + enough + ` / greatest(count(c.agent_id), 1)::float8) as weight
			from asked w left join (table exact union all table guessed) c on c.word = w.word
			group by w.word) w),
	clauses as materialized (
		select row_number() over () as n, '(' || string_agg(wanted::text, ' | ') || ')' as clause
		from meanings where numnode(wanted) > 0 group by word),
	together as materialized ( -- all of the words, then all but one
		select c.agent_id
		from (
			select string_agg(clause, ' & ')::tsquery as wanted from clauses having count(*) > 1
			union all
			select string_agg('(' || others || ')', ' | ')::tsquery && !! (select string_agg(clause, ' & ')::tsquery from clauses)
			from (
				select string_agg(o.clause, ' & ') as others from clauses c join clauses o on o.n <> c.n group by c.n) c
			having count(*) > 2) w
		cross join ` + candidates + `
		limit ` + enough + `),
	matches as (
		select d.agent_id, m.word, m.guess, length(ts_filter(d.document, '{a}')) as name_length,
			max(m.alike * (0.7 + 0.3 * least(1, ts_rank(` + places + `, d.document, m.wanted) / ` + once + `))) as value
		from (select agent_id from exact union select agent_id from guessed union select agent_id from together) c
		join plant.agent_search d using (agent_id)
		join meanings m on d.document @@ m.wanted
		group by d.agent_id, m.word, m.guess),
	scores as (
		select agent_id,
			(coalesce(sum(value * weight) filter (where not guess), 0) * brevity)::numeric(5, 4) as words_score,
			(coalesce(sum(value * weight) filter (where guess), 0) * brevity)::numeric(5, 4) as typos_score
		from matches join weights using (word) cross join lateral (
			select 0.9 + 0.1 * least(1, (select count(*) from asked)::float8 / greatest(name_length, 1)) as brevity) b
		group by agent_id, brevity
		having max(value * weight) >= ` + telling + `),
	best as (
		select *, least(1, words_score + typos_score) as score,
			case when words_score > 0 then rank() over (order by words_score desc) end as words_rank,
			case when typos_score > 0 then rank() over (order by typos_score desc) end as typos_rank
		from scores
		order by score desc, agent_id limit @limit)
	select ` + catalog.AgentColumns + `, score::float8 as score, words_score::float8 as words_score, words_rank,
		typos_score::float8 as typos_score, typos_rank
	from best join ` + catalog.AgentFrom + ` on a.id = best.agent_id
	order by best.score desc, a.id`
}

// agents finds at most limit agents that pass the filter, the best first.
func (s searchStore) agents(ctx context.Context, query string, filter catalog.AgentFilter, onlyAvailable bool, limit int) ([]foundRow, error) {
	caller, _ := auth.FromContext(ctx)
	conditions, args := filter.Where(caller)
	where := database.NewWhere(conditions, args)
	where.And(`a.deleted_at is null`)
	if onlyAvailable {
		where.And(`a.status = 'available'`)
	}
	where.With("query", query)
	where.With("limit", limit)
	// Whether to go from the words to the filter or the other way round depends on the filter's values, so those are
	// planned with: 2 ms more, and up to a hundred less.
	mode := pgx.QueryExecModeCacheStatement
	if len(conditions) > 0 {
		mode = pgx.QueryExecModeCacheDescribe
	}
	return database.All[foundRow](ctx, s.db, agentsFound(where), mode, where.Args)
}
