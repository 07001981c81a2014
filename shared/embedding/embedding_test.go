package embedding

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sethvargo/go-envconfig"

	"github.com/waooaw/plant/shared/cache"
	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/localgoogle"
)

func newCache(t testing.TB) cache.Cache {
	t.Helper()
	kept, err := cache.New(cache.Config{Bytes: 4 << 20}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

// model is an embedder in this process.
type model struct {
	name  string
	mu    sync.Mutex
	asked []string
	err   error
}

func (m *model) Model() string { return m.name }

func (m *model) Embed(_ context.Context, kind Kind, texts []string) ([][]float32, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, texts...)
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		vectors[i] = vectorOf(kind, m.name+text)
		Normalize(vectors[i])
	}
	return vectors, m.err
}

func TestConfig(t *testing.T) {
	t.Parallel()
	got, err := config.LoadFrom[Config](t.Context(), envconfig.MapLookuper(nil))
	if want := (Config{Provider: "local", Timeout: 10 * time.Second, Batch: 32, Parallel: 8}); err != nil || !cmp.Equal(want, got, cmp.AllowUnexported(config.Rotating{})) {
		t.Errorf("got %+v, %v", got, err)
	}
	usual := func(change func(*Config)) Config {
		cfg := got
		change(&cfg)
		return cfg
	}
	key := config.Literal(secretKey)
	for name, test := range map[string]struct {
		cfg  Config
		want string
	}{
		"no such provider":      {usual(func(c *Config) { c.Provider = "marker" }), "EMBEDDING_PROVIDER"},
		"no time":               {usual(func(c *Config) { c.Provider, c.Timeout = "openai", 0 }), "EMBEDDING_TIMEOUT"},
		"vertex nowhere":        {usual(func(c *Config) { c.Provider, c.Project = "vertex", "p" }), "EMBEDDING_LOCATION"},
		"no model":              {usual(func(c *Config) { c.Provider, c.URL = "openai", "http://localhost" }), "EMBEDDING_MODEL"},
		"no URL":                {usual(func(c *Config) { c.Provider, c.Model = "openai", "m" }), "EMBEDDING_URL"},
		"URL with a password":   {usual(func(c *Config) { c.Provider, c.Model, c.URL = "openai", "m", "https://u:marker@x" }), "EMBEDDING_URL"},
		"URL of a file":         {usual(func(c *Config) { c.Provider, c.Model, c.URL = "openai", "m", "file:///marker" }), "EMBEDDING_URL"},
		"key in the clear":      {usual(func(c *Config) { c.Provider, c.Model, c.URL, c.Key = "openai", "m", "http://marker", key }), "https"},
		"token in the clear":    {usual(func(c *Config) { c.Provider, c.Project, c.Location, c.URL = "vertex", "p", "l", "http://marker" }), "https"},
		"no key, in the clear":  {usual(func(c *Config) { c.Provider, c.Model, c.URL = "openai", "m", "http://tei:80" }), ""},
		"key, to this machine":  {usual(func(c *Config) { c.Provider, c.Model, c.URL, c.Key = "openai", "m", "http://[::1]:80", key }), ""},
		"key, under encryption": {usual(func(c *Config) { c.Provider, c.Model, c.URL, c.Key = "openai", "m", "https://api.openai.com/v1", key }), ""},
		"vertex":                {usual(func(c *Config) { c.Provider, c.Project, c.Location = "vertex", "p", "asia-south1" }), ""},
	} {
		_, err := New(t.Context(), test.cfg, nil, newCache(t), slog.New(slog.DiscardHandler))
		switch {
		case test.want == "" && err != nil, test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v", name, err)
		case err != nil:
			wantSilent(t, err, &logged{})
		}
	}
}

// The local model is whoever makes it.
func TestNew_Local(t *testing.T) {
	t.Parallel()
	mine := &model{name: "local:1"}
	got, err := New(t.Context(), Config{Provider: "local"}, func(context.Context) (Embedder, error) { return mine, nil }, nil, nil)
	if err != nil || got != Embedder(mine) {
		t.Errorf("got %v, %v", got, err)
	}
}

