package agents

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"strconv"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// card answers an agent's card: its partner's, byte for byte, or one that Plant makes.
func (a agents) card(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Conditional
},
) (*httpapi.Versioned[httpapi.Encoded[card]], error) {
	row, err := a.store.cardOf(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	var text []byte
	if row.Card != nil {
		text = []byte(*row.Card)
	} else if text, err = json.Marshal(a.makeCard(in.ID, row)); err != nil {
		return nil, err
	}
	return httpapi.AnswerObject(in.Conditional, database.Object[card]{Version: row.Version, JSON: text, Derived: text})
}

// hireBinding is the protocol binding of agents whose partners name no address of their own: they are hired, and worked with,
// through Plant. A client of A2A that does not know it leaves it alone.
const hireBinding a2a.TransportProtocol = "urn:plant:hire:1"

// makeCard says of an agent what Plant knows. Whatever a card has to have is there.
func (a agents) makeCard(id uuid.UUID, row cardRow) a2a.AgentCard {
	at := a.address("/api/v1/agents/" + id.String())
	text := []string{"text/plain"}
	return a2a.AgentCard{
		Name:                row.Name,
		Description:         cmp.Or(row.Description, row.Specialization),
		Version:             strconv.FormatInt(row.Version, 10),
		SupportedInterfaces: []*a2a.AgentInterface{a2a.NewAgentInterface(at, hireBinding)},
		DefaultInputModes:   text,
		DefaultOutputModes:  text,
		Skills:              skillsOf(row),
		Provider:            &a2a.AgentProvider{Org: row.Owner, URL: a.address("/api/v1/agents?owner=" + url.QueryEscape(row.Owner))},
		DocumentationURL:    at,
	}
}

// skillsOf are an agent's skills, or its specialization where it has none.
func skillsOf(row cardRow) []a2a.AgentSkill {
	if len(row.Skills) == 0 {
		return []a2a.AgentSkill{{
			ID: "specialization", Name: row.Specialization, Description: cmp.Or(row.Description, row.Specialization), Tags: append([]string{row.Industry}, row.Tags...),
		}}
	}
	skills := make([]a2a.AgentSkill, len(row.Skills))
	for i, skill := range row.Skills {
		skills[i] = a2a.AgentSkill{ID: skill.ID, Name: skill.Name, Description: cmp.Or(skill.Description, skill.Name), Tags: []string{skill.Category}}
	}
	return skills
}
