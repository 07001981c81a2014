package process

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTryLock(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "lock")
	unlock, err := TryLock(name)
	if err != nil {
		t.Fatal(err)
	}
	_, err = TryLock(name)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("a second lock: %v, want ErrLocked that names process %d", err, os.Getpid())
	}
	unlock()
	again, err := TryLock(name)
	if err != nil {
		t.Fatalf("a lock that was given back: %v", err)
	}
	again()
}

func TestTryLock_NoSuchFolder(t *testing.T) {
	t.Parallel()
	if _, err := TryLock(filepath.Join(t.TempDir(), "missing", "lock")); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("got %v, want an error that is not ErrLocked", err)
	}
}

func TestLock_Waits(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan error)
	go func() {
		unlock, err := Lock(name)
		if err == nil {
			unlock()
		}
		second <- err
	}()
	select {
	case err := <-second:
		t.Fatalf("a second lock did not wait: %v", err)
	default:
	}
	unlock()
	if err := <-second; err != nil {
		t.Error(err)
	}
}

func TestFreePort(t *testing.T) {
	t.Parallel()
	port, err := FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		t.Fatalf("the port is not free: %v", err)
	}
	_ = listener.Close()
}

func TestKeptSecret(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	first, err := KeptSecret(file)
	if err != nil {
		t.Fatal(err)
	}
	second, err := KeptSecret(file)
	if err != nil || second != first {
		t.Errorf("the second time: %q, %v, want %q", second, err, first)
	}
	const shortest = 26 // letters and digits, 5 bits each
	if len(first) < shortest || strings.Trim(first, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		t.Errorf("%q is not a long text of letters and digits", first)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("the file's mode is %o, want 600", got)
	}
	if _, err := KeptSecret(filepath.Join(file, "below a file")); err == nil {
		t.Error("a secret that cannot be kept: no error")
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "log")
	var text strings.Builder
	for i := range 2 * shownLines {
		_, _ = fmt.Fprintf(&text, "line %d\n", i)
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(Tail(file), "\n")
	if len(lines) != shownLines || lines[0] != fmt.Sprintf("line %d", shownLines) {
		t.Errorf("got %d lines from %q, want the last %d", len(lines), lines[0], shownLines)
	}
	if got := Tail(file + ".missing"); got != "" {
		t.Errorf("the end of a missing file: %q", got)
	}
}
