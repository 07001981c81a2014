package agents

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

func (s service) alterDatabase(t *testing.T, change string) {
	t.Helper()
	s.DB.Exec(t, `do $$ begin execute format('alter database %I `+change+`', current_database()); end $$`)
}

// F5: a server that takes no writes is told as one that is out of reach for writes, and no connection to it is kept once
// it takes them again.
func TestF5_ReadOnlyServer(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := uuid.New()
	s.DB.Exec(t, `insert into plant.agents (id, owner_issuer, owner, name, specialization, industry, hourly_rate) values ($1, $2, 'ada', 'A', 'B', 'sales', 1)`, id, s.Issuer)
	path := "/api/v1/agents/" + id.String()
	s.alterDatabase(t, `set default_transaction_read_only = on`) // for the connections that the service will make
	writes := []struct{ method, path, body string }{
		{"POST", "/api/v1/agents", writer}, {"PUT", path, `{"name":"x"}`}, {"PUT", path + "/status", `{"status":"working"}`}, {"POST", path + "/transfer", `{"owner":"ada"}`},
	}
	all := func() []apitest.Answer {
		return together(2*len(writes), func(i int) apitest.Answer {
			w := writes[i%len(writes)]
			return s.Do(t, w.method, w.path, s.ada, w.body)
		})
	}
	for _, answer := range all() {
		answer.WantProblem(t, http.StatusServiceUnavailable, "UNAVAILABLE")
		s.isStated(t, answer)
	}
	// Reads leave connections behind that were made while it was so.
	together(faultyConns, func(int) apitest.Answer { return s.Do(t, "GET", "/api/v1/agents", "", "").Want(t, http.StatusOK) })
	s.Do(t, "GET", path, "", "").Want(t, http.StatusOK)
	s.alterDatabase(t, `reset default_transaction_read_only`)
	until(t, healing, "writes work again", func() bool {
		counts := statuses(all())
		return counts[http.StatusServiceUnavailable] == 0
	})
}