// As in the cloud: the service account's token, under TLS to the region's own address, and one token for many requests.
func TestVertex_AsInTheCloud(t *testing.T) {
	t.Parallel()
	f := &fake{t: t, kind: "vertex"}
	tokens := map[string]bool{}
	var mu sync.Mutex
	google.Vertex = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		tokens[r.Header.Get("Authorization")] = true
		mu.Unlock()
		if r.Host != "asia-south1-aiplatform.googleapis.com" || r.TLS == nil {
			t.Errorf("%s was asked", r.Host)
		}
		w.Header().Set("Content-Type", "application/json")
		f.vertex(w, r)
	})
	r, err := newRemote(Config{
		Provider: "vertex", Project: localgoogle.Project, Location: "asia-south1", Timeout: time.Minute, Batch: 1, Parallel: 2,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer r.provider.(*vertex).http.CloseIdleConnections()
	vectors, err := r.Embed(t.Context(), Query, texts(5))
	if err != nil || len(vectors) != 5 || len(tokens) != 1 {
		t.Errorf("%d vectors, %v, with %d tokens", len(vectors), err, len(tokens))
	}
}

// Other vectors are another model's.
func TestD21_ModelNamesTheVectors(t *testing.T) {
	t.Parallel()
	base := Config{Provider: "openai", Model: "m", URL: "http://localhost", Timeout: 1, Batch: 1, Parallel: 1}
	names := map[string]bool{}
	for _, change := range []func(*Config){
		func(*Config) {},
		func(c *Config) { c.Model = "m2" },
		func(c *Config) { c.DocumentPrefix = "passage: " },
		func(c *Config) { c.QueryPrefix = "passage: " },
		func(c *Config) { c.MaxCharacters = 100 },
		func(c *Config) { c.Provider, c.Project, c.Location = "vertex", "p", "l" },
	} {
		cfg := base
		change(&cfg)
		r, err := newRemote(cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		if names[r.Model()] {
			t.Errorf("%s is two models", r.Model())
		}
		names[r.Model()] = true
	}
	if !names["openai:m"] || !names["vertex:m"] {
		t.Errorf("got %v", names)
	}
}

// Texts are sent in the configured form, whole characters of them.
func TestEmbed_FormOfTexts(t *testing.T) {
	t.Parallel()
	bubbles(t, func(t *testing.T, provider string) {
		r, f, _, _ := start(t, Config{Provider: provider, DocumentPrefix: "passage: ", QueryPrefix: "query: ", MaxCharacters: 3, SendDimensions: true})
		for _, kind := range []Kind{Document, Query} {
			if _, err := r.Embed(t.Context(), kind, []string{"हिन्दी"}); err != nil {
				t.Error(err)
			}
		}
		if want := []string{"passage: हिन", "query: हिन"}; !slices.Equal(want, f.texts) {
			t.Errorf("sent %q", f.texts)
		}
	})
}

// Only texts whose vectors are not kept are asked for; another model's, and those of the other kind, are not these.
func TestCached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kept := newCache(t)
		first, second := &model{name: "a"}, &model{name: "b"}
		for _, step := range []struct {
			of    *model
			kind  Kind
			texts []string
			asked []string
		}{
			{first, Document, []string{"x", "y", "x"}, []string{"x", "y"}},
			{first, Document, []string{"y", "z", "x"}, []string{"z"}},
			{first, Query, []string{"x"}, []string{"x"}},
			{second, Query, []string{"x"}, []string{"x"}},
			{second, Query, []string{"x"}, nil},
			{second, Query, nil, nil},
		} {
			step.of.asked = nil
			got, err := Cached(step.of, kept).Embed(t.Context(), step.kind, step.texts)
			if err != nil || !slices.Equal(step.asked, step.of.asked) {
				t.Errorf("%+v: %v, asked for %q", step.texts, err, step.of.asked)
			}
			for i, text := range step.texts {
				want := vectorOf(step.kind, step.of.name+text)
				Normalize(want)
				if !slices.Equal(want, got[i]) {
					t.Errorf("%s has another vector", text)
				}
			}
		}
		time.Sleep(cacheLife)
		first.asked = nil
		if _, err := Cached(first, kept).Embed(t.Context(), Document, []string{"x"}); err != nil || len(first.asked) != 1 {
			t.Errorf("after a day: %v, asked for %q", err, first.asked)
		}
	})
}

// A failure is told, and not kept.
func TestCached_Failure(t *testing.T) {
	t.Parallel()
	m := &model{name: "a", err: unavailable(wrong("nonsense"))}
	e := Cached(m, newCache(t))
	if _, err := e.Embed(t.Context(), Query, []string{"x"}); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	m.err = nil
	if _, err := e.Embed(t.Context(), Query, []string{"x"}); err != nil {
		t.Error(err)
	}
}

func BenchmarkCached(b *testing.B) {
	e := Cached(&model{name: "a"}, newCache(b))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Embed(b.Context(), Query, []string{"somebody who writes campaigns"}); err != nil {
			b.Fatal(err)
		}
	}
}
