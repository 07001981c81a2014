package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/scripts/internal/stand"
	"github.com/waooaw/plant/shared/auth"
)

const (
	longestPause = 50 * time.Millisecond // before a write is tried again
	changeEvery  = 3                     // of so many writes one changes an agent, the others publish one
)

// Writers publish agents and change them, each one write after the other. What goes unanswered they send again, unchanged,
// until it is answered: an acknowledged write is noted before the next one begins.
type Writers struct {
	owner    string
	token    string
	client   *http.Client
	function atomic.Pointer[functions.Function]
	writers  []*writer
	group    *errgroup.Group
	ctx      context.Context // of the group: done when a writer has failed
	stopping atomic.Bool

	mu     sync.Mutex
	counts Counts
	waits  []*wait
}

// Counts are of all writers.
type Counts struct {
	Acknowledged int // writes
	Retried      int // tries beyond the first
	Replayed     int // writes that turned out, when they were tried again, to have been done
}

// writer is one of them; what it has noted is its own until it has ended.
type writer struct {
	all    *Writers
	number int
	random *rand.Rand
	noted  []*publication
}

// publication is an agent that a writer has asked for.
type publication struct {
	key     string // the Idempotency-Key, which is the agent's name too
	id      string // "" until it was acknowledged
	version int64  // the last one that was acknowledged
	note    string // the description of that version
	gone    bool   // the function has forgotten what it had acknowledged
}

// wait is for acknowledged writes: so many of them, and one of each of the writers that began after the wait.
type wait struct {
	since   time.Time
	writes  int
	each    map[int]bool
	reached chan struct{}
}

// StartWriters starts writers of agents of one new owner. The same seed makes the same decisions.
func StartWriters(ctx context.Context, s *stand.Stand, f *functions.Function, writers int, seed uint64) (*Writers, error) {
	w := &Writers{owner: "writer-" + uuid.NewString(), client: NewClient(writers)}
	var err error
	if w.token, err = s.Token(auth.Partner, w.owner); err != nil {
		return nil, err
	}
	w.function.Store(f)
	w.group, w.ctx = errgroup.WithContext(ctx)
	for i := range writers {
		one := &writer{all: w, number: i, random: rand.New(rand.NewPCG(seed, uint64(i)+1))} //nolint:gosec // the same every time is what is wanted
		w.writers = append(w.writers, one)
		w.group.Go(func() error { return one.run(w.ctx) })
	}
	return w, nil
}

// Owner is who all of the writers' agents belong to, and nothing else does.
func (w *Writers) Owner() string { return w.owner }

// Switch has the writers call another instance from now on.
func (w *Writers) Switch(f *functions.Function) { w.function.Store(f) }

// AwaitWrites returns when so many more writes have been acknowledged.
func (w *Writers) AwaitWrites(ctx context.Context, writes int) error {
	return w.await(ctx, &wait{writes: writes})
}

// AwaitEach returns when each writer has had a write acknowledged that it sent after now.
func (w *Writers) AwaitEach(ctx context.Context) error {
	each := map[int]bool{}
	for i := range w.writers {
		each[i] = true
	}
	return w.await(ctx, &wait{each: each})
}

func (w *Writers) await(ctx context.Context, one *wait) error {
	one.since, one.reached = time.Now(), make(chan struct{})
	w.mu.Lock()
	w.waits = append(w.waits, one)
	w.mu.Unlock()
	select {
	case <-one.reached:
		return nil
	case <-w.ctx.Done():
		return errors.Join(errors.New("the writers have ended"), w.group.Wait())
	case <-ctx.Done():
		return fmt.Errorf("wait for the writers: %w", ctx.Err())
	}
}

// acknowledged notes a write whose last try began at some moment.
func (w *Writers) acknowledged(number int, begun time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts.Acknowledged++
	var open []*wait
	for _, one := range w.waits {
		one.writes--
		if begun.After(one.since) {
			delete(one.each, number)
		}
		if one.writes <= 0 && len(one.each) == 0 {
			close(one.reached)
		} else {
			open = append(open, one)
		}
	}
	w.waits = open
}

// Stop ends the writers, each after its present write is answered, and returns what they counted.
func (w *Writers) Stop() (Counts, error) {
	w.stopping.Store(true)
	err := w.group.Wait()
	w.client.CloseIdleConnections()
	return w.counts, err
}

