package agents

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// wantInUse wants a deletion to be refused, with a detail that counts and as many users named.
func (s service) wantInUse(t *testing.T, path, detail string, named int) {
	t.Helper()
	before := s.Do(t, "GET", path, "", "").Body
	problem := apitest.Decode[httpapi.Problem](t, s.Do(t, "DELETE", path, s.grace, "").WantProblem(t, http.StatusConflict, "CONFLICT"))
	if !strings.Contains(problem.Detail, detail) || len(problem.Errors) != named {
		t.Errorf("DELETE of %s: %q and %d named, want %q and %d", path, problem.Detail, len(problem.Errors), detail, named)
	}
	for _, fault := range problem.Errors {
		if id, ok := fault.Value.(string); !ok || uuid.Validate(id) != nil {
			t.Errorf("names %+v", fault)
		}
	}
	if after := s.Do(t, "GET", path, "", "").Body; after != before {
		t.Errorf("a refused deletion made of %s: %s", before, after)
	}
	// What is stale is told before what is used.
	s.Do(t, "DELETE", path, s.grace, "", apitest.Header{Name: "If-Match", Value: `"99"`}).WantProblem(t, http.StatusPreconditionFailed, "STALE")
}

func TestDelete_InUse(t *testing.T) {
	t.Parallel()
	s := start(t)
	skill := s.skill(t, "Listening")
	role := s.jobRole(t, "Listener", skill)
	skillPath, rolePath := "/api/v1/skills/"+skill.String(), "/api/v1/job-roles/"+role.String()
	s.wantInUse(t, skillPath, "the skill is used by 1 job role", 1)
	var agents []string
	for i := range 12 {
		agents = append(agents, s.path(t, fmt.Sprintf(`{"name":"A%d","specialization":"S","industry":"sales","hourly_rate":1,"skill_ids":[%q],"job_role_id":%q}`, i, skill, role)))
	}
	s.wantInUse(t, skillPath, "the skill is used by 12 agents and 1 job role", 10)
	team := "/api/v1/teams/" + s.team(t, role).ID.String()
	s.wantInUse(t, rolePath, "the job role is used by 12 agents and 1 team", 10)
	s.wantInUse(t, "/api/v1/industries/sales", "the industry is used by 12 agents", 10)
	for _, path := range agents[1:] { // what is deleted uses nothing
		s.Do(t, "DELETE", path, s.ada, "").Want(t, http.StatusNoContent)
	}
	s.wantInUse(t, skillPath, "the skill is used by 1 agent and 1 job role", 2)
	s.Do(t, "PUT", agents[0], s.ada, `{"skill_ids":[],"job_role_id":null}`).Want(t, http.StatusOK)
	s.wantInUse(t, rolePath, "the job role is used by 1 team", 1)
	s.Do(t, "DELETE", team, s.ada, "").Want(t, http.StatusNoContent)
	s.Do(t, "PUT", rolePath, s.grace, `{"industry":"education"}`).Want(t, http.StatusOK)
	s.wantInUse(t, "/api/v1/industries/education", "the industry is used by 1 job role", 1)
	s.Do(t, "DELETE", rolePath, s.grace, "").Want(t, http.StatusNoContent)
	for _, path := range []string{skillPath, "/api/v1/industries/education"} {
		s.Do(t, "DELETE", path, s.grace, "").Want(t, http.StatusNoContent)
	}
	// What refers to it does not come back before it does.
	for _, path := range []string{agents[1], rolePath, team} {
		s.Do(t, "POST", path+"/restore", s.grace, "").WantProblem(t, http.StatusConflict, "CONFLICT")
	}
	for _, path := range []string{skillPath, "/api/v1/industries/education", rolePath, agents[1], team} {
		s.Do(t, "POST", path+"/restore", s.grace, "").Want(t, http.StatusOK)
	}
	s.noDangling(t)
}

