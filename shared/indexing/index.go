package indexing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/embedding"
	"github.com/waooaw/plant/shared/embedding/local"
)

const (
	// batch is how many texts are embedded in one transaction.
	batch = 128
	// patience is how long who has written a text waits for its vector.
	patience = 300 * time.Millisecond
	// growth of the catalogue, in parts of it, after which a new model is learnt from it; and how many texts at the least.
	growth, growthTexts = 0.2, 50
)

// Indexer makes the vectors of texts that have none. It is safe for concurrent use.
type Indexer struct {
	models *Models
	store  indexStore
	log    *slog.Logger

	mu    sync.Mutex
	round chan struct{} // closed when the round after the one that runs is done; nil where none runs
	again bool
}

// New returns an indexer that embeds with the models.
func New(models *Models, log *slog.Logger) *Indexer {
	if models == nil { // of a function of which only the document is wanted
		return nil
	}
	return &Indexer{models: models, store: models.store, log: log}
}

// Report says what a run has done.
type Report struct {
	Model    string `json:"model" doc:"the model that serves; empty where none does yet"`
	Embedded int    `json:"embedded" doc:"texts whose vectors were made"`
	Done     bool   `json:"done" doc:"nothing is left to be done; otherwise call again"`
}

// Run makes the vectors that are left to be made, lets a model that has all of them take over, counts what is frequent,
// and begins a model where one is due. It stops when the context is done, says then that it is not, and goes on where it
// was when it is called again. A provider that fails is embedding.ErrUnavailable; what was made until then is kept, and so
// it is if anything later fails.
func (x *Indexer) Run(ctx context.Context) (Report, error) {
	var report Report
	x.models.forget()
	failed := x.fill(ctx, &report)
	if err := x.store.countFrequencies(ctx); err != nil {
		failed = errors.Join(failed, fmt.Errorf("count frequencies: %w", err))
	}
	begun, err := x.begin(ctx)
	if err != nil {
		failed = errors.Join(failed, fmt.Errorf("begin a model: %w", err))
	}
	if begun && failed == nil {
		failed = x.fill(ctx, &report)
	}
	if model, err := x.models.Serving(context.WithoutCancel(ctx)); err == nil {
		report.Model = model.Model()
	}
	if failed == nil {
		return report, nil
	}
	report.Done = false
	if over(ctx, failed) {
		return report, nil
	}
	return report, failed
}

// over reports whether an error is that there is no more time.
func over(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, database.ErrUnavailable) || errors.Is(err, embedding.ErrUnavailable))
}

func (x *Indexer) fill(ctx context.Context, report *Report) error {
	report.Done = false
	live, states, err := x.models.alive(ctx)
	if err != nil {
		return err
	}
	for _, model := range live {
		if _, err := x.store.missing(ctx, model.Slot); err != nil {
			return fmt.Errorf("look for texts without a vector: %w", err)
		}
	}
	for {
		taken, made, err := x.embed(ctx, batch)
		if err != nil {
			return err
		}
		if taken == 0 {
			break
		}
		report.Embedded += made
	}
	left, err := x.store.pending(ctx)
	if err != nil || left { // another process is at it
		return err
	}
	for i, model := range live {
		if states[i].State != building {
			continue
		}
		if n, err := x.store.missing(ctx, model.Slot); err != nil || n > 0 {
			return err
		}
		if n, err := x.store.outdated(ctx, model.Slot); err != nil || n > 0 {
			return err
		}
		served, err := x.store.serve(ctx, model)
		if err != nil {
			return fmt.Errorf("let %s take over: %w", model.Model(), err)
		}
		if !served { // another process changes the models
			return nil
		}
		x.models.forget()
		x.log.InfoContext(ctx, "another model makes the vectors now", "model", model.Model())
	}
	report.Done = true
	return nil
}

// begin builds a model beside the one that serves, where that is not the configured provider's, cannot be read, or was learnt
// when the catalogue was another. One that is being built, but by no process any more that is configured so, makes room. It
// reports whether it has begun.
func (x *Indexer) begin(ctx context.Context) (bool, error) {
	texts, err := x.store.texts(ctx)
	if err != nil || texts == 0 {
		return false, err
	}
	x.models.forget()
	live, _, err := x.models.alive(ctx)
	if err != nil {
		return false, err
	}
	rows, err := x.store.models(ctx)
	if err != nil {
		return false, err
	}
	var begun beginning
	for _, row := range rows {
		alive := slices.ContainsFunc(live, func(m Model) bool { return m.Slot == row.Slot })
		switch {
		case row.State == building && alive:
			return false, nil
		case row.State == building:
			begun.slot, begun.instead = row.Slot, row.Name
		case alive && (x.models.remote != nil || !grown(row.Texts, texts)):
			return false, nil
		case begun.instead == "":
			begun.slot = 1 - row.Slot
		}
	}
	if x.models.remote != nil {
		begun.name = x.models.remote.Model()
	} else {
		model, err := local.Train(ctx, x.store.learn(ctx))
		if err != nil {
			return false, fmt.Errorf("learn from the texts: %w", err)
		}
		for _, m := range live {
			if m.Model() == model.Model() {
				return false, nil
			}
		}
		if begun.learnt, err = model.MarshalBinary(); err != nil {
			return false, err
		}
		begun.name = model.Model()
	}
	begun.texts = texts
	did, err := x.store.begin(ctx, begun)
	x.models.forget()
	return did, err
}

