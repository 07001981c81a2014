package agents

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

func (s service) path(t *testing.T, draft string) string {
	t.Helper()
	return "/api/v1/agents/" + s.publish(t, draft).ID.String()
}

func TestConditional_Reads(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := s.path(t, writer)
	tag := s.Do(t, "GET", path, "", "").Header.Get("ETag")
	for sent, want := range map[string]int{tag: 304, "W/" + tag: 304, "*": 304, `"x", ` + tag: 304, `"x"`: 200, "": 200} {
		answer := s.Do(t, "GET", path, "", "", apitest.Header{Name: "If-None-Match", Value: sent}).Want(t, want)
		if answer.Header.Get("ETag") != tag || want == 304 && answer.Body != "" {
			t.Errorf("If-None-Match %s: %+v", sent, answer)
		}
	}
	// Metrics change the tag without a new version.
	s.DB.Exec(t, `update plant.agent_statistics set total_jobs = 1`)
	if after := s.Do(t, "GET", path, "", "").Header.Get("ETag"); after == tag || !strings.HasPrefix(after, `"1.`) {
		t.Errorf("ETag was %s and is %s", tag, after)
	}
	for list, id := range map[string]uuid.UUID{"skills": s.skill(t, "A"), "job-roles": s.jobRole(t, "B")} {
		answer := s.Do(t, "GET", "/api/v1/"+list+"/"+id.String(), "", "").Want(t, http.StatusOK)
		s.Do(t, "GET", "/api/v1/"+list+"/"+id.String(), "", "", apitest.Header{Name: "If-None-Match", Value: answer.Header.Get("ETag")}).Want(t, 304)
	}
	for _, name := range []string{"marketing", "MARKETING", "01900000-0000-7000-8000-000000000001"} {
		if body := s.Do(t, "GET", "/api/v1/industries/"+name, "", "").Want(t, http.StatusOK).Body; !strings.Contains(body, `"slug":"marketing"`) {
			t.Errorf("%s: %s", name, body)
		}
	}
}

func TestConditional_Writes(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, write := range []struct{ method, suffix, body string }{
		{"PUT", "", `{"name":"x"}`}, {"PATCH", "", `{"name":"x"}`}, {"PUT", "/status", `{"status":"working"}`}, {"DELETE", "", ""},
	} {
		path := s.path(t, writer)
		first := s.Do(t, "GET", path, "", "").Header.Get("ETag")
		s.Do(t, "PUT", path, s.ada, `{"name":"Changed"}`).Want(t, http.StatusOK)
		match := func(value string) apitest.Header { return apitest.Header{Name: "If-Match", Value: value} }
		for _, stale := range []string{first, `"1"`, "W/" + `"2.x"`, `"nonsense"`, "2", `"99999999999999999999"`} {
			s.Do(t, write.method, path+write.suffix, s.ada, write.body, match(stale)).WantProblem(t, http.StatusPreconditionFailed, "STALE")
		}
		// What is someone else's, or not there, is told before what is stale.
		s.Do(t, write.method, path+write.suffix, s.Token(t, auth.Partner, "bob"), write.body, match(first)).WantProblem(t, http.StatusForbidden, "FORBIDDEN")
		s.Do(t, write.method, "/api/v1/agents/01900000-0000-7000-8000-00000000dead"+write.suffix, s.ada, write.body, match(first)).WantProblem(t, http.StatusNotFound, "NOT_FOUND")
		current := s.Do(t, "GET", path, "", "").Header.Get("ETag")
		if got := s.Do(t, write.method, path+write.suffix, s.ada, write.body, match(first+", "+current)); got.Status/100 != 2 {
			t.Errorf("%s%s with the current tag: %d %s", write.method, write.suffix, got.Status, got.Body)
		}
	}
	path := s.path(t, writer)
	s.Do(t, "PUT", path, s.ada, `{}`, apitest.Header{Name: "If-Match", Value: "*"}).Want(t, http.StatusOK)
}

// C1: of 50 who read, change and write back, each success is one step, and the others are told.
func TestC1_NoUpdateIsLost(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := s.path(t, with("trial_days", "0"))
	var mu sync.Mutex
	done := 0
	var changing sync.WaitGroup
	for range 10 {
		changing.Go(func() {
			for range 5 {
				read := s.Do(t, "GET", path, s.ada, "")
				days := apitest.Decode[catalog.Agent](t, read).TrialDays
				answer := s.Do(t, "PUT", path, s.ada, fmt.Sprintf(`{"trial_days":%d}`, days+1), apitest.Header{Name: "If-Match", Value: read.Header.Get("ETag")})
				switch answer.Status {
				case http.StatusOK:
					mu.Lock()
					done++
					mu.Unlock()
				case http.StatusPreconditionFailed:
				default:
					t.Errorf("got %d %s", answer.Status, answer.Body)
				}
			}
		})
	}
	changing.Wait()
	if got := apitest.Decode[catalog.Agent](t, s.Do(t, "GET", path, "", "")); got.TrialDays != done || int(got.Version) != done+1 {
		t.Errorf("%d succeeded, and there are %d steps and version %d", done, got.TrialDays, got.Version)
	}
}