// dangling counts what refers to what is deleted, and memberships that the two sides tell differently.
const dangling = `
	select (select count(*) from plant.agents a cross join unnest(a.skill_ids) r join plant.skills k on k.id = r and k.deleted_at is not null where a.deleted_at is null)
		+ (select count(*) from plant.agents a join plant.job_roles j on j.id = a.job_role_id and j.deleted_at is not null where a.deleted_at is null)
		+ (select count(*) from plant.agents a join plant.industries i on i.slug = a.industry and i.deleted_at is not null where a.deleted_at is null)
		+ (select count(*) from plant.agents a join plant.teams t on t.id = a.team_id and t.deleted_at is not null)
		+ (select count(*) from plant.agents a where a.deleted_at is not null and a.team_id is not null)
		+ (select count(*) from plant.job_roles j cross join unnest(j.required_skills) r join plant.skills k on k.id = r and k.deleted_at is not null where j.deleted_at is null)
		+ (select count(*) from plant.job_roles j join plant.industries i on i.slug = j.industry and i.deleted_at is not null where j.deleted_at is null)
		+ (select count(*) from plant.job_roles j where array(select skill_id from plant.job_role_skills where job_role_id = j.id order by 1) <> array(select unnest(j.required_skills) order by 1))
		+ (select count(*) from plant.teams t join plant.job_roles j on j.id = t.job_role_id and j.deleted_at is not null where t.deleted_at is null)
		+ (select count(*) from plant.teams t where t.deleted_at is null
			and (array(select id from plant.agents where team_id = t.id order by 1) <> array(select unnest(t.agent_ids) order by 1) or t.agent_ids = '{}'))`

func (s service) noDangling(t *testing.T) {
	t.Helper()
	if got := dbtest.Scalar[int](t, s.DB, dangling); got != 0 {
		t.Errorf("%d references lead to what is deleted, or are told differently by their two sides", got)
	}
}

// C10: whoever refers first keeps what it refers to; whoever deletes first is not referred to any more. Each waits for the
// other's transaction, which the test's own is here.
func TestC10_ReferenceAndDeletion(t *testing.T) {
	t.Parallel()
	s := start(t)
	watch := s.watch(t)
	tests := []struct {
		name, resource string // of what goes
		refer          string // SQL that refers to $1
		path, body     string // of a POST that refers to {id}
		token          string // the one that sends it
	}{
		{"skill of an agent", "skills", `update plant.agents set skill_ids = array[$1::uuid] where id = (select min(id::text)::uuid from plant.agents)`, "/api/v1/agents", `{"name":"A","specialization":"S","industry":"sales","hourly_rate":1,"skill_ids":["{id}"]}`, s.ada},
		{"skill of a role", "skills", `update plant.job_roles set required_skills = required_skills || $1::uuid`, "/api/v1/job-roles", `{"name":"{new}","seniority_level":"mid","required_skills":["{id}"]}`, s.grace},
		{"role of an agent", "job-roles", `update plant.agents set job_role_id = $1`, "/api/v1/agents", `{"name":"A","specialization":"S","industry":"sales","hourly_rate":1,"job_role_id":"{id}"}`, s.ada},
		{"role of a team", "job-roles", `update plant.teams set job_role_id = $1`, "/api/v1/teams", `{"name":"T","job_role_id":"{id}","agent_ids":["{agent}"]}`, s.ada},
		{"industry of a role", "industries", `update plant.job_roles set industry = (select slug from plant.industries where id = $1)`, "/api/v1/job-roles", `{"name":"{new}","seniority_level":"mid","required_skills":["{skill}"],"industry":"{slug}"}`, s.grace},
		{"industry of an agent", "industries", `
			insert into plant.agents (id, owner_issuer, owner, name, specialization, industry, hourly_rate)
			select gen_random_uuid(), 'i', 'x', 'N', 'S', slug, 1 from plant.industries where id = $1`, "/api/v1/agents", `{"name":"A","specialization":"S","industry":"{slug}","hourly_rate":1}`, s.ada},
	}
	s.publish(t, writer)
	s.team(t, s.jobRole(t, "Role"))
	for _, test := range tests {
		for _, first := range []string{"reference", "deletion"} {
			path := s.keep(t, test.resource, "New "+uuid.NewString())
			id, body := strings.TrimPrefix(path, "/api/v1/"+test.resource+"/"), s.filled(t, test.body)
			if test.resource == "industries" {
				body = strings.ReplaceAll(body, "{slug}", dbtest.Scalar[string](t, s.DB, `select slug from plant.industries where id = $1`, id))
			}
			body = strings.ReplaceAll(body, "{id}", id)
			s.DB.Exec(t, `begin`)
			if first == "reference" {
				s.DB.Exec(t, test.refer, id)
				answered := s.goesAs(t, s.grace, "DELETE", path, "")
				watch.untilBlocked(t, 1)
				s.DB.Exec(t, `commit`)
				(<-answered).WantProblem(t, http.StatusConflict, "CONFLICT")
			} else {
				s.DB.Exec(t, `update plant.`+strings.ReplaceAll(test.resource, "-", "_")+` set deleted_at = now() where id = $1`, id)
				answered := s.goesAs(t, test.token, "POST", test.path, body)
				watch.untilBlocked(t, 1)
				s.DB.Exec(t, `commit`)
				(<-answered).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
			}
			s.noDangling(t)
			if t.Failed() {
				t.Fatalf("%s, the %s first", test.name, first)
			}
		}
	}
	// A team that is deleted while an agent enters it has no agent.
	for _, change := range []string{`update plant.teams set deleted_at = now() where id = $1`, `update plant.teams set description = 'x' where id = $1`} {
		team, agent := s.team(t, s.jobRole(t, uuid.NewString())), s.publish(t, writer)
		s.DB.Exec(t, `begin`)
		s.DB.Exec(t, change, team.ID)
		answered := s.goes(t, "PUT", "/api/v1/agents/"+agent.ID.String(), fmt.Sprintf(`{"team_id":%q}`, team.ID))
		watch.untilBlocked(t, 1)
		s.DB.Exec(t, `commit`)
		if got, entered := (<-answered).Status, strings.Contains(change, "description"); entered != (got == http.StatusOK) || !entered && got != http.StatusUnprocessableEntity {
			t.Errorf("after %s: got %d", change, got)
		}
		s.noDangling(t)
	}
}

