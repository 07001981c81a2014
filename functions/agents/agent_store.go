package agents

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// agentStore is the SQL of agents.
type agentStore struct {
	db  *database.DB
	one *database.Coalescer[catalog.Agent]
}

// The ids stand in a query of their own, so that the planner cannot count them: it would plan anew for each number of
// them, which takes three times as long as reading the rows.
const agentsByID = `
	select ` + catalog.AgentColumns + ` from ` + catalog.AgentFrom + `
	where a.id = any ((select $1::uuid[])::uuid[]) and a.deleted_at is null`

func newAgentStore(db *database.DB) agentStore {
	return agentStore{db: db, one: database.NewCoalescer[catalog.Agent](db, agentsByID, "metrics")}
}

func (s agentStore) byID(ctx context.Context, id uuid.UUID) (database.Object[catalog.Agent], error) {
	return s.one.One(ctx, id)
}

// A row's statistics are written by trigger when the statement ends, so what it answers has none yet.
const createAgent = `
	with a as (
		insert into plant.agents (id, owner_issuer, owner, external_id, name, specialization, industry, description, hourly_rate,
			currency, trial_days, allowed_durations, tags, languages, exclusive, job_role_id, team_id, skill_ids, card)
		values (@id, @issuer, @owner, @external_id, @name, @specialization, @industry, @description, @hourly_rate,
			@currency, @trial_days, @allowed_durations, @tags, @languages, @exclusive, @job_role_id, @team_id, @skill_ids, @card)
		on conflict (owner_issuer, owner, external_id) where external_id is not null and deleted_at is null do nothing
		returning *)
	select ` + catalog.AgentColumns + `
	from a cross join lateral (values (a.id, 0, 0, 0.0, 0.0, 0, 0, 0, null::timestamptz))
		s (agent_id, total_jobs, completed_jobs, avg_rating, duration_ms_sum, duration_samples, trials_ended, trials_retained, lapses_at)`

func draftArgs(caller auth.Principal, draft agentDraft) (pgx.NamedArgs, error) {
	id, err := uuid.NewV7()
	return pgx.NamedArgs{
		"id": id, "issuer": caller.Issuer, "owner": caller.Owner, "external_id": draft.ExternalID, "name": draft.Name,
		"specialization": draft.Specialization, "industry": strings.ToLower(draft.Industry), "description": draft.Description,
		"hourly_rate": draft.HourlyRate, "currency": draft.Currency, "trial_days": draft.TrialDays,
		"allowed_durations": draft.AllowedDurations, "tags": draft.Tags, "languages": draft.Languages,
		"exclusive": draft.Exclusive, "job_role_id": draft.JobRoleID, "team_id": draft.TeamID, "skill_ids": draft.SkillIDs,
		"card": draft.Card.stored(),
	}, err
}

// externalIDTaken is the answer to an external_id that another agent of the same owner has.
func externalIDTaken() error {
	return httpapi.Conflict.Problem("another of the owner's agents has this external_id")
}

// create inserts an agent of the caller's. What it refers to has to exist: an Invalid problem names all that does not.
func (s agentStore) create(ctx context.Context, tx database.Tx, draft agentDraft) (catalog.Agent, error) {
	created, err := s.createAll(ctx, tx, []agentDraft{draft}, false)
	if err != nil {
		return catalog.Agent{}, err
	}
	return created[0].agent, created[0].err
}

// createdAgent is what became of one draft: an agent, or an error that concerns it alone.
type createdAgent struct {
	agent catalog.Agent
	id    *uuid.UUID // nil on a dry run
	err   error
}

// errDryRun undoes what a dry run has tried.
var errDryRun = errors.New("dry run")

