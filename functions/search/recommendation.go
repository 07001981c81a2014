package search

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/httpapi"
)

// recommendations are agents for a kind of company, and why.
type recommendations struct {
	store recommendationStore
	find  func(ctx context.Context, query string, filter catalog.AgentFilter, onlyAvailable bool, limit int) ([]foundAgent, error)
}

// companyAsked is who asks for a recommendation.
type companyAsked struct {
	CompanyType string `query:"company_type" required:"true" minLength:"1" maxLength:"100" doc:"what kind of company it is for, in any words" example:"dental clinic"`
	Limit       int    `query:"limit" minimum:"1" maximum:"50" default:"10" doc:"how many at most"`
}

// Resolve implements huma.Resolver: it checks what the schema cannot say.
func (c *companyAsked) Resolve(huma.Context) []error {
	if c.CompanyType != "" && strings.TrimSpace(c.CompanyType) == "" {
		return []error{&httpapi.Fault{Location: "query.company_type", Message: "must not be blank"}}
	}
	return nil
}

// recommendedAgent is an agent and what speaks for it.
type recommendedAgent struct {
	catalog.Agent
	Need    string      `json:"need" doc:"what it does that such a company needs"`
	Quality trackRecord `json:"quality" doc:"what the agent really did"`
	Score   float64     `json:"score" minimum:"0" maximum:"1" doc:"how well it answers the need, and the score of its quality: half and half"`
	Reason  string      `json:"reason" doc:"why it is recommended, in plain words"`
}

const (
	eachNeed = 10 // agents are looked at
	// answersNeed is the least score of an agent that answers a need, and does not only share a word with it.
	answersNeed = 0.2
	// mostAlike agents, of one specialization, are answered.
	mostAlike = 2
)

func (r recommendations) list(ctx context.Context, in *companyAsked) (*struct{ Body []recommendedAgent }, error) {
	kind := kindOf(in.CompanyType)
	needs := append([]need{{query: in.CompanyType}}, kind.needs...)
	found, err := r.findAll(ctx, needs)
	if err != nil {
		return nil, err
	}
	var ids []uuid.UUID
	for i := range found {
		found[i] = slices.DeleteFunc(found[i], func(agent foundAgent) bool { return agent.Score < answersNeed })
		for _, agent := range found[i] {
			ids = append(ids, agent.ID)
		}
	}
	quality, err := r.store.quality(ctx, ids)
	if err != nil {
		return nil, err
	}
	lists := make([][]recommendedAgent, len(needs))
	for i, need := range needs {
		for _, agent := range found[i] {
			lists[i] = append(lists[i], recommend(kind, need, agent, quality[agent.ID]))
		}
	}
	return &struct{ Body []recommendedAgent }{varied(lists, in.Limit)}, nil
}

// findAll finds those who answer each of the needs, a few needs at a time: one caller does not take all connections.
func (r recommendations) findAll(ctx context.Context, needs []need) ([][]foundAgent, error) {
	const atOnce = 2
	found := make([][]foundAgent, len(needs))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, need := range needs {
		group.Go(func() (err error) {
			found[i], err = r.find(ctx, need.query, catalog.AgentFilter{}, true, eachNeed)
			return err
		})
	}
	return found, group.Wait()
}

// recommend says of an agent that was found for a need why it is good for a kind of company. A need without a reason is
// what the company called itself.
func recommend(kind companyKind, need need, agent foundAgent, quality trackRecord) recommendedAgent {
	because := fmt.Sprintf("Answers %q in so many words", need.query)
	if need.because != "" {
		because = fmt.Sprintf("%s: for %s, %s", capital(need.query), kind.name, need.because)
	}
	return recommendedAgent{
		Agent: agent.Agent, Need: need.query, Quality: quality.rounded(), Score: rounded((agent.Score + quality.Quality) / 2),
		Reason: fmt.Sprintf("%s. %s does %s in %s, and %s.", because, agent.Name, agent.Specialization, agent.Industry, quality),
	}
}

// capital begins with a capital letter; the query of a need is in ASCII.
func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// varied takes the best for each need in turn, then the second best, and so on; each agent once, for the need that it
// answers best, and no more than mostAlike of one specialization.
func varied(lists [][]recommendedAgent, limit int) []recommendedAgent {
	place := map[uuid.UUID]int{}
	score := map[uuid.UUID]float64{}
	for i, list := range lists {
		for _, agent := range list {
			if agent.Score > score[agent.ID] {
				place[agent.ID], score[agent.ID] = i, agent.Score
			}
		}
	}
	answer := []recommendedAgent{}
	alike := map[string]int{}
	longest := 0
	for i, list := range lists {
		slices.SortFunc(list, func(a, b recommendedAgent) int {
			return cmp.Or(cmp.Compare(b.Score, a.Score), bytes.Compare(a.ID[:], b.ID[:]))
		})
		lists[i] = slices.DeleteFunc(list, func(agent recommendedAgent) bool {
			kind := strings.ToLower(agent.Specialization)
			if place[agent.ID] != i || alike[kind] == mostAlike {
				return true
			}
			alike[kind]++
			return false
		})
		longest = max(longest, len(lists[i]))
	}
	for nth := range longest {
		for _, list := range lists {
			if nth < len(list) && len(answer) < limit {
				answer = append(answer, list[nth])
			}
		}
	}
	return answer
}
