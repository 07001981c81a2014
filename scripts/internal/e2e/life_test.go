//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var agentPath = regexp.MustCompile(`/api/v1/agents/[0-9a-f-]{36}`)

func agentLife(t *testing.T, p *plant, token, slash string) {
	const draft = `{"name":"Outreach Planner","specialization":"Quillfeather outreach","industry":"sales","hourly_rate":85.0}`
	created := p.do(t, "POST", "/api/v1/agents"+slash, token, draft).want(t, 201, `"price":13600.00`)
	path := agentPath.FindString(created.header.Get("Location"))
	if path == "" {
		t.Fatalf("no Location in %v", created.header)
	}
	for range 3 {
		p.do(t, "POST", "/api/v1/agents"+slash, token, draft).want(t, 201)
	}
	p.do(t, "GET", "/api/v1/agents"+slash, "", "").want(t, 200, "Outreach Planner")
	p.do(t, "GET", "/api/v1/agents"+slash+"?industry=sales&specialization=quillfeather+outreach", "", "").want(t, 200, path[len("/api/v1/agents/"):])
	p.do(t, "GET", path+slash, "", "").want(t, 200, `"hourly_rate":85.00`)
	p.do(t, "GET", "/api/v1/agents/01900000-0000-7000-8000-00000000dead"+slash, "", "").want(t, 404, "NOT_FOUND")
	p.do(t, "PUT", path+slash, token, `{"hourly_rate":90.5,"description":"Plans."}`).want(t, 200,
		`"hourly_rate":90.50`, `"description":"Plans."`, `"name":"Outreach Planner"`, `"specialization":"Quillfeather outreach"`)
	find := "/api/v1/agents/available/search" + slash + "?query=quillfeather"
	p.do(t, "GET", find, "", "").want(t, 200, path[len("/api/v1/agents/"):])
	p.do(t, "PUT", path+"/status"+slash, token, `{"status":"working"}`).want(t, 200, `"status":"working"`)
	if found := p.do(t, "GET", find, "", "").want(t, 200); strings.Contains(found.body, path[len("/api/v1/agents/"):]) {
		t.Error("a working agent was found among the available ones")
	}
	p.do(t, "GET", path+"/metrics"+slash, "", "").want(t, 200, `"total_jobs":0`, `"avg_rating":0`)
	p.do(t, "DELETE", path+slash, token, "").want(t, 204)
	p.do(t, "GET", path+slash, "", "").want(t, 404, "NOT_FOUND")
	p.do(t, "POST", "/api/v1/agents"+slash, token, strings.Replace(draft, "Outreach Planner", "", 1)).want(t, 422, "body.name")
	p.do(t, "POST", "/api/v1/agents"+slash, token, strings.Replace(draft, "85.0", "-1", 1)).want(t, 422, "body.hourly_rate")
	p.do(t, "GET", "/api/v1/agents"+slash+"?limit=1000", "", "").want(t, 422, "query.limit")
	p.do(t, "POST", "/api/v1/agents"+slash, "", draft).want(t, 401, "UNAUTHENTICATED")
}

// id returns the id of what an answer holds.
func (a answer) id(t *testing.T) string {
	t.Helper()
	var resource struct{ ID string }
	if err := json.Unmarshal([]byte(a.body), &resource); err != nil || resource.ID == "" {
		t.Fatalf("no id in %s", a.body)
	}
	return resource.ID
}

