package cache

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/waooaw/plant/shared/redis"
)

// inRedis is how Redis is used here. A request asks twice, for a value and to keep one: together that adds 50 ms, once,
// and then Redis is given up.
var inRedis = redis.Use{
	MaxFailures: 2,
	BufferBytes: 4 << 10,
	Fails:       "values are not cached: Redis fails",
	Works:       "values are cached in Redis again",
}

const (
	// keyPrefix names what stands under a key, and in which form.
	keyPrefix = "plant:cache:v1:"
	// sealed values begin with a version, the second until which they are good, and a MAC over these, the key and the value.
	sealVersion = 1
	timeBytes   = 8
	headBytes   = 1 + timeBytes + sha256.Size
	// maxValueBytes of one value: what is larger is neither kept nor read.
	maxValueBytes = 64 << 10
)

// shared keeps values for all instances. What it reads it believes only where it bears the MAC of this very key: Redis, and
// whoever writes to it, can forget values or bring back older ones within their life, and nothing else.
type shared struct {
	redis *redis.Redis
	key   []byte
	now   func() time.Time
}

func newShared(cfg Config, log *slog.Logger, now func() time.Time) (*shared, error) {
	r, err := redis.Open(cfg.Redis, inRedis, log, now)
	if err != nil {
		return nil, err
	}
	return &shared{redis: r, key: []byte(cfg.Key.Reveal()), now: now}, nil
}

func nameOf(key Key) string { return keyPrefix + hex.EncodeToString(key[:]) }

func (s *shared) Get(ctx context.Context, keys []Key) [][]byte {
	values := make([][]byte, len(keys))
	if len(keys) == 0 {
		return values
	}
	answers := make([]*goredis.StringCmd, len(keys))
	ok := s.redis.Do(ctx, func(ctx context.Context, client *goredis.Client) error {
		_, err := client.Pipelined(ctx, func(pipe goredis.Pipeliner) error {
			for i, key := range keys {
				// Never more than a value can have, whatever stands there.
				answers[i] = pipe.GetRange(ctx, nameOf(key), 0, headBytes+maxValueBytes)
			}
			return nil
		})
		if goredis.HasErrorPrefix(err, "WRONGTYPE") { // of one of them: the others answered
			return nil
		}
		return err
	})
	if !ok {
		return values
	}
	now := s.now()
	for i, key := range keys {
		if text, err := answers[i].Result(); err == nil {
			values[i], _ = s.open(now, key, text)
		}
	}
	return values
}

func (s *shared) Set(ctx context.Context, life time.Duration, entries []Entry) {
	if len(entries) == 0 || life <= 0 {
		return
	}
	until := s.now().Add(life)
	s.redis.Do(ctx, func(ctx context.Context, client *goredis.Client) error {
		_, err := client.Pipelined(ctx, func(pipe goredis.Pipeliner) error {
			for _, entry := range entries {
				if len(entry.Value) <= maxValueBytes {
					pipe.Set(ctx, nameOf(entry.Key), s.seal(until, entry), life)
				}
			}
			return nil
		})
		return err
	})
}

func (s *shared) Close() { s.redis.Close() }

func (s *shared) seal(until time.Time, entry Entry) []byte {
	sealed := make([]byte, 0, headBytes+len(entry.Value))
	sealed = append(sealed, sealVersion)
	sealed = binary.BigEndian.AppendUint64(sealed, uint64(max(until.Unix(), 0)))
	sealed = s.mac(sealed, sealed, entry.Key, entry.Value)
	return append(sealed, entry.Value...)
}

// open returns the value that was sealed under the key, if it is one and still good.
func (s *shared) open(now time.Time, key Key, text string) ([]byte, bool) {
	if len(text) < headBytes || len(text) > headBytes+maxValueBytes || text[0] != sealVersion {
		return nil, false
	}
	sealed := []byte(text)
	head, mac, value := sealed[:1+timeBytes], sealed[1+timeBytes:headBytes], sealed[headBytes:]
	if !hmac.Equal(mac, s.mac(nil, head, key, value)) {
		return nil, false
	}
	if until := binary.BigEndian.Uint64(head[1:]); uint64(max(now.Unix(), 0)) >= until {
		return nil, false
	}
	return value, true
}

// mac appends the MAC. The parts before the value are of fixed sizes, so no two lists of parts read alike.
func (s *shared) mac(to, head []byte, key Key, value []byte) []byte {
	hash := hmac.New(sha256.New, s.key)
	hash.Write(head)
	hash.Write(key[:])
	hash.Write(value)
	return hash.Sum(to)
}
