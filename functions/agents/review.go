package agents

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// trialRuns is the problem of a review that comes too early.
var trialRuns = httpapi.NewProblemType("TRIAL_RUNS", http.StatusConflict, "The trial is not over",
	"A hire is reviewed when it has gone on after its trial, or its trial is over or cancelled. Its trial_ends_at says when that is.")

// review is what a customer says of a hire, and what the agent's owner answers. It does not tell who the customer is.
type review struct {
	ID        uuid.UUID  `json:"id" format:"uuid"`
	HireID    uuid.UUID  `json:"hire_id" format:"uuid" doc:"which only its customer, the agent's owner and governors can read"`
	AgentID   uuid.UUID  `json:"agent_id" format:"uuid"`
	Rating    int        `json:"rating" minimum:"1" maximum:"5"`
	Text      string     `json:"text"`
	Reply     *string    `json:"reply" nullable:"true" doc:"the owner's"`
	RepliedAt *time.Time `json:"replied_at" nullable:"true"`
	Hidden    bool       `json:"hidden" doc:"by a governor: neither shown to others nor counted"`
	Version   int64      `json:"version"`
	CreatedAt time.Time  `json:"created_at"`
	UpdatedAt time.Time  `json:"updated_at"`
}

// Address implements httpapi.Addressed.
func (r review) Address() string { return "/api/v1/hires/" + r.HireID.String() + "/review" }

// Tag implements httpapi.Tagged.
func (r review) Tag() (version int64, derived any) { return r.Version, nil }

// reviews answers what is asked of reviews.
type reviews struct {
	store   reviewStore
	cursors httpapi.Cursors
}

func (r reviews) create(ctx context.Context, in *struct {
	httpapi.Keyed
	httpapi.ByID
	Body reviewDraft
},
) (*httpapi.Written[review], error) {
	return httpapi.Create(ctx, r.store.db, in.Keyed, in.Body, func(ctx context.Context, tx database.Tx) (review, error) {
		return r.store.create(ctx, tx, in.ID, in.Body)
	})
}

func (r reviews) get(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Conditional
},
) (*httpapi.Versioned[review], error) {
	found, err := r.store.ofHire(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return httpapi.Answer(in.Conditional, found)
}

func (r reviews) reply(ctx context.Context, in *struct {
	httpapi.Keyed
	httpapi.ByID
	Body reviewReply
},
) (*httpapi.Written[review], error) {
	return httpapi.Act(ctx, r.store.db, in.Keyed, in.Body, func(ctx context.Context, tx database.Tx) (review, error) {
		return r.store.reply(ctx, tx, in.ID, in.Body.Text)
	})
}

func (r reviews) hide(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Precondition
	Body struct {
		Hidden bool `json:"hidden"`
	}
},
) (*httpapi.Versioned[review], error) {
	return written(r.store.hide(ctx, in.ID, in.Versions(), in.Body.Hidden))
}

func (r reviews) list(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Page
	IncludeHidden bool `query:"include_hidden" doc:"hidden ones too; governors only"`
},
) (*httpapi.List[review], error) {
	caller, known := auth.FromContext(ctx)
	switch {
	case in.IncludeHidden && !known:
		return nil, httpapi.Unauthenticated.Problem("include_hidden needs a token")
	case in.IncludeHidden && !caller.Can(auth.Governor):
		return nil, httpapi.Forbidden.Problem("include_hidden is for governors")
	}
	part, err := r.cursors.Part(in.Page)
	if err != nil {
		return nil, err
	}
	rows, total, err := r.store.list(ctx, in.ID, in.IncludeHidden, part)
	if err != nil {
		return nil, err
	}
	return httpapi.NextPage(r.cursors, in.Page, rows, total)
}