// F8: while no connection is free, whoever needs one is told so soon, and whoever needs none does not notice.
func TestF8_PoolExhausted(t *testing.T) {
	t.Parallel()
	const wait = 300 * time.Millisecond
	s := start(t, func(settings *httpapi.Settings) {
		settings.Database.MaxConns, settings.Database.AcquireTimeout = 1, wait
	})
	watch := s.watch(t)
	path := s.path(t, writer)
	s.DB.Exec(t, `begin`)
	s.DB.Exec(t, `lock table plant.agents in access exclusive mode`)
	holding := s.goes(t, "GET", "/api/v1/agents", "")
	watch.untilBlocked(t, 1)
	takes := func(least, most time.Duration, ask func()) {
		t.Helper()
		begin := time.Now()
		ask()
		if took := time.Since(begin); took < least || took > most {
			t.Errorf("took %v, not %v to %v", took, least, most)
		}
	}
	for _, request := range []struct{ method, path, body string }{
		{"GET", "/api/v1/agents", ""}, {"GET", path, ""}, {"GET", "/api/v1/industries", ""}, {"PUT", path, `{"name":"x"}`}, {"POST", "/api/v1/agents", writer}, {"DELETE", path, ""},
	} {
		takes(wait, wait+slowness, func() {
			s.isStated(t, s.Do(t, request.method, request.path, s.ada, request.body).WantProblem(t, http.StatusServiceUnavailable, "UNAVAILABLE"))
		})
	}
	takes(0, wait/2, func() {
		s.Do(t, "GET", "/api/v1/agents", "no.good.token", "").WantProblem(t, http.StatusUnauthorized, "UNAUTHENTICATED")
		s.Do(t, "POST", "/api/v1/agents", "", writer).WantProblem(t, http.StatusUnauthorized, "UNAUTHENTICATED")
		s.Do(t, "OPTIONS", "/api/v1/agents", "", "", apitest.Header{Name: "Origin", Value: "https://portal.example"},
			apitest.Header{Name: "Access-Control-Request-Method", Value: "POST"}).Want(t, http.StatusNoContent)
		s.Do(t, "GET", "/api/v1/agents/health", "", "").Want(t, http.StatusOK)
		s.Do(t, "GET", "/api/v1/agents?limit=x", "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
		s.Do(t, "POST", "/api/v1/agents", s.ada, `{`).WantProblem(t, http.StatusBadRequest, "MALFORMED_REQUEST")
		s.Do(t, "GET", "/api/v1/nothing", "", "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	})
	s.DB.Exec(t, `commit`)
	(<-holding).Want(t, http.StatusOK)
	for range 3 {
		s.Do(t, "GET", path, s.ada, "").Want(t, http.StatusOK)
		s.Do(t, "PUT", path, s.ada, `{"name":"y"}`).Want(t, http.StatusOK)
	}
}

// F9: a statement that waits or runs too long is ended by the server, and its connection goes on as if nothing had been.
func TestF9_StatementsEnd(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*database.Config){
		"lock_timeout":      func(cfg *database.Config) { cfg.LockTimeout = 150 * time.Millisecond },
		"statement_timeout": func(cfg *database.Config) { cfg.StatementTimeout = 150 * time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, func(settings *httpapi.Settings) {
				settings.Database.MaxConns = 1
				change(&settings.Database)
			})
			path := s.path(t, writer)
			session := func() string {
				return dbtest.Scalar[string](t, s.DB, `select string_agg(pid || state, ' ') from pg_stat_activity
					where datname = current_database() and application_name = 'plant' and usename <> current_user`)
			}
			before := session()
			s.DB.Exec(t, `begin`)
			s.DB.Exec(t, `lock table plant.agents in access exclusive mode`)
			for _, request := range []struct{ method, path, body string }{
				{"GET", "/api/v1/agents", ""},
				{"GET", path, ""},
				{"PUT", path, `{"name":"x"}`},
				{"POST", "/api/v1/agents", writer},
				{"POST", "/api/v1/agents/batch", `{"agents":[` + writer + `]}`},
				{"DELETE", path, ""},
			} {
				begin := time.Now()
				s.isStated(t, s.Do(t, request.method, request.path, s.ada, request.body, key("k")).WantProblem(t, http.StatusServiceUnavailable, "UNAVAILABLE"))
				if took := time.Since(begin); took > 150*time.Millisecond+slowness {
					t.Errorf("%s %s took %v", request.method, request.path, took)
				}
			}
			s.DB.Exec(t, `commit`)
			until(t, healing, "the same session, idle", func() bool { return session() == before })
			s.Do(t, "PUT", path, s.ada, `{"name":"y"}`).Want(t, http.StatusOK)
			s.Do(t, "POST", "/api/v1/agents", s.ada, writer, key("k")).Want(t, http.StatusCreated)
			if got := s.count(t); got != 2 || session() != before {
				t.Errorf("%d agents, and the session is %s, not %s", got, session(), before)
			}
		})
	}
}

// F10: a server that takes no more connections is one that does not answer, for as long as that is so.
func TestF10_TooManyConnections(t *testing.T) {
	t.Parallel()
	login, password := "plant_test_"+strings.ReplaceAll(uuid.NewString(), "-", ""), "marker-"+uuid.NewString()
	s := start(t, func(settings *httpapi.Settings) {
		address, err := url.Parse(settings.Database.URL.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		address.User = url.UserPassword(login, password)
		settings.Database.URL = config.Secret(address.String())
	})
	watch := s.watch(t)
	s.DB.Exec(t, `create role `+login+` login password '`+password+`' in role plant_app connection limit 1`)
	t.Cleanup(func() { // logins belong to the server, and outlive the test's database
		if _, err := database.Exec(context.Background(), watch.db, `drop role `+login); err != nil {
			t.Error(err)
		}
	})
	path := s.path(t, writer)
	s.DB.Exec(t, `begin`)
	s.DB.Exec(t, `lock table plant.agents in access exclusive mode`)
	holding := s.goes(t, "GET", "/api/v1/agents", "")
	watch.untilBlocked(t, 1)
	for range 3 {
		s.isStated(t, s.Do(t, "GET", "/api/v1/skills", "", "").WantProblem(t, http.StatusServiceUnavailable, "UNAVAILABLE"))
		s.isStated(t, s.Do(t, "PUT", path, s.ada, `{"name":"x"}`).WantProblem(t, http.StatusServiceUnavailable, "UNAVAILABLE"))
	}
	s.DB.Exec(t, `commit`)
	(<-holding).Want(t, http.StatusOK)
	s.Do(t, "PUT", path, s.ada, `{"name":"y"}`).Want(t, http.StatusOK)
	s.DB.Exec(t, `alter role `+login+` connection limit 4`)
	for _, answer := range together(12, func(int) apitest.Answer { return s.Do(t, "GET", "/api/v1/agents", "", "") }) {
		answer.Want(t, http.StatusOK)
	}
	log := s.Log.String()
	if !strings.Contains(log, "53300") {
		t.Error("the log does not say what it was")
	}
	if strings.Contains(log, password) {
		t.Error("the log holds the password")
	}
}
