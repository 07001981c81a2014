package crash

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Findings are what is stored beside what was acknowledged. All are 0 where nothing went wrong.
type Findings struct {
	Lost    int // acknowledged agents that are not there, or not as acknowledged
	Doubled int // agents beyond the first of a key
	Stray   int // agents that no key asked for
	Torn    int // agents without what their own transaction wrote beside them: statistics, the search row, the key, amendments
}

const stored = `
	select a.id::text, a.name, a.description, a.version,
		exists (select from plant.agent_statistics where agent_id = a.id)
		and exists (select from plant.search_documents where id = a.id)
		and exists (select from plant.idempotency_keys where subject = a.owner and key = a.name and answer->'body'->>'id' = a.id::text)
		and (select count(*) = a.version and max(m.version) = a.version from plant.amendments m where m.entity_id = a.id) -- row D9
	from plant.agents a where a.owner = $1 and a.deleted_at is null`

// strayAmendments counts those that the owner has written of agents that were never there.
const strayAmendments = `
	select count(*) from plant.amendments m where m.entity_type = 'agent' and not exists (select from plant.agents a where a.id = m.entity_id)
		and not exists (select from plant.amendments r where r.entity_id = m.entity_id and r.action = 'remove')
		and m.actor in (select pseudonym from plant.amendment_salts where subject = $1)`

// Check compares what the writers noted with what is stored. They have to be stopped. The error names what was found.
func (w *Writers) Check(ctx context.Context, owner *pgx.Conn) (Findings, error) {
	type row struct {
		resource
		whole bool
	}
	rows, err := owner.Query(ctx, stored, w.owner)
	if err != nil {
		return Findings{}, fmt.Errorf("read what is stored: %w", err)
	}
	agents, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (one row, err error) {
		err = r.Scan(&one.ID, &one.Name, &one.Description, &one.Version, &one.whole)
		return one, err
	})
	if err != nil {
		return Findings{}, fmt.Errorf("read what is stored: %w", err)
	}
	var found Findings
	var broken []string
	find := func(count *int, format string, args ...any) {
		*count++
		broken = append(broken, fmt.Sprintf(format, args...))
	}
	asked := w.byKey()
	byID := map[string]resource{}
	ofKey := map[string]int{}
	for _, agent := range agents {
		byID[agent.ID] = agent.resource
		ofKey[agent.Name]++
		switch {
		case asked[agent.Name] == nil:
			find(&found.Stray, "nobody asked for %s, %s", agent.ID, agent.Name)
		case ofKey[agent.Name] > 1:
			find(&found.Doubled, "%s is there again as %s", agent.Name, agent.ID)
		}
		if !agent.whole {
			find(&found.Torn, "%s lacks what belongs to it", agent.ID)
		}
	}
	var stray int
	if err := owner.QueryRow(ctx, strayAmendments, w.owner).Scan(&stray); err != nil {
		return found, fmt.Errorf("read the amendments: %w", err)
	}
	for range stray {
		find(&found.Torn, "an amendment is of no agent that is there")
	}
	for _, p := range asked {
		agent, ok := byID[p.id]
		switch {
		case p.id == "":
			find(&found.Lost, "%s was never answered", p.key)
		case !ok:
			find(&found.Lost, "%s, %s, is not there", p.id, p.key)
		case agent.Version != p.version || agent.Description != p.note:
			find(&found.Lost, "%s is version %d %q, acknowledged was %d %q", p.id, agent.Version, agent.Description, p.version, p.note)
		}
	}
	if len(broken) == 0 {
		return found, nil
	}
	const shown = 5
	return found, errors.New(strings.Join(broken[:min(shown, len(broken))], "; "))
}

func (w *Writers) byKey() map[string]*publication {
	all := map[string]*publication{}
	for _, one := range w.writers {
		for _, p := range one.noted {
			all[p.key] = p
		}
	}
	return all
}
