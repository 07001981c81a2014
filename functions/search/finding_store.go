package search

import (
	"context"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pgvector/pgvector-go"

	"github.com/waooaw/plant/shared/database"
)

// The measures of the ranking. They are SQL, so that the planner sees them. The weights are tuned on the macro mean of a
// collection of queries with labels, see scripts/searcheval.
const (
	// maxWords of a query are looked for.
	maxWords = `24`
	// manyTexts is how many texts with a word are manyTexts when it is asked for; of more, the indexer knows how many there are.
	manyTexts = `1000`
	// postings are read of each word, the best first; where each has to pass the filter, which costs more, deepPostings.
	postings, deepPostings = `500`, `200`
	// maxPairs of words are looked for in names, those that count most; byPairs are candidates for these.
	maxPairs, byPairs = `10`, `20`
	// byWords agents are candidates by their words, and byMeaning by their vectors: what the first look into the index has
	// (hnsw.ef_search) when a filter leaves half of it, since looking on takes longer than all the rest. Where more than that
	// are asked for, byMeaningOfMany.
	byWords, byMeaning, byMeaningOfMany = `80`, `30`, `60`
	// Of skills and job roles there are fewer: more are candidates, and alikeNames too.
	byWordsOfFew, byMeaningOfFew, alikeNames = `100`, `60`, `60`
	// likeIt words are taken for one that no text has: those no less alike than nearAsLike of the one most alike. The
	// trigrams' index goes down to pg_trgm.similarity_threshold, which is 0.3. Trigrams see too little of two neighbouring
	// letters that are swapped.
	likeIt, nearAsLike, swapped = `5`, `0.6`, `0.8`
	// guess is what a word that is taken for another counts at the most, and unknown what one counts in vain that nothing
	// is like, of what a word that one text has would count.
	guess, unknown = `0.9`, `1`
	// meaningWeight is what meaning counts beside 1 of the words; the likeness of the whole name counts nameWeight, but
	// nothing of agents, which are called anything. Of a short query every word counts, and it may be a name; of a long one
	// some words may be missing: so the words' share is taken to the power of strictness, but not of a single word, of which
	// nothing can be missing. Where meaning cannot make up for it, it is taken as it is, and any name counts nameAlone.
	meaningWeight, nameWeight, strictness, nameAlone = `1.25`, `least(1.2, 2.4 / w.count)`, `(case when w.count < 2 then 1 else 1 + least(4, 6.0 / w.count) end)`, `0.3`
	// floor is the least score that is an answer. Where the name counts nothing, the rest counts more.
	floor, floorWithoutName = `0.1`, `0.15`
)

// paged texts are found for one query where it goes on by cursor: it names all that are left, and many clients take no
// longer headers.
const paged = `120`

// maxFound texts are found for one query, however they are asked for.
const maxFound = 200

// kind is what is looked for.
type kind string

// The kinds as the index knows them.
const (
	agentKind   kind = "a"
	skillKind   kind = "s"
	jobRoleKind kind = "j"
)

// finding is what a search is made of.
type finding struct {
	query string
	kind  kind
	// where is what agents have to pass; nil asks for nothing. That mostPass need not be true, but saves asking for how many
	// do.
	where    *database.Where
	mostPass bool
	reach    reach
	// limit is how many are answered at most; explain is that the ranks are asked for, too.
	limit   int
	explain bool
	meaning
}

// reach is how a search gets by what the filter hides.
type reach int

const (
	// wide takes the postings of each word as they are, and of these the best that pass: enough where many do.
	wide reach = iota
	// deep lets each look into an index pass the filter itself, so that what it hides takes no one's place.
	deep
	// narrow looks at each that passes.
	narrow
)

// meaning is what a query means to the model that serves.
type meaning struct {
	slot   int
	vector []float32 // nil where the query says nothing to the model, or there is none
	// share of the query that the model knows, and baseline, the likeness of texts that have nothing in common.
	share, baseline float64
}

