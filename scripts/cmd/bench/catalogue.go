package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/scripts/internal/process"
	"github.com/waooaw/plant/scripts/internal/vectors"
)

// catalogueSeed makes every machine's catalogue the same.
const catalogueSeed = 20261123

const (
	industries = 12
	skills     = 200
	owners     = 400
	vocabulary = 4000 // words of descriptions, the first of them far more common than the last
)

var (
	fields = strings.Fields(`marketing sales support finance legal health education travel retail logistics property energy`)
	crafts = strings.Fields(`content campaign invoice contract lesson itinerary stock route listing tariff claim pipeline survey
		newsletter forecast audit onboarding payroll pricing review translation transcript schedule triage research`)
	trades = strings.Fields(`writer planner analyst coach checker builder scout editor tutor broker keeper designer`)
	temper = strings.Fields(`swift calm bright careful tireless keen steady witty frank gentle bold patient`)
)

// agentID is the id of the nth agent, counted from 1: made so that pgbench can make it too.
func agentID(n int) string { return fmt.Sprintf("01900000-0000-7000-8000-%012d", n) }

// agentIDSQL is agentID of a pgbench variable.
const agentIDSQL = `('01900000-0000-7000-8000-' || lpad((:n)::text, 12, '0'))::uuid`

// ensureCatalogue fills the database with so many agents, unless it has just them. It loads them past the triggers, which
// would take minutes, and then calls what the triggers call.
func ensureCatalogue(ctx context.Context, conn *pgx.Conn, rows int, out io.Writer) error {
	var have, foreign int
	err := conn.QueryRow(ctx, `select count(*) filter (where id >= $1 and id <= $2), count(*) filter (where not (id >= $1 and id <= $2)) from plant.agents`,
		agentID(1), agentID(rows)).Scan(&have, &foreign)
	if err != nil {
		return fmt.Errorf("count the agents: %w", err)
	}
	if have == rows && foreign == 0 {
		return nil
	}
	process.Say(out, "making a catalogue of %d agents", rows)
	for _, step := range []func(context.Context, *pgx.Conn) error{clear, loadReferences, func(ctx context.Context, conn *pgx.Conn) error { return loadAgents(ctx, conn, rows) }, index} {
		if err := step(ctx, conn); err != nil {
			return fmt.Errorf("make the catalogue: %w", err)
		}
	}
	return nil
}

func clear(ctx context.Context, conn *pgx.Conn) error {
	return pastTriggers(ctx, conn, `truncate plant.agents, plant.agent_statistics, plant.agent_skills,
		plant.search_documents, plant.search_postings, plant.search_frequencies, plant.search_words, plant.search_starts, plant.search_vectors, plant.search_pending, plant.embedding_models,
		plant.skills, plant.industries, plant.idempotency_keys, plant.amendments, plant.tree_hashes, plant.checkpoints,
		plant.job_events, plant.jobs, plant.job_rollups, plant.hires, plant.reviews cascade`)
}

// pastTriggers runs a statement that they would refuse, as only a superuser can. Nobody may do so to a catalogue that is
// more than a load: its audit would tell.
func pastTriggers(ctx context.Context, conn *pgx.Conn, sql string) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `set local session_replication_role = replica`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sql)
		return err
	})
}

func loadReferences(ctx context.Context, conn *pgx.Conn) error {
	batch := &pgx.Batch{}
	for i := range industries {
		batch.Queue(`insert into plant.industries (id, slug, name) values (gen_random_uuid(), $1, initcap($1))`, fields[i])
	}
	for i := range skills {
		batch.Queue(`insert into plant.skills (id, name, category) values ($1, $2, 'technical')`, skillID(i), skillName(i))
	}
	return conn.SendBatch(ctx, batch).Close()
}

func skillID(n int) string { return fmt.Sprintf("01900000-0000-7000-9000-%012d", n) }

func skillName(n int) string {
	return crafts[n%len(crafts)] + " " + trades[n/len(crafts)%len(trades)] + fmt.Sprintf(" %d", n)
}

var agentColumns = []string{
	"id", "owner_issuer", "owner", "external_id", "name", "specialization", "industry", "description", "hourly_rate", "tags", "languages", "skill_ids", "status", "created_at", "updated_at",
}

