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

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// callers of the matrix, in its columns' order. Ada owns the agent that operations are tried on; Bob does not.
var callers = []string{"nobody", "no role", "unknown role", "customer", "owner", "other partner", "governor", "scheduler"}

// matrix says what each operation answers each caller: on an agent of Ada's where it names one.
// This table is the law; an operation without a row fails the test.
var matrix = map[string]struct {
	body string
	want [8]int // by callers
}{
	"GET /api/v1/agents":                {"", [8]int{200, 200, 200, 200, 200, 200, 200, 200}},
	"GET /api/v1/agents/{id}":           {"", [8]int{200, 200, 200, 200, 200, 200, 200, 200}},
	"GET /api/v1/agents/compare":        {"", [8]int{422, 422, 422, 422, 422, 422, 422, 422}},
	"GET /api/v1/agents/health":         {"", [8]int{200, 200, 200, 200, 200, 200, 200, 200}},
	"GET /api/v1/agents/ready":          {"", [8]int{200, 200, 200, 200, 200, 200, 200, 200}},
	"GET /api/v1/skills":                {"", [8]int{200, 200, 200, 200, 200, 200, 200, 200}},
	"GET /api/v1/skills/{id}":           {"", [8]int{404, 404, 404, 404, 404, 404, 404, 404}},
	"GET /api/v1/job-roles":             {"", [8]int{200, 200, 200, 200, 200, 200, 200, 200}},
	"GET /api/v1/job-roles/{id}":        {"", [8]int{404, 404, 404, 404, 404, 404, 404, 404}},
	"GET /api/v1/job-roles/{id}/skills": {"", [8]int{404, 404, 404, 404, 404, 404, 404, 404}},
	"GET /api/v1/industries":            {"", [8]int{200, 200, 200, 200, 200, 200, 200, 200}},
	"GET /api/v1/industries/{id}":       {"", [8]int{404, 404, 404, 404, 404, 404, 404, 404}},
	"POST /api/v1/agents":               {writer, [8]int{401, 403, 403, 403, 201, 201, 201, 403}},
	"POST /api/v1/agents/batch":         {`{"agents":[` + writer + `]}`, [8]int{401, 403, 403, 403, 200, 200, 200, 403}},
	"PUT /api/v1/agents/{id}":           {`{"name":"Changed"}`, [8]int{401, 403, 403, 403, 200, 403, 200, 403}},
	"PATCH /api/v1/agents/{id}":         {`{"name":"Changed"}`, [8]int{401, 403, 403, 403, 200, 403, 200, 403}},
	"PUT /api/v1/agents/{id}/status":    {`{"status":"working"}`, [8]int{401, 403, 403, 403, 200, 403, 200, 200}},
	"DELETE /api/v1/agents/{id}":        {"", [8]int{401, 403, 403, 403, 204, 403, 204, 403}},
	"POST /api/v1/agents/{id}/restore":  {"", [8]int{401, 403, 403, 403, 200, 403, 200, 403}},
	"POST /api/v1/agents/{id}/transfer": {`{"owner":"zoe"}`, [8]int{401, 403, 403, 403, 200, 403, 200, 403}},
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
			method, template, _ := strings.Cut(operation, " ")
			for i, token := range s.tokens(t, scheduler) {
				agent := s.publish(t, writer)
				path := "/api/v1/agents/" + agent.ID.String()
				if strings.HasSuffix(template, "/restore") {
					s.Do(t, "DELETE", path, s.ada, "").Want(t, http.StatusNoContent)
				}
				got := s.Do(t, method, strings.ReplaceAll(template, "{id}", agent.ID.String()), token, row.body)
				if got.Status != row.want[i] {
					t.Errorf("%s: got %d, want %d: %s", callers[i], got.Status, row.want[i], got.Body)
				}
				if got.Status >= http.StatusBadRequest && !strings.HasSuffix(template, "/restore") {
					after := apitest.Decode[catalog.Agent](t, s.Do(t, "GET", path, "", "").Want(t, http.StatusOK))
					if diff := cmp.Diff(agent, after); diff != "" {
						t.Errorf("%s was refused and changed the agent: %s", callers[i], diff)
					}
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
		for i, token := range s.tokens(t, scheduler) {
			want := row.want[i]
			if want/100 == 2 || callers[i] == "other partner" {
				want = http.StatusNotFound
			}
			var first string
			for _, id := range absent {
				answer := s.Do(t, method, strings.ReplaceAll(template, "{id}", id), token, row.body)
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
	s.DB.Exec(t, `insert into plant.teams (id, owner_issuer, owner, name, job_role_id) values ('01900000-0000-7000-8000-00000000000a', $1, 'ada', 'Team', $2)`, s.Issuer, role)
	team := func(id string) string {
		answer := s.Do(t, "POST", "/api/v1/agents", s.Token(t, auth.Partner, "bob"), with("team_id", `"`+id+`"`)).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
		return strings.ReplaceAll(changing.ReplaceAllString(answer.Body, ""), id, "")
	}
	if foreign, absent := team("01900000-0000-7000-8000-00000000000a"), team("01900000-0000-7000-8000-00000000dead"); foreign != absent {
		t.Errorf("a foreign team is told apart: %s, %s", foreign, absent)
	}
	s.Do(t, "POST", "/api/v1/agents", s.ada, with("team_id", `"01900000-0000-7000-8000-00000000000a"`)).Want(t, http.StatusCreated)
	path := bobs.Header.Get("Location")
	s.Do(t, "PUT", path, s.Token(t, auth.Governor, "grace"), `{"team_id":"01900000-0000-7000-8000-00000000000a"}`).
		WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
}
