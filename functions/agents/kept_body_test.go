package agents

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// resourceBodies are what one resource is created and changed by: a draft that is whole, and values of its members that are
// refused. What may be left out is refused only where it is wrong.
type resourceBodies struct {
	draft   map[string]string
	refused map[string][]string
	token   func(s service) string
	types   [3]reflect.Type // of the draft, the change and the answer
}

// texts that are refused as a name.
var badNames = []string{`""`, `" "`, `"\u200b\u2060"`, `"a\nb"`, `"a\tb"`, `"a\u0000"`, `"a\u001b"`, `"a\u2028b"`, `"` + strings.Repeat("a", 256) + `"`, `"` + strings.Repeat(`\u0344`, 128) + `"`, "null", "1", `["a"]`}

// texts that are refused as a description; null is none.
var badProse = []string{`"a\u0000"`, `"a\r\nb"`, `"` + strings.Repeat("a", 8001) + `"`, `"` + strings.Repeat(`\u0344`, 4001) + `"`, "1"}

func bodiesOf(t *testing.T, s service) map[string]resourceBodies {
	t.Helper()
	governor, partner := func(s service) string { return s.grace }, func(s service) string { return s.ada }
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	const absent = `"01900000-0000-7000-8000-00000000dead"`
	known, gone, role, agent := s.skill(t, "Known"), s.skill(t, "Gone"), s.jobRole(t, "Role"), s.publish(t, writer).ID
	s.DB.Exec(t, `update plant.skills set deleted_at = now() where id = $1`, gone)
	many := func(n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(absent+",", n), ",") + "]"
	}
	return map[string]resourceBodies{
		"skills": {
			token: governor, draft: map[string]string{"name": `"Listening"`, "category": `"technical"`, "description": `"D"`},
			refused: map[string][]string{"name": badNames, "description": badProse, "category": {`"Technical"`, `"other"`, `""`, "null", "1", `["technical"]`}},
			types:   [3]reflect.Type{reflect.TypeFor[skillDraft](), reflect.TypeFor[skillChange](), reflect.TypeFor[catalog.Skill]()},
		},
		"job-roles": {
			token: governor,
			draft: map[string]string{
				"name": `"Listener"`, "required_skills": "[" + text(known) + "]", "seniority_level": `"mid"`, "industry": `"sales"`, "specializations": `["A"]`, "description": `"D"`,
			},
			refused: map[string][]string{
				"name": badNames, "description": badProse, "seniority_level": {`"Mid"`, `"lead"`, `""`, "null", "1"},
				"required_skills": {`[]`, "null", `[null]`, text(known), `["x"]`, `[""]`, "[" + absent + "]", "[" + text(known) + "," + absent + "]", "[" + text(gone) + "]", "[" + text(agent) + "]", many(101), `[1]`, `{}`},
				"industry":        {`"mining"`, `""`, `"` + strings.Repeat("a", 64) + `"`, "1", `"sales\u0000"`},
				"specializations": {`[""]`, `[" "]`, `["a\nb"]`, `[null]`, `"A"`, `["` + strings.Repeat("a", 101) + `"]`, "[" + strings.TrimSuffix(strings.Repeat(`"a",`, 51), ",") + "]"},
			},
			types: [3]reflect.Type{reflect.TypeFor[jobRoleDraft](), reflect.TypeFor[jobRoleChange](), reflect.TypeFor[catalog.JobRole]()},
		},
		"industries": {
			token: governor, draft: map[string]string{"name": `"Retail"`, "description": `"D"`},
			refused: map[string][]string{"name": badNames, "description": badProse},
			types:   [3]reflect.Type{reflect.TypeFor[industryDraft](), reflect.TypeFor[industryChange](), reflect.TypeFor[industry]()},
		},
		"teams": {
			token: partner, draft: map[string]string{"name": `"Team"`, "job_role_id": text(role), "agent_ids": "[" + text(agent) + "]", "description": `"D"`},
			refused: map[string][]string{
				"name": badNames, "description": badProse, "job_role_id": {absent, "null", `""`, `"x"`, "1", text(known), "{}"},
				"agent_ids": {`[]`, "null", `[null]`, text(agent), `["x"]`, "[" + absent + "]", "[" + text(known) + "]", many(1001), `[1]`, `{}`},
			},
			types: [3]reflect.Type{reflect.TypeFor[teamDraft](), reflect.TypeFor[teamChange](), reflect.TypeFor[team]()},
		},
	}
}

