package agents

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

func (s service) changes(t testing.TB, query string) feed {
	t.Helper()
	return apitest.Decode[feed](t, s.Do(t, "GET", "/api/v1/changes?"+query, s.ada, "").Want(t, http.StatusOK))
}

// D9: many write at once, some of them in vain. Who follows the feed meanwhile sees every change that was committed once,
// in an order in which versions ascend, and none that was not.
func TestD9_FeedOfManyWriters(t *testing.T) {
	t.Parallel()
	s := start(t, func(settings *httpapi.Settings) {
		settings.Audit.SequenceEvery = time.Millisecond
		settings.Database.MaxConns = 12
	})
	begin := s.changes(t, "limit=1000").Next
	const writers, writes = 50, 8
	agents := make([]string, 5) // few, so that they meet
	for i := range agents {
		agents[i] = s.path(t, writer)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		together(writers, func(i int) apitest.Answer {
			random := rand.New(rand.NewPCG(uint64(i), 9))
			var answer apitest.Answer
			for n := range writes {
				path := agents[random.IntN(len(agents))]
				switch random.IntN(4) {
				case 0:
					answer = s.Do(t, "POST", "/api/v1/agents", s.ada, writer)
				case 1: // in vain
					answer = s.Do(t, "PUT", path, s.ada, `{"name":"x"}`, apitest.Header{Name: "If-Match", Value: `"0"`})
				case 2: // one that takes a while, and is then undone
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(20))*time.Millisecond)
					request, err := http.NewRequestWithContext(ctx, http.MethodPut, s.URL+path, strings.NewReader(`{"name":"undone?"}`))
					if err != nil {
						t.Error(err)
					}
					request.Header.Set("Authorization", "Bearer "+s.ada)
					request.Header.Set("Content-Type", "application/json")
					if response, err := http.DefaultClient.Do(request); err == nil {
						_ = response.Body.Close() // whether it was done, the rows say
					}
					cancel()
				default:
					answer = s.Do(t, "PUT", path, s.ada, fmt.Sprintf(`{"name":"%d.%d"}`, i, n))
				}
			}
			return answer
		})
	}()
	var seen []change
	next, ended := begin, false
	for {
		part := s.changes(t, fmt.Sprintf("after=%d&limit=7", next))
		seen = append(seen, part.Changes...)
		if next = part.Next; len(part.Changes) == 0 {
			if ended {
				break
			}
			select {
			case <-done:
				ended = true // one more look, after the last of them
			default:
			}
		}
	}
	last := map[string]int64{}
	for i, change := range seen {
		id := change.EntityID.String()
		if change.Seq != begin+int64(i)+1 || change.Version != last[id]+1 {
			t.Fatalf("%+v comes after version %d, as number %d", change, last[id], i)
		}
		last[id] = change.Version
	}
	type state struct {
		ID      string
		Version int64
	}
	rows := dbtest.Scalar[string](t, s.DB, `select json_agg(json_build_object('id', id, 'version', version))::text from plant.agents`)
	var states []state
	if err := json.Unmarshal([]byte(rows), &states); err != nil {
		t.Fatal(err)
	}
	for _, row := range states {
		if last[row.ID] != row.Version {
			t.Errorf("agent %s has version %d, and the feed told of %d", row.ID, row.Version, last[row.ID])
		}
	}
	if len(states) != len(last) {
		t.Errorf("%d agents, and the feed told of %d", len(states), len(last))
	}
	if _, broken := s.run(t, ""); len(broken) > 0 {
		t.Errorf("broken: %v", broken)
	}
	s.checkpoint(t)
}

// A change that is committed after a later one was read still comes: it gets a later place.
func TestChanges_SlowTransaction(t *testing.T) {
	t.Parallel()
	s := start(t)
	slow, quick := s.publish(t, writer), s.publish(t, writer)
	begin := s.changes(t, "limit=1000").Next
	s.DB.Exec(t, `begin`)
	s.DB.Exec(t, `update plant.agents set name = 'Slow' where id = $1`, slow.ID)
	s.Do(t, "PUT", "/api/v1/agents/"+quick.ID.String(), s.ada, `{"name":"Quick"}`).Want(t, http.StatusOK)
	first := s.changes(t, fmt.Sprintf("after=%d", begin))
	s.DB.Exec(t, `commit`)
	second := s.changes(t, fmt.Sprintf("after=%d", first.Next))
	if len(first.Changes) != 1 || first.Changes[0].EntityID != quick.ID || len(second.Changes) != 1 || second.Changes[0].EntityID != slow.ID || second.Next != begin+2 {
		t.Errorf("got %+v, then %+v", first, second)
	}
}

