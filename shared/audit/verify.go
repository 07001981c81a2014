package audit

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Report is what became of a verification.
type Report struct {
	First, Last int64    // the places of the amendments that were read; 0 where there were none
	Entities    int64    // whose chains were checked
	Signed      int64    // the place up to which a checkpoint vouches for them
	Frontier    Frontier // of the tree up to there: where a later verification goes on
}

// Bad is the first amendment of an export that is not what it has to be.
type Bad struct {
	Seq int64 // its place, or the first place that it can be
	Why string
}

// Error implements error.
func (b *Bad) Error() string { return fmt.Sprintf("amendment %d: %s", b.Seq, b.Why) }

// maxLine bounds one amendment of an export. The text of an entity is below 100,000 characters, before and after.
const maxLine = 8 << 20

// Verify reads an export and tells whether it is what the checkpoints say: signed notes, one after the other, each of which
// vouches for all amendments up to its size. The last of them has to be there. From is where an earlier verification
// ended, or zero for an export from the first amendment on; what was verified then is not read again.
//
// It checks that places have no gaps, that every hash is right, that the chain of versions of every entity is whole, and
// that the tree over all is the one that was signed. The error is a *Bad, with the first amendment that is bad, where the
// export can be read. A million amendments need some 20 MiB of memory and 100 MB in
// the temporary folder.
func Verify(export io.Reader, checkpoints []byte, verifiers note.Verifiers, from Frontier) (Report, error) {
	signed, err := openAll(checkpoints, verifiers)
	if err != nil {
		return Report{}, err
	}
	v := &verification{tree: from.clone(), chains: newChains(from.Size > 0), signed: signed, vouched: from.clone()}
	defer v.chains.close()
	if err := v.compare(); err != nil {
		return Report{}, err
	}
	bad := v.read(export)
	// A fault of a chain may lie before what ended the reading.
	entities, broken, err := v.chains.check()
	if err != nil {
		return Report{}, err
	}
	var found *Bad
	if broken != nil && (bad == nil || errors.As(bad, &found) && broken.Seq < found.Seq) {
		bad = broken
	}
	report := Report{Last: v.tree.Size, Entities: entities, Signed: v.vouched.Size, Frontier: v.vouched}
	if v.tree.Size > from.Size {
		report.First = from.Size + 1
	}
	return report, bad
}

// openAll opens notes that stand one after the other, and returns them in the order of their sizes.
func openAll(notes []byte, verifiers note.Verifiers) ([]Checkpoint, error) {
	var all []Checkpoint
	for _, one := range SplitNotes(notes) {
		c, err := Open(one, verifiers)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("there is no checkpoint")
	}
	// Who signs at the same time keeps them in any order.
	slices.SortStableFunc(all, func(a, b Checkpoint) int { return cmp.Compare(a.Size, b.Size) })
	return all, nil
}

// SplitNotes returns the signed notes that stand one after the other, as in the file that checkpoints are written to.
func SplitNotes(notes []byte) [][]byte {
	var all [][]byte
	begin, signatures := 0, false
	for at := 0; at < len(notes); {
		end := at + bytes.IndexByte(notes[at:], '\n') + 1
		if end == at {
			end = len(notes)
		}
		isSignature := bytes.HasPrefix(notes[at:end], []byte("— "))
		if signatures && !isSignature {
			all = append(all, notes[begin:at])
			for at < len(notes) && notes[at] == '\n' {
				at++
			}
			begin, signatures = at, false
			continue
		}
		signatures = isSignature
		at = end
	}
	if begin < len(notes) {
		all = append(all, notes[begin:])
	}
	return all
}

type verification struct {
	tree    Frontier
	chains  *chains
	signed  []Checkpoint // those that are not compared yet
	vouched Frontier     // the tree of the last one that was right
}

// read reads all amendments. The error is a *Bad, or of the reader.
func (v *verification) read(export io.Reader) error {
	lines := bufio.NewScanner(export)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for lines.Scan() {
		if err := v.add(lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the export after amendment %d: %w", v.tree.Size, err)
	}
	if len(v.signed) > 0 {
		return &Bad{v.tree.Size + 1, fmt.Sprintf("it is missing: the export ends with %d, and a checkpoint of %d amendments was signed", v.tree.Size, v.signed[0].Size)}
	}
	return nil
}

func (v *verification) add(line []byte) error {
	place := v.tree.Size + 1
	a, err := ParseLine(line)
	if err != nil {
		return &Bad{place, err.Error()}
	}
	if a.Seq != place {
		return &Bad{place, fmt.Sprintf("its place should be %d and is %d: one is missing, or comes twice, or two have changed places", place, a.Seq)}
	}
	computed, err := a.Computed()
	if err != nil {
		return &Bad{place, err.Error()}
	}
	if computed != a.Hash {
		return &Bad{place, fmt.Sprintf("its hash is %s and should be %s: something in it was changed", a.Hash, computed)}
	}
	if err := v.chains.add(a); err != nil {
		return err
	}
	v.tree.Add(a.Leaf())
	return v.compare()
}

// compare compares the tree with the checkpoints of its size.
func (v *verification) compare() error {
	for len(v.signed) > 0 && v.signed[0].Size <= v.tree.Size {
		c := v.signed[0]
		v.signed = v.signed[1:]
		if c.Size < v.tree.Size {
			continue // of before what this verification began with
		}
		if root := v.tree.Root(); root != c.Root {
			return &Bad{v.vouched.Size + 1, fmt.Sprintf("it, or one of those up to %d, is not the one that was signed: the root of the tree is %s and the checkpoint's is %s", c.Size, root, c.Root)}
		}
		v.vouched = v.tree.clone()
	}
	return nil
}

// Frontier is all that has to be kept of a tree to let it grow: the roots of its whole subtrees, the largest first.
type Frontier struct {
	Size  int64       `json:"size"`
	Roots []tlog.Hash `json:"roots"`
}

func (f Frontier) clone() Frontier { return Frontier{f.Size, append([]tlog.Hash(nil), f.Roots...)} }

// Valid reports whether there are as many roots as a tree of the size has.
func (f Frontier) Valid() bool {
	ones := 0
	for n := f.Size; n > 0; n &= n - 1 {
		ones++
	}
	return f.Size >= 0 && ones == len(f.Roots)
}

// Add adds a leaf to the tree.
func (f *Frontier) Add(leaf tlog.Hash) {
	for n := f.Size; n&1 == 1; n >>= 1 {
		last := len(f.Roots) - 1
		leaf = tlog.NodeHash(f.Roots[last], leaf)
		f.Roots = f.Roots[:last]
	}
	f.Roots = append(f.Roots, leaf)
	f.Size++
}

// Root is the root of the tree (RFC 6962, 2.1).
func (f Frontier) Root() tlog.Hash {
	if f.Size == 0 {
		root, _ := tlog.TreeHash(0, nil) // which fails for no empty tree
		return root
	}
	root := f.Roots[len(f.Roots)-1]
	for i := len(f.Roots) - 2; i >= 0; i-- {
		root = tlog.NodeHash(f.Roots[i], root)
	}
	return root
}
