package search

import (
	"context"

	"github.com/waooaw/plant/shared/catalog"
)

// foundSkill is a skill and how well it answers the query.
type foundSkill struct {
	catalog.Skill
	Match
}

type foundSkills struct {
	Degraded
	Body []foundSkill
}

func (s search) skills(ctx context.Context, in *Wanted) (*foundSkills, error) {
	meaning, degraded, err := s.meaningOf(ctx, in.Query)
	if err != nil {
		return nil, err
	}
	rows, err := s.store.skills(ctx, finding{query: in.Query, kind: skillKind, limit: in.Limit, explain: in.Explain, meaning: meaning})
	if err != nil {
		return nil, err
	}
	answer := &foundSkills{Degraded: degraded, Body: make([]foundSkill, len(rows))}
	for i, row := range rows {
		answer.Body[i] = foundSkill{row.Skill, row.match(in.Explain)}
	}
	return answer, nil
}
