package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestRun_PortTaken(t *testing.T) {
	t.Parallel()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	_, text, _ := net.SplitHostPort(listener.Addr().String())
	port, _ := strconv.Atoi(text)
	err = run(t.Context(), settings{Home: t.TempDir(), Port: port}, io.Discard)
	if want := "port " + text + " is taken: set PLANT_PORT to another one"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := run(t.Context(), settings{Home: t.TempDir(), Port: 1 << 16}, io.Discard); err == nil || strings.Contains(err.Error(), "taken") {
		t.Errorf("no port at all: got %v", err)
	}
}

func TestWaitForEnd(t *testing.T) {
	t.Parallel()
	broken := errors.New("signal: killed")
	ended := &function{name: "search", logFile: "search.log", done: make(chan struct{}), err: broken}
	close(ended.done)
	running := &function{name: "agents", done: make(chan struct{})}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	served := make(chan error, 1)
	served <- broken

	tests := map[string]struct {
		ctx       context.Context
		functions []*function
		serving   <-chan error
		want      string
		logFile   string
	}{
		"asked to end":     {ctx: cancelled, functions: []*function{running}},
		"a function ended": {ctx: t.Context(), functions: []*function{running, ended}, want: "the function search ended by itself: signal: killed", logFile: "search.log"},
		"the gateway":      {ctx: t.Context(), functions: []*function{running}, serving: served, want: "the gateway ended by itself: signal: killed"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := waitForEnd(test.ctx, nil, test.functions, test.serving)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if f, ok := errors.AsType[*failure](err); ok != (test.logFile != "") || ok && f.logFile != test.logFile {
				t.Errorf("got %v, want one whose log is %q", err, test.logFile)
			}
		})
	}
}

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
	f := &function{name: "agents", address: address, logFile: filepath.Join(t.TempDir(), "none"), done: make(chan struct{})}
	if err := awaitReady(t.Context(), []*function{f}); err != nil {
		t.Errorf("got %v, want none", err)
	}

	nobody := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	hanging := &function{name: "metrics", address: nobody, done: make(chan struct{})}
	ctx, cancel := context.WithTimeout(t.Context(), 10*readyPoll)
	defer cancel()
	if err := awaitReady(ctx, []*function{hanging}); err == nil || !strings.Contains(err.Error(), "metrics does not get ready") {
		t.Errorf("a function that does not get ready: got %v", err)
	}
	crashed := &function{name: "metrics", address: nobody, done: make(chan struct{}), err: errors.New("exit status 2")}
	close(crashed.done)
	begin := time.Now()
	if err := awaitReady(t.Context(), []*function{crashed}); err == nil || !strings.Contains(err.Error(), "metrics ended by itself: exit status 2") {
		t.Errorf("a function that ended: got %v", err)
	}
	if waited := time.Since(begin); waited > readyTimeout/2 {
		t.Errorf("noticed after %v", waited)
	}
}

func TestStart_Flags(t *testing.T) {
	t.Parallel()
	if err := start(t.Context(), []string{"-h"}); err != nil {
		t.Errorf("asking for help: %v", err)
	}
	if err := start(t.Context(), []string{"--sideways"}); err == nil {
		t.Error("an unknown flag: no error")
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

func TestTokenEnvironment(t *testing.T) {
	t.Parallel()
	byDefault, err := filepath.Abs(".local")
	if err != nil {
		t.Fatal(err)
	}
	for home, want := range map[string]string{byDefault: "", "/elsewhere": "PLANT_HOME=/elsewhere "} {
		if got := tokenEnvironment(settings{Home: home}); got != want {
			t.Errorf("%s: got %q, want %q", home, got, want)
		}
	}
}
