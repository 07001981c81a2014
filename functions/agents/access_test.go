package agents

import (
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// callers of the matrix, in its columns' order. Ada owns the agent that operations are tried on; Bob does not. Carl is the
// customer, and has hired it.
var callers = []string{"nobody", "no role", "unknown role", "customer", "owner", "other partner", "governor", "scheduler"}

// matrix says what each operation answers each caller: on something of Ada's, or of nobody's, where it names one. In a body
// {agent}, {skill}, {role} and {new} stand for an agent of Ada's, a skill, a job role and what was never there before.
// This table is the law; an operation without a row fails the test.
var matrix = map[string]struct {
	body string
	want [8]int // by callers
}{
	"GET /api/v1/agents":                          {"", everyone},
	"GET /api/v1/agents/{id}":                     {"", everyone},
	"GET /api/v1/agents/{id}/card":                {"", everyone},
	"GET /api/v1/agents/compare":                  {"", [8]int{422, 422, 422, 422, 422, 422, 422, 422}},
	"GET /api/v1/agents/health":                   {"", everyone},
	"GET /api/v1/agents/ready":                    {"", everyone},
	"GET /api/v1/skills":                          {"", everyone},
	"GET /api/v1/skills/{id}":                     {"", everyone},
	"GET /api/v1/job-roles":                       {"", everyone},
	"GET /api/v1/job-roles/{id}":                  {"", everyone},
	"GET /api/v1/job-roles/{id}/skills":           {"", everyone},
	"GET /api/v1/industries":                      {"", everyone},
	"GET /api/v1/industries/{id}":                 {"", everyone},
	"POST /api/v1/agents":                         {writer, [8]int{401, 403, 403, 403, 201, 201, 201, 403}},
	"POST /api/v1/agents/batch":                   {`{"agents":[` + writer + `]}`, [8]int{401, 403, 403, 403, 200, 200, 200, 403}},
	"PUT /api/v1/agents/{id}":                     {`{"name":"Changed"}`, owners(200)},
	"PATCH /api/v1/agents/{id}":                   {`{"name":"Changed"}`, owners(200)},
	"PUT /api/v1/agents/{id}/status":              {`{"status":"working"}`, [8]int{401, 403, 403, 403, 200, 403, 200, 200}},
	"DELETE /api/v1/agents/{id}":                  {"", owners(204)},
	"POST /api/v1/agents/{id}/restore":            {"", owners(200)},
	"POST /api/v1/agents/{id}/transfer":           {`{"owner":"zoe"}`, owners(200)},
	"POST /api/v1/skills":                         {`{"name":"{new}","category":"technical"}`, governors(201)},
	"PUT /api/v1/skills/{id}":                     {`{"name":"{new}"}`, governors(200)},
	"PATCH /api/v1/skills/{id}":                   {`{"name":"{new}"}`, governors(200)},
	"DELETE /api/v1/skills/{id}":                  {"", governors(204)},
	"POST /api/v1/skills/{id}/restore":            {"", governors(200)},
	"POST /api/v1/skills/{id}/certify":            {`{"level":"expert","evidence_url":"https://evidence.example/1.pdf","issuer":"Board"}`, governors(200)},
	"DELETE /api/v1/skills/{id}/certification":    {"", governors(204)},
	"POST /api/v1/job-roles":                      {`{"name":"{new}","required_skills":["{skill}"],"seniority_level":"mid"}`, governors(201)},
	"PUT /api/v1/job-roles/{id}":                  {`{"name":"{new}"}`, governors(200)},
	"PATCH /api/v1/job-roles/{id}":                {`{"name":"{new}"}`, governors(200)},
	"DELETE /api/v1/job-roles/{id}":               {"", governors(204)},
	"POST /api/v1/job-roles/{id}/restore":         {"", governors(200)},
	"POST /api/v1/job-roles/{id}/certify":         {`{"level":"expert","evidence_url":"https://evidence.example/1.pdf","issuer":"Board"}`, governors(200)},
	"DELETE /api/v1/job-roles/{id}/certification": {"", governors(204)},
	"POST /api/v1/industries":                     {`{"name":"{new}"}`, governors(201)},
	"PUT /api/v1/industries/{id}":                 {`{"name":"{new}"}`, governors(200)},
	"PATCH /api/v1/industries/{id}":               {`{"name":"{new}"}`, governors(200)},
	"DELETE /api/v1/industries/{id}":              {"", governors(204)},
	"POST /api/v1/industries/{id}/restore":        {"", governors(200)},
	"GET /api/v1/teams":                           {"", everyone},
	"GET /api/v1/teams/{id}":                      {"", everyone},
	"POST /api/v1/teams":                          {`{"name":"Team","job_role_id":"{role}","agent_ids":["{agent}"]}`, [8]int{401, 403, 403, 403, 201, 422, 422, 403}},
	"PUT /api/v1/teams/{id}":                      {`{"name":"Changed"}`, owners(200)},
	"PATCH /api/v1/teams/{id}":                    {`{"name":"Changed"}`, owners(200)},
	"DELETE /api/v1/teams/{id}":                   {"", owners(204)},
	"POST /api/v1/teams/{id}/restore":             {"", owners(200)},
	"PUT /api/v1/teams/{id}/agents/{agent_id}":    {"", owners(200)},
	"DELETE /api/v1/teams/{id}/agents/{agent_id}": {"", owners(204)},
	"POST /api/v1/agents/{id}/hires":              {monthly, [8]int{401, 403, 403, 201, 403, 403, 201, 403}},
	"GET /api/v1/hires":                           {"", [8]int{401, 403, 403, 200, 200, 200, 200, 403}},
	"GET /api/v1/hires/{id}":                      {"", [8]int{401, 403, 403, 200, 200, 404, 200, 403}},
	"PUT /api/v1/hires/{id}/status":               {`{"status":"ended"}`, [8]int{401, 403, 403, 200, 200, 404, 200, 403}},
	"POST /api/v1/hires/{id}/review":              {`{"rating":5,"text":"Good"}`, [8]int{401, 403, 403, 201, 403, 403, 403, 403}},
	"GET /api/v1/hires/{id}/review":               {"", [8]int{401, 403, 403, 200, 200, 404, 200, 403}},
	"POST /api/v1/hires/{id}/review/reply":        {`{"text":"Thank you"}`, [8]int{401, 403, 403, 403, 200, 404, 403, 403}},
	"PUT /api/v1/hires/{id}/review/hidden":        {`{"hidden":true}`, governors(200)},
	"GET /api/v1/agents/{id}/reviews":             {"", everyone},
	"GET /api/v1/agents/{id}/history":             {"", owners(200)},
	"GET /api/v1/changes":                         {"", everyone},
	"GET /api/v1/audit/checkpoint":                {"", everyone},
	"GET /api/v1/audit/proof/inclusion":           {"", [8]int{422, 422, 422, 422, 422, 422, 422, 422}},
	"GET /api/v1/audit/proof/consistency":         {"", [8]int{422, 422, 422, 422, 422, 422, 422, 422}},
	"GET /api/v1/audit/tampering/{entity_id}":     {"", governors(200)},
	"GET /api/v1/audit/export":                    {"", governors(200)},
	"POST /api/v1/audit/run":                      {"{}", governors(200)},
}

var everyone = [8]int{200, 200, 200, 200, 200, 200, 200, 200}

// owners and governors are the answers of what only they may do.
func owners(ok int) [8]int    { return [8]int{401, 403, 403, 403, ok, 403, ok, 403} }
func governors(ok int) [8]int { return [8]int{401, 403, 403, 403, 403, 403, ok, 403} }

// arrange makes what an operation is tried on, and returns its address and body, and where what it is tried on is read.
func (s service) arrange(t *testing.T, operation string) (path, body, of string) {
	t.Helper()
	_, template, _ := strings.Cut(operation, " ")
	resource := strings.Split(template, "/")[3]
	var id, agent string
	if strings.Contains(template, "{id}") {
		switch resource {
		case "agents":
			id = s.publish(t, writer).ID.String()
		case "skills":
			id = s.skill(t, uuid.NewString()).String()
		case "job-roles":
			id = s.jobRole(t, uuid.NewString()).String()
		case "industries":
			id = s.industry(t, "New "+uuid.NewString()).ID.String()
		case "teams":
			team := s.team(t, s.jobRole(t, uuid.NewString()), s.publish(t, writer).ID, s.publish(t, writer).ID)
			id, agent = team.ID.String(), team.AgentIDs[1].String()
		case "hires":
			id = s.active(t, s.publish(t, writer).ID).ID.String()
		}
	}
	of = "/api/v1/" + resource + "/" + id
	switch {
	case strings.HasSuffix(template, "/restore"):
		s.Do(t, "DELETE", of, s.grace, "").Want(t, http.StatusNoContent)
	case template == "/api/v1/hires":
		s.hire(t, s.publish(t, writer).ID)
	case strings.HasSuffix(template, "/reviews"):
		s.Do(t, "POST", s.active(t, uuid.MustParse(id)).Address()+"/review", s.carl(t), `{"rating":3}`).Want(t, http.StatusCreated)
	case strings.Contains(template, "/review") && operation != "POST /api/v1/hires/{id}/review":
		s.Do(t, "POST", of+"/review", s.carl(t), matrix["POST /api/v1/hires/{id}/review"].body).Want(t, http.StatusCreated)
	case strings.HasSuffix(template, "/certification"):
		s.Do(t, "POST", of+"/certify", s.grace, matrix["POST /api/v1/skills/{id}/certify"].body).Want(t, http.StatusOK)
	case strings.HasPrefix(operation, "PUT") && agent != "":
		agent = s.publish(t, writer).ID.String()
	}
	if strings.Contains(template, "{entity_id}") {
		id = s.publish(t, writer).ID.String()
	}
	return strings.NewReplacer("{id}", id, "{agent_id}", agent, "{entity_id}", id).Replace(template), s.filled(t, matrix[operation].body), of
}

// filled is a body of the matrix with what its names stand for.
func (s service) filled(t *testing.T, body string) string {
	t.Helper()
	for name, stands := range map[string]func() string{
		"{agent}": func() string { return s.publish(t, writer).ID.String() },
		"{skill}": func() string { return s.skill(t, uuid.NewString()).String() },
		"{role}":  func() string { return s.jobRole(t, uuid.NewString()).String() },
		"{new}":   func() string { return "New " + uuid.NewString() },
	} {
		if strings.Contains(body, name) {
			body = strings.ReplaceAll(body, name, stands())
		}
	}
	return body
}

// tokens are those of the callers.
func (s service) tokens(t *testing.T, scheduler string) []string {
	t.Helper()
	return []string{
		"", s.Token(t, "", "rob"), s.Token(t, "superuser", "eve"), s.Token(t, auth.Customer, "carl"), s.ada,
		s.Token(t, auth.Partner, "bob"), s.Token(t, auth.Governor, "grace"), scheduler,
	}
}

// A13 and A14: every operation, every caller, own and foreign, as the table says.
func TestA13_A14_Matrix(t *testing.T) {
	t.Parallel()
	operations := apitest.Operations(t, Function)
	for _, operation := range operations {
		row, written := matrix[operation]
		if !written {
			t.Errorf("%s has no row in the matrix", operation)
			continue
		}
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			s, scheduler := startScheduled(t)
			method, _, _ := strings.Cut(operation, " ")
			for i, token := range s.tokens(t, scheduler) {
				path, body, of := s.arrange(t, operation)
				before := s.Do(t, "GET", of, s.grace, "")
				got := s.Do(t, method, path, token, body)
				if got.Status != row.want[i] {
					t.Errorf("%s: got %d, want %d: %s", callers[i], got.Status, row.want[i], got.Body)
				}
				after := s.Do(t, "GET", of, s.grace, "")
				if got.Status >= http.StatusBadRequest && (before.Status != after.Status || before.Status == http.StatusOK && before.Body != after.Body) {
					t.Errorf("%s was refused and made of %s: %s", callers[i], before.Body, after.Body)
				}
			}
		})
	}
	for operation := range matrix {
		if !slices.Contains(operations, operation) {
			t.Errorf("the matrix has a row for %s, which is not there", operation)
		}
	}
}

