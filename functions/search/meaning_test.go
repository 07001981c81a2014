package search

import (
	"context"
	"encoding/json"
	"hash/fnv"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/embedding"
	"github.com/waooaw/plant/shared/httpapi/apitest"
	"github.com/waooaw/plant/shared/indexing"
)

// meaningful is the search function with a provider out there, and what makes the vectors of what is written.
type meaningful struct {
	service
	indexer *indexing.Indexer
	away    *atomic.Bool // the provider fails
}

// fakeModel is the model of that provider.
const fakeModel = "fake-of-words"

// synonyms mean the same to the provider, which takes every other word for something of its own.
var synonyms = map[string]string{"lawyer": "attorney", "pact": "contract", "physician": "doctor"}

// directionOf is the vector that the provider makes of a text: one axis for each of its words.
func directionOf(text string) []float32 {
	v := make([]float32, embedding.Dimensions)
	for _, word := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return strings.ContainsRune(" \n.,", r) }) {
		if same, ok := synonyms[word]; ok {
			word = same
		}
		hash := fnv.New32a()
		_, _ = hash.Write([]byte(word))
		v[hash.Sum32()%embedding.Dimensions]++
	}
	return v
}

func startMeaningful(t *testing.T) meaningful {
	t.Helper()
	away := &atomic.Bool{}
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			w.WriteHeader(http.StatusForbidden) // not worth another try
			return
		}
		var asked struct{ Input []string }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		type one struct {
			Index     int       `json:"index"`
			Embedding []float32 `json:"embedding"`
		}
		var answer struct {
			Data  []one  `json:"data"`
			Model string `json:"model"`
		}
		answer.Model = fakeModel
		for i, text := range asked.Input {
			answer.Data = append(answer.Data, one{i, directionOf(text)})
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(provider.Close)
	settings := func(ctx context.Context) (indexing.Config, error) {
		cfg, err := config.Load[indexing.Config](ctx)
		cfg.Embedding.Provider, cfg.Embedding.URL, cfg.Embedding.Model = "openai", provider.URL, fakeModel
		return cfg, err
	}
	s := apitest.Start(t, functionOf(settings))
	log := slog.New(slog.NewJSONHandler(s.Log, nil))
	models, err := indexing.Open(s.DB.DB, settings, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(models.Close)
	return meaningful{service{s}, indexing.New(models, log), away}
}

// index makes the vectors of all that was written, and returns the name of the model that made them.
func (m meaningful) index(t testing.TB) string {
	t.Helper()
	report, err := m.indexer.Run(t.Context())
	if err != nil || !report.Done {
		t.Fatalf("indexed %+v: %v", report, err)
	}
	return report.Model
}
