package agents

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// quotedIDs are ids as the members of a JSON array.
func quotedIDs(ids []uuid.UUID) string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = fmt.Sprintf("%q", id)
	}
	return strings.Join(list, ",")
}

// team makes a team of Ada's, of the agents or of one of its own.
func (s service) team(t *testing.T, jobRole uuid.UUID, agents ...uuid.UUID) team {
	t.Helper()
	if len(agents) == 0 {
		agents = []uuid.UUID{s.publish(t, writer).ID}
	}
	body := fmt.Sprintf(`{"name":"Team","job_role_id":%q,"agent_ids":[%s]}`, jobRole, quotedIDs(agents))
	return apitest.Decode[team](t, s.Do(t, "POST", "/api/v1/teams", s.ada, body).Want(t, http.StatusCreated))
}

// crew is a team with what its members know of it.
type crew struct {
	s    service
	path string
	all  []uuid.UUID // agents that may be in it
}

// state tells the versions of the team and of all the agents, and who is in the team by either side's word.
func (c crew) state(t *testing.T) (version int64, versions []int64, members []uuid.UUID) {
	t.Helper()
	found := apitest.Decode[team](t, c.s.Do(t, "GET", c.path, "", "").Want(t, http.StatusOK))
	for _, id := range c.all {
		agent := dbtest.Scalar[int64](t, c.s.DB, `select version from plant.agents where id = $1`, id)
		versions = append(versions, agent)
		is := dbtest.Scalar[bool](t, c.s.DB, `select coalesce(team_id = $2, false) from plant.agents where id = $1`, id, found.ID)
		if is != slices.Contains(found.AgentIDs, id) {
			t.Errorf("agent %s is in the team is %v, and the team has %v", id, is, found.AgentIDs)
		}
	}
	return found.Version, versions, found.AgentIDs
}

