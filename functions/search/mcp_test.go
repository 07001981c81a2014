package search

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	"github.com/google/uuid"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/hiring"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// bearer sends every request with a token.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+string(b))
	}
	return http.DefaultTransport.RoundTrip(r)
}

// connect makes a session of the SDK's client.
func connect(t *testing.T, url, token string) *mcp.ClientSession {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: url + mcpPath, HTTPClient: &http.Client{Transport: bearer(token)}, MaxRetries: -1, DisableStandaloneSSE: true,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

// use calls a tool and returns what it answers: text, or what went wrong.
func use(t *testing.T, session *mcp.ClientSession, tool string, arguments any) (text string, failed bool) {
	t.Helper()
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		return err.Error(), true
	}
	content, ok := result.Content[0].(*mcp.TextContent)
	if !ok {
		t.Fatalf("%s answers %T", tool, result.Content[0])
	}
	return content.Text, result.IsError
}

func answerOf[T any](t *testing.T, session *mcp.ClientSession, tool string, arguments any) T {
	t.Helper()
	text, failed := use(t, session, tool, arguments)
	if failed {
		t.Fatalf("%s: %s", tool, text)
	}
	return apitest.Decode[T](t, apitest.Answer{Body: text})
}

// arguments of a tool.
type object = map[string]any

func TestMCP_Tools(t *testing.T) {
	t.Parallel()
	s := start(t)
	other := apitest.Join(t, s.Service, Function) // any instance answers
	skill := s.addSkill(t, "Listening")
	writer := s.add(t, agent{name: "Campaign Writer", skills: []uuid.UUID{skill}, industry: "marketing", rate: 10})
	busy := s.add(t, agent{name: "Campaign Planner", status: "working", rate: 20})
	gone := s.add(t, agent{name: "Campaign Ghost"})
	s.DB.Exec(t, `update plant.agents set deleted_at = now() where id = $1`, gone)
	for _, token := range []string{"", s.Token(t, auth.Customer, "carl")} {
		session := connect(t, s.URL, token)
		listed, err := session.ListTools(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, tool := range listed.Tools {
			names = append(names, tool.Name)
			if tool.Description == "" || tool.InputSchema == nil || tool.Annotations.ReadOnlyHint == (tool.Name == "hire_agent") {
				t.Errorf("%s does not say what it is", tool.Name)
			}
		}
		if diff := cmp.Diff([]string{"compare_agents", "get_agent", "hire_agent", "match_job_role", "search_agents"}, names); diff != "" {
			t.Error(diff)
		}
		for _, one := range []*mcp.ClientSession{session, connect(t, other.URL, token)} {
			type found struct{ Agents []foundAgent }
			if got := answerOf[found](t, one, "search_agents", object{"query": "campaign"}).Agents; len(got) != 1 || got[0].ID != writer || got[0].Score == 0 {
				t.Errorf("found %+v", got)
			}
			if got := answerOf[found](t, one, "search_agents", object{"query": "campaign", "only_available": false}).Agents; len(got) != 2 {
				t.Errorf("found %+v of all", got)
			}
			if got := answerOf[found](t, one, "search_agents", object{"query": "campaign", "only_available": false, "max_hourly_rate": 15, "industry": "MARKETING", "limit": 5}).Agents; len(got) != 1 {
				t.Errorf("found %+v by a filter", got)
			}
			if got := answerOf[catalog.ComparedAgent](t, one, "get_agent", object{"id": writer.String()}); got.Name != "Campaign Writer" || !cmp.Equal(got.Skills, []string{"Listening"}) {
				t.Errorf("got %+v", got)
			}
			if got := answerOf[struct{ Agents []catalog.ComparedAgent }](t, one, "compare_agents", object{"ids": []string{busy.String(), writer.String()}}).Agents; len(got) != 2 || got[0].ID != busy {
				t.Errorf("compared %+v", got)
			}
		}
		result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "get_agent", Arguments: object{"id": writer.String()}})
		if err != nil {
			t.Fatal(err)
		}
		if structured, ok := result.StructuredContent.(object); !ok || structured["name"] != "Campaign Writer" {
			t.Errorf("structured: %+v", result.StructuredContent)
		}
	}
	session := connect(t, s.URL, "")
	for name, arguments := range map[string]struct {
		tool string
		in   any
		want string
	}{
		"a deleted agent":       {"get_agent", object{"id": gone.String()}, gone.String()},
		"no id":                 {"get_agent", object{}, "id"},
		"a malformed id":        {"get_agent", object{"id": "'; drop table agents"}, "ids of different agents"},
		"one agent":             {"compare_agents", object{"ids": []string{busy.String()}}, "ids"},
		"the same agent twice":  {"compare_agents", object{"ids": []string{busy.String(), busy.String()}}, "different"},
		"one that is not there": {"compare_agents", object{"ids": []string{busy.String(), gone.String()}}, gone.String()},
		"no query":              {"search_agents", object{}, "query"},
		"a blank query":         {"search_agents", object{"query": "  "}, "blank"},
		"a query too long":      {"search_agents", object{"query": strings.Repeat("a", 513)}, "query"},
		"a limit too high":      {"search_agents", object{"query": "a", "limit": 51}, "limit"},
		"an unknown argument":   {"search_agents", object{"query": "a", "owner": "me"}, "owner"},
		"another type":          {"search_agents", object{"query": 1}, "query"},
		"an unknown status":     {"search_agents", object{"query": "a", "status": "retired"}, "status"},
		"an unknown tool":       {"fire_agent", object{}, "fire_agent"},
		"hiring as nobody":      {"hire_agent", object{"agent_id": writer.String()}, "token"},
		"an unknown role":       {"match_job_role", object{"job_role_id": writer.String()}, "nothing"},
	} {
		text, failed := use(t, session, arguments.tool, arguments.in)
		if !failed || !strings.Contains(text, arguments.want) || strings.Contains(text, "SQL") || strings.Contains(text, ".go:") {
			t.Errorf("%s: failed is %v: %s", name, failed, text)
		}
	}
}

