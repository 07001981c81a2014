package agents

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

const (
	agentFields = "allowed_durations created_at currency description exclusive external_id hourly_rate id industry job_role_id languages metrics " +
		"metrics.avg_rating metrics.completed_jobs metrics.response_time_seconds metrics.retention_rate metrics.total_jobs " +
		"name owner price skill_ids specialization status tags team_id trial_days updated_at version"
	skillFields     = "agents_with_skill category created_at description id name updated_at version"
	certifiedFields = "certified_at evidence_url expired expires_at issuer level"
	teamFields      = "agent_ids created_at description id job_role_id name owner updated_at version"
	jobRoleFields   = "created_at description id industry name required_skills seniority_level specializations updated_at version"
	hireFields      = "activated_at agent_id created_at currency customer duration ended_at id price status trial_days trial_ends_at updated_at version"
	reviewFields    = "agent_id created_at hidden hire_id id rating replied_at reply text updated_at version" // not who the customer is
	measuredFields  = "agent_id avg_cost avg_rating completed_jobs cost_samples duration_samples mean_duration_ms p50_duration_ms p95_duration_ms p99_duration_ms " +
		"rank_score response_time_seconds retention_rate reviews sample_size success_rate total_jobs trials_ended"
	industryFields = "created_at description id name slug updated_at version"
	// agentColumns are those that a new agent has a value in.
	agentColumns  = "allowed_durations created_at currency description exclusive hourly_rate industry languages name owner owner_issuer price skill_ids specialization status tags trial_days"
	problemFields = "code detail request_id status timestamp title type"
)

// prefixed are the fields of objects that stand in another's field.
func prefixed(at, fields string) string {
	return at + " " + at + "." + strings.Join(strings.Fields(fields), " "+at+".")
}

// fieldsOf collects the names of all members of a JSON value; an array's items are as one.
func fieldsOf(value any, at string, into map[string]bool) {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			into[at+name] = true
			fieldsOf(member, at+name+".", into)
		}
	case []any:
		for _, item := range value {
			fieldsOf(item, at, into)
		}
	}
}

