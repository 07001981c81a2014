package audit

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// chains checks the chain of versions of every entity. What it has to remember of an amendment goes to files, one for
// each of some parts of all entities, so that only one part is in memory at a time.
type chains struct {
	later  bool // there were amendments before the first that is read
	parts  [chainParts][]link
	files  [chainParts]*os.File
	folder string
}

const (
	chainParts  = 64
	linksInPart = 1024 // in memory, before they go to the part's file
)

// link is what is remembered of an amendment.
type link struct {
	Entity         [16]byte // of its type and id
	Version, Seq   int64
	Hash, Previous Hash
	First          bool // it begins a chain
}

func newChains(later bool) *chains { return &chains{later: later} }

// Actions that begin a chain: a new entity, and one that was there before amendments were.
var beginsChain = []string{"create", "adopt"}

func (c *chains) add(a Amendment) error {
	key := sha256.Sum256([]byte(a.EntityType + "/" + a.EntityID.String()))
	part := key[0] % chainParts
	c.parts[part] = append(c.parts[part], link{
		Entity: [16]byte(key[:16]), Version: a.Version, Seq: a.Seq, Hash: a.Hash, Previous: a.PreviousHash, First: slices.Contains(beginsChain, a.Action),
	})
	if len(c.parts[part]) < linksInPart {
		return nil
	}
	return c.spill(int(part))
}

func (c *chains) spill(part int) error {
	if c.files[part] == nil {
		if c.folder == "" {
			folder, err := os.MkdirTemp("", "plant-audit-")
			if err != nil {
				return err
			}
			c.folder = folder
		}
		file, err := os.Create(filepath.Join(c.folder, strconv.Itoa(part)))
		if err != nil {
			return err
		}
		c.files[part] = file
	}
	var out bytes.Buffer
	if err := binary.Write(&out, binary.LittleEndian, c.parts[part]); err != nil {
		return err
	}
	c.parts[part] = c.parts[part][:0]
	_, err := c.files[part].Write(out.Bytes())
	return err
}

// check returns how many entities there are, and the first link that does not follow from the one before it, if any.
func (c *chains) check() (entities int64, first *Bad, err error) {
	for part := range c.parts {
		links, err := c.read(part)
		if err != nil {
			return 0, nil, fmt.Errorf("read back the chains: %w", err)
		}
		slices.SortFunc(links, func(a, b link) int {
			return cmp.Or(bytes.Compare(a.Entity[:], b.Entity[:]), cmp.Compare(a.Seq, b.Seq))
		})
		for i := range links {
			var before *link
			if i > 0 && links[i-1].Entity == links[i].Entity {
				before = &links[i-1]
			} else {
				entities++
			}
			if bad := c.follows(before, links[i]); bad != nil && (first == nil || bad.Seq < first.Seq) {
				first = bad
			}
		}
	}
	return entities, first, nil
}

func (c *chains) read(part int) ([]link, error) {
	links := c.parts[part]
	file := c.files[part]
	if file == nil {
		return links, nil
	}
	bytesWritten, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	spilled := make([]link, int(bytesWritten)/binary.Size(link{}))
	err = binary.Read(bufio.NewReader(file), binary.LittleEndian, spilled)
	return append(spilled, links...), err
}

// follows returns what is wrong with a link; before is nil for the first of an entity that was read.
func (c *chains) follows(before *link, l link) *Bad {
	switch {
	case before == nil && l.First && l.Previous != Hash{}:
		return &Bad{l.Seq, "it begins a chain, and names a hash before it"}
	case before == nil && l.First || before == nil && c.later:
		return nil
	case before == nil:
		return &Bad{l.Seq, fmt.Sprintf("it is version %d of its entity, and the amendments before it are missing", l.Version)}
	case l.First:
		return &Bad{l.Seq, fmt.Sprintf("it begins a chain that amendment %d belongs to", before.Seq)}
	case l.Version != before.Version+1:
		return &Bad{l.Seq, fmt.Sprintf("it is version %d of its entity, and amendment %d before it is version %d", l.Version, before.Seq, before.Version)}
	case l.Previous != before.Hash:
		return &Bad{l.Seq, fmt.Sprintf("the hash of amendment %d before it is %s, and it names %s", before.Seq, before.Hash, l.Previous)}
	}
	return nil
}

func (c *chains) close() {
	for _, file := range c.files {
		if file != nil {
			_ = file.Close() // it is removed
		}
	}
	if c.folder != "" {
		_ = os.RemoveAll(c.folder)
	}
}
