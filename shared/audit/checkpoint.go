package audit

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/waooaw/plant/shared/config"
)

// Checkpoint says that a log has so many amendments, and what the root of the tree over them is.
//
// Source: https://c2sp.org/tlog-checkpoint.
type Checkpoint struct {
	Origin string // names the log; it is the name of the key that signs
	Size   int64
	Root   tlog.Hash
}

// String is the text that is signed.
func (c Checkpoint) String() string {
	return c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + base64.StdEncoding.EncodeToString(c.Root[:]) + "\n"
}

// ParseCheckpoint reads the text that was signed. More lines, which the format allows, are no part of ours.
func ParseCheckpoint(text string) (Checkpoint, error) {
	var c Checkpoint
	lines := strings.Split(text, "\n")
	if len(lines) != 4 {
		return c, errors.New("a checkpoint has three lines: origin, size and root")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return c, fmt.Errorf("the checkpoint's size: %w", err)
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != len(c.Root) {
		return c, errors.New("the checkpoint's root is no SHA-256 in base64")
	}
	c = Checkpoint{Origin: lines[0], Size: size, Root: tlog.Hash(root)}
	if c.Origin == "" || c.Size < 0 || c.String() != text {
		return Checkpoint{}, errors.New("the checkpoint is not written in its one form")
	}
	return c, nil
}

// Config of checkpoints: the keys that sign them, and where they go.
type Config struct {
	// Key signs; it is a signer key as scripts/audit key makes it. Without one no checkpoint is given.
	Key config.Secret `env:"AUDIT_KEY"`
	// OldKeys are the verifier keys of signer keys that were in use before, so that what they signed is known.
	OldKeys []string `env:"AUDIT_OLD_KEYS"`
	// Log is the name of a log in Cloud Logging, of the project, whose bucket should be locked. Without one nothing goes there.
	Log     string `env:"AUDIT_LOG"`
	Project string `env:"GOOGLE_CLOUD_PROJECT"`
	// SequenceEvery is how often, at most, amendments get their places after a write; 0 leaves it to who reads them, and to
	// the scheduler.
	SequenceEvery time.Duration `env:"AUDIT_SEQUENCE_EVERY, default=1s"`
	// File is a file that each checkpoint is added to.
	File string `env:"AUDIT_CHECKPOINT_FILE"`
}

// ErrNoKey tells that nothing signs here.
var ErrNoKey = errors.New("AUDIT_KEY is not set: make a key by scripts/audit key NAME")

// Keys sign checkpoints and verify those of before.
type Keys struct {
	signer    note.Signer // nil where there is no key
	verifiers note.Verifiers
}

// NewKeys reads keys. The error names what is malformed and shows no key.
func NewKeys(cfg Config) (*Keys, error) {
	keys := &Keys{}
	texts := cfg.OldKeys
	if cfg.Key != "" {
		own, err := VerifierKey(cfg.Key.Reveal())
		if err != nil {
			return nil, fmt.Errorf("AUDIT_KEY: %w", err)
		}
		if keys.signer, err = note.NewSigner(cfg.Key.Reveal()); err != nil {
			return nil, errors.New("AUDIT_KEY is no signer key") // which VerifierKey has seen before
		}
		// A key that is about to be replaced is among the old ones already; twice, none of them would verify.
		texts = []string{own}
		for _, old := range cfg.OldKeys {
			if strings.TrimSpace(old) != own {
				texts = append(texts, old)
			}
		}
	}
	verifiers, err := NewVerifiers(texts)
	if err != nil {
		return nil, fmt.Errorf("AUDIT_OLD_KEYS: %w", err)
	}
	keys.verifiers = verifiers
	return keys, nil
}

// VerifierKey returns the verifier key that belongs to a signer key.
func VerifierKey(signerKey string) (string, error) {
	malformed := errors.New("it is no signer key: scripts/audit key NAME makes one")
	if _, err := note.NewSigner(signerKey); err != nil {
		return "", malformed
	}
	parts := strings.SplitN(signerKey, "+", 5) // PRIVATE, KEY, name, hash, and the algorithm's byte with the seed
	key, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil || len(key) != 1+ed25519.SeedSize {
		return "", malformed
	}
	public, _ := ed25519.NewKeyFromSeed(key[1:]).Public().(ed25519.PublicKey)
	return note.NewEd25519VerifierKey(parts[2], public)
}

// NewVerifiers reads verifier keys: NAME+HASH+KEY, as golang.org/x/mod/sumdb/note has them.
func NewVerifiers(texts []string) (note.Verifiers, error) {
	var list []note.Verifier
	for _, text := range texts {
		verifier, err := note.NewVerifier(strings.TrimSpace(text))
		if err != nil {
			return nil, errors.New("a verifier key is NAME+HASH+KEY, as scripts/audit key prints it")
		}
		list = append(list, verifier)
	}
	return note.VerifierList(list...), nil
}

// Origin names the log whose checkpoints are signed.
func (k *Keys) Origin() (string, error) {
	if k.signer == nil {
		return "", ErrNoKey
	}
	return k.signer.Name(), nil
}

// Sign returns the checkpoint as a signed note. Its origin has to be the key's name.
func (k *Keys) Sign(c Checkpoint) ([]byte, error) {
	if k.signer == nil {
		return nil, ErrNoKey
	}
	if c.Origin != k.signer.Name() {
		return nil, fmt.Errorf("the key of %s does not sign for %s", k.signer.Name(), c.Origin)
	}
	return note.Sign(&note.Note{Text: c.String()}, k.signer)
}

// Open returns the checkpoint of a note that one of the keys has signed.
func (k *Keys) Open(signed []byte) (Checkpoint, error) { return Open(signed, k.verifiers) }

// Open returns the checkpoint of a note that one of the verifiers' keys has signed, under its own name.
func Open(signed []byte, verifiers note.Verifiers) (Checkpoint, error) {
	opened, err := note.Open(signed, verifiers)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("the checkpoint's signature: %w", err)
	}
	c, err := ParseCheckpoint(opened.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	for _, signature := range opened.Sigs {
		if signature.Name == c.Origin {
			return c, nil
		}
	}
	return Checkpoint{}, fmt.Errorf("the checkpoint is of %s and signed by another", c.Origin)
}
