package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/waooaw/plant/shared/audit"
)

const goldenFiles = "../../../shared/audit/testdata/golden"

func golden(name ...string) string { return filepath.Join(append([]string{goldenFiles}, name...)...) }

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// call runs the command and returns what it prints, and its status.
func call(t *testing.T, in io.Reader, args ...string) (string, int) {
	t.Helper()
	var out strings.Builder
	err := run(args, in, &out)
	if err != nil {
		out.WriteString(err.Error())
	}
	return out.String(), statusOf(err)
}

// callPython runs the other verifier.
func callPython(t *testing.T, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "python3", append([]string{"-I", "verify.py"}, args...)...)
	said, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok || ok && exit.ExitCode() < 0 {
		t.Fatal(err)
	}
	return string(said), cmd.ProcessState.ExitCode()
}

func TestVerify_GoldenFiles(t *testing.T) {
	t.Parallel()
	wants, err := filepath.Glob(golden("*", "want"))
	if err != nil || len(wants) < 5 {
		t.Fatalf("got %d golden files, %v", len(wants), err)
	}
	for _, want := range wants {
		folder := filepath.Dir(want)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			t.Parallel()
			verdict, place, _ := strings.Cut(strings.TrimSpace(read(t, want)), " ")
			wantStatus := map[string]int{"good": 0, "bad": 1, "unknown": 2}[verdict]
			wantText := map[string]string{"good": "good: ", "bad": "amendment " + place + ": ", "unknown": ""}[verdict]
			args := []string{filepath.Join(folder, "export.ndjson"), filepath.Join(folder, "checkpoint"), golden("keys")}
			if said, status := call(t, nil, append([]string{"verify"}, args...)...); status != wantStatus || !strings.HasPrefix(said, wantText) {
				t.Errorf("got %d %s, want %d %s", status, said, wantStatus, wantText)
			}
			if said, status := callPython(t, args...); status != wantStatus || !strings.HasPrefix(said, wantText) || strings.Contains(said, "Traceback") {
				t.Errorf("Python: got %d %s, want %d %s", status, said, wantStatus, wantText)
			}
		})
	}
}

// D1: whichever byte of whichever amendment is changed, both verifiers name that amendment.
func TestD1_AnyByteOfAnExport(t *testing.T) {
	t.Parallel()
	lines := strings.SplitAfter(read(t, golden("good", "export.ndjson")), "\n")
	lines = lines[:len(lines)-1]
	for i, line := range lines {
		const everySoMany = 61 // a prime, so that the bytes are of all fields; shared/audit tries many more
		for at := i; at < len(line)-1; at += everySoMany {
			changed := append([]string(nil), lines...)
			changed[i] = line[:at] + string(line[at]^1) + line[at+1:]
			export := strings.Join(changed, "")
			said, status := call(t, strings.NewReader(export), "verify", "-", golden("good", "checkpoint"), golden("keys"))
			if want := fmt.Sprintf("amendment %d: ", i+1); status != bad || !strings.HasPrefix(said, want) {
				t.Errorf("byte %d of line %d: got %d %s", at, i+1, status, said)
			}
			if at != i {
				continue
			}
			said, status = callPython(t, write(t, export), golden("good", "checkpoint"), golden("keys"))
			if want := fmt.Sprintf("amendment %d: ", i+1); status != bad || !strings.HasPrefix(said, want) {
				t.Errorf("Python: byte %d of line %d: got %d %s", at, i+1, status, said)
			}
		}
	}
}

func TestVerify_Arguments(t *testing.T) {
	t.Parallel()
	export, checkpoint, keys := golden("good", "export.ndjson"), golden("good", "checkpoint"), golden("keys")
	key := strings.Fields(read(t, keys))[0]
	tests := []struct {
		name   string
		args   []string
		in     string
		status int
		says   string
	}{
		{"nothing", nil, "", unknown, "say what to do"},
		{"another verb", []string{"check"}, "", unknown, "say what to do"},
		{"too few", []string{"verify", export, checkpoint}, "", unknown, "say what to do"},
		{"too many", []string{"verify", export, checkpoint, keys, "more"}, "", unknown, "say what to do"},
		{"a flag that there is not", []string{"verify", "--from", "1", export, checkpoint, keys}, "", unknown, "-from"},
		{"the key itself", []string{"verify", export, checkpoint, key}, "", good, "good: amendments 1 to 11, of 4 entities, are what was signed\n"},
		{"the standard input", []string{"verify", "-", checkpoint, keys}, read(t, export), good, "good: amendments 1 to 11"},
		{"an empty standard input", []string{"verify", "-", checkpoint, keys}, "", bad, "amendment 1: it is missing"},
		{"no such export", []string{"verify", "none", checkpoint, keys}, "", unknown, "read the export"},
		{"a folder for an export", []string{"verify", ".", checkpoint, keys}, "", unknown, "read the export"},
		{"no such checkpoint", []string{"verify", export, "none", keys}, "", unknown, "read the checkpoint"},
		{"no key", []string{"verify", export, checkpoint, "none"}, "", unknown, "read the key"},
		{"a folder for a key", []string{"verify", export, checkpoint, "."}, "", unknown, "read the key"},
		{"an empty key", []string{"verify", export, checkpoint, ""}, "", unknown, "signature"},
		{"a key that was cut", []string{"verify", export, checkpoint, key[:len(key)-4]}, "", unknown, "read the key"},
		{"the export for a checkpoint", []string{"verify", export, export, keys}, "", unknown, "signature"},
		{"the checkpoint for an export", []string{"verify", checkpoint, checkpoint, keys}, "", bad, "amendment 1: "},
	}
	for _, test := range tests {
		said, status := call(t, strings.NewReader(test.in), test.args...)
		if status != test.status || !strings.Contains(said, test.says) {
			t.Errorf("%s: got %d %q, want %d %q", test.name, status, said, test.status, test.says)
		}
	}
}

