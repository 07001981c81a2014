// Package cache keeps values that can be made again: in Redis for all instances together, or in this process.
//
// A cache never fails its caller. What cannot be had of it, or cannot be believed, is a miss.
package cache

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"log/slog"
	"time"

	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/redis"
)

// Config says where values are kept.
type Config struct {
	// Redis keeps them for all instances, where it is there and Key is set.
	Redis redis.Config
	// Key signs what is kept in Redis, the same for all instances: what anybody else has put there is a miss. At least
	// minKeyBytes.
	Key config.Secret `env:"CACHE_KEY"`
	// Bytes is how much is kept in this process, where it is not in Redis.
	Bytes int `env:"CACHE_BYTES, default=4194304"`
}

// minKeyBytes is the size of a key that is not guessed.
const minKeyBytes = 16

// Key names a value. Make it of all that the value depends on.
type Key [sha256.Size]byte

// KeyOf returns the key of a list of texts: another for every other list.
func KeyOf(parts ...string) Key {
	hash := sha256.New()
	var length [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		hash.Write(length[:])
		hash.Write([]byte(part))
	}
	return Key(hash.Sum(nil))
}

// Entry is a value under its key.
type Entry struct {
	Key   Key
	Value []byte
}

// Cache keeps values. It is safe for concurrent use.
type Cache interface {
	// Get returns a value a key, nil where there is none. The values may not be changed.
	Get(ctx context.Context, keys []Key) [][]byte
	// Set keeps values for so long, or shorter. They may not be changed afterwards.
	Set(ctx context.Context, life time.Duration, entries []Entry)
	// Close lets go of connections. After it nothing is found in Redis.
	Close()
}

// New returns the cache that is configured. It connects when first used, so it fails only on a malformed configuration;
// the error holds neither the key nor the URL.
func New(cfg Config, log *slog.Logger) (Cache, error) { return newCache(cfg, log, time.Now) }

func newCache(cfg Config, log *slog.Logger, now func() time.Time) (Cache, error) {
	switch {
	case cfg.Bytes < 0:
		return nil, errors.New("CACHE_BYTES cannot be negative")
	case cfg.Redis.URL == "" || cfg.Key == "":
		return newLocal(cfg.Bytes, now), nil
	case len(cfg.Key) < minKeyBytes:
		return nil, errors.New("CACHE_KEY is shorter than 16 bytes")
	}
	return newShared(cfg, log, now)
}
