package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What fails is noted, and the next check runs all the same.
func TestCheck(t *testing.T) {
	t.Parallel()
	c, dir := &checks{}, t.TempDir()
	c.check(t.Context(), "fails", dir, nil, "false")
	c.check(t.Context(), "is no program", dir, nil, filepath.Join(dir, "none"))
	c.check(t.Context(), "passes", dir, []string{"MARK=here"}, "sh", "-c", `echo "$MARK" >mark`)
	if diff := cmp.Diff([]string{"fails", "is no program"}, c.failed); diff != "" {
		t.Error(diff)
	}
	if mark, err := os.ReadFile(filepath.Join(dir, "mark")); err != nil || string(mark) != "here\n" {
		t.Errorf("got %q, %v, want what the last check wrote in its folder", mark, err)
	}
}

// An interrupt leaves nothing of a check, not even what ignores it, and no further check begins.
func TestCheck_Interrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c, dir := &checks{}, t.TempDir()
	ended := make(chan struct{})
	go func() {
		// Without job control, bash lets its background processes ignore interrupts.
		c.check(ctx, "first", dir, nil, "bash", "-c", "sleep 300 & echo $! >new; mv new pid; wait")
		c.check(ctx, "second", dir, nil, "touch", "second")
		close(ended)
	}()
	file := filepath.Join(dir, "pid")
	await(t, func() bool { _, err := os.Stat(file); return err == nil })
	cancel()
	<-ended
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
	if diff := cmp.Diff([]string{"first"}, c.failed); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(filepath.Join(dir, "second")); err == nil {
		t.Error("a check began after the interrupt")
	}
}

func await(t *testing.T, what func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !what() {
		select {
		case <-deadline:
			t.Fatal("it does not happen")
		case <-ticker.C:
		}
	}
}
