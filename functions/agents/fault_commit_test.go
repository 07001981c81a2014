package agents

import (
	"net/http"
	"strings"
	"testing"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// commits wait in the server until let go, so that something can happen to them just there.
func (s service) holdCommits(t *testing.T) {
	t.Helper()
	s.DB.Exec(t, `create function plant.wait_at_commit() returns trigger language plpgsql security definer as $$ begin
		perform pg_advisory_xact_lock_shared(1); return null; end $$`)
	for _, table := range []string{"agents", "hires"} {
		s.DB.Exec(t, `create constraint trigger wait_at_commit after insert or update on plant.`+table+` deferrable initially deferred
			for each row execute function plant.wait_at_commit()`)
	}
}

// C8 and F12: whose commit got lost on its way back is told that it may have happened, and finds out by asking again with
// the same key: it happened once.
func TestC8_F12_CommitWithoutAnswer(t *testing.T) {
	t.Parallel()
	s, wire := startFaulty(t)
	watch := s.watch(t)
	s.holdCommits(t)
	given := s.path(t, writer)
	const (
		hold  = `select pg_advisory_lock(1)`
		letGo = `select pg_advisory_unlock(1)`
	)
	faults := map[string]struct {
		happen, end func()
		committed   bool // in the server, when all is over
	}{
		"the answer is lost": {
			func() {
				wire.poison(t, `{"type":"limit_data","attributes":{"bytes":0}}`)
				s.DB.Exec(t, letGo)
			},
			func() { wire.heal(t) }, true,
		},
		"the connection is reset by the answer": {
			func() {
				wire.poison(t, `{"type":"reset_peer","attributes":{"timeout":0}}`)
				s.DB.Exec(t, letGo)
			},
			func() { wire.heal(t) }, true,
		},
		"the connection ends before there is one": {
			wire.cut,
			func() {
				s.DB.Exec(t, letGo)
				wire.mend(t)
			}, true,
		},
		"nothing comes back any more": {
			func() { wire.poison(t, `{"type":"timeout","attributes":{"timeout":0}}`) },
			func() {
				watch.untilBlocked(t, 0) // the server has heard that nobody waits
				s.DB.Exec(t, letGo)
				wire.heal(t)
			}, false,
		},
		"the session is ended": {
			func() {
				s.DB.Exec(t, `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename <> current_user`)
				s.DB.Exec(t, letGo)
			},
			func() {}, false,
		},
	}
	for name, fault := range faults {
		for _, request := range []struct {
			path, token, body string
			status            int
		}{
			{"/api/v1/agents", s.ada, writer, http.StatusCreated},
			{"/api/v1/agents/batch", s.ada, `{"agents":[` + writer + `]}`, http.StatusOK},
			{given + "/transfer", s.ada, `{"owner":"ada"}`, http.StatusOK},
			{given + "/hires", s.carl(t), monthly, http.StatusCreated},
		} {
			before := s.effects(t)
			once := key(strings.ReplaceAll(name, " ", "_"))
			s.DB.Exec(t, hold)
			answered := s.goesAs(t, request.token, "POST", request.path, request.body, once)
			watch.untilBlocked(t, 1)
			fault.happen()
			first := (<-answered).WantProblem(t, http.StatusServiceUnavailable, "UNAVAILABLE")
			fault.end()
			s.isStated(t, first)
			for _, told := range []string{"not known", "the same Idempotency-Key"} {
				if !strings.Contains(first.Body, told) {
					t.Fatalf("%s: %q is not told: %s %s", name, told, first.Body, s.Log)
				}
			}
			until(t, healing, name+": the server is done with it", func() bool { return watch.sees(t, isAtWork) == 0 })
			if got := s.effects(t) != before; got != fault.committed {
				t.Errorf("%s: committed is %v", name, got)
			}
			var again apitest.Answer
			until(t, healing, name+": asked again", func() bool {
				again = s.askAgain(t, "POST", request.path, request.token, request.body, once.Value)
				return again.Status != http.StatusServiceUnavailable
			})
			again.Want(t, request.status)
			if got := again.Header.Get("Idempotent-Replayed") == "true"; got != fault.committed {
				t.Errorf("%s: answered again is %v", name, got)
			}
			if got := s.effects(t) - before; got != 1 {
				t.Errorf("%s: POST %s had %d effects", name, request.path, got)
			}
		}
	}
	// Without a key it is told to look, and sees.
	s.DB.Exec(t, hold)
	answered := s.goes(t, "PUT", given, `{"name":"Perhaps"}`)
	watch.untilBlocked(t, 1)
	faults["the answer is lost"].happen()
	if first := (<-answered).WantProblem(t, http.StatusServiceUnavailable, "UNAVAILABLE"); !strings.Contains(first.Body, "read what is there") {
		t.Error(first.Body)
	}
	wire.heal(t)
	var read apitest.Answer
	until(t, healing, "read", func() bool {
		read = s.Do(t, "GET", given, s.ada, "")
		return read.Status == http.StatusOK
	})
	if got := apitest.Decode[catalog.Agent](t, read).Name; got != "Perhaps" {
		t.Errorf("its name is %s", got)
	}
}

// effects is how much was written in all: a creation or a change is one.
func (s service) effects(t *testing.T) int {
	t.Helper()
	return dbtest.Scalar[int](t, s.DB, `select ((select coalesce(sum(version), 0) from plant.agents) + (select coalesce(sum(version), 0) from plant.hires))::int`)
}
