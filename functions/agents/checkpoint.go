package agents

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/waooaw/plant/shared/audit"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/logging/auditlog"
)

var auditBroken = httpapi.NewProblemType("AUDIT_BROKEN", http.StatusConflict, "The log of amendments is not the one that was signed",
	"Amendments, or the tree over them, were changed after a checkpoint was signed. Nothing more is signed. An audit run says what is wrong; scripts/audit verify says it of an export.")

func treeBroken(detail string) error { return auditBroken.Problem(detail) }

// checkpoints answers what outsiders need to check that nothing was changed behind their backs.
type checkpoints struct {
	amendments amendmentStore
	tree       treeStore
	keys       *audit.Keys
	out        *auditlog.Log
	log        *slog.Logger
}

func newCheckpoints(api *httpapi.API, db *database.DB) (checkpoints, error) {
	keys, err := audit.NewKeys(api.Settings.Audit)
	if err != nil {
		return checkpoints{}, err
	}
	out, err := auditlog.New(api.Settings.Audit)
	return checkpoints{amendments: amendmentStore{db}, tree: treeStore{db}, keys: keys, out: out, log: api.Log}, err
}

// signedNote is a signed checkpoint.
type signedNote struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (c checkpoints) get(ctx context.Context, _ *struct{}) (*signedNote, error) {
	text, err := c.sign(ctx)
	if errors.Is(err, audit.ErrNoKey) {
		return nil, httpapi.Unavailable.Problem("no key signs checkpoints here")
	}
	return &signedNote{"text/plain; charset=utf-8", text}, err
}

// sequence gives all amendments their places and, where there is a key, signs and keeps the tree's head. A scheduler calls
// it, so that checkpoints go out though nobody asks for them.
func (c checkpoints) sequence(ctx context.Context, _ *struct{}) (*struct{ Body sequencing }, error) {
	_, err := c.sign(ctx)
	if err != nil && !errors.Is(err, audit.ErrNoKey) {
		return nil, err
	}
	size, err := c.amendments.sequenceAll(ctx)
	return &struct{ Body sequencing }{sequencing{Size: size, Done: true}}, err
}

// sign returns the signed head of the tree over all that is committed. It signs nothing that does not go on from what it
// has signed before.
func (c checkpoints) sign(ctx context.Context) ([]byte, error) {
	origin, err := c.keys.Origin()
	if err != nil {
		return nil, err
	}
	// First: what others sign meanwhile may be of more amendments than are seen here.
	last, err := c.last(ctx)
	if err != nil {
		return nil, err
	}
	size, err := c.amendments.sequenceAll(ctx)
	if err != nil {
		return nil, err
	}
	root, err := c.tree.root(ctx, size)
	if err != nil {
		return nil, err
	}
	head := audit.Checkpoint{Origin: origin, Size: size, Root: root}
	if err := c.goesOn(ctx, last, head); err != nil {
		c.log.ErrorContext(ctx, "the log of amendments is not the one that was signed", "size", size, "error", err)
		return nil, err
	}
	text, err := c.keys.Sign(head)
	if err != nil || last == head {
		return text, err
	}
	// Out first: what is kept here was kept there.
	if err := c.out.Write(ctx, text); err != nil {
		return nil, httpapi.Unavailable.Problem("the checkpoint cannot be kept outside the database now, so none is given").Because(err)
	}
	return text, c.tree.keep(ctx, size, text)
}

// last returns the last checkpoint that one of the keys has signed; it is zero where none was ever signed. Where none is of a
// key that is known, nobody can tell whether what is signed next goes on from it, and there is an error.
func (c checkpoints) last(ctx context.Context) (audit.Checkpoint, error) {
	kept, err := c.tree.last(ctx)
	if err != nil {
		return audit.Checkpoint{}, err
	}
	for _, one := range kept {
		last, err := c.keys.Open([]byte(one.Note))
		if err == nil {
			return last, nil
		}
		c.log.WarnContext(ctx, "a kept checkpoint is of no key that is known: is one missing in AUDIT_OLD_KEYS?", "size", one.Size, "error", err)
	}
	if len(kept) > 0 {
		c.log.ErrorContext(ctx, "no kept checkpoint is of a key that is known, so none is signed: AUDIT_OLD_KEYS wants the key of before", "size", kept[0].Size)
		return audit.Checkpoint{}, httpapi.Unavailable.Problem("the key of the checkpoints before is not known here, so none is given")
	}
	return audit.Checkpoint{}, nil
}