// A model finds who can fill a role and hires them, for the customer whose token it has and for nobody else.
func TestMCP_MatchesAndHires(t *testing.T) {
	t.Parallel()
	s := start(t)
	skill, role := s.addSkill(t, "Listening"), newID(t)
	s.DB.Exec(t, `insert into plant.job_roles (id, name, seniority_level, required_skills) values ($1, 'Listener', 'mid', array[$2::uuid])`, role, skill)
	listener := s.add(t, agent{name: "Listener", skills: []uuid.UUID{skill}, rate: 20})
	s.add(t, agent{name: "Dear Listener", skills: []uuid.UUID{skill}, rate: 90})

	session := connect(t, s.URL, s.Token(t, auth.Customer, "carl"))
	if got := answerOf[matched](t, session, "match_job_role", object{"job_role_id": role.String(), "max_hourly_rate": 50}); len(got.Agents) != 1 || got.Agents[0].ID != listener || got.Agents[0].Coverage != 1 {
		t.Errorf("matched %+v", got.Agents)
	}
	hire := answerOf[hiring.Hire](t, session, "hire_agent", object{"agent_id": listener.String()})
	if hire.AgentID != listener || hire.Status != "trial" || hire.Duration != "monthly" || hire.Customer != "carl" {
		t.Errorf("hired %+v", hire)
	}
	if got := dbtest.Scalar[int](t, s.DB, `select count(*) from plant.hires where id = $1 and customer = 'carl'`, hire.ID); got != 1 {
		t.Errorf("%d hires are kept", got)
	}
	for _, refused := range []struct {
		role auth.Role
		in   object
		want string
	}{
		{auth.Partner, object{"agent_id": listener.String()}, "customers"},
		{auth.Customer, object{"agent_id": newID(t).String()}, "nothing"},
		{auth.Customer, object{"agent_id": listener.String(), "duration": "yearly"}, "duration"},
		{auth.Customer, object{"agent_id": listener.String(), "duration": "weekly"}, "duration"},
		{auth.Customer, object{}, "agent_id"},
	} {
		if text, failed := use(t, connect(t, s.URL, s.Token(t, refused.role, "cora")), "hire_agent", refused.in); !failed || !strings.Contains(text, refused.want) {
			t.Errorf("%s hires %v: failed is %v: %s", refused.role, refused.in, failed, text)
		}
	}
}

