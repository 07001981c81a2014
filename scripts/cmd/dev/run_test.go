package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/waooaw/plant/scripts/internal/functions"
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
	home := t.TempDir()
	running, ended := fake(t, home, "agents", "exec sleep 60"), fake(t, home, "search", "exit 3")
	<-ended.Done()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	broken := errors.New("signal: killed")
	served := make(chan error, 1)
	served <- broken

	tests := map[string]struct {
		ctx     context.Context
		running []*functions.Function
		serving <-chan error
		want    string
		logFile string
	}{
		"asked to end":     {ctx: cancelled, running: []*functions.Function{running}},
		"a function ended": {ctx: t.Context(), running: []*functions.Function{running, ended}, want: "the function search ended by itself: exit status 3", logFile: ended.LogFile},
		"the gateway":      {ctx: t.Context(), running: []*functions.Function{running}, serving: served, want: "the gateway ended by itself: signal: killed"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := waitForEnd(test.ctx, nil, test.running, test.serving)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if f, ok := errors.AsType[*functions.Failure](err); ok != (test.logFile != "") || ok && f.LogFile != test.logFile {
				t.Errorf("got %v, want one whose log is %q", err, test.logFile)
			}
		})
	}
}

// fake runs a line of shell as a function.
func fake(t *testing.T, home, name, line string) *functions.Function {
	t.Helper()
	for _, folder := range []string{"bin", "logs"} {
		if err := os.MkdirAll(filepath.Join(home, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(home, "bin", name), []byte("#!/bin/sh\n"+line+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := functions.Start(t.Context(), home, name, name+".log", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { functions.StopAll(f) })
	return f
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
