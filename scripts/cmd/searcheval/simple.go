package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/scripts/internal/stand"
)

// simpleAnswer is what simple methods find, in the same database.
type simpleAnswer struct{ bm25, trigrams []string }

// The texts of a corpus, and its queries, each with its number.
const makeTexts = `
	create temporary table texts (n int primary key, name text, rest text) on commit drop;
	create temporary table queries (n int primary key, query text) on commit drop`

// BM25 with k1 = 1.2 and b = 0.75 over English stems, those of the name counted five times. What punctuation joins is words
// of their own.
const makeImpacts = `
	update texts set name = regexp_replace(name, '[[:punct:]]', ' ', 'g'), rest = regexp_replace(rest, '[[:punct:]]', ' ', 'g');
	create temporary table impacts on commit drop as
		with counts as (
			select n, lexeme, sum(case w when 'A' then 5 else 1 end)::float8 as count
			from texts cross join lateral unnest(setweight(to_tsvector('english', name), 'A') || setweight(to_tsvector('english', rest), 'D')) l
			cross join lateral unnest(l.weights) w
			group by n, lexeme),
		lengths as (select n, sum(count) as length from counts group by n),
		documents as (select lexeme, count(*) as documents from counts group by lexeme),
		whole as (select (select count(*) from texts) as documents, (select avg(length) from lengths) as length)
		select c.lexeme, c.n, ln(1 + (w.documents - d.documents + 0.5) / (d.documents + 0.5))
			* 2.2 * c.count / (c.count + 1.2 * (0.25 + 0.75 * l.length / w.length)) as impact
		from counts c join lengths l using (n) join documents d using (lexeme) cross join whole w;
	create index on impacts (lexeme);
	analyze texts, impacts`

const byBM25 = `
	select q.n, array(
		select i.n from unnest(to_tsvector('english', regexp_replace(q.query, '[[:punct:]]', ' ', 'g'))) l join impacts i using (lexeme)
		group by i.n order by sum(i.impact) desc, i.n limit 10)
	from queries q`

// The likeness of trigrams of the query and the name.
const byTrigrams = `
	select q.n, array(
		select n from (select t.n, similarity(t.name, q.query) as alike from texts t) t
		where alike > 0 order by alike desc, n limit 10)
	from queries q`

// simpleAnswers answers every query of a collection by simple methods.
func simpleAnswers(ctx context.Context, s *stand.Stand, all collection) (map[string]simpleAnswer, error) {
	conn, err := s.Owner(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	answers := make(map[string]simpleAnswer, len(all.queries))
	corpora := map[string][]query{}
	for _, q := range all.queries {
		corpus := q.Kind
		if q.ofONET() {
			corpus = onetPrefix
		}
		corpora[corpus] = append(corpora[corpus], q)
	}
	for _, queries := range corpora {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return simply(ctx, tx, all.of(queries[0]), queries, answers) })
		if err != nil {
			return nil, fmt.Errorf("run simple methods: %w", err)
		}
	}
	return answers, nil
}

func simply(ctx context.Context, tx pgx.Tx, records []record, queries []query, answers map[string]simpleAnswer) error {
	if _, err := tx.Exec(ctx, makeTexts); err != nil {
		return err
	}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"texts"}, []string{"n", "name", "rest"}, pgx.CopyFromSlice(len(records), func(i int) ([]any, error) {
		return []any{i, records[i].Name, records[i].rest()}, nil
	}))
	if err != nil {
		return err
	}
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"queries"}, []string{"n", "query"}, pgx.CopyFromSlice(len(queries), func(i int) ([]any, error) {
		return []any{i, queries[i].Text}, nil
	}))
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, makeImpacts); err != nil {
		return err
	}
	found := make([]simpleAnswer, len(queries))
	for statement, keep := range map[string]func(int, []string){
		byBM25:     func(n int, ids []string) { found[n].bm25 = ids },
		byTrigrams: func(n int, ids []string) { found[n].trigrams = ids },
	} {
		rows, err := tx.Query(ctx, statement)
		if err != nil {
			return err
		}
		var n int
		var places []int
		if _, err := pgx.ForEachRow(rows, []any{&n, &places}, func() error {
			ids := make([]string, len(places))
			for i, place := range places {
				ids[i] = records[place].ID
			}
			keep(n, ids)
			return nil
		}); err != nil {
			return err
		}
	}
	for i, q := range queries {
		answers[q.ID] = found[i]
	}
	return nil
}
