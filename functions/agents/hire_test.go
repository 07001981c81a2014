package agents

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/hiring"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

const monthly = `{"duration":"monthly"}`

func (s service) carl(t *testing.T) string { t.Helper(); return s.Token(t, auth.Customer, "carl") }

// hire is a hire of Carl's.
func (s service) hire(t *testing.T, agent uuid.UUID) hiring.Hire {
	t.Helper()
	return apitest.Decode[hiring.Hire](t, s.Do(t, "POST", "/api/v1/agents/"+agent.String()+"/hires", s.carl(t), monthly).Want(t, http.StatusCreated))
}

// active is one that went on.
func (s service) active(t *testing.T, agent uuid.UUID) hiring.Hire {
	t.Helper()
	hire := s.hire(t, agent)
	return apitest.Decode[hiring.Hire](t, s.Do(t, "PUT", hire.Address()+"/status", s.carl(t), `{"status":"active"}`).Want(t, http.StatusOK))
}

// tried is a hire of Carl's from so long ago.
func (s service) tried(t *testing.T, agent uuid.UUID, ago time.Duration) hiring.Hire {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	s.DB.Exec(t, `insert into plant.hires (id, agent_id, customer_issuer, customer, duration, created_at) values ($1, $2, $3, 'carl', 'monthly', now() - $4::interval)`,
		id, agent, s.Issuer, ago.String())
	return apitest.Decode[hiring.Hire](t, s.Do(t, "GET", "/api/v1/hires/"+id.String(), s.carl(t), "").Want(t, http.StatusOK))
}

func (s service) statistics(t *testing.T, agent uuid.UUID) string {
	t.Helper()
	return dbtest.Scalar[string](t, s.DB, `select format('hires %s active %s open %s ended %s retained %s reviews %s stars %s', hires, active_hires, open_trials,
		`+catalog.TrialsEnded+`, trials_retained, reviews, rating_sum) from plant.agent_statistics s where agent_id = $1`, agent)
}

