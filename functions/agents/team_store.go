package agents

import (
	"cmp"
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// teamStore is the SQL of teams. Who is in one stands in teams.agent_ids and, by trigger, in agents.team_id.
type teamStore struct{ db *database.DB }

const teamColumns = `t.id, t.owner, t.name, t.description, t.job_role_id, t.agent_ids, t.version, t.created_at, t.updated_at`

var teamRows = rowsOf[team]{table: "plant.teams", columns: teamColumns, from: "t", explain: func(constraint string) error {
	switch constraint {
	case "teams_agent_ids_check":
		return teamSize()
	case "teams_agent_ids_key":
		return httpapi.Conflict.Problem("one of the agents has entered another team")
	}
	return nil
}}

// teamSize is the answer to what would leave a team without agents, or with too many.
func teamSize() error {
	return httpapi.Conflict.Problem("a team has 1 to 1,000 agents: the last one cannot leave it, unless the team is deleted first")
}

const teamByID = `
	select ` + teamColumns + ` from plant.teams t where t.id = $1 and t.deleted_at is null`

func (s teamStore) byID(ctx context.Context, id uuid.UUID) (team, error) {
	return database.One[team](ctx, s.db, teamByID, id)
}

var newestTeams = database.Order{Key: "t.created_at", Type: "timestamptz", ID: "t.id", Descending: true}

// list reads a part of the teams that pass the filter, newest first.
func (s teamStore) list(ctx context.Context, filter TeamFilter, part database.Part) (database.Rows[team], string, error) {
	caller, _ := auth.FromContext(ctx)
	where := database.NewWhere([]string{`t.deleted_at is null`}, nil)
	if filter.JobRoleID != uuid.Nil {
		where.And(`t.job_role_id = @job_role_id`)
		where.With("job_role_id", filter.JobRoleID)
	}
	if filter.Owner == "me" {
		where.And(`t.owner_issuer = @issuer`)
		where.With("issuer", caller.Issuer)
		filter.Owner = caller.Owner
	}
	if filter.Owner != "" {
		where.And(`t.owner = @owner`)
		where.With("owner", filter.Owner)
	}
	return database.List[team](ctx, s.db, database.Listing{
		Columns: teamColumns, From: `plant.teams t`, Where: where, By: newestTeams,
	}, part)
}

// unfitAgent is an agent that a team cannot have.
type unfitAgent struct {
	ID      uuid.UUID
	Place   int  // in what was sent, from 0
	Absent  bool // there is no such agent
	Foreign bool // it is not the team owner's
}

// The owner is that of the team, or of one that is still to be made.
const unfitForTeam = `
	select w.id, w.place::int - 1 as place, a.id is null as absent, coalesce((a.owner_issuer, a.owner) <> (o.issuer, o.owner), false) as foreign
	from unnest(@agents::uuid[]) with ordinality w (id, place)
	cross join (select coalesce(max(owner_issuer), @issuer) as issuer, coalesce(max(owner), @caller) as owner from plant.teams where id = @team) o
	left join plant.agents a on a.id = w.id and a.deleted_at is null
	where a.id is null or a.team_id <> @team or (a.owner_issuer, a.owner) <> (o.issuer, o.owner)
	order by w.place`

// unfit returns those of the agents that a team cannot have; team is uuid.Nil for one that is still to be made.
func (s teamStore) unfit(ctx context.Context, tx database.Tx, team uuid.UUID, agents []uuid.UUID) ([]unfitAgent, error) {
	caller, _ := auth.FromContext(ctx)
	return database.All[unfitAgent](ctx, tx, unfitForTeam, pgx.NamedArgs{"agents": agents, "team": team, "issuer": caller.Issuer, "caller": caller.Owner})
}

// misfits tells why a team cannot have the job role and the agents that a body names: refusal is nil where it can.
func (s teamStore) misfits(ctx context.Context, tx database.Tx, team uuid.UUID, jobRole *uuid.UUID, agents []uuid.UUID) (refusal, err error) {
	var unknown, busy []*httpapi.Fault
	if jobRole != nil {
		caller, _ := auth.FromContext(ctx)
		wanted := references{JobRoleIDs: []uuid.UUID{*jobRole}}
		missing, err := lookFor(ctx, tx, wanted, caller)
		if err != nil {
			return nil, err
		}
		unknown = missing.faults(wanted, "")
	}
	unfit, err := s.unfit(ctx, tx, team, agents)
	if err != nil {
		return nil, err
	}
	for _, one := range unfit {
		fault := &httpapi.Fault{Location: fmt.Sprintf("body.agent_ids[%d]", one.Place), Message: "is in another team", Value: one.ID.String()}
		if one.Absent || one.Foreign {
			fault.Message = "the team's owner has no such agent"
			unknown = append(unknown, fault)
		} else {
			busy = append(busy, fault)
		}
	}
	switch {
	case len(unknown) > 0:
		return unknownReferences(unknown), nil
	case len(busy) > 0:
		return httpapi.Conflict.Problem(fmt.Sprintf("%d of the agents are in another team", len(busy)), busy...), nil
	}
	return nil, nil
}

var createTeam = teamRows.creating(`
	insert into plant.teams (id, owner_issuer, owner, name, description, job_role_id, agent_ids)
	values (@id, @issuer, @caller, @name, @description, @job_role_id, @agent_ids)`)

func (s teamStore) create(ctx context.Context, tx database.Tx, draft teamDraft) (team, error) {
	if refusal, err := s.misfits(ctx, tx, uuid.Nil, &draft.JobRoleID, draft.AgentIDs); err != nil || refusal != nil {
		return team{}, cmp.Or(err, refusal)
	}
	return teamRows.create(ctx, tx, createTeam, pgx.NamedArgs{
		"name": draft.Name, "description": draft.Description, "job_role_id": draft.JobRoleID, "agent_ids": draft.AgentIDs,
	})
}

var (
	changeTeam = teamRows.changing(isLive, isOwner, `@fit::boolean`, `
		name = coalesce(@name, name), description = coalesce(@description, description),
		job_role_id = coalesce(@job_role_id, job_role_id), agent_ids = coalesce(@agent_ids, agent_ids)`)
	deleteTeam = teamRows.changing(isLive, isOwner, `true`, `deleted_at = now()`)
	// Those who were in it when it was deleted come back, unless they are deleted, somebody else's or in a team.
	restoreTeam = teamRows.changing(isRestorable, isOwner, `true`, `
		deleted_at = null, agent_ids = array(
			select a.id from plant.agents a
			where a.id = any (teams.agent_ids) and a.deleted_at is null and a.team_id is null
				and a.owner_issuer = teams.owner_issuer and a.owner = teams.owner
			order by array_position(teams.agent_ids, a.id))`)
	addAgentToTeam = teamRows.changing(isLive, isOwner, `@fit::boolean`, `
		agent_ids = case when @agent = any (agent_ids) then agent_ids else array_append(agent_ids, @agent) end`)
	removeAgentFromTeam = teamRows.changing(isLive, isOwner, `@agent = any (agent_ids)`, `agent_ids = array_remove(agent_ids, @agent)`)
)

func (s teamStore) change(ctx context.Context, id uuid.UUID, versions []int64, change teamChange) (found team, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		refusal, err := s.misfits(ctx, tx, id, change.JobRoleID, change.AgentIDs)
		if err != nil {
			return err
		}
		found, err = teamRows.change(ctx, tx, changeTeam, id, versions, pgx.NamedArgs{
			"name": change.Name, "description": change.Description.Or(""), "job_role_id": change.JobRoleID, "agent_ids": change.AgentIDs,
			"fit": refusal == nil,
		}, because[team](refusal))
		return err
	})
	return found, err
}

