package agents

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/hiring"
	"github.com/waooaw/plant/shared/httpapi"
)

// hireStore is the SQL of hires. Everything is read and written as the caller: policies keep hires from whom they are not
// for, and triggers let them make legal moves only.
type hireStore struct{ db *database.DB }

const hireByID = `
	select ` + hiring.Columns + ` from plant.hires h where h.id = $1`

func (s hireStore) byID(ctx context.Context, id uuid.UUID) (hire hiring.Hire, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		hire, err = database.One[hiring.Hire](ctx, tx, hireByID, id)
		return err
	})
	return hire, err
}

var newestHires = database.Order{Key: "h.created_at", Type: "timestamptz", ID: "h.id", Descending: true}

// list reads a part of the caller's hires that pass the filter, newest first: a partner's are those of its agents, a
// governor's are all.
func (s hireStore) list(ctx context.Context, filter HireFilter, part database.Part) (rows database.Rows[hiring.Hire], total string, err error) {
	caller, _ := auth.FromContext(ctx)
	err = s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		where := database.NewWhere(nil, map[string]any{"issuer": caller.Issuer, "caller": caller.Owner})
		// The policy says so too, but not in a way that an index could be used by.
		switch caller.Role {
		case auth.Governor:
		case auth.Partner:
			where.And(`h.partner = @caller and h.partner_issuer = @issuer`)
		default:
			where.And(`h.customer = @caller and h.customer_issuer = @issuer`)
		}
		if filter.Status != "" {
			where.And(hiring.Where[filter.Status])
		}
		if filter.AgentID != uuid.Nil {
			where.And(`h.agent_id = @agent`)
			where.With("agent", filter.AgentID)
		}
		rows, total, err = database.List[hiring.Hire](ctx, tx, database.Listing{
			Columns: hiring.Columns, From: `plant.hires h`, Where: where, By: newestHires,
		}, part)
		return err
	})
	return rows, total, err
}

var hireRows = rowsOf[hiring.Hire]{table: "plant.hires", columns: hiring.Columns, from: "h"}

const (
	// Who is neither its customer nor its partner does not see it at all.
	movesHire = `@role::text = 'governor' or @role = 'customer' or @status::text = 'ended'`
	legalMove = `case when status = 'trial' and trial_ends_at > now() then @status in ('active', 'cancelled') else status = 'active' and @status = 'ended' end`
)

var setHireStatus = hireRows.changing(`true`, movesHire, legalMove, `status = @status`)

func (s hireStore) setStatus(ctx context.Context, id uuid.UUID, versions []int64, status string) (hire hiring.Hire, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		hire, err = hireRows.change(ctx, tx, setHireStatus, id, versions, pgx.NamedArgs{"status": status}, func(found hiring.Hire) error {
			return whyNoMove(found.Status, status)
		})
		return err
	})
	return hire, err
}

// whyNoMove tells why a hire did not get from one status to another.
func whyNoMove(from, to string) error {
	switch {
	case from == to:
		return illegalMove.Problem("the hire is " + to + " already")
	case from == "trial" && to != "ended", from == "active" && to == "ended":
		return httpapi.Conflict.Problem("somebody else has just changed the hire: read it again")
	default:
		return illegalMove.Problem(fmt.Sprintf("a hire cannot go from %s to %s", from, to))
	}
}
