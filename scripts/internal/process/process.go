// Package process has what local runs need of the operating system: children that end with their parent, locks, free
// ports, kept secrets.
package process

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Lock waits for an exclusive lock. It ends with the process, however that ends.
func Lock(name string) (unlock func(), err error) { return flock(name, syscall.LOCK_EX) }

// ErrLocked is of a lock that another process has.
var ErrLocked = errors.New("another process has it")

// TryLock is Lock without waiting: where another process has the lock, the error is ErrLocked and names that process.
func TryLock(name string) (unlock func(), err error) {
	return flock(name, syscall.LOCK_EX|syscall.LOCK_NB)
}

func flock(name string, how int) (unlock func(), err error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	if err := syscall.Flock(int(file.Fd()), how); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w: %s", name, ErrLocked, holder(name))
		}
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	// Who holds it is only for people to read; the lock is the kernel's.
	if err := file.Truncate(0); err == nil {
		_, _ = file.WriteString(strconv.Itoa(os.Getpid()))
	}
	return func() {
		// Not by closing alone: a process that is being started has the file open too, for the moment before it runs.
		_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
		_ = file.Close()
	}, nil
}

func holder(name string) string {
	pid, err := os.ReadFile(name)
	if err != nil || len(pid) == 0 {
		return "its number is not known"
	}
	return "process " + string(pid)
}

// Ports below those that the system gives to whoever connects: such a port is not taken between being found and being
// listened on, however many connections are made meanwhile.
const (
	lowestPort  = 15_000
	highestPort = 32_000
	portTries   = 200
)

// FreePort returns a port of this machine that nobody listens on.
func FreePort(ctx context.Context) (string, error) {
	var config net.ListenConfig
	var err error
	for range portTries {
		port := strconv.Itoa(lowestPort + mathrand.IntN(highestPort-lowestPort)) //nolint:gosec // chance, no secret
		var listener net.Listener
		if listener, err = config.Listen(ctx, "tcp", "127.0.0.1:"+port); err == nil {
			return port, listener.Close()
		}
	}
	return "", fmt.Errorf("find a free port: %w", err)
}

// KeptSecret returns the random secret that a file keeps, making it the first time. It is made of letters and digits.
func KeptSecret(file string) (string, error) {
	return Kept(file, func() (string, error) { return rand.Text(), nil })
}

// Kept returns the secret that a file keeps, or makes and keeps it.
func Kept(file string, newSecret func() (string, error)) (string, error) {
	text, err := os.ReadFile(file)
	if err == nil && len(text) > 0 {
		return string(text), nil
	}
	secret, err := newSecret()
	if err != nil {
		return "", fmt.Errorf("make a secret: %w", err)
	}
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		return "", fmt.Errorf("keep a secret: %w", err)
	}
	return secret, nil
}

const shownLines = 15

// LastLines returns the end of a text.
func LastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-shownLines):], "\n")
}

// Tail returns the end of a file, or "".
func Tail(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return LastLines(string(text))
}
