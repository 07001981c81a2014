package sql_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/waooaw/plant/shared/audit"
	"github.com/waooaw/plant/shared/database/dbtest"
)

const testdata = "../shared/audit/testdata/"

// D7: values are written in the form that Go and Python know.
func TestD7_VectorsInSQL(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	var vectors []struct{ Value, Canonical string }
	file, err := os.ReadFile(testdata + "vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(file, &vectors); err != nil || len(vectors) < 20 {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	for _, v := range vectors {
		if got := dbtest.Scalar[string](t, d, `select plant.canonical($1::text::jsonb)`, v.Value); got != v.Canonical {
			t.Errorf("%s: got %s, want %s", v.Value, got, v.Canonical)
		}
	}
}

// D7: SQL hashes what Go and Python hash, and grows the tree that Go has signed, in however many steps.
func TestD7_GoldenExportInSQL(t *testing.T) {
	t.Parallel()
	export, err := os.ReadFile(testdata + "golden/good/export.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	checkpoint, err := os.ReadFile(testdata + "golden/good/checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	signed, err := audit.ParseCheckpoint(strings.SplitAfter(string(checkpoint), "\n\n")[0][:bytes.Index(checkpoint, []byte("\n\n"))+1])
	if err != nil {
		t.Fatal(err)
	}
	d := dbtest.New(t)
	conn := connect(t, d)
	for _, atOnce := range []int{1, 2, 3, 7, 100} {
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		exec(t, tx, `set local session_replication_role = replica`)
		exec(t, tx, `truncate plant.amendments`) // what migrating adopted
		var lines [][]byte
		for line := range bytes.SplitSeq(bytes.TrimSpace(export), []byte("\n")) {
			a, err := audit.ParseLine(line)
			if err != nil {
				t.Fatal(err)
			}
			exec(t, tx, `insert into plant.amendments (entity_type, entity_id, version, action, actor_issuer, actor_role, actor, change, at, previous_hash, hash)
				values ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::timestamptz, $10, $11)`,
				a.EntityType, a.EntityID, a.Version, a.Action, a.Actor.Issuer, a.Actor.Role, a.Actor.Subject.String(), string(a.Change), a.At, a.PreviousHash[:], a.Hash[:])
			lines = append(lines, line)
		}
		exec(t, tx, `set local session_replication_role = origin`)
		exec(t, tx, `set local timezone = 'Asia/Kathmandu'`)
		exec(t, tx, `set local datestyle = 'SQL, DMY'`)
		if wrong := scalar[int](t, tx, `select count(*) from plant.amendments m where hash <> sha256(convert_to(plant.amendment_text(m), 'UTF8'))`); wrong != 0 {
			t.Errorf("%d hashes differ in SQL", wrong)
		}
		for done := false; !done; {
			done = scalar[bool](t, tx, `select done from plant.sequence_amendments(true, $1)`, atOnce)
		}
		got, err := text(exported(t, tx))
		if diff := cmp.Diff(string(export), string(got)); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
		if root, err := tlog.TreeHash(int64(len(lines)), storedTree(t, tx)); err != nil || root != signed.Root {
			t.Errorf("%d at once: the root is %s, %v, want %s", atOnce, root, err, signed.Root)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
