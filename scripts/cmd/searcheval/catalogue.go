package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/scripts/internal/process"
	"github.com/waooaw/plant/scripts/internal/stand"
	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/indexing"
	plantsql "github.com/waooaw/plant/sql"
)

// catalogue is Plant with a database of its own.
type catalogue struct {
	out      io.Writer
	stand    *stand.Stand
	settings indexing.Config
	ownerURL string
	appURL   string

	mu    sync.Mutex
	known map[uuid.UUID]record // what was loaded, by Plant's id
}

// newCatalogue makes an empty one, in place of what an earlier run has left.
func newCatalogue(ctx context.Context, e *evaluation, name string) (*catalogue, error) {
	c := &catalogue{out: e.out, stand: e.stand, settings: e.Index, known: map[uuid.UUID]record{}}
	var err error
	if c.ownerURL, err = withDatabase(e.stand.Server.OwnerURL, name); err != nil {
		return nil, err
	}
	if c.appURL, err = withDatabase(e.stand.AppURL, name); err != nil {
		return nil, err
	}
	server, err := e.stand.Owner(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = server.Close(context.WithoutCancel(ctx)) }()
	for _, statement := range []string{`drop database if exists ` + name + ` with (force)`, `create database ` + name} {
		if _, err := server.Exec(ctx, statement); err != nil {
			return nil, fmt.Errorf("make a database: %w", err)
		}
	}
	return c, c.asOwner(ctx, func(conn *pgx.Conn) error {
		if err := plantsql.Migrate(ctx, conn, plantsql.Latest); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, `insert into plant.industries (id, slug, name) values (gen_random_uuid(), $1, initcap($1))`, defaultIndustry)
		return err
	})
}

func withDatabase(address, name string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", errors.New("the database's address is no URL")
	}
	u.Path = "/" + name
	return u.String(), nil
}

func (c *catalogue) asOwner(ctx context.Context, work func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, c.ownerURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return work(conn)
}

func (c *catalogue) know(id uuid.UUID, r record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[id] = r
}

// ids returns Plant's ids by those of the collection.
func (c *catalogue) ids() map[string]uuid.UUID {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := make(map[string]uuid.UUID, len(c.known))
	for id, r := range c.known {
		ids[r.ID] = id
	}
	return ids
}

// load runs the function that takes records, for as long as some are sent.
func (c *catalogue) load(ctx context.Context, send func(*loader) error) error {
	err := c.asOwner(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, forgetModels)
		return err
	})
	if err != nil {
		return err
	}
	// Amendments get their places by whoever reads them: nobody does.
	agents, err := c.stand.Start(ctx, "agents", "PLANT_APP_DATABASE_URL="+c.appURL, "AUDIT_SEQUENCE_EVERY=0s", "AUDIT_CHECKPOINT_FILE=")
	if err != nil {
		return err
	}
	defer functions.StopAll(agents)
	l := &loader{catalogue: c, agentsFunction: agents}
	if l.partner, err = c.stand.Token(auth.Partner, "searcheval"); err != nil {
		return err
	}
	if l.governor, err = c.stand.Token(auth.Governor, "searcheval"); err != nil {
		return err
	}
	return send(l)
}

// unindex takes something out of the index, so that no search finds it or counts it.
func (c *catalogue) unindex(ctx context.Context, id uuid.UUID) error {
	return c.asOwner(ctx, func(conn *pgx.Conn) error {
		for _, table := range []string{"search_documents", "search_postings", "search_vectors", "search_pending"} {
			if _, err := conn.Exec(ctx, `delete from plant.`+table+` where id = $1`, id); err != nil {
				return err
			}
		}
		return nil
	})
}

const (
	// What is loaded is not embedded one by one by an earlier model, and the next is learnt from all, however little the
	// catalogue grows.
	forgetModels = `delete from plant.search_vectors; delete from plant.embedding_models`
	settle       = `vacuum (analyze)`
)

const indexTimeout = 10 * time.Minute