// A17: each answer has the fields of this table and no others, whoever asks.
func TestA17_FieldsOfEveryAnswer(t *testing.T) {
	t.Parallel()
	s, scheduler := startScheduled(t)
	skill := s.skill(t, "Listening")
	s.jobRole(t, "Listener", skill)
	draft := with("skill_ids", fmt.Sprintf("[%q]", skill))
	one, two := s.publish(t, draft).ID.String(), s.publish(t, draft).ID.String()
	s.team(t, s.jobRole(t, "Speaker"))
	s.hire(t, apitest.Decode[catalog.Agent](t, s.Do(t, "POST", "/api/v1/agents", s.Token(t, auth.Partner, "bob"), writer)).ID)
	certification := " " + prefixed("certification", certifiedFields)
	answers := map[string]string{ // by operation
		"GET /api/v1/agents":      agentFields,
		"GET /api/v1/agents/{id}": agentFields,
		"GET /api/v1/agents/{id}/card": "capabilities defaultInputModes defaultOutputModes description documentationUrl name provider provider.organization provider.url " +
			"skills skills.description skills.id skills.name skills.tags supportedInterfaces supportedInterfaces.protocolBinding supportedInterfaces.protocolVersion supportedInterfaces.url version",
		"GET /api/v1/agents/compare":                  "from to window " + prefixed("agents", agentFields+" skills "+prefixed("measured", measuredFields)),
		"GET /api/v1/agents/health":                   "status",
		"GET /api/v1/agents/ready":                    "status",
		"GET /api/v1/skills":                          skillFields + certification, // of one whose certification was not to be taken back
		"GET /api/v1/skills/{id}":                     skillFields,
		"GET /api/v1/job-roles":                       jobRoleFields + certification,
		"GET /api/v1/job-roles/{id}":                  jobRoleFields,
		"GET /api/v1/job-roles/{id}/skills":           skillFields,
		"GET /api/v1/industries":                      industryFields,
		"GET /api/v1/industries/{id}":                 industryFields,
		"POST /api/v1/agents":                         agentFields,
		"POST /api/v1/agents/batch":                   prefixed("results", "id index status"),
		"PUT /api/v1/agents/{id}":                     agentFields,
		"PATCH /api/v1/agents/{id}":                   agentFields,
		"PUT /api/v1/agents/{id}/status":              agentFields,
		"POST /api/v1/agents/{id}/restore":            agentFields,
		"POST /api/v1/agents/{id}/transfer":           agentFields,
		"DELETE /api/v1/agents/{id}":                  "",
		"POST /api/v1/skills/{id}/certify":            skillFields + certification,
		"POST /api/v1/job-roles/{id}/certify":         jobRoleFields + certification,
		"DELETE /api/v1/skills/{id}/certification":    "",
		"DELETE /api/v1/job-roles/{id}/certification": "",
		"PUT /api/v1/teams/{id}/agents/{agent_id}":    teamFields,
		"DELETE /api/v1/teams/{id}/agents/{agent_id}": "",
		"GET /api/v1/teams":                           teamFields,
		"GET /api/v1/teams/{id}":                      teamFields,
		"POST /api/v1/agents/{id}/hires":              hireFields,
		"GET /api/v1/hires":                           hireFields,
		"GET /api/v1/hires/{id}":                      hireFields,
		"PUT /api/v1/hires/{id}/status":               hireFields,
		"POST /api/v1/hires/{id}/review":              reviewFields,
		"GET /api/v1/hires/{id}/review":               reviewFields,
		"POST /api/v1/hires/{id}/review/reply":        reviewFields,
		"PUT /api/v1/hires/{id}/review/hidden":        reviewFields,
		"GET /api/v1/agents/{id}/reviews":             reviewFields,
		"GET /api/v1/agents/{id}/history":             "action at hash previous_hash seq version " + prefixed("actor", "issuer pseudonym role subject") + " " + prefixed("change", agentColumns),
		"GET /api/v1/changes":                         "next " + prefixed("changes", "action at entity_id entity_type hash seq version"),
		"GET /api/v1/audit/proof/inclusion":           "hashes leaf root seq size",
		"GET /api/v1/audit/proof/consistency":         "first first_root hashes second second_root",
		"GET /api/v1/audit/tampering/{entity_id}":     "amendment_count broken_at_index entity_id entity_type expected_hash reason stored_hash tampered",
		"POST /api/v1/audit/run": "amendments chains_whole compliant ran_at scope sequenced " + prefixed("entities", "agent industry job_role review skill team") + " " +
			prefixed("rules", "examples id says violations"),
	}
	notJSON := []string{"GET /api/v1/audit/checkpoint", "GET /api/v1/audit/export"} // other tests read them
	for resource, fields := range map[string]string{"skills": skillFields, "job-roles": jobRoleFields, "industries": industryFields, "teams": teamFields} {
		for _, operation := range []string{"POST", "PUT /{id}", "PATCH /{id}", "POST /{id}/restore"} {
			method, suffix, _ := strings.Cut(operation, " ")
			answers[method+" /api/v1/"+resource+suffix] = fields
		}
		answers["DELETE /api/v1/"+resource+"/{id}"] = ""
	}
	operations := apitest.Operations(t, Function)
	for _, operation := range operations {
		if slices.Contains(notJSON, operation) {
			continue
		}
		want, written := answers[operation]
		if !written {
			t.Errorf("%s has no row in the table", operation)
			continue
		}
		method, _, _ := strings.Cut(operation, " ")
		succeeded := 0
		for i, token := range s.tokens(t, scheduler) {
			path, body, _ := s.arrange(t, operation)
			if strings.HasSuffix(path, "/compare") {
				path += "?ids=" + one + "," + two
			} else if name, isProof := strings.CutPrefix(path, "/api/v1/audit/proof/"); isProof {
				path += map[string]string{"inclusion": "?seq=1", "consistency": "?first=1"}[name]
			}
			allowed := problemFields
			answer := s.Do(t, method, path, token, body)
			if answer.Status == http.StatusUnprocessableEntity {
				allowed += " " + prefixed("errors", "location message value")
			}
			if answer.Status < http.StatusBadRequest {
				allowed = want
				succeeded++
			}
			var value any
			if answer.Body != "" {
				if err := json.Unmarshal([]byte(answer.Body), &value); err != nil {
					t.Fatal(err)
				}
			}
			got := map[string]bool{}
			fieldsOf(value, "", got)
			if diff := cmp.Diff(slices.Sorted(slices.Values(strings.Fields(allowed))), slices.Sorted(maps.Keys(got))); diff != "" {
				t.Errorf("%s, %s: %s", operation, callers[i], diff)
			}
		}
		if succeeded == 0 {
			t.Errorf("%s never succeeded", operation)
		}
	}
	// Only what is deleted, which only governors see, says when.
	s.Do(t, "DELETE", "/api/v1/agents/"+two, s.Token(t, auth.Governor, "grace"), "").Want(t, http.StatusNoContent)
	for _, agent := range apitest.Decode[[]map[string]any](t, s.Do(t, "GET", "/api/v1/agents?include_deleted=true", s.Token(t, auth.Governor, "grace"), "")) {
		if _, told := agent["deleted_at"]; told != (agent["id"] == two) {
			t.Errorf("got %v", agent)
		}
	}
}

// I28: what looks like markup, a formula or a log line is text wherever it comes back.
func TestI28_PayloadsEverywhere(t *testing.T) {
	t.Parallel()
	s := start(t)
	const payload = "<script>alert(1)</script>\u2029=cmd|' /C calc'!A0"
	line := strings.ReplaceAll(payload, "\u2029", "")
	skill := s.skill(t, line)
	id := s.publish(t, with("description", quoted(t, payload))).ID.String()
	named := s.publish(t, fmt.Sprintf(`{"name":%[1]s,"specialization":%[1]s,"industry":"sales","hourly_rate":1,"tags":[%[1]s],"external_id":%[1]s,"skill_ids":[%[2]q]}`, quoted(t, line), skill)).ID.String()
	for _, path := range []string{"/api/v1/agents", "/api/v1/agents/" + id, "/api/v1/agents/" + named, "/api/v1/skills", "/api/v1/skills/" + skill.String(), "/api/v1/agents/compare?ids=" + id + "," + named} {
		for _, accept := range []string{"text/html", "*/*", "application/xml", "text/csv;q=1", "\"", ""} {
			answer := s.Do(t, "GET", path, "", "", apitest.Header{Name: "Accept", Value: accept}).Want(t, http.StatusOK)
			if got := answer.Header.Get("Content-Type"); got != "application/json" || answer.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s as %s: %v", path, accept, answer.Header)
			}
		}
	}
	for _, path := range []string{"/<script>alert(1)</script>", "/api/v1/agents/%3Cscript%3E", "/api/v1/agents?status=%3Cscript%3E", "/api/v1/agents?%3Cscript%3E=1"} {
		answer := s.Do(t, "GET", path, "", "", apitest.Header{Name: "Accept", Value: "text/html"})
		if answer.Status < http.StatusBadRequest {
			t.Errorf("%s: got %d", path, answer.Status)
		}
	}
}
