package metrics

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

const agent = "01900000-0000-7000-8000-00000000000a"

// start runs the function with one agent, whose statistics are as they are at birth.
func start(t *testing.T) *apitest.Service {
	t.Helper()
	s := apitest.Start(t, Function)
	s.DB.Exec(t, `insert into plant.agents (id, owner_issuer, owner, name, specialization, industry, hourly_rate)
		values ($1, 'https://issuer.example', 'ada', 'Name', 'Work', 'sales', 10)`, agent)
	return s
}

func figures(t *testing.T, s *apitest.Service) map[string]any {
	t.Helper()
	answer := s.Do(t, "GET", "/api/v1/agents/"+agent+"/metrics/", "", "").Want(t, http.StatusOK)
	got := apitest.Decode[map[string]any](t, answer)
	delete(got, "updated_at")
	return got
}

// From birth there are figures: 0 in the five that were always there, null in the wider ones.
func TestMetrics_OfANewAgent(t *testing.T) {
	t.Parallel()
	want := map[string]any{
		"agent_id": agent, "total_jobs": 0.0, "completed_jobs": 0.0, "avg_rating": 0.0, "response_time_seconds": 0.0, "retention_rate": 0.0,
		"success_rate": nil, "reviews": 0.0, "sample_size": 0.0, "duration_samples": 0.0, "trials_ended": 0.0, "window": "all",
	}
	if diff := cmp.Diff(want, figures(t, start(t))); diff != "" {
		t.Error(diff)
	}
}

func TestMetrics_AreDerivedFromCountsAndSums(t *testing.T) {
	t.Parallel()
	s := start(t)
	before := s.Do(t, "GET", "/api/v1/agents/"+agent+"/metrics", "", "").Header.Get("ETag")
	s.DB.Exec(t, `update plant.agent_statistics set total_jobs = 8, completed_jobs = 6, duration_ms_sum = 10000, duration_samples = 4,
		reviews = 3, rating_sum = 13, trials_ended = 3, trials_retained = 2`)
	want := map[string]any{
		"agent_id": agent, "total_jobs": 8.0, "completed_jobs": 6.0, "avg_rating": 4.33, "response_time_seconds": 2.5, "retention_rate": 0.6667,
		"success_rate": 0.75, "reviews": 3.0, "sample_size": 8.0, "duration_samples": 4.0, "trials_ended": 3.0, "window": "all",
	}
	if diff := cmp.Diff(want, figures(t, s)); diff != "" {
		t.Error(diff)
	}
	s.Do(t, "GET", "/api/v1/agents/"+agent+"/metrics", "", "", apitest.Header{Name: "If-None-Match", Value: before}).Want(t, http.StatusOK)
	after := s.Do(t, "GET", "/api/v1/agents/"+agent+"/metrics?window=all", "", "").Header.Get("ETag")
	s.Do(t, "GET", "/api/v1/agents/"+agent+"/metrics", "", "", apitest.Header{Name: "If-None-Match", Value: after}).Want(t, http.StatusNotModified)
}

func TestMetrics_OfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.DB.Exec(t, `update plant.agents set deleted_at = now()`)
	for _, id := range []string{agent, "01900000-0000-7000-8000-00000000dead", "x", "%00"} {
		s.Do(t, "GET", "/api/v1/agents/"+id+"/metrics", "", "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	}
	s.Do(t, "GET", "/api/v1/agents/"+agent+"/metrics?window=1h", "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	s.Do(t, "POST", "/api/v1/agents/"+agent+"/metrics", "", "").WantProblem(t, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
}

// A13, A14 and I30: everything that is described is open to all, and routed here.
func TestA14_I30_Inventory(t *testing.T) {
	t.Parallel()
	s := start(t)
	got := apitest.Operations(t, Function)
	for _, operation := range got {
		path := strings.ReplaceAll(strings.TrimPrefix(operation, "GET "), "{id}", agent)
		for _, token := range []string{"", s.Token(t, "", "rob"), s.Token(t, auth.Customer, "carl"), s.Token(t, auth.Partner, "ada"), s.Token(t, auth.Governor, "grace")} {
			s.Do(t, "GET", path, token, "").Want(t, http.StatusOK)
		}
	}
	want := []string{"GET /api/v1/agents/{id}/metrics", "GET /api/v1/metrics/health", "GET /api/v1/metrics/ready"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the operations are others than those of this test: %s", diff)
	}
}
