package agents

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// jobRole is work that an agent, or a team of them, can fill.
type jobRole struct {
	ID              uuid.UUID      `json:"id" format:"uuid"`
	Name            string         `json:"name"`
	Description     string         `json:"description"`
	RequiredSkills  []uuid.UUID    `json:"required_skills" format:"uuid"`
	SeniorityLevel  string         `json:"seniority_level" enum:"junior,mid,senior"`
	Industry        *string        `json:"industry" doc:"an industry's slug; null for any"`
	Specializations []string       `json:"specializations"`
	Certification   *certification `json:"certification,omitempty" doc:"absent where there is none"`
	Version         int64          `json:"version"`
	CreatedAt       time.Time      `json:"created_at"`
	UpdatedAt       time.Time      `json:"updated_at"`
}

// Address implements httpapi.Addressed.
func (j jobRole) Address() string { return "/api/v1/job-roles/" + j.ID.String() }

// Tag implements httpapi.Tagged: a certification expires without a new version.
func (j jobRole) Tag() (version int64, derived any) { return j.Version, j.Certification.hasExpired() }

// jobRoles answers what is asked of job roles.
type jobRoles struct {
	store     jobRoleStore
	ofJobRole func(ctx context.Context, jobRole uuid.UUID) ([]skill, error)
	cursors   httpapi.Cursors
}

func (j jobRoles) create(ctx context.Context, in *struct {
	httpapi.Keyed
	Body jobRoleDraft
},
) (*httpapi.Written[jobRole], error) {
	return httpapi.Create(ctx, j.store.db, in.Keyed, in.Body, func(ctx context.Context, tx database.Tx) (jobRole, error) {
		return j.store.create(ctx, tx, in.Body)
	})
}

func (j jobRoles) get(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Conditional
},
) (*httpapi.Versioned[jobRole], error) {
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
) (*httpapi.List[jobRole], error) {
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

func (j jobRoles) skills(ctx context.Context, in *httpapi.ByID) (*struct{ Body []skill }, error) {
	if _, err := j.store.byID(ctx, in.ID); err != nil {
		return nil, err
	}
	required, err := j.ofJobRole(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &struct{ Body []skill }{required}, nil
}

func (j jobRoles) change(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Precondition
	Body jobRoleChange
},
) (*httpapi.Versioned[jobRole], error) {
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
) (*httpapi.Written[jobRole], error) {
	return httpapi.Act(ctx, j.store.db, in.Keyed, nil, func(ctx context.Context, tx database.Tx) (jobRole, error) {
		return j.store.restore(ctx, tx, in.ID)
	})
}

func (j jobRoles) certify(ctx context.Context, in *struct {
	httpapi.Keyed
	httpapi.ByID
	Body certificationDraft
},
) (*httpapi.Written[jobRole], error) {
	return httpapi.Act(ctx, j.store.db, in.Keyed, in.Body, func(ctx context.Context, tx database.Tx) (jobRole, error) {
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
