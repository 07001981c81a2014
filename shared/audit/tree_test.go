package audit_test

import (
	"crypto/sha256"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/waooaw/plant/shared/audit"
)

// D8: the tree is that of RFC 6962: leaves and nodes are hashed with another byte before them, so that no leaf reads as a
// node; and the library's proofs lead to our roots.
func TestD8_Tree(t *testing.T) {
	t.Parallel()
	var l amendments
	var tree audit.Frontier
	const most = 70
	for size := 0; size <= most; size++ {
		if size > 0 {
			l.amend(size, "create", `{}`)
			tree.Add(l[size-1].Leaf())
		}
		if tree.Size != int64(size) || !tree.Valid() || tree.Root() != l.root(t) {
			t.Fatalf("%d amendments: got %d with root %s, want %s", size, tree.Size, tree.Root(), l.root(t))
		}
		reader := l.tree(t)
		for i := range l {
			proof, err := tlog.ProveRecord(int64(size), int64(i), reader)
			if err != nil {
				t.Fatal(err)
			}
			if err := tlog.CheckRecord(proof, int64(size), tree.Root(), int64(i), l[i].Leaf()); err != nil {
				t.Errorf("%d of %d: %v", i, size, err)
			}
			// The hash itself, which is no leaf, is not in the tree.
			if tlog.CheckRecord(proof, int64(size), tree.Root(), int64(i), tlog.Hash(l[i].Hash)) == nil {
				t.Errorf("%d of %d: a hash passes for a leaf", i, size)
			}
		}
	}
	if want := tlog.Hash(sha256.Sum256(append([]byte{0}, l[0].Hash[:]...))); l[0].Leaf() != want {
		t.Errorf("a leaf is %s, want %s", l[0].Leaf(), want)
	}
	left, right := l[0].Leaf(), l[1].Leaf()
	two := audit.Frontier{}
	two.Add(left)
	two.Add(right)
	if want := tlog.Hash(sha256.Sum256(slices.Concat([]byte{1}, left[:], right[:]))); two.Root() != want {
		t.Errorf("the root of two is %s, want %s", two.Root(), want)
	}
	// A node whose halves are offered as one leaf: another root, and no record of the tree.
	one := audit.Frontier{}
	one.Add(tlog.RecordHash(slices.Concat(left[:], right[:])))
	if one.Root() == two.Root() {
		t.Error("two leaves and one of both have the same root")
	}
	for _, invalid := range []audit.Frontier{{Size: -1}, {Size: 1}, {Size: 3, Roots: make([]tlog.Hash, 1)}, {Size: 4, Roots: make([]tlog.Hash, 2)}, {Roots: make([]tlog.Hash, 1)}} {
		if invalid.Valid() {
			t.Errorf("%d with %d roots is valid", invalid.Size, len(invalid.Roots))
		}
	}
}
