package stand_test

import (
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/scripts/internal/stand"
	"github.com/waooaw/plant/shared/auth"
)

// What was written is there after the server was killed and started again, and the function that has seen it all goes on.
func TestStand(t *testing.T) {
	t.Parallel()
	s, err := stand.Open(t.Context(), "../../..", t.TempDir(), io.Discard, "max_connections=33")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	agents, err := s.Start(t.Context(), "agents")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { functions.StopAll(agents) })
	owner, err := s.Owner(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var most string
	if err := owner.QueryRow(t.Context(), `show max_connections`).Scan(&most); err != nil || most != "33" {
		t.Errorf("got %s, %v, want the setting that was given", most, err)
	}
	if _, err := owner.Exec(t.Context(), `insert into plant.industries (id, slug, name) values (gen_random_uuid(), 'farming', 'Farming')`); err != nil {
		t.Fatal(err)
	}
	token, err := s.Token(auth.Partner, "ada")
	if err != nil {
		t.Fatal(err)
	}
	publish(t, agents, token)
	s.Server.Kill()
	if err := s.Server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := functions.AwaitReady(t.Context(), agents); err != nil {
		t.Fatal(err)
	}
	publish(t, agents, token)
	s.Server.End(syscall.SIGINT)
	if err := s.Server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if owner, err = s.Owner(t.Context()); err != nil {
		t.Fatal(err)
	}
	var count int
	if err := owner.QueryRow(t.Context(), `select count(*) from plant.agents`).Scan(&count); err != nil || count != 2 {
		t.Errorf("got %d agents, %v, want 2", count, err)
	}
	if _, err := os.Stat(agents.LogFile); err != nil {
		t.Error(err)
	}
}

func publish(t *testing.T, agents *functions.Function, token string) {
	t.Helper()
	body := `{"name":"Crop Doctor","specialization":"Crops","industry":"farming","hourly_rate":10}`
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, agents.Address.JoinPath("/api/v1/agents").String(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if answer, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusCreated {
		t.Fatalf("got %d %s, %v", response.StatusCode, answer, err)
	}
}
