package search

import (
	"net/http"
	"testing"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/httpapi/apitest"
	"github.com/waooaw/plant/shared/indexing"
)

// Only scheduled work makes the vectors that are left to be made.
func TestIndex(t *testing.T) {
	t.Parallel()
	scheduler, known := apitest.Scheduler(t)
	s := service{apitest.Start(t, Function, known)}
	s.add(t, agent{name: "Content Writer"})
	for _, token := range []string{s.Token(t, auth.Customer, "carl"), s.Token(t, auth.Governor, "grace")} {
		s.Do(t, "POST", "/internal/index", token, "").Want(t, http.StatusForbidden)
	}
	s.Do(t, "POST", "/internal/index", "", "").Want(t, http.StatusUnauthorized)
	report := apitest.Decode[indexing.Report](t, s.Do(t, "POST", "/internal/index", scheduler, "").Want(t, http.StatusOK))
	if report.Embedded != 1 || !report.Done || report.Model == "" {
		t.Errorf("got %+v", report)
	}
	if got := s.Do(t, "GET", "/api/v1/agents/search?query=writer", "", "").Header.Get("Degraded"); got != "" {
		t.Errorf("searches are still degraded: %q", got)
	}
}
