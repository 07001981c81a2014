package agents

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// list reads one page and the address of the next.
func (s service) list(t testing.TB, path, token string) (agents []catalog.Agent, next string) {
	t.Helper()
	answer := s.Do(t, "GET", path, token, "").Want(t, http.StatusOK)
	if link := answer.Header.Get("Link"); link != "" {
		address, rel, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
		if rel != `; rel="next"` {
			t.Fatalf("Link is %q", link)
		}
		next = address
	}
	return apitest.Decode[[]catalog.Agent](t, answer), next
}

// all follows a list to its end.
func (s service) all(t testing.TB, path string) []catalog.Agent {
	t.Helper()
	var agents []catalog.Agent
	for path != "" {
		var page []catalog.Agent
		page, path = s.list(t, path, "")
		agents = append(agents, page...)
	}
	return agents
}

func ids(agents []catalog.Agent) []string {
	list := make([]string, len(agents))
	for i, agent := range agents {
		list[i] = agent.ID.String()
	}
	return list
}

// market publishes agents that differ in everything that can be filtered and sorted by, with many ties.
func (s service) market(t *testing.T) []catalog.Agent {
	t.Helper()
	skill, role := s.skill(t, "Listening"), s.jobRole(t, "Listener")
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 40 {
		extra := ""
		if i%3 == 0 {
			extra += fmt.Sprintf(`,"skill_ids":[%q]`, skill)
		}
		if i%4 == 0 {
			extra += fmt.Sprintf(`,"job_role_id":%q`, role)
		}
		agent := s.publish(t, fmt.Sprintf(`{"name":"%c gent","specialization":%q,"industry":%q,"hourly_rate":%d.5,"tags":["t%d"],"languages":["hi","l%c"]%s}`,
			"aAbBcC"[i%6], []string{"Writing", "Tutoring"}[i%2], []string{"marketing", "education", "sales"}[i%3], 10+random.IntN(5), i%5, 'a'+i%3, extra))
		if i%5 == 0 {
			s.Do(t, "PUT", "/api/v1/agents/"+agent.ID.String()+"/status", s.ada, `{"status":"offline"}`).Want(t, http.StatusOK)
		}
		reviews := random.IntN(3)
		s.DB.Exec(t, `update plant.agent_statistics set reviews = $2, rating_sum = $3 where agent_id = $1`, agent.ID, reviews, reviews*(1+random.IntN(5)))
		if i%4 > 0 { // the others have no sample
			jobs := 10 * (i % 4)
			s.DB.Exec(t, `update plant.agent_statistics set total_jobs = $2, completed_jobs = $3, duration_samples = 1, p95_duration_ms = $4 where agent_id = $1`,
				agent.ID, jobs, jobs-i%3, 100.25*float64(i%7))
		}
	}
	return s.all(t, "/api/v1/agents?limit=100&sort=created_at")
}

// standing is what an agent's answer does not say.
type standing struct{ Rank, P95 float64 }