func (s teamStore) delete(ctx context.Context, id uuid.UUID, versions []int64) error {
	return s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		_, err := teamRows.change(ctx, tx, deleteTeam, id, versions, pgx.NamedArgs{}, nil)
		return err
	})
}

func (s teamStore) restore(ctx context.Context, tx database.Tx, id uuid.UUID) (team, error) {
	rows := teamRows
	rows.explain = func(constraint string) error {
		if constraint == "teams_agent_ids_check" {
			return httpapi.Conflict.Problem("none of the agents that were in the team is there and in no other team")
		}
		return teamRows.explain(constraint)
	}
	return rows.restore(ctx, tx, restoreTeam, id, pgx.NamedArgs{})
}

// addAgent lets an agent of the team's owner into it. One that is in it stays.
func (s teamStore) addAgent(ctx context.Context, id, agent uuid.UUID, versions []int64) (found team, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		unfit, err := s.unfit(ctx, tx, id, []uuid.UUID{agent})
		if err != nil {
			return err
		}
		found, err = teamRows.change(ctx, tx, addAgentToTeam, id, versions, pgx.NamedArgs{"agent": agent, "fit": len(unfit) == 0}, because[team](whyNot(ctx, unfit)))
		return err
	})
	return found, err
}

// whyNot tells why the agent that an address names cannot enter a team; nil where it can.
func whyNot(ctx context.Context, unfit []unfitAgent) error {
	caller, _ := auth.FromContext(ctx)
	switch {
	case len(unfit) == 0:
		return nil
	case unfit[0].Absent:
		return database.ErrNotFound
	case unfit[0].Foreign && caller.Can(auth.Governor):
		return httpapi.Conflict.Problem("the agent and the team are not of one owner")
	case unfit[0].Foreign:
		return database.ErrForbidden
	default:
		return httpapi.Conflict.Problem("the agent is in another team")
	}
}

// removeAgent takes an agent out of a team; one that is not in it is not found.
func (s teamStore) removeAgent(ctx context.Context, id, agent uuid.UUID, versions []int64) error {
	return s.db.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		_, err := teamRows.change(ctx, tx, removeAgentFromTeam, id, versions, pgx.NamedArgs{"agent": agent}, because[team](database.ErrNotFound))
		return err
	})
}
