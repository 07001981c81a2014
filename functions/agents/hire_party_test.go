package agents

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/hiring"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// C10: an agent with hires that run stays; with none, it goes, and its hires stay for whose they are.
func TestC10_HiredAgentsAreNotDeleted(t *testing.T) {
	t.Parallel()
	s := start(t)
	carl := s.carl(t)
	agent := s.publish(t, writer)
	path := "/api/v1/agents/" + agent.ID.String()
	s.tried(t, agent.ID, 200*time.Hour)
	hire := s.hire(t, agent.ID)
	for _, status := range []string{"active", "ended"} {
		for _, token := range []string{s.ada, s.grace} {
			s.Do(t, "DELETE", path, token, "").WantProblem(t, http.StatusConflict, "AGENT_HIRED")
		}
		s.Do(t, "PUT", hire.Address()+"/status", carl, fmt.Sprintf(`{"status":%q}`, status)).Want(t, http.StatusOK)
	}
	s.Do(t, "DELETE", path, s.ada, "").Want(t, http.StatusNoContent)
	s.Do(t, "POST", path+"/hires", carl, monthly).WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	for _, token := range []string{carl, s.ada} {
		if got := len(s.hires(t, "", token)); got != 2 {
			t.Errorf("%d hires are left", got)
		}
		s.Do(t, "GET", hire.Address(), token, "").Want(t, http.StatusOK)
	}
	s.Do(t, "POST", hire.Address()+"/review", carl, `{"rating":1}`).Want(t, http.StatusCreated)
	s.Do(t, "GET", path+"/reviews", "", "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	s.Do(t, "POST", path+"/restore", s.ada, "").Want(t, http.StatusOK)
	s.Do(t, "POST", path+"/hires", carl, monthly).Want(t, http.StatusCreated)
}

// Who owns the agent has its hires, those of before too; who gave it away has them no more.
func TestHire_FollowsItsAgent(t *testing.T) {
	t.Parallel()
	s := start(t)
	carl, bob := s.carl(t), s.Token(t, auth.Partner, "bob")
	agent := s.publish(t, writer)
	path := "/api/v1/agents/" + agent.ID.String()
	past := s.tried(t, agent.ID, 200*time.Hour)
	hire := s.active(t, agent.ID)
	s.Do(t, "POST", past.Address()+"/review", carl, `{"rating":4}`).Want(t, http.StatusCreated)
	before := s.Do(t, "GET", hire.Address(), carl, "").Body
	s.Do(t, "POST", path+"/transfer", s.ada, `{"owner":"carl"}`).WantProblem(t, http.StatusConflict, "AGENT_HIRED")
	s.Do(t, "POST", path+"/transfer", s.ada, `{"owner":"bob"}`).Want(t, http.StatusOK)
	if got := len(s.hires(t, "", s.ada)) + len(s.hires(t, "?agent_id="+agent.ID.String(), s.ada)); got != 0 {
		t.Errorf("who gave the agent away has %d hires", got)
	}
	s.Do(t, "GET", hire.Address(), s.ada, "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	s.Do(t, "PUT", hire.Address()+"/status", s.ada, `{"status":"ended"}`).WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	if got := s.Do(t, "GET", hire.Address(), bob, "").Want(t, http.StatusOK).Body; got != before || len(s.hires(t, "", bob)) != 2 {
		t.Errorf("%s became %s, one of %d", before, got, len(s.hires(t, "", bob)))
	}
	s.Do(t, "POST", past.Address()+"/review/reply", bob, `{"text":"Thank you"}`).Want(t, http.StatusOK)
	s.Do(t, "PUT", hire.Address()+"/status", bob, `{"status":"ended"}`).Want(t, http.StatusOK)
	// By then it may be its customer's, who does not praise it.
	s.Do(t, "POST", path+"/transfer", bob, `{"owner":"carl"}`).Want(t, http.StatusOK)
	s.Do(t, "POST", hire.Address()+"/review", carl, `{"rating":5}`).WantProblem(t, http.StatusForbidden, "OWN_AGENT")
}

// A13 and A23: another's hire answers each request with the very bytes that none does.
func TestA13_A23_HiresOfOthers(t *testing.T) {
	t.Parallel()
	s := start(t)
	hire := s.active(t, s.publish(t, writer).ID)
	s.Do(t, "POST", hire.Address()+"/review", s.carl(t), `{"rating":2,"text":"secret"}`).Want(t, http.StatusCreated)
	s.Do(t, "PUT", hire.Address()+"/review/hidden", s.grace, `{"hidden":true}`).Want(t, http.StatusOK)
	callers := map[string][]string{
		"": {
			s.Token(t, auth.Customer, "cora"), s.Token(t, auth.Partner, "bob"),
			s.Token(t, auth.Partner, "carl"), s.Token(t, auth.Customer, "ada"), // the right name in another role
		},
		"reply": {s.Token(t, auth.Partner, "bob"), s.Token(t, auth.Partner, "carl")}, "review": {s.Token(t, auth.Customer, "cora"), s.Token(t, auth.Customer, "ada")},
	}
	for _, request := range []struct{ method, suffix, body, callers string }{
		{"GET", "", "", ""},
		{"PUT", "/status", `{"status":"ended"}`, ""},
		{"PUT", "/status", `{"status":"active"}`, ""},
		{"GET", "/review", "", ""},
		{"POST", "/review", `{"rating":1}`, "review"},
		{"POST", "/review/reply", `{"text":"x"}`, "reply"},
	} {
		for i, token := range callers[request.callers] {
			for _, headers := range [][]apitest.Header{nil, {{Name: "If-Match", Value: `"99"`}}} {
				told := map[string]string{}
				for _, id := range []string{hire.ID.String(), apitest.AnID, "x", strings.ToUpper(hire.ID.String())} {
					answer := s.Do(t, request.method, "/api/v1/hires/"+id+request.suffix, token, request.body, headers...).WantProblem(t, http.StatusNotFound, "NOT_FOUND")
					told[changing.ReplaceAllString(answer.Body, "")] = id
				}
				if len(told) != 1 {
					t.Errorf("%s %s by %d: %v", request.method, request.suffix, i, told)
				}
			}
		}
	}
	for _, token := range callers[""] {
		for _, query := range []string{"", "?agent_id=" + hire.AgentID.String(), "?status=active", "?count=exact"} {
			answer := s.Do(t, "GET", "/api/v1/hires"+query, token, "").Want(t, http.StatusOK)
			if strings.TrimSpace(answer.Body) != "[]" || answer.Header.Get("X-Total-Count") != map[bool]string{true: "0"}[query == "?count=exact"] {
				t.Errorf("%s: %s, %s in all", query, answer.Body, answer.Header.Get("X-Total-Count"))
			}
		}
	}
	if got := s.Do(t, "GET", hire.Address(), s.carl(t), "").Want(t, http.StatusOK); apitest.Decode[hiring.Hire](t, got).Version != hire.Version {
		t.Errorf("it became %s", got.Body)
	}
}

func TestHire_List(t *testing.T) {
	t.Parallel()
	s := start(t)
	carl, cora, bob := s.carl(t), s.Token(t, auth.Customer, "cora"), s.Token(t, auth.Partner, "bob")
	a, b := s.publish(t, writer).ID, s.publish(t, writer).ID
	of := "/api/v1/agents/" + apitest.Decode[catalog.Agent](t, s.Do(t, "POST", "/api/v1/agents", bob, writer).Want(t, http.StatusCreated)).ID.String()
	var carls, all []uuid.UUID
	for range 3 {
		carls = append([]uuid.UUID{s.hire(t, b).ID, s.active(t, a).ID}, carls...)
	}
	all = append(all, carls...)
	for range 2 {
		all = append([]uuid.UUID{apitest.Decode[hiring.Hire](t, s.Do(t, "POST", of+"/hires", cora, monthly).Want(t, http.StatusCreated)).ID}, all...)
	}
	slices.SortFunc(carls, func(x, y uuid.UUID) int { return strings.Compare(y.String(), x.String()) })
	slices.SortFunc(all, func(x, y uuid.UUID) int { return strings.Compare(y.String(), x.String()) })
	ids := func(list []hiring.Hire) (ids []uuid.UUID) {
		for _, one := range list {
			ids = append(ids, one.ID)
		}
		return ids
	}
	for name, want := range map[string]struct {
		token string
		ids   []uuid.UUID
	}{"Carl": {carl, carls}, "Ada": {s.ada, carls}, "Cora": {cora, all[:2]}, "Bob": {bob, all[:2]}, "Grace": {s.grace, all}} {
		if diff := cmp.Diff(want.ids, ids(s.hires(t, "", want.token))); diff != "" {
			t.Errorf("%s lists: %s", name, diff)
		}
		// By its cursor, every one once.
		var walked []uuid.UUID
		for path := "/api/v1/hires?limit=2"; path != ""; {
			answer := s.Do(t, "GET", path, want.token, "").Want(t, http.StatusOK)
			walked = append(walked, ids(apitest.Decode[[]hiring.Hire](t, answer))...)
			path, _, _ = strings.Cut(strings.TrimPrefix(answer.Header.Get("Link"), "<"), ">")
		}
		if diff := cmp.Diff(want.ids, walked); diff != "" {
			t.Errorf("%s walks: %s", name, diff)
		}
	}
	for query, want := range map[string]int{
		"?status=active": 3, "?status=trial": 3, "?status=ended": 0, "?agent_id=" + a.String(): 3, "?status=trial&agent_id=" + a.String(): 0, "?agent_id=" + apitest.AnID: 0, "?skip=4": 2, "?limit=1": 1,
	} {
		if got := len(s.hires(t, query, carl)); got != want {
			t.Errorf("%s lists %d, want %d", query, got, want)
		}
	}
	// A cursor gives nobody what is not theirs.
	link, _, _ := strings.Cut(strings.TrimPrefix(s.Do(t, "GET", "/api/v1/hires?limit=2", s.grace, "").Header.Get("Link"), "<"), ">")
	if got := len(apitest.Decode[[]hiring.Hire](t, s.Do(t, "GET", link, cora, "").Want(t, http.StatusOK))); got != 0 {
		t.Errorf("Cora sees %d of the others'", got)
	}
	for _, query := range []string{"?status=lapsed", "?agent_id=x", "?agent_id=" + uuid.Nil.String(), "?limit=0", "?limit=101", "?skip=-1", "?cursor=x", "?owner=me", "?limit=1e1", "?skip=9223372036854775808"} {
		if answer := s.Do(t, "GET", "/api/v1/hires"+query, carl, ""); answer.Status != http.StatusUnprocessableEntity {
			t.Errorf("%s: got %d %s", query, answer.Status, answer.Body)
		}
	}
}
