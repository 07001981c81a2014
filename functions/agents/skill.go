package agents

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// skill is something that agents can do.
type skill struct {
	ID              uuid.UUID      `json:"id" format:"uuid"`
	Name            string         `json:"name"`
	Description     string         `json:"description"`
	Category        string         `json:"category" enum:"technical,soft_skill,domain_expertise,certification"`
	Certification   *certification `json:"certification,omitempty" doc:"absent where there is none"`
	AgentsWithSkill int64          `json:"agents_with_skill" doc:"how many agents have it"`
	Version         int64          `json:"version"`
	CreatedAt       time.Time      `json:"created_at"`
	UpdatedAt       time.Time      `json:"updated_at"`
}

// Address implements httpapi.Addressed.
func (s skill) Address() string { return "/api/v1/skills/" + s.ID.String() }

// Tag implements httpapi.Tagged: the count changes without a new version, and a certification expires without one.
func (s skill) Tag() (version int64, derived any) {
	return s.Version, []any{s.AgentsWithSkill, s.Certification.hasExpired()}
}

// skills answers what is asked of skills.
type skills struct {
	store   skillStore
	cursors httpapi.Cursors
}

func (s skills) create(ctx context.Context, in *struct {
	httpapi.Keyed
	Body skillDraft
},
) (*httpapi.Written[skill], error) {
	return httpapi.Create(ctx, s.store.db, in.Keyed, in.Body, func(ctx context.Context, tx database.Tx) (skill, error) {
		return s.store.create(ctx, tx, in.Body)
	})
}

func (s skills) get(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Conditional
},
) (*httpapi.Versioned[skill], error) {
	found, err := s.store.byID(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return httpapi.Answer(in.Conditional, found)
}

func (s skills) list(ctx context.Context, in *struct {
	httpapi.Page
	Category string `query:"category" enum:"technical,soft_skill,domain_expertise,certification"`
},
) (*httpapi.List[skill], error) {
	part, err := s.cursors.Part(in.Page)
	if err != nil {
		return nil, err
	}
	rows, total, err := s.store.list(ctx, in.Category, part)
	if err != nil {
		return nil, err
	}
	return httpapi.NextPage(s.cursors, in.Page, rows, total)
}

func (s skills) change(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Precondition
	Body skillChange
},
) (*httpapi.Versioned[skill], error) {
	return written(s.store.change(ctx, in.ID, in.Versions(), in.Body))
}

func (s skills) delete(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Precondition
},
) (*struct{}, error) {
	return nil, s.store.delete(ctx, in.ID, in.Versions())
}

func (s skills) restore(ctx context.Context, in *struct {
	httpapi.Keyed
	httpapi.ByID
},
) (*httpapi.Written[skill], error) {
	return httpapi.Act(ctx, s.store.db, in.Keyed, nil, func(ctx context.Context, tx database.Tx) (skill, error) {
		return s.store.restore(ctx, tx, in.ID)
	})
}

func (s skills) certify(ctx context.Context, in *struct {
	httpapi.Keyed
	httpapi.ByID
	Body certificationDraft
},
) (*httpapi.Written[skill], error) {
	return httpapi.Act(ctx, s.store.db, in.Keyed, in.Body, func(ctx context.Context, tx database.Tx) (skill, error) {
		return s.store.certify(ctx, tx, in.ID, in.Body)
	})
}

func (s skills) uncertify(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Precondition
},
) (*struct{}, error) {
	return nil, s.store.uncertify(ctx, in.ID, in.Versions())
}
