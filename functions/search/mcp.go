package search

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/jsonschema-go/jsonschema"
	"github.com/google/uuid"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"golang.org/x/text/unicode/norm"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// mcpPath is where the Model Context Protocol is spoken: streamable HTTP without sessions, so that any instance can answer.
const mcpPath = "/mcp"

const (
	mcpName    = "plant"
	mcpTitle   = "Plant: AI agents for hire"
	mcpVersion = "1.0.0"
)

const mcpInstructions = "Plant is a marketplace of AI agents that can be tried and hired. Find agents with search_agents, in words or by meaning; " +
	"look at one with get_agent and at several with compare_agents; see who can fill a job role with match_job_role; and, with a customer's token, " +
	"try one with hire_agent. An agent's A2A card is at /api/v1/agents/{id}/card."

// tools are what models can do with Plant.
type tools struct {
	store   agentStore
	find    func(ctx context.Context, query string, filter catalog.AgentFilter, onlyAvailable bool, limit int) ([]foundAgent, error)
	matches matches
	log     *slog.Logger
	timeout time.Duration
}

func newTools(api *httpapi.API, db *database.DB, search search, matches matches) tools {
	return tools{store: agentStore{db}, find: search.find, matches: matches, log: api.Log, timeout: api.Settings.HTTP.RequestTimeout}
}

// lazyServer serves the tools of a server that is made with the first request: nothing of it is needed to search.
func lazyServer(newServer func() *mcp.Server) http.Handler {
	serve := sync.OnceValue(func() http.Handler {
		server := newServer()
		return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{
			Stateless: true, JSONResponse: true, PropagateRequestCancellation: true,
			// Origins are checked where this is mounted. Behind the platform's proxy every request comes to a local address, for
			// a host that is not.
			DisableLocalhostProtection: true,
		})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve().ServeHTTP(w, r) })
}

func (t tools) server() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: mcpName, Title: mcpTitle, Version: mcpVersion},
		&mcp.ServerOptions{Instructions: mcpInstructions, Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{}}})
	addTool(server, t, reads, "search_agents", "Find AI agents by what they should do, in any words. The best come first, each with a score from 0 to 1.", t.search,
		func(p map[string]*jsonschema.Schema) {
			bound(p["query"], 1, 512)
			between(p["limit"], 1, 50)
			between(p["min_rating"], 0, 5)
			bound(p["industry"], 0, 63)
			bound(p["tag"], 0, 50)
			bound(p["language"], 0, 35)
			between(p["max_hourly_rate"], 0, 9999999999.99)
			p["status"].Enum = []any{"available", "working", "offline"}
		})
	addTool(server, t, reads, "get_agent", "Get everything about one agent, by its id.", t.get, func(p map[string]*jsonschema.Schema) { p["id"].Format = "uuid" })
	addTool(server, t, reads, "compare_agents", "Put 2 to 8 agents side by side: skills, price and what they really did.", t.compare, func(p map[string]*jsonschema.Schema) {
		p["ids"].Type, p["ids"].Types = "array", nil
		p["ids"].MinItems, p["ids"].MaxItems = jsonschema.Ptr(2), jsonschema.Ptr(8)
		p["ids"].Items.Format = "uuid"
	})
	t.addHiring(server)
	return server
}

// effect is what a tool does to Plant.
type effect bool

const reads, writes effect = false, true

func bound(text *jsonschema.Schema, least, most int) { text.MinLength, text.MaxLength = &least, &most }

func between(number *jsonschema.Schema, least, most float64) {
	number.Minimum, number.Maximum = &least, &most
}

// addTool adds a tool whose arguments are an In, with the bounds that constrain adds to the schema of each.
func addTool[In any](server *mcp.Server, t tools, does effect, name, description string, work func(context.Context, In) (any, error), constrain func(map[string]*jsonschema.Schema)) {
	schema, err := jsonschema.For[In](nil)
	if err != nil {
		panic(err) // In is a type of this file
	}
	constrain(schema.Properties)
	local, changes := false, false
	tool := &mcp.Tool{
		Name: name, Description: description, InputSchema: schema,
		Annotations: &mcp.ToolAnnotations{ReadOnlyHint: does == reads, IdempotentHint: does == reads, OpenWorldHint: &local, DestructiveHint: &changes},
	}
	mcp.AddTool(server, tool, func(ctx context.Context, _ *mcp.CallToolRequest, in In) (*mcp.CallToolResult, any, error) {
		// The SDK runs this beside the request, with its values and without its end.
		ctx, cancel := context.WithTimeout(ctx, t.timeout)
		defer cancel()
		text, err := t.run(ctx, name, func(ctx context.Context) (any, error) { return work(ctx, in) })
		if err != nil {
			return nil, nil, err
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: string(text)}}, StructuredContent: text}, nil, nil
	})
}