// The log goes on, and so does who verifies it: each amendment is read once.
func TestVerify_State(t *testing.T) {
	t.Parallel()
	lines := strings.SplitAfter(read(t, golden("good", "export.ndjson")), "\n")
	from := func(place int) string { return write(t, strings.Join(lines[place-1:], "")) }
	first, whole := write(t, firstCheckpoint(t)), golden("good", "checkpoint")
	state := filepath.Join(t.TempDir(), "state")
	steps := []struct {
		export, checkpoint string
		status             int
		says               string
	}{
		{from(2), whole, bad, "amendment 1: its place should be 1 and is 2"},
		{from(1), first, good, "good: amendments 1 to 3, of 4 entities, are what was signed\n4 to 11 came later"},
		{from(1), whole, bad, "amendment 4: its place should be 4 and is 1"},
		{from(5), whole, bad, "amendment 4: its place should be 4 and is 5"},
		{from(4), whole, good, "good: amendments 4 to 11, of 4 entities, are what was signed\n"},
		{write(t, ""), whole, good, "good: there is nothing new in the log of 11 amendments that was signed\n"},
	}
	for i, step := range steps {
		if said, status := call(t, nil, "verify", "--state", state, step.export, step.checkpoint, golden("keys")); status != step.status || !strings.HasPrefix(said, step.says) {
			t.Errorf("step %d: got %d %q, want %d %q", i, status, said, step.status, step.says)
		}
	}
	if said, status := call(t, nil, "verify", "--state", state, write(t, ""), golden("bad_suffix_rewritten", "checkpoint"), golden("keys")); status != good {
		t.Errorf("the same checkpoint again: %d %q", status, said)
	}
	for _, broken := range []string{"", "x", `{"size":3,"roots":[]}`, `{"size":-1,"roots":[]}`} {
		if said, status := call(t, nil, "verify", "--state", write(t, broken), from(4), whole, golden("keys")); status != unknown {
			t.Errorf("the state %q: got %d %q", broken, status, said)
		}
	}
	if said, status := call(t, nil, "verify", "--state", filepath.Join(t.TempDir(), "no", "folder"), from(1), whole, golden("keys")); status != unknown || !strings.Contains(said, "keep how far") {
		t.Errorf("no place for a state: got %d %q", status, said)
	}
}

// firstCheckpoint is the one of three amendments that the golden file with several checkpoints has, by the current key.
func firstCheckpoint(t *testing.T) string {
	t.Helper()
	for _, one := range audit.SplitNotes([]byte(read(t, golden("good_checkpoints", "checkpoint")))) {
		if bytes.Contains(one, []byte("\n3\n")) {
			return string(one)
		}
	}
	t.Fatal("there is no checkpoint of three amendments")
	return ""
}

func TestKey(t *testing.T) {
	t.Parallel()
	said, status := call(t, nil, "key", "plant.example/log")
	lines := strings.Split(said, "\n")
	if status != good || len(lines) != 5 {
		t.Fatalf("got %d %q", status, said)
	}
	signer, err := note.NewSigner(lines[1])
	if err != nil || signer.Name() != "plant.example/log" {
		t.Errorf("got %v, %v", signer, err)
	}
	if want, err := audit.VerifierKey(lines[1]); err != nil || lines[3] != want {
		t.Errorf("got %q, want %q, %v", lines[3], want, err)
	}
	if again, _ := call(t, nil, "key", "plant.example/log"); again == said {
		t.Error("the same key twice")
	}
	for _, name := range []string{"", "a b", "a+b", "a\n"} {
		if said, status := call(t, nil, "key", name); status != unknown || strings.Contains(said, "PRIVATE") {
			t.Errorf("%q: got %d %q", name, status, said)
		}
	}
}
