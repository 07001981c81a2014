package search

import (
	"context"

	"github.com/waooaw/plant/shared/catalog"
)

// foundJobRole is a job role and how well it answers the query.
type foundJobRole struct {
	catalog.JobRole
	Match
}

type foundJobRoles struct {
	Degraded
	Body []foundJobRole
}

func (s search) jobRoles(ctx context.Context, in *Wanted) (*foundJobRoles, error) {
	meaning, degraded, err := s.meaningOf(ctx, in.Query)
	if err != nil {
		return nil, err
	}
	rows, err := s.store.jobRoles(ctx, finding{query: in.Query, kind: jobRoleKind, limit: in.Limit, explain: in.Explain, meaning: meaning})
	if err != nil {
		return nil, err
	}
	answer := &foundJobRoles{Degraded: degraded, Body: make([]foundJobRole, len(rows))}
	for i, row := range rows {
		answer.Body[i] = foundJobRole{row.JobRole, row.match(in.Explain)}
	}
	return answer, nil
}