// scores are what each leg of the search makes of a text.
type scores struct {
	Score        float64
	WordsScore   float64
	WordsRank    *int64
	TyposScore   float64
	TyposRank    *int64
	MeaningScore float64
	MeaningRank  *int64
	NameScore    float64
	NameRank     *int64
}

// rest is what was found beyond the limit, in order.
type rest struct {
	Rest []byte // a packed ranking
}

// sql makes the statement that finds columns of from, which knows what it finds as best.id.
func (f finding) sql(columns, from string) string {
	// What the filter leaves, as a condition on an id. The left join falls away where it asks nothing of the statistics.
	passes := func(string) string { return "" }
	if f.where != nil && f.where.SQL() != "" {
		passes = func(id string) string {
			return ` join lateral (select from plant.agents a left join plant.agent_statistics s on s.agent_id = a.id` + f.where.SQL() + ` and a.id = ` + id + `) pass on true`
		}
	}
	// How many texts have a stem.
	const frequency = `
		left join plant.search_frequencies f on f.kind = 'KIND' and f.stem = STEM
		cross join lateral (select count(*) as documents from (
			select from plant.search_postings p where f.documents is null and p.kind = 'KIND' and p.stem = STEM limit ` + manyTexts + `) p) c`
	frequencyOf := func(stem string) string { return strings.ReplaceAll(frequency, "STEM", stem) }
	const rarity = `(0.2 + ln(1 + (greatest(n.documents, w.documents) - w.documents + 0.5) / (w.documents + 0.5)))`
	text := `
	with asked as materialized ( -- the words of the query but for stop words
		select lexeme as word, (tsvector_to_array(to_tsvector('english', lexeme)))[1] as stem
		from unnest(to_tsvector('simple', plant.plain(@query::text)))
		where to_tsvector('english', lexeme) <> ''
		order by positions[1], lexeme limit ` + maxWords + `),
	texts as materialized (
		select greatest(1, coalesce((select documents from plant.search_frequencies where kind = 'KIND' and stem = ''),
			(select count(*) from (select from plant.search_documents where kind = 'KIND' limit ` + manyTexts + `) d)))::float8 as documents),
	words as materialized (
		select a.word, a.stem, coalesce(f.documents, c.documents) as documents from asked a` + frequencyOf(`a.stem`) + `),
	alike as materialized ( -- words like those that no text has
		select w.word, l.stem, max(l.alike) as alike
		from words w cross join lateral (
			select (tsvector_to_array(to_tsvector('english', k.word)))[1] as stem, alike
			from (
				select k.word, similarity(k.word, w.word) as alike from plant.search_words k where k.kind = 'KIND' and k.word % w.word
				union all
				select k.word, ` + swapped + ` from plant.search_words k where k.kind = 'KIND' and k.word = any (array(
					select overlay(w.word placing reverse(substr(w.word, i, 2)) from i for 2)
					from generate_series(1, length(w.word) - 1) i))) k) l
		where w.documents = 0 and length(w.word) >= 3 and l.alike >= case length(w.word) when 3 then 0.4 else 0.3 end
			and l.stem <> '' and not exists (select from words o where o.stem = l.stem)
		group by w.word, l.stem),
	meant as materialized (
		select m.word, m.stem, m.alike, coalesce(f.documents, c.documents) as documents
		from (
			select *, row_number() over (partition by word order by alike desc, stem) as place, max(alike) over (partition by word) as most
			from alike) m` + frequencyOf(`m.stem`) + `
		where place <= ` + likeIt + ` and alike >= ` + nearAsLike + ` * most),
	terms as materialized (
		select stem, plant.search_place(stem) as place, typo, sum(weight) as weight
		from (
			select w.stem, false as typo, ` + rarity + ` as weight from words w cross join texts n where w.documents > 0
			union all
			select w.stem, true, ` + guess + ` * w.alike * ` + rarity + ` from meant w cross join texts n where w.documents > 0) t
		group by stem, typo),
	whole as materialized ( -- what a text can score by words
		select 2.2 * coalesce(sum(case when w.documents > 0 then ` + rarity + ` else coalesce(
			(select max(` + rarity + `) from meant w where w.word = a.word), ` + unknown + ` * ln(1 + n.documents / 1.5)) end), 1) as weight,
			greatest(count(*), 1)::float8 as count
		from words a cross join texts n cross join lateral (select a.documents) w),
	pairs as materialized ( -- of words in a name
		select a.stem || ' ' || b.stem as stem, a.weight + b.weight as weight from terms a join terms b on a.stem collate "C" < b.stem
		order by a.weight + b.weight desc, a.stem, b.stem limit ` + maxPairs + `),
	sought as materialized (
		select ('{' || coalesce(string_agg(place || ':' || weight, ',' order by place) filter (where not typo), '') || '}/536870912')::sparsevec(536870912) as words,
			('{' || coalesce(string_agg(place || ':' || weight, ',' order by place) filter (where typo), '') || '}/536870912')::sparsevec(536870912) as typos
		from (select place, typo, sum(weight) as weight from terms group by place, typo) t),
	candidates as materialized (` + f.candidates(passes) + `),
	scored as materialized (
		select c.id, l.words, l.typos, l.meaning, l.alike, ` + f.score() + ` as score
		from candidates c join plant.search_documents d on d.id = c.id` + f.meant(` left join plant.search_vectors v on v.slot = SLOT and v.id = c.id`) + `
		cross join sought s cross join whole w
		cross join lateral (
			select -(d.terms <#> s.words) / w.weight as words, -(d.terms <#> s.typos) / w.weight as typos, ` + f.likeness() + ` as alike, ` +
		f.meantOr(`@share::float8 * greatest((1 - (v.vector <=> @vector::halfvec(384)) - @baseline::float8) / (1 - @baseline::float8), 0)`, `null::float8`) + ` as meaning) l),
	found as (
		select id, ` + fourDecimals(`least(score, 1)`) + ` as score, ` + fourDecimals(`least(words, 1)`) + ` as words, ` + fourDecimals(`least(typos, 1)`) + ` as typos, ` + fourDecimals(`coalesce(meaning, 0)`) + ` as meaning, ` + fourDecimals(`alike`) + ` as alike
		from scored where score >= ` + f.floor() + `),
	best as materialized (
		select *, row_number() over (order by score desc, id) as place, ` + f.rank("words") + `, ` + f.rank("typos") + `, ` + f.rank("meaning") + `, ` + f.rank("alike") + `
		from found order by score desc, id limit MAXFOUND)
	select ` + columns + `, best.score,
		words as words_score, words_rank, typos as typos_score, typos_rank, meaning as meaning_score, meaning_rank, alike as name_score, alike_rank as name_rank,
		case place when 1 then (
			select string_agg(uuid_send(id) || int2send((10000 * score)::int2), '' order by place) from best where place > @limit and place <= ` + paged + `) end as rest
	from best join ` + from + `
	where best.place <= @limit
	order by best.place`
	return strings.NewReplacer("KIND", string(f.kind), "SLOT", strconv.Itoa(f.slot), "MAXFOUND", strconv.Itoa(maxFound)).Replace(text)
}

