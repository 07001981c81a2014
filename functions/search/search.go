package search

import (
	"context"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/httpapi"
)

// search finds agents by what they are called and described by.
type search struct{ store searchStore }

// asked is what a search asks for.
type asked struct {
	Query string `query:"query" required:"true" minLength:"1" maxLength:"512" doc:"what is looked for, in any words" example:"content writer"`
	catalog.AgentFilter
	Limit   int  `query:"limit" minimum:"1" maximum:"50" default:"10" doc:"how many at most"`
	Explain bool `query:"explain" doc:"says with each agent how it was found"`
}

// Resolve implements huma.Resolver: it checks what the schema cannot say.
func (a *asked) Resolve(huma.Context) []error {
	if a.Query != "" && strings.TrimSpace(a.Query) == "" {
		return []error{&httpapi.Fault{Location: "query.query", Message: "must not be blank"}}
	}
	return nil
}

// foundAgent is an agent and how well it answers the query.
type foundAgent struct {
	catalog.Agent
	Score   float64      `json:"score" minimum:"0" maximum:"1" doc:"comparable between queries; 1 has every word of the query in its name, and no others there"`
	Explain *explanation `json:"explain,omitempty" doc:"with explain=true: what the score is the sum of"`
}

// explanation is what each leg of the search makes of an agent.
type explanation struct {
	Words leg `json:"words" doc:"by words of the query as they are"`
	Typos leg `json:"typos" doc:"by words like those of the query that are found nowhere as they are"`
}

type leg struct {
	Rank  *int64  `json:"rank" doc:"1 is best, the same for equals; null where the leg did not find the agent"`
	Score float64 `json:"score" minimum:"0" maximum:"1"`
}

type foundAgents struct {
	Body []foundAgent
}

func (s search) available(ctx context.Context, in *asked) (*foundAgents, error) {
	return s.answer(ctx, in, true)
}

func (s search) all(ctx context.Context, in *asked) (*foundAgents, error) {
	return s.answer(ctx, in, false)
}

func (s search) answer(ctx context.Context, in *asked, onlyAvailable bool) (*foundAgents, error) {
	if _, known := auth.FromContext(ctx); in.Owner == "me" && !known {
		return nil, httpapi.Unauthenticated.Problem("owner=me needs a token")
	}
	rows, err := s.store.agents(ctx, in.Query, in.AgentFilter, onlyAvailable, in.Limit)
	if err != nil {
		return nil, err
	}
	found := make([]foundAgent, len(rows))
	for i, row := range rows {
		found[i] = foundAgent{Agent: row.Agent, Score: row.Score}
		if in.Explain {
			found[i].Explain = &explanation{
				Words: leg{Rank: row.WordsRank, Score: row.WordsScore},
				Typos: leg{Rank: row.TyposRank, Score: row.TyposScore},
			}
		}
	}
	return &foundAgents{Body: found}, nil
}
