package embedding

import (
	"context"
	"strconv"
	"time"

	"github.com/waooaw/plant/shared/cache"
)

// cacheLife is how long vectors are kept.
const cacheLife = 24 * time.Hour

// cached keeps the vectors of texts.
type cached struct {
	Embedder
	vectors cache.Loader[[]float32]
}

// Cached returns an embedder that asks e only for texts whose vectors are not kept, each once however many want it at the
// time. Who no longer waits is ErrUnavailable's; the vectors are kept all the same, where they come within a second. They
// are shared: nobody may change them.
func Cached(e Embedder, kept cache.Cache) Embedder {
	return &cached{Embedder: e, vectors: cache.Loader[[]float32]{Cache: kept, Life: cacheLife, Encode: encode, Decode: decode}}
}

// Embed implements Embedder.
func (c *cached) Embed(ctx context.Context, kind Kind, texts []string) ([][]float32, error) {
	keys := make([]cache.Key, len(texts))
	for i, text := range texts {
		keys[i] = cache.KeyOf("embedding", c.Model(), strconv.Itoa(int(kind)), text)
	}
	vectors, err := c.vectors.Get(ctx, keys, func(ctx context.Context, missing []int) ([][]float32, error) {
		asked := make([]string, len(missing))
		for n, i := range missing {
			asked[n] = texts[i]
		}
		return c.Embedder.Embed(ctx, kind, asked)
	})
	if err != nil && ctx.Err() != nil && !gone(ctx) {
		return nil, unavailable(context.DeadlineExceeded)
	}
	return vectors, err
}