// Who waits hears of a change when it comes, of none when the time is over, and at once when the process ends.
func TestChanges_Wait(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.publish(t, writer)
	begin := s.changes(t, "limit=1000").Next
	s.Do(t, "GET", "/api/v1/changes?wait=1", "", "").WantProblem(t, http.StatusUnauthorized, "UNAUTHENTICATED")
	if got := s.changes(t, "wait=20"); got.Next != begin {
		t.Errorf("there was something: got %+v", got)
	}
	if got := s.changes(t, fmt.Sprintf("after=%d&wait=1", begin)); len(got.Changes) != 0 || got.Next != begin {
		t.Errorf("there was nothing: got %+v", got)
	}
	waiting := s.goes(t, "GET", fmt.Sprintf("/api/v1/changes?after=%d&wait=20", begin), "")
	// It holds no connection, and nothing is locked.
	id := s.publish(t, writer).ID
	wrote := time.Now()
	got := apitest.Decode[feed](t, (<-waiting).Want(t, http.StatusOK))
	if len(got.Changes) != 1 || got.Changes[0].EntityID != id || time.Since(wrote) > 5*time.Second {
		t.Errorf("got %+v after %v", got, time.Since(wrote))
	}
	if answer := s.Do(t, "GET", "/api/v1/changes", "", "").Want(t, http.StatusOK); answer.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control is %q", answer.Header.Get("Cache-Control"))
	}
	for _, query := range []string{"after=-1", "after=x", "after=9223372036854775808", "limit=0", "limit=1001", "wait=21", "wait=-1", "since=1"} {
		s.Do(t, "GET", "/api/v1/changes?"+query, s.ada, "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	}
}

// Only so many wait; the rest are told at once that there is nothing, and all are when the process ends.
func TestChanges_ManyWait(t *testing.T) {
	t.Parallel()
	looks := 0
	w := newWatch(func(context.Context) (int64, error) { looks++; return 3, nil })
	stopping := make(chan struct{})
	answers := make(chan bool, maxWaiting)
	for range maxWaiting {
		go func() { answers <- w.await(t.Context(), stopping, 3) }()
	}
	for waiting := 0; waiting < maxWaiting; {
		w.mu.Lock()
		waiting = w.waiting
		w.mu.Unlock()
	}
	if w.await(t.Context(), stopping, 3) {
		t.Error("one more waited")
	}
	if !w.await(t.Context(), stopping, 2) {
		// there is room for nobody, though it need not wait
		t.Log("refused without looking")
	}
	close(stopping)
	for range maxWaiting {
		if <-answers {
			t.Error("something came")
		}
	}
}

// A26: where two governors are asked for, nobody certifies what they have made or changed, not by a repeated key either.
func TestA26_SecondGovernor(t *testing.T) {
	t.Parallel()
	s := start(t, func(settings *httpapi.Settings) { settings.Auth.SecondGovernor = true })
	heidi := s.Token(t, auth.Governor, "heidi")
	const body = `{"level":"expert","evidence_url":"https://e.example","issuer":"Board"}`
	for _, resource := range []string{"skills", "job-roles"} {
		path := "/api/v1/" + resource + "/"
		if resource == "skills" {
			path += apitest.Decode[catalog.Skill](t, s.Do(t, "POST", "/api/v1/skills", s.grace, `{"name":"A26","category":"technical"}`).Want(t, http.StatusCreated)).ID.String()
		} else {
			draft := fmt.Sprintf(`{"name":"A26","required_skills":[%q],"seniority_level":"mid"}`, s.skill(t, "Needed"))
			path += apitest.Decode[catalog.JobRole](t, s.Do(t, "POST", "/api/v1/job-roles", s.grace, draft).Want(t, http.StatusCreated)).ID.String()
		}
		s.Do(t, "POST", path+"/certify", s.grace, body, key("k")).WantProblem(t, http.StatusForbidden, "SELF_APPROVAL")
		first := s.Do(t, "POST", path+"/certify", heidi, body, key("k")).Want(t, http.StatusOK)
		if again := s.Do(t, "POST", path+"/certify", heidi, body, key("k")).Want(t, http.StatusOK); again.Body != first.Body || again.Header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("certified twice: %s", again.Body)
		}
		s.Do(t, "DELETE", path+"/certification", heidi, "").Want(t, http.StatusNoContent)
		s.Do(t, "PUT", path, heidi, `{"description":"hers now"}`).Want(t, http.StatusOK)
		s.Do(t, "POST", path+"/certify", heidi, body, key("k2")).WantProblem(t, http.StatusForbidden, "SELF_APPROVAL")
		s.Do(t, "POST", "/api/v1/"+resource+"/"+apitest.AnID+"/certify", heidi, body).WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	}
}

// A27: of every operation that not everyone may do, the log tells who did it and who was kept from it, and no secret.
func TestA27_AccessLog(t *testing.T) {
	t.Parallel()
	s, scheduler := startScheduled(t)
	tokens := s.tokens(t, scheduler)
	asked := map[string]int{} // by route and access
	for operation, row := range matrix {
		if row.want[0] != http.StatusUnauthorized {
			continue
		}
		method, template, _ := strings.Cut(operation, " ")
		for i, token := range tokens {
			path, body, _ := s.arrange(t, operation)
			answer := s.Do(t, method, path, token, body)
			access := "allowed"
			if answer.Status == http.StatusUnauthorized || answer.Status == http.StatusForbidden {
				access = "denied"
			}
			asked[template+" "+access+" "+method+" "+path]++
			_ = i
		}
	}
	logged := map[string]int{}
	callersOf := map[string]bool{}
	for line := range strings.Lines(s.Log.String()) {
		var entry struct {
			Route, Access, Role, Caller string
			HTTPRequest                 struct{ RequestMethod, RequestURL string }
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Access != "" {
			logged[entry.Route+" "+entry.Access+" "+entry.HTTPRequest.RequestMethod+" "+entry.HTTPRequest.RequestURL]++
		}
		if entry.Caller != "" {
			callersOf[entry.Caller] = true
		}
	}
	for what, times := range asked {
		if logged[what] < times {
			t.Errorf("%s: %d times, and %d lines", what, times, logged[what])
		}
	}
	if len(callersOf) != len(tokens)-1 {
		t.Errorf("%d callers in the log, of %d", len(callersOf), len(tokens)-1)
	}
	text := s.Log.String()
	for _, secret := range slices.Concat(tokens[1:], []string{auditKey.Reveal(), "grace", "carl", apitest.SchedulerEmail}) {
		if strings.Contains(text, secret) {
			t.Errorf("the log holds %.20s…", secret)
		}
	}
}
