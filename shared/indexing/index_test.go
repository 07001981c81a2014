package indexing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/cache"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/embedding"
)

// provider makes vectors as a test says: by default, each text's first letter is its direction.
type provider struct {
	name  string
	fails func(texts []string) error // may be nil
	hangs chan struct{}              // waited for, where it is not nil
	texts atomic.Int64               // that were embedded
}

func (p *provider) Model() string { return p.name }

func (p *provider) Embed(ctx context.Context, _ embedding.Kind, texts []string) ([][]float32, error) {
	if p.hangs != nil {
		select {
		case <-p.hangs:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", embedding.ErrUnavailable, ctx.Err())
		}
	}
	if p.fails != nil {
		if err := p.fails(texts); err != nil {
			return nil, err
		}
	}
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		vectors[i] = make([]float32, embedding.Dimensions)
		vectors[i][int(text[0])%embedding.Dimensions] = 1
	}
	p.texts.Add(int64(len(texts)))
	return vectors, nil
}

// catalogue is a database with agents.
type catalogue struct{ *dbtest.Database }

func start(t *testing.T, agents int) catalogue {
	t.Helper()
	c := catalogue{dbtest.New(t)}
	for i := range agents {
		c.write(t, fmt.Sprintf("Agent %d", i))
	}
	return c
}

func (c catalogue) write(t *testing.T, name string) uuid.UUID {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	c.Exec(t, `insert into plant.agents (id, owner_issuer, owner, name, specialization, industry, hourly_rate) values ($1, 'i', 'ada', $2, 'Work', 'sales', 85)`, id, name)
	return id
}

