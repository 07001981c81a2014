package process

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestHolder is what another process does: it takes the lock that it is told, says so, and holds it until its standard
// input ends. Among the tests it does nothing.
func TestHolder(t *testing.T) {
	t.Parallel()
	if flag.NArg() == 0 {
		return
	}
	if _, err := TryLock(flag.Arg(0)); err != nil {
		t.Fatal(err)
	}
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// holdElsewhere has another process hold a lock.
func holdElsewhere(t *testing.T, name string) (cmd *exec.Cmd, end io.Closer) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHolder$", "-test.v=false", "--", name)
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	Detach(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = input.Close(); _ = cmd.Wait() })
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if lines.Text() == "held" {
			return cmd, input
		}
	}
	t.Fatal("the other process has not taken the lock")
	return nil, nil
}

// Another process keeps a lock from this one, is named, and gives it back however it ends.
func TestLock_OfAnotherProcess(t *testing.T) {
	t.Parallel()
	for _, kill := range []bool{false, true} {
		name := filepath.Join(t.TempDir(), "lock")
		other, end := holdElsewhere(t, name)
		_, err := TryLock(name)
		if want := fmt.Sprintf("process %d", other.Process.Pid); !errors.Is(err, ErrLocked) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %v, want ErrLocked that names %s", err, want)
		}
		got := make(chan error, 1)
		go func() {
			unlock, err := Lock(name)
			if err == nil {
				unlock()
			}
			got <- err
		}()
		if kill {
			err = other.Process.Kill()
		} else {
			err = end.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := <-got; err != nil {
			t.Errorf("killed is %v: %v", kill, err)
		}
	}
}

func TestHolderOf_Unknown(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "lock")
	unlock, err := TryLock(name)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if err := os.Truncate(name, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := TryLock(name); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "not known") {
		t.Errorf("got %v", err)
	}
}

// A program that fails is shown with its arguments, how it ended, and the end of what it said; one that works, not at all.
func TestRun(t *testing.T) {
	t.Parallel()
	if err := Run(t.Context(), "sh", "-c", "echo noise"); err != nil {
		t.Error(err)
	}
	err := Run(t.Context(), "sh", "-c", "seq 1 40; echo wrong >&2; exit 7")
	if err == nil {
		t.Fatal("no error")
	}
	first, said, _ := strings.Cut(err.Error(), "\n")
	if want := "sh -c seq 1 40; echo wrong >&2; exit 7: exit status 7"; first != want {
		t.Errorf("got %q, want %q", first, want)
	}
	lines := strings.Split(said, "\n")
	if len(lines) != shownLines || lines[0] != "27" || lines[shownLines-1] != "wrong" {
		t.Errorf("shown are %d lines: %q", len(lines), said)
	}
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != 7 {
		t.Errorf("got %v, want an exit status that can be told", err)
	}
	if err := Run(t.Context(), filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
}

// When it is no longer wanted, a program is asked to end, and may clean up first.
func TestRun_Interrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ready, cleaned := filepath.Join(dir, "ready"), filepath.Join(dir, "cleaned")
	if err := exec.CommandContext(t.Context(), "mkfifo", ready).Run(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error)
	go func() {
		ran <- Run(ctx, "sh", "-c", `trap 'kill $!; touch "$2"; exit 3' INT; sleep 300 & echo >"$1"; wait`, "sh", ready, cleaned)
	}()
	if _, err := os.ReadFile(ready); err != nil { // waits for the other end
		t.Fatal(err)
	}
	cancel()
	if err := <-ran; err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(cleaned); err != nil {
		t.Errorf("it could not clean up: %v", err)
	}
}

func TestAsRoot(t *testing.T) {
	t.Parallel()
	want := []string{"apt-get", "update"}
	if os.Geteuid() != 0 {
		want = append([]string{"sudo", "-n"}, want...)
	}
	if diff := cmp.Diff(want, AsRoot("apt-get", "update")); diff != "" {
		t.Error(diff)
	}
}

func TestSay(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	Say(&out, "%d of %s", 2, "100%")
	if got := out.String(); got != "· 2 of 100%\n" {
		t.Errorf("got %q", got)
	}
}

// An interrupted first time leaves no empty secret, and no two files have the same.
func TestKeptSecret_OfAnEmptyFile(t *testing.T) {
	t.Parallel()
	secrets := map[string]bool{}
	for range 3 {
		file := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		secret, err := KeptSecret(file)
		if err != nil || secret == "" {
			t.Errorf("got %q, %v", secret, err)
		}
		secrets[secret] = true
	}
	if len(secrets) != 3 {
		t.Errorf("%d secrets of 3 files", len(secrets))
	}
}

func TestLastLines(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "", "\n\n": "", "one": "one", "one\ntwo\n": "one\ntwo", "\none\n\ntwo\n\n": "one\n\ntwo"} {
		if got := LastLines(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
