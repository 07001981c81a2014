package agents

import (
	"crypto/rand"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// service is the agents function with a partner, Ada, and a governor, Grace, whose requests it sends.
type service struct {
	*apitest.Service
	ada, grace string
}

func start(t *testing.T, opts ...apitest.Option) service {
	t.Helper()
	s := apitest.Start(t, Function, append([]apitest.Option{func(settings *httpapi.Settings) { settings.Audit.Key = auditKey }}, opts...)...)
	return service{s, s.Token(t, auth.Partner, "ada"), s.Token(t, auth.Governor, "grace")}
}

// auditKey signs checkpoints, for auditVerifier to verify.
var auditKey, auditVerifier = func() (config.Secret, string) {
	signer, verifier, err := note.GenerateKey(rand.Reader, "plant.test/audit")
	if err != nil {
		panic(err)
	}
	return config.Secret(signer), verifier
}()

const writer = `{"name":"Campaign Writer","specialization":"Content writing","industry":"marketing","hourly_rate":85.0}`

// publish creates an agent of Ada's.
func (s service) publish(t *testing.T, draft string) catalog.Agent {
	t.Helper()
	answer := s.Do(t, "POST", "/api/v1/agents", s.ada, draft)
	for tries := 1; answer.Status == http.StatusServiceUnavailable && tries < 5; tries++ {
		answer = s.Do(t, "POST", "/api/v1/agents", s.ada, draft) // where deadlines are short, a busy machine may miss one
	}
	return apitest.Decode[catalog.Agent](t, answer.Want(t, http.StatusCreated))
}

func TestAgent_Life(t *testing.T) {
	t.Parallel()
	s := start(t)

	created := s.Do(t, "POST", "/api/v1/agents/", s.ada, writer).Want(t, http.StatusCreated)
	agent := apitest.Decode[catalog.Agent](t, created)
	path := "/api/v1/agents/" + agent.ID.String()
	if got := created.Header.Get("Location"); got != path {
		t.Errorf("Location is %q, want %q", got, path)
	}
	if !strings.Contains(created.Body, `"price":13600.00`) {
		t.Errorf("price is not 13600: %s", created.Body)
	}
	read := s.Do(t, "GET", path+"/", "", "").Want(t, http.StatusOK)
	if diff := cmp.Diff(created.Body, read.Body); diff != "" {
		t.Errorf("what is read differs from what was created: %s", diff)
	}
	if created.Header.Get("ETag") == "" || created.Header.Get("ETag") != read.Header.Get("ETag") {
		t.Errorf("ETag %q, then %q", created.Header.Get("ETag"), read.Header.Get("ETag"))
	}

	s.Do(t, "PUT", path, s.ada, `{"hourly_rate":90,"description":"Writes."}`).Want(t, http.StatusOK)
	changed := apitest.Decode[catalog.Agent](t, s.Do(t, "GET", path, "", ""))
	want := agent
	want.HourlyRate, want.Price, want.Description = catalog.Hundredths(9000), catalog.Hundredths(1440000), "Writes."
	want.Version, want.UpdatedAt = 2, changed.UpdatedAt
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Errorf("a PUT of two fields changed others: %s", diff)
	}

	status := s.Do(t, "PUT", path+"/status", s.ada, `{"status":"working"}`).Want(t, http.StatusOK)
	if got := apitest.Decode[catalog.Agent](t, status).Status; got != "working" {
		t.Errorf("status is %q", got)
	}
	s.Do(t, "DELETE", path, s.ada, "").Want(t, http.StatusNoContent)
	s.Do(t, "GET", path, "", "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	s.Do(t, "DELETE", path, s.ada, "").Want(t, http.StatusNotFound)
	s.Do(t, "POST", path+"/restore", s.ada, "").Want(t, http.StatusOK)
	s.Do(t, "GET", path, "", "").Want(t, http.StatusOK)
}
