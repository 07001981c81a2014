package faults

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/waooaw/plant/scripts/internal/crash"
	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/shared/auth"
)

// stopBound is how long a function may take to end after SIGTERM; the platform kills after 10 s.
const stopBound = 8 * time.Second

// held is requests that a function has begun to work on, and that end when their bodies are let go.
type held struct {
	release chan struct{}
	answers chan error // one for each: nil where it was done, or answered 503
	done    atomic.Int64
}

// hold sends so many requests to publish, and returns when the function waits for the body of each: it asks for that with
// 100 Continue, once the request was admitted and its token checked.
func hold(t *testing.T, caller crash.Caller, count int) *held {
	t.Helper()
	h := &held{release: make(chan struct{}), answers: make(chan error, count)}
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: patience}, Timeout: patience}
	t.Cleanup(client.CloseIdleConnections)
	caller.Client = client
	var begun sync.WaitGroup
	begun.Add(count)
	for range count {
		go func() {
			body, input := io.Pipe()
			var asked sync.Once
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { asked.Do(begun.Done) }})
			request, err := http.NewRequestWithContext(ctx, http.MethodPost, caller.Function.Address.String()+"/api/v1/agents", body)
			if err != nil {
				h.answers <- err
				return
			}
			request.Header.Set("Authorization", "Bearer "+caller.Token)
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set("Expect", "100-continue")
			go func() {
				<-h.release
				_, _ = io.WriteString(input, draft) // whoever reads it no more has answered
				_ = input.Close()
			}()
			answer, err := caller.Send(request)
			if answer.Status == http.StatusCreated {
				h.done.Add(1)
			} else if err == nil && answer.Status != http.StatusServiceUnavailable {
				t.Errorf("a request in flight was answered %v", answer)
			}
			h.answers <- err
		}()
	}
	wait := make(chan struct{})
	go func() { begun.Wait(); close(wait) }()
	select {
	case <-wait:
	case <-time.After(patience):
		t.Fatal("the function has not begun to work on all requests")
	}
	return h
}

// F26: after SIGTERM an instance says that it is not ready, takes nothing new, ends what it has begun and exits with 0,
// sooner than the platform would kill it.
func TestF26_TermWithRequestsInFlight(t *testing.T) {
	t.Parallel()
	const count = 100
	s := commonStand(t)
	agents := start(t, s)
	subject := "stopped-" + uuid.NewString()
	caller := crash.Caller{Function: agents, Token: token(t, s, auth.Partner, subject), Client: crash.NewClient(1)}
	h := hold(t, caller, count)
	if !isReady(t, agents) {
		t.Error("the function is not ready while it waits for bodies")
	}
	begin := time.Now()
	agents.Signal(syscall.SIGTERM)
	eventually(t, "the function is not ready", func() bool { return !isReady(t, agents) })
	if len(h.answers) > 0 {
		t.Error("a request has ended before readiness did")
	}
	answer, err := caller.Do(t.Context(), "POST", "/api/v1/agents", draft)
	if err != nil || answer.Status != http.StatusServiceUnavailable || answer.Code != "OVERLOADED" {
		t.Errorf("a new request: %v, %v", answer, err)
	}
	close(h.release)
	for range count {
		if err := <-h.answers; err != nil {
			t.Errorf("a request in flight: %v", err)
		}
	}
	wantEnd(t, agents, begin)
	if err := agents.Err(); err != nil {
		t.Errorf("the function has ended with %v, want exit status 0", err)
	}
	t.Logf("%d of %d were done; the function had ended %d ms after SIGTERM", h.done.Load(), count, time.Since(begin).Milliseconds())
	stored := scalar[int64](t, ownerOf(t, s), `select count(*) from plant.agents where owner = $1`, subject)
	if stored != h.done.Load() || stored < count {
		t.Errorf("%d agents are stored, %d were acknowledged, want %d of both", stored, h.done.Load(), count)
	}
}

func wantEnd(t *testing.T, f *functions.Function, since time.Time) {
	t.Helper()
	select {
	case <-f.Done():
	case <-time.After(time.Until(since.Add(stopBound))):
		t.Errorf("the function has not ended after %v", stopBound)
		f.Signal(syscall.SIGKILL)
		<-f.Done()
	}
}

// F27: an instance that is ended at once, by a second SIGTERM or by SIGKILL, in the middle of writes leaves nothing half
// done: what it acknowledged is there, and what it did not can be asked of the next instance.
func TestF27_SecondTermAndKill(t *testing.T) {
	t.Parallel()
	s := commonStand(t)
	agents := start(t, s)
	const seed = 27
	writers, err := crash.StartWriters(t.Context(), s, agents, callers, seed)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	const rounds = 5
	for range rounds {
		for _, signals := range [][]syscall.Signal{{syscall.SIGTERM, syscall.SIGTERM}, {syscall.SIGKILL}} {
			if err := writers.AwaitWrites(ctx, 20); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			// A request that does not end by itself would keep the first signal from ending the process for long.
			h := hold(t, crash.Caller{Function: agents, Token: token(t, s, auth.Partner, "held")}, 1)
			for i, signal := range signals {
				agents.Signal(signal)
				if i+1 < len(signals) {
					eventually(t, "the first signal was heard", func() bool { return !isReady(t, agents) })
				}
			}
			wantEnd(t, agents, begin)
			close(h.release)
			if err := <-h.answers; !errors.Is(err, crash.ErrNoAnswer) {
				t.Errorf("%v: the request that was held: %v, want no answer", signals, err)
			}
			agents = start(t, s)
			writers.Switch(agents)
		}
	}
	if err := writers.AwaitEach(ctx); err != nil {
		t.Fatal(err)
	}
	counts, err := writers.Stop()
	if err != nil {
		t.Fatal(err)
	}
	found, err := writers.Check(t.Context(), ownerOf(t, s))
	t.Logf("%+v, %+v", counts, found)
	if err != nil || found != (crash.Findings{}) {
		t.Errorf("got %+v, %v", found, err)
	}
}