// fourDecimals is a number to four decimals.
func fourDecimals(number string) string { return `round(10000 * (` + number + `)::float8) / 10000` }

// rank is the rank that a leg gives, which takes time, so only where it is asked for.
func (f finding) rank(leg string) string {
	if !f.explain {
		return `null::bigint as ` + leg + `_rank`
	}
	return `case when ` + leg + ` > 0 then rank() over (order by ` + leg + ` desc) end as ` + leg + `_rank`
}

// named reports whether the likeness of the query to the name counts.
func (f finding) named() bool { return f.kind != agentKind || f.vector == nil }

func (f finding) likeness() string {
	if f.named() {
		return `similarity(d.name, lower(@query::text))`
	}
	return `0::real`
}

func (f finding) floor() string {
	if f.named() {
		return floor
	}
	return floorWithoutName
}

// score makes one of what each leg says.
func (f finding) score() string {
	const both = `greatest(l.words + l.typos, 0) ^ ` + strictness + ` + coalesce(l.meaning, 0) * ` + meaningWeight
	switch {
	case f.vector == nil:
		return `(l.words + l.typos + l.alike * ` + nameAlone + `) / (1 + ` + nameAlone + `)`
	case !f.named():
		return `(` + both + `) / (1 + ` + meaningWeight + `)`
	default:
		return `(` + both + ` + l.alike * ` + nameWeight + `) / (1 + ` + meaningWeight + ` + ` + nameWeight + `)`
	}
}