const listTools = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`

// post sends a message as it is.
func (s service) post(t *testing.T, token, body string, headers ...apitest.Header) apitest.Answer {
	t.Helper()
	return s.Do(t, "POST", mcpPath, token, body, append([]apitest.Header{{Name: "Accept", Value: "application/json, text/event-stream"}}, headers...)...)
}

func TestMCP_Requests(t *testing.T) {
	t.Parallel()
	s := start(t)
	answer := s.post(t, "", listTools).Want(t, http.StatusOK)
	if got := answer.Header.Get("Content-Type"); got != "application/json" || answer.Header.Get("Mcp-Session-Id") != "" || answer.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", answer.Header)
	}
	type rpc struct{ Error struct{ Message string } }
	for name, test := range map[string]struct {
		status  int
		body    string
		headers []apitest.Header
	}{
		"no JSON":                   {400, `{`, nil},
		"a duplicate name":          {400, `{"jsonrpc":"2.0","jsonrpc":"2.0"}`, nil},
		"many at once":              {400, `[` + listTools + `,` + listTools + `]`, nil},
		"too deep":                  {400, strings.Repeat(`{"a":`, 101) + `1` + strings.Repeat(`}`, 101), nil},
		"a control character":       {422, `{"jsonrpc":"2.0","id":"a\u0000","method":"tools/list"}`, nil},
		"too large":                 {413, `"` + strings.Repeat("a", 1<<20) + `"`, nil},
		"another content type":      {415, listTools, []apitest.Header{{Name: "Content-Type", Value: "text/plain"}}},
		"compressed":                {415, listTools, []apitest.Header{{Name: "Content-Encoding", Value: "gzip"}}},
		"a page that is not ours":   {403, listTools, []apitest.Header{{Name: "Origin", Value: "https://evil.example"}}},
		"a page of no origin":       {403, listTools, []apitest.Header{{Name: "Origin", Value: "null"}}},
		"a page of another port":    {403, listTools, []apitest.Header{{Name: "Origin", Value: apitest.PublicURL + ":1"}}},
		"a page of ours":            {200, listTools, []apitest.Header{{Name: "Origin", Value: apitest.PublicURL}}},
		"a page that is configured": {200, listTools, []apitest.Header{{Name: "Origin", Value: "https://portal.example"}}},
		"another host":              {200, listTools, []apitest.Header{{Name: "X-Forwarded-Host", Value: "evil.example"}}},
	} {
		answer := s.post(t, "", test.body, test.headers...)
		if answer.Status != test.status {
			t.Errorf("%s: got %d %s", name, answer.Status, answer.Body)
		}
		if got := apitest.Decode[rpc](t, answer); (got.Error.Message != "") != (test.status != http.StatusOK) {
			t.Errorf("%s: %s", name, answer.Body)
		}
	}
	for _, method := range []string{"GET", "DELETE", "PUT"} {
		if got := s.Do(t, method, mcpPath, "", ""); got.Status != http.StatusMethodNotAllowed || got.Header.Get("Allow") != "POST" {
			t.Errorf("%s: %d %v", method, got.Status, got.Header)
		}
	}
	if got := s.Do(t, "POST", mcpPath, "", listTools); got.Status != http.StatusBadRequest || !strings.Contains(got.Body, "Accept") {
		t.Errorf("without Accept: %d %s", got.Status, got.Body) // in the SDK's own words
	}
}

// A token that is not good is refused, with the address of what says whose tokens are (RFC 9728, 5.1), though none is needed.
func TestMCP_Tokens(t *testing.T) {
	t.Parallel()
	s := start(t)
	const at = apitest.PublicURL + "/.well-known/oauth-protected-resource"
	refused := s.post(t, "forged", listTools)
	if got := refused.Header.Get("WWW-Authenticate"); refused.Status != http.StatusUnauthorized || got != `Bearer error="invalid_token", resource_metadata="`+at+`"` {
		t.Errorf("got %d, WWW-Authenticate %s", refused.Status, got)
	}
	s.post(t, s.Token(t, auth.Customer, "carl"), listTools).Want(t, http.StatusOK)
	if got := s.post(t, "", listTools, apitest.Header{Name: "Authorization", Value: "Basic YTpi"}); got.Status != http.StatusUnauthorized {
		t.Errorf("another scheme: %d", got.Status)
	}
	for _, path := range []string{resourcePath, resourcePath + mcpPath} {
		want := protectedResource{
			Resource: apitest.PublicURL + mcpPath, AuthorizationServers: []string{s.Issuer}, BearerMethodsSupported: []string{"header"},
			ResourceName: "Plant", ResourceDocumentation: apitest.PublicURL + "/docs/",
		}
		if diff := cmp.Diff(want, apitest.Decode[protectedResource](t, s.Do(t, "GET", path, "", "").Want(t, http.StatusOK))); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
	var line struct {
		Route, Role, Caller string
		HTTPRequest         struct{ Status int } `json:"httpRequest"`
	}
	lines := strings.Split(strings.TrimSpace(s.Log.String()), "\n")
	if err := json.Unmarshal([]byte(lines[1]), &line); err != nil || len(lines) != 5 {
		t.Fatalf("%v, %d lines: %s", err, len(lines), s.Log)
	}
	if line.Route != mcpPath || line.Role != "customer" || line.Caller == "" || line.HTTPRequest.Status != http.StatusOK {
		t.Errorf("logged %s", lines[1])
	}
}

// Quotas are those of everyone.
func TestMCP_Limited(t *testing.T) {
	t.Parallel()
	s := service{apitest.Start(t, Function, func(settings *httpapi.Settings) { settings.Limits.Caller = 2 })}
	token := s.Token(t, auth.Customer, "carl")
	statuses := []int{}
	for range 3 {
		statuses = append(statuses, s.post(t, token, listTools).Status)
	}
	if diff := cmp.Diff([]int{200, 200, 429}, statuses); diff != "" {
		t.Error(diff)
	}
}

// F28: a tool that panics is an answer and a line in the log, and the process lives; what else goes wrong inside stays inside.
func TestF28_MCPToolFails(t *testing.T) {
	t.Parallel()
	log := &apitest.Log{}
	broken := tools{log: slog.New(slog.NewJSONHandler(log, nil)), timeout: time.Second}
	for name, work := range map[string]func(context.Context) (any, error){
		"panic": func(context.Context) (any, error) { panic("marker") },
		"error": func(context.Context) (any, error) { return nil, fmt.Errorf("marker: %w", io.ErrUnexpectedEOF) },
	} {
		if _, err := broken.run(t.Context(), name, work); err == nil || strings.Contains(err.Error(), "marker") {
			t.Errorf("%s: answers %v", name, err)
		}
	}
	if got := strings.Count(log.String(), "marker"); got < 2 {
		t.Errorf("logged %s", log)
	}
}

// Tools run as their caller, whoever else asks at the same moment.
func TestMCP_Caller(t *testing.T) {
	t.Parallel()
	function := Function
	function.Register = func(api *httpapi.API, db *database.DB) error {
		tools := newTools(api, db, search{}, matches{})
		api.Mount(mcpPath, "", lazyServer(func() *mcp.Server {
			server := tools.server()
			addTool(server, tools, reads, "who", "Who asks.", func(ctx context.Context, _ struct{}) (any, error) {
				caller, known := auth.FromContext(ctx)
				_, ends := ctx.Deadline()
				return []any{caller.Subject, known, ends}, nil
			}, func(map[string]*jsonschema.Schema) {})
			return server
		}))
		return nil
	}
	s := apitest.Start(t, function)
	var running sync.WaitGroup
	for _, subject := range []string{"", "carl", "cora"} {
		token := ""
		if subject != "" {
			token = s.Token(t, auth.Customer, subject)
		}
		session := connect(t, s.URL, token)
		running.Go(func() {
			for range 5 {
				if text, failed := use(t, session, "who", object{}); failed || text != fmt.Sprintf("[%q,%v,true]", subject, subject != "") {
					t.Errorf("%s: %s", subject, text)
				}
			}
		})
	}
	running.Wait()
}

// C14: one server answers many at once, each as itself.
func TestMCP_ManyAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.add(t, agent{name: "Zebra"})
	var running sync.WaitGroup
	for i := range 8 {
		running.Go(func() {
			for range 5 {
				body := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"search_agents","arguments":{"query":"zebra"}}}`, i)
				if got := s.post(t, "", body); got.Status != http.StatusOK || !strings.Contains(got.Body, id.String()) || !strings.Contains(got.Body, fmt.Sprintf(`"id":%d`, i)) {
					t.Errorf("got %d %s", got.Status, got.Body)
				}
			}
		})
	}
	running.Wait()
}