// object is a draft with another value of a member, or without it where the value is "".
func object(draft map[string]string, member, value string) string {
	var parts []string
	for name, text := range draft {
		if name != member {
			parts = append(parts, fmt.Sprintf("%q:%s", name, text))
		}
	}
	if value != "" {
		parts = append(parts, fmt.Sprintf("%q:%s", member, value))
	}
	slices.Sort(parts)
	return "{" + strings.Join(parts, ",") + "}"
}

// I4, I6, I7, I10 and A16: every member of every body is refused where it breaks a rule, by its name, and nothing is written.
func TestKept_BodiesAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	for resource, bodies := range bodiesOf(t, s) {
		token := bodies.token(s)
		created := s.Do(t, "POST", "/api/v1/"+resource, token, object(bodies.draft, "", "")).Want(t, http.StatusCreated)
		path := created.Header.Get("Location")
		total := func() string {
			return s.Do(t, "GET", "/api/v1/"+resource+"?count=exact", "", "").Header.Get("X-Total-Count")
		}
		before := total()
		refuse := func(method, at, member, body string) {
			t.Helper()
			problem := apitest.Decode[httpapi.Problem](t, s.Do(t, method, at, token, body).WantProblem(t, http.StatusUnprocessableEntity, "INVALID"))
			located := func(f *httpapi.Fault) bool {
				return f.Location == "body."+member || strings.HasPrefix(f.Location, "body."+member+"[")
			}
			if len(problem.Errors) == 0 || !slices.ContainsFunc(problem.Errors, located) {
				t.Errorf("%s %s, %s: %.200s: %+v", method, resource, member, body, problem.Errors)
			}
		}
		for member, values := range bodies.refused {
			for _, value := range values {
				refuse("POST", "/api/v1/"+resource, member, object(bodies.draft, member, value))
				for _, method := range []string{"PUT", "PATCH"} {
					refuse(method, path, member, fmt.Sprintf(`{%q:%s}`, member, value))
				}
			}
		}
		// What the server owns, and what is spelt otherwise, cannot be sent.
		draft, change := jsonFields(bodies.types[0]), jsonFields(bodies.types[1])
		if diff := cmp.Diff(slices.DeleteFunc(slices.Clone(draft), func(name string) bool { return name == "slug" }), change); diff != "" {
			t.Errorf("%s: what can be sent at first and what can be changed differ: %s", resource, diff)
		}
		for _, member := range append(jsonFields(bodies.types[2]), "owner_issuer", "role", "certified_by", "certification_level", "Name", "NAME", "$schema") {
			if !slices.Contains(draft, member) {
				refuse("POST", "/api/v1/"+resource, member, object(bodies.draft, member, `"x"`))
			}
			if !slices.Contains(change, member) {
				refuse("PUT", path, member, fmt.Sprintf(`{%q:"x"}`, member))
				refuse("PATCH", path, member, fmt.Sprintf(`{%q:"x"}`, member))
			}
		}
		if after := s.Do(t, "GET", path, "", "").Body; after != created.Body || total() != before {
			t.Errorf("refused bodies made of %s: %s, and %s of %s %s", created.Body, after, total(), before, resource)
		}
	}
	for _, sqlstate := range []string{"22021", "22P05", "23502", "23514"} {
		if strings.Contains(s.Log.String(), "SQLSTATE "+sqlstate) {
			t.Errorf("SQLSTATE %s is in the log", sqlstate)
		}
	}
}