// A13 and A23: of what is not there, whoever may do a thing at all is told the same, and nobody else is told anything.
func TestA13_A23_AbsentObjects(t *testing.T) {
	t.Parallel()
	s, scheduler := startScheduled(t)
	deleted := s.path(t, writer)
	s.Do(t, "DELETE", deleted, s.ada, "").Want(t, http.StatusNoContent)
	s.DB.Exec(t, `update plant.agents set deleted_at = now() - interval '31 days'`)
	absent := []string{strings.TrimPrefix(deleted, "/api/v1/agents/"), "01900000-0000-7000-8000-00000000dead", "x", "-1", strings.Repeat("a", 300), "me", "null", "%25"}
	for operation, row := range matrix {
		method, template, _ := strings.Cut(operation, " ")
		if !strings.Contains(template, "{id}") {
			continue
		}
		body := s.filled(t, row.body)
		for i, token := range s.tokens(t, scheduler) {
			want := row.want[i]
			owners := row.want[slices.Index(callers, "owner")]/100 == 2
			if want/100 == 2 || callers[i] == "other partner" && owners || callers[i] == "governor" && !strings.Contains(template, "{agent_id}") {
				want = http.StatusNotFound
			}
			var first string
			for _, id := range absent {
				if id == absent[0] && strings.HasSuffix(template, "/history") {
					continue // which what is deleted still has
				}
				answer := s.Do(t, method, strings.NewReplacer("{id}", id, "{agent_id}", apitest.AnID).Replace(template), token, body)
				got := changing.ReplaceAllString(answer.Body, "")
				if first == "" {
					first = got
				}
				if answer.Status != want || got != first {
					t.Errorf("%s of %.40s, %s: got %d, want %d: %s, and first %s", operation, id, callers[i], answer.Status, want, got, first)
				}
			}
		}
	}
}