// createAll inserts agents of the caller's, each by itself: one that is refused leaves the others alone. It takes two
// round trips, however many they are. A dry run tries the same and undoes it.
func (s agentStore) createAll(ctx context.Context, tx database.Tx, drafts []agentDraft, dryRun bool) ([]createdAgent, error) {
	caller, _ := auth.FromContext(ctx)
	missing, err := lookFor(ctx, tx, referencesOf(drafts), caller)
	if err != nil {
		return nil, err
	}
	results := make([]createdAgent, len(drafts))
	batch := &pgx.Batch{}
	var places []int
	for i, draft := range drafts {
		if faults := missing.faults(draft.references(), "skill_ids"); len(faults) > 0 {
			results[i].err = unknownReferences(faults)
			continue
		}
		args, err := draftArgs(caller, draft)
		if err != nil {
			return nil, err
		}
		batch.Queue(createAgent, args)
		places = append(places, i)
	}
	insert := func(ctx context.Context, tx database.Tx) error {
		answers := tx.SendBatch(ctx, batch)
		for _, i := range places {
			rows, err := answers.Query()
			if err != nil {
				return errors.Join(err, answers.Close())
			}
			agent, err := database.OneRow[catalog.Agent](rows)
			switch {
			case errors.Is(err, database.ErrNotFound): // on conflict do nothing
				results[i].err = externalIDTaken()
			case err != nil:
				return errors.Join(err, answers.Close())
			default:
				results[i].agent, results[i].id = agent, &agent.ID
			}
		}
		return answers.Close()
	}
	if !dryRun {
		return results, agentRows.explained(insert(ctx, tx))
	}
	var failed error
	err = tx.InSavepoint(ctx, func(ctx context.Context, tx database.Tx) error {
		failed = insert(ctx, tx)
		return errDryRun
	})
	for i := range results {
		results[i].id = nil
	}
	if failed == nil && !errors.Is(err, errDryRun) {
		failed = err
	}
	return results, agentRows.explained(failed)
}

var agentRows = rowsOf[catalog.Agent]{
	table: "plant.agents", columns: catalog.AgentColumns, from: `a join plant.agent_statistics s on s.agent_id = a.id`, explain: explainAgent,
}

// explainAgent says which of the rules of agents is broken.
func explainAgent(constraint string) error {
	switch constraint {
	case "agents_external_id_key":
		return externalIDTaken()
	case "teams_agent_ids_check":
		return teamSize()
	case "agents_hired":
		return agentHired.Problem("somebody has hired the agent: it can be deleted when its hires and trials are over")
	case "hires_exclusive_key":
		return agentHired.Problem("more than one hire of the agent runs: it can become exclusive when all but one are over")
	case "hires_not_of_ones_own":
		return agentHired.Problem("the new owner has hired the agent: it can be given to them when that hire is over")
	}
	return nil
}

var (
	changeAgent = agentRows.changing(isLive, isOwner, `(@industry::text is null or industry = @industry)`, `
		name = coalesce(@name, name),
		specialization = coalesce(@specialization, specialization),
		hourly_rate = coalesce(@hourly_rate, hourly_rate),
		description = coalesce(@description, description),
		skill_ids = coalesce(@skill_ids, skill_ids),
		job_role_id = case when @job_role_sent then @job_role_id else job_role_id end,
		team_id = case when @team_sent then @team_id else team_id end,
		trial_days = coalesce(@trial_days, trial_days),
		allowed_durations = coalesce(@allowed_durations, allowed_durations),
		currency = coalesce(@currency, currency),
		tags = coalesce(@tags, tags),
		languages = coalesce(@languages, languages),
		exclusive = coalesce(@exclusive, exclusive),
		external_id = case when @external_id_sent then @external_id else external_id end,
		card = case when @card_sent then @card else card end`)
	setAgentStatus = agentRows.changing(isLive, isOwnerOrService, `true`, `status = @status`)
	deleteAgent    = agentRows.changing(isLive, isOwner, `true`, `deleted_at = now()`) // and so it leaves its team
	restoreAgent   = agentRows.changing(isRestorable, isOwner, `true`, `deleted_at = null`)
	// A team is its owner's, so the agent leaves it.
	transferAgent = agentRows.changing(isLive, isOwner, `true`,
		`owner_issuer = coalesce(nullif(@new_issuer, ''), owner_issuer), owner = @new_owner, team_id = null`)
)

