package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/waooaw/plant/shared/auth"
)

const (
	feedWrites  = 200 // a second
	feedWriters = 8
	feedPoll    = 200 * time.Millisecond
	goalFeed    = time.Second
)

// compareFeed publishes agents at a constant rate, follows the feed of changes meanwhile, and tells how long after its
// answer each of them was there.
func (b *bench) compareFeed(ctx context.Context, table *table) error {
	token, err := b.stand.Token(auth.Partner, benchOwner)
	if err != nil {
		return err
	}
	f := follower{client: &http.Client{Timeout: requestTimeout}, base: b.agents.Address.String(), token: token, answered: map[string]time.Time{}, seen: map[string]time.Time{}}
	next, err := f.end(ctx, 0)
	if err != nil {
		return err
	}
	writing, stop := context.WithTimeout(ctx, time.Duration(b.rounds)*b.length)
	defer stop()
	limit, publish := rate.NewLimiter(feedWrites, feedWriters), create(b.agents.Address.Host, token)
	var writers sync.WaitGroup
	for i := range feedWriters {
		writers.Go(func() {
			random := rand.New(rand.NewPCG(catalogueSeed, uint64(i)+uint64(time.Now().UnixNano()))) //nolint:gosec // a load, no secret
			for limit.Wait(writing) == nil {
				f.publish(ctx, publish(random))
			}
		})
	}
	for writing.Err() == nil {
		if next, err = f.read(ctx, next); err != nil {
			return err
		}
		select {
		case <-time.After(feedPoll):
		case <-writing.Done():
		}
	}
	writers.Wait()
	if _, err := f.end(ctx, next); err != nil {
		return err
	}
	if f.failed != nil {
		return f.failed
	}
	var lags []time.Duration
	for id, answered := range f.answered {
		seen, ok := f.seen[id]
		if !ok {
			return fmt.Errorf("agent %s was published, and is not in the feed", id)
		}
		lags = append(lags, seen.Sub(answered))
	}
	if len(lags) == 0 {
		return fmt.Errorf("nothing was published")
	}
	slices.Sort(lags)
	longest := lags[len(lags)-1]
	table.add(fmt.Sprintf("feed: behind %d writes/s, polled every %v", feedWrites, feedPoll),
		fmt.Sprintf("p50 %s, longest %s of %d", inMilliseconds(quantile(lags, 0.5)), inMilliseconds(longest), len(lags)), verdict("≤ "+goalFeed.String(), longest > goalFeed))
	return b.forgetCreated(ctx)
}

// follower reads the feed, and knows when what was answered and when it was seen.
type follower struct {
	client      *http.Client
	base, token string

	mu             sync.Mutex
	answered, seen map[string]time.Time
	failed         error
}

func (f *follower) publish(ctx context.Context, c call) {
	err := func() error {
		request, err := http.NewRequestWithContext(ctx, c.method, f.base+c.path, strings.NewReader(c.body))
		if err != nil {
			return err
		}
		for name, value := range c.header {
			request.Header.Set(name, value)
		}
		response, err := f.client.Do(request)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if response.StatusCode != c.want {
			return fmt.Errorf("publish an agent: %s", response.Status)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.answered[response.Header.Get("Location")[len(c.path)+1:]] = time.Now()
		return nil
	}()
	if err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.failed = err
	}
}

// read reads a part of the feed.
func (f *follower) read(ctx context.Context, after int64) (next int64, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/api/v1/changes?limit=1000&after=%d", f.base, after), nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+f.token)
	response, err := f.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	var feed struct {
		Changes []struct {
			EntityID string `json:"entity_id"`
		}
		Next int64
	}
	if err := json.NewDecoder(response.Body).Decode(&feed); err != nil || response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("read the feed: %s, %w", response.Status, err)
	}
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, change := range feed.Changes {
		f.seen[change.EntityID] = now
	}
	return feed.Next, nil
}

// end reads until there is no more.
func (f *follower) end(ctx context.Context, after int64) (int64, error) {
	for {
		next, err := f.read(ctx, after)
		if err != nil || next == after {
			return next, err
		}
		after = next
	}
}
