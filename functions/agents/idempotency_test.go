package agents

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

func key(value string) apitest.Header {
	return apitest.Header{Name: "Idempotency-Key", Value: value}
}

func (s service) count(t *testing.T) int {
	t.Helper()
	return dbtest.Scalar[int](t, s.DB, `select count(*) from plant.agents`)
}

func TestI27_IdempotencyKeyForms(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, good := range []string{"a", strings.Repeat("k", 255), `8e03978e-40d5-43dd-bc93-6894a57f9324`, `!#$%&'()*+,-./:;<=>?@[\]^_{|}~`, `"quoted"`} {
		s.Do(t, "POST", "/api/v1/agents", s.ada, writer, key(good)).Want(t, http.StatusCreated)
	}
	if again := s.Do(t, "POST", "/api/v1/agents", s.ada, writer, key("quoted")).Want(t, http.StatusCreated); again.Header.Get("Idempotent-Replayed") != "true" {
		t.Error("quoted and bare are not the same key")
	}
	for _, bad := range []string{strings.Repeat("k", 256), "a b", "é", `""`, "a\tb"} {
		s.Do(t, "POST", "/api/v1/agents", s.ada, writer, key(bad)).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	}
	s.Do(t, "POST", "/api/v1/agents", s.ada, writer, key("one"), key("two")).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	status, _, body := raw(t, s.URL, fmt.Sprintf("POST /api/v1/agents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nIdempotency-Key:\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		s.ada, len(writer), writer))
	if status != http.StatusUnprocessableEntity {
		t.Errorf("an empty key: got %d %s", status, body)
	}
	if got := s.count(t); got != 5 {
		t.Errorf("%d agents, want 5", got)
	}
}

func TestOnce_RepeatsTheAnswer(t *testing.T) {
	t.Parallel()
	s := start(t)
	first := s.Do(t, "POST", "/api/v1/agents", s.ada, writer, key("k")).Want(t, http.StatusCreated)
	again := s.Do(t, "POST", "/api/v1/agents", s.ada, " "+strings.Replace(writer, ",", " , ", 1), key("k")).Want(t, http.StatusCreated)
	if first.Body != again.Body || first.Header.Get("Location") != again.Header.Get("Location") || first.Header.Get("ETag") != again.Header.Get("ETag") {
		t.Errorf("the answer changed: %s, then %s", first.Body, again.Body)
	}
	if first.Header.Get("Idempotent-Replayed") != "" || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Error("Idempotent-Replayed tells the wrong one")
	}
	s.Do(t, "POST", "/api/v1/agents", s.ada, with("name", `"Other"`), key("k")).WantProblem(t, http.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED")
	// Another caller and another route have keys of their own.
	s.Do(t, "POST", "/api/v1/agents", s.Token(t, auth.Partner, "bob"), writer, key("k")).Want(t, http.StatusCreated)
	s.Do(t, "POST", "/api/v1/agents/batch", s.ada, `{"agents":[`+writer+`]}`, key("k")).Want(t, http.StatusOK)
	if got := s.count(t); got != 3 {
		t.Errorf("%d agents, want 3", got)
	}
	// What was refused is not kept, so that it can be corrected under the same key.
	s.Do(t, "POST", "/api/v1/agents", s.ada, with("industry", `"mining"`), key("corrected")).Want(t, http.StatusUnprocessableEntity)
	s.Do(t, "POST", "/api/v1/agents", s.ada, writer, key("corrected")).Want(t, http.StatusCreated)
	// The first answer stays the answer, whatever became of the agent.
	s.Do(t, "DELETE", first.Header.Get("Location"), s.ada, "").Want(t, http.StatusNoContent)
	s.Do(t, "POST", "/api/v1/agents", s.ada, writer, key("k")).Want(t, http.StatusCreated)
	restored := s.Do(t, "POST", first.Header.Get("Location")+"/restore", s.ada, "", key("k")).Want(t, http.StatusOK)
	if again := s.Do(t, "POST", first.Header.Get("Location")+"/restore", s.ada, "", key("k")).Want(t, http.StatusOK); again.Body != restored.Body {
		t.Errorf("restored again as %s", again.Body)
	}
	// After a day the key is free.
	s.DB.Exec(t, `update plant.idempotency_keys set expires_at = now() - interval '1 second'`)
	s.Do(t, "POST", "/api/v1/agents", s.ada, with("name", `"Other"`), key("k")).Want(t, http.StatusCreated)
	if got := dbtest.Scalar[int](t, s.DB, `select count(*) from plant.idempotency_keys where expires_at < now() and subject = 'ada'`); got != 0 {
		t.Errorf("%d expired keys are kept", got)
	}
}

func TestOnce_OfManyAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	var mu sync.Mutex
	statuses := map[int]int{}
	var asking sync.WaitGroup
	for range 50 {
		asking.Go(func() {
			answer := s.Do(t, "POST", "/api/v1/agents", s.ada, writer, key("k"))
			mu.Lock()
			defer mu.Unlock()
			statuses[answer.Status]++
			if answer.Status == http.StatusConflict && answer.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		})
	}
	asking.Wait()
	if statuses[http.StatusCreated] == 0 || statuses[http.StatusCreated]+statuses[http.StatusConflict] != 50 || s.count(t) != 1 {
		t.Errorf("%v, and %d agents", statuses, s.count(t))
	}
}

func TestOnce_WhileTheFirstStillRuns(t *testing.T) {
	t.Parallel()
	s := start(t)
	// A transaction of the owner's holds the key as the first request would.
	s.DB.Exec(t, `begin`)
	s.DB.Exec(t, `select pg_advisory_xact_lock(hashtextextended(jsonb_build_array($1::text, 'ada', 'POST /api/v1/agents', 'k')::text, 0))`, s.Issuer)
	s.Do(t, "POST", "/api/v1/agents", s.ada, writer, key("k")).WantProblem(t, http.StatusConflict, "IDEMPOTENCY_IN_PROGRESS")
	s.DB.Exec(t, `commit`)
	s.Do(t, "POST", "/api/v1/agents", s.ada, writer, key("k")).Want(t, http.StatusCreated)
}

// An Idempotency-Key belongs to an operation on a resource, however its address is spelt.
func TestOnce_AddressOfTheKey(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Do(t, "POST", "/api/v1/agents", s.ada, writer, key("k")).Want(t, http.StatusCreated)
	if again := s.Do(t, "POST", "/api/v1/agents/", s.ada, writer, key("k")).Want(t, http.StatusCreated); again.Header.Get("Idempotent-Replayed") != "true" {
		t.Error("a trailing slash made it another request")
	}
	one, two := s.path(t, writer), s.path(t, writer)
	for _, path := range []string{one, two} {
		s.Do(t, "POST", path+"/transfer", s.ada, `{"owner":"bob"}`, key("t")).Want(t, http.StatusOK)
		again := s.Do(t, "POST", path+"/transfer", s.ada, `{"owner":"bob"}`, key("t")).Want(t, http.StatusOK)
		if again.Header.Get("Idempotent-Replayed") != "true" || !strings.Contains(again.Body, strings.TrimPrefix(path, "/api/v1/agents/")) {
			t.Errorf("transferred again: %v %s", again.Header, again.Body)
		}
	}
	// A key is no way past a role that was lost: who may not do it is not told what it did.
	s.Do(t, "POST", "/api/v1/agents", s.Token(t, auth.Customer, "ada"), writer, key("k")).WantProblem(t, http.StatusForbidden, "FORBIDDEN")
	s.Do(t, "POST", "/api/v1/agents", "", writer, key("k")).WantProblem(t, http.StatusUnauthorized, "UNAUTHENTICATED")
	if got := s.count(t); got != 3 {
		t.Errorf("%d agents, want 3", got)
	}
	// A dry run with a key keeps nothing of the real one's.
	batch := `{"agents":[` + writer + `]}`
	s.Do(t, "POST", "/api/v1/agents/batch?dry_run=true", s.ada, batch, key("b")).Want(t, http.StatusOK)
	if real := s.Do(t, "POST", "/api/v1/agents/batch", s.ada, batch, key("b")).Want(t, http.StatusOK); real.Header.Get("Idempotent-Replayed") != "" || s.count(t) != 4 {
		t.Errorf("the dry run's answer came again: %s", real.Body)
	}
}