// Who changes a team locks it before its agents; who changes whether an agent is in one does so too, or they would wait
// for each other.
const lockTeamsOf = `
	select from plant.teams where id = $2 or id = (select team_id from plant.agents where id = $1) order by id for no key update`

// lockTeams locks the team that an agent is in, and the one that it is to enter, which may be nil.
func lockTeams(ctx context.Context, tx database.Tx, agent uuid.UUID, enters *uuid.UUID) error {
	_, err := database.Exec(ctx, tx, lockTeamsOf, agent, enters)
	return err
}

func (s agentStore) change(ctx context.Context, id uuid.UUID, versions []int64, change agentChange) (agent catalog.Agent, err error) {
	caller, _ := auth.FromContext(ctx)
	if change.Industry != nil {
		slug := strings.ToLower(*change.Industry)
		change.Industry = &slug
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		wanted := change.references()
		if wanted.any() {
			missing, err := lookFor(ctx, tx, wanted, caller)
			if err != nil {
				return err
			}
			if faults := missing.faults(wanted, "skill_ids"); len(faults) > 0 {
				return unknownReferences(faults)
			}
		}
		if change.TeamID.Sent {
			if err := lockTeams(ctx, tx, id, change.TeamID.Value); err != nil {
				return err
			}
		}
		agent, err = agentRows.change(ctx, tx, changeAgent, id, versions, pgx.NamedArgs{
			"industry": change.Industry, "name": change.Name, "specialization": change.Specialization, "hourly_rate": change.HourlyRate,
			"description": change.Description.Or(""), "skill_ids": change.SkillIDs.Or([]uuid.UUID{}),
			"job_role_sent": change.JobRoleID.Sent, "job_role_id": change.JobRoleID.Value,
			"team_sent": change.TeamID.Sent, "team_id": change.TeamID.Value,
			"trial_days": change.TrialDays.Or(defaultTrialDays), "allowed_durations": change.AllowedDurations.Or(defaultDurations()),
			"currency": change.Currency.Or(defaultCurrency), "tags": change.Tags.Or([]string{}), "languages": change.Languages.Or([]string{}),
			"exclusive":        change.Exclusive.Or(false),
			"external_id_sent": change.ExternalID.Sent, "external_id": change.ExternalID.Value,
			"card_sent": change.Card.Sent, "card": change.Card.Value.stored(),
		}, change.keepsIndustry)
		return err
	})
	return agent, err
}

// keepsIndustry tells where a change would move the agent to another industry.
func (c agentChange) keepsIndustry(agent catalog.Agent) error {
	if c.Industry == nil || *c.Industry == agent.Industry {
		return nil
	}
	return industryLocked.Problem("an agent keeps its industry, "+agent.Industry, &httpapi.Fault{Location: "body.industry", Message: "cannot change"})
}

func (s agentStore) setStatus(ctx context.Context, id uuid.UUID, versions []int64, status string) (agent catalog.Agent, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		agent, err = agentRows.change(ctx, tx, setAgentStatus, id, versions, pgx.NamedArgs{"status": status}, nil)
		return err
	})
	return agent, err
}

func (s agentStore) delete(ctx context.Context, id uuid.UUID, versions []int64) error {
	return s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		if err := lockTeams(ctx, tx, id, nil); err != nil {
			return err
		}
		_, err := agentRows.change(ctx, tx, deleteAgent, id, versions, pgx.NamedArgs{}, nil)
		return err
	})
}

func (s agentStore) restore(ctx context.Context, tx database.Tx, id uuid.UUID) (catalog.Agent, error) {
	return agentRows.restore(ctx, tx, restoreAgent, id, pgx.NamedArgs{})
}

// transfer gives an agent to another owner, of the same issuer where none is named.
func (s agentStore) transfer(ctx context.Context, tx database.Tx, id uuid.UUID, issuer, owner string) (catalog.Agent, error) {
	if err := lockTeams(ctx, tx, id, nil); err != nil {
		return catalog.Agent{}, err
	}
	return agentRows.change(ctx, tx, transferAgent, id, nil, pgx.NamedArgs{"new_issuer": issuer, "new_owner": owner}, nil)
}
