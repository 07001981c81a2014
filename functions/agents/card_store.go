package agents

import (
	"context"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/database"
)

// cardRow is an agent's card, and what one is made of where its partner sent none.
type cardRow struct {
	Version        int64
	Card           *string
	Owner          string
	Name           string
	Specialization string
	Industry       string
	Description    string
	Tags           []string
	Skills         []cardSkillRow
}

type cardSkillRow struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Category    string `json:"category"`
}

const cardByID = `
	select a.version, a.card, a.owner, a.name, a.specialization, a.industry, a.description, a.tags, coalesce((
		select json_agg(json_build_object('id', k.id, 'name', k.name, 'description', k.description, 'category', k.category) order by lower(k.name), k.id)
		from plant.skills k where k.id = any (a.skill_ids)), '[]') as skills
	from plant.agents a where a.id = $1 and a.deleted_at is null`

func (s agentStore) cardOf(ctx context.Context, id uuid.UUID) (cardRow, error) {
	return database.One[cardRow](ctx, s.db, cardByID, id)
}
