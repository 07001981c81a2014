package search

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
)

// Whatever the filter leaves is found, however many agents that it hides have the words too: as many as brute force
// finds, and none that the filter hides.
func TestSearch_FilterInsideTheStatement(t *testing.T) {
	t.Parallel()
	s := start(t)
	vocabulary := []string{"zebra", "okapi", "walrus", "badger", "otter", "ferret"} // each its own stem
	statuses, industries := []string{"available", "working", "offline"}, []string{"marketing", "education", "sales"}
	random := rand.New(rand.NewPCG(1, 2)) // the same agents in every run
	pick := func(of []string) string { return of[random.IntN(len(of))] }
	const agents = 800
	written := map[uuid.UUID]agent{}
	for i := range agents {
		a := agent{name: pick(vocabulary), owner: "owner" + strconv.Itoa(i/4), status: pick(statuses), industry: pick(industries), rate: 1 + random.IntN(100)}
		for range random.IntN(4) {
			a.description += pick(vocabulary) + " "
		}
		if random.IntN(10) == 0 {
			a.tags = []string{pick(vocabulary)}
		}
		written[s.add(t, a)] = a
	}
	has := func(a agent, word string) bool {
		return strings.Contains(a.name+" "+a.description, word) || slices.Contains(a.tags, word)
	}

	const searches = 300
	for range searches {
		words := []string{pick(vocabulary), pick(vocabulary), pick(vocabulary)}[:1+random.IntN(3)]
		limit := 1 + random.IntN(50)
		parameters, passes := []string{"limit", strconv.Itoa(limit)}, func(agent) bool { return true }
		also := func(name, value string, condition func(agent) bool) {
			before := passes
			parameters, passes = append(parameters, name, value), func(a agent) bool { return before(a) && condition(a) }
		}
		if status := pick(statuses); random.IntN(2) == 0 {
			also("status", status, func(a agent) bool { return a.status == status })
		}
		if industry := pick(industries); random.IntN(2) == 0 {
			also("industry", industry, func(a agent) bool { return a.industry == industry })
		}
		if rate := 1 + random.IntN(100); random.IntN(3) == 0 {
			also("max_hourly_rate", strconv.Itoa(rate), func(a agent) bool { return a.rate <= rate })
		}
		if owner := "owner" + strconv.Itoa(random.IntN(agents/4)); random.IntN(4) == 0 {
			also("owner", owner, func(a agent) bool { return a.owner == owner })
		}
		if tag := pick(vocabulary); random.IntN(4) == 0 {
			also("tag", tag, func(a agent) bool { return slices.Contains(a.tags, tag) })
		}
		want, most := 0, 0 // most words that an agent has
		matched := func(a agent) (n int) {
			for _, word := range slices.Compact(slices.Sorted(slices.Values(words))) {
				if has(a, word) {
					n++
				}
			}
			return n
		}
		for _, a := range written {
			if n := matched(a); passes(a) && n > 0 {
				want, most = want+1, max(most, n)
			}
		}
		found := s.find(t, allAgents, strings.Join(words, " "), parameters...)
		if got := len(found); got != min(want, limit) {
			t.Errorf("%v %v finds %d, brute force %d", words, parameters, got, want)
		}
		for i, a := range found {
			if !passes(written[a.ID]) || matched(written[a.ID]) == 0 {
				t.Errorf("%v %v finds %+v", words, parameters, written[a.ID])
			}
			if i == 0 && len(words) == 2 && matched(written[a.ID]) < most {
				t.Errorf("%v %v finds one with %d words first, some have %d", words, parameters, matched(written[a.ID]), most)
			}
		}
	}
}