// standings are those of all agents; where there is no duration it is endless.
func (s service) standings(t *testing.T) (all map[uuid.UUID]standing) {
	t.Helper()
	text := dbtest.Scalar[[]byte](t, s.DB, `
		select jsonb_object_agg(agent_id, jsonb_build_object('Rank', (rating_sum + 30.0) / (reviews + 10), 'P95', coalesce(p95_duration_ms, 1e300)))
		from plant.agent_statistics`)
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func (s service) skill(t *testing.T, name string) uuid.UUID {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	s.DB.Exec(t, `insert into plant.skills (id, name, category) values ($1, $2, 'technical')`, id, name)
	return id
}

// jobRole adds a job role that requires the skills, or one of its own.
func (s service) jobRole(t *testing.T, name string, skills ...uuid.UUID) uuid.UUID {
	t.Helper()
	if len(skills) == 0 {
		skills = []uuid.UUID{s.skill(t, "What takes a "+name)}
	}
	id := uuid.Must(uuid.NewV7())
	s.DB.Exec(t, `insert into plant.job_roles (id, name, seniority_level, required_skills) values ($1, $2, 'mid', $3)`, id, name, skills)
	return id
}

func TestList_FiltersAreWhatTheySay(t *testing.T) {
	t.Parallel()
	s := start(t)
	market := s.market(t)
	skill, role, standings := market[0].SkillIDs[0], *market[0].JobRoleID, s.standings(t)
	tests := map[string]func(catalog.Agent) bool{
		"industry=SALES":               func(a catalog.Agent) bool { return a.Industry == "sales" },
		"specialization=wRiting":       func(a catalog.Agent) bool { return a.Specialization == "Writing" },
		"status=offline":               func(a catalog.Agent) bool { return a.Status == "offline" },
		"skill_id=" + skill.String():   func(a catalog.Agent) bool { return slices.Contains(a.SkillIDs, skill) },
		"job_role_id=" + role.String(): func(a catalog.Agent) bool { return a.JobRoleID != nil && *a.JobRoleID == role },
		"tag=t2":                       func(a catalog.Agent) bool { return slices.Contains(a.Tags, "t2") },
		"language=lb":                  func(a catalog.Agent) bool { return slices.Contains(a.Languages, "lb") },
		"owner=ada":                    func(catalog.Agent) bool { return true },
		"owner=bob":                    func(catalog.Agent) bool { return false },
		"min_rating=3":                 func(a catalog.Agent) bool { return a.AvgRating >= 3 },
		"max_hourly_rate=12.5":         func(a catalog.Agent) bool { return a.HourlyRate.String() <= "12.50" },
		"min_success_rate=0.95":        func(a catalog.Agent) bool { return 20*a.CompletedJobs >= 19*a.TotalJobs && a.TotalJobs > 0 },
		"max_p95_duration_ms=200.5":    func(a catalog.Agent) bool { return standings[a.ID].P95 <= 200.5 },
		"updated_since=" + url.QueryEscape(market[20].UpdatedAt.Format("2006-01-02T15:04:05.999999Z07:00")): func(a catalog.Agent) bool {
			return !a.UpdatedAt.Before(market[20].UpdatedAt)
		},
		"industry=education&status=available&tag=t1": func(a catalog.Agent) bool {
			return a.Industry == "education" && a.Status == "available" && slices.Contains(a.Tags, "t1")
		},
		"team_id=" + skill.String(): func(catalog.Agent) bool { return false },
	}
	for filter, passes := range tests {
		want := ids(slices.DeleteFunc(slices.Clone(market), func(a catalog.Agent) bool { return !passes(a) }))
		got := ids(s.all(t, "/api/v1/agents?sort=created_at&limit=7&"+filter))
		if diff := gocmp.Diff(want, got); diff != "" && len(want)+len(got) > 0 {
			t.Errorf("%s: %s", filter, diff)
		}
		counted := s.Do(t, "GET", "/api/v1/agents?count=exact&limit=1&"+filter, "", "").Header.Get("X-Total-Count")
		if counted != fmt.Sprint(len(want)) {
			t.Errorf("%s: X-Total-Count is %s, want %d", filter, counted, len(want))
		}
	}
	if got := s.Do(t, "GET", "/api/v1/agents?count=estimated", "", "").Header.Get("X-Total-Count"); got == "" {
		t.Error("no estimate")
	}
	if got := s.Do(t, "GET", "/api/v1/agents", "", "").Header.Get("X-Total-Count"); got != "" {
		t.Errorf("counted without being asked: %s", got)
	}
}

func TestList_OrdersAreTotal(t *testing.T) {
	t.Parallel()
	s := start(t)
	market, standings := s.market(t), s.standings(t)
	tests := map[string]func(a, b catalog.Agent) int{
		"created_at":  func(a, b catalog.Agent) int { return a.CreatedAt.Compare(b.CreatedAt) },
		"updated_at":  func(a, b catalog.Agent) int { return a.UpdatedAt.Compare(b.UpdatedAt) },
		"name":        func(a, b catalog.Agent) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) },
		"hourly_rate": func(a, b catalog.Agent) int { return strings.Compare(a.HourlyRate.String(), b.HourlyRate.String()) },
		"rating":      func(a, b catalog.Agent) int { return cmp.Compare(a.AvgRating, b.AvgRating) },
		"total_jobs":  func(a, b catalog.Agent) int { return cmp.Compare(a.TotalJobs, b.TotalJobs) },
		"success_rate": func(a, b catalog.Agent) int {
			return cmp.Compare(a.CompletedJobs*max(1, b.TotalJobs), b.CompletedJobs*max(1, a.TotalJobs))
		},
		"rank_score":      func(a, b catalog.Agent) int { return cmp.Compare(standings[a.ID].Rank, standings[b.ID].Rank) },
		"p95_duration_ms": func(a, b catalog.Agent) int { return cmp.Compare(standings[a.ID].P95, standings[b.ID].P95) },
	}
	for sort, compare := range tests {
		want := slices.Clone(market)
		slices.SortFunc(want, func(a, b catalog.Agent) int {
			return cmp.Or(compare(a, b), strings.Compare(a.ID.String(), b.ID.String()))
		})
		for _, direction := range []string{"", "-"} {
			if direction == "-" {
				slices.Reverse(want)
			}
			for _, limit := range []int{1, 7, 40, 100} {
				got := s.all(t, fmt.Sprintf("/api/v1/agents?sort=%s%s&limit=%d", direction, sort, limit))
				if diff := gocmp.Diff(ids(want), ids(got)); diff != "" {
					t.Errorf("sort=%s%s, limit=%d: %s", direction, sort, limit, diff)
				}
			}
		}
	}
	skipped, _ := s.list(t, "/api/v1/agents?sort=created_at&skip=10&limit=5", "")
	if diff := gocmp.Diff(ids(market[10:15]), ids(skipped)); diff != "" {
		t.Errorf("skip=10: %s", diff)
	}
	for path, want := range map[string]int{"skills": 2, "job-roles": 1, "industries": 3} {
		answer := s.Do(t, "GET", "/api/v1/"+path+"?count=exact&limit=1", "", "").Want(t, http.StatusOK)
		if got := answer.Header.Get("X-Total-Count"); got != fmt.Sprint(want) {
			t.Errorf("%s: X-Total-Count is %s", path, got)
		}
		if got := answer.Header.Get("Link") != ""; got != (want > 1) {
			t.Errorf("%s: Link is %q", path, answer.Header.Get("Link"))
		}
	}
}

