package agents

import (
	"context"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// jobRoles answers what is asked of job roles.
type jobRoles struct {
	store     jobRoleStore
	ofJobRole func(ctx context.Context, jobRole uuid.UUID) ([]catalog.Skill, error)
	cursors   httpapi.Cursors
}

func (j jobRoles) create(ctx context.Context, in *struct {
	httpapi.Keyed
	Body jobRoleDraft
},
) (*httpapi.Written[catalog.JobRole], error) {
	return httpapi.Create(ctx, j.store.db, in.Keyed, in.Body, func(ctx context.Context, tx database.Tx) (catalog.JobRole, error) {
		return j.store.create(ctx, tx, in.Body)
	})
}

func (j jobRoles) get(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Conditional
},
) (*httpapi.Versioned[catalog.JobRole], error) {
	found, err := j.store.byID(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return httpapi.Answer(in.Conditional, found)
}

func (j jobRoles) list(ctx context.Context, in *struct {
	httpapi.Page
	Industry       string `query:"industry" maxLength:"63" doc:"an industry's slug, in any case"`
	SeniorityLevel string `query:"seniority_level" enum:"junior,mid,senior"`
},
) (*httpapi.List[catalog.JobRole], error) {
	part, err := j.cursors.Part(in.Page)
	if err != nil {
		return nil, err
	}
	rows, total, err := j.store.list(ctx, in.Industry, in.SeniorityLevel, part)
	if err != nil {
		return nil, err
	}
	return httpapi.NextPage(j.cursors, in.Page, rows, total)
}

func (j jobRoles) skills(ctx context.Context, in *httpapi.ByID) (*struct{ Body []catalog.Skill }, error) {
	if _, err := j.store.byID(ctx, in.ID); err != nil {
		return nil, err
	}
	required, err := j.ofJobRole(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &struct{ Body []catalog.Skill }{required}, nil
}

func (j jobRoles) change(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Precondition
	Body jobRoleChange
},
) (*httpapi.Versioned[catalog.JobRole], error) {
	return written(j.store.change(ctx, in.ID, in.Versions(), in.Body))
}

func (j jobRoles) delete(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Precondition
},
) (*struct{}, error) {
	return nil, j.store.delete(ctx, in.ID, in.Versions())
}

func (j jobRoles) restore(ctx context.Context, in *struct {
	httpapi.Keyed
	httpapi.ByID
},
) (*httpapi.Written[catalog.JobRole], error) {
	return httpapi.Act(ctx, j.store.db, in.Keyed, nil, func(ctx context.Context, tx database.Tx) (catalog.JobRole, error) {
		return j.store.restore(ctx, tx, in.ID)
	})
}

func (j jobRoles) certify(ctx context.Context, in *struct {
	httpapi.Keyed
	httpapi.ByID
	Body certificationDraft
},
) (*httpapi.Written[catalog.JobRole], error) {
	return httpapi.Act(ctx, j.store.db, in.Keyed, in.Body, func(ctx context.Context, tx database.Tx) (catalog.JobRole, error) {
		return j.store.certify(ctx, tx, in.ID, in.Body)
	})
}

func (j jobRoles) uncertify(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Precondition
},
) (*struct{}, error) {
	return nil, j.store.uncertify(ctx, in.ID, in.Versions())
}