// indexer returns an indexer of a process of its own, by a provider; nil is the model that is learnt.
func (c catalogue) indexer(t *testing.T, remote embedding.Embedder) *Indexer {
	t.Helper()
	models, err := NewModels(t.Context(), c.DB, Config{Embedding: embedding.Config{Provider: "local"}, Cache: cache.Config{}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(models.Close)
	models.remote = remote
	return New(models, slog.New(slog.DiscardHandler))
}

func (c catalogue) count(t *testing.T, sql string, args ...any) int {
	t.Helper()
	return dbtest.Scalar[int](t, c.Database, `select count(*) from `+sql, args...)
}

func run(t *testing.T, x *Indexer) Report {
	t.Helper()
	report, err := x.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// D21: a model is built beside the one that serves, whatever is written meanwhile, and takes over when it has every text.
// Nobody ever compares vectors of two.
func TestD21_ModelsTakeOver(t *testing.T) {
	t.Parallel()
	const agents = 10
	c := start(t, agents)
	first, second := &provider{name: "first"}, &provider{name: "second"}
	before, after := c.indexer(t, first), c.indexer(t, second)
	if _, err := before.models.Serving(t.Context()); !errors.Is(err, embedding.ErrUnavailable) {
		t.Errorf("before any model is built: %v", err)
	}
	if got := run(t, before); got.Model != "first" || got.Embedded != agents || !got.Done {
		t.Errorf("the first run: %+v", got)
	}
	if got := run(t, before); got.Embedded != 0 || !got.Done || first.texts.Load() != agents {
		t.Errorf("another run: %+v, and %d texts were embedded in all", got, first.texts.Load())
	}
	one, err := before.models.Serving(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	// The second one's provider gives up in the middle: the first one goes on serving.
	second.fails = func([]string) error { return embedding.ErrUnavailable }
	if _, err := after.Run(t.Context()); !errors.Is(err, embedding.ErrUnavailable) {
		t.Errorf("a provider that fails: %v", err)
	}
	if _, err := after.models.Serving(t.Context()); !errors.Is(err, embedding.ErrUnavailable) {
		t.Errorf("a model that is being built serves: %v", err)
	}
	c.write(t, "Written meanwhile")
	if got := run(t, before); got.Model != "first" || !got.Done {
		t.Errorf("the first one meanwhile: %+v", got)
	}
	if got := c.count(t, `plant.search_vectors where slot = $1`, one.Slot); got != agents+1 {
		t.Errorf("the one that serves has %d vectors", got)
	}
	second.fails = nil
	if got := run(t, after); got.Model != "second" || !got.Done {
		t.Errorf("the second one: %+v", got)
	}
	two, err := after.models.Serving(t.Context())
	if err != nil || two.Slot == one.Slot {
		t.Errorf("the second serves in slot %d, %v", two.Slot, err)
	}
	if got := c.count(t, `plant.search_vectors where slot = $1`, two.Slot); got != agents+1 {
		t.Errorf("the second one has %d vectors", got)
	}
	before.models.forget()
	if _, err := before.models.Serving(t.Context()); !errors.Is(err, embedding.ErrUnavailable) {
		t.Errorf("the first one still serves: %v", err)
	}
	if got := c.count(t, `plant.embedding_models where state = 'serving'`); got != 1 {
		t.Errorf("%d models serve", got)
	}
}

// F18: while the provider fails, texts wait, and nothing of what was made before is lost.
func TestF18_ProviderFails(t *testing.T) {
	t.Parallel()
	c := start(t, 3)
	p := &provider{name: "p"}
	x := c.indexer(t, p)
	run(t, x)
	p.fails = func([]string) error { return embedding.ErrUnavailable }
	id := c.write(t, "Later")
	x.Soon(t.Context())
	if _, err := x.Run(t.Context()); !errors.Is(err, embedding.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if got := c.count(t, `plant.search_pending where id = $1`, id); got == 0 {
		t.Error("the text is forgotten")
	}
	if got := c.count(t, `plant.search_vectors`); got != 3 {
		t.Errorf("%d vectors are left of 3", got)
	}
	p.fails = nil
	if got := run(t, x); got.Embedded != 1 || !got.Done || c.count(t, `plant.search_vectors where id = $1`, id) != 1 {
		t.Errorf("when it is back: %+v", got)
	}
}

// A text that the provider refuses has no vector, is not asked for again, and keeps no other from having one.
func TestRun_RefusedText(t *testing.T) {
	t.Parallel()
	c := start(t, 3)
	c.write(t, "Refused")
	p := &provider{name: "p", fails: func(texts []string) error {
		if strings.Contains(strings.Join(texts, " "), "Refused") {
			return fmt.Errorf("%w: %w", embedding.ErrUnavailable, embedding.ErrRefused)
		}
		return nil
	}}
	x := c.indexer(t, p)
	if got := run(t, x); !got.Done || got.Model != "p" {
		t.Errorf("got %+v", got)
	}
	if with, without := c.count(t, `plant.search_vectors where vector is not null`), c.count(t, `plant.search_vectors where vector is null`); with != 3 || without != 1 {
		t.Errorf("%d vectors, and %d texts without", with, without)
	}
}

// A text that is written anew, but says the same, is not embedded again.
func TestRun_WrittenAgain(t *testing.T) {
	t.Parallel()
	const agents = 3
	c := start(t, agents)
	p := &provider{name: "p"}
	x := c.indexer(t, p)
	run(t, x)
	c.Exec(t, `insert into plant.search_pending (id) select id from plant.agents`)
	c.write(t, "Another")
	if got := run(t, x); got.Embedded != 1 || !got.Done || p.texts.Load() != agents+1 {
		t.Errorf("got %+v, and %d texts were embedded in all", got, p.texts.Load())
	}
}

// What another process is just at is not waited for.
func TestRun_SkipsLockedRows(t *testing.T) {
	t.Parallel()
	const agents = 3
	c := start(t, agents)
	x := c.indexer(t, &provider{name: "p"})
	err := c.InTx(t.Context(), func(ctx context.Context, tx database.Tx) error {
		if _, err := database.Exec(ctx, tx, `select from plant.search_pending order by seq limit 1 for update`); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if report, err := x.Run(ctx); err != nil || report.Embedded != agents-1 || report.Done || report.Model != "" {
			t.Errorf("meanwhile: %+v, %v", report, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := run(t, x); got.Embedded != 1 || !got.Done {
		t.Errorf("then: %+v", got)
	}
}

// A model does not take over while a text has no vector of it: one that was written by who did not see it yet.
func TestRun_WrittenWhileBegun(t *testing.T) {
	t.Parallel()
	c := start(t, 3)
	var once sync.Once
	x := c.indexer(t, &provider{name: "p", fails: func([]string) error {
		once.Do(func() {
			id := c.write(t, "Unseen")
			c.Exec(t, `delete from plant.search_pending where id = $1`, id)
		})
		return nil
	}})
	if got := run(t, x); got.Done || got.Model != "" {
		t.Errorf("got %+v", got)
	}
	if got := run(t, x); got.Embedded != 1 || !got.Done || got.Model != "p" {
		t.Errorf("then: %+v", got)
	}
}

// Texts that have nothing in common are far from each other, whatever is usual with the provider.
func TestNewModels_Baseline(t *testing.T) {
	t.Parallel()
	vertex := embedding.Config{Provider: "vertex", Project: "p", Location: "l", Timeout: time.Second, Batch: 1, Parallel: 1}
	for _, test := range []struct {
		embedding embedding.Config
		asked     float64
		want      float64 // -1: refused
	}{
		{embedding.Config{Provider: "local"}, -1, 0}, {vertex, -1, 0.5}, {vertex, 0, 0}, {vertex, 0.7, 0.7}, {vertex, 1, -1}, {vertex, math.NaN(), -1},
	} {
		models, err := NewModels(t.Context(), nil, Config{Embedding: test.embedding, Baseline: test.asked}, slog.New(slog.DiscardHandler))
		if err != nil {
			if test.want >= 0 {
				t.Errorf("%s, %v: %v", test.embedding.Provider, test.asked, err)
			}
			continue
		}
		t.Cleanup(models.Close)
		if got := models.Baseline(); got != test.want {
			t.Errorf("%s, %v: got %v, want %v", test.embedding.Provider, test.asked, got, test.want)
		}
	}
}

// A provider that refuses whatever it is asked is at fault, not the texts: nothing takes over with no vector at all.
func TestRun_RefusesEverything(t *testing.T) {
	t.Parallel()
	c := start(t, 3)
	p := &provider{name: "p", fails: func([]string) error { return fmt.Errorf("%w: %w", embedding.ErrUnavailable, embedding.ErrRefused) }}
	x := c.indexer(t, p)
	if report, err := x.Run(t.Context()); !errors.Is(err, embedding.ErrUnavailable) || report.Done || report.Model != "" {
		t.Errorf("got %+v, %v", report, err)
	}
	p.fails = nil
	if got := run(t, x); got.Embedded != 3 || !got.Done {
		t.Errorf("when it is mended: %+v", got)
	}
}

// A text that is changed while its vector is made keeps the vector of what it says now.
func TestRun_ChangedMeanwhile(t *testing.T) {
	t.Parallel()
	c := start(t, 0)
	quick := c.indexer(t, &provider{name: "p"})
	id := c.write(t, "Before")
	run(t, quick)
	c.Exec(t, `update plant.agents set name = 'Meanwhile' where id = $1`, id)
	var once sync.Once
	slow := c.indexer(t, &provider{name: "p", fails: func([]string) error {
		once.Do(func() {
			c.Exec(t, `update plant.agents set name = 'After' where id = $1`, id)
			run(t, quick)
		})
		return nil
	}})
	run(t, slow)
	if got := c.count(t, `plant.search_vectors where id = $1 and (vector::vector::real[])[ascii('A') + 1] = 1`, id); got != 1 {
		t.Error("the vector is of what the text said before")
	}
}

// A change that was embedded by who did not see the model that is being built is in it when it takes over.
func TestRun_ChangedUnseen(t *testing.T) {
	t.Parallel()
	c := start(t, 0)
	id := c.write(t, "Before")
	before, after := c.indexer(t, &provider{name: "first"}), c.indexer(t, &provider{name: "second"})
	run(t, before)
	if _, err := after.store.begin(t.Context(), beginning{slot: 1, name: "second", texts: 1}); err != nil {
		t.Fatal(err)
	}
	c.Exec(t, `insert into plant.search_pending (id) values ($1)`, id)
	for _, x := range []*Indexer{after, before} { // each sees only its own
		if _, _, err := x.embed(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		c.Exec(t, `update plant.agents set name = 'After' where id = $1 and name <> 'After'`, id)
	}
	for range 3 {
		run(t, after)
	}
	if got := c.count(t, `plant.search_vectors v join plant.embedding_models m using (slot) where m.name = 'second' and m.state = 'serving' and v.digest = (
		select o.digest from plant.search_vectors o join plant.embedding_models n using (slot) where n.name = 'first' and o.id = v.id)`); got != 1 {
		t.Error("the new model has missed the change")
	}
}

// A model of a provider that nobody is configured for any more makes room for that of another.
func TestRun_AnotherProviderMeanwhile(t *testing.T) {
	t.Parallel()
	c := start(t, 3)
	left := &provider{name: "left", fails: func([]string) error { return embedding.ErrUnavailable }}
	if _, err := c.indexer(t, left).Run(t.Context()); !errors.Is(err, embedding.ErrUnavailable) {
		t.Fatal(err)
	}
	if got := run(t, c.indexer(t, &provider{name: "taken"})); got.Model != "taken" || !got.Done {
		t.Errorf("got %+v", got)
	}
}

// Several that index at once share the work: no text is embedded twice, and none is left out.
func TestRun_Together(t *testing.T) {
	t.Parallel()
	const agents = 3*batch + 7
	c := start(t, 0)
	c.Exec(t, `insert into plant.agents (id, owner_issuer, owner, name, specialization, industry, hourly_rate)
		select gen_random_uuid(), 'i', 'ada', 'Agent ' || n, 'Work', 'sales', 85 from generate_series(1, $1::int) n`, agents)
	p := &provider{name: "p"}
	first := c.indexer(t, p)
	if _, err := first.store.begin(t.Context(), beginning{name: p.name, texts: agents}); err != nil {
		t.Fatal(err)
	}
	c.Exec(t, `delete from plant.search_pending where seq not in (select min(seq) from plant.search_pending group by id)`)
	var group sync.WaitGroup
	for range 3 {
		x := c.indexer(t, p)
		group.Go(func() {
			for done := false; !done && t.Context().Err() == nil; {
				n, _, err := x.embed(t.Context(), batch)
				if err != nil {
					t.Error(err)
					return
				}
				done = n == 0
			}
		})
	}
	group.Wait()
	run(t, first)
	if got := p.texts.Load(); got != agents {
		t.Errorf("%d texts were embedded, want %d", got, agents)
	}
	if got := c.count(t, `plant.search_vectors`); got != agents {
		t.Errorf("%d vectors, want %d", got, agents)
	}
}

// Who has written a text waits for its vector, with all who write at the same time, but not for a provider that hangs.
func TestSoon(t *testing.T) {
	t.Parallel()
	c := start(t, 1)
	p := &provider{name: "p"}
	x := c.indexer(t, p)
	run(t, x)
	var ids []uuid.UUID
	for i := range 20 {
		ids = append(ids, c.write(t, fmt.Sprintf("Quick %d", i)))
	}
	var group sync.WaitGroup
	for range ids {
		group.Go(func() { x.join(t.Context()) })
	}
	group.Wait()
	<-x.join(t.Context())
	if got := c.count(t, `plant.search_vectors where id = any ($1)`, ids); got != len(ids) {
		t.Errorf("%d of %d have a vector", got, len(ids))
	}

	p.hangs = make(chan struct{})
	id := c.write(t, "Slow")
	begin := time.Now()
	x.Soon(t.Context())
	if took := time.Since(begin); took < patience || took > 10*patience {
		t.Errorf("waited %v, want about %v", took, patience)
	}
	close(p.hangs)
	<-x.join(t.Context())
	if got := c.count(t, `plant.search_vectors where id = $1`, id); got != 1 {
		t.Error("the text has no vector when the provider is back")
	}
}

// A model is learnt from the texts, and anew when the catalogue has become another. Damaged, it is no model.
func TestRun_Learns(t *testing.T) {
	t.Parallel()
	c := start(t, 5)
	x := c.indexer(t, nil)
	first := run(t, x)
	if !strings.HasPrefix(first.Model, "local-") || !first.Done {
		t.Fatalf("got %+v", first)
	}
	c.write(t, "One more")
	if got := run(t, x); got.Model != first.Model {
		t.Errorf("one more text made another model: %+v", got)
	}
	c.Exec(t, `insert into plant.skills (id, name, category) select gen_random_uuid(), 'Skill of kind ' || n, 'technical' from generate_series(1, 60) n`)
	if got := run(t, x); got.Model == first.Model || !got.Done {
		t.Errorf("ten times the texts made no other model: %+v", got)
	}
	c.Exec(t, `update plant.embedding_models set learnt = substr(learnt, 1, length(learnt) - 1) where state = 'serving'`)
	damaged := c.indexer(t, nil)
	if _, err := damaged.models.Serving(t.Context()); !errors.Is(err, embedding.ErrUnavailable) {
		t.Errorf("a damaged model serves: %v", err)
	}
	if got := run(t, damaged); got.Model == "" || !got.Done {
		t.Errorf("none takes the place of a damaged model: %+v", got)
	}
}
