package cache

import (
	"context"
	"errors"
	"sync"
	"time"
)

// linger is how long loading goes on when whoever began it no longer waits: for those who joined, and for the next.
const linger = time.Second

// Loader finds values in a cache and loads those that are missing, each once at a time however many ask for it. It is safe
// for concurrent use.
type Loader[T any] struct {
	Cache  Cache
	Life   time.Duration
	Encode func(T) []byte
	Decode func([]byte) (T, bool) // false where it is no T: that is a miss

	mu      sync.Mutex
	flights map[Key]*flight[T]
}

// flight is one value on its way.
type flight[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// errAbandoned is a load that ended because whoever began it no longer waits.
var errAbandoned = errors.New("nobody waits for it")

// Get returns a value a key. Load is asked, once, for those that are neither kept nor on their way: it returns a value for
// each index in missing, in that order. An error of it is everybody's who waits for one of these values. Load's context
// outlives the caller's by a second, and then ends with the same cause.
func (l *Loader[T]) Get(ctx context.Context, keys []Key, load func(ctx context.Context, missing []int) ([]T, error)) ([]T, error) {
	for {
		values, err := l.get(ctx, keys, load)
		if !errors.Is(err, errAbandoned) {
			return values, err
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}

func (l *Loader[T]) get(ctx context.Context, keys []Key, load func(context.Context, []int) ([]T, error)) ([]T, error) {
	flights, own := l.join(keys)
	if len(own) > 0 {
		l.find(ctx, keys, flights, own, load)
	}
	values := make([]T, len(keys))
	for i, f := range flights {
		select {
		case <-f.done:
		default:
			select {
			case <-f.done:
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		if f.err != nil {
			return nil, f.err
		}
		values[i] = f.value
	}
	return values, nil
}

// join returns the flight of each key, and the indices of those that this caller has to see home.
func (l *Loader[T]) join(keys []Key) (flights []*flight[T], own []int) {
	flights = make([]*flight[T], len(keys))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flights == nil {
		l.flights = map[Key]*flight[T]{}
	}
	for i, key := range keys {
		f := l.flights[key]
		if f == nil {
			f = &flight[T]{done: make(chan struct{})}
			l.flights[key] = f
			own = append(own, i)
		}
		flights[i] = f
	}
	return flights, own
}

// find lands the flights whose values are kept, and sends for the others.
func (l *Loader[T]) find(ctx context.Context, keys []Key, flights []*flight[T], own []int, load func(context.Context, []int) ([]T, error)) {
	asked := make([]Key, len(own))
	for n, i := range own {
		asked[n] = keys[i]
	}
	var missing []int
	for n, kept := range l.Cache.Get(ctx, asked) {
		i := own[n]
		if kept != nil {
			if value, ok := l.Decode(kept); ok {
				l.land(keys[i], flights[i], value, nil)
				continue
			}
		}
		missing = append(missing, i)
	}
	if len(missing) > 0 {
		go l.load(ctx, keys, flights, missing, load)
	}
}

func (l *Loader[T]) load(ctx context.Context, keys []Key, flights []*flight[T], missing []int, load func(context.Context, []int) ([]T, error)) {
	loading, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(linger, func() { cancel(context.Cause(ctx)) })
	})()
	values, err := load(loading, missing)
	if err != nil && loading.Err() != nil {
		err = errAbandoned
	}
	if err == nil {
		entries := make([]Entry, len(missing))
		for n, i := range missing {
			entries[n] = Entry{Key: keys[i], Value: l.Encode(values[n])}
		}
		l.Cache.Set(loading, l.Life, entries)
	}
	for n, i := range missing {
		var value T
		if err == nil {
			value = values[n]
		}
		l.land(keys[i], flights[i], value, err)
	}
}

// land ends a flight. Its value is kept by now, so that who comes after it finds it there.
func (l *Loader[T]) land(key Key, f *flight[T], value T, err error) {
	f.value, f.err = value, err
	l.mu.Lock()
	delete(l.flights, key)
	l.mu.Unlock()
	close(f.done)
}
