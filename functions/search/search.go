package search

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/embedding"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/indexing"
)

// search finds agents, skills and job roles by words, by words like them, and by what is meant.
type search struct {
	store   searchStore
	models  *indexing.Models
	cursors httpapi.Cursors
}

// Wanted is what is looked for. Embed it in an input.
type Wanted struct {
	Query   string `query:"query" required:"true" minLength:"1" maxLength:"512" doc:"what is looked for, in any words" example:"content writer"`
	Limit   int    `query:"limit" minimum:"1" maximum:"50" default:"10" doc:"how many at most"`
	Explain bool   `query:"explain" doc:"says with each how it was found"`
}

// Resolve implements huma.Resolver: it checks what the schema cannot say.
func (w *Wanted) Resolve(huma.Context) []error {
	if w.Query != "" && strings.TrimSpace(w.Query) == "" {
		return []error{&httpapi.Fault{Location: "query.query", Message: "must not be blank"}}
	}
	return nil
}

// asked is what a search for agents asks for.
type asked struct {
	Wanted
	catalog.AgentFilter
	Cursor string `query:"cursor" maxLength:"8192" doc:"continues a search: taken from its Link header, with the same query and filters"`

	url url.URL
}

// Resolve implements huma.Resolver: it keeps the address, which cursors are bound to.
func (a *asked) Resolve(ctx huma.Context) []error {
	a.url = ctx.URL()
	return append(a.Wanted.Resolve(ctx), a.AgentFilter.Resolve(ctx)...)
}

// scope is the search that a cursor belongs to.
func (a *asked) scope() string {
	query := a.url.Query()
	query.Del("cursor")
	query.Del("limit")
	return a.url.Path + "?" + query.Encode()
}

// next is the address of what comes after, where something does.
func (a *asked) next(cursors httpapi.Cursors, left ranking) (string, error) {
	if len(left) == 0 {
		return "", nil
	}
	cursor, err := cursors.Seal(a.scope(), left.position())
	if err != nil {
		return "", err
	}
	query := a.url.Query()
	query.Set("cursor", cursor)
	return "<" + a.url.Path + "?" + query.Encode() + `>; rel="next"`, nil
}

// Match is how well something answers the query.
type Match struct {
	Score   float64      `json:"score" minimum:"0" maximum:"1" doc:"comparable between queries"`
	Explain *explanation `json:"explain,omitempty" doc:"with explain=true: how it was found"`
}

// foundAgent is an agent and how well it answers the query.
type foundAgent struct {
	catalog.Agent
	Match
}

// explanation is what each leg of the search makes of something. The score is their mean: meaning counts 1.25; the name as
// much as 1.2, the less the longer the query, but nothing of agents; and words and typos together 1, to a power that asks
// more of a short query. Without a vector of the query, words and typos count 1 as they are, and the name 0.3.
type explanation struct {
	Words   leg `json:"words" doc:"by words of the query as they are"`
	Typos   leg `json:"typos" doc:"by words like those of the query that are found nowhere as they are"`
	Meaning leg `json:"meaning" doc:"by what the query means"`
	Name    leg `json:"name" doc:"by the likeness of the whole query to the name; of agents only where nothing can be found by meaning"`
}

type leg struct {
	Rank  *int64  `json:"rank" doc:"1 is best, the same for equals; null where the leg did not find it"`
	Score float64 `json:"score" minimum:"0" maximum:"1"`
}

func (s scores) match(explain bool) Match {
	m := Match{Score: s.Score}
	if explain {
		m.Explain = &explanation{Words: leg{s.WordsRank, s.WordsScore}, Typos: leg{s.TyposRank, s.TyposScore}, Meaning: leg{s.MeaningRank, s.MeaningScore}, Name: leg{s.NameRank, s.NameScore}}
	}
	return m
}

// Degraded tells that nothing was found by meaning, since what makes vectors does not answer.
type Degraded struct {
	Header string `header:"Degraded" doc:"true where nothing could be found by meaning, but only by words: try again later for more"`
}

type foundAgents struct {
	Degraded
	Link string `header:"Link" doc:"the next page, where there is one (RFC 8288)"`
	Body []foundAgent
}

func (s search) available(ctx context.Context, in *asked) (*foundAgents, error) {
	return s.answer(ctx, in, true)
}

func (s search) all(ctx context.Context, in *asked) (*foundAgents, error) {
	return s.answer(ctx, in, false)
}

func (s search) answer(ctx context.Context, in *asked, onlyAvailable bool) (*foundAgents, error) {
	if err := ownerIsKnown(ctx, in.AgentFilter); err != nil {
		return nil, err
	}
	if in.Cursor != "" {
		return s.goOn(ctx, in, onlyAvailable)
	}
	rows, degraded, err := s.agents(ctx, in.Query, in.AgentFilter, onlyAvailable, in.Limit, in.Explain)
	if err != nil {
		return nil, err
	}
	answer := &foundAgents{Degraded: degraded, Body: make([]foundAgent, len(rows))}
	for i, row := range rows {
		answer.Body[i] = foundAgent{row.Agent, row.match(in.Explain)}
	}
	if len(rows) > 0 {
		left, _ := unpack(rows[0].Rest)
		answer.Link, err = in.next(s.cursors, left)
	}
	return answer, err
}

