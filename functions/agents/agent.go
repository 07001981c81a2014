package agents

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// agents answers what is asked of agents.
type agents struct {
	store      agentStore
	cursors    httpapi.Cursors
	operations huma.API                 // whose schemas the items of a batch are checked against
	address    func(path string) string // of a path, for those who are elsewhere
}

func (a agents) create(ctx context.Context, in *struct {
	httpapi.Keyed
	Body agentDraft
},
) (*httpapi.Written[catalog.Agent], error) {
	return httpapi.Create(ctx, a.store.db, in.Keyed, in.Body, func(ctx context.Context, tx database.Tx) (catalog.Agent, error) {
		return a.store.create(ctx, tx, in.Body)
	})
}

// batchResult tells what became of one agent of a batch.
type batchResult struct {
	Index   int              `json:"index" doc:"its place in the request, from 0"`
	Status  int              `json:"status" doc:"the HTTP status that it would have had alone"`
	ID      *uuid.UUID       `json:"id,omitempty" doc:"of the agent that was created"`
	Problem *httpapi.Problem `json:"problem,omitempty" doc:"why it was not"`
}

type batchResults struct {
	Results []batchResult `json:"results"`
}

func (a agents) createBatch(ctx context.Context, in *struct {
	httpapi.Keyed
	DryRun bool `query:"dry_run" doc:"checks everything and writes nothing"`
	Body   struct {
		Agents []httpapi.Item[agentDraft] `json:"agents" minItems:"1" maxItems:"500"`
	}
},
) (*httpapi.Written[batchResults], error) {
	results := make([]batchResult, len(in.Body.Agents))
	refuse := func(index int, err error) {
		problem := httpapi.ProblemOf(ctx, err)
		results[index] = batchResult{Index: index, Status: problem.Status, Problem: problem}
	}
	var drafts []agentDraft
	var places []int // of the drafts in the request
	for i, item := range in.Body.Agents {
		draft, problem := item.Read(a.operations)
		if problem != nil {
			refuse(i, problem)
			continue
		}
		drafts, places = append(drafts, *draft), append(places, i)
	}
	return httpapi.Once(ctx, a.store.db, in.Keyed, in.Body, func(ctx context.Context, tx database.Tx) (*httpapi.Written[batchResults], error) {
		created, err := a.store.createAll(ctx, tx, drafts, in.DryRun)
		if err != nil {
			return nil, err
		}
		for i, one := range created {
			if one.err != nil {
				refuse(places[i], one.err)
				continue
			}
			results[places[i]] = batchResult{Index: places[i], Status: http.StatusCreated, ID: one.id}
		}
		return &httpapi.Written[batchResults]{Status: http.StatusOK, Body: batchResults{Results: results}}, nil
	})
}

func (a agents) get(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Conditional
},
) (*httpapi.Versioned[httpapi.Encoded[catalog.Agent]], error) {
	agent, err := a.store.byID(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return httpapi.AnswerObject(in.Conditional, agent)
}

func (a agents) list(ctx context.Context, in *struct {
	httpapi.Page
	catalog.AgentFilter
	Sort           string `query:"sort" enum:"created_at,-created_at,updated_at,-updated_at,name,-name,hourly_rate,-hourly_rate,rating,-rating,rank_score,-rank_score,success_rate,-success_rate,total_jobs,-total_jobs,p95_duration_ms,-p95_duration_ms" default:"-created_at" doc:"a minus is descending"`
	IncludeDeleted bool   `query:"include_deleted" doc:"deleted ones too; governors only"`
},
) (*httpapi.List[catalog.Agent], error) {
	caller, known := auth.FromContext(ctx)
	switch {
	case in.Owner == "me" && !known:
		return nil, httpapi.Unauthenticated.Problem("owner=me needs a token")
	case in.IncludeDeleted && !known:
		return nil, httpapi.Unauthenticated.Problem("include_deleted needs a token")
	case in.IncludeDeleted && !caller.Can(auth.Governor):
		return nil, httpapi.Forbidden.Problem("include_deleted is for governors")
	}
	part, err := a.cursors.Part(in.Page)
	if err != nil {
		return nil, err
	}
	rows, total, err := a.store.list(ctx, in.AgentFilter, in.IncludeDeleted, in.Sort, part)
	if err != nil {
		return nil, err
	}
	return httpapi.NextPage(a.cursors, in.Page, rows, total)
}

func (a agents) change(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Precondition
	Body agentChange
},
) (*httpapi.Versioned[catalog.Agent], error) {
	return written(a.store.change(ctx, in.ID, in.Versions(), in.Body))
}

func (a agents) setStatus(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Precondition
	Body struct {
		Status string `json:"status" enum:"available,working,offline"`
	}
},
) (*httpapi.Versioned[catalog.Agent], error) {
	return written(a.store.setStatus(ctx, in.ID, in.Versions(), in.Body.Status))
}

func (a agents) delete(ctx context.Context, in *struct {
	httpapi.ByID
	httpapi.Precondition
},
) (*struct{}, error) {
	return nil, a.store.delete(ctx, in.ID, in.Versions())
}

func (a agents) restore(ctx context.Context, in *struct {
	httpapi.Keyed
	httpapi.ByID
},
) (*httpapi.Written[catalog.Agent], error) {
	return httpapi.Act(ctx, a.store.db, in.Keyed, nil, func(ctx context.Context, tx database.Tx) (catalog.Agent, error) {
		return a.store.restore(ctx, tx, in.ID)
	})
}

func (a agents) transfer(ctx context.Context, in *struct {
	httpapi.Keyed
	httpapi.ByID
	Body struct {
		Owner  string `json:"owner" minLength:"1" maxLength:"255" pattern:"^[^\\s\\x00-\\x1f\\x7f]+$" doc:"the owner claim of the new owner's token"`
		Issuer string `json:"issuer,omitempty" maxLength:"2048" doc:"the issuer of the new owner's token; yours if not sent"`
	}
},
) (*httpapi.Written[catalog.Agent], error) {
	return httpapi.Act(ctx, a.store.db, in.Keyed, in.Body, func(ctx context.Context, tx database.Tx) (catalog.Agent, error) {
		return a.store.transfer(ctx, tx, in.ID, in.Body.Issuer, in.Body.Owner)
	})
}

// written answers what a PUT or PATCH has changed.
func written[T httpapi.Tagged](resource T, err error) (*httpapi.Versioned[T], error) {
	if err != nil {
		return nil, err
	}
	return httpapi.Answer(httpapi.Conditional{}, resource)
}