func (one *writer) run(ctx context.Context) error {
	for !one.all.stopping.Load() && ctx.Err() == nil {
		var err error
		if p := one.choose(); p != nil {
			err = one.change(ctx, p)
		} else {
			err = one.publish(ctx)
		}
		if err != nil {
			return fmt.Errorf("writer %d: %w", one.number, err)
		}
	}
	return ctx.Err()
}

// choose returns an agent to change, or nil to publish one.
func (one *writer) choose() *publication {
	if len(one.noted) == 0 || one.random.IntN(changeEvery) > 0 {
		return nil
	}
	if p := one.noted[one.random.IntN(len(one.noted))]; !p.gone {
		return p
	}
	return nil
}

// resource is what the writers read of an agent.
type resource struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Version     int64  `json:"version"`
}

func (one *writer) publish(ctx context.Context) error {
	p := &publication{key: fmt.Sprintf("%s-%d-%d", one.all.owner, one.number, len(one.noted)), note: "new"}
	one.noted = append(one.noted, p)
	// Every other agent has no external_id: there nothing but the key keeps a second one away.
	external := ""
	if len(one.noted)%2 == 0 {
		external = fmt.Sprintf(`,"external_id":%q`, p.key)
	}
	body := fmt.Sprintf(`{"name":%q,"specialization":"Crash tests","industry":"marketing","hourly_rate":10,"description":%q%s}`, p.key, p.note, external)
	answer, begun, err := one.until(ctx, http.MethodPost, "/api/v1/agents", body, "Idempotency-Key", p.key)
	if err != nil {
		return err
	}
	var made resource
	if err := json.Unmarshal(answer.Body, &made); err != nil || answer.Status != http.StatusCreated || made.Name != p.key || made.Version != 1 {
		return fmt.Errorf("publish %s: answered %v", p.key, answer)
	}
	p.id, p.version = made.ID, made.Version
	one.note(answer.Header.Get("Idempotent-Replayed") == "true", begun)
	return nil
}

// change writes one new version. There is no key for that: If-Match tells whether an unanswered try was done, since nobody
// else writes the agent.
func (one *writer) change(ctx context.Context, p *publication) error {
	note := fmt.Sprintf("change of version %d", p.version)
	path := "/api/v1/agents/" + p.id
	answer, begun, err := one.until(ctx, http.MethodPut, path, fmt.Sprintf(`{"description":%q}`, note), "If-Match", fmt.Sprintf(`"%d"`, p.version))
	if err != nil {
		return err
	}
	replayed := answer.Status == http.StatusPreconditionFailed
	if replayed {
		if answer, _, err = one.until(ctx, http.MethodGet, path, ""); err != nil {
			return err
		}
	}
	if answer.Status == http.StatusNotFound {
		p.gone = true
		return nil
	}
	var now resource
	if err := json.Unmarshal(answer.Body, &now); err != nil || answer.Status != http.StatusOK {
		return fmt.Errorf("change %s: answered %v", p.key, answer)
	}
	if now.Version != p.version+1 || now.Description != note {
		if now.Version < p.version {
			p.gone = true
			return nil
		}
		return fmt.Errorf("change version %d of %s: it is version %d, %q", p.version, p.key, now.Version, now.Description)
	}
	p.version, p.note = now.Version, note
	one.note(replayed, begun)
	return nil
}

func (one *writer) note(replayed bool, begun time.Time) {
	if replayed {
		one.all.mu.Lock()
		one.all.counts.Replayed++
		one.all.mu.Unlock()
	}
	one.all.acknowledged(one.number, begun)
}

// until sends the same request until it is answered, and returns when its last try began.
func (one *writer) until(ctx context.Context, method, path, body string, header ...string) (Answer, time.Time, error) {
	for {
		begun := time.Now()
		caller := Caller{Function: one.all.function.Load(), Token: one.all.token, Client: one.all.client}
		answer, err := caller.Do(ctx, method, path, body, header...)
		switch {
		case err == nil && !answer.Unavailable():
			return answer, begun, nil
		case ctx.Err() != nil:
			return answer, begun, ctx.Err()
		case err != nil && !errors.Is(err, ErrNoAnswer):
			return answer, begun, err
		}
		one.all.mu.Lock()
		one.all.counts.Retried++
		one.all.mu.Unlock()
		select {
		case <-ctx.Done():
			return answer, begun, ctx.Err()
		case <-time.After(rand.N(longestPause)): //nolint:gosec // chance, no secret
		}
	}
}