func TestChange_KeepsWhatIsNotSent(t *testing.T) {
	t.Parallel()
	s := start(t)
	skill, role := s.skill(t, "A"), s.jobRole(t, "B")
	full := fmt.Sprintf(`{"name":"N","specialization":"S","industry":"sales","hourly_rate":10,"description":"D","skill_ids":[%q],"job_role_id":%q,
		"trial_days":0,"allowed_durations":["yearly"],"currency":"EUR","tags":["t"],"languages":["de"],"exclusive":true,"external_id":"e"}`, skill, role)
	for _, method := range []string{"PUT", "PATCH"} {
		path := s.path(t, strings.Replace(full, `"external_id":"e"`, fmt.Sprintf(`"external_id":%q`, method), 1))
		before := apitest.Decode[catalog.Agent](t, s.Do(t, "GET", path, "", ""))
		s.Do(t, method, path, s.ada, `{}`).Want(t, http.StatusOK)
		same := apitest.Decode[catalog.Agent](t, s.Do(t, "GET", path, "", ""))
		want := before
		want.Version, want.UpdatedAt = 2, same.UpdatedAt
		if diff := cmp.Diff(want, same); diff != "" {
			t.Errorf("%s of nothing changed something: %s", method, diff)
		}
		// Null brings the default back, and removes what may be missing.
		cleared := apitest.Decode[catalog.Agent](t, s.Do(t, method, path, s.ada, `{"description":null,"skill_ids":null,"job_role_id":null,"team_id":null,
			"trial_days":null,"allowed_durations":null,"currency":null,"tags":null,"languages":null,"exclusive":null,"external_id":null}`).Want(t, http.StatusOK))
		want = catalog.Agent{
			ID: before.ID, Owner: "ada", Name: "N", Specialization: "S", Industry: "sales", HourlyRate: catalog.Hundredths(1000), Price: catalog.Hundredths(160000),
			Currency: "INR", TrialDays: 7, AllowedDurations: []string{"monthly", "quarterly"}, Tags: []string{}, Languages: []string{}, SkillIDs: []uuid.UUID{},
			Status: "available", Version: 3, CreatedAt: before.CreatedAt, UpdatedAt: cleared.UpdatedAt,
		}
		if diff := cmp.Diff(want, cleared); diff != "" {
			t.Errorf("%s of nulls: %s", method, diff)
		}
	}
}

func TestChange_IndustryIsLocked(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := s.path(t, writer)
	s.Do(t, "PUT", path, s.ada, `{"industry":"Marketing","name":"x"}`).Want(t, http.StatusOK)
	for _, industry := range []string{"sales", "mining"} {
		s.Do(t, "PUT", path, s.ada, `{"industry":"`+industry+`"}`).WantProblem(t, http.StatusUnprocessableEntity, "INDUSTRY_LOCKED")
	}
	s.Do(t, "PATCH", path, s.Token(t, auth.Governor, "grace"), `{"industry":"sales"}`).WantProblem(t, http.StatusUnprocessableEntity, "INDUSTRY_LOCKED")
}

func TestReferences_AllThatAreMissingAreNamed(t *testing.T) {
	t.Parallel()
	s := start(t)
	known := s.skill(t, "Known")
	const absent = "01900000-0000-7000-8000-00000000dead"
	draft := fmt.Sprintf(`{"name":"N","specialization":"S","industry":"mining","hourly_rate":10,"skill_ids":[%q,%q],"job_role_id":%q,"team_id":%q}`, known, absent, absent, absent)
	want := []string{"body.skill_ids[1]", "body.job_role_id", "body.team_id", "body.industry"}
	path := s.path(t, writer)
	for method, at := range map[string]string{"POST": "/api/v1/agents", "PUT": path} {
		body := draft
		if method == "PUT" {
			body = strings.Replace(draft, `"industry":"mining",`, "", 1)
			want = want[:3]
		} else {
			want = want[:4]
		}
		problem := apitest.Decode[httpapi.Problem](t, s.Do(t, method, at, s.ada, body).WantProblem(t, http.StatusUnprocessableEntity, "INVALID"))
		var got []string
		for _, fault := range problem.Errors {
			got = append(got, fault.Location)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", method, diff)
		}
	}
	s.DB.Exec(t, `update plant.skills set deleted_at = now()`)
	s.Do(t, "PUT", path, s.ada, fmt.Sprintf(`{"skill_ids":[%q]}`, known)).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
}

