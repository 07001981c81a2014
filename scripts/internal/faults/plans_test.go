package faults

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/scripts/internal/crash"
	"github.com/waooaw/plant/scripts/internal/postgres"
	"github.com/waooaw/plant/shared/auth"
	plantsql "github.com/waooaw/plant/sql"
)

// big are the tables that grow with the catalogue and its use. To read one of them whole is a defect.
var big = []string{
	"agents", "agent_statistics", "search_documents", "search_postings", "agent_skills", "search_words", "idempotency_keys", "hires", "reviews",
	"jobs", "job_rollups_quarter", "job_rollups_day", "job_rollups_all",
}

const (
	planRows = 100_000
	repeats  = 7 // of a request, so that the plan that the server keeps after five runs is seen too
)

// F13: whatever the functions ask of a database with many agents, no statement of theirs reads a big table whole: in the
// plans that the server itself logs, those of triggers included.
func TestF13_PlansUseIndexes(t *testing.T) {
	t.Parallel()
	s := commonStand(t)
	p := newPlans(t)
	agents := start(t, s, "PLANT_APP_DATABASE_URL="+p.appURL, "DATABASE_MAX_CONNS=2")
	search := started(t)(s.Start(t.Context(), "search", "PLANT_APP_DATABASE_URL="+p.appURL, "DATABASE_MAX_CONNS=2"))
	metrics := started(t)(s.Start(t.Context(), "metrics", "PLANT_APP_DATABASE_URL="+p.appURL, "DATABASE_MAX_CONNS=2"))
	owner := crash.Caller{Token: token(t, s, auth.Partner, "owner-1"), Client: crash.NewClient(1)}
	customer := crash.Caller{Token: token(t, s, auth.Customer, "customer-1"), Client: owner.Client}
	governor := crash.Caller{Token: token(t, s, auth.Governor, "grace"), Client: owner.Client}
	asking := owner
	id := scalar[string](t, p.owner, `select id::text from plant.agents where owner = 'owner-7' limit 1`)

	times := repeats
	ask := func(method, path, body string, status int) crash.Answer {
		t.Helper()
		caller := asking
		caller.Function = agents
		switch {
		case strings.Contains(path, "/search"), strings.Contains(path, "/match"), strings.Contains(path, "/recommendations"):
			caller.Function = search
		case strings.Contains(path, "/metrics"), strings.Contains(path, "/events"), strings.Contains(path, "/marketplace"):
			caller.Function = metrics
		}
		var answer crash.Answer
		for range times {
			var err error
			if answer, err = caller.Do(t.Context(), method, path, body, "Idempotency-Key", uuid.NewString()); err != nil || answer.Status != status {
				t.Fatalf("%s %s: %v, %v", method, path, answer, err)
			}
		}
		return answer
	}
	filters := []string{
		"", "industry=sales", "specialization=craft+17", "status=working", "skill_id=" + planSkill, "job_role_id=" + uuid.NewString(),
		"team_id=" + uuid.NewString(), "tag=tag-3", "language=de", "owner=owner-9", "owner=me", "min_rating=4.5", "max_hourly_rate=12", "min_success_rate=0.95", "max_p95_duration_ms=700",
		"updated_since=2025-01-01T00:00:00Z", "industry=sales&status=available&max_hourly_rate=30",
	}
	for _, field := range []string{"created_at", "updated_at", "name", "hourly_rate", "rating", "rank_score", "success_rate", "total_jobs", "p95_duration_ms"} {
		for _, sort := range []string{field, "-" + field} {
			for _, filter := range filters {
				times = 1
				if filter == "" || sort == "-created_at" {
					times = repeats
				}
				page := ask("GET", "/api/v1/agents?limit=10&sort="+sort+"&"+filter, "", http.StatusOK)
				if next := page.Header.Get("Link"); filter == "" && next != "" {
					ask("GET", next[1:strings.Index(next, ">")], "", http.StatusOK)
				}
			}
		}
	}
	times = repeats
	ask("GET", "/api/v1/agents/"+id, "", http.StatusOK)
	for _, of := range []string{"", "?window=24h", "?window=90d", "/timeseries?tz=Asia/Kolkata", "/timeseries?interval=month", "/chart.svg", "/badge.svg"} {
		ask("GET", "/api/v1/agents/"+id+"/metrics"+of, "", http.StatusOK)
	}
	for _, by := range []string{"rank_score", "success_rate", "p95_duration_ms", "total_jobs"} { // a summary and trends are of all agents
		ask("GET", "/api/v1/marketplace/leaderboard?by="+by, "", http.StatusOK)
	}
	owned := scalar[string](t, p.owner, `select id::text from plant.agents where owner = 'owner-1' limit 1`)
	asking = governor // of the owner's issuer there are no tokens
	for n := range repeats {
		event := fmt.Sprintf(`{"event_id":"e%d","job_id":"j%[1]d","kind":"job_completed","occurred_at":%q,"duration_ms":5}`, n, time.Now().UTC().Format(time.RFC3339))
		ask("POST", "/api/v1/agents/"+owned+"/events", `{"events":[`+event+`]}`, http.StatusOK)
	}
	asking = owner
	ask("GET", "/api/v1/agents/compare?ids="+id+","+scalar[string](t, p.owner, `select id::text from plant.agents where owner = 'owner-8' limit 1`), "", http.StatusOK)
	for _, query := range []string{"swift", "swift writer", "swfit writer", "word17 word18", "nothinglikethis", "swift+writer&industry=sales", "writer&min_rating=4"} {
		query = strings.ReplaceAll(query, " ", "+")
		ask("GET", "/api/v1/agents/search?query="+query, "", http.StatusOK)
		ask("GET", "/api/v1/agents/available/search?query="+query, "", http.StatusOK)
	}
	ask("POST", "/api/v1/match", `{"required_skills":["Skill 1","Skill 2","Skill 3","Skill 4","Skill 5","Skill 6","Skill 7","Skill 8","Skill 9","Skill 10"]}`, http.StatusOK)
	ask("POST", "/api/v1/match", `{"required_skills":["Skill 1","Skill 2"],"industry":"sales","max_hourly_rate":500,"status":["available","working"],"weights":{"quality":1}}`, http.StatusOK)
	ask("GET", "/api/v1/recommendations?company_type=school", "", http.StatusOK)
	made := ask("POST", "/api/v1/agents", draft, http.StatusCreated)
	path := made.Header.Get("Location")
	ask("POST", "/api/v1/agents/batch", `{"agents":[`+draft+`,`+draft+`]}`, http.StatusOK)
	ask("PUT", path, `{"description":"Changed.","skill_ids":["`+planSkill+`"]}`, http.StatusOK)
	ask("PUT", path+"/status", `{"status":"offline"}`, http.StatusOK)
	for _, asking = range []crash.Caller{customer, owner, governor} {
		for _, filter := range []string{"", "status=trial", "status=active", "status=ended", "status=cancelled", "agent_id=" + id, "status=trial&agent_id=" + id} {
			ask("GET", "/api/v1/hires?limit=10&"+filter, "", http.StatusOK)
		}
	}
	ask("GET", "/api/v1/agents/"+id+"/reviews", "", http.StatusOK)
	ask("GET", "/api/v1/agents/"+id+"/reviews?include_hidden=true", "", http.StatusOK)
	asking = owner
	ask("PUT", path+"/status", `{"status":"available"}`, http.StatusOK)
	asking = customer
	hire := ask("POST", path+"/hires", `{"duration":"monthly"}`, http.StatusCreated).Header.Get("Location")
	ask("GET", hire, "", http.StatusOK)
	times = 1 // the second time they have nothing to do
	ask("PUT", hire+"/status", `{"status":"active"}`, http.StatusOK)
	ask("POST", hire+"/review", `{"rating":5}`, http.StatusCreated)
	asking = governor
	ask("PUT", hire+"/review/hidden", `{"hidden":true}`, http.StatusOK)
	asking = owner
	ask("POST", hire+"/review/reply", `{"text":"Thank you"}`, http.StatusOK)
	ask("DELETE", path, "", http.StatusConflict)
	ask("PUT", hire+"/status", `{"status":"ended"}`, http.StatusOK)
	path = ask("POST", "/api/v1/agents", draft, http.StatusCreated).Header.Get("Location")
	ask("DELETE", path, "", http.StatusNoContent)
	ask("POST", path+"/restore", "", http.StatusOK)
	ask("POST", path+"/transfer", `{"owner":"owner-2"}`, http.StatusOK)

	seen, whole := p.read(t)
	for _, statement := range whole {
		t.Errorf("a big table is read whole: %s", statement)
	}
	t.Logf("%d plans of %d statements", seen.plans, len(seen.statements))
	const fewest = 60 // statements: the lists alone are more
	if len(seen.statements) < fewest {
		t.Errorf("only %d different statements were logged", len(seen.statements))
	}

	// The guard itself: without an index it does find fault.
	execute(t, p.owner, `drop index plant.agents_by_hourly_rate`)
	ask("GET", "/api/v1/agents?sort=hourly_rate", "", http.StatusOK)
	if _, whole := p.read(t); len(whole) == 0 {
		t.Error("a list without its index went unnoticed")
	}
}