// Whichever side is written, both say who is in a team. Who enters or leaves has one new version for it, as the team has,
// and nobody else.
func TestTeam_BothSidesFollow(t *testing.T) {
	t.Parallel()
	s := start(t)
	a, b, c := s.publish(t, writer).ID, s.publish(t, writer).ID, s.publish(t, writer).ID
	role := s.jobRole(t, "Role")
	made := s.team(t, role, b, a)
	if made.Owner != "ada" || made.Version != 1 || made.JobRoleID != role || !slices.Equal(made.AgentIDs, []uuid.UUID{b, a}) {
		t.Errorf("made %+v", made)
	}
	path := "/api/v1/teams/" + made.ID.String()
	own := crew{s, path, []uuid.UUID{a, b, c}}
	agent := func(id uuid.UUID) string { return "/api/v1/agents/" + id.String() }
	in := fmt.Sprintf(`{"team_id":%q}`, made.ID)
	version, agents := int64(1), []int64{2, 2, 1}
	for _, step := range []struct {
		name, method, path, body string
		status                   int
		team                     int64   // new versions
		agents                   []int64 // likewise
		members                  []uuid.UUID
	}{
		{"nothing", "GET", path, "", 200, 0, []int64{0, 0, 0}, []uuid.UUID{b, a}},
		{"one enters", "PUT", path + "/agents/" + c.String(), "", 200, 1, []int64{0, 0, 1}, []uuid.UUID{b, a, c}},
		{"one that is in it enters", "PUT", path + "/agents/" + c.String(), "", 200, 1, []int64{0, 0, 0}, []uuid.UUID{b, a, c}},
		{"one leaves", "DELETE", path + "/agents/" + b.String(), "", 204, 1, []int64{0, 1, 0}, []uuid.UUID{a, c}},
		{"one that is out of it leaves", "DELETE", path + "/agents/" + b.String(), "", 404, 0, []int64{0, 0, 0}, []uuid.UUID{a, c}},
		{"the agent enters", "PUT", agent(b), in, 200, 1, []int64{0, 1, 0}, []uuid.UUID{a, c, b}},
		{"the agent is in it", "PUT", agent(b), in, 200, 0, []int64{0, 1, 0}, []uuid.UUID{a, c, b}},
		{"the agent leaves", "PATCH", agent(a), `{"team_id":null}`, 200, 1, []int64{1, 0, 0}, []uuid.UUID{c, b}},
		{"the agents are others", "PUT", path, fmt.Sprintf(`{"agent_ids":[%q,%q],"name":"New"}`, a, c), 200, 1, []int64{1, 1, 0}, []uuid.UUID{a, c}},
		{"the agents are the same", "PATCH", path, fmt.Sprintf(`{"agent_ids":[%q,%q,%[1]q]}`, c, a), 200, 1, []int64{0, 0, 0}, []uuid.UUID{c, a}},
		{"only the name is another", "PATCH", path, `{"name":"Newer"}`, 200, 1, []int64{0, 0, 0}, []uuid.UUID{c, a}},
		{"a member changes its name", "PATCH", agent(a), `{"name":"Newer"}`, 200, 0, []int64{1, 0, 0}, []uuid.UUID{c, a}},
		{"a member is deleted", "DELETE", agent(c), "", 204, 1, []int64{0, 0, 1}, []uuid.UUID{a}},
		{"one that was a member is restored", "POST", agent(c) + "/restore", "", 200, 0, []int64{0, 0, 1}, []uuid.UUID{a}},
		{"the last one leaves", "DELETE", path + "/agents/" + a.String(), "", 409, 0, []int64{0, 0, 0}, []uuid.UUID{a}},
		{"the last agent leaves", "PUT", agent(a), `{"team_id":null}`, 409, 0, []int64{0, 0, 0}, []uuid.UUID{a}},
		{"the last agent is deleted", "DELETE", agent(a), "", 409, 0, []int64{0, 0, 0}, []uuid.UUID{a}},
		{"the last agent is given away", "POST", agent(a) + "/transfer", `{"owner":"bob"}`, 409, 0, []int64{0, 0, 0}, []uuid.UUID{a}},
		{"there are no agents", "PUT", path, `{"agent_ids":[]}`, 422, 0, []int64{0, 0, 0}, []uuid.UUID{a}},
		{"one enters again", "PUT", path + "/agents/" + b.String(), "", 200, 1, []int64{0, 1, 0}, []uuid.UUID{a, b}},
		{"a member is given away", "POST", agent(b) + "/transfer", `{"owner":"bob"}`, 200, 1, []int64{0, 1, 0}, []uuid.UUID{a}},
	} {
		s.Do(t, step.method, step.path, s.ada, step.body).Want(t, step.status)
		version += step.team
		for i := range agents {
			agents[i] += step.agents[i]
		}
		gotTeam, gotAgents, members := own.state(t)
		if gotTeam != version || !slices.Equal(gotAgents, agents) || !slices.Equal(members, step.members) {
			t.Fatalf("%s: versions %d and %v with %v, want %d and %v with %v", step.name, gotTeam, gotAgents, members, version, agents, step.members)
		}
	}
	s.noDangling(t)
	// An agent that is born into a team is in it.
	born := s.publish(t, with("team_id", fmt.Sprintf("%q", made.ID)))
	if got := apitest.Decode[team](t, s.Do(t, "GET", path, "", "")); born.Version != 1 || got.Version != version+1 || !slices.Contains(got.AgentIDs, born.ID) {
		t.Errorf("born %+v, and the team is %+v", born, got)
	}
}

// An agent that moves leaves one team and enters the other: three rows, one version each.
func TestTeam_Move(t *testing.T) {
	t.Parallel()
	s := start(t)
	role := s.jobRole(t, "Role")
	stays, moves := s.publish(t, writer).ID, s.publish(t, writer).ID
	from, to := s.team(t, role, stays, moves), s.team(t, role)
	move := func(agent uuid.UUID) apitest.Answer {
		return s.Do(t, "PUT", "/api/v1/agents/"+agent.String(), s.ada, fmt.Sprintf(`{"team_id":%q}`, to.ID))
	}
	moved := apitest.Decode[catalog.Agent](t, move(moves).Want(t, http.StatusOK))
	move(stays).WantProblem(t, http.StatusConflict, "CONFLICT") // the last one
	left := apitest.Decode[team](t, s.Do(t, "GET", "/api/v1/teams/"+from.ID.String(), "", ""))
	entered := apitest.Decode[team](t, s.Do(t, "GET", "/api/v1/teams/"+to.ID.String(), "", ""))
	if moved.Version != 3 || left.Version != 2 || entered.Version != 2 || !slices.Equal(left.AgentIDs, []uuid.UUID{stays}) || !slices.Equal(entered.AgentIDs, []uuid.UUID{to.AgentIDs[0], moves}) {
		t.Errorf("moved %+v from %+v to %+v", moved, left, entered)
	}
	s.noDangling(t)
}

