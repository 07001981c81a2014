package search

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/database"
)

// suggestion is a name that somebody may be typing.
type suggestion struct {
	Text string    `json:"text" doc:"the name, as it is written"`
	Kind string    `json:"kind" enum:"agent,skill,job_role"`
	ID   uuid.UUID `json:"id" format:"uuid" doc:"of one that has this name"`
}

const (
	// maxSuggestions are answered.
	maxSuggestions = `10`
	// misspelt words of a prefix are corrected, each in so many ways that names have, with words no less alike than that.
	misspelt, corrections, alikeEnough = `3`, `3`, `0.4`
)

// completions reads the first names that begin with a prefix, or have a word inside that does, each name once. It leaps
// from name to name through the index, past all that have the same.
func completions(prefix, inside string) string {
	return strings.NewReplacer("PREFIX", prefix, "INSIDE", inside).Replace(`(
		with recursive leaps as (
			select PREFIX collate "C" as start, '' collate "C" as name, null::uuid as id
			union all
			select n.start, n.name, n.id
			from leaps l cross join lateral (
				select b.start, b.name, b.id from plant.search_starts b
				where b.inside = INSIDE and (b.start, b.name) > (l.start, l.name) and b.start < PREFIX || chr(1114111)
				order by b.start, b.name, b.id limit 1) n)
		select start, name, id, INSIDE as inside from leaps where id is not null limit ` + maxSuggestions + `)`)
}

var suggestions = `
	with asked as materialized (select lower($1::text) as prefix),
	begun as materialized (select c.* from asked a cross join lateral ` + completions(`a.prefix`, `false`) + ` c),
	within as materialized (
		select c.* from asked a cross join lateral ` + completions(`a.prefix`, `true`) + ` c
		where (select count(*) from begun) < ` + maxSuggestions + `),
	words as materialized (
		select word, i, i = max(i) over () as last
		from asked a cross join lateral regexp_split_to_table(plant.plain(a.prefix), ' +') with ordinality w (word, i)
		where word <> '' and (select count(distinct name) from (select name from begun union all select name from within) n) < ` + maxSuggestions + `),
	unknown as materialized ( -- words that no name has, or begins with where more may follow
		select word, i from words w
		where length(word) between 3 and 64 and not exists (
			select from plant.search_starts s
			where s.inside = any (array[false, true]) and s.start >= w.word and s.start < w.word || case when w.last then chr(1114111) else '!' end)
		order by i limit ` + misspelt + `),
	corrected as materialized (
		select u.i, l.word, row_number() over (partition by u.i order by l.alike desc, length(l.word), l.word) as nth
		from unknown u cross join lateral (
			select word, max(alike) as alike, max(max(alike)) over () as most
			from (
				select k.word, greatest(similarity(k.word, u.word), word_similarity(u.word, k.word)) as alike from plant.search_words k where k.word % u.word
				union all
				select overlay(u.word placing reverse(substr(u.word, i, 2)) from i for 2), ` + swapped + ` from generate_series(1, length(u.word) - 1) i) k
			where word <> u.word group by word having max(alike) >= ` + alikeEnough + `) l
		where l.alike >= ` + nearAsLike + ` * l.most and exists (
			select from plant.search_starts s where s.inside = any (array[false, true]) and s.start >= l.word and s.start < l.word || chr(1114111))),
	spelt as materialized (
		select turn as nth, string_agg(coalesce(c.word, best.word, w.word), ' ' order by w.i) as prefix
		from generate_series(1, ` + corrections + `) turn cross join words w
		left join corrected c on c.i = w.i and c.nth = turn
		left join corrected best on best.i = w.i and best.nth = 1
		where exists (select from corrected c where c.nth = turn)
		group by turn),
	found as (
		select 1 as tier, 0 as nth, * from begun
		union all
		select 2, 0, * from within
		union all
		select 3, s.nth, c.* from spelt s cross join lateral ` + completions(`s.prefix`, `false`) + ` c
		union all
		select 3, s.nth, c.* from spelt s cross join lateral ` + completions(`s.prefix`, `true`) + ` c),
	best as (
		select * from (select distinct on (name) * from found order by name, tier, nth, inside, start) f
		order by tier, nth, inside, start, name limit ` + maxSuggestions + `)
	select coalesce(a.name, k.name, j.name) as text, case when a.id is not null then 'agent' when k.id is not null then 'skill' else 'job_role' end as kind, best.id
	from best left join plant.agents a on a.id = best.id left join plant.skills k on k.id = best.id left join plant.job_roles j on j.id = best.id
	order by tier, nth, inside, start, best.name`

// suggest completes a prefix.
func (s searchStore) suggest(ctx context.Context, prefix string) ([]suggestion, error) {
	return database.All[suggestion](ctx, s.db, suggestions, prefix)
}