func loadAgents(ctx context.Context, conn *pgx.Conn, rows int) error {
	random := rand.New(rand.NewPCG(catalogueSeed, 0)) //nolint:gosec // the same every time is what is wanted
	text := newProse(random)
	begin := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	n := 0
	next := pgx.CopyFromFunc(func() ([]any, error) {
		if n++; n > rows {
			return nil, nil
		}
		own := make([]string, 2+random.IntN(4))
		first := random.IntN(skills)
		for i := range own {
			own[i] = skillID((first + i*37) % skills)
		}
		created := begin.Add(time.Duration(n) * 61 * time.Second)
		status := []string{"available", "available", "available", "working", "offline"}[random.IntN(5)]
		return []any{
			agentID(n), "https://issuer.example", fmt.Sprintf("partner-%d", random.IntN(owners)), fmt.Sprintf("ext-%d", n),
			text.name(), text.specialization(), fields[random.IntN(industries)], text.description(), float64(10+random.IntN(4000)) / 2,
			[]string{crafts[random.IntN(len(crafts))], fields[random.IntN(len(fields))]},
			[]string{"en"},
			own, status, created, created,
		}, nil
	})
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // after the commit it does nothing
	if _, err := tx.Exec(ctx, `set local session_replication_role = replica`); err != nil {
		return err
	}
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"plant", "agents"}, agentColumns, next); err != nil {
		return err
	}
	statements := []string{
		`insert into plant.agent_statistics (agent_id, total_jobs, completed_jobs, reviews, rating_sum)
			select id, n % 40 + n % 7, n % 40, n % 10, (n % 10) * (1 + n % 5) from (select id, right(id::text, 12)::int as n from plant.agents) a`,
		`insert into plant.agent_skills (agent_id, skill_id, industry, currency, status, rate, live)
			select id, unnest(skill_ids), industry, currency, status, hourly_rate * 100, deleted_at is null from plant.agents on conflict do nothing`,
	}
	if rows <= usualRows { // they take most of the time, and only search reads them
		statements = append(statements, searchRows...)
	}
	for _, statement := range statements {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}

var searchRows = []string{
	`select plant.index_texts(array(select id from plant.search_texts))`,
	`select plant.count_frequencies()`,
}

// indexVectors makes the vectors. It is several times quicker to index all of them at once than one after another.
func (b *bench) indexVectors(ctx context.Context) error {
	var done bool
	var again string
	if err := b.owner.QueryRow(ctx, `select exists (select from plant.embedding_models where state = 'serving'),
		pg_get_indexdef(to_regclass('plant.search_vectors_a0'))`).Scan(&done, &again); err != nil || done {
		return err
	}
	if _, err := b.owner.Exec(ctx, `drop index plant.search_vectors_a0`); err != nil {
		return err
	}
	if err := vectors.Make(ctx, b.stand.AppURL, b.out); err != nil {
		return err
	}
	for _, statement := range []string{`set maintenance_work_mem = '1GB'`, again, `reset maintenance_work_mem`, `vacuum (analyze) plant.search_vectors`} {
		if _, err := b.owner.Exec(ctx, statement); err != nil {
			return fmt.Errorf("index the vectors: %w", err)
		}
	}
	return nil
}

func index(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `vacuum (analyze)`)
	return err
}

// prose makes texts whose words are spread as those of people are: a few very common ones, many rare ones.
type prose struct {
	random *rand.Rand
	zipf   *rand.Zipf
	words  []string
}

func newProse(random *rand.Rand) *prose {
	p := &prose{random: random, zipf: rand.NewZipf(random, 1.1, 8, vocabulary-1)}
	p.words = append(p.words, crafts...)
	p.words = append(p.words, trades...)
	syllables := strings.Fields(`ba co di fu ge ha jo ki lu ma ne pa qui ro su ta ve wi xo zi bra cle dro fli gra plo ste tri`)
	for len(p.words) < vocabulary {
		var word strings.Builder
		for range 2 + random.IntN(3) {
			word.WriteString(syllables[random.IntN(len(syllables))])
		}
		p.words = append(p.words, word.String())
	}
	return p
}

func (p *prose) of(words []string) string { return words[p.random.IntN(len(words))] }

func (p *prose) name() string {
	return strings.ToUpper(p.of(temper)[:1]) + p.of(temper)[1:] + " " + p.of(crafts) + " " + p.of(trades) + " " + p.word()
}

func (p *prose) specialization() string { return p.of(crafts) + " " + p.of(fields) }

func (p *prose) word() string { return p.words[p.zipf.Uint64()] }

func (p *prose) description() string {
	words := make([]string, 15+p.random.IntN(40))
	for i := range words {
		words[i] = p.word()
	}
	return strings.Join(words, " ") + "."
}

// queries are what is searched for: mostly two words, some one or three, some misspelt.
func queries(count int) []string {
	random := rand.New(rand.NewPCG(catalogueSeed, 1)) //nolint:gosec // the same every time is what is wanted
	text := newProse(random)
	all := make([]string, count)
	for i := range all {
		words := []string{text.of(crafts), text.of(trades), text.of(fields)}
		switch i % 10 {
		case 0:
			words = words[:1]
		case 1:
			words[0] = words[0][:2] + words[0][3:] // a letter is missing
			words = words[:2]
		case 2, 3:
			words = []string{text.words[len(crafts)+len(trades)+random.IntN(500)], words[1]}
		case 4:
		default:
			words = words[:2]
		}
		all[i] = strings.Join(words, " ")
	}
	return all
}