// governance is what governors and partners do beside agents, each with a slash at the end and without.
func governance(t *testing.T, p *plant, partner, governor string) {
	skill := p.do(t, "POST", "/api/v1/skills/", governor, `{"name":"Reading aloud","category":"soft_skill"}`).want(t, 201).id(t)
	p.do(t, "POST", "/api/v1/skills", governor, `{"name":"reading ALOUD","category":"technical"}`).want(t, 409, "CONFLICT")
	p.do(t, "POST", "/api/v1/skills", partner, `{"name":"Other","category":"technical"}`).want(t, 403, "FORBIDDEN")
	p.do(t, "POST", "/api/v1/skills/"+skill+"/certify", governor, `{"level":"expert","evidence_url":"https://evidence.example/1.pdf","issuer":"Board"}`).want(t, 200, `"level":"expert"`)
	industry := p.do(t, "POST", "/api/v1/industries", governor, `{"name":"Health care"}`).want(t, 201, `"slug":"health-care"`).id(t)
	p.do(t, "GET", "/api/v1/industries/health-care/", "", "").want(t, 200, industry)
	role := p.do(t, "POST", "/api/v1/job-roles", governor, fmt.Sprintf(`{"name":"Reader","required_skills":[%q],"seniority_level":"mid","industry":"health-care"}`, skill)).want(t, 201).id(t)
	p.do(t, "POST", "/api/v1/job-roles", governor, `{"name":"Nobody","required_skills":[],"seniority_level":"mid"}`).want(t, 422, "body.required_skills")
	p.do(t, "GET", "/api/v1/job-roles/"+role+"/skills/", "", "").want(t, 200, "Reading aloud")
	agent := p.do(t, "POST", "/api/v1/agents", partner, fmt.Sprintf(`{"name":"Reader","specialization":"Reading","industry":"health-care","hourly_rate":10,"skill_ids":[%q]}`, skill)).want(t, 201).id(t)
	p.do(t, "GET", "/api/v1/skills/"+skill, "", "").want(t, 200, `"agents_with_skill":1`)
	team := p.do(t, "POST", "/api/v1/teams", partner, fmt.Sprintf(`{"name":"Readers","job_role_id":%q,"agent_ids":[%q]}`, role, agent)).want(t, 201).id(t)
	for _, used := range []string{"skills/" + skill, "job-roles/" + role, "industries/health-care"} {
		p.do(t, "DELETE", "/api/v1/"+used, governor, "").want(t, 409, "is used by")
	}
	p.do(t, "DELETE", "/api/v1/teams/"+team+"/agents/"+agent, partner, "").want(t, 409, "CONFLICT")
	p.do(t, "DELETE", "/api/v1/teams/"+team+"/", partner, "").want(t, 204)
	p.do(t, "DELETE", "/api/v1/agents/"+agent, partner, "").want(t, 204)
	for _, free := range []string{"job-roles/" + role, "skills/" + skill, "industries/" + industry} {
		p.do(t, "DELETE", "/api/v1/"+free, governor, "").want(t, 204)
		p.do(t, "GET", "/api/v1/"+free, "", "").want(t, 404, "NOT_FOUND")
	}
}

// hiring is what README shows: a customer tries an agent, goes on with it and reviews it.
func hiring(t *testing.T, p *plant, partner, governor string) {
	customer, other := p.script(t, "token", "--role", "customer", "--sub", "konkan-foods"), p.script(t, "token", "--role", "customer", "--sub", "daily-dairy")
	agent := "/api/v1/agents/" + p.do(t, "POST", "/api/v1/agents", partner, `{"name":"Campaign Writer","specialization":"Content writing","industry":"marketing","hourly_rate":85,"exclusive":true}`).want(t, 201).id(t)
	hire := "/api/v1/hires/" + p.do(t, "POST", agent+"/hires/", customer, `{"duration":"monthly"}`).want(t, 201, `"status":"trial"`, `"price":13600.00`).id(t)
	p.do(t, "POST", agent+"/hires", other, `{"duration":"monthly"}`).want(t, 409, "AGENT_TAKEN")
	p.do(t, "POST", hire+"/review", customer, `{"rating":5}`).want(t, 409, "TRIAL_RUNS")
	p.do(t, "PUT", hire+"/status/", customer, `{"status":"active"}`).want(t, 200, `"status":"active"`)
	p.do(t, "POST", hire+"/review/", customer, `{"rating":5,"text":"Two drafts a day, and both are good."}`).want(t, 201)
	p.do(t, "POST", hire+"/review/reply/", partner, `{"text":"Thank you!"}`).want(t, 200, "Thank you!")
	p.do(t, "GET", agent+"/reviews/", "", "").want(t, 200, "both are good", "Thank you!")
	p.do(t, "GET", agent+"/metrics", "", "").want(t, 200, `"avg_rating":5`, `"retention_rate":1`)
	p.do(t, "GET", hire, other, "").want(t, 404, "NOT_FOUND")
	p.do(t, "GET", "/api/v1/hires/?status=active", partner, "").want(t, 200, hire[len("/api/v1/hires/"):])
	p.do(t, "DELETE", agent, partner, "").want(t, 409, "AGENT_HIRED")
	p.do(t, "PUT", hire+"/review/hidden/", governor, `{"hidden":true}`).want(t, 200, `"hidden":true`)
	p.do(t, "GET", agent+"/metrics", "", "").want(t, 200, `"avg_rating":0`)
	p.do(t, "PUT", hire+"/status", partner, `{"status":"ended"}`).want(t, 200, `"status":"ended"`)
	p.do(t, "DELETE", agent, partner, "").want(t, 204)
}

