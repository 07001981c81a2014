package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/waooaw/plant/scripts/internal/crash"
	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/scripts/internal/process"
	"github.com/waooaw/plant/shared/auth"
)

// F32: while a new version takes over from the one before, and while it is taken back, no request fails, and either reads
// what the other has written. Both run on the schema of the new one.
func TestF32_TwoVersions(t *testing.T) {
	t.Parallel()
	s := ownStand(t)
	// The stand starts what bin/agents is: one version, then the other.
	program, before, now := filepath.Join(s.Home, "bin", "agents"), filepath.Join(s.Home, "bin", "before"), filepath.Join(s.Home, "bin", "now")
	if err := os.Rename(program, now); err != nil {
		t.Fatal(err)
	}
	if err := buildBefore(t, before); err != nil {
		t.Logf("the same version stands for the one before: %v", err)
		before = now
	}
	startOf := func(version string) *functions.Function {
		if err := errors.Join(os.RemoveAll(program), os.Symlink(version, program)); err != nil {
			t.Fatal(err)
		}
		return start(t, s)
	}
	serving := startOf(before)
	d := &deployment{t: t, caller: crash.Caller{Token: token(t, s, auth.Partner, "deploys-"+uuid.NewString()), Client: crash.NewClient(callers)}}
	d.serving.Store(serving)
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() { d.call(ctx, i) })
	}
	d.awaitServed()
	for _, next := range []string{now, before} {
		f := startOf(next)
		last := d.serving.Swap(f) // the balancer sends nothing more to the last one, and then it is told to end
		const slow = 10
		caller := d.caller
		caller.Function = last
		h := hold(t, caller, slow)
		begin := time.Now()
		last.Signal(syscall.SIGTERM)
		eventually(t, "the last version is to end", func() bool { return !isReady(t, last) })
		close(h.release)
		for range slow {
			if err := <-h.answers; err != nil {
				t.Errorf("a request of the last version's: %v", err)
			}
		}
		wantEnd(t, last, begin)
		if err := last.Err(); err != nil || h.done.Load() != slow {
			t.Errorf("the last version has ended with %v and has done %d requests, want %d", err, h.done.Load(), slow)
		}
		d.awaitServed()
	}
	stop()
	group.Wait()
	d.wantAllRead(startOf(now), d.serving.Load())
	t.Logf("%d requests, %d agents, %d keys asked again of the other version", d.served.Load(), len(d.keys), len(d.keys))
}

// deployment is callers whom a balancer sends to the instance that serves.
type deployment struct {
	t       *testing.T
	caller  crash.Caller
	serving atomic.Pointer[functions.Function]
	served  atomic.Int64

	mu   sync.Mutex
	keys map[string]string // of each agent's key, its address
}

func (d *deployment) call(ctx context.Context, n int) {
	path := ""
	for ; ctx.Err() == nil; n++ {
		caller := d.caller
		caller.Function = d.serving.Load()
		key := uuid.NewString()
		method, at, body, want := "POST", "/api/v1/agents", draft, http.StatusCreated
		switch {
		case path != "" && n%4 == 1:
			method, at, body, want = "GET", path, "", http.StatusOK
		case n%4 == 2:
			method, at, body, want = "GET", "/api/v1/agents?limit=5", "", http.StatusOK
		case path != "" && n%4 == 3:
			method, at, body, want = "PUT", path, `{"hourly_rate":11}`, http.StatusOK
		}
		answer, err := caller.Do(ctx, method, at, body, "Idempotency-Key", key)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil || answer.Status != want:
			d.t.Errorf("%s %s: %v, %v", method, at, answer, err)
			return
		case method == "POST":
			path = answer.Header.Get("Location")
			d.mu.Lock()
			if d.keys == nil {
				d.keys = map[string]string{}
			}
			d.keys[key] = path
			d.mu.Unlock()
		}
		d.served.Add(1)
	}
}

// awaitServed waits for some more requests.
func (d *deployment) awaitServed() {
	d.t.Helper()
	const some = 200
	until := d.served.Load() + some
	eventually(d.t, "requests are served", func() bool { return d.served.Load() >= until || d.t.Failed() })
}

// wantAllRead fails the test unless each version finds every agent, whoever wrote it, and knows every key.
func (d *deployment) wantAllRead(versions ...*functions.Function) {
	d.t.Helper()
	for _, f := range versions {
		caller := d.caller
		caller.Function = f
		found := map[string]bool{}
		for next := "/api/v1/agents?owner=me&limit=100"; next != ""; {
			answer, err := caller.Do(d.t.Context(), "GET", next, "")
			if err != nil || answer.Status != http.StatusOK {
				d.t.Fatalf("list: %v, %v", answer, err)
			}
			var page []struct {
				ID string `json:"id"`
			}
			if err := json.Unmarshal(answer.Body, &page); err != nil {
				d.t.Fatal(err)
			}
			for _, agent := range page {
				found["/api/v1/agents/"+agent.ID] = true
			}
			next = ""
			if link := answer.Header.Get("Link"); link != "" {
				_, _ = fmt.Sscanf(link, "<%s", &next)
				next = next[:len(next)-len(`>;`)]
			}
		}
		for key, path := range d.keys {
			if !found[path] {
				d.t.Errorf("%s does not list %s", f.LogFile, path)
			}
			answer, err := caller.Do(d.t.Context(), "POST", "/api/v1/agents", draft, "Idempotency-Key", key)
			if err != nil || answer.Header.Get("Location") != path || answer.Header.Get("Idempotent-Replayed") != "true" {
				d.t.Fatalf("the key of %s: %v, %v", path, answer, err)
			}
		}
	}
}

// buildBefore builds the agents function of the commit before the one that is checked out. Its source is always put into
// the same folder while it is built, so that Go's cache knows it the next time.
func buildBefore(t *testing.T, program string) error {
	t.Helper()
	source := filepath.Join(os.TempDir(), fmt.Sprintf("plant-before-%d", os.Geteuid()))
	unlock, err := process.Lock(source + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	defer func() { _ = os.RemoveAll(source) }()
	if err := errors.Join(os.RemoveAll(source), os.Mkdir(source, 0o700)); err != nil {
		return err
	}
	export := exec.CommandContext(t.Context(), "sh", "-c", `git -C "$1" archive HEAD~1 | tar -x -C "$2"`, "sh", checkout, source)
	if output, err := export.CombinedOutput(); err != nil {
		return fmt.Errorf("export the commit before: %w: %s", err, output)
	}
	if _, err := os.Stat(filepath.Join(source, "go.work")); err != nil {
		return fmt.Errorf("export the commit before: %w", err) // a pipe tells only how tar ended
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./functions/agents/cmd")
	build.Dir, build.Env = source, append(os.Environ(), "GOWORK=")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the commit before: %v\n%s", err, output)
	}
	return nil
}