// What a word finds is all found where nearly all that have it are hidden, whatever the planner thinks of how many that are.
func TestSearch_NearlyAllIsHidden(t *testing.T) {
	t.Parallel()
	s := start(t)
	const hidden, seen = 600, 3
	for range hidden {
		s.add(t, agent{name: "Zebra", status: "offline"})
	}
	var want []uuid.UUID
	for range seen { // they mention the word, and so are the last of those that have it
		want = append(want, s.add(t, agent{name: "Helper", description: "Knows one zebra, and many other animals."}))
	}
	ids := func(agents []foundAgent) (ids []uuid.UUID) {
		for _, a := range agents {
			ids = append(ids, a.ID)
		}
		return ids
	}
	available := database.NewWhere([]string{`a.status = 'available'`}, nil)
	check := func(believed string) {
		t.Helper()
		for how, wanted := range map[reach]int{wide: 0, deep: seen, narrow: seen} {
			f := finding{query: "zebra", kind: agentKind, where: available, reach: how, limit: 10}
			rows, err := found[foundRow](t.Context(), s.DB.DB, f, catalog.AgentColumns, catalog.AgentFrom+` on a.id = best.id`)
			if err != nil || len(rows) != wanted {
				t.Errorf("%s: reach %d finds %d, want %d: %v", believed, how, len(rows), wanted, err)
			}
		}
		if diff := cmp.Diff(want, ids(s.find(t, availableAgents, "zebra"))); diff != "" {
			t.Errorf("%s: %s", believed, diff)
		}
		if diff := cmp.Diff(want, ids(s.find(t, allAgents, "zebra", "status", "available"))); diff != "" {
			t.Errorf("%s, as a filter: %s", believed, diff)
		}
	}
	check("few")
	s.DB.Exec(t, `analyze plant.agents, plant.agent_statistics`)
	for passing, agents := range map[string]int{"some": 1_500_000, "many": 10_000_000} {
		s.DB.Exec(t, `update pg_class set reltuples = $1 where oid in ('plant.agents'::regclass, 'plant.agent_statistics'::regclass)`, agents)
		if estimated, err := database.Estimate(t.Context(), s.DB, database.Listing{From: catalog.AgentFrom, Where: available}); err != nil || estimated <= fewAgents || estimated > manyAgents != (passing == "many") {
			t.Fatalf("the planner expects %d agents: %v", estimated, err)
		}
		check(passing)
	}
}

// Two writers that bring the same new words, in opposite orders, do not wait for each other; and what each wrote is
// found when it commits, not earlier.
func TestSearch_WritersDoNotQueue(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx, cancel := context.WithTimeout(auth.WithPrincipal(t.Context(), auth.Principal{Issuer: "https://issuer.example", Owner: "ada", Role: auth.Partner}), time.Minute)
	defer cancel()
	write := func(ctx context.Context, tx database.Tx, name string) error {
		_, err := database.Exec(ctx, tx, insertAgent, agent{name: name}.args(t, newID(t))...)
		return err
	}
	seen := func() []string { return names(s.find(t, allAgents, "narwhal pangolin")) }
	err := s.DB.InTx(ctx, func(ctx context.Context, first database.Tx) error {
		if err := write(ctx, first, "Narwhal"); err != nil {
			return err
		}
		err := s.DB.InTx(ctx, func(ctx context.Context, second database.Tx) error {
			return errors.Join(write(ctx, second, "Pangolin"), write(ctx, second, "Narwhal"))
		})
		if err != nil {
			return fmt.Errorf("the second writer: %w", err)
		}
		if got := len(seen()); got != 2 {
			t.Errorf("found %d agents before the first writer commits, want 2", got)
		}
		return write(ctx, first, "Pangolin")
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(seen()); got != 4 {
		t.Errorf("found %d agents, want 4", got)
	}
	if found := s.find(t, allAgents, "pangoiln"); len(found) != 2 {
		t.Errorf("a misspelt word that stands twice finds %v", names(found))
	}
}

// Any text is an answer or an empty list.
func TestSearch_AnyText(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.add(t, agent{name: "विपणन लेखक"})
	s.add(t, agent{name: "சந்தைப்படுத்தல்"})
	s.add(t, agent{name: "营销 内容"})
	s.add(t, agent{name: "Café Größe"})
	for _, query := range []string{"विपणन", "சந்தைப்படுத்தல்", "营销", "Café", "cafe\u0301", "GRÖSSE größe"} {
		if found := s.find(t, allAgents, query); len(found) != 1 {
			t.Errorf("%q finds %v", query, names(found))
		}
	}
	for _, query := range []string{
		"a", "é", "🙂", "🙂🙃", "the of and", "...", "?!", "-", "/", "@", "1", "-1.5e10", strings.Repeat("a", 512), strings.Repeat("𐐀", 511),
		strings.Repeat("𐐀", 512), strings.Repeat("a ", 256), strings.Repeat("ab-", 170), "http://a.example/b?c=d#e", "a@b.example", "<b>x</b>", "&amp;",
		"a\u200bb", "\u202eabc", "\ufeffa",
	} {
		s.find(t, allAgents, query)
	}
	rapid.Check(t, func(r *rapid.T) {
		query := rapid.StringN(1, 512, -1).Draw(r, "query")
		answer := s.Do(t, "GET", address(allAgents, query), "", "")
		if answer.Status != http.StatusOK && answer.Status != http.StatusUnprocessableEntity {
			r.Fatalf("%q: %d %s", query, answer.Status, answer.Body)
		}
	})
}

func TestI13_SQLInjection(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.add(t, agent{name: "Writer", tags: []string{"seo"}})
	before := dbtest.Scalar[string](t, s.DB, `select string_agg(a::text, ',') from plant.agents a`)
	for _, text := range []string{
		`' or '1'='1`, `'; drop table agents; --`, `writer') or true --`, `$1`, `@limit`, `@query`, `:query`, `\'; select pg_sleep(9); --`,
		`" or ""="`, `/* */`, `writer' union select * from pg_user --`, `{a}`, `%s`, `${jndi:x}`,
	} {
		for _, parameter := range []string{"query", "industry", "specialization", "tag", "language", "owner"} {
			answer := s.Do(t, "GET", address(allAgents, "writer", parameter, text), "", "")
			if answer.Status != http.StatusOK && answer.Status != http.StatusUnprocessableEntity {
				t.Errorf("%s=%s: %d %s", parameter, text, answer.Status, answer.Body)
			}
			if parameter != "query" && answer.Status == http.StatusOK && strings.TrimSpace(answer.Body) != "[]" {
				t.Errorf("%s=%s finds %s", parameter, text, answer.Body)
			}
		}
		for _, parameter := range []string{"status", "skill_id", "job_role_id", "team_id", "min_rating", "max_hourly_rate", "updated_since", "limit", "explain"} {
			s.Do(t, "GET", address(allAgents, "writer", parameter, text), "", "").Want(t, http.StatusUnprocessableEntity)
		}
	}
	if after := dbtest.Scalar[string](t, s.DB, `select string_agg(a::text, ',') from plant.agents a`); after != before {
		t.Errorf("agents changed from %s to %s", before, after)
	}
	if strings.Contains(s.Log.String(), `"severity":"ERROR"`) {
		t.Errorf("an error was logged: %s", s.Log)
	}
}

// The text of the statement depends on which filters are asked for, never on what they are asked with.
func TestI13_StatementText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.StringN(1, 50, -1).Filter(func(text string) bool { return text != "me" })
		filter := func(label string) catalog.AgentFilter {
			return catalog.AgentFilter{
				Industry: text.Draw(r, label+" industry"), Specialization: text.Draw(r, label+" specialization"), Status: text.Draw(r, label+" status"),
				Tag: text.Draw(r, label+" tag"), Language: text.Draw(r, label+" language"), Owner: text.Draw(r, label+" owner"),
			}
		}
		statement := func(f catalog.AgentFilter) string {
			return finding{kind: agentKind, limit: 10, where: database.NewWhere(f.Where(auth.Principal{}))}.sql(catalog.AgentColumns, catalog.AgentFrom)
		}
		if diff := cmp.Diff(statement(filter("one")), statement(filter("other"))); diff != "" {
			r.Fatal(diff)
		}
	})
}

