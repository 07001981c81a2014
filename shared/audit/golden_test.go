package audit_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/waooaw/plant/shared/audit"
)

var update = flag.Bool("update", false, "write testdata/golden anew")

// The keys of the golden files: the one that signs, the one before it, and one that nobody knows of.
var currentKey, formerKey, unknownKey = signerKey(origin, 1), signerKey(origin, 2), signerKey(origin, 3)

// golden is an export with its checkpoint, and what every verifier has to say of it: good, bad and the first bad place, or
// unknown.
type golden struct {
	want               string
	export, checkpoint []byte
}

// tampered is the example's export, changed, with the checkpoint of the example.
func tampered(t *testing.T, want string, change func(l amendments) amendments) golden {
	t.Helper()
	return golden{want, change(example()).export(), example().sign(t, currentKey)}
}

// rewritten has one line of the example's export changed, as text.
func rewritten(t *testing.T, place int, from, to string) golden {
	t.Helper()
	lines := bytes.SplitAfter(example().export(), []byte("\n"))
	line := bytes.Replace(lines[place-1], []byte(from), []byte(to), 1)
	if bytes.Equal(line, lines[place-1]) {
		t.Fatalf("amendment %d has no %q", place, from)
	}
	lines[place-1] = line
	return golden{fmt.Sprintf("bad %d", place), bytes.Join(lines, nil), example().sign(t, currentKey)}
}

// fraud is what the signer itself has signed: every hash is right, and so is the tree.
func fraud(t *testing.T, want string, change func(l amendments) amendments) golden {
	t.Helper()
	l := change(example())
	return golden{want, l.export(), l.sign(t, currentKey)}
}

