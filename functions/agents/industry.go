package agents

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// industryLocked tells that an agent's industry is for life.
var industryLocked = httpapi.NewProblemType("INDUSTRY_LOCKED", http.StatusUnprocessableEntity, "An agent's industry cannot change",
	"An agent belongs to one industry for life. Publish another agent for another industry.")

// industry is a field of work that agents belong to.
type industry struct {
	ID          uuid.UUID `json:"id" format:"uuid"`
	Slug        string    `json:"slug" doc:"its name in addresses and filters, for life"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Version     int64     `json:"version"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
}

// Address implements httpapi.Addressed.
func (i industry) Address() string { return "/api/v1/industries/" + i.ID.String() }

// Tag implements httpapi.Tagged.
func (i industry) Tag() (version int64, derived any) { return i.Version, nil }

// industries answers what is asked of industries.
type industries struct {
	store   industryStore
	cursors httpapi.Cursors
}

func (i industries) create(ctx context.Context, in *struct {
	httpapi.Keyed
	Body industryDraft
},
) (*httpapi.Written[industry], error) {
	return httpapi.Create(ctx, i.store.db, in.Keyed, in.Body, func(ctx context.Context, tx database.Tx) (industry, error) {
		return i.store.create(ctx, tx, in.Body)
	})
}

// IndustryKey names one industry. Embed it in the input of an operation with {id} in its path.
type IndustryKey struct {
	IDOrSlug string `path:"id" maxLength:"63" doc:"the industry's id or slug"`
}

func (i industries) get(ctx context.Context, in *struct {
	IndustryKey
	httpapi.Conditional
},
) (*httpapi.Versioned[industry], error) {
	found, err := i.store.byIDOrSlug(ctx, in.IDOrSlug)
	if err != nil {
		return nil, err
	}
	return httpapi.Answer(in.Conditional, found)
}

func (i industries) list(ctx context.Context, in *struct {
	httpapi.Page
},
) (*httpapi.List[industry], error) {
	part, err := i.cursors.Part(in.Page)
	if err != nil {
		return nil, err
	}
	rows, total, err := i.store.list(ctx, part)
	if err != nil {
		return nil, err
	}
	return httpapi.NextPage(i.cursors, in.Page, rows, total)
}

func (i industries) change(ctx context.Context, in *struct {
	IndustryKey
	httpapi.Precondition
	Body industryChange
},
) (*httpapi.Versioned[industry], error) {
	return written(i.store.change(ctx, in.IDOrSlug, in.Versions(), in.Body))
}

func (i industries) delete(ctx context.Context, in *struct {
	IndustryKey
	httpapi.Precondition
},
) (*struct{}, error) {
	return nil, i.store.delete(ctx, in.IDOrSlug, in.Versions())
}

func (i industries) restore(ctx context.Context, in *struct {
	httpapi.Keyed
	IndustryKey
},
) (*httpapi.Written[industry], error) {
	return httpapi.Act(ctx, i.store.db, in.Keyed, nil, func(ctx context.Context, tx database.Tx) (industry, error) {
		return i.store.restore(ctx, tx, in.IDOrSlug)
	})
}
