package audit_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/waooaw/plant/shared/audit"
)

// anyLog draws a log of a few entities, whose versions are mixed.
func anyLog(r *rapid.T, most int) amendments {
	var l amendments
	seen := map[int]bool{}
	for _, of := range rapid.SliceOfN(rapid.IntRange(0, 5), 2, most).Draw(r, "log") {
		action := map[bool]string{true: "update", false: "create"}[seen[of]]
		seen[of] = true
		l.amend(of, action, fmt.Sprintf(`{"name":[%q,%q]}`, strings.Repeat("x", len(l)%3), strings.Repeat("y", len(l))))
	}
	return l
}

// check is Verify of a whole log by one key; bad is nil where all is well.
func check(t testing.TB, l amendments, checkpoints []byte) (audit.Report, *audit.Bad) {
	t.Helper()
	report, err := audit.Verify(bytes.NewReader(l.export()), checkpoints, verifiers(t, currentKey), audit.Frontier{})
	var bad *audit.Bad
	if err != nil && !errors.As(err, &bad) {
		t.Fatal(err)
	}
	return report, bad
}

func wantBad(r *rapid.T, t testing.TB, l amendments, checkpoints []byte, first int) {
	t.Helper()
	if _, bad := check(t, l, checkpoints); bad == nil || bad.Seq != int64(first) || bad.Why == "" {
		r.Fatalf("got %v, want amendment %d", bad, first)
	}
}

// D1: whichever bit of whichever amendment is changed, that amendment is named.
func TestD1_EditedAmendment(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		l := anyLog(r, 12)
		signed := l.sign(t, currentKey)
		lines := bytes.SplitAfter(l.export(), []byte("\n"))
		i := rapid.IntRange(0, len(l)-1).Draw(r, "line")
		at := rapid.IntRange(0, len(lines[i])-2).Draw(r, "byte")
		lines[i][at] ^= 1 << rapid.IntRange(0, 7).Draw(r, "bit")
		_, err := audit.Verify(bytes.NewReader(bytes.Join(lines, nil)), signed, verifiers(t, currentKey), audit.Frontier{})
		var bad *audit.Bad
		if !errors.As(err, &bad) || bad.Seq != int64(i)+1 {
			r.Fatalf("got %v, want amendment %d", err, i+1)
		}
	})
}

// D1: an amendment that is changed and hashed anew is found by the tree, or by the next version of its entity.
func TestD1_EditedAndHashedAnew(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		l := anyLog(r, 12)
		signed := l.sign(t, currentKey)
		i := rapid.IntRange(0, len(l)-1).Draw(r, "amendment")
		was := l[i].Hash
		rapid.SampledFrom([]func(){
			func() { l[i].Actor.Role = "governor" },
			func() { l[i].Actor.Issuer += "/" },
			func() { l[i].Actor.Subject[31]++ },
			func() { l[i].Action = "delete" },
			func() { l[i].At = "2026-11-23T20:00:00+00:00" },
			func() { l[i].EntityID[0]++ },
			func() { l[i].EntityType = "industry" },
			func() { l[i].Version++ },
			func() { l[i].PreviousHash[0]++ },
			func() { l[i].Change = jsontext.Value(`{}`) },
		}).Draw(r, "change")()
		l.seal(i)
		if l[i].Hash == was {
			r.Fatal("nothing was changed")
		}
		wantBad(r, t, l, signed, 1)
		// A checkpoint of before bounds where it can be.
		wantBad(r, t, l, slices.Concat(l[:i].sign(t, currentKey), []byte("\n"), signed), i+1)
	})
}

