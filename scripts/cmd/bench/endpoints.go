package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/shared/auth"
)

// endpoint is what is measured beside its own SQL.
type endpoint struct {
	name     string
	function *functions.Function
	clients  int
	goal     float64 // least share of pgbench's rate
	next     load
	script   string // the same for pgbench
}

// endpoints returns those that are asked for, with the SQL that they were seen to send.
func (b *bench) endpoints(ctx context.Context) ([]endpoint, error) {
	token, err := b.stand.Token(auth.Partner, benchOwner)
	if err != nil {
		return nil, err
	}
	searches := queries(200)
	all := []endpoint{
		{name: "get", function: b.agents, clients: b.clients, goal: 0.75, next: b.get(b.agents.Address.Host)},
		{name: "list", function: b.agents, clients: b.clients, goal: 0.60, next: b.list(b.agents.Address.Host)},
		{name: "search", function: b.search, clients: b.searchClients, goal: 0.90, next: find(b.search.Address.Host, searches)},
		{name: "create", function: b.agents, clients: b.clients, goal: 0.70, next: create(b.agents.Address.Host, token)},
	}
	var asked []endpoint
	for _, e := range all {
		if !strings.Contains(b.only, e.name) {
			continue
		}
		if e.script, err = b.scriptOf(ctx, e, searches); err != nil {
			return nil, err
		}
		asked = append(asked, e)
	}
	return asked, nil
}

const (
	benchOwner = "bench"
	draft      = `{"name":"Bench Writer","specialization":"content marketing","industry":"marketing","hourly_rate":85.5,"description":"writes what the bench asks for",` +
		`"tags":["bench"],"languages":["en"],"skill_ids":["01900000-0000-7000-9000-000000000001","01900000-0000-7000-9000-000000000002"]}`
)

func (b *bench) get(host string) load {
	return func(random *rand.Rand) call {
		return call{host: host, method: http.MethodGet, path: "/api/v1/agents/" + agentID(1+random.IntN(b.rows)), want: http.StatusOK}
	}
}

func (b *bench) list(host string) load {
	return func(*rand.Rand) call {
		return call{host: host, method: http.MethodGet, path: "/api/v1/agents?limit=50", want: http.StatusOK}
	}
}

func find(host string, queries []string) load {
	return func(random *rand.Rand) call {
		query := url.Values{"query": {queries[random.IntN(len(queries))]}}
		return call{host: host, method: http.MethodGet, path: "/api/v1/agents/available/search?" + query.Encode(), want: http.StatusOK}
	}
}

func create(host, token string) load {
	return func(random *rand.Rand) call {
		return call{
			host: host, method: http.MethodPost, path: "/api/v1/agents", body: draft, want: http.StatusCreated,
			header: map[string]string{
				"Authorization": "Bearer " + token, "Content-Type": "application/json", "Idempotency-Key": strconv.FormatUint(random.Uint64(), 36),
			},
		}
	}
}

var (
	anyUUID  = regexp.MustCompile(`^'[0-9a-f]{8}-[0-9a-f-]{27}'$`)
	oneOfIDs = regexp.MustCompile(`id = any \(\(select \$1::uuid\[\]\)::uuid\[\]\)`)
)

// scriptOf makes one call of an endpoint and turns what it sent into a script for pgbench: the same statements, with what
// differs from call to call made anew.
func (b *bench) scriptOf(ctx context.Context, e endpoint, searches []string) (string, error) {
	random := rand.New(rand.NewPCG(catalogueSeed, 2)) //nolint:gosec // a load, no secret
	one := e.next(random)
	sent, err := b.capture(ctx, e.function.Name, func(f *functions.Function) error { return once(ctx, f, one) })
	if err != nil {
		return "", err
	}
	if len(sent) == 0 {
		return "", fmt.Errorf("%s sent no statement", e.name)
	}
	switch e.name {
	case "get":
		return "\\set n random(1, " + strconv.Itoa(b.rows) + ")\n" + getScript(sent), nil
	case "search":
		literals := make([]string, len(searches))
		for i, query := range searches {
			literals[i] = quote(query)
		}
		asked, err := url.ParseQuery(strings.SplitN(one.path, "?", 2)[1])
		if err != nil {
			return "", err
		}
		// One of them by number: an array is a constant to the planner, and a text of its own is what the function sends.
		chosen := "(array[" + strings.Join(literals, ",") + "])[:n]"
		return "\\set n random(1, " + strconv.Itoa(len(searches)) + ")\n" + script(sent, func(literal string) string {
			if literal == quote(asked.Get("query")) {
				return chosen
			}
			return literal
		}), nil
	case "create":
		key := one.header["Idempotency-Key"]
		return "\\set n random(1, 9000000000000000000)\n" + script(sent, func(literal string) string {
			switch {
			case literal == quote(key):
				return "(:n)::text"
			case anyUUID.MatchString(literal) && !strings.Contains(draft, strings.Trim(literal, "'")):
				return "gen_random_uuid()"
			}
			return literal
		}), nil
	}
	return script(sent, same), nil
}

// getScript gets one agent, :n, by each statement, where the function may get many.
func getScript(sent []statement) string {
	sent[0].sql = oneOfIDs.ReplaceAllString(sent[0].sql, "id = $$1")
	sent[0].args = []string{agentIDSQL}
	return script(sent[:1], same)
}

func same(literal string) string { return literal }

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// once makes a single call of a function and expects what it wants.
func once(ctx context.Context, f *functions.Function, c call) error {
	request, err := http.NewRequestWithContext(ctx, c.method, f.Address.String()+c.path, strings.NewReader(c.body))
	if err != nil {
		return err
	}
	for name, value := range c.header {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	if response.StatusCode != c.want {
		answer, _ := io.ReadAll(response.Body)
		return errors.Join(fmt.Errorf("%s %s: %s %s", c.method, c.path, response.Status, answer), response.Body.Close())
	}
	return drain(response)
}

// drain reads an answer to its end, so that its connection can be used again.
func drain(response *http.Response) error {
	_, err := io.Copy(io.Discard, response.Body)
	return errors.Join(err, response.Body.Close())
}