// goOn answers a later page: what the first has found, in its order. What was deleted since, or does not pass the filter
// any more, is left out.
func (s search) goOn(ctx context.Context, in *asked, onlyAvailable bool) (*foundAgents, error) {
	position, ok := s.cursors.Open(in.scope(), in.Cursor)
	left, whole := at(position)
	if !ok || !whole {
		return nil, httpapi.InvalidCursor.Problem("the cursor was altered, or belongs to another search",
			&httpapi.Fault{Location: "query.cursor", Message: "not a cursor of this search"})
	}
	page := left.first(in.Limit)
	agents, err := s.store.agentsByIDs(ctx, page.ids(), filtered(ctx, in.AgentFilter, onlyAvailable))
	if err != nil {
		return nil, err
	}
	answer := &foundAgents{Body: make([]foundAgent, len(agents))}
	for i, agent := range agents {
		answer.Body[i] = foundAgent{agent, Match{Score: page.score(agent.ID)}}
	}
	answer.Link, err = in.next(s.cursors, left[len(page):])
	return answer, err
}

// ownerIsKnown refuses to filter by who calls, where that is nobody.
func ownerIsKnown(ctx context.Context, filter catalog.AgentFilter) error {
	if _, known := auth.FromContext(ctx); filter.Owner == "me" && !known {
		return httpapi.Unauthenticated.Problem("owner=me needs a token")
	}
	return nil
}

// filtered says a filter as conditions.
func filtered(ctx context.Context, filter catalog.AgentFilter, onlyAvailable bool) *database.Where {
	caller, _ := auth.FromContext(ctx)
	where := database.NewWhere(filter.Where(caller))
	if onlyAvailable {
		where.And(`a.status = 'available'`)
	}
	where.And(`a.deleted_at is null`)
	return where
}

// agents finds agents that pass a filter, the best first.
func (s search) agents(ctx context.Context, query string, filter catalog.AgentFilter, onlyAvailable bool, limit int, explain bool) ([]foundRow, Degraded, error) {
	meaning, degraded, err := s.meaningOf(ctx, query)
	if err != nil {
		return nil, degraded, err
	}
	f := finding{query: query, kind: agentKind, limit: limit, explain: explain, meaning: meaning}
	caller, _ := auth.FromContext(ctx)
	if conditions, _ := filter.Where(caller); onlyAvailable || len(conditions) > 0 {
		f.where, f.mostPass = filtered(ctx, filter, onlyAvailable), len(conditions) == 0
	}
	rows, err := s.store.agents(ctx, f)
	return rows, degraded, err
}

// find returns at most limit agents that answer a query and pass the filter, the best first. It is what the open
// protocols search by.
func (s search) find(ctx context.Context, query string, filter catalog.AgentFilter, onlyAvailable bool, limit int) ([]foundAgent, error) {
	rows, _, err := s.agents(ctx, query, filter, onlyAvailable, limit, false)
	if err != nil {
		return nil, err
	}
	found := make([]foundAgent, len(rows))
	for i, row := range rows {
		found[i] = foundAgent{row.Agent, row.match(false)}
	}
	return found, nil
}

// queryTime is how long a search waits for the vector of its query.
const queryTime = 300 * time.Millisecond

// meaningOf embeds a query. Where that cannot be done now, the search goes on without.
func (s search) meaningOf(ctx context.Context, query string) (meaning, Degraded, error) {
	model, err := s.models.Serving(ctx)
	if err == nil {
		embedding, cancel := context.WithTimeout(ctx, queryTime)
		defer cancel()
		var m meaning
		if m, err = s.embed(embedding, model, query); err == nil {
			return m, Degraded{}, nil
		}
	}
	if errors.Is(err, embedding.ErrUnavailable) && ctx.Err() == nil {
		return meaning{}, Degraded{Header: "true"}, nil
	}
	return meaning{}, Degraded{}, err
}

// understanding is a model that knows how much of a query it knows.
type understanding interface {
	Understand(query string) (vector []float32, share float64)
}

func (s search) embed(ctx context.Context, model indexing.Model, query string) (meaning, error) {
	m := meaning{slot: model.Slot, share: 1, baseline: s.models.Baseline()}
	if local, ok := model.Embedder.(understanding); ok {
		m.vector, m.share = local.Understand(query)
		return m, nil
	}
	vectors, err := model.Embed(ctx, embedding.Query, []string{query})
	if err != nil {
		return meaning{}, err
	}
	m.vector = vectors[0]
	return m, nil
}