func goldens(t *testing.T) map[string]golden {
	t.Helper()
	whole := example()
	export, signed := whole.export(), whole.sign(t, currentKey)
	notes := func(parts ...[]byte) []byte { return bytes.Join(parts, []byte("\n")) }
	first := whole[:1].sign(t, currentKey)
	return map[string]golden{
		"good":                 {"good", export, signed},
		"good_empty":           {"good", nil, amendments{}.sign(t, currentKey)},
		"good_not_yet_signed":  {"good", export, whole[:7].sign(t, currentKey)},
		"good_checkpoints":     {"good", export, notes(amendments{}.sign(t, currentKey), whole[:3].sign(t, formerKey), whole[:3].sign(t, currentKey), signed)},
		"good_any_order":       {"good", export, notes(signed, first)},
		"good_former_key":      {"good", export, whole.sign(t, formerKey)},
		"bad_value":            rewritten(t, 4, `"10.5"`, `"10.4"`),
		"bad_seq":              rewritten(t, 11, `"seq":11`, `"seq":10`),
		"bad_version":          rewritten(t, 4, `"version":2`, `"version":3`),
		"bad_actor":            rewritten(t, 10, `"role":"login"`, `"role":"governor"`),
		"bad_time":             rewritten(t, 5, `00.25`, `00.26`),
		"bad_previous_hash":    rewritten(t, 1, `"previous_hash":"0`, `"previous_hash":"1`),
		"bad_entity":           rewritten(t, 3, `"entity_type":"team"`, `"entity_type":"skill"`),
		"bad_boundary":         rewritten(t, 2, `"a":[null,"bc"],"ab":[null,"c"]`, `"a":[null,"b"],"ab":[null,"cc"]`),
		"bad_null_for_text":    rewritten(t, 3, `"name":[null,"null"]`, `"name":[null,null]`),
		"bad_form_blank":       rewritten(t, 6, `"seq":6`, `"seq": 6`),
		"bad_form_escape":      rewritten(t, 1, `Ada`, `\u0041da`),
		"bad_form_slash":       rewritten(t, 1, `slash /`, `slash \/`),
		"bad_form_normal":      rewritten(t, 1, "e\u0301", "é"),
		"bad_form_order":       rewritten(t, 5, `"seq":5,"entity_type":"agent"`, `"entity_type":"agent","seq":5`),
		"bad_form_names":       rewritten(t, 4, `"hourly_rate":["10.50","10.5"],"tags":[["a","b"],["b","a"]]`, `"tags":[["a","b"],["b","a"]],"hourly_rate":["10.50","10.5"]`),
		"bad_form_twice":       rewritten(t, 5, `"seq":5`, `"seq":5,"seq":5`),
		"bad_form_member":      rewritten(t, 5, `"seq":5`, `"seq":5,"more":1`),
		"bad_form_lacks":       rewritten(t, 5, `"seq":5,`, ``),
		"bad_form_case":        rewritten(t, 5, `"seq"`, `"Seq"`),
		"bad_form_type":        rewritten(t, 5, `"seq":5`, `"seq":"5"`),
		"bad_form_float":       rewritten(t, 5, `"seq":5`, `"seq":5.0`),
		"bad_form_role":        rewritten(t, 5, `"role":"partner"`, `"role":7`),
		"bad_form_id":          rewritten(t, 5, `"entity_id":"00000000-`, `"entity_id":"00000000`),
		"bad_form_upper":       rewritten(t, 5, `"subject":"6e3`, `"subject":"6E3`),
		"bad_form_not_utf8":    rewritten(t, 1, "é", "\xe9"),
		"bad_form_surrogate":   rewritten(t, 1, "\U0001F600", `\ud83d`),
		"bad_form_change":      rewritten(t, 7, `"change":{}`, `"change":[]`),
		"bad_form_no_change":   rewritten(t, 7, `"change":{}`, `"change":null`),
		"bad_form_no_line":     {"bad 3", bytes.Replace(export, []byte("\n{\"seq\":3,"), []byte("\n\n{\"seq\":3,"), 1), signed},
		"bad_cut_within":       {"bad 11", export[:len(export)-10], signed},
		"bad_without_first":    tampered(t, "bad 1", func(l amendments) amendments { return l[1:] }),
		"bad_without_middle":   tampered(t, "bad 6", func(l amendments) amendments { return slices.Delete(l, 5, 6) }),
		"bad_without_last":     tampered(t, "bad 11", func(l amendments) amendments { return l[:10] }),
		"bad_without_all":      tampered(t, "bad 1", func(amendments) amendments { return nil }),
		"bad_swapped":          tampered(t, "bad 3", func(l amendments) amendments { l[2], l[8] = l[8], l[2]; return l }),
		"bad_swapped_places":   tampered(t, "bad 1", func(l amendments) amendments { l[1], l[2] = l[2], l[1]; return l.renumber() }),
		"bad_doubled":          tampered(t, "bad 5", func(l amendments) amendments { return slices.Insert(l, 4, l[3]) }),
		"bad_inserted":         tampered(t, "bad 1", func(l amendments) amendments { return slices.Insert(l, 7, l[7]).renumber() }),
		"bad_suffix_rewritten": tampered(t, "bad 1", func(l amendments) amendments { l[3].Actor.Role = "governor"; l.sealFrom(3); return l }),
		"bad_suffix_after_checkpoint": {
			"bad 4", changed(example(), 5, `{}`).export(), notes(whole[:3].sign(t, currentKey), signed),
		},
		"fraud_order_of_names": fraud(t, "bad 4", func(l amendments) amendments { return changed(l, 3, `{"tags":[["a"],["b"]],"status":["x","y"]}`) }),
		"fraud_order_of_utf16": fraud(t, "bad 4", func(l amendments) amendments {
			return changed(l, 3, "{\"\U0001F600\":[\"x\",\"y\"],\"\uffff\":[\"x\",\"y\"]}")
		}),
		"fraud_order_within":      fraud(t, "bad 4", func(l amendments) amendments { return changed(l, 3, `{"x":[{"b":"1","a":"1"},null]}`) }),
		"fraud_number":            fraud(t, "bad 4", func(l amendments) amendments { return changed(l, 3, `{"hourly_rate":["10.50",10.5]}`) }),
		"fraud_role":              retold(t, `"role":"partner"`, `"role":7`),
		"fraud_version_missing":   fraud(t, "bad 4", func(l amendments) amendments { l[3].Version++; l.sealFrom(3); return l }),
		"fraud_version_twice":     fraud(t, "bad 5", func(l amendments) amendments { l[4].Version--; l.sealFrom(4); return l }),
		"fraud_versions_swapped":  fraud(t, "bad 4", func(l amendments) amendments { l[3], l[4] = l[4], l[3]; return l.renumber() }),
		"fraud_begins_twice":      fraud(t, "bad 4", func(l amendments) amendments { l[3].Action = "create"; l.sealFrom(3); return l }),
		"fraud_begins_nowhere":    fraud(t, "bad 2", func(l amendments) amendments { l[1].Action = "update"; l.sealFrom(1); return l }),
		"fraud_begins_after":      fraud(t, "bad 2", func(l amendments) amendments { l[1].PreviousHash[0]++; l.seal(1); return l }),
		"fraud_other_previous":    fraud(t, "bad 11", func(l amendments) amendments { l[10].PreviousHash = l[2].Hash; l.seal(10); return l }),
		"fraud_older_after_adopt": fraud(t, "bad 10", func(l amendments) amendments { l[9].Version = 7; l.seal(9); return l }),
		"fraud_begin_removed":     fraud(t, "bad 3", func(l amendments) amendments { return l[1:].renumber() }),
		"unknown_key":             {"unknown", export, whole.sign(t, unknownKey)},
		"unknown_signature":       {"unknown", export, badlySigned(signed)},
		"unknown_root":            {"unknown", export, bytes.Replace(signed, []byte("=\n"), []byte("\n"), 1)},
		"unknown_text":            {"unknown", export, bytes.Replace(signed, []byte("\n11\n"), []byte("\n10\n"), 1)},
		"unknown_name":            {"unknown", export, bytes.Replace(signed, []byte("— "+origin), []byte("— plant.example/other"), 1)},
		"unknown_origin":          {"unknown", export, otherOrigin(t, whole)},
		"unknown_no_checkpoint":   {"unknown", export, nil},
		"unknown_cut":             {"unknown", export, signed[:len(signed)-1]},
		"unknown_one_of_two":      {"unknown", export, notes(first, whole.sign(t, unknownKey))},
	}
}

