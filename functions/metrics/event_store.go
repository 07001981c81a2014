package metrics

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/database"
)

// eventStore is the SQL of events.
type eventStore struct{ db *database.DB }

const mayReport = `
	select plant.caller_role() in ('governor', 'service') or plant.caller_role() = 'partner' and plant.caller_owns(owner_issuer, owner)
	from plant.agents where id = $1 and deleted_at is null`

// mayReport returns nil where the caller reports for an agent.
func (s eventStore) mayReport(ctx context.Context, tx database.Tx, agent uuid.UUID) error {
	may, err := database.Scalar[bool](ctx, tx, mayReport, agent)
	if err == nil && !may {
		err = database.ErrForbidden
	}
	return err
}

const recordEvents = `
	select outcome from plant.record_job_events(@agents, @events, @jobs, @kinds, @times, @durations, @costs::text[]::numeric[])`

// record stores events, and returns what became of each: stored, duplicate, or a key of refusals.
func (s eventStore) record(ctx context.Context, tx database.Tx, drafts []agentEventDraft) ([]string, error) {
	if len(drafts) == 0 {
		return nil, nil
	}
	agents, events, jobs, kinds := make([]uuid.UUID, len(drafts)), make([]string, len(drafts)), make([]string, len(drafts)), make([]string, len(drafts))
	times, durations, costs := make([]time.Time, len(drafts)), make([]*int64, len(drafts)), make([]*string, len(drafts))
	for i, draft := range drafts {
		agents[i], events[i], jobs[i], kinds[i] = draft.AgentID, draft.EventID, draft.JobID, draft.Kind
		times[i], durations[i] = draft.OccurredAt, draft.DurationMS
		if draft.Cost != nil {
			text := draft.Cost.String()
			costs[i] = &text
		}
	}
	rows, err := database.All[outcomeRow](ctx, tx, recordEvents, pgx.NamedArgs{
		"agents": agents, "events": events, "jobs": jobs, "kinds": kinds, "times": times, "durations": durations, "costs": costs,
	})
	outcomes := make([]string, len(rows))
	for i, row := range rows {
		outcomes[i] = row.Outcome
	}
	return outcomes, err
}

type outcomeRow struct{ Outcome string }