// grown reports whether a catalogue has become another since it had so many texts.
func grown(had, has int64) bool {
	change := max(had-has, has-had)
	return change >= growthTexts && float64(change) >= growth*float64(had)
}

// embed takes some texts that are left, and returns how many, and how many of them had no vector yet.
func (x *Indexer) embed(ctx context.Context, most int) (taken, made int, err error) {
	live, _, err := x.models.alive(ctx)
	if err != nil || len(live) == 0 {
		return 0, 0, err
	}
	err = x.store.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		var texts []textRow
		var err error
		if texts, taken, err = x.store.take(ctx, tx, most); err != nil {
			return err
		}
		made = 0
		for _, model := range live {
			n, err := x.embedWith(ctx, tx, model, texts)
			if err != nil {
				return err
			}
			made = max(made, n)
		}
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	return taken, made, nil
}

// embedWith makes the vectors that a model has not made of these texts yet, and returns how many.
func (x *Indexer) embedWith(ctx context.Context, tx database.Tx, model Model, texts []textRow) (int, error) {
	var lacking []textRow
	var asked []string
	for _, text := range texts {
		if !slices.Contains(text.Has, model.Slot) {
			lacking, asked = append(lacking, text), append(asked, text.Text)
		}
	}
	if len(lacking) == 0 {
		return 0, nil
	}
	vectors, err := model.Embed(ctx, embedding.Document, asked)
	if errors.Is(err, embedding.ErrRefused) {
		vectors, err = x.oneByOne(ctx, model, asked)
	}
	if err != nil {
		return 0, fmt.Errorf("embed %d texts: %w", len(asked), err)
	}
	return len(lacking), x.store.keep(ctx, tx, model.Slot, lacking, vectors)
}

// plainText is one that every provider takes.
const plainText = "A text."

// oneByOne embeds texts of which the provider refuses some: those have no vector, and are found by their words.
func (x *Indexer) oneByOne(ctx context.Context, model Model, texts []string) ([][]float32, error) {
	vectors := make([][]float32, len(texts))
	refused := 0
	for i, text := range texts {
		one, err := model.Embed(ctx, embedding.Document, []string{text})
		switch {
		case errors.Is(err, embedding.ErrRefused):
			refused++
			x.log.WarnContext(ctx, "the embedding provider refuses a text", "model", model.Model(), "bytes", len(text))
		case err != nil:
			return nil, err
		default:
			vectors[i] = one[0]
		}
	}
	if refused == len(texts) { // is it the texts, or does it refuse whatever it is asked?
		if _, err := model.Embed(ctx, embedding.Document, []string{plainText}); err != nil {
			return nil, fmt.Errorf("%w: it refuses all texts: %w", embedding.ErrUnavailable, err)
		}
	}
	return vectors, nil
}

// Soon makes the vectors of what was written a moment ago, and waits until they are made, or a while: what is not made by
// then, scheduled work will make. Those who come while vectors are made share the next round.
func (x *Indexer) Soon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-x.join(ctx):
	case <-ctx.Done():
	}
}

// join returns what is closed when a round is done that begins now or later.
func (x *Indexer) join(ctx context.Context) <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.round != nil {
		x.again = true
		return x.round
	}
	first := make(chan struct{})
	x.round = make(chan struct{})
	go x.rounds(context.WithoutCancel(ctx), first)
	return first
}

// rounds makes vectors until nobody waits.
func (x *Indexer) rounds(ctx context.Context, done chan struct{}) {
	for {
		x.once(ctx)
		close(done)
		x.mu.Lock()
		done = x.round
		if !x.again {
			x.round = nil
			x.mu.Unlock()
			return
		}
		x.round, x.again = make(chan struct{}), false
		x.mu.Unlock()
	}
}

// roundTime bounds a round, for its end is waited for when the process stops.
const roundTime = 5 * time.Second

func (x *Indexer) once(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, roundTime)
	defer cancel()
	if _, _, err := x.embed(ctx, batch); err != nil {
		x.log.WarnContext(ctx, "texts were not embedded after a write; scheduled work does it", "error", err)
	}
}