// index makes the vectors, by what makes them in the product.
func (c *catalogue) index(ctx context.Context) error {
	process.Say(c.out, "indexing %d texts", len(c.known))
	ctx, cancel := context.WithTimeout(ctx, indexTimeout)
	defer cancel()
	db, err := database.Open(ctx, database.Config{
		URL: config.Secret(c.appURL), MaxConns: 2, AcquireTimeout: time.Minute, StatementTimeout: indexTimeout, LockTimeout: time.Minute,
	})
	if err != nil {
		return err
	}
	defer db.Close()
	log := slog.New(slog.DiscardHandler)
	models, err := indexing.NewModels(ctx, db, c.settings, log)
	if err != nil {
		return err
	}
	defer models.Close()
	indexer := indexing.New(models, log)
	for {
		report, err := indexer.Run(ctx)
		if err != nil {
			return err
		}
		if report.Done {
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return c.asOwner(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, settle)
		return err
	})
}

// answer is what was found for a query, in order, and how long that took.
type answer struct {
	query  query
	found  []string
	simple simpleAnswer
	took   time.Duration
}

// answers runs queries one after another. It tells more of as many of each stratum as are to be shown.
func (c *catalogue) answers(ctx context.Context, queries []query, show int) (answers []answer, shown []string, err error) {
	search, err := c.stand.Start(ctx, "search", "PLANT_APP_DATABASE_URL="+c.appURL)
	if err != nil {
		return nil, nil, err
	}
	defer functions.StopAll(search)
	for _, q := range queries {
		begin := time.Now()
		found, err := c.search(ctx, search, q, false)
		if err != nil {
			return nil, nil, fmt.Errorf("query %s, %q: %w", q.ID, q.Text, err)
		}
		a := answer{query: q, took: time.Since(begin)}
		for _, f := range found {
			a.found = append(a.found, c.known[f.ID].ID)
		}
		answers = append(answers, a)
	}
	for _, a := range worst(answers, show) {
		found, err := c.search(ctx, search, a.query, true)
		if err != nil {
			return nil, nil, err
		}
		shown = append(shown, c.tell(a, found))
	}
	return answers, shown, nil
}

// found is one of what a search answers.
type found struct {
	ID      uuid.UUID
	Score   float64
	Explain struct {
		Words, Typos, Meaning struct{ Score float64 }
	}
}

var searchPaths = map[string]string{
	skillKind: "/api/v1/skills/search", roleKind: "/api/v1/job-roles/search", agentKind: "/api/v1/agents/search",
}

func (c *catalogue) search(ctx context.Context, search *functions.Function, q query, explain bool) ([]found, error) {
	asked := url.Values{"query": {q.Text}, "limit": {strconv.Itoa(depth)}}
	if explain {
		asked.Set("explain", "true")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, search.Address.String()+searchPaths[q.Kind]+"?"+asked.Encode(), nil)
	if err != nil {
		return nil, err
	}
	var answered []found
	return answered, do(request, &answered)
}

// worst returns so many of each stratum whose answers are worst, in the order of the queries.
func worst(answers []answer, count int) []answer {
	sorted := slices.Clone(answers)
	slices.SortStableFunc(sorted, func(a, b answer) int {
		return cmp.Or(strings.Compare(a.query.group(), b.query.group()), cmp.Compare(a.quality().ndcg, b.quality().ndcg))
	})
	var kept []answer
	of := map[string]int{}
	for _, a := range sorted {
		if of[a.query.group()]++; of[a.query.group()] <= count {
			kept = append(kept, a)
		}
	}
	return kept
}

func (a answer) quality() quality { return qualityOf(a.found, a.query.Relevant) }

// tell says what was found for a query, and what was wanted.
func (c *catalogue) tell(a answer, answered []found) string {
	const most, longest = 3, 100
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %q, nDCG@10 %.3f\n", a.query.group(), cut(a.query.Text, longest), a.quality().ndcg)
	names := map[string]string{}
	for _, r := range c.known {
		names[r.ID] = r.Name
	}
	for _, id := range a.query.Relevant[:min(len(a.query.Relevant), most)] {
		fmt.Fprintf(&text, "    wanted %q\n", names[id])
	}
	for _, f := range answered[:min(len(answered), most)] {
		fmt.Fprintf(&text, "    found  %q %.3f: words %.3f, typos %.3f, meaning %.3f\n", c.known[f.ID].Name, f.Score, f.Explain.Words.Score, f.Explain.Typos.Score, f.Explain.Meaning.Score)
	}
	return text.String()
}
