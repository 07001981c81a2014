package hiring

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// Columns reads a Hire from plant.hires h.
const Columns = `
	h.id, h.agent_id, h.customer, case when ` + hasLapsed + ` then 'ended' else h.status end as status, h.duration, h.price, h.currency, h.trial_days,
	h.trial_ends_at, h.activated_at, case when ` + hasLapsed + ` then h.trial_ends_at else h.ended_at end as ended_at, h.version, h.created_at, h.updated_at`

// A trial is over by the clock alone: its row does not change at that moment.
const hasLapsed = `h.status = 'trial' and h.trial_ends_at <= now()`

// Where is the condition that a hire has a status, as it is answered.
var Where = map[string]string{
	"trial":     `h.status = 'trial' and h.trial_ends_at > now()`,
	"active":    `h.status = 'active'`,
	"ended":     `(h.status = 'ended' or ` + hasLapsed + `)`,
	"cancelled": `h.status = 'cancelled'`,
}

const createHire = `
	with h as (
		insert into plant.hires (id, agent_id, customer_issuer, customer, duration)
		values (@id, @agent, @issuer, @customer, @duration)
		returning *)
	select ` + Columns + ` from h`

// Create hires an agent for the caller. The database gives the hire what the agent has at this moment, and refuses what
// no hire may be. An agent that is not there, or is deleted, is database.ErrNotFound.
func Create(ctx context.Context, tx database.Tx, agent uuid.UUID, draft Draft) (Hire, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Hire{}, err
	}
	caller, _ := auth.FromContext(ctx)
	hire, err := database.One[Hire](ctx, tx, createHire, pgx.NamedArgs{
		"id": id, "agent": agent, "issuer": caller.Issuer, "customer": caller.Owner, "duration": draft.Duration,
	})
	switch database.Broken(err) {
	case "hires_agent_live":
		return hire, database.ErrNotFound
	case "hires_agent_offline":
		return hire, AgentOffline.Problem("the agent takes no hires at present")
	case "hires_duration_allowed":
		const message = "must be one of the agent's allowed_durations"
		return hire, httpapi.Invalid.Problem("body.duration: "+message, &httpapi.Fault{Location: "body.duration", Message: message, Value: draft.Duration})
	case "hires_not_of_ones_own":
		return hire, OwnAgent.Problem("the agent is your own")
	case "hires_exclusive_key":
		return hire, AgentTaken.Problem("the agent has one hire at a time, and somebody has it")
	}
	return hire, err
}