func TestI23_PageBounds(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, list := range []string{"agents", "skills", "job-roles", "industries"} {
		for query, want := range map[string]int{
			"limit=1": 200, "limit=100": 200, "limit=0": 422, "limit=101": 422, "limit=1000": 422, "limit=-1": 422, "limit=1.0": 422, "limit=x": 422,
			"limit=9223372036854775808": 422, "skip=0": 200, "skip=10000": 200, "skip=10001": 422, "skip=-1": 422, "count=all": 422, "limit=": 200,
		} {
			s.Do(t, "GET", "/api/v1/"+list+"?"+query, "", "").Want(t, want)
		}
	}
}

func TestI24_CursorsBelongToOneList(t *testing.T) {
	t.Parallel()
	s := start(t)
	for range 3 {
		s.publish(t, writer)
	}
	_, next := s.list(t, "/api/v1/agents?limit=1&industry=marketing&sort=name", "")
	parsed, err := url.Parse(next)
	if err != nil {
		t.Fatal(err)
	}
	cursor := parsed.Query().Get("cursor")
	refuse := func(path string) {
		t.Helper()
		s.Do(t, "GET", path, "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID_CURSOR")
	}
	with := "cursor=" + cursor
	s.Do(t, "GET", "/api/v1/agents?industry=marketing&sort=name&limit=2&"+with, "", "").Want(t, http.StatusOK)
	refuse("/api/v1/agents?industry=sales&sort=name&" + with)
	refuse("/api/v1/agents?industry=marketing&sort=-name&" + with)
	refuse("/api/v1/agents?sort=name&" + with)
	refuse("/api/v1/agents?industry=marketing&sort=name&status=offline&" + with)
	refuse("/api/v1/skills?" + with)
	refuse("/api/v1/agents?industry=marketing&sort=name&cursor=" + cursor[:len(cursor)-1])
	refuse("/api/v1/agents?industry=marketing&sort=name&cursor=x")
	refuse("/api/v1/agents?industry=marketing&sort=name&cursor=" + cursor + "A")
	s.Do(t, "GET", "/api/v1/agents?industry=marketing&sort=name&skip=1&"+with, "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	rapid.Check(t, func(r *rapid.T) {
		bit := rapid.IntRange(0, len(cursor)*8-1).Draw(r, "bit")
		altered := []byte(cursor)
		altered[bit/8] ^= 1 << (bit % 8)
		got := s.Do(t, "GET", "/api/v1/agents?industry=marketing&sort=name&cursor="+url.QueryEscape(string(altered)), "", "").Status
		if got != http.StatusUnprocessableEntity && got != http.StatusBadRequest {
			r.Fatalf("bit %d: got %d", bit, got)
		}
	})
}