// D2: amendments that are deleted leave a hole; the last ones are missed by the checkpoint.
func TestD2_Deleted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		l := anyLog(r, 12)
		signed := l.sign(t, currentKey)
		from := rapid.IntRange(0, len(l)-1).Draw(r, "from")
		to := rapid.IntRange(from+1, len(l)).Draw(r, "to")
		left := slices.Delete(l.clone(), from, to)
		wantBad(r, t, left, signed, from+1)
		// Renumbered, a chain is broken after the hole, or the log ends too early.
		if _, bad := check(t, left.renumber(), signed); bad == nil || bad.Seq <= int64(from) || bad.Seq > int64(len(left))+1 {
			r.Fatalf("renumbered: got %v", bad)
		}
	})
}

// D3: the log of an old dump is whole in itself, and shorter than what was signed; as is one that has grown anew from there.
func TestD3_OldDump(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		l := anyLog(r, 12)
		signed := l.sign(t, currentKey)
		size := rapid.IntRange(0, len(l)-1).Draw(r, "size")
		old := l[:size].clone()
		if _, bad := check(t, old, old.sign(t, currentKey)); bad != nil {
			r.Fatalf("the dump itself: %v", bad)
		}
		wantBad(r, t, old, signed, size+1)
		// It goes on: as many amendments again, and more, but others.
		for len(old) < len(l)+2 {
			old.amend(100+len(old), "create", `{}`)
		}
		wantBad(r, t, old, slices.Concat(l[:size].sign(t, currentKey), []byte("\n"), signed), size+1)
	})
}

// D4: amendments that changed places, come twice or were put between.
func TestD4_Reordered(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		l := anyLog(r, 12)
		signed := l.sign(t, currentKey)
		i := rapid.IntRange(0, len(l)-2).Draw(r, "one")
		j := rapid.IntRange(i+1, len(l)-1).Draw(r, "other")
		swapped := l.clone()
		swapped[i], swapped[j] = swapped[j], swapped[i]
		wantBad(r, t, swapped, signed, i+1)
		if _, bad := check(t, swapped.renumber(), signed); bad == nil || bad.Seq > int64(i)+1 {
			r.Fatalf("swapped, with their places: got %v", bad)
		}
		doubled := slices.Insert(l.clone(), j, l[i])
		wantBad(r, t, doubled, signed, j+1)
		if _, bad := check(t, doubled.renumber(), signed); bad == nil || bad.Seq > int64(j)+1 {
			r.Fatalf("doubled, with its place: got %v", bad)
		}
		var other amendments
		other.amend(200, "create", `{}`)
		between := slices.Insert(l.clone(), i, other[0]).renumber()
		wantBad(r, t, between, signed, 1)
		// At the end there is nothing wrong with one that nobody has signed yet.
		after := slices.Insert(l.clone(), len(l), other[0]).renumber()
		if report, bad := check(t, after, signed); bad != nil || report.Last != report.Signed+1 {
			r.Fatalf("one more: got %+v, %v", report, bad)
		}
	})
}

// D5: whoever writes all hashes anew from somewhere on has another root, and no proof of consistency with the one signed.
func TestD5_RewrittenSuffix(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		l := anyLog(r, 12)
		signed := l.sign(t, currentKey)
		i := rapid.IntRange(0, len(l)-1).Draw(r, "from")
		forged := l.clone()
		forged[i].Actor.Role = "governor"
		forged.sealFrom(i)
		if _, bad := check(t, forged, forged.sign(t, currentKey)); bad != nil {
			r.Fatalf("the forged log is not whole in itself: %v", bad)
		}
		wantBad(r, t, forged, signed, 1)
		wantBad(r, t, forged, slices.Concat(l[:i].sign(t, currentKey), []byte("\n"), signed), i+1)
		for len(forged) < len(l)+3 {
			forged.amend(100+len(forged), "create", `{}`)
		}
		inconsistent(r, t, l, forged)
	})
}

