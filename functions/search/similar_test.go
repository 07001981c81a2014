package search

import (
	"context"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

func similarTo(id uuid.UUID) string { return "/api/v1/agents/" + id.String() + "/similar" }

func (s service) similar(t testing.TB, path string) []foundAgent {
	t.Helper()
	answer := s.Do(t, "GET", path, "", "").Want(t, http.StatusOK)
	if got := answer.Header.Get("Degraded"); got != "" {
		t.Errorf("%s is degraded: %s", path, got)
	}
	return apitest.Decode[[]foundAgent](t, answer)
}

func TestSimilar_ByMeaning(t *testing.T) {
	t.Parallel()
	s := startMeaningful(t)
	one := s.add(t, agent{name: "Lawyer", specialization: "Pact review"})
	other := s.add(t, agent{name: "Attorney", specialization: "Contract review"}) // the same, in other words
	s.add(t, agent{name: "Attorney", specialization: "Contract drafting"})
	s.add(t, agent{name: "Physician", specialization: "Skin care"})
	gone := s.add(t, agent{name: "Lawyer", specialization: "Pact review"})
	s.index(t)
	s.DB.Exec(t, `update plant.agents set deleted_at = now() where id = $1`, gone)

	found := s.similar(t, similarTo(one))
	if diff := cmp.Diff([]string{"Attorney", "Attorney", "Physician"}, names(found)); diff != "" {
		t.Fatal(diff)
	}
	if found[0].ID != other || found[0].Score != 1 {
		t.Errorf("the same in other words comes as %s with a score of %v", found[0].ID, found[0].Score)
	}
	if found[1].Score >= 1 || found[1].Score <= found[2].Score || found[2].Score < 0 {
		t.Errorf("scores are %v and %v", found[1].Score, found[2].Score)
	}
	if diff := cmp.Diff(found[:1], s.similar(t, similarTo(one)+"?limit=1"), cmp.Comparer(catalog.Money.Equal)); diff != "" {
		t.Errorf("a lower limit answers others: %s", diff)
	}
}

func TestSimilar_StableOrder(t *testing.T) {
	t.Parallel()
	s := startMeaningful(t)
	one := s.add(t, agent{})
	for range 60 {
		s.add(t, agent{})
	}
	s.index(t)
	found := s.similar(t, similarTo(one)+"?limit=50")
	if len(found) != 50 || !slices.IsSortedFunc(found, func(a, b foundAgent) int { return strings.Compare(a.ID.String(), b.ID.String()) }) {
		t.Errorf("%d equals are not in the order of their ids", len(found))
	}
	if got := len(s.similar(t, similarTo(one))); got != 10 {
		t.Errorf("without a limit %d are answered, want 10", got)
	}
}

// A19: whatever the filter leaves is found, as many as there are and the very nearest, whether each is looked at or the
// index is asked, and even where the index gives up.
func TestA19_SimilarAsBruteForce(t *testing.T) {
	t.Parallel()
	s := startMeaningful(t)
	random := rand.New(rand.NewPCG(5, 6)) // the same agents in every run
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	word := func() string { return pick("zebra", "okapi", "walrus", "badger", "otter", "ferret", "heron", "lemur") }
	type written struct {
		agent
		id uuid.UUID
	}
	var all []written
	for range 300 {
		a := agent{name: word() + " " + word(), description: word() + " " + word(), status: pick("available", "working", "offline"), rate: 1 + random.IntN(100)}
		all = append(all, written{a, s.add(t, a)})
	}
	s.index(t)
	text := func(a agent) string { return a.name + " Asdfgh sales " + a.description } // as it is embedded
	cosine := func(a, b agent) float64 {
		var dot, aa, bb float64
		v, w := directionOf(text(a)), directionOf(text(b))
		for i := range v {
			dot, aa, bb = dot+float64(v[i]*w[i]), aa+float64(v[i]*v[i]), bb+float64(w[i]*w[i])
		}
		return dot / math.Sqrt(aa*bb)
	}
	check := func(recall float64) { // of what is nearest, at least so much
		t.Helper()
		var answered, missed int
		for range 60 {
			one, status, rate, limit := all[random.IntN(len(all))], pick("available", "working"), 1+random.IntN(100), 1+random.IntN(50)
			var want []float64
			passes := map[uuid.UUID]bool{}
			for _, other := range all {
				if other.id != one.id && other.status == status && other.rate <= rate {
					want, passes[other.id] = append(want, cosine(one.agent, other.agent)), true
				}
			}
			slices.SortFunc(want, func(a, b float64) int { return int(math.Copysign(1, b-a)) })
			want = want[:min(limit, len(want))]
			found := s.similar(t, similarTo(one.id)+"?limit="+strconv.Itoa(limit)+"&status="+status+"&max_hourly_rate="+strconv.Itoa(rate))
			if len(found) != len(want) {
				t.Errorf("found %d, brute force %d", len(found), len(want))
				continue
			}
			answered += len(found)
			for i, a := range found {
				if !passes[a.ID] {
					t.Errorf("found %s, which the filter hides", a.ID)
				}
				if math.Abs(a.Score-want[i]) > 0.002 { // vectors are kept in 16 bits a number
					missed++
				}
			}
		}
		if float64(missed) > (1-recall)*float64(answered) {
			t.Errorf("%d of %d are not the nearest", missed, answered)
		}
	}
	// The index is made to give up early: this holds for connections that are still to be made.
	s.DB.Exec(t, `do $$ begin execute format('alter database %I set hnsw.max_scan_tuples = 1', current_database()); end $$`)
	check(1)
	// The planner is made to think that there are many, so that the index is asked.
	s.DB.Exec(t, `analyze plant.agents, plant.agent_statistics, plant.search_vectors`)
	s.DB.Exec(t, `update pg_class set reltuples = 1e6 where oid in ('plant.agents'::regclass, 'plant.agent_statistics'::regclass, 'plant.search_vectors'::regclass)`)
	where := database.NewWhere([]string{`a.status = 'available'`}, nil)
	if passing, err := database.Estimate(t.Context(), s.DB, database.Listing{From: catalog.AgentFrom, Where: where}); err != nil || passing <= fewAgents {
		t.Fatalf("the planner expects %d agents: %v", passing, err)
	}
	check(0.97)
}

func TestSimilar_WithoutVectors(t *testing.T) {
	t.Parallel()
	s := startMeaningful(t)
	one := s.add(t, agent{name: "Contract Lawyer"})
	other := s.add(t, agent{name: "Contract Writer"})
	s.add(t, agent{name: "Contract Writer", status: "offline"})
	s.add(t, agent{name: "Gardener", specialization: "Roses"})
	check := func(what string) {
		t.Helper()
		answer := s.Do(t, "GET", similarTo(one)+"?status=available", "", "").Want(t, http.StatusOK)
		if got := answer.Header.Get("Degraded"); got != "true" {
			t.Errorf("%s: Degraded is %q", what, got)
		}
		if found := apitest.Decode[[]foundAgent](t, answer); len(found) != 1 || found[0].ID != other {
			t.Errorf("%s: found %v", what, names(found))
		}
	}
	check("no model")
	if got := s.Do(t, "GET", "/api/v1/agents/search?query=contract", "", "").Header.Get("Degraded"); got != "true" {
		t.Errorf("Degraded of a search is %q", got)
	}
}

// F18: an agent that was written while the provider is away is found by its words.
func TestF18_SimilarToOneWithoutVector(t *testing.T) {
	t.Parallel()
	s := startMeaningful(t)
	other := s.add(t, agent{name: "Contract Writer"})
	s.index(t)
	s.away.Store(true)
	one := s.add(t, agent{name: "Contract Lawyer"})
	answer := s.Do(t, "GET", similarTo(one), "", "").Want(t, http.StatusOK)
	if found := apitest.Decode[[]foundAgent](t, answer); answer.Header.Get("Degraded") != "true" || len(found) != 1 || found[0].ID != other {
		t.Errorf("found %v, Degraded is %q", names(found), answer.Header.Get("Degraded"))
	}
	if found := s.similar(t, similarTo(other)); len(found) != 0 {
		t.Errorf("found %v, which has no vector", names(found))
	}
}

func TestSimilar_Refused(t *testing.T) {
	t.Parallel()
	s := start(t)
	one, gone := s.add(t, agent{name: "Writer"}), s.add(t, agent{name: "Writer"})
	s.DB.Exec(t, `update plant.agents set deleted_at = now() where id = $1`, gone)
	for _, id := range []string{gone.String(), apitest.AnID, "7", "%00", "%ff", strings.ReplaceAll(one.String(), "-", ""), "{" + one.String() + "}"} {
		s.Do(t, "GET", "/api/v1/agents/"+id+"/similar", "", "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	}
	for parameters, location := range map[string]string{
		"limit=0": "query.limit", "limit=51": "query.limit", "limit=1.0": "query.limit", "status=gone": "query.status", "skill_id=7": "query.skill_id",
		"min_rating=NaN": "query.min_rating", "query=a": "query.query", "tag=a%00b": "query.tag",
	} {
		answer := s.Do(t, "GET", similarTo(one)+"?"+parameters, "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
		if faults := apitest.Decode[httpapi.Problem](t, answer).Errors; len(faults) == 0 || faults[0].Location != location {
			t.Errorf("%s: got %s, want a fault at %s", parameters, answer.Body, location)
		}
	}
	s.Do(t, "GET", similarTo(one)+"?tag=%ff", "", "").WantProblem(t, http.StatusBadRequest, "MALFORMED_REQUEST")
	s.Do(t, "GET", similarTo(one)+"?owner=me", "", "").WantProblem(t, http.StatusUnauthorized, "UNAUTHENTICATED")
	mine := s.add(t, agent{name: "Writer", owner: "ada", issuer: s.Issuer})
	found := apitest.Decode[[]foundAgent](t, s.Do(t, "GET", similarTo(one)+"?owner=me", s.Token(t, auth.Partner, "ada"), "").Want(t, http.StatusOK))
	if len(found) != 1 || found[0].ID != mine {
		t.Errorf("of mine, found %v", names(found))
	}
}

// The text of the statement depends on which filters are asked for, never on what they are asked with.
func TestI13_SimilarStatementText(t *testing.T) {
	t.Parallel()
	statement := func(owner string) string {
		n := nearness{kind: agentKind, from: catalog.AgentFrom, id: `a.id`, where: filtered(context.Background(), catalog.AgentFilter{Owner: owner}, false)}
		return n.sql(catalog.AgentColumns, false)
	}
	if diff := cmp.Diff(statement(`ada`), statement(`' or 1=1; --`)); diff != "" {
		t.Error(diff)
	}
}