// goesOn returns an error where the tree is not one that has grown from the last one.
func (c checkpoints) goesOn(ctx context.Context, last, head audit.Checkpoint) error {
	switch {
	case last.Size == 0:
		return nil
	case last.Size > head.Size:
		return treeBroken(fmt.Sprintf("a checkpoint of %d amendments was signed, and there are %d", last.Size, head.Size))
	}
	before, err := c.tree.root(ctx, last.Size)
	if err == nil && before != last.Root {
		err = treeBroken(fmt.Sprintf("the tree over the first %d amendments has another root than the one that was signed", last.Size))
	}
	return err
}

// inclusionProof shows that an amendment is in a tree.
type inclusionProof struct {
	Seq    int64        `json:"seq"`
	Size   int64        `json:"size" doc:"of the tree"`
	Leaf   audit.Hash   `json:"leaf" doc:"the amendment's hash; RFC 6962 hashes it once more, with a zero byte before it"`
	Root   audit.Hash   `json:"root"`
	Hashes []audit.Hash `json:"hashes" doc:"the audit path, from the leaf up (RFC 6962, 2.1.1)"`
}

func (c checkpoints) inclusion(ctx context.Context, in *struct {
	Seq  int64 `query:"seq" minimum:"1" required:"true" doc:"the amendment's place"`
	Size int64 `query:"size" minimum:"1" doc:"of the tree, as a checkpoint says; the tree of now, if not sent"`
},
) (*struct{ Body inclusionProof }, error) {
	size, err := c.sizeOf(ctx, "size", in.Size)
	if err != nil {
		return nil, err
	}
	if in.Seq > size {
		return nil, tooLarge("seq", size)
	}
	leaf, err := c.amendments.export(ctx, in.Seq-1, in.Seq, 1)
	if err != nil {
		return nil, err
	}
	if len(leaf) == 0 {
		return nil, treeBroken("the amendment is missing")
	}
	proof, err := tlog.ProveRecord(size, in.Seq-1, c.tree.reader(ctx))
	if err != nil {
		return nil, err
	}
	root, err := c.tree.root(ctx, size)
	return &struct{ Body inclusionProof }{inclusionProof{in.Seq, size, leaf[0].amendment().Hash, audit.Hash(root), hashesOf(proof)}}, err
}

// consistencyProof shows that one tree is the beginning of another.
type consistencyProof struct {
	First      int64        `json:"first" doc:"the size of the smaller tree"`
	Second     int64        `json:"second" doc:"the size of the larger tree"`
	FirstRoot  audit.Hash   `json:"first_root"`
	SecondRoot audit.Hash   `json:"second_root"`
	Hashes     []audit.Hash `json:"hashes" doc:"RFC 6962, 2.1.2"`
}

func (c checkpoints) consistency(ctx context.Context, in *struct {
	First  int64 `query:"first" minimum:"1" required:"true" doc:"the size of the smaller tree"`
	Second int64 `query:"second" minimum:"1" doc:"the size of the larger tree; the tree of now, if not sent"`
},
) (*struct{ Body consistencyProof }, error) {
	second, err := c.sizeOf(ctx, "second", in.Second)
	if err != nil {
		return nil, err
	}
	if in.First > second {
		return nil, tooLarge("first", second)
	}
	proof, err := tlog.ProveTree(second, in.First, c.tree.reader(ctx))
	if err != nil {
		return nil, err
	}
	firstRoot, err := c.tree.root(ctx, in.First)
	if err != nil {
		return nil, err
	}
	secondRoot, err := c.tree.root(ctx, second)
	return &struct{ Body consistencyProof }{consistencyProof{in.First, second, audit.Hash(firstRoot), audit.Hash(secondRoot), hashesOf(proof)}}, err
}

// sizeOf returns the size of a tree that is asked for, which has to be there; 0 asks for all.
func (c checkpoints) sizeOf(ctx context.Context, name string, asked int64) (int64, error) {
	size, err := c.amendments.sequenceAll(ctx)
	switch {
	case err != nil:
		return 0, err
	case asked > size:
		return 0, tooLarge(name, size)
	case asked == 0:
		return size, nil
	}
	return asked, nil
}

func tooLarge(name string, most int64) error {
	message := fmt.Sprintf("must be at most %d, which is how many there are", most)
	return httpapi.Invalid.Problem("query."+name+": "+message, &httpapi.Fault{Location: "query." + name, Message: message})
}

func hashesOf(proof []tlog.Hash) []audit.Hash {
	hashes := make([]audit.Hash, len(proof))
	for i, hash := range proof {
		hashes[i] = audit.Hash(hash)
	}
	return hashes
}
