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
	"/api/v1/ard/search":  `{"query":{"text":"x"}}`,
	"/api/v1/ard/explore": `{"resultType":{"facets":[{"field":"tags"}]}}`,
}

// A13, A14 and I30: everything that is described is open to all, and routed here.
func TestA14_I30_Inventory(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, Function)
	got := apitest.Operations(t, Function)
	for _, operation := range got {
		method, path, _ := strings.Cut(operation, " ")
		body := bodies[path]
		if strings.HasSuffix(path, "/search") && method == "GET" {
			path += "?query=x"
		}
		for _, token := range []string{"", s.Token(t, "", "rob"), s.Token(t, auth.Customer, "carl"), s.Token(t, auth.Partner, "ada"), s.Token(t, auth.Governor, "grace")} {
			s.Do(t, method, path, token, body).Want(t, http.StatusOK)
		}
	}
	want := []string{
		"GET /.well-known/ai-catalog.json", "GET /.well-known/oauth-protected-resource", "GET /.well-known/oauth-protected-resource/mcp",
		"GET /api/v1/agents/available/search", "GET /api/v1/agents/search", "GET /api/v1/ard/agents",
		"GET /api/v1/search/health", "GET /api/v1/search/ready", "POST /api/v1/ard/explore", "POST /api/v1/ard/search",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the operations are others than those of this test: %s", diff)
	}
}
