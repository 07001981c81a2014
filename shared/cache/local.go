package cache

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// overhead is about what an entry takes beside its value: its key, twice, and the links between them.
const overhead = 256

// local keeps values in this process: those that were asked for last, as many as fit.
type local struct {
	max int // bytes, overhead included
	now func() time.Time

	mu      sync.Mutex
	entries *simplelru.LRU[Key, localEntry]
	bytes   int
}

type localEntry struct {
	value []byte
	until time.Time
}

func (e localEntry) size() int { return len(e.value) + overhead }

func newLocal(maxBytes int, now func() time.Time) *local {
	l := &local{max: maxBytes, now: now}
	l.entries, _ = simplelru.NewLRU(math.MaxInt, func(_ Key, e localEntry) { l.bytes -= e.size() }) // fails only on a size below 1
	return l
}

func (l *local) Get(_ context.Context, keys []Key) [][]byte {
	values := make([][]byte, len(keys))
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, key := range keys {
		entry, ok := l.entries.Get(key)
		switch {
		case !ok:
		case now.Before(entry.until):
			values[i] = entry.value
		default:
			l.entries.Remove(key)
		}
	}
	return values
}

func (l *local) Set(_ context.Context, life time.Duration, entries []Entry) {
	until := l.now().Add(life)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, entry := range entries {
		l.entries.Remove(entry.Key)
		kept := localEntry{value: entry.Value, until: until}
		if kept.size() > l.max {
			continue
		}
		l.entries.Add(entry.Key, kept)
		for l.bytes += kept.size(); l.bytes > l.max; {
			l.entries.RemoveOldest()
		}
	}
}

func (*local) Close() {}
