package metrics

import (
	"context"
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// EventDraft is something that happened to a job of an agent, as its partner reports it. A retry sends the same: the agent,
// the event's id and its time together say which event it is.
type EventDraft struct {
	EventID    string         `json:"event_id" pattern:"^[!-~]{1,128}$" patternDescription:"1 to 128 visible ASCII characters" doc:"your own id of the event" example:"evt-1842"`
	JobID      string         `json:"job_id" pattern:"^[!-~]{1,128}$" patternDescription:"1 to 128 visible ASCII characters" doc:"your own id of the job; a job ends once, with the earliest event that says so" example:"job-311"`
	Kind       string         `json:"kind" enum:"job_started,job_completed,job_failed"`
	OccurredAt time.Time      `json:"occurred_at" doc:"at most 90 days ago and 5 minutes ahead, to the microsecond"`
	DurationMS *int64         `json:"duration_ms,omitempty" minimum:"0" maximum:"31536000000" nullable:"false" doc:"how long the job took" example:"1250"`
	Cost       *catalog.Money `json:"cost,omitempty" minimum:"0" maximum:"9999999999.99" doc:"of the job, in the agent's currency" example:"0.35"`
}

// Resolve implements huma.ResolverWithPath: it checks what the schema cannot say.
func (d *EventDraft) Resolve(_ huma.Context, at *huma.PathBuffer) []error {
	checks := httpapi.CheckBody(at)
	if d.Cost != nil {
		checks.Add("cost", d.Cost.Fault())
	}
	if d.OccurredAt.Nanosecond()%int(time.Microsecond) != 0 {
		checks.Add("occurred_at", "must have at most 6 decimals of a second")
	}
	return checks.Errors()
}

// agentEventDraft says of which agent an event is.
type agentEventDraft struct {
	AgentID uuid.UUID `json:"agent_id" format:"uuid"`
	EventDraft
}

// Resolve implements huma.ResolverWithPath.
func (d *agentEventDraft) Resolve(ctx huma.Context, at *huma.PathBuffer) []error {
	return d.EventDraft.Resolve(ctx, at)
}

type eventResult struct {
	EventID string           `json:"event_id" doc:"as it was sent; empty where none could be read"`
	Status  string           `json:"status" enum:"stored,duplicate,refused" doc:"duplicate: it was stored before, or comes earlier in this batch"`
	Problem *httpapi.Problem `json:"problem,omitempty" doc:"why it was refused"`
}

type eventResults struct {
	Body struct {
		Results []eventResult `json:"results" doc:"of each event, in their order"`
	}
}

// events takes what partners report.
type events struct {
	store      eventStore
	operations huma.API
}

func (e events) record(ctx context.Context, in *struct {
	Body struct {
		Events []httpapi.Item[agentEventDraft] `json:"events" minItems:"1" maxItems:"1000"`
	}
},
) (*eventResults, error) {
	return recordAll(ctx, e, in.Body.Events, nil, func(d *agentEventDraft) agentEventDraft { return *d })
}

func (e events) recordOfAgent(ctx context.Context, in *struct {
	httpapi.ByID
	Body struct {
		Events []httpapi.Item[EventDraft] `json:"events" minItems:"1" maxItems:"1000"`
	}
},
) (*eventResults, error) {
	return recordAll(ctx, e, in.Body.Events, &in.ID, func(d *EventDraft) agentEventDraft { return agentEventDraft{in.ID, *d} })
}

// recordAll stores those events of a batch that can be read, and answers what became of each. Where all are of one agent, of,
// whether the caller may report for it comes before what they are.
func recordAll[T any](ctx context.Context, e events, items []httpapi.Item[T], of *uuid.UUID, event func(*T) agentEventDraft) (*eventResults, error) {
	answer := &eventResults{}
	answer.Body.Results = make([]eventResult, len(items))
	results := answer.Body.Results
	refuse := func(i int, problem error) {
		results[i].Status, results[i].Problem = "refused", httpapi.ProblemOf(ctx, problem)
	}
	drafts, places := make([]agentEventDraft, 0, len(items)), make([]int, 0, len(items)) // in the request
	for i, item := range items {
		draft, problem := item.Read(e.operations)
		if problem != nil {
			results[i].EventID = eventIDOf(item)
			refuse(i, problem)
			continue
		}
		read := event(draft)
		results[i].EventID = read.EventID
		drafts, places = append(drafts, read), append(places, i)
	}
	var outcomes []string
	err := e.store.db.InTx(ctx, func(ctx context.Context, tx database.Tx) (err error) {
		if of != nil {
			if err := e.store.mayReport(ctx, tx, *of); err != nil {
				return err
			}
		}
		outcomes, err = e.store.record(ctx, tx, drafts)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, outcome := range outcomes {
		if problem, refused := refusals[outcome]; refused {
			refuse(places[i], problem())
			continue
		}
		results[places[i]].Status = outcome
	}
	return answer, nil
}

// eventIDOf returns the id of an event that is refused, where it has one.
func eventIDOf[T any](item httpapi.Item[T]) string {
	var event struct {
		EventID any `json:"event_id"`
	}
	text, err := item.MarshalJSON()
	if err != nil || json.Unmarshal(text, &event) != nil {
		return ""
	}
	const most = 128
	if id, ok := event.EventID.(string); ok && len(id) <= most {
		return id
	}
	return ""
}

// refusals are the problems of the outcomes that the database refuses events with.
var refusals = map[string]func() *httpapi.Problem{
	"unknown": func() *httpapi.Problem { return httpapi.NotFound.Problem("there is no such agent") },
	"foreign": func() *httpapi.Problem { return httpapi.Forbidden.Problem("the agent belongs to someone else") },
	"future":  func() *httpapi.Problem { return outOfTime("must not be more than 5 minutes ahead") },
	"late":    func() *httpapi.Problem { return outOfTime("must not be more than 90 days ago") },
}

func outOfTime(message string) *httpapi.Problem {
	fault := &httpapi.Fault{Location: "body.occurred_at", Message: message}
	return httpapi.Invalid.Problem(fault.Error(), fault)
}
