package functions

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAwaitReady(t *testing.T) {
	t.Parallel()
	answers := make(chan int, 3) // not ready twice, then ready
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusServiceUnavailable, http.StatusOK} {
		answers <- status
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/agents/ready" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.WriteHeader(<-answers)
	}))
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	f := &Function{Name: "agents", Address: address, LogFile: filepath.Join(t.TempDir(), "none"), done: make(chan struct{})}
	if err := AwaitReady(t.Context(), f); err != nil {
		t.Errorf("got %v, want none", err)
	}

	nobody := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	hanging := &Function{Name: "metrics", Address: nobody, done: make(chan struct{})}
	ctx, cancel := context.WithTimeout(t.Context(), 10*readyPoll)
	defer cancel()
	if err := AwaitReady(ctx, hanging); err == nil || !strings.Contains(err.Error(), "metrics does not get ready") {
		t.Errorf("a function that does not get ready: got %v", err)
	}
	crashed := &Function{Name: "metrics", Address: nobody, done: make(chan struct{}), err: errors.New("exit status 2")}
	close(crashed.done)
	begin := time.Now()
	if err := AwaitReady(t.Context(), crashed); err == nil || !strings.Contains(err.Error(), "metrics ended by itself: exit status 2") {
		t.Errorf("a function that ended: got %v", err)
	}
	if waited := time.Since(begin); waited > readyTimeout/2 {
		t.Errorf("noticed after %v", waited)
	}
}

func TestPlainEnvironment(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://owner:secret@host/db")
	t.Setenv("OTHER", "kept")
	got := plainEnvironment()
	if !slices.Contains(got, "OTHER=kept") || slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "owner:secret") }) {
		t.Errorf("got %v, want all but the owner's address", got)
	}
}
