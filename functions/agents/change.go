package agents

import (
	"context"
	"sync"
	"time"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/httpapi"
)

const (
	maxWait     = 20 * time.Second
	maxWaiting  = 40                     // readers of one process who wait at once: each takes one of its places
	betweenLook = 250 * time.Millisecond // while somebody waits
)

// changes answers who follows the catalogue.
type changes struct {
	store    amendmentStore
	watch    *watch
	stopping <-chan struct{}
}

// feed is a part of the changes.
type feed struct {
	Changes []change `json:"changes"`
	Next    int64    `json:"next" doc:"where to go on: the after of the next request"`
}

func (c changes) list(ctx context.Context, in *struct {
	After int64 `query:"after" minimum:"0" maximum:"9007199254740991" doc:"the next of the last answer; 0 from the beginning"`
	Limit int   `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"how many at most"`
	Wait  int   `query:"wait" minimum:"0" maximum:"20" doc:"seconds to wait for a change where there is none yet; needs a token"`
},
) (*struct{ Body feed }, error) {
	if _, known := auth.FromContext(ctx); in.Wait > 0 && !known {
		return nil, httpapi.Unauthenticated.Problem("wait needs a token")
	}
	found, err := c.read(ctx, in.After, in.Limit)
	if err != nil || len(found.Body.Changes) > 0 || in.Wait == 0 {
		return found, err
	}
	waiting, cancel := context.WithTimeout(ctx, min(time.Duration(in.Wait)*time.Second, maxWait))
	defer cancel()
	if !c.watch.await(waiting, c.stopping, in.After) {
		return found, nil
	}
	return c.read(ctx, in.After, in.Limit)
}

// read gives all that is committed its place before it reads, so that it misses nothing that the reader could know of.
func (c changes) read(ctx context.Context, after int64, limit int) (*struct{ Body feed }, error) {
	if _, err := c.store.sequenceAll(ctx); err != nil {
		return nil, err
	}
	found, err := c.store.after(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	next := after
	if len(found) > 0 {
		next = found[len(found)-1].Seq
	}
	return &struct{ Body feed }{feed{found, next}}, nil
}

// watch looks for all who wait for changes at once, so that they hold no connections.
type watch struct {
	look func(ctx context.Context) (size int64, err error)

	mu      sync.Mutex
	size    int64         // of what was seen last
	grown   chan struct{} // closed when size grows
	waiting int
	looking bool
}

func newWatch(look func(ctx context.Context) (int64, error)) *watch {
	return &watch{look: look, grown: make(chan struct{})}
}

// await returns true when there are more amendments than that, and false when ctx or the process ends before, or too many
// wait already.
func (w *watch) await(ctx context.Context, stopping <-chan struct{}, size int64) bool {
	w.mu.Lock()
	if w.waiting == maxWaiting {
		w.mu.Unlock()
		return false
	}
	w.waiting++
	if !w.looking {
		w.looking = true
		go w.lookOut() //nolint:gosec // it looks for all who wait, and outlives whoever came first
	}
	defer func() {
		w.mu.Lock()
		w.waiting--
		w.mu.Unlock()
	}()
	for w.size <= size {
		grown := w.grown
		w.mu.Unlock()
		select {
		case <-grown:
		case <-ctx.Done():
			return false
		case <-stopping:
			return false
		}
		w.mu.Lock()
	}
	w.mu.Unlock()
	return true
}

// lookOut looks again and again, until nobody waits.
func (w *watch) lookOut() {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), maxWait)
		size, err := w.look(ctx)
		cancel()
		w.mu.Lock()
		if err == nil && size > w.size {
			w.size = size
			close(w.grown)
			w.grown = make(chan struct{})
		}
		if w.waiting == 0 {
			w.looking = false
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		time.Sleep(betweenLook)
	}
}