// candidates are the texts that any leg finds.
func (f finding) candidates(passes func(id string) string) string {
	words, near, byName := byWords, byMeaning, ""
	if f.limit > 30 {
		near = byMeaningOfMany
	}
	if f.kind != agentKind {
		words, near, byName = byWordsOfFew, byMeaningOfFew, `
		union
		select id from (
			select d.id from plant.search_documents d where d.kind = 'KIND' and d.name % lower(@query::text)
			order by similarity(d.name, lower(@query::text)) desc, d.id limit `+alikeNames+`) named`
	}
	before, read, after := ``, postings, passes(`p.id`)
	switch f.reach {
	case wide:
	case deep:
		before, read, after = after, deepPostings, before
	case narrow: // each that passes is looked at, and kept where it has a word, or means something
		return `
		select d.id from plant.search_documents d` + passes(`d.id`) + ` cross join sought s cross join whole w` + f.meant(`
			left join plant.search_vectors v on v.slot = SLOT and v.id = d.id`) + `
		where d.kind = 'KIND'
		order by -(d.terms <#> s.words) / w.weight - (d.terms <#> s.typos) / w.weight` + f.meant(`
			+ `+meaningWeight+` * coalesce(greatest(1 - (v.vector <=> @vector::halfvec(384)), 0), 0)`) + ` desc, d.id limit MAXFOUND`
	}
	posted := func(terms, most string) string {
		return `
		select id from (
			select p.id
			from (
				select p.id, sum(p.impact * t.weight) as impact
				from ` + terms + ` t cross join lateral (
					select p.id, p.impact from plant.search_postings p` + before + `
					where p.kind = 'KIND' and p.stem = t.stem order by p.impact desc, p.id limit ` + read + `) p
				group by p.id order by impact desc, p.id) p` + after + `
			order by p.impact desc, p.id limit ` + most + `) ` + terms
	}
	return posted("terms", words) + `
		union` + posted("pairs", byPairs) + byName + f.meant(`
		union
		select id from (
			select v.id from plant.search_vectors v`+passes(`v.id`)+`
			where v.slot = SLOT and v.kind = 'KIND' order by v.vector <=> @vector::halfvec(384) limit `+near+`) near`)
}

// meant is a part of the statement that only a query with a vector has.
func (f finding) meant(text string) string { return f.meantOr(text, "") }

func (f finding) meantOr(text, otherwise string) string {
	if f.vector == nil {
		return otherwise
	}
	return text
}

// args are those of sql.
func (f finding) args() pgx.NamedArgs {
	args := pgx.NamedArgs{"query": f.query, "limit": f.limit}
	if f.where != nil {
		for name, value := range f.where.Args {
			args[name] = value
		}
	}
	if f.vector != nil {
		args["vector"], args["share"], args["baseline"] = pgvector.NewHalfVector(f.vector), f.share, f.baseline
	}
	return args
}

// found runs a finding, and reads the columns of a T for what it finds.
func found[T any](ctx context.Context, db *database.DB, f finding, columns, from string) ([]T, error) {
	return database.All[T](ctx, db, f.sql(columns, from), f.args())
}
