package search

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// addRole adds a job role that requires some skills.
func (s service) addRole(t testing.TB, name string, skills ...uuid.UUID) uuid.UUID {
	t.Helper()
	id := newID(t)
	s.DB.Exec(t, `insert into plant.job_roles (id, name, seniority_level, required_skills) values ($1, $2, 'mid', $3)`, id, name, skills)
	return id
}

// addSkills adds skills "skill 0", "skill 1" and so on.
func (s service) addSkills(t testing.TB, n int) []uuid.UUID {
	t.Helper()
	var ids []uuid.UUID
	for i := range n {
		ids = append(ids, s.addSkill(t, fmt.Sprintf("skill %d", i)))
	}
	return ids
}

// certify certifies a skill; without an expiry it is for ever.
func (s service) certify(t testing.TB, skill uuid.UUID, level string, expires *time.Time) {
	t.Helper()
	s.DB.Exec(t, `update plant.skills set certification_level = $2, certification_evidence_url = 'https://evidence.example/1', certification_issuer = 'Board',
		certified_at = least(now(), $3) - interval '1 day', certified_by_issuer = 'https://issuer.example', certified_by = 'grace', certification_expires_at = $3 where id = $1`, skill, level, expires)
}

// measure says what an agent did.
func (s service) measure(t testing.TB, agent uuid.UUID, jobs, completed, reviews, stars int) {
	t.Helper()
	s.DB.Exec(t, `update plant.agent_statistics set total_jobs = $2, completed_jobs = $3, reviews = $4, rating_sum = $5 where agent_id = $1`, agent, jobs, completed, reviews, stars)
}