// While others publish and delete, nothing comes twice, and nothing that lived throughout is missed.
func TestI25_ListingWhileTheListChanges(t *testing.T) {
	t.Parallel()
	s := start(t)
	var living []catalog.Agent
	for range 12 {
		living = append(living, s.publish(t, writer))
	}
	rapid.Check(t, func(r *rapid.T) {
		sort := rapid.SampledFrom([]string{"created_at", "-created_at", "name", "-hourly_rate"}).Draw(r, "sort")
		throughout := map[string]bool{}
		for _, agent := range living {
			throughout[agent.ID.String()] = true
		}
		seen := map[string]bool{}
		path := fmt.Sprintf("/api/v1/agents?limit=%d&sort=%s", rapid.IntRange(1, 5).Draw(r, "limit"), sort)
		for path != "" {
			var page []catalog.Agent
			page, path = s.list(t, path, "")
			for _, agent := range page {
				if seen[agent.ID.String()] {
					r.Fatalf("%s came twice", agent.ID)
				}
				seen[agent.ID.String()] = true
			}
			if rapid.Bool().Draw(r, "publish") {
				living = append(living, s.publish(t, writer))
			}
			if rapid.Bool().Draw(r, "delete") && len(living) > 6 {
				i := rapid.IntRange(0, len(living)-1).Draw(r, "which")
				delete(throughout, living[i].ID.String())
				s.Do(t, "DELETE", "/api/v1/agents/"+living[i].ID.String(), s.ada, "").Want(t, http.StatusNoContent)
				living = slices.Delete(living, i, i+1)
			}
		}
		for id := range throughout {
			if !seen[id] {
				r.Fatalf("%s lived throughout and was missed", id)
			}
		}
	})
}

func TestList_OfOneself(t *testing.T) {
	t.Parallel()
	s := start(t)
	mine := s.publish(t, writer)
	bob := s.Token(t, auth.Partner, "bob")
	s.Do(t, "POST", "/api/v1/agents", bob, writer).Want(t, http.StatusCreated)
	got, _ := s.list(t, "/api/v1/agents?owner=me", s.ada)
	if diff := gocmp.Diff([]string{mine.ID.String()}, ids(got)); diff != "" {
		t.Error(diff)
	}
	s.Do(t, "GET", "/api/v1/agents?owner=me", "", "").WantProblem(t, http.StatusUnauthorized, "UNAUTHENTICATED")
	s.Do(t, "DELETE", "/api/v1/agents/"+mine.ID.String(), s.ada, "").Want(t, http.StatusNoContent)
	for _, token := range []string{s.ada, s.Token(t, auth.Customer, "carl")} {
		s.Do(t, "GET", "/api/v1/agents?include_deleted=true", token, "").WantProblem(t, http.StatusForbidden, "FORBIDDEN")
	}
	if got := s.Do(t, "GET", "/api/v1/agents?include_deleted=true", "", "").WantProblem(t, http.StatusUnauthorized, "UNAUTHENTICATED").Header.Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("nobody is challenged with %q", got)
	}
	all, _ := s.list(t, "/api/v1/agents?include_deleted=true", s.Token(t, auth.Governor, "grace"))
	if len(all) != 2 || all[0].DeletedAt != nil || all[1].DeletedAt == nil {
		t.Errorf("a governor sees %+v", all)
	}
}