// plans is a database of many agents whose server logs each plan of one login.
type plans struct {
	owner  *pgx.Conn
	appURL string
	log    string
	offset int
}

const planSkill = "01900000-0000-7000-9000-000000000001"

func newPlans(t *testing.T) *plans {
	t.Helper()
	s := commonStand(t)
	execute(t, ownerOf(t, s), `create database plans`)
	u, err := url.Parse(s.Server.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/plans"
	p := &plans{owner: connect(t, u.String()), log: s.Server.LogFile}
	if err := plantsql.Migrate(t.Context(), p.owner, plantsql.Latest); err != nil {
		t.Fatal(err)
	}
	if p.appURL, err = postgres.AppLogin(t.Context(), u.String(), filepath.Join(t.TempDir(), "password")); err != nil {
		t.Fatal(err)
	}
	login, err := url.Parse(p.appURL)
	if err != nil {
		t.Fatal(err)
	}
	for _, setting := range []string{
		"session_preload_libraries = auto_explain", "auto_explain.log_min_duration = 0", "auto_explain.log_format = json",
		"auto_explain.log_nested_statements = on",
	} {
		execute(t, p.owner, `alter role `+login.User.Username()+` set `+setting)
	}
	// Past the triggers, which would take minutes; what they write is written here for all at once.
	tx, err := p.owner.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`set local session_replication_role = replica`,
		`insert into plant.skills (id, name, category) select ('01900000-0000-7000-9000-' || lpad(n::text, 12, '0'))::uuid, 'Skill ' || n, 'technical' from generate_series(0, 199) n`,
		fmt.Sprintf(`insert into plant.agents (id, owner_issuer, owner, external_id, name, specialization, industry, hourly_rate, tags, languages, skill_ids, status, created_at, updated_at)
			select gen_random_uuid(), 'issuer', 'owner-' || n %% 400, 'ext-' || n, (array['Swift', 'Calm', 'Bright'])[1 + n %% 3] || (array[' writer', ' planner'])[1 + n %% 2] || ' word' || n %% 997,
				'craft ' || n %% 211, (array['marketing', 'education', 'sales'])[1 + n %% 3], 10 + n %% 4000, array['tag-' || n %% 331], array[case when n %% 500 = 0 then 'de' else 'en' end],
				array[('01900000-0000-7000-9000-' || lpad((n %% 200)::text, 12, '0'))::uuid, ('01900000-0000-7000-9000-' || lpad((n %% 199)::text, 12, '0'))::uuid], (array['available', 'available', 'working', 'offline'])[1 + n %% 4], t, t
			from generate_series(1, %d) n cross join lateral (select timestamptz '2020-01-01' + n * interval '61 seconds' as t) t`, planRows),
		`insert into plant.agent_statistics (agent_id, total_jobs, completed_jobs, duration_samples, p95_duration_ms, reviews, rating_sum)
			select id, 100 + n % 500, 90 + n % 11, 90, n % 9000, n % 10, (n % 10) * (1 + n % 5) from (select id, row_number() over () as n from plant.agents) a`,
		fmt.Sprintf(`insert into plant.hires (id, agent_id, customer_issuer, customer, partner_issuer, partner, exclusive, status, duration, price, currency, trial_days, trial_ends_at, activated_at, ended_at, created_at)
			select gen_random_uuid(), id, 'issuer', 'customer-' || n %% 2000, owner_issuer, owner, false, status, 'monthly', 1600, 'INR', 7, t + interval '168 hours',
				case when status = 'active' then t end, case status when 'cancelled' then t when 'ended' then t + interval '168 hours' end, t
			from (select id, owner_issuer, owner, row_number() over (order by id) as n from plant.agents) a
			cross join lateral (select case when n %% 40 = 0 then 'trial' when n %% 9 = 0 then 'active' when n %% 7 = 0 then 'cancelled' else 'ended' end as status, now() - n * interval '13 minutes' as t) h limit %d`, planRows),
		`insert into plant.reviews (id, hire_id, agent_id, rating, hidden) select gen_random_uuid(), id, agent_id, 3, status = 'cancelled' from plant.hires where status <> 'trial'`,
		`insert into plant.agent_skills (agent_id, skill_id, industry, currency, status, rate, live)
			select id, unnest(skill_ids), industry, currency, status, hourly_rate * 100, deleted_at is null from plant.agents on conflict do nothing`,
		`insert into plant.search_postings (kind, stem, impact, id)
			select 'a', stem, 1.5, id from plant.agents cross join lateral unnest(tsvector_to_array(to_tsvector('english', name || ' ' || specialization))) stem`,
		`insert into plant.search_documents (id, kind, name, terms)
			select p.id, 'a', lower(a.name), ('{' || string_agg(place || ':1.5', ',' order by place) || '}/536870912')::sparsevec(536870912)
			from (select distinct id, plant.search_place(stem) as place from plant.search_postings) p join plant.agents a on a.id = p.id group by p.id, a.name`,
		`select plant.count_frequencies()`,
		`insert into plant.search_words (kind, word) select 'a', 'word' || n from generate_series(1, 5000) n union all values ('a'::"char", 'swift'), ('a', 'calm'), ('a', 'bright'), ('a', 'writer'), ('a', 'planner')`,
		`insert into plant.jobs (agent_id, job_id, ended_at, event_id, completed) select id, 'j', now(), 'e', true from plant.agents`,
		`insert into plant.job_rollups (agent_id, grain, starts_at, jobs, completed, duration_ms_sum, cost_sum, cost_samples, slots, counts)
			select id, grain, case when grain = 'all' then '-infinity' else date_trunc('day', now(), 'UTC') - n * interval '1 day' end, 1, 1, 9, 0, 0, '{9}', '{1}'
			from plant.agents cross join (values ('quarter'::plant.rollup_grain, 0), ('quarter', 1), ('day', 0), ('day', 9), ('all', 0)) g (grain, n)`,
		`insert into plant.idempotency_keys (issuer, subject, route, key, request_hash, answer, expires_at)
			select 'issuer', 'subject-' || n % 100, 'POST /', n, sha256(n::text::bytea), '{}', now() + interval '1 day' from generate_series(1, 20000) n`,
	} {
		if _, err := tx.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	execute(t, p.owner, `vacuum (analyze)`)
	return p
}

type seenPlans struct {
	plans      int
	statements map[string]bool
}

// node is of a plan, as EXPLAIN tells it in JSON.
type node struct {
	Type     string `json:"Node Type"`
	Relation string `json:"Relation Name"`
	Plans    []node
}

// read reads the plans that were logged since the last time, and returns the statements that read a big table whole.
func (p *plans) read(t *testing.T) (seen seenPlans, whole []string) {
	t.Helper()
	log, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	text := string(log[p.offset:])
	p.offset = len(log)
	seen.statements = map[string]bool{}
	const before = " plan:\n"
	for at := strings.Index(text, before); at >= 0; at = strings.Index(text, before) {
		text = text[at+len(before):]
		var one struct {
			Query string `json:"Query Text"`
			Plan  node
		}
		if err := json.NewDecoder(strings.NewReader(text)).Decode(&one); err != nil {
			t.Fatalf("read a plan: %v", err)
		}
		if strings.HasPrefix(one.Query, "explain") {
			continue // only asks what the planner expects, and reads nothing
		}
		seen.plans++
		seen.statements[one.Query] = true
		if relation := one.Plan.readsWhole(); relation != "" {
			if text := relation + ": " + strings.Join(strings.Fields(one.Query), " "); !slices.Contains(whole, text) {
				whole = append(whole, text)
			}
		}
	}
	return seen, whole
}

func (n node) readsWhole() string {
	if n.Type == "Seq Scan" && slices.Contains(big, n.Relation) {
		return n.Relation
	}
	for _, inner := range n.Plans {
		if relation := inner.readsWhole(); relation != "" {
			return relation
		}
	}
	return ""
}