// asks makes a body of required skills and more members, which come in pairs of name and value.
func asks(t testing.TB, skills []uuid.UUID, more ...any) string {
	t.Helper()
	members := map[string]any{}
	if skills != nil {
		members["required_skills"] = skills
	}
	for i := 0; i < len(more); i += 2 {
		members[more[i].(string)] = more[i+1]
	}
	body, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

const anyMatch = "/api/v1/match"

func (s service) match(t testing.TB, body string) matched {
	t.Helper()
	return apitest.Decode[matched](t, s.Do(t, "POST", anyMatch, "", body).Want(t, http.StatusOK))
}

// matchedIDs are the single agents, in order.
func matchedIDs(m matched) []uuid.UUID {
	ids := []uuid.UUID{}
	for _, a := range m.Agents {
		ids = append(ids, a.ID)
	}
	return ids
}

// teamsOf are the ids of the teams' agents.
func teamsOf(m matched) [][]uuid.UUID {
	teams := [][]uuid.UUID{}
	for _, team := range m.Teams {
		var ids []uuid.UUID
		for _, a := range team.Agents {
			ids = append(ids, a.ID)
		}
		teams = append(teams, ids)
	}
	return teams
}

func skillNames(skills []requiredSkill) string { return namesOf(skills) }

func TestMatch_Agents(t *testing.T) {
	t.Parallel()
	s := start(t)
	reading, writing, sums := s.addSkill(t, "Reading"), s.addSkill(t, "Writing"), s.addSkill(t, "Sums")
	past := time.Now().Add(-time.Hour)
	s.certify(t, reading, "expert", nil)
	s.certify(t, writing, "foundation", nil)
	s.certify(t, sums, "expert", &past)
	both := s.add(t, agent{name: "Both", skills: []uuid.UUID{reading, writing}, rate: 50})
	s.measure(t, both, 100, 90, 10, 45)
	three := s.add(t, agent{name: "All", skills: []uuid.UUID{reading, writing, sums}, rate: 200})
	one := s.add(t, agent{name: "One", skills: []uuid.UUID{sums}, rate: 50})
	s.add(t, agent{name: "None"})

	got := s.match(t, asks(t, []uuid.UUID{reading, writing, sums}))
	if diff := cmp.Diff([]uuid.UUID{three, both, one}, matchedIDs(got)); diff != "" {
		t.Fatalf("agents: %s", diff)
	}
	if got.RequiredSkills[2].CertificationLevel != nil || *got.RequiredSkills[0].CertificationLevel != "expert" {
		t.Errorf("an expired certification counts: %+v", got.RequiredSkills)
	}
	second := got.Agents[1]
	if second.Coverage != 0.666667 || skillNames(second.CoveredSkills) != "Reading and Writing" || skillNames(second.Gaps) != "Sums" {
		t.Errorf("covers %v: %v, but not %v", second.Coverage, second.CoveredSkills, second.Gaps)
	}
	// (90 + 16) of (100 + 20) jobs, and (45 + 17.5) stars in (10 + 5) reviews, one star being nothing.
	quality := 0.5*106/120 + 0.5*(62.5/15-1)/4
	success, rating := 0.9, 4.5
	if diff := cmp.Diff(trackRecord{&success, 100, &rating, 10, rounded(quality)}, second.Quality); diff != "" {
		t.Errorf("quality: %s", diff)
	}
	usual := math.Cbrt(5000 * 20000 * 5000)
	want := scoreParts{
		Coverage: rounded(0.5 * 2 / 3), Certification: rounded(0.1 * (3 + 1) / 9), Quality: rounded(0.25 * quality), Price: rounded(0.15 * usual / (usual + 5000)),
	}
	if diff := cmp.Diff(want, second.ScoreParts); diff != "" {
		t.Errorf("parts: %s", diff)
	}
	for _, a := range got.Agents {
		if sum := a.ScoreParts.Coverage + a.ScoreParts.Certification + a.ScoreParts.Quality + a.ScoreParts.Price; math.Abs(sum-a.Score) > 3e-6 {
			t.Errorf("%s scores %v, and its parts %v", a.Name, a.Score, sum)
		}
	}
	const why = "Both has 2 of 3 required skills (Reading and Writing), of which Reading at expert level and Writing at foundation level are certified, and lacks Sums. " +
		"It completed 90 % of 100 jobs and is rated 4.5 by 10 reviews, and costs 50.00 INR an hour."
	if diff := cmp.Diff(why, second.Why); diff != "" {
		t.Errorf("why: %s", diff)
	}
	newcomer := got.Agents[2]
	if newcomer.Quality.SuccessRate != nil || newcomer.Quality.Rating != nil || newcomer.Quality.Quality != rounded(0.5*0.8+0.5*(3.5-1)/4) || !strings.Contains(newcomer.Why, "is new") {
		t.Errorf("one who is new: %+v", newcomer)
	}
	if len(got.Teams) != 0 || !got.Exact || got.Note != "One agent has all required skills: no team is needed." {
		t.Errorf("teams %v, exact %v: %s", got.Teams, got.Exact, got.Note)
	}
}

func TestMatch_Weights(t *testing.T) {
	t.Parallel()
	s := start(t)
	skills := s.addSkills(t, 2)
	s.certify(t, skills[1], "expert", nil)
	covers := s.add(t, agent{name: "Covers", skills: skills, rate: 1000})
	certified := s.add(t, agent{name: "Certified", skills: skills[1:], rate: 999})
	proven := s.add(t, agent{name: "Proven", skills: skills[:1], rate: 998})
	s.measure(t, proven, 1000, 1000, 100, 500)
	cheap := s.add(t, agent{name: "Cheap", skills: skills[:1], rate: 1})
	s.measure(t, cheap, 1000, 0, 100, 100)
	for _, test := range []struct {
		weights string
		want    []uuid.UUID
	}{
		{`{"coverage":1}`, []uuid.UUID{covers, certified, proven, cheap}},
		{`{"certification":0.5}`, []uuid.UUID{covers, certified, proven, cheap}},
		{`{"certification":2,"price":0.1,"coverage":0}`, []uuid.UUID{certified, covers, cheap, proven}},
		{`{"quality":1000}`, []uuid.UUID{proven, covers, certified, cheap}},
		{`{"price":0.001}`, []uuid.UUID{cheap, proven, certified, covers}},
		{`{"price":5e-324}`, []uuid.UUID{cheap, proven, certified, covers}},
	} {
		got := s.match(t, asks(t, skills, "weights", json.RawMessage(test.weights)))
		if diff := cmp.Diff(test.want, matchedIDs(got)); diff != "" {
			t.Errorf("%s: %s", test.weights, diff)
		}
		for _, a := range got.Agents {
			if a.Score < 0 || a.Score > 1 {
				t.Errorf("%s: %s scores %v", test.weights, a.Name, a.Score)
			}
		}
	}
}

func TestMatch_Teams(t *testing.T) {
	t.Parallel()
	s := start(t)
	skills := s.addSkills(t, 5)
	ab := s.add(t, agent{name: "AB", skills: skills[:2], rate: 10})
	bc := s.add(t, agent{name: "BC", skills: skills[1:3], rate: 10})
	c := s.add(t, agent{name: "C", skills: skills[2:3], rate: 5})
	dear := s.add(t, agent{name: "C too", skills: skills[2:3], rate: 20})
	d := s.add(t, agent{name: "D", skills: skills[3:4], rate: 7})
	tests := []struct {
		skills []uuid.UUID
		size   int
		want   [][]uuid.UUID
		note   string
	}{
		{skills[:2], 0, [][]uuid.UUID{}, "One agent has all required skills: no team is needed."},
		{skills[:3], 0, [][]uuid.UUID{{ab, c}, {ab, bc}, {ab, dear}}, "Nobody has all required skills alone; 2 agents have them together."},
		{skills[:4], 3, [][]uuid.UUID{{ab, c, d}, {ab, bc, d}, {ab, dear, d}}, "Nobody has all required skills alone; 3 agents have them together."},
		{skills[:4], 2, [][]uuid.UUID{{ab, c}, {ab, d}, {bc, d}}, "No 2 agents, within what was asked, have all required skills; these leave skill 3 open."},
		{skills[:4], 1, [][]uuid.UUID{}, "No 1 agent, within what was asked, have all required skills; these leave skill 2 and skill 3 open."},
		{skills, 0, [][]uuid.UUID{{ab, c, d}, {ab, bc, d}, {ab, dear, d}}, "Nobody has skill 4, within what was asked; 3 agents have all the others."},
		{[]uuid.UUID{skills[0], skills[4]}, 0, [][]uuid.UUID{}, "Nobody has skill 4, within what was asked; one agent has all the others."},
		{skills[4:], 0, [][]uuid.UUID{}, "Nobody has any of the required skills, within what was asked."},
	}
	for _, test := range tests {
		more := []any{}
		if test.size > 0 {
			more = append(more, "team_size", test.size)
		}
		got := s.match(t, asks(t, test.skills, more...))
		if diff := cmp.Diff(test.want, teamsOf(got)); diff != "" {
			t.Errorf("%d skills, teams of at most %d: %s", len(test.skills), test.size, diff)
		}
		if got.Note != test.note || !got.Exact {
			t.Errorf("%d skills, teams of at most %d: %s", len(test.skills), test.size, got.Note)
		}
	}
	team := s.match(t, asks(t, skills)).Teams[0]
	if team.Coverage != 0.8 || skillNames(team.Gaps) != "skill 4" || team.HourlyRate.String() != "22.00" || team.Price.String() != "3520.00" || *team.Currency != "INR" {
		t.Errorf("the team is %+v", team)
	}
	const why = "AB, C and D together have 4 of 5 required skills (skill 0, skill 1, skill 2 and skill 3), and lack skill 4, for 22.00 INR an hour."
	if diff := cmp.Diff(why, team.Why); diff != "" {
		t.Errorf("why: %s", diff)
	}

	s.DB.Exec(t, `update plant.agents set currency = 'USD' where id = $1`, d)
	team = s.match(t, asks(t, skills)).Teams[0]
	if team.Currency != nil || team.HourlyRate != nil || team.Price != nil || strings.Contains(team.Why, "for") || team.Agents[2].Currency != "USD" {
		t.Errorf("a team of several currencies is %+v", team)
	}
}

func TestMatch_JobRole(t *testing.T) {
	t.Parallel()
	s := start(t)
	skills := s.addSkills(t, 3)
	role := s.addRole(t, "Clerk", skills[0], skills[1])
	id := s.add(t, agent{name: "Clerk", skills: skills[:2]})
	path := "/api/v1/job-roles/" + role.String() + "/match"
	for _, body := range []string{"", "{}", `{"limit":5}`} {
		got := apitest.Decode[matched](t, s.Do(t, "POST", path, "", body).Want(t, http.StatusOK))
		if diff := cmp.Diff([]uuid.UUID{id}, matchedIDs(got)); diff != "" || len(got.RequiredSkills) != 2 || got.Agents[0].Coverage != 1 {
			t.Errorf("%s: %s", body, diff)
		}
	}
	s.Do(t, "POST", path+"/", "", "").Want(t, http.StatusOK)
	s.Do(t, "POST", path, "", `{"required_skills":["skill 2"]}`).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	s.Do(t, "POST", path, "", `null`).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")

	// Both kinds of requirement, and each skill once.
	got := s.match(t, asks(t, nil, "job_role_id", role, "required_skills", []string{"SKILL 2", skills[0].String(), "skill 0"}))
	if skillNames(got.RequiredSkills) != "skill 2, skill 0 and skill 1" {
		t.Errorf("requires %v", got.RequiredSkills)
	}

	s.DB.Exec(t, `update plant.job_roles set deleted_at = now() where id = $1`, role)
	for _, gone := range []string{role.String(), newID(t).String(), "7", "{" + role.String() + "}"} {
		s.Do(t, "POST", "/api/v1/job-roles/"+gone+"/match", "", "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	}
	s.Do(t, "POST", anyMatch, "", asks(t, nil, "job_role_id", role)).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
}

// As many skills as a set has bits, the last of them included; of more it is told that they are too many.
func TestMatch_ManySkills(t *testing.T) {
	t.Parallel()
	s := start(t)
	skills := s.addSkills(t, maxRequired+1)
	most := s.add(t, agent{name: "Most", skills: skills[1:maxRequired]})
	first := s.add(t, agent{name: "First", skills: skills[:1]})
	last := s.add(t, agent{name: "Last", skills: skills[maxRequired-1 : maxRequired]})
	got := s.match(t, asks(t, skills[:maxRequired]))
	if diff := cmp.Diff([]uuid.UUID{most, first, last}, matchedIDs(got)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]uuid.UUID{{most, first}}, teamsOf(got)); diff != "" || got.Teams[0].Coverage != 1 || !got.Exact {
		t.Error(diff)
	}
	if got.Agents[0].Coverage != rounded(63.0/64) || skillNames(got.Agents[2].CoveredSkills) != "skill 63" {
		t.Errorf("found %+v", got.Agents)
	}
	fault := func(path, body, location string) {
		t.Helper()
		answer := s.Do(t, "POST", path, "", body).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
		if faults := apitest.Decode[httpapi.Problem](t, answer).Errors; len(faults) != 1 || faults[0].Location != location {
			t.Errorf("got faults %s, want one at %s", answer.Body, location)
		}
	}
	fault(anyMatch, asks(t, skills), "body.required_skills")
	role := s.addRole(t, "Too much", skills...)
	fault(anyMatch, asks(t, nil, "job_role_id", role), "body")
	fault("/api/v1/job-roles/"+role.String()+"/match", "", "path.id")
}

func TestMatch_Limit(t *testing.T) {
	t.Parallel()
	s := start(t)
	skill := s.addSkill(t, "Reading")
	var ids []uuid.UUID
	for range 60 {
		ids = append(ids, s.add(t, agent{skills: []uuid.UUID{skill}}))
	}
	// All are alike, so they come by id.
	for limit, want := range map[int]int{0: 10, 1: 1, 50: 50} {
		more := []any{"limit", limit}[:min(limit, 1)*2]
		if diff := cmp.Diff(ids[:want], matchedIDs(s.match(t, asks(t, []uuid.UUID{skill}, more...)))); diff != "" {
			t.Errorf("limit %d: %s", limit, diff)
		}
	}
}

// I5 to I7, I10, I13, A16: what a body may not hold is refused, at its place.
func TestMatch_BadBodies(t *testing.T) {
	t.Parallel()
	s := start(t)
	skill := s.addSkill(t, "Reading")
	role := s.addRole(t, "Reader", skill)
	id := `"` + skill.String() + `"`
	malformed := []string{
		`{`, `[`, `{}{}`, `{"limit":1,"limit":2}`, `{"required_skills":["a"],"required_skills":["b"]}`, "\ufeff{}", `{"industry":"` + "\xff" + `"}`, `{"industry":"\ud800"}`, strings.Repeat(`[`, 101) + strings.Repeat(`]`, 101),
	}
	tests := []struct{ body, location string }{
		{`null`, "body"},
		{`[]`, "body"},
		{`{}`, "body.required_skills"},
		{`{"required_skills":[]}`, "body.required_skills"},
		{`{"required_skills":null}`, "body.required_skills"},
		{`{"required_skills":"Reading"}`, "body.required_skills"},
		{`{"required_skills":[""]}`, "body.required_skills[0]"},
		{`{"required_skills":[" "]}`, "body.required_skills[0]"},
		{`{"required_skills":["Reading","Flying"]}`, "body.required_skills[1]"},
		{`{"required_skills":["' or true --"]}`, "body.required_skills[0]"},
		{`{"required_skills":["` + strings.Repeat("é", 256) + `"]}`, "body.required_skills[0]"},
		{`{"required_skills":["` + uuid.Nil.String() + `"]}`, "body.required_skills[0]"},
		{`{"required_skills":["a\u0000b"]}`, "body.required_skills[0]"},
		{`{"required_skills":[7]}`, "body.required_skills[0]"},
		{`{"job_role_id":"7"}`, "body.job_role_id"},
		{`{"job_role_id":"` + newID(t).String() + `"}`, "body.job_role_id"},
		{`{"job_role_id":null}`, "body.job_role_id"},
		{`{"required_skills":[` + id + `],"max_hourly_rate":0}`, "body.max_hourly_rate"},
		{`{"required_skills":[` + id + `],"max_hourly_rate":-1}`, "body.max_hourly_rate"},
		{`{"required_skills":[` + id + `],"max_hourly_rate":1e400}`, "body.max_hourly_rate"},
		{`{"required_skills":[` + id + `],"max_hourly_rate":10000000000}`, "body.max_hourly_rate"},
		{`{"required_skills":[` + id + `],"max_hourly_rate":0.001}`, "body.max_hourly_rate"},
		{`{"required_skills":[` + id + `],"max_hourly_rate":"5"}`, "body.max_hourly_rate"},
		{`{"required_skills":[` + id + `],"industry":"nowhere"}`, "body.industry"},
		{`{"required_skills":[` + id + `],"industry":""}`, "body.industry"},
		{`{"required_skills":[` + id + `],"currency":"inr"}`, "body.currency"},
		{`{"required_skills":[` + id + `],"status":"available"}`, "body.status"},
		{`{"required_skills":[` + id + `],"status":[]}`, "body.status"},
		{`{"required_skills":[` + id + `],"status":["deleted"]}`, "body.status[0]"},
		{`{"required_skills":[` + id + `],"weights":{}}`, "body.weights"},
		{`{"required_skills":[` + id + `],"weights":{"coverage":0,"price":-0}}`, "body.weights"},
		{`{"required_skills":[` + id + `],"weights":{"coverage":-1}}`, "body.weights.coverage"},
		{`{"required_skills":[` + id + `],"weights":{"quality":1001}}`, "body.weights.quality"},
		{`{"required_skills":[` + id + `],"weights":{"Quality":1}}`, "body.weights.Quality"},
		{`{"required_skills":[` + id + `],"weights":null}`, "body.weights"},
		{`{"required_skills":[` + id + `],"limit":0}`, "body.limit"},
		{`{"required_skills":[` + id + `],"limit":51}`, "body.limit"},
		{`{"required_skills":[` + id + `],"limit":1.5}`, "body.limit"},
		{`{"required_skills":[` + id + `],"limit":9223372036854775808}`, "body.limit"},
		{`{"required_skills":[` + id + `],"team_size":0}`, "body.team_size"},
		{`{"required_skills":[` + id + `],"team_size":65}`, "body.team_size"},
		{`{"required_skills":[` + id + `],"Industry":"sales"}`, "body.Industry"},
		{`{"required_skills":[` + id + `],"owner":"ada"}`, "body.owner"},
		{`{"required_skills":[` + id + `],"include_deleted":true}`, "body.include_deleted"},
		{`{"required_skills":[` + id + `],"score":1}`, "body.score"},
	}
	for _, test := range tests {
		answer := s.Do(t, "POST", anyMatch, "", test.body).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
		faults := apitest.Decode[httpapi.Problem](t, answer).Errors
		if !slices.ContainsFunc(faults, func(f *httpapi.Fault) bool { return f.Location == test.location }) {
			t.Errorf("%.200s: got faults %s, want one at %s", test.body, answer.Body, test.location)
		}
	}
	for _, path := range []string{anyMatch, "/api/v1/job-roles/" + role.String() + "/match"} {
		for _, body := range malformed {
			if got := s.Do(t, "POST", path, "", body).Status; got != http.StatusBadRequest {
				t.Errorf("%s %.80q: got %d", path, body, got)
			}
		}
		s.Do(t, "POST", path, "", `{"limit":1}`, apitest.Header{Name: "Content-Type", Value: "text/plain"}).WantProblem(t, http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE")
		for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
			s.Do(t, method, path, "", "").WantProblem(t, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
		}
	}
	if strings.Contains(s.Log.String(), `"severity":"ERROR"`) {
		t.Errorf("an error was logged: %s", s.Log)
	}
}
