package search

import (
	"context"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
)

// searchStore is the SQL of searches.
type searchStore struct{ db *database.DB }

// foundRow is an agent that was found; the first has what comes after the limit.
type foundRow struct {
	catalog.Agent
	scores
	rest
}

const (
	// enough are as many as words alone find where they find too many, see byWords.
	enough = 80
	// fewAgents are looked at one by one: that takes some milliseconds, and no index is as exact.
	fewAgents = 1500
	// manyAgents are looked at where an index has found too few: of more, it finds enough. Where more pass, there is enough
	// among the best of all.
	manyAgents = 20_000
)

// agents finds agents, the best first.
func (s searchStore) agents(ctx context.Context, f finding) (rows []foundRow, err error) {
	find := func(how reach) bool { // it tells whether that is enough
		f.reach = how
		rows, err = found[foundRow](ctx, s.db, f, catalog.AgentColumns, catalog.AgentFrom+` on a.id = best.id`)
		return err != nil || len(rows) >= min(f.limit, enough)
	}
	if f.where == nil {
		find(wide)
		return rows, err
	}
	if f.mostPass && find(wide) {
		return rows, err
	}
	passing, err := database.Estimate(ctx, s.db, database.Listing{From: catalog.AgentFrom, Where: f.where})
	if err != nil {
		return nil, err
	}
	ways := []reach{wide, deep}
	switch {
	case passing <= fewAgents:
		ways = []reach{narrow}
	case passing <= manyAgents && f.vector == nil:
		ways = []reach{deep}
	case passing <= manyAgents: // a search for what is near gives up where a filter hides nearly all of it
		ways = []reach{deep, narrow}
	}
	if f.mostPass {
		ways = ways[len(ways)-1:]
	}
	for _, way := range ways {
		if find(way) {
			break
		}
	}
	return rows, err
}

// agentsByIDs reads those of the agents that still pass the filter, in the order of the ids.
func (s searchStore) agentsByIDs(ctx context.Context, ids []uuid.UUID, where *database.Where) ([]catalog.Agent, error) {
	where.And(`a.id = any (@found::uuid[])`)
	where.With("found", ids)
	return database.All[catalog.Agent](ctx, s.db, `
		select `+catalog.AgentColumns+` from `+catalog.AgentFrom+where.SQL()+`
		order by array_position(@found::uuid[], a.id)`, where.Args)
}

// skillRow is a skill that was found.
type skillRow struct {
	catalog.Skill
	scores
	rest
}

// skills finds skills, the best first.
func (s searchStore) skills(ctx context.Context, f finding) ([]skillRow, error) {
	return found[skillRow](ctx, s.db, f, catalog.SkillColumns, `plant.skills k on k.id = best.id`)
}

// jobRoleRow is a job role that was found.
type jobRoleRow struct {
	catalog.JobRole
	scores
	rest
}

// jobRoles finds job roles, the best first.
func (s searchStore) jobRoles(ctx context.Context, f finding) ([]jobRoleRow, error) {
	return found[jobRoleRow](ctx, s.db, f, catalog.JobRoleColumns, `plant.job_roles j on j.id = best.id`)
}