// inconsistent checks that no proof which the larger log can give leads from the smaller one to it.
func inconsistent(r *rapid.T, t testing.TB, smaller, larger amendments) {
	t.Helper()
	tree := larger.tree(t)
	n, m := int64(len(smaller)), int64(len(larger))
	proof, err := tlog.ProveTree(m, n, tree)
	if err != nil {
		r.Fatal(err)
	}
	if err := tlog.CheckTree(proof, m, larger.root(t), n, larger[:n].root(t)); err != nil {
		r.Fatalf("the proof is none at all: %v", err)
	}
	if tlog.CheckTree(proof, m, larger.root(t), n, smaller.root(t)) == nil {
		r.Fatal("the trees are consistent")
	}
}

// D6: who shows two auditors two logs has signed two checkpoints that no log has both of.
func TestD6_TwoViews(t *testing.T) {
	t.Parallel()
	common := example()[:6]
	one, other := common.clone(), common.clone()
	one.amend(0, "update", `{"hourly_rate":["1","2"]}`)
	one.amend(2, "delete", `{}`)
	other.amend(0, "update", `{"hourly_rate":["1","3"]}`)
	other.amend(2, "delete", `{}`)
	other.amend(1, "update", `{}`)
	for name, view := range map[string]amendments{"one": one, "the other": other, "the other, of the same size": other[:8]} {
		if _, bad := check(t, view, view.sign(t, currentKey)); bad != nil {
			t.Errorf("%s alone: %v", name, bad)
		}
		for checkpoints, both := range map[string][]byte{
			"with both checkpoints": slices.Concat(one.sign(t, currentKey), []byte("\n"), other.sign(t, currentKey)),
			"with those of 8":       slices.Concat(one.sign(t, currentKey), []byte("\n"), other[:8].sign(t, currentKey)),
		} {
			if _, bad := check(t, view, slices.Concat(common.sign(t, currentKey), []byte("\n"), both)); bad == nil || bad.Seq < 7 {
				t.Errorf("%s, %s: got %v", name, checkpoints, bad)
			}
		}
	}
	rapid.Check(t, func(r *rapid.T) { inconsistent(r, t, one, other) })
}

// D12: what was verified once is not read again, wherever one stops.
func TestD12_GoesOn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		l := anyLog(r, 16)
		stop := rapid.IntRange(0, len(l)).Draw(r, "stop")
		read := rapid.IntRange(stop, len(l)).Draw(r, "read")
		first, err := audit.Verify(bytes.NewReader(l[:read].export()), l[:stop].sign(t, currentKey), verifiers(t, currentKey), audit.Frontier{})
		if err != nil || first.Signed != int64(stop) || first.Last != int64(read) || first.Frontier.Size != int64(stop) {
			r.Fatalf("got %+v, %v", first, err)
		}
		kept := audit.Frontier{Size: first.Frontier.Size, Roots: slices.Clone(first.Frontier.Roots)}
		rest := slices.Concat(l[:stop].sign(t, currentKey), []byte("\n"), l.sign(t, currentKey))
		report, err := audit.Verify(bytes.NewReader(l[stop:].export()), rest, verifiers(t, currentKey), kept)
		if err != nil || report.Last != int64(len(l)) || report.Signed != report.Last || report.Frontier.Root() != l.root(t) {
			r.Fatalf("from %d: got %+v, %v", stop, report, err)
		}
		if wantFirst := int64(stop) + 1; stop < len(l) && report.First != wantFirst || stop == len(l) && report.First != 0 {
			r.Fatalf("it began with %d, want %d", report.First, wantFirst)
		}
		// And it still finds what is wrong, there and before.
		if stop == len(l) {
			return
		}
		forged := l[stop:].clone()
		forged[0].Actor.Role = "governor"
		forged.seal(0)
		var bad *audit.Bad
		if _, err := audit.Verify(bytes.NewReader(forged.export()), rest, verifiers(t, currentKey), kept); !errors.As(err, &bad) || bad.Seq != int64(stop)+1 {
			r.Fatalf("changed after %d: got %v", stop, err)
		}
		if stop > 0 {
			kept.Roots[0][0]++
			if _, err := audit.Verify(bytes.NewReader(l[stop:].export()), l.sign(t, currentKey), verifiers(t, currentKey), kept); !errors.As(err, &bad) {
				r.Fatalf("another beginning: got %v", err)
			}
		}
	})
}

