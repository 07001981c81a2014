package ratelimit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxLocalKeys bounds the buckets of one process: 50,000 take about 6 MB.
const maxLocalKeys = 50_000

// localBuckets are the buckets of this process.
//
// They are kept in two generations, which turn every minute: whoever calls moves to the recent one, and the older one is
// dropped whole. A bucket that is dropped then has not been touched for a minute, so it is full, as a new one is. Only
// where more than half of maxLocalKeys call within a minute are those forgotten early that have been quiet the longest.
type localBuckets struct {
	mu            sync.Mutex
	recent, older map[id]*rate.Limiter
	turned        time.Time
}

func newLocalBuckets(now time.Time) *localBuckets {
	return &localBuckets{recent: map[id]*rate.Limiter{}, turned: now}
}

func (b *localBuckets) take(now time.Time, key id, perMinute int) level {
	b.mu.Lock()
	defer b.mu.Unlock()
	bucket := b.find(now, key, perMinute)
	return level{allowed: bucket.AllowN(now, 1), tokens: bucket.TokensAt(now)}
}

func (b *localBuckets) find(now time.Time, key id, perMinute int) *rate.Limiter {
	if now.Sub(b.turned) >= window || len(b.recent) >= maxLocalKeys/2 {
		if now.Sub(b.turned) >= 2*window {
			b.recent = nil // nobody came when it was time to turn: these are as old
		}
		b.older, b.recent, b.turned = b.recent, map[id]*rate.Limiter{}, now
	}
	if bucket, ok := b.recent[key]; ok {
		return bucket
	}
	bucket, ok := b.older[key]
	if !ok {
		bucket = rate.NewLimiter(rate.Limit(float64(perMinute)/window.Seconds()), burst(perMinute))
	}
	b.recent[key] = bucket
	return bucket
}