// A12: the role is that of the token at hand; one without a role only reads what all may.
func TestA12_RoleOfTheToken(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Do(t, "POST", "/api/v1/agents", s.Token(t, auth.Partner, "eve"), writer).Want(t, http.StatusCreated)
	s.Do(t, "POST", "/api/v1/agents", s.Token(t, auth.Customer, "eve"), writer).WantProblem(t, http.StatusForbidden, "FORBIDDEN")
	s.Do(t, "POST", "/api/v1/agents", s.Token(t, auth.Service, "eve"), writer).WantProblem(t, http.StatusForbidden, "FORBIDDEN")
}

// A15: nothing but the token makes a governor.
func TestA15_NoEscalation(t *testing.T) {
	t.Parallel()
	s := start(t)
	foreign := "/api/v1/agents/" + s.publish(t, writer).ID.String()
	bob := s.Token(t, auth.Partner, "bob")
	for _, header := range []string{"X-Role", "X-User-Role", "Role", "X-Forwarded-User", "X-Owner", "Plant-Role"} {
		s.Do(t, "DELETE", foreign, bob, "", apitest.Header{Name: header, Value: "governor"}).Want(t, http.StatusForbidden)
	}
	for _, query := range []string{"role=governor", "owner=ada", "sub=ada"} {
		s.Do(t, "DELETE", foreign+"?"+query, bob, "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	}
	for _, body := range []string{`{"role":"governor","name":"x"}`, `{"name":"x","caller":{"role":"governor"}}`} {
		s.Do(t, "PUT", foreign, bob, body).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	}
	s.Do(t, "PUT", foreign, bob, `{"name":"x"}`).WantProblem(t, http.StatusForbidden, "FORBIDDEN")
}

// A16: what the server owns cannot be sent, on any way in.
func TestA16_MassAssignment(t *testing.T) {
	t.Parallel()
	s := start(t)
	accepted := jsonFields(reflect.TypeFor[agentDraft]())
	var tests []refused
	for _, field := range append(jsonFields(reflect.TypeFor[catalog.Agent]()), "owner_issuer", "tenant", "role", "hash", "avg_rating") {
		if !slices.Contains(accepted, field) {
			tests = append(tests, refused{"sent " + field, with(field, `"x"`), "INVALID", "body." + field})
		}
	}
	if len(tests) < 10 {
		t.Fatalf("only %d fields are the server's", len(tests))
	}
	wantRefused(t, s, tests)
	if diff := cmp.Diff(accepted, jsonFields(reflect.TypeFor[agentChange]())); diff != "" {
		t.Errorf("what can be sent at first and what can be changed differ: %s", diff)
	}
}

// A16: the smaller bodies take what is theirs too, and what a batch holds is not more than a draft.
func TestA16_OtherBodies(t *testing.T) {
	t.Parallel()
	s := start(t)
	agent := s.publish(t, writer)
	path := "/api/v1/agents/" + agent.ID.String()
	bodies := map[string]string{
		"PUT /status": `{"status":"working",%s}`, "POST /transfer": `{"owner":"bob",%s}`, "POST /batch": `{"agents":[` + writer + `],%s}`,
	}
	for _, member := range []string{`"id":"` + apitest.AnID + `"`, `"version":9`, `"role":"governor"`, `"owner_issuer":"x"`, `"name":"x"`, `"deleted_at":null`, `"price":1`, `"Owner":"eve"`} {
		for operation, body := range bodies {
			method, suffix, _ := strings.Cut(operation, " ")
			at := path + suffix
			if suffix == "/batch" {
				at = "/api/v1/agents/batch"
			}
			s.Do(t, method, at, s.ada, fmt.Sprintf(body, member)).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
		}
		if name, value, _ := strings.Cut(member, ":"); name != `"name"` { // which is a draft's own
			item := s.Do(t, "POST", "/api/v1/agents/batch", s.ada, `{"agents":[`+with(strings.Trim(name, `"`), value)+`]}`).Want(t, http.StatusOK)
			if !strings.Contains(item.Body, `"status":422`) {
				t.Errorf("a batch takes %s: %s", member, item.Body)
			}
		}
	}
	if after := s.all(t, "/api/v1/agents"); len(after) != 1 || after[0].Version != 1 || after[0].Owner != "ada" {
		t.Errorf("left %+v", after)
	}
}

func jsonFields(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// A17: an answer has the fields of this list and no others, whoever asks.
func TestA17_FieldsOfAnAnswer(t *testing.T) {
	t.Parallel()
	allowed := []string{
		"allowed_durations", "created_at", "currency", "description", "exclusive", "external_id", "hourly_rate", "id", "industry", "job_role_id",
		"languages", "metrics", "name", "owner", "price", "skill_ids", "specialization", "status", "tags", "team_id", "trial_days", "updated_at", "version",
	}
	s, scheduler := startScheduled(t)
	path := s.path(t, writer)
	for i, token := range s.tokens(t, scheduler) {
		answer := apitest.Decode[map[string]any](t, s.Do(t, "GET", path, token, ""))
		var got []string
		for name := range answer {
			got = append(got, name)
		}
		slices.Sort(got)
		if diff := cmp.Diff(allowed, got); diff != "" {
			t.Errorf("%s: %s", callers[i], diff)
		}
	}
}

var changing = regexp.MustCompile(`"(request_id|timestamp)":"[^"]*"`)

// A22 and A23: what does not exist, what was deleted and what is no id are all the same; a conflict tells of one's own only.
func TestA23_NothingIsToldOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s := start(t)
	deleted := s.publish(t, writer).ID.String()
	s.Do(t, "DELETE", "/api/v1/agents/"+deleted, s.ada, "").Want(t, http.StatusNoContent)
	for method, body := range map[string]string{"GET": "", "PUT": `{"name":"x"}`, "PATCH": `{"name":"x"}`, "DELETE": ""} {
		var first string
		for _, id := range []string{"01900000-0000-7000-8000-00000000dead", deleted, "x", "1", "0", "01900000-0000-7000-8000-00000000deadbeef", "%F0%9F%98%80"} {
			answer := s.Do(t, method, "/api/v1/agents/"+id, s.Token(t, auth.Partner, "bob"), body).WantProblem(t, http.StatusNotFound, "NOT_FOUND")
			got := changing.ReplaceAllString(answer.Body, "")
			if first == "" {
				first = got
			}
			if got != first {
				t.Errorf("%s of %s: %s, and not %s", method, id, got, first)
			}
		}
	}
}

func TestA22_ConflictsTellOfOnesOwnOnly(t *testing.T) {
	t.Parallel()
	s := start(t)
	draft := with("external_id", `"crm-1"`)
	s.publish(t, draft)
	s.Do(t, "POST", "/api/v1/agents", s.ada, draft).WantProblem(t, http.StatusConflict, "CONFLICT")
	bobs := s.Do(t, "POST", "/api/v1/agents", s.Token(t, auth.Partner, "bob"), draft).Want(t, http.StatusCreated)
	// A team of someone else's is as unknown as one that does not exist.
	role := s.jobRole(t, "Role")
	foreignTeam := s.team(t, role).ID.String()
	team := func(id string) string {
		answer := s.Do(t, "POST", "/api/v1/agents", s.Token(t, auth.Partner, "bob"), with("team_id", `"`+id+`"`)).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
		return strings.ReplaceAll(changing.ReplaceAllString(answer.Body, ""), id, "")
	}
	if foreign, absent := team(foreignTeam), team("01900000-0000-7000-8000-00000000dead"); foreign != absent {
		t.Errorf("a foreign team is told apart: %s, %s", foreign, absent)
	}
	s.Do(t, "POST", "/api/v1/agents", s.ada, with("team_id", `"`+foreignTeam+`"`)).Want(t, http.StatusCreated)
	path := bobs.Header.Get("Location")
	s.Do(t, "PUT", path, s.Token(t, auth.Governor, "grace"), `{"team_id":"`+foreignTeam+`"}`).
		WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
}