// The chains of a log are checked as whoever remembers all of it would: in the order of the log.
func TestVerify_Chains(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		var l amendments
		type state struct {
			version int64
			hash    audit.Hash
		}
		chain := map[int]state{}
		first := 0
		const most = 8
		for place := 1; place <= most; place++ {
			of := rapid.IntRange(0, 1).Draw(r, "entity")
			before, known := chain[of]
			l.amend(of, "update", `{}`)
			a := &l[place-1]
			a.Action = rapid.SampledFrom([]string{"update", "update", "create", "adopt"}).Draw(r, "action")
			a.Version = before.version + 1
			if rapid.IntRange(0, 3).Draw(r, "go wrong") == 0 {
				a.Version = int64(rapid.IntRange(1, 4).Draw(r, "version"))
			}
			a.PreviousHash = before.hash
			if rapid.IntRange(0, 7).Draw(r, "name another") == 0 {
				a.PreviousHash = rapid.SampledFrom([]audit.Hash{{}, {1}, l[0].Hash}).Draw(r, "previous")
			}
			l.seal(place - 1)
			begins := a.Action != "update"
			whole := begins && !known && a.PreviousHash == audit.Hash{} || !begins && known && a.Version == before.version+1 && a.PreviousHash == before.hash
			if !whole && first == 0 {
				first = place
			}
			chain[of] = state{a.Version, a.Hash}
		}
		_, bad := check(t, l, l.sign(t, currentKey))
		if first == 0 && bad != nil || first > 0 && (bad == nil || bad.Seq != int64(first)) {
			r.Fatalf("got %v, want %d", bad, first)
		}
	})
}

func TestVerify_Report(t *testing.T) {
	t.Parallel()
	l := example()
	report, bad := check(t, l, l[:5].sign(t, currentKey))
	if bad != nil || report.First != 1 || report.Last != 11 || report.Entities != 4 || report.Signed != 5 || report.Frontier.Root() != l[:5].root(t) {
		t.Errorf("got %+v, %v", report, bad)
	}
	empty, bad := check(t, nil, amendments{}.sign(t, currentKey))
	if bad != nil || empty.First != 0 || empty.Last != 0 || empty.Signed != 0 || empty.Entities != 0 {
		t.Errorf("an empty log: got %+v, %v", empty, bad)
	}
}

// What breaks off while it is read is not what was tampered with.
func TestVerify_Unreadable(t *testing.T) {
	t.Parallel()
	l := example()
	signed := l.sign(t, currentKey)
	errBroken := errors.New("broken off")
	for name, export := range map[string]io.Reader{
		"at once":            iotest.ErrReader(errBroken),
		"after a few":        io.MultiReader(bytes.NewReader(l[:4].export()), iotest.ErrReader(errBroken)),
		"a line without end": io.MultiReader(bytes.NewReader(l[:4].export()), strings.NewReader(strings.Repeat("x", 9<<20))),
	} {
		var bad *audit.Bad
		if _, err := audit.Verify(export, signed, verifiers(t, currentKey), audit.Frontier{}); err == nil || errors.As(err, &bad) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for name, checkpoints := range map[string][]byte{"none": nil, "no note": []byte("x"), "another's": l.sign(t, unknownKey), "another's after ours": slices.Concat(signed, []byte("\n"), l.sign(t, unknownKey))} {
		var unverified *note.UnverifiedNoteError
		_, err := audit.Verify(bytes.NewReader(l.export()), checkpoints, verifiers(t, currentKey), audit.Frontier{})
		if err == nil || strings.HasPrefix(name, "another's") && !errors.As(err, &unverified) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
