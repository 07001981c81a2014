package audit_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/waooaw/plant/shared/audit"
)

// anyText draws texts that look alike when their ends are not told: with quotes, escapes, commas and each other's beginning.
func anyText() *rapid.Generator[string] {
	parts := rapid.SampledFrom([]string{"a", "b", "ab", `"`, `\`, ",", ":", "null", "[", "]", "{", "}", "\x00", "\n", "\u007f", "é", "e\u0301", "\u2028", "\U0001F600", " ", "1", `\u0061`})
	return rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOfN(parts, 0, 5), func(parts []string) string { return strings.Join(parts, "") }))
}

// anyValue draws a value that a change can hold, and writes it in its one form.
func anyValue(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		kinds := 3
		if depth > 0 {
			kinds = 5
		}
		switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
		case 0:
			return "null"
		case 1:
			return rapid.SampledFrom([]string{"true", "false"}).Draw(t, "boolean")
		case 2:
			return quoted(anyText().Draw(t, "text"))
		case 3:
			return "[" + strings.Join(rapid.SliceOfN(anyValue(depth-1), 0, 3).Draw(t, "elements"), ",") + "]"
		}
		return object(rapid.MapOfN(anyText(), anyValue(depth-1), 0, 3).Draw(t, "members"))
	})
}

func quoted(text string) string {
	out, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		panic(err) // it draws UTF-8
	}
	return string(out)
}

func object(members map[string]string) string {
	var parts []string
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names) // by bytes
	for _, name := range names {
		parts = append(parts, quoted(name)+":"+members[name])
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func anyHash() *rapid.Generator[audit.Hash] {
	return rapid.Map(rapid.Uint8(), func(b uint8) audit.Hash { return sha256.Sum256([]byte{b}) })
}

func anyAmendment() *rapid.Generator[audit.Amendment] {
	return rapid.Custom(func(t *rapid.T) audit.Amendment {
		return audit.Amendment{
			Seq: rapid.Int64().Draw(t, "seq"), EntityType: anyText().Draw(t, "type"), EntityID: uuid.UUID{rapid.Byte().Draw(t, "id")},
			Version: rapid.Int64().Draw(t, "version"), Action: anyText().Draw(t, "action"),
			Actor: audit.Actor{Issuer: anyText().Draw(t, "issuer"), Role: anyText().Draw(t, "role"), Subject: anyHash().Draw(t, "subject")},
			At:    anyText().Draw(t, "at"), Change: jsontext.Value(object(rapid.MapOfN(anyText(), anyValue(2), 0, 4).Draw(t, "change"))),
			PreviousHash: anyHash().Draw(t, "previous"), Hash: anyHash().Draw(t, "hash"),
		}
	})
}

func text(t testing.TB, a audit.Amendment) string {
	t.Helper()
	out, err := a.Text()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// D7: what differs in anything that is hashed has another text, and what differs in nothing has the same.
func TestD7_TextIsInjective(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		a := anyAmendment().Draw(r, "one")
		b := a
		b.Seq, b.Hash = rapid.Int64().Draw(r, "other seq"), anyHash().Draw(r, "other hash")
		b.Change = bytes.Clone(a.Change)
		if text(t, a) != text(t, b) {
			r.Fatalf("the place and the hash are in %s", text(t, a))
		}
		other := anyAmendment().Draw(r, "other")
		for _, change := range []func(){
			func() { b.EntityType = other.EntityType },
			func() { b.EntityID = other.EntityID },
			func() { b.Version = other.Version },
			func() { b.Action = other.Action },
			func() { b.Actor.Issuer = other.Actor.Issuer },
			func() { b.Actor.Role = other.Actor.Role },
			func() { b.Actor.Subject = other.Actor.Subject },
			func() { b.At = other.At },
			func() { b.Change = other.Change },
			func() { b.PreviousHash = other.PreviousHash },
			// What stands beside each other does not run together.
			func() { b.EntityType, b.Action = a.Action, a.EntityType },
			func() { b.Actor.Issuer, b.Actor.Role = a.Actor.Issuer+a.Actor.Role, "" },
			func() { b.Actor.Issuer, b.Actor.Role = "", a.Actor.Issuer+a.Actor.Role },
		} {
			b = a
			change()
			b.Seq, b.Hash = a.Seq, a.Hash
			if same := cmp.Equal(a, b); (text(t, a) == text(t, b)) != same {
				r.Fatalf("the same: %v, and the texts are\n%s\n%s", same, text(t, a), text(t, b))
			}
		}
	})
}

// D7: the text is JSON that says what the amendment says, with names sorted, and reads the same in another library.
func TestD7_TextIsJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		a := anyAmendment().Draw(r, "amendment")
		type actor struct{ Issuer, Role, Subject string }
		type said struct {
			Action       string
			Actor        actor
			At           string
			Change       json.RawMessage
			EntityID     string `json:"entity_id"`
			EntityType   string `json:"entity_type"`
			PreviousHash string `json:"previous_hash"`
			Version      int64  `json:",string"`
		}
		var got said
		if err := json.Unmarshal([]byte(text(t, a)), &got); err != nil {
			r.Fatal(err)
		}
		want := said{
			a.Action,
			actor{a.Actor.Issuer, a.Actor.Role, a.Actor.Subject.String()},
			a.At, json.RawMessage(a.Change),
			a.EntityID.String(), a.EntityType, a.PreviousHash.String(), a.Version,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			r.Fatal(diff)
		}
	})
}

// D7: a line has one form. What was written is read back, and whatever is read is written so again.
func TestD7_LineHasOneForm(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		a := anyAmendment().Draw(r, "amendment")
		line, err := a.AppendLine([]byte("before "))
		if err != nil {
			r.Fatal(err)
		}
		line = bytes.TrimPrefix(line, []byte("before "))
		got, err := audit.ParseLine(line)
		if err != nil {
			r.Fatalf("%s: %v", line, err)
		}
		if diff := cmp.Diff(a, got); diff != "" {
			r.Fatal(diff)
		}
		// Any other bytes are another amendment, or none.
		at := rapid.IntRange(0, len(line)-1).Draw(r, "at")
		other := slices.Concat(line[:at], []byte{rapid.Byte().Draw(r, "byte")}, line[at+rapid.IntRange(0, 1).Draw(r, "instead"):])
		if changed, err := audit.ParseLine(other); err == nil && cmp.Equal(changed, a) && !bytes.Equal(other, line) {
			r.Fatalf("%s reads as %s", other, line)
		}
	})
}

func FuzzParseLine(f *testing.F) {
	for line := range bytes.SplitSeq(example().export(), []byte("\n")) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		a, err := audit.ParseLine(line)
		if err != nil {
			return
		}
		if again, err := a.AppendLine(nil); err != nil || !bytes.Equal(again, line) || !utf8.Valid(line) {
			t.Errorf("%q is taken, and written as %q, %v", line, again, err)
		}
		if hashed, err := a.Text(); err != nil || !json.Valid(hashed) {
			t.Errorf("%q is taken, and hashed as %q, %v", line, hashed, err)
		}
	})
}

// What is hashed, written out: whoever changes this changes what every amendment so far has to be.
func TestText(t *testing.T) {
	t.Parallel()
	a := audit.Amendment{
		Seq: 7, EntityType: "agent", EntityID: uuid.MustParse("01900000-0000-7000-8000-000000000001"), Version: 2, Action: "update",
		Actor: audit.Actor{Issuer: "https://issuer.example", Role: "partner", Subject: audit.Hash{0: 0xab, 31: 0xcd}}, At: "2026-11-23T19:00:00.5+00:00",
		Change: jsontext.Value(`{"hourly_rate":["10.00","12.50"],"name":["Ada","Ada \"2\" \u0001/<é>"]}`), PreviousHash: audit.Hash{1},
	}
	const zeros = "000000000000000000000000000000000000000000000000000000000000"
	want := `{"action":"update","actor":{"issuer":"https://issuer.example","role":"partner","subject":"ab` + zeros + `cd"},"at":"2026-11-23T19:00:00.5+00:00",` +
		`"change":{"hourly_rate":["10.00","12.50"],"name":["Ada","Ada \"2\" \u0001/<é>"]},"entity_id":"01900000-0000-7000-8000-000000000001","entity_type":"agent",` +
		`"previous_hash":"01` + zeros + `00","version":"2"}`
	if diff := cmp.Diff(want, text(t, a)); diff != "" {
		t.Error(diff)
	}
	if got, err := a.Computed(); err != nil || got != sha256.Sum256([]byte(want)) {
		t.Errorf("got %s, %v", got, err)
	}
	for _, change := range []string{"", "null", "[]", `"{}"`} {
		a.Change = jsontext.Value(change)
		if got, err := a.Text(); err == nil {
			t.Errorf("the change %q gave %s", change, got)
		}
	}
	a.Change = jsontext.Value("{}")
	for _, field := range []*string{&a.Action, &a.At, &a.EntityType, &a.Actor.Issuer, &a.Actor.Role} {
		was := *field
		*field = "not \xff UTF-8"
		if got, err := a.Text(); err == nil {
			t.Errorf("what is no UTF-8 gave %s", got)
		}
		*field = was
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	const digits = "00ff0123456789abcdef00000000000000000000000000000000000000000001"
	var h audit.Hash
	if err := h.UnmarshalText([]byte(digits)); err != nil || h.String() != digits {
		t.Errorf("got %s, %v", h, err)
	}
	for _, malformed := range []string{"", digits[1:], digits + "0", digits + "00", strings.ToUpper(digits), "0x" + digits[2:], " " + digits[1:], strings.Replace(digits, "a", "g", 1)} {
		got := h
		if err := got.UnmarshalText([]byte(malformed)); err == nil || got != h {
			t.Errorf("%q gave %s, %v", malformed, got, err)
		}
	}
}

// vector is a value of PostgreSQL's jsonb, as somebody may write it, and its one form. Migration 008 is tried on the same.
type vector struct{ Value, Canonical string }

// D7: what migration 008 has to write of a value is what ParseLine takes in a change, and nothing else of that value is.
func TestD7_Vectors(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors) < 20 {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	takes := func(value string) error {
		l := example()[:1]
		l[0].Change = jsontext.Value(`{"x":[null,` + value + `]}`)
		l.seal(0)
		line := fmt.Sprintf(`{"seq":1,"entity_type":"agent","entity_id":%q,"version":1,"action":"create","actor":{"issuer":"https://issuer.example","role":"partner","subject":%q},"at":%q,"change":%s,"previous_hash":%q,"hash":%q}`,
			l[0].EntityID, l[0].Actor.Subject, l[0].At, l[0].Change, l[0].PreviousHash, l[0].Hash)
		_, err := audit.ParseLine([]byte(line))
		return err
	}
	for _, v := range vectors {
		if err := takes(v.Canonical); err != nil {
			t.Errorf("%s: %v", v.Canonical, err)
		}
		if v.Value != v.Canonical && takes(v.Value) == nil {
			t.Errorf("%s is taken, whose one form is %s", v.Value, v.Canonical)
		}
	}
}
