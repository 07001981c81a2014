package search

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

func (s service) recommend(t testing.TB, companyType string, limit int) []recommendedAgent {
	t.Helper()
	query := url.Values{"company_type": {companyType}, "limit": {strconv.Itoa(limit)}}
	return apitest.Decode[[]recommendedAgent](t, s.Do(t, "GET", "/api/v1/recommendations?"+query.Encode(), "", "").Want(t, http.StatusOK))
}

func TestKindOf(t *testing.T) {
	t.Parallel()
	for companyType, want := range map[string]string{
		"e-commerce": "an online shop", "Online Shops": "an online shop", "dental clinic": "a practice", "School": "a school", "schools": "a school", "startup": "a young software company",
		"law firm": "a professional firm", "restaurant": "a place for guests", "MARKETING AGENCY": "an agency", "agencies": "an agency", "NGO": "an association",
		"real estate": "a firm that sells by trust", "B2B wholesale": "a maker or wholesaler", "software company for dental clinics and doctors": "a practice",
		"": "nearly any company", "zzzxqy": "nearly any company", "lawn mowing": "nearly any company", "barber": "nearly any company", "विद्यालय": "nearly any company", "🙂": "nearly any company",
	} {
		if got := kindOf(companyType).name; got != want {
			t.Errorf("%q is %s, want %s", companyType, got, want)
		}
	}
	for _, kind := range companyKinds {
		for _, word := range kind.words {
			if got := kindOf(word).name; got != kind.name {
				t.Errorf("%q is a word of %s, and is taken for %s", word, kind.name, got)
			}
		}
		for _, need := range kind.needs {
			if need.query == "" || need.because == "" {
				t.Errorf("%s has a need without a query or a reason: %+v", kind.name, need)
			}
		}
	}
}

func TestRecommendations_Reasons(t *testing.T) {
	t.Parallel()
	s := start(t)
	email := s.add(t, agent{name: "Inbox", specialization: "Email marketing", industry: "marketing"})
	s.measure(t, email, 100, 90, 4, 18)
	own := s.add(t, agent{name: "Toy Expert", specialization: "Consulting", description: "Knows every wooden toy shop."})
	s.add(t, agent{name: "Something Else", specialization: "Plumbing"})
	got := s.recommend(t, "wooden toy shop", 10)
	if len(got) != 2 || got[0].ID != own || got[1].ID != email {
		t.Fatalf("recommends %+v", got)
	}
	want := []string{
		`Answers "wooden toy shop" in so many words. Toy Expert does Consulting in sales, and is new: nothing is measured yet.`,
		`Email marketing: for an online shop, it brings customers back. Inbox does Email marketing in marketing, and completed 90 % of 100 jobs and is rated 4.5 by 4 reviews.`,
	}
	if diff := cmp.Diff(want, []string{got[0].Reason, got[1].Reason}); diff != "" {
		t.Error(diff)
	}
	if got[1].Need != "email marketing" || got[1].Quality.Jobs != 100 || got[1].Score <= 0 || got[1].Score > 1 {
		t.Errorf("recommends %+v", got[1])
	}
}

// The same agents in the same order, each of them once, and not ten of one kind; none that cannot be hired.
func TestRecommendations_AreVaried(t *testing.T) {
	t.Parallel()
	s := start(t)
	for i := range 12 {
		s.add(t, agent{name: fmt.Sprintf("Social Planner %d", i), specialization: "Social media", description: "Email marketing and content writing."})
		s.add(t, agent{name: fmt.Sprintf("Email Writer %d", i), specialization: []string{"Email marketing", "EMAIL MARKETING"}[i%2]})
		s.add(t, agent{name: "Lead Research", specialization: "Research", status: "offline"})
	}
	gone := s.add(t, agent{name: "Lead Research", specialization: "Lead research"})
	s.DB.Exec(t, `update plant.agents set deleted_at = now() where id = $1`, gone)
	for _, companyType := range []string{"zzzxqy", "shop", "social media", "restaurant", "🙂", "...", "the of", "a", strings.Repeat("é", 100), "विपणन", "100%_'\\&|!:*"} {
		got := s.recommend(t, companyType, 10)
		seen, kinds := map[uuid.UUID]bool{}, map[string]int{}
		for _, a := range got {
			kind := strings.ToLower(a.Specialization)
			kinds[kind]++
			if seen[a.ID] || kinds[kind] > mostAlike || a.Status != "available" || a.DeletedAt != nil || a.Reason == "" {
				t.Errorf("%q: recommends %s of %s, %s", companyType, a.Name, kind, a.Status)
			}
			seen[a.ID] = true
		}
		if len(got) == 0 {
			t.Errorf("%q: recommends nobody", companyType)
		}
		if diff := cmp.Diff(got, s.recommend(t, companyType, 10)); diff != "" {
			t.Errorf("%q: recommends others the second time: %s", companyType, diff)
		}
		if diff := cmp.Diff(got[:1], s.recommend(t, companyType, 1)); diff != "" {
			t.Errorf("%q: one: %s", companyType, diff)
		}
	}
}

func TestRecommendations_OfNobody(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, companyType := range []string{"school", "zzzxqy"} {
		if got := s.Do(t, "GET", "/api/v1/recommendations?company_type="+companyType, "", "").Want(t, http.StatusOK).Body; strings.TrimSpace(got) != "[]" {
			t.Errorf("%s: %s, want []", companyType, got)
		}
	}
}

// I2, I4, I10: bad parameters are refused at their places.
func TestRecommendations_BadParameters(t *testing.T) {
	t.Parallel()
	s := start(t)
	for parameters, location := range map[string]string{
		"": "query.company_type", "company_type=": "query.company_type", "company_type=%20%E2%80%83": "query.company_type", "company_type=" + strings.Repeat("a", 101): "query.company_type",
		"company_type=a%00b": "query.company_type", "company_type=a&company_type=b": "query.company_type", "company_type=a&limit=0": "query.limit", "company_type=a&limit=51": "query.limit",
		"company_type=a&limit=1.0": "query.limit", "company_type=a&status=offline": "query.status", "company_type=a&Limit=1": "query.Limit",
	} {
		answer := s.Do(t, "GET", "/api/v1/recommendations?"+parameters, "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
		if faults := apitest.Decode[httpapi.Problem](t, answer).Errors; len(faults) != 1 || faults[0].Location != location {
			t.Errorf("%.50s: got faults %s, want one at %s", parameters, answer.Body, location)
		}
	}
	if got := s.Do(t, "GET", "/api/v1/recommendations?company_type=%ff", "", "").Status; got != http.StatusBadRequest {
		t.Errorf("bad UTF-8: got %d", got)
	}
}