// retold is a fraud whose last amendment is one that Go cannot write.
func retold(t *testing.T, from, to string) golden {
	t.Helper()
	l := example()
	last := len(l) - 1
	text, err := l[last].Text()
	if err != nil {
		t.Fatal(err)
	}
	l[last].Hash = sha256.Sum256(bytes.Replace(text, []byte(from), []byte(to), 1))
	export := slices.Concat(l[:last].export(), bytes.Replace(l[last:].export(), []byte(from), []byte(to), 1))
	return golden{fmt.Sprintf("bad %d", len(l)), export, l.sign(t, currentKey)}
}

// changed has another change at i, and all that follows from it.
func changed(l amendments, i int, change string) amendments {
	l[i].Change = []byte(change)
	l.sealFrom(i)
	return l
}

// badlySigned has one bit of the signature changed.
func badlySigned(signed []byte) []byte {
	bad := bytes.Clone(signed)
	at := len(bad) - 20
	bad[at] = map[bool]byte{true: 'B', false: 'A'}[bad[at] == 'A']
	return bad
}

// otherOrigin is a checkpoint of another log, signed by the key of ours.
func otherOrigin(t *testing.T, l amendments) []byte {
	t.Helper()
	signer, err := note.NewSigner(currentKey)
	if err != nil {
		t.Fatal(err)
	}
	c := audit.Checkpoint{Origin: "plant.example/other", Size: int64(len(l)), Root: l.root(t)}
	signed, err := note.Sign(&note.Note{Text: c.String()}, signer)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// verdict is what Verify says of a golden file.
func verdict(t *testing.T, g golden) (string, error) {
	t.Helper()
	_, err := audit.Verify(bytes.NewReader(g.export), g.checkpoint, verifiers(t, currentKey, formerKey), audit.Frontier{})
	var bad *audit.Bad
	switch {
	case err == nil:
		return "good", nil
	case errors.As(err, &bad):
		return fmt.Sprintf("bad %d", bad.Seq), err
	}
	return "unknown", err
}

// inPython has the other verifier say of each folder what it is: its status, and what it printed. One process does all, as
// starting takes longer than verifying.
const inPython = `
import contextlib, io, json, sys
sys.path.insert(0, "../../scripts/cmd/audit")
import verify
for folder in sys.argv[1:]:
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        status = verify.main(folder + "/export.ndjson", folder + "/checkpoint", "testdata/golden/keys")
    print(json.dumps([status, said.getvalue()]))
`

// D7: two verifiers that share no code say the same of everything.
func TestD7_VerifiersAgree(t *testing.T) {
	t.Parallel()
	all := goldens(t)
	home, names := t.TempDir(), slices.Sorted(maps.Keys(all))
	files, args := map[string]string{}, []string{"-I", "-B", "-c", inPython}
	for _, name := range names {
		files[name+"/export.ndjson"], files[name+"/checkpoint"] = string(all[name].export), string(all[name].checkpoint)
		args = append(args, filepath.Join(home, name))
	}
	write(t, home, files)
	said, err := exec.CommandContext(t.Context(), "python3", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := bytes.Split(bytes.TrimSpace(said), []byte("\n"))
	if len(answers) != len(names) {
		t.Fatalf("%d answers of Python to %d questions", len(answers), len(names))
	}
	for i, name := range names {
		want := all[name].want
		if got, err := verdict(t, all[name]); got != want {
			t.Errorf("%s: got %s (%v), want %s", name, got, err, want)
		}
		if got := verdictOf(t, answers[i]); got != want {
			t.Errorf("%s: Python: got %s (%s), want %s", name, got, answers[i], want)
		}
		if kind, _, _ := strings.Cut(name, "_"); (kind == "good") != (want == "good") || (kind == "unknown") != (want == "unknown") {
			t.Errorf("%s: it is called so and is %s", name, want)
		}
	}
}

// verdictOf is what an answer of Python's means.
func verdictOf(t *testing.T, answer []byte) string {
	t.Helper()
	var status int
	var said string
	if err := json.Unmarshal(answer, &[]any{&status, &said}); err != nil {
		t.Fatalf("%s: %v", answer, err)
	}
	place, _, _ := strings.Cut(strings.TrimPrefix(said, "amendment "), ":")
	verdict := map[int]string{0: "good", 1: "bad " + place, 2: "unknown"}[status]
	if isBad := strings.HasPrefix(said, "amendment "); verdict == "" || isBad != (status == 1) || strings.HasPrefix(said, "good: ") != (status == 0) {
		t.Errorf("status %d and %q", status, said)
	}
	return verdict
}

// The form does not change unnoticed: some of these are files, which scripts/cmd/audit and migration 008 are tried on too.
func TestGoldenFiles(t *testing.T) {
	t.Parallel()
	const folder = "testdata/golden"
	files := map[string]string{"keys": verifierKey(t, currentKey) + "\n" + verifierKey(t, formerKey) + "\n"}
	all := goldens(t)
	for _, name := range []string{"good", "good_checkpoints", "bad_value", "bad_without_last", "bad_suffix_rewritten", "fraud_version_missing", "unknown_signature"} {
		g := all[name]
		files[name+"/export.ndjson"], files[name+"/checkpoint"], files[name+"/want"] = string(g.export), string(g.checkpoint), g.want+"\n"
	}
	if *update {
		write(t, folder, files)
	}
	stored := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(folder, path)
		stored[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(files, stored); diff != "" {
		t.Errorf("go test ./shared/audit -run GoldenFiles -update writes these anew: %s", diff)
	}
}

func write(t *testing.T, folder string, files map[string]string) {
	t.Helper()
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(folder, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}
