package embedding

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/waooaw/plant/shared/cache"
	"github.com/waooaw/plant/shared/config"
)

// Config says what makes the vectors. Another model, or other vectors of the same, is another Model.
type Config struct {
	// Provider is local, vertex or openai: any endpoint that speaks OpenAI's API, such as Ollama, TEI or vLLM.
	Provider string `env:"EMBEDDING_PROVIDER, default=local"`
	// Model of the provider, which has to make vectors of Dimensions numbers.
	Model string `env:"EMBEDDING_MODEL"`
	// URL of the endpoint, up to /v1/embeddings; for vertex where it is not Google's own.
	URL string `env:"EMBEDDING_URL"`
	// Key is sent as a bearer token. Vertex takes the function's service account instead.
	Key config.Rotating `env:"EMBEDDING_KEY"`
	// Project and Location of vertex.
	Project  string `env:"GOOGLE_CLOUD_PROJECT"`
	Location string `env:"EMBEDDING_LOCATION"`
	// SendDimensions asks an openai endpoint for vectors of Dimensions numbers, which not every model can make.
	SendDimensions bool `env:"EMBEDDING_SEND_DIMENSIONS, default=false"`
	// DocumentPrefix and QueryPrefix go before each text, for models that tell the two by it.
	DocumentPrefix string `env:"EMBEDDING_DOCUMENT_PREFIX"`
	QueryPrefix    string `env:"EMBEDDING_QUERY_PREFIX"`
	// MaxCharacters of a text are embedded, for endpoints that refuse what is longer. 0 is all.
	MaxCharacters int `env:"EMBEDDING_MAX_CHARACTERS, default=0"`
	// Timeout of one request to the provider.
	Timeout time.Duration `env:"EMBEDDING_TIMEOUT, default=10s"`
	// Batch is how many texts an openai endpoint is sent at once.
	Batch int `env:"EMBEDDING_BATCH, default=32"`
	// Parallel bounds the requests that one Embed makes at a time.
	Parallel int `env:"EMBEDDING_PARALLEL, default=8"`
}

// New returns the embedder that is configured, behind the cache. It reaches for nothing yet, so it fails only on a malformed
// configuration; the error never holds the key. Local makes the local model, which is not cached.
func New(ctx context.Context, cfg Config, local func(context.Context) (Embedder, error), kept cache.Cache, log *slog.Logger) (Embedder, error) {
	if cfg.Provider == "local" {
		return local(ctx)
	}
	r, err := newRemote(cfg, log)
	if err != nil {
		return nil, err
	}
	return Cached(r, kept), nil
}

func newRemote(cfg Config, log *slog.Logger) (*remote, error) {
	if cfg.Timeout <= 0 || cfg.Batch <= 0 || cfg.Parallel <= 0 || cfg.MaxCharacters < 0 {
		return nil, errors.New("EMBEDDING_TIMEOUT, EMBEDDING_BATCH and EMBEDDING_PARALLEL have to be above 0, EMBEDDING_MAX_CHARACTERS not below")
	}
	switch cfg.Provider {
	case "vertex":
		p, err := newVertex(cfg)
		if err != nil {
			return nil, err
		}
		return guard(cfg, p, log), nil
	case "openai":
		p, err := newOpenAI(cfg)
		if err != nil {
			return nil, err
		}
		return guard(cfg, p, log), nil
	default:
		return nil, errors.New("EMBEDDING_PROVIDER is none of local, vertex and openai")
	}
}

// modelName names the vectors that are made of texts in the configured form.
func (c Config) modelName(model string) string {
	name := c.Provider + ":" + model
	if c.DocumentPrefix == "" && c.QueryPrefix == "" && c.MaxCharacters == 0 && !c.SendDimensions {
		return name
	}
	form := sha256.Sum256(fmt.Appendf(nil, "%q %q %d %t", c.DocumentPrefix, c.QueryPrefix, c.MaxCharacters, c.SendDimensions))
	return name + "+" + hex.EncodeToString(form[:4])
}

// text is what is sent of a text.
func (c Config) text(kind Kind, text string) string {
	if c.MaxCharacters > 0 {
		n := 0
		for i := range text {
			if n++; n > c.MaxCharacters {
				text = text[:i]
				break
			}
		}
	}
	if kind == Query {
		return c.QueryPrefix + text
	}
	return c.DocumentPrefix + text
}

// baseURL returns where the endpoint is, without /v1. What is secret is sent under TLS only, or to this machine. The error
// does not repeat the URL.
func (c Config) baseURL(secret bool) (string, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("EMBEDDING_URL has to be a plain http or https URL")
	case secret && u.Scheme == "http" && !isLoopback(u.Hostname()):
		return "", errors.New("a key or token is sent only to an https EMBEDDING_URL, or to this machine")
	}
	return strings.TrimSuffix(strings.TrimSuffix(c.URL, "/"), "/v1"), nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
