package agents

import (
	"net/http"
	"testing"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// startScheduled runs the function with a service account, and returns its token.
func startScheduled(t *testing.T, opts ...apitest.Option) (s service, token string) {
	t.Helper()
	token, known := apitest.Scheduler(t)
	return start(t, append(opts, known)...), token
}

// A scheduler may say of any agent whether it works, under the same conditions as its owner, and nothing else.
func TestScheduler_SetsStatusOnly(t *testing.T) {
	t.Parallel()
	s, scheduler := startScheduled(t)
	path := s.path(t, writer)
	tag := s.Do(t, "GET", path, "", "").Header.Get("ETag")
	match := apitest.Header{Name: "If-Match", Value: tag}
	got := apitest.Decode[catalog.Agent](t, s.Do(t, "PUT", path+"/status", scheduler, `{"status":"offline"}`, match).Want(t, http.StatusOK))
	if got.Status != "offline" || got.Version != 2 || got.Owner != "ada" {
		t.Errorf("got %+v", got)
	}
	s.Do(t, "PUT", path+"/status", scheduler, `{"status":"working"}`, match).WantProblem(t, http.StatusPreconditionFailed, "STALE")
	s.Do(t, "PUT", path+"/status", scheduler, `{"status":"retired"}`).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	s.Do(t, "PUT", path+"/status", scheduler, `{"status":"working","name":"x"}`).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	s.Do(t, "GET", "/api/v1/agents?include_deleted=true", scheduler, "").WantProblem(t, http.StatusForbidden, "FORBIDDEN")
	if mine, _ := s.list(t, "/api/v1/agents?owner=me", scheduler); len(mine) != 0 {
		t.Errorf("a scheduler owns %d agents", len(mine))
	}
}

// The statements themselves let a service set the status only, whatever the operations ask for.
func TestService_StatementsSetStatusOnly(t *testing.T) {
	t.Parallel()
	s := start(t)
	agent := s.publish(t, writer)
	store := newAgentStore(s.DB.DB)
	ctx := auth.WithPrincipal(t.Context(), auth.Principal{Issuer: "https://accounts.google.com", Subject: "1", Owner: "1", Role: auth.Service})
	if got, err := store.setStatus(ctx, agent.ID, nil, "working"); err != nil || got.Status != "working" {
		t.Errorf("got %v, %v", got.Status, err)
	}
	name := "Taken"
	if _, err := store.change(ctx, agent.ID, nil, agentChange{Name: &name}); err == nil {
		t.Error("a service changed a name")
	}
}
