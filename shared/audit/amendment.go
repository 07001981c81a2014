// Package audit is the form in which changes of the catalogue can be checked by outsiders: amendments, which say who
// changed what from what to what; the tree over all of them; and the signed checkpoints of that tree.
//
// It knows no database. Migration 008 writes the same form in SQL, and scripts/cmd/audit/verify.py reads it again in
// Python; testdata/ has vectors that all three agree on.
package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/tlog"
)

// Hash is a SHA-256, written as 64 lower-case hexadecimal digits.
type Hash [sha256.Size]byte

// String implements fmt.Stringer.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler. It takes the one form that MarshalText writes.
func (h *Hash) UnmarshalText(text []byte) error {
	var read Hash
	if n, err := hex.Decode(read[:], text[:min(len(text), hex.EncodedLen(len(read)))]); err != nil || n != len(read) || read.String() != string(text) {
		return fmt.Errorf("%q is no SHA-256 in lower-case hexadecimal digits", text)
	}
	*h = read
	return nil
}

// Actor made a change. Subject is a pseudonym: the hash of a salt and of the subject of a token, or of a database login.
type Actor struct {
	Issuer  string `json:"issuer"`
	Role    string `json:"role"`
	Subject Hash   `json:"subject"`
}

// Amendment is one change of one entity: one line of an export.
type Amendment struct {
	Seq          int64          `json:"seq"` // its place among all, from 1, without gaps
	EntityType   string         `json:"entity_type"`
	EntityID     uuid.UUID      `json:"entity_id"`
	Version      int64          `json:"version"` // of the entity, that the change made
	Action       string         `json:"action"`
	Actor        Actor          `json:"actor"`
	At           string         `json:"at"`            // RFC 3339 in UTC, of the transaction's begin
	Change       jsontext.Value `json:"change"`        // {"name":[old,new],…}, canonical
	PreviousHash Hash           `json:"previous_hash"` // of the entity's amendment before; zeros for its first
	Hash         Hash           `json:"hash"`
}

// Text is what is hashed of an amendment: all but its place and its hash, as JSON with one form for each value. Names are
// in the order of their bytes, numbers are strings, there are no blanks, and of characters only those are escaped that
// have to be (as in RFC 8785). It is an error where a text is not UTF-8.
func (a Amendment) Text() ([]byte, error) {
	if a.Change.Kind() != '{' {
		return nil, errors.New("the change is no object")
	}
	var err error
	text := make([]byte, 0, 512+len(a.Change))
	quote := func(value string) {
		if err == nil {
			text, err = jsontext.AppendQuote(text, value)
		}
	}
	text = append(text, `{"action":`...)
	quote(a.Action)
	text = append(text, `,"actor":{"issuer":`...)
	quote(a.Actor.Issuer)
	text = append(text, `,"role":`...)
	quote(a.Actor.Role)
	text = append(text, `,"subject":"`...)
	text = hex.AppendEncode(text, a.Actor.Subject[:])
	text = append(text, `"},"at":`...)
	quote(a.At)
	text = append(text, `,"change":`...)
	text = append(text, a.Change...)
	text = append(text, `,"entity_id":"`...)
	text = append(text, a.EntityID.String()...)
	text = append(text, `","entity_type":`...)
	quote(a.EntityType)
	text = append(text, `,"previous_hash":"`...)
	text = hex.AppendEncode(text, a.PreviousHash[:])
	text = append(text, `","version":"`...)
	text = strconv.AppendInt(text, a.Version, 10)
	text = append(text, `"}`...)
	return text, err
}

// Computed is the hash that the amendment has to have.
func (a Amendment) Computed() (Hash, error) {
	text, err := a.Text()
	return sha256.Sum256(text), err
}

// Leaf is the amendment's leaf in the tree (RFC 6962, 2.1).
func (a Amendment) Leaf() tlog.Hash { return tlog.RecordHash(a.Hash[:]) }

// ParseLine reads a line of an export, without its end. A line has one form: what reads the same and is written otherwise is
// refused, as are members that are not known.
func ParseLine(line []byte) (Amendment, error) {
	var a Amendment
	if err := json.Unmarshal(line, &a, json.RejectUnknownMembers(true)); err != nil {
		return a, fmt.Errorf("it is no amendment: %w", err)
	}
	again, err := a.AppendLine(nil)
	if err == nil && (!bytes.Equal(again, line) || !canonical(jsontext.NewDecoder(bytes.NewBuffer(a.Change)))) {
		err = errors.New("it is not written in the one form of an amendment")
	}
	return a, err
}

// canonical reports whether JSON that has no blanks, no needless escapes and no name twice has the rest of the form too:
// names in the order of their bytes, and no numbers.
func canonical(tokens *jsontext.Decoder) bool {
	kind := tokens.PeekKind()
	if _, err := tokens.ReadToken(); err != nil || kind == '0' {
		return false
	}
	if kind != '{' && kind != '[' {
		return true
	}
	before := ""
	for first := true; tokens.PeekKind() != '}' && tokens.PeekKind() != ']'; first = false {
		if kind == '{' {
			token, err := tokens.ReadToken()
			if err != nil {
				return false
			}
			name := token.String()
			if !first && name <= before {
				return false
			}
			before = name
		}
		if !canonical(tokens) {
			return false
		}
	}
	_, err := tokens.ReadToken()
	return err == nil
}

// AppendLine appends the amendment's line of an export, without its end.
func (a Amendment) AppendLine(dst []byte) ([]byte, error) {
	line, err := json.Marshal(a)
	return append(dst, line...), err
}