func TestTeam_DeleteAndRestore(t *testing.T) {
	t.Parallel()
	s := start(t)
	a, b, c := s.publish(t, writer).ID, s.publish(t, writer).ID, s.publish(t, writer).ID
	role := s.jobRole(t, "Role")
	first := s.team(t, role, a, b, c)
	path := "/api/v1/teams/" + first.ID.String()
	get := func(id uuid.UUID) catalog.Agent {
		return apitest.Decode[catalog.Agent](t, s.Do(t, "GET", "/api/v1/agents/"+id.String(), "", ""))
	}
	s.Do(t, "DELETE", path, s.ada, "").Want(t, http.StatusNoContent)
	for _, id := range []uuid.UUID{a, b, c} {
		if agent := get(id); agent.TeamID != nil || agent.Version != 3 {
			t.Errorf("left %+v", agent)
		}
	}
	s.Do(t, "GET", path, "", "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	s.Do(t, "DELETE", path, s.ada, "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	s.Do(t, "PUT", "/api/v1/agents/"+a.String(), s.ada, fmt.Sprintf(`{"team_id":%q}`, first.ID)).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	// Of its agents, those come back that are there, still its owner's, and in no other team.
	second := s.team(t, role, b)
	s.Do(t, "DELETE", "/api/v1/agents/"+c.String(), s.ada, "").Want(t, http.StatusNoContent)
	back := apitest.Decode[team](t, s.Do(t, "POST", path+"/restore", s.ada, "").Want(t, http.StatusOK))
	if !slices.Equal(back.AgentIDs, []uuid.UUID{a}) || back.Version != 3 || *get(a).TeamID != first.ID || get(a).Version != 4 || *get(b).TeamID != second.ID {
		t.Errorf("restored %+v with %+v", back, get(a))
	}
	s.Do(t, "DELETE", path, s.ada, "").Want(t, http.StatusNoContent)
	s.Do(t, "POST", "/api/v1/agents/"+a.String()+"/transfer", s.ada, `{"owner":"bob"}`).Want(t, http.StatusOK)
	s.Do(t, "POST", path+"/restore", s.ada, "").WantProblem(t, http.StatusConflict, "CONFLICT") // nobody is left
	s.Do(t, "POST", "/api/v1/agents/"+a.String()+"/transfer", s.grace, `{"owner":"ada"}`).Want(t, http.StatusOK)
	s.Do(t, "POST", path+"/restore", s.Token(t, auth.Partner, "bob"), "").WantProblem(t, http.StatusForbidden, "FORBIDDEN")
	s.Do(t, "POST", path+"/restore", s.ada, "").Want(t, http.StatusOK)
	s.Do(t, "DELETE", path, s.ada, "").Want(t, http.StatusNoContent)
	s.DB.Exec(t, `update plant.teams set deleted_at = now() - interval '31 days' where id = $1`, first.ID)
	s.Do(t, "POST", path+"/restore", s.ada, "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	s.noDangling(t)
}

// Who is told what of agents that a team cannot have: by name, and in this order.
func TestTeam_AgentsThatDoNotFit(t *testing.T) {
	t.Parallel()
	s := start(t)
	bob := s.Token(t, auth.Partner, "bob")
	role := s.jobRole(t, "Role")
	free, busy := s.publish(t, writer).ID.String(), s.publish(t, writer)
	s.team(t, role, busy.ID)
	own := s.team(t, role)
	path := "/api/v1/teams/" + own.ID.String()
	bobs := apitest.Decode[catalog.Agent](t, s.Do(t, "POST", "/api/v1/agents", bob, writer).Want(t, http.StatusCreated)).ID.String()
	gone := s.publish(t, writer).ID.String()
	s.Do(t, "DELETE", "/api/v1/agents/"+gone, s.ada, "").Want(t, http.StatusNoContent)
	taken := busy.ID.String()
	for _, test := range []struct {
		agents    []string
		status    int
		locations []string
	}{
		{[]string{free, apitest.AnID}, 422, []string{"body.agent_ids[1]"}},
		{[]string{bobs, free, gone, taken}, 422, []string{"body.agent_ids[0]", "body.agent_ids[2]"}},
		{[]string{free, taken}, 409, []string{"body.agent_ids[1]"}},
	} {
		list := `["` + strings.Join(test.agents, `","`) + `"]`
		for at, request := range map[string]string{"/api/v1/teams": fmt.Sprintf(`{"name":"T","job_role_id":%q,"agent_ids":%s}`, role, list), path: fmt.Sprintf(`{"agent_ids":%s}`, list)} {
			method := map[bool]string{true: "PUT", false: "POST"}[at == path]
			problem := apitest.Decode[httpapi.Problem](t, s.Do(t, method, at, s.ada, request).Want(t, test.status))
			var got []string
			for _, fault := range problem.Errors {
				got = append(got, fault.Location)
			}
			if diff := cmp.Diff(test.locations, got); diff != "" {
				t.Errorf("%s %s: %s", method, list, diff)
			}
			// Whose team it is comes first.
			if at == path {
				s.Do(t, method, at, bob, request).WantProblem(t, http.StatusForbidden, "FORBIDDEN")
				s.Do(t, method, at, s.ada, request, apitest.Header{Name: "If-Match", Value: `"7"`}).WantProblem(t, http.StatusPreconditionFailed, "STALE")
			}
		}
	}
	for _, test := range []struct {
		token, agent string
		status       int
	}{
		{s.ada, taken, 409},
		{s.ada, bobs, 403},
		{s.grace, bobs, 409},
		{s.ada, gone, 404},
		{s.ada, apitest.AnID, 404},
		{s.ada, "x", 404},
		{s.ada, "{" + free + "}", 404},
		{bob, bobs, 403},
		{bob, apitest.AnID, 403},
		{s.grace, free, 200},
	} {
		s.Do(t, "PUT", path+"/agents/"+test.agent, test.token, "").Want(t, test.status)
	}
	// A governor's own team has a governor's own agents.
	s.Do(t, "POST", "/api/v1/teams", s.grace, fmt.Sprintf(`{"name":"T","job_role_id":%q,"agent_ids":[%q]}`, role, bobs)).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	s.noDangling(t)
}

func TestTeam_List(t *testing.T) {
	t.Parallel()
	s := start(t)
	bob := s.Token(t, auth.Partner, "bob")
	one, two := s.jobRole(t, "One"), s.jobRole(t, "Two")
	first, second := s.team(t, one).ID, s.team(t, two).ID
	agent := apitest.Decode[catalog.Agent](t, s.Do(t, "POST", "/api/v1/agents", bob, writer)).ID
	third := apitest.Decode[team](t, s.Do(t, "POST", "/api/v1/teams", bob, fmt.Sprintf(`{"name":"Bob's","job_role_id":%q,"agent_ids":[%q]}`, two, agent)).Want(t, http.StatusCreated)).ID
	for query, want := range map[string][]uuid.UUID{
		"":                                      {third, second, first},
		"?owner=ada":                            {second, first},
		"?owner=bob":                            {third},
		"?owner=nobody":                         {},
		"?owner=me":                             {second, first},
		"?job_role_id=" + two.String():          {third, second},
		"?job_role_id=" + apitest.AnID:          {},
		"?owner=me&job_role_id=" + two.String(): {second},
	} {
		var got []uuid.UUID
		for next := "/api/v1/teams" + query; next != ""; {
			if !strings.Contains(next, "limit=") {
				next += map[bool]string{true: "&", false: "?"}[strings.Contains(next, "?")] + "limit=1"
			}
			answer := s.Do(t, "GET", next, s.ada, "").Want(t, http.StatusOK)
			for _, one := range apitest.Decode[[]team](t, answer) {
				got = append(got, one.ID)
			}
			next, _, _ = strings.Cut(strings.TrimPrefix(answer.Header.Get("Link"), "<"), ">")
		}
		if !slices.Equal(want, got) {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
	}
	s.Do(t, "GET", "/api/v1/teams?owner=me", "", "").WantProblem(t, http.StatusUnauthorized, "UNAUTHENTICATED")
	for _, query := range []string{"job_role_id=x", "job_role_id=00000000-0000-0000-0000-000000000000", "owner=%00", "name=x", "limit=0"} {
		s.Do(t, "GET", "/api/v1/teams?"+query, "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	}
}

// Many enter and leave at once: each success is one version of the team, and the last agent never goes.
func TestTeam_ManyAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	agents := make([]uuid.UUID, 8)
	for i := range agents {
		agents[i] = s.publish(t, writer).ID
	}
	made := s.team(t, s.jobRole(t, "Role"), agents...)
	path := "/api/v1/teams/" + made.ID.String()
	leave := together(len(agents), func(i int) apitest.Answer {
		switch i % 3 {
		case 0:
			return s.Do(t, "DELETE", path+"/agents/"+agents[i].String(), s.ada, "")
		case 1:
			return s.Do(t, "PUT", "/api/v1/agents/"+agents[i].String(), s.ada, `{"team_id":null}`)
		default:
			return s.Do(t, "DELETE", "/api/v1/agents/"+agents[i].String(), s.ada, "")
		}
	})
	counts := statuses(leave)
	after := apitest.Decode[team](t, s.Do(t, "GET", path, "", ""))
	if counts[http.StatusConflict] != 1 || len(after.AgentIDs) != 1 || after.Version != int64(len(agents)) {
		t.Errorf("%v, and %+v is left", counts, after)
	}
	s.noDangling(t)
}
