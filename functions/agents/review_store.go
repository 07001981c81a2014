package agents

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/hiring"
	"github.com/waooaw/plant/shared/httpapi"
)

// reviewStore is the SQL of reviews. An agent's ratings follow by trigger.
type reviewStore struct{ db *database.DB }

const reviewColumns = `
	r.id, r.hire_id, r.agent_id, r.rating, r.text, r.reply, r.replied_at, r.hidden, r.version, r.created_at, r.updated_at`

// A review is addressed by its hire, and so it is there for whom the hire is there: the policy of hires says for whom.
var reviewRows = rowsOf[review]{table: "plant.reviews", is: `hire_id = @id`, columns: reviewColumns, from: "r", explain: func(constraint string) error {
	switch constraint {
	case "reviews_hire_id_key":
		return httpapi.Conflict.Problem("the hire has a review: there is one a hire")
	case "reviews_of_what_was_tried":
		return trialRuns.Problem("the trial of the hire is not over")
	case "reviews_not_of_ones_own":
		return hiring.OwnAgent.Problem("the agent is your own by now")
	}
	return nil
}}

const (
	hireIsSeen    = `exists (select from plant.hires h where h.id = hire_id)`
	isHiresOwner  = `exists (select from plant.hires h where h.id = hire_id and h.partner_issuer = @issuer::text and h.partner = @caller::text)`
	isNotReplied  = `reply is null`
	isMyHire      = `select customer_issuer = $2 and customer = $3 from plant.hires where id = $1`
	reviewOfAHire = `select ` + reviewColumns + ` from plant.reviews r where r.hire_id = $1 and exists (select from plant.hires h where h.id = r.hire_id)`
)

// ofHire returns the review of a hire that the caller may see.
func (s reviewStore) ofHire(ctx context.Context, hire uuid.UUID) (found review, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		found, err = database.One[review](ctx, tx, reviewOfAHire, hire)
		return err
	})
	return found, err
}

var createReview = reviewRows.creating(`
	insert into plant.reviews (id, hire_id, rating, text) values (@id, @hire, @rating, @text)`)

// create reviews a hire of the caller's. Nobody speaks for a customer, not even a governor.
func (s reviewStore) create(ctx context.Context, tx database.Tx, hire uuid.UUID, draft reviewDraft) (review, error) {
	caller, _ := auth.FromContext(ctx)
	mine, err := database.Scalar[bool](ctx, tx, isMyHire, hire, caller.Issuer, caller.Owner)
	switch {
	case err != nil:
		return review{}, err
	case !mine:
		return review{}, database.ErrForbidden
	}
	return reviewRows.create(ctx, tx, createReview, pgx.NamedArgs{"hire": hire, "rating": draft.Rating, "text": draft.Text})
}

var (
	replyToReview = reviewRows.changing(hireIsSeen, isHiresOwner, isNotReplied, `reply = @text`)
	hideReview    = reviewRows.changing(hireIsSeen, isGovernor, `true`, `hidden = @hidden`)
)

// reply answers a review once, as the owner of the agent. Nobody speaks for an owner either.
func (s reviewStore) reply(ctx context.Context, tx database.Tx, hire uuid.UUID, text string) (review, error) {
	return reviewRows.change(ctx, tx, replyToReview, hire, nil, pgx.NamedArgs{"text": text},
		because[review](httpapi.Conflict.Problem("the review has a reply: there is one a review")))
}

func (s reviewStore) hide(ctx context.Context, hire uuid.UUID, versions []int64, hidden bool) (found review, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		found, err = reviewRows.change(ctx, tx, hideReview, hire, versions, pgx.NamedArgs{"hidden": hidden}, nil)
		return err
	})
	return found, err
}

const agentIsThere = `select true from plant.agents where id = $1 and deleted_at is null`

var newestReviews = database.Order{Key: "r.created_at", Type: "timestamptz", ID: "r.id", Descending: true}

// list reads a part of an agent's reviews, newest first.
func (s reviewStore) list(ctx context.Context, agent uuid.UUID, includeHidden bool, part database.Part) (rows database.Rows[review], total string, err error) {
	if _, err := database.Scalar[bool](ctx, s.db, agentIsThere, agent); err != nil {
		return rows, "", err
	}
	read := func(q database.Querier, conditions ...string) error {
		where := database.NewWhere(append(conditions, `r.agent_id = @agent`), map[string]any{"agent": agent})
		rows, total, err = database.List[review](ctx, q, database.Listing{
			Columns: reviewColumns, From: `plant.reviews r`, Where: where, By: newestReviews,
		}, part)
		return err
	}
	if includeHidden {
		err = s.db.InTx(ctx, func(_ context.Context, tx database.Tx) error { return read(tx) })
	} else {
		err = read(s.db, `not r.hidden`)
	}
	return rows, total, err
}