// A draft's optional members may be left out, or be null, and what is needed may not.
func TestKept_BodiesAreTaken(t *testing.T) {
	t.Parallel()
	s := start(t)
	optional := map[string][]string{"skills": {"description"}, "job-roles": {"description", "industry", "specializations"}, "industries": {"description"}, "teams": {"description"}}
	for resource, bodies := range bodiesOf(t, s) {
		token := bodies.token(s)
		for member := range bodies.draft {
			answer := s.Do(t, "POST", "/api/v1/"+resource, token, object(bodies.draft, member, ""))
			if !slices.Contains(optional[resource], member) {
				answer.WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
				continue
			}
			path := answer.Want(t, http.StatusCreated).Header.Get("Location")
			s.Do(t, "PATCH", path, token, object(nil, member, bodies.draft[member])).Want(t, http.StatusOK)
			cleared := s.Do(t, "PATCH", path, token, object(nil, member, "null")).Want(t, http.StatusOK)
			var created, now map[string]any
			for text, into := range map[string]*map[string]any{answer.Body: &created, cleared.Body: &now} {
				if err := json.Unmarshal([]byte(text), into); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(created[member], now[member]); diff != "" {
				t.Errorf("%s: %s that was never sent and one that was taken back: %s", resource, member, diff)
			}
			s.Do(t, "DELETE", path, token, "").Want(t, http.StatusNoContent)
			if resource == "industries" { // whose slug stays taken
				bodies.draft["name"] = fmt.Sprintf(`"Retail of %s"`, member)
			}
		}
	}
	for _, slug := range []string{`""`, `"A"`, `"a b"`, `"-a"`, `"a-"`, `"a--b"`, `"é"`, `"a_b"`, `"` + strings.Repeat("a", 64) + `"`, `"` + apitest.AnID + `"`, "null", "1", `"a\n"`} {
		s.Do(t, "POST", "/api/v1/industries", s.grace, `{"name":"Some","slug":`+slug+`}`).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	}
	for _, name := range []string{"विपणन", "!!!", apitest.AnID} { // of which no slug can be made
		s.Do(t, "POST", "/api/v1/industries", s.grace, fmt.Sprintf(`{"name":%q}`, name)).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
		s.Do(t, "POST", "/api/v1/industries", s.grace, fmt.Sprintf(`{"name":%q,"slug":"s%d"}`, name, len(name))).Want(t, http.StatusCreated)
	}
	// All that is missing of a job role is named at once, and what comes twice is there once.
	known := s.skill(t, "Well known")
	problem := apitest.Decode[httpapi.Problem](t, s.Do(t, "POST", "/api/v1/job-roles", s.grace, fmt.Sprintf(
		`{"name":"R","seniority_level":"mid","industry":"mining","required_skills":[%q,%q,%q]}`, known, apitest.AnID, strings.Replace(apitest.AnID, "1", "2", 1))).
		WantProblem(t, http.StatusUnprocessableEntity, "INVALID"))
	var got []string
	for _, fault := range problem.Errors {
		got = append(got, fault.Location)
	}
	if diff := cmp.Diff([]string{"body.required_skills[1]", "body.required_skills[2]", "body.industry"}, got); diff != "" {
		t.Error(diff)
	}
	role := apitest.Decode[catalog.JobRole](t, s.Do(t, "POST", "/api/v1/job-roles", s.grace, fmt.Sprintf(
		`{"name":"R","seniority_level":"mid","industry":"SALES","required_skills":[%q,%[1]q],"specializations":["a","a"]}`, known)).Want(t, http.StatusCreated))
	if len(role.RequiredSkills) != 1 || len(role.Specializations) != 1 || *role.Industry != "sales" {
		t.Errorf("got %+v", role)
	}
}