// What LIKE and tsquery would take for operators is no part of a word: the answer is the same without it.
func TestI15_Metacharacters(t *testing.T) {
	t.Parallel()
	s := start(t)
	words := []string{"content", "writer", "sales", "wrtier", "markting", "zzzxqy", "con", "cont"}
	s.add(t, agent{name: "Content Writer", description: "Marketing & sales."})
	s.add(t, agent{name: "Sales Planner", specialization: "Content marketing"})
	s.add(t, agent{name: `100%_sure\'&|!:*`, tags: []string{`%`, `_`, `'`}})
	if found := s.find(t, allAgents, `100%_sure\'&|!:*`); len(found) != 1 || found[0].Score < 0.8 {
		t.Fatalf("a name of metacharacters finds %v", names(found))
	}
	for _, query := range []string{`%`, `_`, `%%%`, `'`, `''`, `\`, `!`, `|`, `&`, `:*`, `<->`, `()`, `!content`} {
		if found := s.find(t, allAgents, query); len(found) != 0 && query != `!content` {
			t.Fatalf("%q is an operator: it finds %v", query, names(found))
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		var plain, odd []string
		for range rapid.IntRange(1, 6).Draw(r, "words") {
			word := rapid.SampledFrom(words).Draw(r, "word")
			noise := rapid.StringOfN(rapid.SampledFrom([]rune(`%_\'&|!:*()`)), 0, 5, -1)
			plain = append(plain, word)
			odd = append(odd, noise.Draw(r, "noise"), word, noise.Draw(r, "noise"))
		}
		ask := func(words []string) string {
			return s.Do(t, "GET", address(allAgents, strings.Join(words, " "), "explain", "true"), "", "").Want(t, http.StatusOK).Body
		}
		if diff := cmp.Diff(ask(plain), ask(odd)); diff != "" {
			r.Fatalf("%q: %s", odd, diff)
		}
	})
}
