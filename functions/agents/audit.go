package agents

import (
	"bufio"
	"context"
	"io"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/audit"
	"github.com/waooaw/plant/shared/httpapi"
)

const (
	answerTime = 5 * time.Second  // for an answer, after a wait
	auditTime  = 4 * time.Minute  // of a run over all; one over 100,000 agents takes some seconds
	exportTime = 30 * time.Minute // of an export, whose reader may be slow
)

// audits answers governors who check the catalogue.
type audits struct {
	store      auditStore
	amendments amendmentStore
	stream     func(contentType string, write func(ctx context.Context, w io.Writer) error) *huma.StreamResponse
}

// scope narrows a run.
type scope struct {
	EntityType string     `json:"entity_type,omitempty" enum:"agent,skill,job_role,industry,team,review" doc:"all types, if not sent"`
	EntityID   *uuid.UUID `json:"entity_id,omitempty" format:"uuid" nullable:"false" doc:"all entities, if not sent"`
}

// auditReport is what a run found.
type auditReport struct {
	Compliant   bool             `json:"compliant"`
	RanAt       time.Time        `json:"ran_at"`
	Scope       scope            `json:"scope"`
	Entities    map[string]int64 `json:"entities" doc:"how many of each type are not deleted"`
	Amendments  int64            `json:"amendments"`
	Sequenced   int64            `json:"sequenced" doc:"how many of them have a place: all, where nothing is wrong"`
	ChainsWhole bool             `json:"chains_whole" doc:"rules L0-03 and L0-04 hold"`
	Rules       []ruleResult     `json:"rules"`
}

// ruleResult is what a run found of one rule.
type ruleResult struct {
	ID         string      `json:"id" example:"L0-04"`
	Says       string      `json:"says"`
	Violations int64       `json:"violations"`
	Examples   []violation `json:"examples" doc:"the first of them"`
}

// violation is one entity, or one amendment, that breaks a rule.
type violation struct {
	EntityType string     `json:"entity_type"`
	EntityID   *uuid.UUID `json:"entity_id,omitempty" format:"uuid"`
	Detail     string     `json:"detail"`
}

func (a audits) run(ctx context.Context, in *struct {
	Body *scope `required:"false"`
},
) (*struct{ Body auditReport }, error) {
	if in.Body == nil {
		in.Body = &scope{}
	}
	size, err := a.amendments.sequenceAll(ctx)
	if err != nil {
		return nil, err
	}
	report, err := a.store.run(ctx, *in.Body)
	report.Sequenced = size
	return &struct{ Body auditReport }{report}, err
}

// exportedAtOnce is how many amendments an export reads at once.
const exportedAtOnce = 2000

func (a audits) export(ctx context.Context, in *struct {
	After int64 `query:"after" minimum:"0" maximum:"9007199254740991" doc:"leaves out the amendments up to this place"`
},
) (*huma.StreamResponse, error) {
	size, err := a.amendments.sequenceAll(ctx)
	if err != nil {
		return nil, err
	}
	return a.stream("application/x-ndjson", func(ctx context.Context, w io.Writer) error {
		out := bufio.NewWriterSize(w, 256<<10)
		var line []byte
		for after := in.After; after < size; {
			rows, err := a.amendments.export(ctx, after, size, exportedAtOnce)
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				return treeBroken("amendments are missing") // and so is the rest of the export: its reader sees that it ends early
			}
			for _, row := range rows {
				one := row.amendment()
				if line, err = one.AppendLine(line[:0]); err != nil {
					return err
				}
				if _, err := out.Write(append(line, '\n')); err != nil {
					return err
				}
				after = one.Seq
			}
		}
		return out.Flush()
	}), nil
}

