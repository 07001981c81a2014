package faults

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/waooaw/plant/scripts/internal/crash"
	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/scripts/internal/stand"
	"github.com/waooaw/plant/shared/auth"
)

const pause = 20 * time.Millisecond // of a caller who was answered 503

const draft = `{"name":"Crop Doctor","specialization":"Fault tests","industry":"marketing","hourly_rate":10}`

// traffic is callers of one instance, each of whom reads, lists and publishes without a pause until the test ends.
// Whatever they are answered but success and 503 fails the test.
type traffic struct {
	t       *testing.T
	callers int
	stop    context.CancelFunc
	group   sync.WaitGroup

	mu          sync.Mutex
	unavailable int
	unhappy     time.Time   // when the last 503 came
	done        map[int]int // successes of each caller since the last one of those
}

func startTraffic(t *testing.T, s *stand.Stand, f *functions.Function, callers int) *traffic {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	tr := &traffic{t: t, callers: callers, stop: stop, done: map[int]int{}}
	caller := crash.Caller{Function: f, Token: token(t, s, auth.Partner, "traffic-"+uuid.NewString()), Client: crash.NewClient(callers)}
	first, err := caller.Do(ctx, "POST", "/api/v1/agents", draft)
	if err != nil || first.Status != http.StatusCreated {
		t.Fatalf("publish: %v, %v", first, err)
	}
	path := first.Header.Get("Location")
	for i := range callers {
		tr.group.Go(func() {
			for n := i; ctx.Err() == nil; n++ {
				method, path, body := "GET", path, ""
				switch n % 3 {
				case 0:
					path = "/api/v1/agents?limit=5"
				case 1:
					method, path, body = "POST", "/api/v1/agents", draft
				}
				answer, err := caller.Do(ctx, method, path, body, "Idempotency-Key", uuid.NewString())
				if tr.note(ctx, i, method, answer, err) {
					continue
				}
				select { // come again a moment later, as clients do
				case <-ctx.Done():
				case <-time.After(pause):
				}
			}
		})
	}
	t.Cleanup(tr.end)
	return tr
}

// note reports whether the caller was served.
func (tr *traffic) note(ctx context.Context, caller int, method string, answer crash.Answer, err error) (served bool) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	switch {
	case ctx.Err() != nil:
	case err != nil:
		tr.t.Errorf("%s: %v", method, err)
		tr.stop()
	case answer.Status == http.StatusOK, answer.Status == http.StatusCreated:
		tr.done[caller]++
		return true
	case answer.Status == http.StatusServiceUnavailable:
		tr.unavailable++
		tr.unhappy = time.Now()
		clear(tr.done)
	default:
		tr.t.Errorf("%s: answered %v", method, answer)
	}
	return false
}

func (tr *traffic) end() {
	tr.stop()
	tr.group.Wait()
}

// calm waits until every caller has had some successes and nobody anything else since, and returns how long after a moment
// the last 503 came, and how many there have been.
func (tr *traffic) calm(since time.Time) (trouble time.Duration, unavailable int) {
	tr.t.Helper()
	const successes = 10
	eventually(tr.t, "every caller is served again", func() bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		for i := range tr.callers {
			if tr.done[i] < successes {
				return tr.t.Failed()
			}
		}
		return true
	})
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return max(0, tr.unhappy.Sub(since)), tr.unavailable
}

// notice waits until somebody was answered 503 after a moment.
func (tr *traffic) notice(since time.Time) {
	tr.t.Helper()
	eventually(tr.t, "somebody is answered 503", func() bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return tr.unhappy.After(since) || tr.t.Failed()
	})
}

// wantAlive fails the test where a function has ended.
func wantAlive(t *testing.T, f *functions.Function) {
	t.Helper()
	select {
	case <-f.Done():
		t.Errorf("the function has ended: %v", f.Err())
	default:
	}
}
