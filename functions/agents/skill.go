package agents

import (
	"context"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// skills answers what is asked of skills.
type skills struct {
	store   skillStore
	cursors httpapi.Cursors
}

func (s skills) create(ctx context.Context, in *struct {
	httpapi.Keyed
	Body skillDraft
},
) (*httpapi.Written[catalog.Skill], error) {
	return httpapi.Create(ctx, s.store.db, in.Keyed, in.Body, func(ctx context.Context, tx database.Tx) (catalog.Skill, error) {
		return s.store.create(ctx, tx, in.Body)
	})
}

func (s skills) get(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Conditional
},
) (*httpapi.Versioned[catalog.Skill], error) {
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
) (*httpapi.List[catalog.Skill], error) {
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
) (*httpapi.Versioned[catalog.Skill], error) {
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
) (*httpapi.Written[catalog.Skill], error) {
	return httpapi.Act(ctx, s.store.db, in.Keyed, nil, func(ctx context.Context, tx database.Tx) (catalog.Skill, error) {
		return s.store.restore(ctx, tx, in.ID)
	})
}

func (s skills) certify(ctx context.Context, in *struct {
	httpapi.Keyed
	httpapi.ByID
	Body certificationDraft
},
) (*httpapi.Written[catalog.Skill], error) {
	return httpapi.Act(ctx, s.store.db, in.Keyed, in.Body, func(ctx context.Context, tx database.Tx) (catalog.Skill, error) {
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