// tampering is what became of one entity's chain.
type tampering struct {
	EntityID       uuid.UUID   `json:"entity_id" format:"uuid"`
	EntityType     string      `json:"entity_type"`
	Tampered       bool        `json:"tampered"`
	BrokenAtIndex  *int        `json:"broken_at_index" nullable:"true" doc:"the first amendment that is not what it has to be, from 0; as many as there are, where the entity itself is not what they say"`
	Reason         *string     `json:"reason" nullable:"true"`
	ExpectedHash   *audit.Hash `json:"expected_hash" nullable:"true" doc:"of that amendment"`
	StoredHash     *audit.Hash `json:"stored_hash" nullable:"true"`
	AmendmentCount int         `json:"amendment_count"`
}

func (t *tampering) broken(at int, reason string, expected, stored *audit.Hash) {
	t.Tampered, t.BrokenAtIndex, t.Reason, t.ExpectedHash, t.StoredHash = true, &at, &reason, expected, stored
}

// EntityKey names an entity of any type.
type EntityKey struct {
	EntityID uuid.UUID `path:"entity_id" format:"uuid"`
}

// Resolve implements huma.Resolver: uuid.Parse also takes braces, a prefix and no hyphens.
func (k *EntityKey) Resolve(ctx huma.Context) []error {
	if len(ctx.Param("entity_id")) == len(k.EntityID.String()) {
		return nil
	}
	return []error{&httpapi.Fault{Location: "path.entity_id", Message: "must be a UUID"}}
}

func (a audits) tampering(ctx context.Context, in *EntityKey) (*struct{ Body tampering }, error) {
	if _, err := a.amendments.sequenceAll(ctx); err != nil {
		return nil, err
	}
	rows, err := a.amendments.of(ctx, in.EntityID)
	if err != nil {
		return nil, err
	}
	found := tampering{EntityID: in.EntityID, AmendmentCount: len(rows)}
	if len(rows) == 0 {
		if found.EntityType, err = a.store.typeOf(ctx, in.EntityID); err != nil {
			return nil, err // there is no such entity
		}
		found.broken(0, "the entity has no amendment", nil, nil)
		return &struct{ Body tampering }{found}, nil
	}
	found.EntityType = rows[0].EntityType
	leaves, err := a.store.leaves(ctx, in.EntityID)
	if err != nil {
		return nil, err
	}
	checkChain(&found, rows, leaves)
	if found.Tampered {
		return &struct{ Body tampering }{found}, nil
	}
	// The chain is whole: the entity has to be what it says.
	report, err := a.store.run(ctx, scope{EntityType: found.EntityType, EntityID: &in.EntityID})
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(report.Rules, func(r ruleResult) bool { return r.ID == everyChangeHasAnAmendment && r.Violations > 0 }); i >= 0 {
		found.broken(len(rows), report.Rules[i].Examples[0].Detail, nil, nil)
	}
	return &struct{ Body tampering }{found}, nil
}

// checkChain finds the first amendment of an entity that is not what it has to be. Leaves are those of the tree, by place.
func checkChain(found *tampering, rows []amendmentRow, leaves map[int64]audit.Hash) {
	var before audit.Amendment
	for i, row := range rows {
		one := row.amendment()
		computed, err := one.Computed()
		leaf, placed := leaves[one.Seq]
		want := audit.Hash(one.Leaf())
		begins := slices.Contains([]string{"create", "adopt"}, one.Action)
		switch {
		case err != nil:
			found.broken(i, err.Error(), nil, &one.Hash)
		case computed != one.Hash:
			found.broken(i, "something in it was changed: it has another hash", &computed, &one.Hash)
		case i == 0 && !begins, i > 0 && (begins || one.Version != before.Version+1):
			found.broken(i, "amendments before it are missing", &computed, &one.Hash)
		case one.PreviousHash != before.Hash:
			found.broken(i, "it does not follow from the one before it", &before.Hash, &one.PreviousHash)
		case row.Seq == nil || !placed:
			found.broken(i, "it is not in the tree", &want, nil)
		case leaf != want:
			found.broken(i, "the tree has another amendment in its place", &want, &leaf)
		default:
			before = one
			continue
		}
		return
	}
}