// measuring is what README shows: events are reported, and figures and pictures follow at once. The demo data have some too.
func measuring(t *testing.T, p *plant, partner string) {
	agent := p.do(t, "POST", "/api/v1/agents", partner, `{"name":"Hard Worker","specialization":"Editing","industry":"marketing","hourly_rate":40}`).want(t, 201).id(t)
	now := time.Now().UTC().Format(time.RFC3339)
	batch := fmt.Sprintf(`{"events":[{"event_id":"e1","job_id":"j1","kind":"job_started","occurred_at":%q},{"event_id":"e2","job_id":"j1","kind":"job_completed","occurred_at":%[1]q,"duration_ms":41250,"cost":0.97}]}`, now)
	p.do(t, "POST", "/api/v1/agents/"+agent+"/events", partner, batch).want(t, 200, `{"event_id":"e2","status":"stored"}`)
	p.do(t, "POST", "/api/v1/agents/"+agent+"/events/", partner, batch).want(t, 200, `{"event_id":"e2","status":"duplicate"}`)
	p.do(t, "GET", "/api/v1/agents/"+agent+"/metrics?window=24h", "", "").want(t, 200, `"total_jobs":1`, `"avg_cost":0.97`)
	p.do(t, "GET", "/api/v1/agents/"+agent+"/metrics/timeseries?interval=week&tz=Asia/Kolkata", "", "").want(t, 200, `"total_jobs":1`)
	p.do(t, "GET", "/api/v1/agents?min_success_rate=0.95&max_p95_duration_ms=120000&sort=total_jobs", "", "").want(t, 200, agent)
	p.do(t, "GET", "/api/v1/agents/search?query=Hard+Worker&min_success_rate=0.95", "", "").want(t, 200, agent)
	const writer = "/api/v1/agents/01920000-0000-7000-8000-000000004001"
	p.do(t, "GET", writer+"/metrics/chart.svg?tz=Asia/Kolkata", "", "").want(t, 200, "<title id=\"title\">Campaign Writer: Jobs by day</title>", "jobs ended, of which")
	p.do(t, "GET", writer+"/metrics/chart.png?measure=duration&theme=dark", "", "").want(t, 200, "PNG")
	p.do(t, "GET", writer+"/metrics/badge.svg", "", "").want(t, 200, "jobs completed 30d: ")
	p.do(t, "GET", "/api/v1/agents/compare?ids="+agent+",01920000-0000-7000-8000-000000004001", "", "").want(t, 200, `"measured":{"agent_id":"`+agent)
	for _, of := range []string{"summary", "trending", "leaderboard"} {
		p.do(t, "GET", "/api/v1/marketplace/"+of, "", "").want(t, 200, `"industry"`)
	}
}

// audit is what README shows: a change is made, found in the feed, and proved by those who have no database.
func audit(t *testing.T, p *plant, partner, governor string) {
	agent := p.do(t, "POST", "/api/v1/agents", partner, `{"name":"Proof Reader","specialization":"Editing","industry":"marketing","hourly_rate":40}`).want(t, 201).id(t)
	p.do(t, "PUT", "/api/v1/agents/"+agent, partner, `{"hourly_rate":45}`).want(t, 200)
	p.do(t, "GET", "/api/v1/agents/"+agent+"/history/", partner, "").want(t, 200, `"hourly_rate":["40.00","45.00"]`, `"subject":"ada"`)
	p.do(t, "GET", "/api/v1/changes/?limit=1000", "", "").want(t, 200, fmt.Sprintf(`"entity_id":%q,"version":2,"action":"update"`, agent))
	p.do(t, "POST", "/api/v1/audit/run", governor, "").want(t, 200, `"compliant":true`)
	p.do(t, "GET", "/api/v1/audit/tampering/"+agent, governor, "").want(t, 200, `"tampered":false`, `"amendment_count":2`)
	p.do(t, "POST", "/internal/sequence", governor, "").want(t, 404, "NOT_FOUND")

	folder := t.TempDir()
	keep := func(name, text string) string {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	exported := p.do(t, "GET", "/api/v1/audit/export", governor, "").want(t, 200).body
	export, changed := keep("export.ndjson", exported), keep("changed.ndjson", strings.Replace(exported, `"45.00"`, `"54.00"`, 1))
	checkpoint := keep("checkpoint", p.do(t, "GET", "/api/v1/audit/checkpoint", "", "").want(t, 200, "localhost/plant").body)
	key, kept := filepath.Join(p.home, "audit.pub"), filepath.Join(p.home, "audit-checkpoints")
	line := strings.Count(exported[:strings.Index(exported, `"45.00"`)], "\n") + 1
	for _, verifier := range [][]string{{filepath.Join(root(t), "scripts", "audit"), "verify"}, {"python3", filepath.Join(root(t), "scripts", "cmd", "audit", "verify.py")}} {
		for _, signed := range []string{checkpoint, kept} {
			if printed, err := p.run(t, append(verifier, export, signed, key)...); err != nil {
				t.Errorf("%v: %v\n%s", verifier, err, printed)
			}
		}
		if printed, err := p.run(t, append(verifier, changed, checkpoint, key)...); err == nil || !strings.Contains(printed, fmt.Sprintf("amendment %d:", line)) {
			t.Errorf("%v of a changed export: %v\n%s", verifier, err, printed)
		}
	}
}

// run runs a command in the scripts' environment.
func (p *plant) run(t *testing.T, command ...string) (printed string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = p.environment(t)
	text, err := cmd.CombinedOutput()
	return string(text), err
}
