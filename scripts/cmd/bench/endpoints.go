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
		return search(host, queries[random.IntN(len(queries))])
	}
}

func search(host, query string) call {
	return call{host: host, method: http.MethodGet, path: "/api/v1/agents/available/search?" + url.Values{"query": {query}}.Encode(), want: http.StatusOK}
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

// scriptOf calls an endpoint and turns what it sent into a script for pgbench: the same statements, with what differs from
// call to call made anew. What the first call alone sends, such as that for what a model has learnt, is no part of it.
func (b *bench) scriptOf(ctx context.Context, e endpoint, searches []string) (string, error) {
	random := rand.New(rand.NewPCG(catalogueSeed, 2)) //nolint:gosec // a load, no secret
	calls := []call{e.next(random), e.next(random)}
	if e.name == "search" {
		for _, query := range searches {
			calls = append(calls, search(calls[0].host, query))
		}
	}
	sent, err := b.capture(ctx, e.function.Name, calls...)
	if err != nil {
		return "", err
	}
	switch e.name {
	case "get":
		return "\\set n random(1, " + strconv.Itoa(b.rows) + ")\n" + getScript(sent[1]), nil
	case "search":
		return searchScript(searches, sent[2:]), nil
	case "create":
		key := calls[1].header["Idempotency-Key"]
		return "\\set n random(1, 9000000000000000000)\n" + script(sent[1], func(literal string) string {
			switch {
			case literal == quote(key):
				return "(:n)::text"
			case anyUUID.MatchString(literal) && !strings.Contains(draft, strings.Trim(literal, "'")):
				return "gen_random_uuid()"
			}
			return literal
		}), nil
	}
	return script(sent[1], same), nil
}

// searchScript searches by one of the queries and its vector, by number: as parameters, as the function sends them. It
// leaves out those of which the function makes another statement than of the first: that may have no vector, as some do.
func searchScript(queries []string, sent [][]statement) string {
	var texts, vectors []string
	var text string
	for i, query := range queries {
		vector := "null"
		one := script(sent[i], func(literal string) string {
			switch {
			case literal == quote(query):
				return ":query"
			case strings.HasPrefix(literal, "'["):
				vector = literal
				return ":vector"
			}
			return literal
		})
		if text == "" {
			text = one
		}
		if one == text {
			texts, vectors = append(texts, quote(query)), append(vectors, vector)
		}
	}
	choose := func(of []string) string { return "(array[" + strings.Join(of, ",") + "])[:n]" }
	return "\\set n random(1, " + strconv.Itoa(len(texts)) + ")\nselect " + choose(texts) + " as query, " + choose(vectors) + " as vector \\gset\n" + text
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