func TestHire_Life(t *testing.T) {
	t.Parallel()
	s := start(t)
	carl := s.carl(t)
	agent := s.publish(t, with("trial_days", "10"))
	answer := s.Do(t, "POST", "/api/v1/agents/"+agent.ID.String()+"/hires", carl, monthly).Want(t, http.StatusCreated)
	hire := apitest.Decode[hiring.Hire](t, answer)
	want := hiring.Hire{AgentID: agent.ID, Customer: "carl", Status: "trial", Duration: "monthly", Price: agent.Price, Currency: "INR", TrialDays: 10, TrialEndsAt: hire.CreatedAt.Add(240 * time.Hour), Version: 1}
	if diff := cmp.Diff(want, hire, cmpopts.IgnoreFields(hiring.Hire{}, "ID", "CreatedAt", "UpdatedAt")); diff != "" || time.Since(hire.CreatedAt) > time.Hour || answer.Header.Get("Location") != hire.Address() {
		t.Errorf("hired %+v at %s: %s", hire, answer.Header.Get("Location"), diff)
	}
	// What it begins with stays, whatever becomes of the agent.
	s.Do(t, "PUT", "/api/v1/agents/"+agent.ID.String(), s.ada, `{"hourly_rate":1,"currency":"USD","trial_days":0,"allowed_durations":["yearly"]}`).Want(t, http.StatusOK)
	read := s.Do(t, "GET", hire.Address(), carl, "").Want(t, http.StatusOK)
	if read.Body != answer.Body || read.Header.Get("ETag") != answer.Header.Get("ETag") || read.Header.Get("Cache-Control") != "private, no-store" {
		t.Errorf("answered %s, read %s %v", answer.Body, read.Body, read.Header)
	}
	s.Do(t, "GET", hire.Address(), carl, "", apitest.Header{Name: "If-None-Match", Value: read.Header.Get("ETag")}).Want(t, http.StatusNotModified)
	if listed := s.Do(t, "GET", "/api/v1/hires", carl, "").Body; listed != "["+strings.TrimSpace(read.Body)+"]" {
		t.Errorf("read %s, listed %s", read.Body, listed)
	}
	move := func(token, status string, version int64) apitest.Answer {
		match := apitest.Header{Name: "If-Match", Value: fmt.Sprintf(`"%d"`, version)}
		return s.Do(t, "PUT", hire.Address()+"/status", token, fmt.Sprintf(`{"status":%q}`, status), match)
	}
	move(carl, "active", 2).WantProblem(t, http.StatusPreconditionFailed, "STALE")
	active := apitest.Decode[hiring.Hire](t, move(carl, "active", 1).Want(t, http.StatusOK))
	if active.Status != "active" || active.Version != 2 || active.ActivatedAt == nil || active.EndedAt != nil || !active.Price.Equal(agent.Price) {
		t.Errorf("went on as %+v", active)
	}
	if ended := apitest.Decode[hiring.Hire](t, move(s.ada, "ended", 2).Want(t, http.StatusOK)); ended.Status != "ended" || ended.Version != 3 || ended.EndedAt == nil || ended.ActivatedAt == nil {
		t.Errorf("ended as %+v", ended)
	}
	if got, want := s.statistics(t, agent.ID), "hires 1 active 0 open 0 ended 1 retained 1 reviews 0 stars 0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	// Without a trial it is active at once.
	s.Do(t, "POST", "/api/v1/agents/"+agent.ID.String()+"/hires", carl, monthly).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	direct := apitest.Decode[hiring.Hire](t, s.Do(t, "POST", "/api/v1/agents/"+agent.ID.String()+"/hires", carl, `{"duration":"yearly"}`).Want(t, http.StatusCreated))
	if direct.Status != "active" || direct.ActivatedAt == nil || !direct.TrialEndsAt.Equal(direct.CreatedAt) || direct.Currency != "USD" || direct.Price.String() != "160.00" {
		t.Errorf("hired %+v", direct)
	}
	if got, want := s.statistics(t, agent.ID), "hires 2 active 1 open 0 ended 1 retained 1 reviews 0 stars 0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Every move that there could be, by everyone who could make it, against the table of those that are legal.
func TestHire_LegalMoves(t *testing.T) {
	t.Parallel()
	s := start(t)
	carl := s.carl(t)
	begins := map[string]func(agent uuid.UUID) hiring.Hire{
		"trial":  func(agent uuid.UUID) hiring.Hire { return s.hire(t, agent) },
		"lapsed": func(agent uuid.UUID) hiring.Hire { return s.tried(t, agent, 169*time.Hour) },
		"active": func(agent uuid.UUID) hiring.Hire { return s.active(t, agent) },
		"ended": func(agent uuid.UUID) hiring.Hire {
			hire := s.active(t, agent)
			s.Do(t, "PUT", hire.Address()+"/status", carl, `{"status":"ended"}`).Want(t, http.StatusOK)
			return hire
		},
		"cancelled": func(agent uuid.UUID) hiring.Hire {
			hire := s.hire(t, agent)
			s.Do(t, "PUT", hire.Address()+"/status", carl, `{"status":"cancelled"}`).Want(t, http.StatusOK)
			return hire
		},
	}
	legal := []string{"trial active", "trial cancelled", "active ended"}
	agent := s.publish(t, writer).ID
	for from, begin := range begins {
		for _, to := range []string{"active", "ended", "cancelled"} {
			for role, token := range map[string]string{"customer": carl, "partner": s.ada, "governor": s.grace} {
				path := begin(agent).Address()
				before := s.Do(t, "GET", path, carl, "").Body
				answer := s.Do(t, "PUT", path+"/status", token, fmt.Sprintf(`{"status":%q}`, to))
				switch {
				case role == "partner" && to != "ended":
					answer.WantProblem(t, http.StatusForbidden, "FORBIDDEN")
				case slices.Contains(legal, from+" "+to):
					if got := apitest.Decode[hiring.Hire](t, answer.Want(t, http.StatusOK)); got.Status != to {
						t.Errorf("from %s to %s: %+v", from, to, got)
					}
					continue
				default:
					answer.WantProblem(t, http.StatusConflict, "ILLEGAL_MOVE")
				}
				if after := s.Do(t, "GET", path, carl, "").Body; after != before {
					t.Errorf("%s could not go from %s to %s, and made of %s: %s", role, from, to, before, after)
				}
			}
		}
	}
	path := s.hire(t, agent).Address() + "/status"
	for _, status := range []string{`"trial"`, `"Active"`, `""`, "null", "1", `["active"]`} {
		s.Do(t, "PUT", path, carl, `{"status":`+status+`}`).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	}
	s.Do(t, "PUT", path, carl, `{}`).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
}

// A trial ends by the clock: nothing is written, and whoever reads it then sees it ended, the tag and the figures too.
func TestHire_TrialsLapse(t *testing.T) {
	t.Parallel()
	s := start(t)
	carl := s.carl(t)
	agent := s.publish(t, with("trial_days", "1"))
	path := "/api/v1/agents/" + agent.ID.String()
	s.active(t, agent.ID)
	figures := func() catalog.Agent { return apitest.Decode[catalog.Agent](t, s.Do(t, "GET", path, carl, "")) }
	lapsing := s.tried(t, agent.ID, 24*time.Hour-700*time.Millisecond)
	read := s.Do(t, "GET", lapsing.Address(), carl, "").Want(t, http.StatusOK)
	tag := s.Do(t, "GET", path, carl, "").Header.Get("ETag")
	if lapsing.Status != "trial" || figures().RetentionRate != 1 {
		t.Fatalf("already %s, retained %v", lapsing.Status, figures().RetentionRate)
	}
	until(t, 10*time.Second, "the trial is over", func() bool {
		return apitest.Decode[hiring.Hire](t, s.Do(t, "GET", lapsing.Address(), carl, "")).Status == "ended"
	})
	over := s.Do(t, "GET", lapsing.Address(), carl, "", apitest.Header{Name: "If-None-Match", Value: read.Header.Get("ETag")}).Want(t, http.StatusOK)
	want := lapsing
	want.Status, want.EndedAt = "ended", &lapsing.TrialEndsAt
	if diff := cmp.Diff(want, apitest.Decode[hiring.Hire](t, over)); diff != "" {
		t.Error(diff)
	}
	if got := figures().RetentionRate; got != 0.5 {
		t.Errorf("of two trials that are over one went on, and %v are retained", got)
	}
	s.Do(t, "GET", path, carl, "", apitest.Header{Name: "If-None-Match", Value: tag}).Want(t, http.StatusOK)
	s.Do(t, "PUT", lapsing.Address()+"/status", carl, `{"status":"active"}`).WantProblem(t, http.StatusConflict, "ILLEGAL_MOVE")
	for status, want := range map[string]int{"trial": 0, "active": 1, "ended": 1, "cancelled": 0} {
		if got := len(s.hires(t, "?status="+status, carl)); got != want {
			t.Errorf("status=%s finds %d, want %d", status, got, want)
		}
	}
	// To write it down changes nothing that anyone reads.
	seen := s.statistics(t, agent.ID)
	for _, want := range []int{1, 0} {
		if got, err := database.Scalar[int](t.Context(), s.DB.DB, `select plant.settle_lapsed(10)`); err != nil || got != want {
			t.Errorf("settled %d agents, %v, want %d", got, err, want)
		}
	}
	settled := s.Do(t, "GET", lapsing.Address(), carl, "")
	if settled.Body != over.Body || settled.Header.Get("ETag") != over.Header.Get("ETag") || strings.Replace(s.statistics(t, agent.ID), "open 0", "open 1", 1) != seen {
		t.Errorf("settled %s, not %s; %s, not %s", settled.Body, over.Body, s.statistics(t, agent.ID), seen)
	}
}

// What is told of all trials is how many were over within a time, and went on: each where it was over, once, to everyone.
func TestHire_TrialsOver(t *testing.T) {
	t.Parallel()
	s := start(t)
	agent, direct := s.publish(t, writer).ID, s.publish(t, with("trial_days", "0")).ID
	s.hire(t, agent)                        // runs
	s.active(t, agent)                      // was over today
	s.hire(t, direct)                       // never was a trial
	s.tried(t, agent, 170*time.Hour)        // lapsed today
	s.tried(t, agent, (168+24*3)*time.Hour) // three days ago
	cancelled := s.hire(t, agent)
	s.Do(t, "PUT", cancelled.Address()+"/status", s.carl(t), `{"status":"cancelled"}`).Want(t, http.StatusOK)
	for window, want := range map[string]string{"1 day": "3 1", "4 days": "4 1", "-1 hour": ""} {
		got, err := database.Scalar[string](t.Context(), s.DB.DB, `select coalesce(string_agg(trials_ended || ' ' || trials_retained, ';'), '') from plant.trials_over($1, now() - interval '`+window+`', now() + interval '1 day')`, []uuid.UUID{agent, direct})
		if err != nil || got != want {
			t.Errorf("within %s: got %s, %v, want %s", window, got, err, want)
		}
	}
}

// hires are those that a caller lists.
func (s service) hires(t *testing.T, query, token string) []hiring.Hire {
	t.Helper()
	return apitest.Decode[[]hiring.Hire](t, s.Do(t, "GET", "/api/v1/hires"+query, token, "").Want(t, http.StatusOK))
}

func TestHire_Refused(t *testing.T) {
	t.Parallel()
	s := start(t)
	carl := s.carl(t)
	agent := s.publish(t, writer)
	path := "/api/v1/agents/" + agent.ID.String()
	s.Do(t, "POST", path+"/hires", s.Token(t, auth.Customer, "ada"), monthly).WantProblem(t, http.StatusForbidden, "OWN_AGENT")
	grace := s.Do(t, "POST", "/api/v1/agents", s.grace, writer).Want(t, http.StatusCreated).Header.Get("Location")
	s.Do(t, "POST", grace+"/hires", s.grace, monthly).WantProblem(t, http.StatusForbidden, "OWN_AGENT")
	for member, values := range map[string][]string{
		"duration": {`"yearly"`, `"weekly"`, `"Monthly"`, `""`, "null", "1", `["monthly"]`},
		"status":   {`"active"`}, "price": {"0"}, "customer": {`"cora"`}, "trial_days": {"90"}, "trial_ends_at": {`"2999-01-01T00:00:00Z"`}, "exclusive": {"false"}, "id": {`"` + apitest.AnID + `"`}, "agent_id": {`"x"`},
	} {
		for _, value := range values {
			problem := apitest.Decode[httpapi.Problem](t, s.Do(t, "POST", path+"/hires", carl, object(map[string]string{"duration": `"monthly"`}, member, value)).WantProblem(t, http.StatusUnprocessableEntity, "INVALID"))
			if len(problem.Errors) != 1 || problem.Errors[0].Location != "body."+member {
				t.Errorf("%s = %s: %+v", member, value, problem)
			}
		}
	}
	s.Do(t, "PUT", path+"/status", s.ada, `{"status":"offline"}`).Want(t, http.StatusOK)
	s.Do(t, "POST", path+"/hires", carl, monthly).WantProblem(t, http.StatusConflict, "AGENT_OFFLINE")
	s.Do(t, "PUT", path+"/status", s.ada, `{"status":"working"}`).Want(t, http.StatusOK)
	if got := len(s.hires(t, "", s.grace)); got != 0 {
		t.Errorf("refused, and there are %d hires", got)
	}
	s.Do(t, "POST", path+"/hires", carl, monthly).Want(t, http.StatusCreated)
}

func TestHire_Exclusive(t *testing.T) {
	t.Parallel()
	s := start(t)
	carl, cora := s.carl(t), s.Token(t, auth.Customer, "cora")
	agent := s.publish(t, with("exclusive", "true"))
	path := "/api/v1/agents/" + agent.ID.String()
	lapsed := s.tried(t, agent.ID, 168*time.Hour)
	hire := s.hire(t, agent.ID) // a trial that lapsed does not stand in the way
	for _, token := range []string{carl, cora} {
		s.Do(t, "POST", path+"/hires", token, monthly).WantProblem(t, http.StatusConflict, "AGENT_TAKEN")
	}
	s.Do(t, "PUT", lapsed.Address()+"/status", carl, `{"status":"active"}`).WantProblem(t, http.StatusConflict, "ILLEGAL_MOVE")
	s.Do(t, "PUT", hire.Address()+"/status", carl, `{"status":"active"}`).Want(t, http.StatusOK)
	s.Do(t, "POST", path+"/hires", cora, monthly).WantProblem(t, http.StatusConflict, "AGENT_TAKEN")
	// For everyone, and for one again.
	s.Do(t, "PUT", path, s.ada, `{"exclusive":false}`).Want(t, http.StatusOK)
	second := s.Do(t, "POST", path+"/hires", cora, monthly).Want(t, http.StatusCreated).Header.Get("Location")
	s.Do(t, "PUT", path, s.ada, `{"exclusive":true}`).WantProblem(t, http.StatusConflict, "AGENT_HIRED")
	s.Do(t, "PUT", second+"/status", cora, `{"status":"cancelled"}`).Want(t, http.StatusOK)
	s.Do(t, "PUT", path, s.ada, `{"exclusive":true}`).Want(t, http.StatusOK)
	s.Do(t, "POST", path+"/hires", cora, monthly).WantProblem(t, http.StatusConflict, "AGENT_TAKEN")
}
