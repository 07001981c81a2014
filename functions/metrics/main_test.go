package metrics

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// Two agents of Ada's and one of Bob's.
const (
	agent      = "01900000-0000-7000-8000-00000000000a"
	otherAgent = "01900000-0000-7000-8000-00000000000b"
	bobsAgent  = "01900000-0000-7000-8000-00000000000c"
	noAgent    = "01900000-0000-7000-8000-00000000dead"
)

// service is the function with those agents, whose statistics are as they are at birth.
type service struct {
	*apitest.Service
	ada, scheduler string // tokens
}

func start(t *testing.T) service {
	t.Helper()
	scheduler, known := apitest.Scheduler(t)
	s := service{Service: apitest.Start(t, Function, known), scheduler: scheduler}
	s.ada = s.Token(t, auth.Partner, "ada")
	s.DB.Exec(t, `insert into plant.agents (id, owner_issuer, owner, name, specialization, industry, hourly_rate) values
		($1, $4, 'ada', 'Name', 'Work', 'sales', 10), ($2, $4, 'ada', 'Other', 'Work', 'marketing', 10), ($3, $4, 'bob', 'Bob''s', 'Work', 'sales', 10)`,
		agent, otherAgent, bobsAgent, s.Issuer)
	return s
}

// event is one as JSON, which members replace or extend; nil leaves one out.
type event map[string]any

// completed is an event of a job of its own, so long ago.
func completed(id string, ago time.Duration) event {
	return event{"event_id": id, "job_id": "job-" + id, "kind": "job_completed", "occurred_at": time.Now().Add(-ago).UTC().Format("2006-01-02T15:04:05.000000Z")}
}

func (e event) with(members event) event {
	changed := event{}
	for _, from := range []event{e, members} {
		for name, value := range from {
			changed[name] = value
			if value == nil {
				delete(changed, name)
			}
		}
	}
	return changed
}

func (e event) of(agent string) event { return e.with(event{"agent_id": agent}) }

func batchOf(t *testing.T, events ...event) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"events": events})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// report sends events of an agent of Ada's, and returns what became of each.
func (s service) report(t *testing.T, agent string, events ...event) []eventResult {
	t.Helper()
	return s.results(t, "/api/v1/agents/"+agent+"/events", s.ada, batchOf(t, events...))
}

func (s service) results(t *testing.T, path, token, body string) []eventResult {
	t.Helper()
	answer := s.Do(t, "POST", path, token, body).Want(t, http.StatusOK)
	return apitest.Decode[struct{ Results []eventResult }](t, answer).Results
}

// statuses are what results come to, each in a word: the problem's code, or a fault's place where there is one.
func statuses(results []eventResult) []string {
	words := make([]string, len(results))
	for i, r := range results {
		words[i] = r.Status
		switch {
		case r.Problem != nil && len(r.Problem.Errors) > 0:
			words[i] = fmt.Sprintf("%s %d %s", r.Status, r.Problem.Status, r.Problem.Errors[0].Location)
		case r.Problem != nil:
			words[i] = fmt.Sprintf("%s %d", r.Status, r.Problem.Status)
		}
	}
	return words
}

// until waits for what others bring about.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	late := time.NewTimer(10 * time.Second)
	defer late.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-late.C:
			t.Fatalf("not in time: %s", what)
		case <-again.C:
		}
	}
}
