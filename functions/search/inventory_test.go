package search

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// bodies are what operations with one are tried with.
var bodies = map[string]string{
	"/api/v1/ard/search":        `{"query":{"text":"x"}}`,
	"/api/v1/ard/explore":       `{"resultType":{"facets":[{"field":"tags"}]}}`,
	"/api/v1/match":             `{"required_skills":["Reading"]}`,
	"/api/v1/skills/similarity": `{"text":"x"}`,
}

// queries are what operations that need one are tried with.
var queries = map[string]string{
	"/api/v1/agents/available/search": "?query=x",
	"/api/v1/agents/search":           "?query=x",
	"/api/v1/job-roles/search":        "?query=x",
	"/api/v1/skills/search":           "?query=x",
	"/api/v1/recommendations":         "?company_type=school",
	"/api/v1/suggest":                 "?prefix=x",
}

// A13, A14 and I30: everything that is described is open to all, and routed here.
func TestA14_I30_Inventory(t *testing.T) {
	t.Parallel()
	s := start(t)
	ids := map[string]string{
		"/api/v1/agents/{id}/similar":  s.add(t, agent{name: "Reader"}).String(),
		"/api/v1/job-roles/{id}/match": s.addRole(t, "Reader", s.addSkill(t, "Reading")).String(),
	}
	got := apitest.Operations(t, Function)
	for _, operation := range got {
		method, path, _ := strings.Cut(operation, " ")
		address := strings.ReplaceAll(path, "{id}", ids[path]) + queries[path]
		for _, token := range []string{"", s.Token(t, "", "rob"), s.Token(t, auth.Customer, "carl"), s.Token(t, auth.Partner, "ada"), s.Token(t, auth.Governor, "grace")} {
			s.Do(t, method, address, token, bodies[path]).Want(t, http.StatusOK)
		}
	}
	want := []string{
		"GET /.well-known/ai-catalog.json", "GET /.well-known/oauth-protected-resource", "GET /.well-known/oauth-protected-resource/mcp",
		"GET /api/v1/agents/available/search", "GET /api/v1/agents/search", "GET /api/v1/agents/{id}/similar", "GET /api/v1/ard/agents",
		"GET /api/v1/job-roles/search", "GET /api/v1/recommendations", "GET /api/v1/search/health", "GET /api/v1/search/ready",
		"GET /api/v1/skills/search", "GET /api/v1/suggest", "POST /api/v1/ard/explore", "POST /api/v1/ard/search", "POST /api/v1/job-roles/{id}/match",
		"POST /api/v1/match", "POST /api/v1/skills/similarity",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the operations are others than those of this test: %s", diff)
	}
}