// C10: whatever many do at once, in the end nothing refers to what is deleted.
func TestC10_ManyAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	const rounds, workers = 12, 8
	for round := range uint64(rounds) {
		random := rand.New(rand.NewPCG(round, 10))
		skills := []uuid.UUID{s.skill(t, uuid.NewString()), s.skill(t, uuid.NewString())}
		role := s.jobRole(t, uuid.NewString(), skills[0])
		agents := []catalog.Agent{s.publish(t, writer), s.publish(t, writer), s.publish(t, writer)}
		team := s.team(t, role, agents[0].ID)
		at := func(resource string, id uuid.UUID) string { return "/api/v1/" + resource + "/" + id.String() }
		member := func() string { return at("teams", team.ID) + "/agents/" + agents[random.IntN(3)].ID.String() }
		requests := make([]func() apitest.Answer, workers*3)
		for i := range requests {
			agent, skill := at("agents", agents[random.IntN(3)].ID), skills[random.IntN(2)]
			method, path, body, token := "", "", "", s.grace
			switch random.IntN(12) {
			case 0:
				method, path = "DELETE", at("skills", skill)
			case 1:
				method, path = "POST", at("skills", skill)+"/restore"
			case 2:
				method, path, body = "PUT", agent, fmt.Sprintf(`{"skill_ids":[%q]}`, skill)
			case 3:
				method, path, body = "PUT", agent, fmt.Sprintf(`{"job_role_id":%q,"skill_ids":[]}`, role)
			case 4:
				method, path = "DELETE", at("job-roles", role)
			case 5:
				method, path = "POST", at("job-roles", role)+"/restore"
			case 6:
				method, path = "DELETE", at("teams", team.ID)
			case 7:
				method, path = "POST", at("teams", team.ID)+"/restore"
			case 8:
				method, path = "PUT", member()
			case 9:
				method, path = "DELETE", member()
			case 10:
				method, path, body = "PUT", agent, fmt.Sprintf(`{"team_id":%s,"job_role_id":null}`, []string{"null", fmt.Sprintf("%q", team.ID)}[random.IntN(2)])
			case 11:
				method, path = []string{"DELETE", "POST"}[i%2], agent+[]string{"", "/restore"}[i%2]
			}
			requests[i] = func() apitest.Answer { return s.Do(t, method, path, token, body) }
		}
		for status, n := range statuses(together(len(requests), func(i int) apitest.Answer { return requests[i]() })) {
			if status >= http.StatusInternalServerError {
				t.Errorf("round %d: %d × %d", round, n, status)
			}
		}
		s.noDangling(t)
	}
}