func TestSkills_CountTheirAgents(t *testing.T) {
	t.Parallel()
	s := start(t)
	skill := s.skill(t, "Shared")
	draft := with("skill_ids", fmt.Sprintf(`[%q,%q]`, skill, skill)) // twice is once
	path := s.path(t, draft)
	s.publish(t, draft)
	count := func(want int) {
		t.Helper()
		if body := s.Do(t, "GET", "/api/v1/skills/"+skill.String(), "", "").Body; !strings.Contains(body, fmt.Sprintf(`"agents_with_skill":%d,`, want)) {
			t.Errorf("want %d in %s", want, body)
		}
	}
	count(2)
	s.Do(t, "PUT", path, s.ada, `{"skill_ids":[]}`).Want(t, http.StatusOK)
	count(1)
	role := s.jobRole(t, "Role", skill)
	if body := s.Do(t, "GET", "/api/v1/job-roles/"+role.String()+"/skills", "", "").Want(t, http.StatusOK).Body; !strings.Contains(body, `"name":"Shared"`) {
		t.Error(body)
	}
	if body := s.Do(t, "GET", "/api/v1/job-roles/"+role.String(), "", "").Want(t, http.StatusOK).Body; !strings.Contains(body, skill.String()) {
		t.Error(body)
	}
	s.Do(t, "GET", "/api/v1/job-roles?industry=sales&seniority_level=mid", "", "").Want(t, http.StatusOK)
	s.Do(t, "GET", "/api/v1/skills?category=technical", "", "").Want(t, http.StatusOK)
}

func TestTransfer(t *testing.T) {
	t.Parallel()
	s := start(t)
	path, bob := s.path(t, with("external_id", `"e"`)), s.Token(t, auth.Partner, "bob")
	given := apitest.Decode[catalog.Agent](t, s.Do(t, "POST", path+"/transfer", s.ada, `{"owner":"bob"}`).Want(t, http.StatusOK))
	if given.Owner != "bob" || given.Version != 2 {
		t.Errorf("given: %+v", given)
	}
	s.Do(t, "PUT", path, s.ada, `{"name":"x"}`).WantProblem(t, http.StatusForbidden, "FORBIDDEN")
	s.Do(t, "PUT", path, bob, `{"name":"x"}`).Want(t, http.StatusOK)
	for _, body := range []string{`{}`, `{"owner":""}`, `{"owner":"a b"}`, `{"owner":"` + strings.Repeat("a", 256) + `"}`, `{"owner":null}`} {
		s.Do(t, "POST", path+"/transfer", bob, body).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	}
	other := s.path(t, with("external_id", `"e"`)) // Ada may use the id again, and cannot give it to who has it
	s.Do(t, "POST", other+"/transfer", s.ada, `{"owner":"bob"}`).WantProblem(t, http.StatusConflict, "CONFLICT")
	s.Do(t, "POST", path+"/transfer", s.Token(t, auth.Governor, "grace"), `{"owner":"zoe","issuer":"https://other.example"}`).Want(t, http.StatusOK)
	s.Do(t, "PUT", path, s.Token(t, auth.Partner, "zoe"), `{}`).WantProblem(t, http.StatusForbidden, "FORBIDDEN")
}

