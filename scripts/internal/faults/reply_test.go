package faults

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/waooaw/plant/scripts/internal/crash"
	"github.com/waooaw/plant/shared/auth"
)

const commitLock = 8008 // of the transactions that are to wait in their commit

// C8: an instance that is killed when the database has committed, and before it has heard so, leaves a caller without an
// answer. The next instance gives it, once, and does nothing again.
func TestC8_ServerKilledBeforeTheReply(t *testing.T) {
	t.Parallel()
	s := commonStand(t)
	owner, holder := ownerOf(t, s), ownerOf(t, s)
	key := "c8-" + uuid.NewString()
	// The commit of this key's transaction waits for a lock, so that the reply to it can be kept back.
	trigger := "c8_" + strings.ReplaceAll(key[3:], "-", "_")
	execute(t, owner,
		fmt.Sprintf(`create function plant.%s() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock(%d); return null; end $$`, trigger, commitLock),
		fmt.Sprintf(`create constraint trigger %s after insert on plant.idempotency_keys deferrable initially deferred
			for each row when (new.key = '%s') execute function plant.%s()`, trigger, key, trigger))
	t.Cleanup(func() {
		if _, err := owner.Exec(context.WithoutCancel(t.Context()), `drop function plant.`+trigger+` cascade`); err != nil {
			t.Error(err)
		}
	})
	execute(t, holder, fmt.Sprintf(`select pg_advisory_lock(%d)`, commitLock))

	wire, appURL := wireTo(t, s.AppURL)
	agents := start(t, s, "PLANT_APP_DATABASE_URL="+appURL, "DATABASE_LOCK_TIMEOUT=20s", "DATABASE_STATEMENT_TIMEOUT=20s", "REQUEST_TIMEOUT=20s")
	subject := "caller-" + key
	caller := crash.Caller{Function: agents, Token: token(t, s, auth.Partner, subject), Client: crash.NewClient(1)}
	body := fmt.Sprintf(`{"name":%q,"specialization":"Fault tests","industry":"marketing","hourly_rate":10}`, key)
	unanswered := make(chan error, 1)
	go func() {
		answer, err := caller.Do(t.Context(), "POST", "/api/v1/agents", body, "Idempotency-Key", key)
		if err == nil {
			err = fmt.Errorf("answered %v", answer)
		}
		unanswered <- err
	}()
	eventually(t, "the commit waits", func() bool {
		return scalar[int](t, owner, `select count(*) from pg_stat_activity where application_name = 'plant' and query = 'commit' and wait_event = 'advisory'`) == 1
	})
	if _, err := wire.Toxics.AddToxicJson(strings.NewReader(`{"name":"silence","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`)); err != nil {
		t.Fatal(err)
	}
	execute(t, holder, `select pg_advisory_unlock_all()`)
	eventually(t, "the agent is stored", func() bool { return storedAgents(t, owner, subject) == 1 })
	select {
	case err := <-unanswered:
		t.Fatalf("the reply to the commit was not kept back: %v", err)
	default:
	}
	agents.Signal(syscall.SIGKILL)
	<-agents.Done()
	if err := <-unanswered; err == nil || !strings.Contains(err.Error(), crash.ErrNoAnswer.Error()) {
		t.Fatalf("got %v, want no answer", err)
	}

	caller.Function = start(t, s)
	var id string
	for range 3 {
		answer, err := caller.Do(t.Context(), "POST", "/api/v1/agents", body, "Idempotency-Key", key)
		if err != nil || answer.Status != http.StatusCreated || answer.Header.Get("Idempotent-Replayed") != "true" {
			t.Fatalf("again: %v, %v, want the first answer", answer, err)
		}
		if id != "" && id != answer.Header.Get("Location") {
			t.Errorf("got %s, then %s", id, answer.Header.Get("Location"))
		}
		id = answer.Header.Get("Location")
	}
	if got, err := caller.Do(t.Context(), "GET", id, ""); err != nil || got.Status != http.StatusOK {
		t.Errorf("%s: %d, %v", id, got.Status, err)
	}
	if got := storedAgents(t, owner, subject); got != 1 {
		t.Errorf("%d agents are stored, want 1", got)
	}
}

// wireTo puts a proxy between a function and its database until the test ends, and returns the database's URL through it.
func wireTo(t *testing.T, appURL string) (*toxiproxy.Proxy, string) {
	t.Helper()
	u, err := url.Parse(appURL)
	if err != nil {
		t.Fatal(err)
	}
	wire := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), t.Name(), "127.0.0.1:0", u.Host)
	if err := wire.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wire.Stop)
	u.Host = wire.Listen
	return wire, u.String()
}
