package audit_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/waooaw/plant/shared/audit"
	"github.com/waooaw/plant/shared/config"
)

func TestCheckpoint(t *testing.T) {
	t.Parallel()
	c := audit.Checkpoint{Origin: origin, Size: 11, Root: tlog.Hash{1, 2, 3}}
	const text = origin + "\n11\nAQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
	if c.String() != text {
		t.Errorf("got %q, want %q", c, text)
	}
	got, err := audit.ParseCheckpoint(text)
	if diff := cmp.Diff(c, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if zero, err := audit.ParseCheckpoint(audit.Checkpoint{Origin: "o"}.String()); err != nil || zero.Size != 0 {
		t.Errorf("an empty log: %v, %v", zero, err)
	}
	for _, malformed := range []string{
		"", "\n\n\n", text + "\n", text + "more\n", text[:len(text)-1], strings.TrimPrefix(text, origin),
		strings.Replace(text, "11", "011", 1), strings.Replace(text, "11", "+11", 1), strings.Replace(text, "11", "-11", 1), strings.Replace(text, "11", "", 1),
		strings.Replace(text, "11", "11 ", 1), strings.Replace(text, "11", "9223372036854775808", 1),
		strings.Replace(text, "AAA=", "AAB=", 1), strings.Replace(text, "AAA=", "AAA", 1), strings.Replace(text, "AQID", "", 1), strings.ReplaceAll(text, "\n", "\r\n"),
	} {
		if got, err := audit.ParseCheckpoint(malformed); err == nil {
			t.Errorf("%q reads as %+v", malformed, got)
		}
	}
}

// D11: what an old key has signed verifies as long as its verifier key is known, by the key's hash, and not after.
func TestD11_KeyRotation(t *testing.T) {
	t.Parallel()
	c := audit.Checkpoint{Origin: origin, Size: 3, Root: tlog.Hash{7}}
	old, current := keysOf(t, formerKey), keysOf(t, currentKey, verifierKey(t, formerKey))
	before, err := old.Sign(c)
	if err != nil {
		t.Fatal(err)
	}
	after, err := current.Sign(c)
	if err != nil || bytes.Equal(before, after) {
		t.Fatalf("got %s, %v", after, err)
	}
	for _, signed := range [][]byte{before, after} {
		if got, err := current.Open(signed); err != nil || got != c {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	var unverified *note.UnverifiedNoteError
	if got, err := keysOf(t, currentKey).Open(before); !errors.As(err, &unverified) {
		t.Errorf("the old key is lost: got %+v, %v", got, err)
	}
	if got, err := old.Open(after); !errors.As(err, &unverified) {
		t.Errorf("the new key is not known yet: got %+v, %v", got, err)
	}
	readers, err := audit.NewKeys(audit.Config{OldKeys: []string{verifierKey(t, formerKey), verifierKey(t, currentKey)}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readers.Open(after); err != nil || got != c {
		t.Errorf("without a key of one's own: got %+v, %v", got, err)
	}
	if _, err := readers.Sign(c); !errors.Is(err, audit.ErrNoKey) {
		t.Errorf("it signs without a key: %v", err)
	}
	if _, err := readers.Origin(); !errors.Is(err, audit.ErrNoKey) {
		t.Errorf("it has an origin without a key: %v", err)
	}
	if got, err := current.Origin(); err != nil || got != origin {
		t.Errorf("got %s, %v", got, err)
	}
	if signed, err := current.Sign(audit.Checkpoint{Origin: "plant.example/other"}); err == nil {
		t.Errorf("it signs for another log: %s", signed)
	}
	// Who watches the log may sign beside it, and what they sign alone is no checkpoint of it.
	watcher, err := note.NewSigner(signerKey("watcher.example", 9))
	if err != nil {
		t.Fatal(err)
	}
	both, err := note.Sign(&note.Note{Text: c.String(), UnverifiedSigs: signaturesOf(t, after)}, watcher)
	if err != nil {
		t.Fatal(err)
	}
	alone, err := note.Sign(&note.Note{Text: c.String()}, watcher)
	if err != nil {
		t.Fatal(err)
	}
	known := verifiers(t, currentKey, signerKey("watcher.example", 9))
	if got, err := audit.Open(both, known); err != nil || got != c {
		t.Errorf("with a watcher's signature: got %+v, %v", got, err)
	}
	if got, err := audit.Open(alone, known); err == nil {
		t.Errorf("with nothing but a watcher's signature: got %+v", got)
	}
}

func signaturesOf(t *testing.T, signed []byte) []note.Signature {
	t.Helper()
	opened, err := note.Open(signed, verifiers(t, currentKey))
	if err != nil {
		t.Fatal(err)
	}
	return opened.Sigs
}

// D11: not one bit of a checkpoint or of its signature can be changed.
func TestD11_BadSignature(t *testing.T) {
	t.Parallel()
	keys := keysOf(t, currentKey)
	c := audit.Checkpoint{Origin: origin, Size: 3, Root: tlog.Hash{7}}
	signed, err := keys.Sign(c)
	if err != nil {
		t.Fatal(err)
	}
	for at := range signed {
		for bit := range 8 {
			bad := bytes.Clone(signed)
			bad[at] ^= 1 << bit
			if got, err := keys.Open(bad); err == nil {
				t.Errorf("bit %d of byte %d: got %+v of %q", bit, at, got, bad)
			}
		}
		if got, err := keys.Open(signed[:at]); err == nil {
			t.Errorf("cut at %d: got %+v", at, got)
		}
	}
	// The signature of one text stands under another.
	other, err := keys.Sign(audit.Checkpoint{Origin: origin, Size: 4, Root: tlog.Hash{7}})
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := bytes.Cut(signed, []byte("\n\n"))
	_, tail, _ := bytes.Cut(other, []byte("\n\n"))
	if got, err := keys.Open(slices.Concat(head, []byte("\n\n"), tail)); err == nil {
		t.Errorf("another's signature: got %+v", got)
	}
}

// D11: before a key is replaced it is among the old ones already, and signs meanwhile.
func TestD11_OwnKeyAmongOldOnes(t *testing.T) {
	t.Parallel()
	keys, err := audit.NewKeys(audit.Config{Key: config.Secret(currentKey), OldKeys: []string{verifierKey(t, formerKey), " " + verifierKey(t, currentKey)}})
	if err != nil {
		t.Fatal(err)
	}
	c := audit.Checkpoint{Origin: origin, Size: 3, Root: tlog.Hash{7}}
	signed, err := keys.Sign(c)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := keys.Open(signed); err != nil || got != c {
		t.Errorf("got %+v, %v", got, err)
	}
}

// What is malformed is named, and no key is shown.
func TestNewKeys_Malformed(t *testing.T) {
	t.Parallel()
	good := signerKey(origin, 1)
	seed := good[strings.LastIndex(good, "+")+1:]
	for name, key := range map[string]string{
		"a verifier key": verifierKey(t, good), "cut": good[:len(good)-4], "another hash": strings.Replace(good, origin, origin+"2", 1), "nonsense": seed,
		"no name": strings.Replace(good, origin, "", 1), "more": good + "+" + seed,
	} {
		if _, err := audit.NewKeys(audit.Config{Key: config.Secret(key)}); err == nil || !strings.Contains(err.Error(), "AUDIT_KEY") || strings.Contains(err.Error(), seed) {
			t.Errorf("%s: got %v", name, err)
		}
		if got, err := audit.VerifierKey(key); err == nil {
			t.Errorf("%s: got %s", name, got)
		}
	}
	verifier := verifierKey(t, good)
	for name, key := range map[string]string{"a signer key": good, "cut": verifier[:len(verifier)-4], "another hash": strings.Replace(verifier, origin, "x", 1), "nothing": ""} {
		if _, err := audit.NewKeys(audit.Config{Key: config.Secret(good), OldKeys: []string{verifierKey(t, formerKey), key}}); err == nil || !strings.Contains(err.Error(), "AUDIT_OLD_KEYS") || strings.Contains(err.Error(), seed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	public, err := base64.StdEncoding.DecodeString(verifier[strings.LastIndex(verifier, "+")+1:])
	if err != nil || len(public) != 33 {
		t.Errorf("the verifier key holds %d bytes, %v", len(public), err)
	}
}

func TestSplitNotes(t *testing.T) {
	t.Parallel()
	one, other := string(example()[:1].sign(t, currentKey)), string(example()[:2].sign(t, currentKey))
	two := one + strings.SplitAfterN(string(example()[:1].sign(t, formerKey)), "\n\n", 2)[1] // signed twice
	for name, want := range map[string][]string{
		"none": nil, "one": {one}, "two": {one, other}, "three": {one, two, other}, "two signatures first": {two, one},
	} {
		for between, separator := range map[string]string{"nothing": "", "a line": "\n", "lines": "\n\n\n"} {
			var got []string
			for _, note := range audit.SplitNotes([]byte(strings.Join(want, separator))) {
				got = append(got, strings.TrimRight(string(note), "\n")+"\n")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s with %s between: %s", name, between, diff)
			}
		}
	}
}
