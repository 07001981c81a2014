//go:build e2e

package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// openProtocols is what other agents and their registries do, through the gateway: read a card, search a registry that the
// domain names, use tools.
func openProtocols(t *testing.T, p *plant, token string) {
	const card = `{ "name":"Quillfeather",  "description":"Plans outreach.","version":"1.0","capabilities":{},"defaultInputModes":["text/plain"],"defaultOutputModes":["text/plain"],` +
		`"supportedInterfaces":[{"url":"https://a.example/a2a","protocolBinding":"JSONRPC","protocolVersion":"1.0"}],"skills":[{"id":"1","name":"S","description":"D","tags":["t"]}]}`
	created := p.do(t, "POST", "/api/v1/agents", token, `{"name":"Quillfeather Planner","specialization":"Outreach","industry":"sales","hourly_rate":85.0,"tags":["quillfeather"],"card":`+card+`}`).want(t, 201)
	path := agentPath.FindString(created.header.Get("Location"))
	if got := p.do(t, "GET", path+"/card", "", "").want(t, 200); got.body != card {
		t.Errorf("the card is %s", got.body)
	}
	p.do(t, "GET", "/.well-known/ai-catalog.json", "", "").want(t, 200, p.url+"/api/v1/ard/", p.url+"/mcp")
	p.do(t, "POST", "/api/v1/ard/search", "", `{"query":{"text":"quillfeather planner","filter":{"tags":["quillfeather"]}}}`).want(t, 200, p.url+path+"/card")
	p.do(t, "GET", "/api/v1/ard/agents?filter=nothing", "", "").want(t, 400, "INVALID_ARGUMENT")

	if refused := p.do(t, "POST", "/mcp", "forged", `{}`).want(t, 401, "jsonrpc"); !strings.Contains(refused.header.Get("WWW-Authenticate"), p.url+"/.well-known/oauth-protected-resource") {
		t.Errorf("refused with %v", refused.header)
	}
	p.do(t, "GET", "/.well-known/oauth-protected-resource", "", "").want(t, 200, p.url+"/mcp")
	for _, token := range []string{"", token} {
		client := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, nil)
		session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: p.url + "/mcp", HTTPClient: &http.Client{Transport: asCaller(token)}, MaxRetries: -1}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for tool, arguments := range map[string]any{"search_agents": map[string]any{"query": "quillfeather planner"}, "get_agent": map[string]any{"id": path[len("/api/v1/agents/"):]}} {
			result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: arguments})
			if err != nil || result.IsError {
				t.Fatalf("%s: %v %+v", tool, err, result)
			}
			if text, ok := result.Content[0].(*mcp.TextContent); !ok || !strings.Contains(text.Text, path[len("/api/v1/agents/"):]) {
				t.Errorf("%s answers %+v", tool, result.Content)
			}
		}
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	}
}

// asCaller sends every request with a token; "" is nobody's.
type asCaller string

func (c asCaller) RoundTrip(r *http.Request) (*http.Response, error) {
	if c != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+string(c))
	}
	return http.DefaultTransport.RoundTrip(r)
}
