package audit_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/waooaw/plant/shared/audit"
	"github.com/waooaw/plant/shared/config"
)

const origin = "plant.example/log"

// signerKey is a key of which everything is known.
func signerKey(name string, seed byte) string {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	public, _ := private.Public().(ed25519.PublicKey)
	const algorithm = "\x01"
	hash := sha256.Sum256([]byte(name + "\n" + algorithm + string(public)))
	return fmt.Sprintf("PRIVATE+KEY+%s+%x+%s", name, hash[:4], base64.StdEncoding.EncodeToString([]byte(algorithm+string(private.Seed()))))
}

func keysOf(t testing.TB, signer string, old ...string) *audit.Keys {
	t.Helper()
	keys, err := audit.NewKeys(audit.Config{Key: config.Secret(signer), OldKeys: old})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func verifierKey(t testing.TB, signer string) string {
	t.Helper()
	key, err := audit.VerifierKey(signer)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func verifiers(t testing.TB, signers ...string) note.Verifiers {
	t.Helper()
	var texts []string
	for _, signer := range signers {
		texts = append(texts, verifierKey(t, signer))
	}
	all, err := audit.NewVerifiers(texts)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// amendments is a log, as the database writes it.
type amendments []audit.Amendment

// entity is the id of one of a few entities.
func entity(n int) uuid.UUID {
	return uuid.UUID{15: byte(n), 14: byte(n >> 8), 13: byte(n >> 16), 6: 0x70, 8: 0x80}
}

// amend adds an amendment that follows from what is there.
func (l *amendments) amend(of int, action, change string) {
	a := audit.Amendment{
		Seq: int64(len(*l)) + 1, EntityType: []string{"agent", "skill", "team"}[of%3], EntityID: entity(of), Version: 1, Action: action,
		Actor:  audit.Actor{Issuer: "https://issuer.example", Role: "partner", Subject: sha256.Sum256([]byte{byte(of)})},
		At:     fmt.Sprintf("2026-11-23T19:%02d:00.25+00:00", len(*l)%60),
		Change: jsontext.Value(change),
	}
	for _, before := range *l {
		if before.EntityID == a.EntityID {
			a.Version, a.PreviousHash = before.Version+1, before.Hash
		}
	}
	*l = append(*l, a)
	l.seal(len(*l) - 1)
}

// seal gives the amendment at i the hash that it has to have.
func (l amendments) seal(i int) {
	hash, err := l[i].Computed()
	if err != nil {
		panic(err) // the tests' own texts are UTF-8
	}
	l[i].Hash = hash
}

// sealFrom makes all that follows from the amendment at i follow from it again, as whoever can write the database could.
func (l amendments) sealFrom(i int) {
	for ; i < len(l); i++ {
		l[i].PreviousHash = audit.Hash{}
		for _, before := range l[:i] {
			if before.EntityID == l[i].EntityID && before.EntityType == l[i].EntityType {
				l[i].PreviousHash = before.Hash
			}
		}
		l.seal(i)
	}
}

// renumber gives all amendments their places anew.
func (l amendments) renumber() amendments {
	for i := range l {
		l[i].Seq = int64(i) + 1
	}
	return l
}

func (l amendments) clone() amendments {
	c := slices.Clone(l)
	for i := range c {
		c[i].Change = bytes.Clone(c[i].Change)
	}
	return c
}

func (l amendments) export() []byte {
	var out []byte
	for _, a := range l {
		var err error
		if out, err = a.AppendLine(out); err != nil {
			panic(err) // the tests' own texts are UTF-8
		}
		out = append(out, '\n')
	}
	return out
}

// tree has all hashes of the tree, computed by the library and not by what it checks.
func (l amendments) tree(t testing.TB) tlog.HashReader {
	t.Helper()
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			found[i] = stored[index]
		}
		return found, nil
	})
	for i, a := range l {
		hashes, err := tlog.StoredHashes(int64(i), a.Hash[:], reader)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, hashes...)
	}
	return reader
}

func (l amendments) root(t testing.TB) tlog.Hash {
	t.Helper()
	root, err := tlog.TreeHash(int64(len(l)), l.tree(t))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// sign is a checkpoint of the whole log.
func (l amendments) sign(t testing.TB, signer string) []byte {
	t.Helper()
	signed, err := keysOf(t, signer).Sign(audit.Checkpoint{Origin: origin, Size: int64(len(l)), Root: l.root(t)})
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// example is a log with everything that makes its form hard: what has to be escaped and what must not be, names whose order
// as UTF-8 and as UTF-16 differs, and values that read alike.
func example() amendments {
	var l amendments
	nasty := `"quote \" backslash \\ slash / controls \b\f\n\r\t\u0000\u0001\u001f` + "\u007f\u0080 <&> \u2028\u2029 \ufeff\uffff é e\u0301 \U0001F600\""
	l.amend(0, "create", `{"description":[null,`+nasty+`],"hourly_rate":[null,"10.50"],"name":[null,"Ada"],"skill_ids":[null,["`+entity(1).String()+`"]]}`)
	l.amend(1, "create", `{"":[null,""],"a":[null,"bc"],"ab":[null,"c"],"nested":[null,{"`+"\uffff"+`":"1","`+"\U0001F600"+`":{"x":[],"y":{}}}]}`)
	l.amend(2, "create", `{"agent_ids":[null,["`+entity(0).String()+`"]],"exclusive":[null,false],"job_role_id":[null,"null"],"name":[null,"null"]}`)
	l.amend(0, "update", `{"hourly_rate":["10.50","10.5"],"tags":[["a","b"],["b","a"]]}`)
	l.amend(0, "status", `{"status":["available","offline"]}`)
	l.amend(1, "certify", `{"certified_at":[null,"2026-11-23T19:00:00+00:00"]}`)
	l.amend(0, "update", `{}`)
	l.amend(3, "adopt", `{"name":[null,"Was there before"]}`)
	l[7].Version = 41
	l.seal(7)
	l.amend(2, "delete", `{"deleted_at":[null,"2026-11-23T19:00:00.000001+00:00"]}`)
	l.amend(3, "transfer", `{"owner":["`+strconv.Itoa(1)+`","2"]}`)
	l[9].Version, l[9].PreviousHash = 42, l[7].Hash
	l[9].Actor = audit.Actor{Issuer: "postgresql", Role: "login", Subject: l[9].Actor.Subject}
	l.seal(9)
	l.amend(2, "restore", `{"deleted_at":["2026-11-23T19:00:00.000001+00:00",null]}`)
	return l
}
