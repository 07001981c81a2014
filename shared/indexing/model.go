// Package indexing makes the vectors that search compares, and the models that make them.
//
// The words of a text are indexed by the database, in the text's own transaction. Its vector comes after: soon, by whoever
// wrote the text, and at the latest by scheduled work. One model serves; the next is built beside it, and takes over when
// it has every text.
package indexing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/waooaw/plant/shared/cache"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/embedding"
	"github.com/waooaw/plant/shared/embedding/local"
)

// Model is what makes vectors, and the slot that they are kept in. Vectors of two slots are never compared.
type Model struct {
	Slot int
	embedding.Embedder
}

// Config says what makes vectors, and where those of queries are kept.
type Config struct {
	Embedding embedding.Config
	Cache     cache.Config
	// Baseline is the cosine of texts that have nothing in common, to the model. Below 0 it is what is usual with the
	// provider: about 0.5 with Gemini's models, and else 0.
	Baseline float64 `env:"EMBEDDING_BASELINE, default=-1"`
}

// trust is how long it is taken for granted that a model serves. A slot that was left keeps its vectors for longer.
const trust = 5 * time.Second

// Models knows which model serves. It is safe for concurrent use.
type Models struct {
	cfg    Config
	store  indexStore
	kept   cache.Cache
	remote embedding.Embedder // the configured provider; nil is the model that is learnt from the texts
	log    *slog.Logger
	now    func() time.Time

	mu     sync.Mutex
	known  map[string]*local.Model // by name: those that are in use
	live   []Model
	states []modelRow
	read   time.Time
}

// Open returns the models that the settings say. Where only the function's document is wanted, db is nil, and so are they.
func Open(db *database.DB, settings func(context.Context) (Config, error), log *slog.Logger) (*Models, error) {
	if db == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), settingsTime)
	defer cancel()
	cfg, err := settings(ctx)
	if err != nil {
		return nil, err
	}
	return NewModels(ctx, db, cfg, log)
}

// settingsTime bounds the reading of settings, of which some may be secrets elsewhere.
const settingsTime = 10 * time.Second

// NewModels returns the models of the configured provider. It reaches for nothing. Close them in the end.
func NewModels(ctx context.Context, db *database.DB, cfg Config, log *slog.Logger) (*Models, error) {
	switch {
	case !(cfg.Baseline < 1):
		return nil, errors.New("EMBEDDING_BASELINE has to be below 1")
	case cfg.Baseline < 0 && cfg.Embedding.Provider == "vertex":
		cfg.Baseline = 0.5
	case cfg.Baseline < 0:
		cfg.Baseline = 0
	}
	kept, err := cache.New(cfg.Cache, log)
	if err != nil {
		return nil, err
	}
	learnt := func(context.Context) (embedding.Embedder, error) { return nil, nil }
	remote, err := embedding.New(ctx, cfg.Embedding, learnt, kept, log)
	if err != nil {
		kept.Close()
		return nil, fmt.Errorf("choose an embedding model: %w", err)
	}
	return &Models{cfg: cfg, store: indexStore{db}, kept: kept, remote: remote, log: log, now: time.Now, known: map[string]*local.Model{}}, nil
}

// Close lets go of what is kept.
func (m *Models) Close() {
	if m != nil {
		m.kept.Close()
	}
}

// Baseline is the cosine of texts that have nothing in common.
func (m *Models) Baseline() float64 { return m.cfg.Baseline }

// Serving returns the model whose vectors are compared. Where none of the configured provider's serves yet, that is
// embedding.ErrUnavailable.
func (m *Models) Serving(ctx context.Context) (Model, error) {
	live, states, err := m.alive(ctx)
	if err != nil {
		return Model{}, err
	}
	for i, model := range live {
		if states[i].State == serving {
			return model, nil
		}
	}
	return Model{}, fmt.Errorf("%w: no model serves yet", embedding.ErrUnavailable)
}

// alive returns the models of the configured provider that texts are embedded with: the one that serves, and the one that
// is being built.
func (m *Models) alive(ctx context.Context) ([]Model, []modelRow, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now().Sub(m.read) < trust {
		return m.live, m.states, nil
	}
	rows, err := m.store.models(ctx)
	if err != nil {
		return nil, nil, err
	}
	var live []Model
	var states []modelRow
	known := map[string]*local.Model{}
	for _, row := range rows {
		var e embedding.Embedder
		switch {
		case m.remote != nil && m.remote.Model() == row.Name:
			e = m.remote
		case m.remote == nil && row.Learnt:
			model, ok := m.known[row.Name]
			if !ok {
				model, err = m.store.learnt(ctx, row.Slot, row.Name)
				if errors.Is(err, local.ErrDamaged) { // of another version, say: scheduled work learns anew
					m.log.ErrorContext(ctx, "a model cannot be read", "error", err)
					continue
				}
				if err != nil {
					return nil, nil, err
				}
			}
			e, known[row.Name] = model, model
		default:
			continue // another provider's
		}
		live, states = append(live, Model{Slot: row.Slot, Embedder: e}), append(states, row)
	}
	m.live, m.states, m.known, m.read = live, states, known, m.now()
	return live, states, nil
}

// forget has the models read anew.
func (m *Models) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.read = time.Time{}
}
