package agents

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/httpapi"
)

// skill is something that agents can do.
type skill struct {
	ID              uuid.UUID `json:"id" format:"uuid"`
	Name            string    `json:"name"`
	Description     string    `json:"description"`
	Category        string    `json:"category" enum:"technical,soft_skill,domain_expertise,certification"`
	AgentsWithSkill int64     `json:"agents_with_skill" doc:"how many agents have it"`
	Version         int64     `json:"version"`
	CreatedAt       time.Time `json:"created_at"`
	UpdatedAt       time.Time `json:"updated_at"`
}

// Tag implements httpapi.Tagged: the count changes without a new version.
func (s skill) Tag() (version int64, derived any) { return s.Version, s.AgentsWithSkill }

// skills answers what is asked of skills.
type skills struct {
	store   skillStore
	cursors httpapi.Cursors
}

func (s skills) get(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Conditional
},
) (*httpapi.Versioned[skill], error) {
	found, err := s.store.byID(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return httpapi.Answer(in.Conditional, found)
}

func (s skills) list(ctx context.Context, in *struct {
	httpapi.Page
	Category string `query:"category" enum:"technical,soft_skill,domain_expertise,certification"`
},
) (*httpapi.List[skill], error) {
	part, err := s.cursors.Part(in.Page)
	if err != nil {
		return nil, err
	}
	rows, total, err := s.store.list(ctx, in.Category, part)
	if err != nil {
		return nil, err
	}
	return httpapi.NextPage(s.cursors, in.Page, rows, total)
}