// run does a tool's work, and says in words for models what went wrong. Nothing internal leaks, and a panic, which here would
// end the process, is logged as everywhere.
func (t tools) run(ctx context.Context, name string, work func(context.Context) (any, error)) (text jsontext.Value, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			t.log.ErrorContext(ctx, "panic", "tool", name, "panic", fmt.Sprint(reason), "stack", string(debug.Stack()))
			err = errors.New("the request could not be answered")
		}
	}()
	answer, err := work(ctx)
	if err == nil {
		text, err = json.Marshal(answer)
	}
	if err == nil {
		return text, nil
	}
	problem := httpapi.ProblemOf(ctx, err)
	if problem.Status >= http.StatusInternalServerError {
		t.log.ErrorContext(ctx, "a tool failed", "tool", name, "request_id", problem.RequestID, "error", err)
	}
	return nil, errors.New(problem.Detail)
}

type searchAgents struct {
	Query         string  `json:"query" jsonschema:"what is looked for, in any words: a task, a skill, a kind of agent"`
	OnlyAvailable *bool   `json:"only_available,omitempty" jsonschema:"only agents that can be hired now; true if not sent"`
	Industry      string  `json:"industry,omitempty" jsonschema:"an industry's slug, such as marketing, education or sales"`
	Status        string  `json:"status,omitempty" jsonschema:"only agents of this status"`
	Tag           string  `json:"tag,omitempty" jsonschema:"only agents with this tag"`
	Language      string  `json:"language,omitempty" jsonschema:"only agents that speak this language (BCP 47)"`
	MinRating     float64 `json:"min_rating,omitempty" jsonschema:"lowest mean rating, from 1 to 5"`
	MaxHourlyRate float64 `json:"max_hourly_rate,omitempty" jsonschema:"highest hourly rate, in each agent's currency"`
	Limit         int     `json:"limit,omitempty" jsonschema:"how many at most; 10 if not sent"`
}

func (t tools) search(ctx context.Context, in searchAgents) (any, error) {
	query := norm.NFC.String(in.Query)
	if strings.TrimSpace(query) == "" {
		return nil, httpapi.Invalid.Problem("the query must not be blank")
	}
	found, err := t.find(ctx, query, catalog.AgentFilter{
		Industry: norm.NFC.String(in.Industry), Status: in.Status, Tag: norm.NFC.String(in.Tag), Language: in.Language, MinRating: in.MinRating, MaxHourlyRate: in.MaxHourlyRate,
	}, in.OnlyAvailable == nil || *in.OnlyAvailable, cmp.Or(in.Limit, 10))
	return struct {
		Agents []foundAgent `json:"agents"`
	}{found}, err
}

type getAgent struct {
	ID string `json:"id" jsonschema:"the agent's id, as search_agents tells it"`
}

func (t tools) get(ctx context.Context, in getAgent) (any, error) {
	found, err := t.byIDs(ctx, []string{in.ID})
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

type compareAgents struct {
	IDs []string `json:"ids" jsonschema:"the ids of 2 to 8 different agents"`
}

func (t tools) compare(ctx context.Context, in compareAgents) (any, error) {
	found, err := t.byIDs(ctx, in.IDs)
	return struct {
		Agents []catalog.ComparedAgent `json:"agents"`
	}{found}, err
}

// byIDs returns all of the agents, or a problem that names those that there are not.
func (t tools) byIDs(ctx context.Context, texts []string) ([]catalog.ComparedAgent, error) {
	var ids []uuid.UUID
	for _, text := range texts {
		id, err := uuid.Parse(text)
		if err != nil || len(text) != len(id.String()) || slices.Contains(ids, id) {
			return nil, httpapi.Invalid.Problem("the ids of different agents are needed, as search_agents tells them")
		}
		ids = append(ids, id)
	}
	found, err := t.store.byIDs(ctx, ids)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, id := range ids {
		if !slices.ContainsFunc(found, func(agent catalog.ComparedAgent) bool { return agent.ID == id }) {
			missing = append(missing, id.String())
		}
	}
	if len(missing) > 0 {
		return nil, httpapi.NotFound.Problem("there are no agents " + strings.Join(missing, ", "))
	}
	return found, nil
}

// mcpDialect says as JSON-RPC errors what is wrong with a request before any tool runs.
var mcpDialect = httpapi.Dialect{Prefix: mcpPath, Body: rpcError{}, Says: func(p *httpapi.Problem) (int, any) {
	answer := rpcError{Version: "2.0"}
	answer.Error.Code, answer.Error.Message = invalidRequest, p.Detail
	return p.Status, answer
}}

// invalidRequest is JSON-RPC's code.
const invalidRequest = -32600

type rpcError struct {
	Version string  `json:"jsonrpc"`
	ID      *string `json:"id"` // null: of what it is the answer is not known
	Error   struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}
