package search

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// nextOf is the address of the next page; "" where there is none.
func nextOf(a apitest.Answer) string {
	next, _, _ := strings.Cut(strings.TrimPrefix(a.Header.Get("Link"), "<"), ">")
	return next
}

// Pages follow each other in the order of the first, each agent once; what is deleted meanwhile, or does not pass the filter
// any more, is left out. I24: a cursor that was altered, or belongs to another search, is refused.
func TestI24_SearchGoesOn(t *testing.T) {
	t.Parallel()
	s := start(t)
	const agents, limit = 25, 4
	for i := range agents {
		s.add(t, agent{name: "Campaign" + strings.Repeat(" writer", i%3) + fmt.Sprintf(" %c", 'a'+i)})
	}
	var want []uuid.UUID
	scores := map[uuid.UUID]float64{}
	for _, a := range s.find(t, availableAgents, "campaign writer", "limit", "50") {
		want, scores[a.ID] = append(want, a.ID), a.Score
	}
	if len(want) != agents {
		t.Fatalf("found %d", len(want))
	}
	first := s.Do(t, "GET", address(availableAgents, "campaign writer", "limit", fmt.Sprint(limit)), "", "").Want(t, http.StatusOK)
	deleted, busy := want[limit], want[2*limit+1]
	s.DB.Exec(t, `update plant.agents set deleted_at = now() where id = $1`, deleted)
	s.DB.Exec(t, `update plant.agents set status = 'working' where id = $1`, busy)
	got := []uuid.UUID{}
	for page, pages := first, 0; ; pages++ {
		for _, a := range apitest.Decode[[]foundAgent](t, page) {
			got = append(got, a.ID)
			if a.Score != scores[a.ID] {
				t.Errorf("%s scores %v, and %v on a page with all", a.Name, a.Score, scores[a.ID])
			}
		}
		next := nextOf(page)
		if len(page.Header.Get("Link")) > 4000 {
			t.Errorf("a Link of %d characters", len(page.Header.Get("Link")))
		}
		if next == "" || pages > agents {
			break
		}
		page = s.Do(t, "GET", next, "", "").Want(t, http.StatusOK)
	}
	left := []uuid.UUID{}
	for _, id := range want {
		if id != deleted && id != busy {
			left = append(left, id)
		}
	}
	if diff := cmp.Diff(left, got); diff != "" {
		t.Errorf("the pages: %s", diff)
	}
	next := nextOf(first)
	for name, other := range map[string]string{
		"another query":  strings.Replace(next, "query=campaign", "query=writer", 1),
		"another path":   strings.Replace(next, availableAgents, allAgents, 1),
		"another filter": next + "&industry=sales",
		"another cursor": strings.Replace(next, "cursor=", "cursor=A", 1),
		"no cursor":      strings.Replace(next, "cursor=", "cursor=A&x=", 1),
	} {
		if answer := s.Do(t, "GET", other, "", ""); answer.Status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %.200s", name, answer.Status, answer.Body)
		}
	}
}

// F18: while the provider is away, words still find, and the answer says that nothing was found by meaning; what was written
// meanwhile is found by it when the provider is back.
func TestF18_SearchWithoutItsProvider(t *testing.T) {
	t.Parallel()
	s := startMeaningful(t)
	s.add(t, agent{name: "Attorney", description: "Reads every contract."})
	s.index(t)
	ask := func(query string) (apitest.Answer, []string) {
		answer := s.Do(t, "GET", address(allAgents, query), "", "").Want(t, http.StatusOK)
		return answer, names(apitest.Decode[[]foundAgent](t, answer))
	}
	if answer, got := ask("lawyer"); len(got) != 1 || answer.Header.Get("Degraded") != "" {
		t.Fatalf("by meaning: %v, degraded: %q", got, answer.Header.Get("Degraded"))
	}
	s.away.Store(true)
	s.add(t, agent{name: "Doctor"})
	if answer, got := ask("physician"); len(got) != 0 || answer.Header.Get("Degraded") != "true" {
		t.Errorf("by meaning without the provider: %v, degraded: %q", got, answer.Header.Get("Degraded"))
	}
	if answer, got := ask("doctor"); len(got) != 1 || answer.Header.Get("Degraded") != "true" {
		t.Errorf("by words without the provider: %v, degraded: %q", got, answer.Header.Get("Degraded"))
	}
	s.away.Store(false)
	s.index(t)
	for query, want := range map[string]string{"physician": "Doctor", "pact": "Attorney"} {
		if _, got := ask(query); len(got) == 0 || got[0] != want {
			t.Errorf("%s finds %v, want %s", query, got, want)
		}
	}
}
