package search

import (
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// service is the search function over agents that the tests write themselves.
type service struct{ *apitest.Service }

func start(t *testing.T) service {
	t.Helper()
	return service{apitest.Start(t, Function)}
}

// agent is what of an agent matters to a test. Nothing stands for something that no query asks for.
type agent struct {
	name, specialization, description string
	tags                              []string
	skills                            []uuid.UUID
	status, owner, issuer, industry   string
	rate                              int
}

const insertAgent = `
	insert into plant.agents (id, owner_issuer, owner, name, specialization, industry, description, hourly_rate, tags, skill_ids, status)
	values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

// args are those of insertAgent.
func (a agent) args(t testing.TB, id uuid.UUID) []any {
	t.Helper()
	or := func(text, otherwise string) string {
		if text == "" {
			return otherwise
		}
		return text
	}
	return []any{
		id, or(a.issuer, "https://issuer.example"), or(a.owner, "ada"), or(a.name, "Qwerty"), or(a.specialization, "Asdfgh"),
		or(a.industry, "sales"), a.description, max(a.rate, 1), append([]string{}, a.tags...), append([]uuid.UUID{}, a.skills...),
		or(a.status, "available"),
	}
}

// add writes an agent. Those that are added later have higher ids.
func (s service) add(t testing.TB, a agent) uuid.UUID {
	t.Helper()
	id := newID(t)
	s.DB.Exec(t, insertAgent, a.args(t, id)...)
	return id
}

func (s service) addSkill(t testing.TB, name string) uuid.UUID {
	t.Helper()
	id := newID(t)
	s.DB.Exec(t, `insert into plant.skills (id, name, category) values ($1, $2, 'technical')`, id, name)
	return id
}

func newID(t testing.TB) uuid.UUID {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

const (
	allAgents       = "/api/v1/agents/search"
	availableAgents = "/api/v1/agents/available/search"
)

// address of a search; parameters come in pairs of name and value.
func address(path, query string, parameters ...string) string {
	values := url.Values{"query": {query}}
	for i := 0; i < len(parameters); i += 2 {
		values.Set(parameters[i], parameters[i+1])
	}
	return path + "?" + values.Encode()
}

// find searches and returns what was found.
func (s service) find(t testing.TB, path, query string, parameters ...string) []foundAgent {
	t.Helper()
	return apitest.Decode[[]foundAgent](t, s.Do(t, "GET", address(path, query, parameters...), "", "").Want(t, http.StatusOK))
}

// names of the agents that were found, in order.
func names(found []foundAgent) []string {
	names := make([]string, len(found))
	for i, a := range found {
		names[i] = a.Name
	}
	return names
}

func TestSearch_OnlyAvailable(t *testing.T) {
	t.Parallel()
	s := start(t)
	free := s.add(t, agent{name: "Campaign Writer"})
	busy := s.add(t, agent{name: "Campaign Writer", status: "working"})
	s.add(t, agent{name: "Campaign Writer", status: "offline"})
	ids := func(path string, parameters ...string) []uuid.UUID {
		t.Helper()
		ids := []uuid.UUID{}
		for _, a := range s.find(t, path, "writer", parameters...) {
			ids = append(ids, a.ID)
		}
		return ids
	}
	check := func(path string, parameters []string, want ...uuid.UUID) {
		t.Helper()
		if diff := cmp.Diff(want, ids(path, parameters...)); diff != "" {
			t.Errorf("%s %v: %s", path, parameters, diff)
		}
	}
	check(availableAgents, nil, free)
	check(availableAgents+"/", nil, free)
	check(allAgents, []string{"status", "working"}, busy)
	check(availableAgents, []string{"status", "available"}, free)
	if got := ids(availableAgents, "status", "working"); len(got) != 0 {
		t.Errorf("found %v that are working among the available", got)
	}
	if got := ids(allAgents); len(got) != 3 {
		t.Errorf("found %d of all, want 3", len(got))
	}

	s.DB.Exec(t, `update plant.agents set status = 'working' where id = $1`, free)
	s.DB.Exec(t, `update plant.agents set status = 'available' where id = $1`, busy)
	check(availableAgents, nil, busy)
}

func TestSearch_Deleted(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.add(t, agent{name: "Marketing Planner"})
	s.DB.Exec(t, `update plant.agents set deleted_at = now() where id = $1`, id)
	for _, path := range []string{allAgents, availableAgents} {
		for _, query := range []string{"marketing", "markting", "marketing planner"} {
			if got := s.find(t, path, query); len(got) != 0 {
				t.Errorf("%s finds a deleted agent by %q", path, query)
			}
		}
	}
	// The deleted agent's words are not taken for words that someone has.
	s.add(t, agent{name: "Mrketing Planner"})
	if got := s.find(t, allAgents, "marketing"); len(got) != 1 {
		t.Errorf("found %v", names(got))
	}
	s.DB.Exec(t, `update plant.agents set deleted_at = null where id = $1`, id)
	if got := s.find(t, allAgents, "marketing"); len(got) != 1 || got[0].ID != id {
		t.Errorf("found %v after it was restored", names(got))
	}
}

func TestSearch_Fields(t *testing.T) {
	t.Parallel()
	s := start(t)
	skill := s.addSkill(t, "Copper engraving")
	s.add(t, agent{name: "Named zebra"})
	s.add(t, agent{name: "Special", specialization: "Giraffe care"})
	s.add(t, agent{name: "Described", description: "Talks to any walrus.\nPatiently."})
	s.add(t, agent{name: "Tagged", tags: []string{"okapi", "quick"}})
	id := s.add(t, agent{name: "Skilled", skills: []uuid.UUID{skill}})
	s.add(t, agent{name: "Schooled", industry: "education"})
	check := func(query string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, names(s.find(t, allAgents, query))); diff != "" {
			t.Errorf("%q: %s", query, diff)
		}
	}
	check("ZEBRA", "Named zebra")
	check("giraffes", "Special")
	check("walruses", "Described")
	check("okapi", "Tagged")
	check("engraving", "Skilled")
	check("education", "Schooled")
	for misspelt, want := range map[string]string{"zebrra": "Named zebra", "girafe": "Special", "walurs": "Described", "patientyl": "Described", "oakpi": "Tagged", "engravng": "Skilled"} {
		check(misspelt, want)
	}

	s.DB.Exec(t, `update plant.skills set name = 'Glass blowing' where id = $1`, skill)
	check("blowing", "Skilled")
	check("blowwing", "Skilled")
	s.DB.Exec(t, `update plant.agents set description = 'Now knows narwhals.' where id = $1`, id)
	check("narwhal", "Skilled")
	check("narwahl", "Skilled")
}

func TestSearch_Typos(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.add(t, agent{name: "Content Writer", specialization: "Content marketing"})
	s.add(t, agent{name: "Sales Outreach"})
	s.add(t, agent{name: "Salary Planner"})
	s.add(t, agent{name: "Maths Tutor", specialization: "Python learning"})
	s.add(t, agent{name: "Email Designer"})
	tests := []struct{ query, best string }{
		{"markting", "Content Writer"},
		{"conten writr", "Content Writer"},
		{"Contnet Wrtier", "Content Writer"},
		{"salse outreech", "Sales Outreach"},
		{"salse", "Sales Outreach"},
		{"pyton lerning", "Maths Tutor"},
		{"tutro", "Maths Tutor"},
		{"emial desgin", "Email Designer"},
		{"dessigner", "Email Designer"},
	}
	for _, test := range tests {
		found := s.find(t, allAgents, test.query)
		if len(found) == 0 || found[0].Name != test.best {
			t.Errorf("%q finds %v, want %s first", test.query, names(found), test.best)
			continue
		}
		if exact := s.find(t, allAgents, test.best)[0].Score; found[0].Score >= exact {
			t.Errorf("%q scores %v, as much as the words themselves", test.query, found[0].Score)
		}
	}
}

func TestSearch_NonsenseFindsNothing(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, name := range []string{"Content Writer", "Sales Planner", "Maths Tutor", "Lead Finder", "Zoom Host", "Exam Quizzer"} {
		s.add(t, agent{name: name, description: "An agent that answers quickly, with numbers, examples and sources."})
	}
	for _, query := range []string{"zzzxqy", "qwrtplk", "xylzzyq vvvbn", "jjjj", "aaaaaaaaaa", "the", "to be or not"} {
		if found := s.find(t, allAgents, query); len(found) != 0 {
			t.Errorf("%q finds %v with a score of %v", query, names(found), found[0].Score)
		}
	}
}

// A word that an agent of the catalogue has is spelt right, even if the filter hides that agent.
func TestSearch_HiddenWordsAreNoTypos(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.add(t, agent{name: "Content Writer", owner: "eve"})
	s.add(t, agent{name: "Context Keeper", owner: "ada"})
	if found := s.find(t, allAgents, "content", "owner", "ada"); len(found) != 0 {
		t.Errorf("takes content for a typo of %v", names(found))
	}
}

func TestSearch_Ranking(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, query string
		agents      []agent // the best first
	}{
		{"name, specialization, tag, description", "newsletter", []agent{
			{name: "Newsletter"}, {specialization: "Newsletter"}, {tags: []string{"newsletter"}}, {description: "Newsletter"},
		}},
		{"more words", "newsletter for dentists", []agent{
			{description: "A newsletter. And dentists."}, {name: "Newsletter"},
		}},
		{"fewer other words in the name", "campaign writer", []agent{
			{name: "Campaign Writer"}, {name: "Campaign Book Writer"}, {name: "Campaign Book Review Film Writer"},
		}},
		{"rare words", "sales kubernetes", []agent{
			{name: "Kubernetes"}, {name: "Sales Two"}, {name: "Sales Two Three"}, {name: "Sales Two Three Four"},
		}},
		{"all but one word", "red green blue", []agent{
			{name: "Red green"}, {name: "Red"},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			var want, got []uuid.UUID
			for _, a := range slices.Backward(test.agents) { // so that the ids alone would put the worst first
				want = append(want, s.add(t, a))
			}
			slices.Reverse(want)
			found := s.find(t, allAgents, test.query)
			for _, a := range found {
				got = append(got, a.ID)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%q finds %v: %s", test.query, names(found), diff)
			}
			for i := 1; i < len(found); i++ {
				if found[i].Score >= found[i-1].Score {
					t.Errorf("%s scores %v, no less than %v before it", found[i].Name, found[i].Score, found[i-1].Score)
				}
			}
		})
	}
}

// However many agents have a word, those named by it come before those that only mention it, and those that have more of
// the words before those that have fewer.
func TestSearch_RankingOfCommonWords(t *testing.T) {
	t.Parallel()
	s := start(t)
	const many = 600 // more than are read of one word
	named := func(name, description string) {
		s.DB.Exec(t, `
			insert into plant.agents (id, owner_issuer, owner, name, specialization, industry, hourly_rate, description)
			select gen_random_uuid(), 'i', 'ada', $1 || case when $1 = 'Helper' then ' ' || n else '' end, 'Asdfgh', 'sales', 1, $2 from generate_series(1, $3::int) n`, name, description, many)
	}
	named("Helper", "Knows newsletters.")
	for _, name := range []string{"Content", "Writer", "Planner"} {
		named(name, "")
	}
	s.add(t, agent{name: "Newsletter"})
	s.add(t, agent{name: "Content Writer"})
	for query, want := range map[string]string{
		"newsletter":             "Newsletter",
		"writer content":         "Content Writer", // has all
		"planner writer content": "Content Writer", // has all but one
		"wrtier of content":      "Content Writer", // and one of them misspelt
	} {
		if found := s.find(t, allAgents, query, "limit", "1"); len(found) != 1 || found[0].Name != want {
			t.Errorf("%q finds %v, want %s", query, names(found), want)
		}
	}
	if found := s.find(t, allAgents, "content zzzxqy blorfx wibbx flumxq"); len(found) != 0 {
		t.Errorf("one common word among nonsense finds %v", names(found))
	}
}

func TestSearch_Score(t *testing.T) {
	t.Parallel()
	s := start(t)
	const equals = 30
	for range equals {
		s.add(t, agent{name: "Campaign Writer"})
	}
	found := s.find(t, allAgents, "campaign writer", "limit", "50")
	if len(found) != equals {
		t.Fatalf("found %d, want %d", len(found), equals)
	}
	for i, a := range found {
		if a.Score < 0.85 || a.Score != found[0].Score {
			t.Errorf("the very name scores %v, want nearly 1", a.Score)
		}
		if i > 0 && a.ID.String() <= found[i-1].ID.String() {
			t.Errorf("equals are not in the order of their ids")
		}
	}
	if diff := cmp.Diff(found[:7], s.find(t, allAgents, "campaign writer", "limit", "7"), cmp.Comparer(catalog.Money.Equal)); diff != "" {
		t.Errorf("a lower limit answers others: %s", diff)
	}
	if got := s.find(t, allAgents, "campaign unheardofword")[0].Score; got >= 0.5 {
		t.Errorf("an agent that lacks the rarer word scores %v", got)
	}
}

func TestSearch_Explain(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.add(t, agent{name: "Content Writer"})
	s.add(t, agent{name: "Content Keeper"})
	rank := func(n int64) *int64 { return &n }

	if plain := s.Do(t, "GET", address(allAgents, "content wrtier"), "", ""); strings.Contains(plain.Body, "explain") {
		t.Errorf("explains without being asked to: %s", plain.Body)
	}
	found := s.find(t, allAgents, "content wrtier", "explain", "true")
	if diff := cmp.Diff([]string{"Content Writer", "Content Keeper"}, names(found)); diff != "" {
		t.Fatal(diff)
	}
	writer, keeper := found[0].Explain, found[1].Explain
	if diff := cmp.Diff(rank(1), writer.Words.Rank); diff != "" {
		t.Errorf("rank by words: %s", diff)
	}
	if diff := cmp.Diff(rank(1), keeper.Words.Rank); diff != "" {
		t.Errorf("rank of the equal by words: %s", diff)
	}
	if diff := cmp.Diff(rank(1), writer.Typos.Rank); diff != "" {
		t.Errorf("rank by typos: %s", diff)
	}
	if diff := cmp.Diff(leg{}, keeper.Typos); diff != "" {
		t.Errorf("what was not found by typos: %s", diff)
	}
	for _, a := range found {
		mean := (a.Explain.Words.Score + a.Explain.Typos.Score + 0.3*a.Explain.Name.Score) / 1.3
		if math.Abs(mean-a.Score) > 1e-3 {
			t.Errorf("%s scores %v, and its legs %v", a.Name, a.Score, mean)
		}
	}
}

func TestSearch_AnswersTheWholeAgent(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.add(t, agent{name: "Campaign Writer", specialization: "Content", description: "Writes.", tags: []string{"seo"}, rate: 85})
	answer := s.Do(t, "GET", address(availableAgents, "campaign"), "", "").Want(t, http.StatusOK)
	if !strings.HasPrefix(answer.Body, `[{`) || !strings.Contains(answer.Body, `"price":13600.00`) || !strings.Contains(answer.Body, `"metrics":{"total_jobs":0`) {
		t.Errorf("not a bare array of whole agents: %s", answer.Body)
	}
	if got := answer.Header.Get("Cache-Control"); !strings.HasPrefix(got, "public, max-age=") {
		t.Errorf("Cache-Control is %q", got)
	}
	found := apitest.Decode[[]foundAgent](t, answer)[0]
	if found.ID != id || found.Name != "Campaign Writer" || found.Tags[0] != "seo" || found.Version != 1 {
		t.Errorf("found %+v", found)
	}
	if got := s.Do(t, "GET", address(availableAgents, "zzzxqy"), "", "").Want(t, http.StatusOK).Body; strings.TrimSpace(got) != "[]" {
		t.Errorf("nothing found is %q, want []", got)
	}
}

func TestSearch_OwnAgents(t *testing.T) {
	t.Parallel()
	s := start(t)
	mine := s.add(t, agent{name: "Writer", owner: "ada", issuer: s.Issuer})
	s.add(t, agent{name: "Writer", owner: "eve", issuer: s.Issuer})
	s.add(t, agent{name: "Writer", owner: "ada", issuer: "https://other.example"})
	for _, path := range []string{allAgents, availableAgents} {
		refused := s.Do(t, "GET", address(path, "writer", "owner", "me"), "", "").WantProblem(t, http.StatusUnauthorized, "UNAUTHENTICATED")
		if refused.Header.Get("WWW-Authenticate") == "" {
			t.Error("a 401 without WWW-Authenticate")
		}
		answer := s.Do(t, "GET", address(path, "writer", "owner", "me"), s.Token(t, auth.Partner, "ada"), "").Want(t, http.StatusOK)
		if found := apitest.Decode[[]foundAgent](t, answer); len(found) != 1 || found[0].ID != mine {
			t.Errorf("found %d agents of mine, want 1", len(found))
		}
	}
}

func TestSearch_BadParameters(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.add(t, agent{name: "Writer"})
	tests := []struct{ parameters, location string }{
		{"", "query.query"},
		{"query=", "query.query"},
		{"query=%20%E2%80%83%20", "query.query"},
		{"query=" + strings.Repeat("a", 513), "query.query"},
		{"query=a%00b", "query.query"},
		{"query=a&query=b", "query.query"},
		{"query=a&explain=perhaps", "query.explain"},
		{"query=a&status=gone", "query.status"},
		{"query=a&skill_id=7", "query.skill_id"},
		{"query=a&min_rating=5.01", "query.min_rating"},
		{"query=a&max_hourly_rate=0", "query.max_hourly_rate"},
		{"query=a&updated_since=yesterday", "query.updated_since"},
		{"query=a&skip=1", "query.skip"},
		{"query=a&Limit=1", "query.Limit"},
	}
	for _, path := range []string{allAgents, availableAgents} {
		for _, test := range tests {
			answer := s.Do(t, "GET", path+"?"+test.parameters, "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
			if faults := apitest.Decode[httpapi.Problem](t, answer).Errors; len(faults) != 1 || faults[0].Location != test.location {
				t.Errorf("%s: got faults %s, want one at %s", test.parameters, answer.Body, test.location)
			}
		}
	}
}

func TestI10_Integers(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.add(t, agent{name: "Writer"})
	for _, limit := range []string{"-1", "0", "51", "9007199254740993", "9223372036854775808", "1e400", "1.0", `"1"`, "0x1", "1_0", "NaN"} {
		s.Do(t, "GET", address(allAgents, "writer", "limit", limit), "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	}
}

func TestI20_Methods(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, path := range []string{allAgents, availableAgents} {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "TRACE", "FIND"} {
			answer := s.Do(t, method, address(path, "a"), "", "").WantProblem(t, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
			if got := answer.Header.Get("Allow"); !strings.Contains(got, "GET") {
				t.Errorf("%s %s: Allow is %q", method, path, got)
			}
		}
		s.Do(t, "GET", address(path, "a"), "", "", apitest.Header{Name: "X-HTTP-Method-Override", Value: "DELETE"}).Want(t, http.StatusOK)
	}
}

func TestI23_LimitBounds(t *testing.T) {
	t.Parallel()
	s := start(t)
	const agents = 60
	for range agents {
		s.add(t, agent{name: "Writer"})
	}
	for limit, want := range map[string]int{"1": 1, "10": 10, "49": 49, "50": 50} {
		if got := len(s.find(t, allAgents, "writer", "limit", limit)); got != want {
			t.Errorf("limit %s answers %d, want %d", limit, got, want)
		}
	}
	if got := len(s.find(t, allAgents, "writer")); got != 10 {
		t.Errorf("without a limit %d are answered, want 10", got)
	}
	for _, limit := range []string{"-1", "0", "51", "1000"} {
		answer := s.Do(t, "GET", address(availableAgents, "writer", "limit", limit), "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
		if faults := apitest.Decode[httpapi.Problem](t, answer).Errors; len(faults) != 1 || faults[0].Location != "query.limit" {
			t.Errorf("limit %s: %s", limit, answer.Body)
		}
	}
}
