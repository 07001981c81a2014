// Command audit verifies exports of amendments, and makes the keys that sign checkpoints. See scripts/audit.
package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/waooaw/plant/shared/audit"
)

// The statuses that scripts/audit ends with.
const (
	good = iota
	bad
	unknown
)

var errUsage = errors.New("say what to do: scripts/audit verify [--state FILE] EXPORT CHECKPOINT KEY, or scripts/audit key NAME")

func main() {
	err := run(os.Args[1:], os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(statusOf(err))
}

func statusOf(err error) int {
	var found *audit.Bad
	switch {
	case err == nil:
		return good
	case errors.As(err, &found):
		return bad
	}
	return unknown
}

func run(args []string, in io.Reader, out io.Writer) error {
	switch {
	case len(args) > 0 && args[0] == "verify":
		return verify(args[1:], in, out)
	case len(args) == 2 && args[0] == "key":
		return makeKey(args[1], out)
	}
	return errUsage
}

// makeKey prints a new signer key and the verifier key that belongs to it.
func makeKey(name string, out io.Writer) error {
	signer, verifier, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	if _, err := note.NewVerifier(verifier); err != nil {
		return fmt.Errorf("%q names no log: a name has neither blanks nor plus signs", name)
	}
	_, err = fmt.Fprintf(out, "signer key, for AUDIT_KEY, to be kept secret:\n%s\nverifier key, for everyone who checks:\n%s\n", signer, verifier)
	return err
}

func verify(args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("scripts/audit verify", flag.ContinueOnError)
	state := flags.String("state", "", "a file that keeps how far was verified")
	flags.SetOutput(io.Discard) // the error says it
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("%w; %w", err, errUsage)
	}
	if flags.NArg() != 3 {
		return errUsage
	}
	checkpoints, err := os.ReadFile(flags.Arg(1))
	if err != nil {
		return fmt.Errorf("read the checkpoint: %w", err)
	}
	verifiers, err := readKeys(flags.Arg(2))
	if err != nil {
		return err
	}
	from, err := readState(*state)
	if err != nil {
		return fmt.Errorf("read how far was verified: %w", err)
	}
	if flags.Arg(0) != "-" {
		export, err := os.Open(flags.Arg(0))
		if err != nil {
			return fmt.Errorf("read the export: %w", err)
		}
		defer export.Close() //nolint:errcheck // it was only read
		in = export
	}
	report, err := audit.Verify(in, checkpoints, verifiers, from)
	if err != nil {
		return err
	}
	if err := writeState(*state, report.Frontier); err != nil {
		return fmt.Errorf("keep how far was verified: %w", err)
	}
	return tell(report, out)
}

func tell(report audit.Report, out io.Writer) error {
	text := fmt.Sprintf("good: amendments %d to %d, of %d entities, are what was signed\n", report.First, report.Signed, report.Entities)
	if report.First > report.Signed || report.First == 0 {
		text = fmt.Sprintf("good: there is nothing new in the log of %d amendments that was signed\n", report.Signed)
	}
	if report.Last > report.Signed {
		text += fmt.Sprintf("%d to %d came later: their hashes and chains are right, and a checkpoint has yet to vouch for them\n", max(report.First, report.Signed+1), report.Last)
	}
	_, err := io.WriteString(out, text)
	return err
}

// readKeys takes a verifier key, or the name of a file with such keys.
func readKeys(keyOrFile string) (note.Verifiers, error) {
	text, err := os.ReadFile(keyOrFile)
	if errors.Is(err, os.ErrNotExist) {
		text, err = []byte(keyOrFile), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	verifiers, err := audit.NewVerifiers(strings.Fields(string(text)))
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	return verifiers, nil
}

func readState(path string) (state audit.Frontier, err error) {
	if path == "" {
		return state, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return state, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &state)
	}
	if err == nil && !state.Valid() {
		err = fmt.Errorf("%s is no state that scripts/audit has written", path)
	}
	return state, err
}

// writeState replaces the file as a whole, or not at all.
func writeState(path string, state audit.Frontier) error {
	if path == "" {
		return nil
	}
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(next.Name()) //nolint:errcheck // it has another name by then
	_, err = next.Write(append(text, '\n'))
	if err := errors.Join(err, next.Sync(), next.Close()); err != nil {
		return err
	}
	return os.Rename(next.Name(), path)
}
