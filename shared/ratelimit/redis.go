package ratelimit

import (
	"context"
	"encoding/hex"
	"errors"

	"github.com/go-redis/redis_rate/v10"
	goredis "github.com/redis/go-redis/v9"

	"github.com/waooaw/plant/shared/redis"
)

// inRedis is how Redis is used here. A question and an answer are far below a kilobyte.
var inRedis = redis.Use{
	MaxFailures: 5,
	BufferBytes: 1 << 10,
	Fails:       "rate limits are counted in each process: Redis fails",
	Works:       "rate limits are counted in Redis again",
}

// keyPrefix names what stands under a key, and in which form. redis_rate puts "rate:" before it.
const keyPrefix = "plant:v1:"

// sharedBuckets are the buckets that all processes have in common.
type sharedBuckets struct{ redis *redis.Redis }

// take counts a request, or returns false where Redis cannot.
//
// A bucket that holds something else, or says that it is fuller or emptier than any bucket can be, is dropped: at most the
// request that finds it is counted elsewhere, and nobody is shut out by what stands in Redis.
func (s sharedBuckets) take(ctx context.Context, key id, perMinute int) (l level, ok bool) {
	name := keyPrefix + hex.EncodeToString(key[:])
	ok = s.redis.Do(ctx, func(ctx context.Context, client *goredis.Client) (err error) {
		limiter := redis_rate.NewLimiter(client)
		l, err = ask(ctx, limiter, name, perMinute)
		if answered := goredis.Error(nil); errors.As(err, &answered) || errors.Is(err, redis.ErrNonsense) {
			_ = limiter.Reset(ctx, name)
		}
		return err
	})
	return l, ok
}

func ask(ctx context.Context, limiter *redis_rate.Limiter, name string, perMinute int) (l level, err error) {
	defer func() {
		if recover() != nil { // redis_rate takes the types in an answer for granted
			err = redis.ErrNonsense
		}
	}()
	result, err := limiter.Allow(ctx, name, redis_rate.Limit{Rate: perMinute, Burst: burst(perMinute), Period: window})
	if err != nil {
		return level{}, err
	}
	full := float64(burst(perMinute))
	l = level{allowed: result.Allowed == 1, tokens: full - float64(result.ResetAfter)/interval(perMinute)}
	if l.tokens < -roundingError || l.tokens > full || !l.allowed && l.tokens > 1+roundingError {
		return level{}, redis.ErrNonsense
	}
	return l, nil
}