func TestRestore(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := s.path(t, with("external_id", `"e"`))
	s.Do(t, "POST", path+"/restore", s.ada, "").WantProblem(t, http.StatusNotFound, "NOT_FOUND") // it was not deleted
	s.Do(t, "DELETE", path, s.ada, "").Want(t, http.StatusNoContent)
	s.Do(t, "POST", path+"/restore", s.Token(t, auth.Partner, "bob"), "").WantProblem(t, http.StatusForbidden, "FORBIDDEN")
	taken := s.path(t, with("external_id", `"e"`)) // a deleted agent blocks no new one
	s.Do(t, "POST", path+"/restore", s.ada, "").WantProblem(t, http.StatusConflict, "CONFLICT")
	s.Do(t, "DELETE", taken, s.ada, "").Want(t, http.StatusNoContent)
	s.Do(t, "POST", path+"/restore", s.Token(t, auth.Governor, "grace"), "").Want(t, http.StatusOK)
	s.Do(t, "DELETE", path, s.ada, "").Want(t, http.StatusNoContent)
	s.DB.Exec(t, `update plant.agents set deleted_at = now() - interval '31 days'`)
	s.Do(t, "POST", path+"/restore", s.ada, "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
}

func TestBatch(t *testing.T) {
	t.Parallel()
	s := start(t)
	type result struct {
		Index, Status int
		ID            *uuid.UUID
		Problem       *httpapi.Problem
	}
	send := func(query, body string) []result {
		t.Helper()
		return apitest.Decode[struct{ Results []result }](t, s.Do(t, "POST", "/api/v1/agents/batch"+query, s.ada, body).Want(t, http.StatusOK)).Results
	}
	taken := with("external_id", `"e"`)
	items := []string{writer, with("name", `""`), taken, taken, with("industry", `"mining"`), `5`, `null`, with("rate", "1"), with("tags", "[null]"), with("hourly_rate", "0.001"), writer}
	want := []int{201, 422, 201, 409, 422, 422, 422, 422, 422, 422, 201}
	for _, query := range []string{"?dry_run=true", ""} {
		got := send(query, `{"agents":[`+strings.Join(items, ",")+`]}`)
		for i, r := range got {
			if r.Index != i || r.Status != want[i] || (r.ID != nil) != (want[i] == 201 && query == "") || (r.Problem != nil) != (want[i] != 201) {
				t.Errorf("%s item %d: %+v, want %d", query, i, r, want[i])
			}
			if r.Problem != nil && (r.Problem.RequestID == "" || r.Problem.Status != r.Status) {
				t.Errorf("item %d: a problem that is not whole: %+v", i, r.Problem)
			}
		}
		if made := s.count(t); query != "" && made != 0 || query == "" && made != 3 {
			t.Errorf("%s: %d agents", query, made)
		}
	}
	many := func(n int) string {
		return `{"agents":[` + strings.TrimSuffix(strings.Repeat(writer+",", n), ",") + `]}`
	}
	if got := send("", many(500)); len(got) != 500 || got[499].Status != 201 {
		t.Errorf("500 agents: %d results", len(got))
	}
	for _, body := range []string{many(501), `{"agents":[]}`, `{}`, `{"agents":{}}`, `{"agents":null}`} {
		s.Do(t, "POST", "/api/v1/agents/batch", s.ada, body).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	s := start(t)
	skill := s.skill(t, "Listening")
	a, b := s.publish(t, writer).ID.String(), s.publish(t, with("skill_ids", fmt.Sprintf(`[%q]`, skill))).ID.String()
	got := apitest.Decode[struct{ Agents []catalog.ComparedAgent }](t, s.Do(t, "GET", "/api/v1/agents/compare?ids="+b+","+a, "", "").Want(t, http.StatusOK)).Agents
	if len(got) != 2 || got[0].ID.String() != b || got[1].ID.String() != a || !cmp.Equal(got[0].Skills, []string{"Listening"}) || len(got[1].Skills) != 0 {
		t.Errorf("compared %+v", got)
	}
	s.DB.Exec(t, `select plant.make_event_day((now() at time zone 'UTC')::date - n) from generate_series(0, 60) n`)
	s.DB.Exec(t, `insert into plant.job_events (agent_id, event_id, occurred_at, job_id, kind, duration_ms, received_at)
		select $1, 'e' || n, at, 'j' || n, case when n = 3 then 'job_failed' else 'job_completed' end::plant.job_event_kind, 1000, at
		from (select n, now() - n * interval '10 days' as at from generate_series(1, 4) n) e`, a)
	for window, want := range map[string][2]int64{"": {2, 2}, "24h": {0, 0}, "7d": {0, 0}, "30d": {2, 2}, "90d": {4, 3}, "all": {4, 3}} {
		query := "/api/v1/agents/compare?ids=" + b + "," + a
		if window != "" {
			query += "&window=" + window
		}
		got := apitest.Decode[struct{ Agents []comparedAgent }](t, s.Do(t, "GET", query, "", "").Want(t, http.StatusOK)).Agents
		if m := got[1].Measured; m.TotalJobs != want[0] || m.SampleSize != want[0] || m.CompletedJobs != want[1] || m.AgentID.String() != a || got[0].Measured.TotalJobs != 0 || got[0].Measured.SuccessRate != nil {
			t.Errorf("%s: measured %+v, want %v", window, m, want)
		}
	}
	const absent = "01900000-0000-7000-8000-00000000dead"
	problem := s.Do(t, "GET", "/api/v1/agents/compare?ids="+a+","+absent, "", "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	if !strings.Contains(problem.Body, absent) {
		t.Errorf("the one that is missing is not named: %s", problem.Body)
	}
	for _, query := range []string{"", "?window=7d", "?window=1h&ids=" + a + "," + b, "?ids=" + a, "?ids=" + a + "," + a, "?ids=x,y", "?ids=" + strings.TrimSuffix(strings.Repeat(a+",", 9), ",")} {
		s.Do(t, "GET", "/api/v1/agents/compare"+query, "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	}
}
