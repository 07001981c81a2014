package agents

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// goes sends a request that is expected to wait, and returns what will be answered.
func (s service) goes(t *testing.T, method, path, body string, headers ...apitest.Header) <-chan apitest.Answer {
	return s.goesAs(t, s.ada, method, path, body, headers...)
}

func (s service) goesAs(t *testing.T, token, method, path, body string, headers ...apitest.Header) <-chan apitest.Answer {
	answered := make(chan apitest.Answer, 1)
	go func() { answered <- s.Do(t, method, path, token, body, headers...) }()
	return answered
}

// C10: an agent that is published or changed while what it refers to goes away is refused, and refers to nothing.
func TestC10_NoOrphan(t *testing.T) {
	t.Parallel()
	s := start(t)
	watch := s.watch(t)
	for _, table := range []string{"skills", "job_roles", "teams"} {
		for _, method := range []string{"POST", "PUT"} {
			skill, role, spare := s.skill(t, uuid.NewString()), s.jobRole(t, uuid.NewString()), s.jobRole(t, uuid.NewString())
			team := s.team(t, spare).ID
			reference, gone := fmt.Sprintf(`[%q]`, skill), skill
			member := map[string]string{"skills": "skill_ids", "job_roles": "job_role_id", "teams": "team_id"}[table]
			switch table {
			case "job_roles":
				reference, gone = fmt.Sprintf(`%q`, role), role
			case "teams":
				reference, gone = fmt.Sprintf(`%q`, team), team
			}
			path, body := "/api/v1/agents", with(member, reference)
			if method == "PUT" {
				path, body = s.path(t, writer), fmt.Sprintf(`{%q:%s}`, member, reference)
			}
			before := s.count(t)
			s.DB.Exec(t, `begin`)
			s.DB.Exec(t, `update plant.teams set deleted_at = now() where id = $1`, gone) // so that its agents leave it
			s.DB.Exec(t, `delete from plant.`+table+` where id = $1`, gone)
			answered := s.goes(t, method, path, body, key("k"))
			watch.untilBlocked(t, 1)
			s.DB.Exec(t, `commit`)
			(<-answered).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
			orphans := dbtest.Scalar[int](t, s.DB, `select count(*) from plant.agents where $1 = any (skill_ids) or job_role_id = $1 or team_id = $1`, gone)
			if orphans != 0 || s.count(t) != before {
				t.Errorf("%s of an agent with one of the %s left %d orphans", method, table, orphans)
			}
			// Now it is told by name, under the same key.
			answer := s.Do(t, method, path, s.ada, body, key("k")).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
			if problem := apitest.Decode[httpapi.Problem](t, answer); len(problem.Errors) != 1 || !strings.HasPrefix(problem.Errors[0].Location, "body."+member) {
				t.Errorf("%s: %s", table, answer.Body)
			}
		}
	}
}

// failing makes the next n writes of agents fail with an SQLSTATE, as the server does when transactions are in each
// other's way. A sequence counts, since it keeps what a rollback undoes.
func (s service) failing(t *testing.T, sqlstate string, n int) {
	t.Helper()
	s.DB.Exec(t, `drop trigger if exists fail on plant.agents; drop sequence if exists plant.attempts; create sequence plant.attempts`)
	s.DB.Exec(t, fmt.Sprintf(`create or replace function plant.fail() returns trigger language plpgsql security definer as $$ begin
		if nextval('plant.attempts') <= %d then raise exception 'forced' using errcode = '%s'; end if; return new; end $$`, n, sqlstate))
	s.DB.Exec(t, `create trigger fail before insert or update on plant.agents for each row execute function plant.fail()`)
}

// C11 and C12: a transaction that lost against another is run again, at most three times in all. What is too much is told
// as such, and changed nothing.
func TestC11_C12_LostTransactionsRunAgain(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, sqlstate := range []string{"40001", "40P01"} {
		for failures, want := range map[int]int{1: 2, 2: 2, 3: 5} {
			s.failing(t, sqlstate, 0)
			path := s.path(t, writer)
			for i, request := range []struct{ method, path, body string }{
				{"POST", "/api/v1/agents", writer},
				{"PUT", path, `{"name":"x"}`},
				{"PUT", path + "/status", `{"status":"working"}`},
				{"POST", path + "/transfer", `{"owner":"ada"}`},
				{"POST", "/api/v1/agents/batch", `{"agents":[` + writer + `]}`},
				{"DELETE", path, ""},
			} {
				agents, versions := s.count(t), dbtest.Scalar[int](t, s.DB, `select sum(version)::int from plant.agents`)
				s.failing(t, sqlstate, failures)
				answer := s.Do(t, request.method, request.path, s.ada, request.body, key(fmt.Sprintf("%s.%d.%d", sqlstate, failures, i)))
				changed := s.count(t) + dbtest.Scalar[int](t, s.DB, `select sum(version)::int from plant.agents`) - agents - versions
				tries := dbtest.Scalar[int](t, s.DB, `select last_value from plant.attempts`)
				once := changed == 1 || changed == 2 && request.method == "POST" && !strings.HasSuffix(request.path, "transfer")
				switch {
				case answer.Status/100 != want, tries != min(failures+1, 3), want == 2 && !once, want == 5 && changed != 0:
					t.Errorf("%s %s, %d × %s: %d %s after %d tries, and %d changes", request.method, request.path, failures, sqlstate, answer.Status, answer.Body, tries, changed)
				case want == 5 && answer.Header.Get("Retry-After") == "":
					t.Errorf("no Retry-After: %v", answer.Header)
				}
			}
		}
	}
}

// C11: two who take the same names in opposite order wait for each other. One is chosen to lose, and is run again.
func TestC11_Deadlock(t *testing.T) {
	t.Parallel()
	s := start(t)
	watch := s.watch(t)
	take := func(ctx context.Context, tx database.Tx, name string) error {
		_, err := database.Exec(ctx, tx, `insert into plant.agents (id, owner_issuer, owner, external_id, name, specialization, industry, hourly_rate)
			values ($1, $2, 'ada', $3, 'A', 'B', 'sales', 1)`, uuid.New(), s.Issuer, name)
		return err
	}
	undone := errors.New("undone")
	var answered <-chan apitest.Answer
	err := watch.db.InTx(t.Context(), func(ctx context.Context, tx database.Tx) error {
		if err := take(ctx, tx, "b"); err != nil {
			return err
		}
		answered = s.goes(t, "POST", "/api/v1/agents/batch", fmt.Sprintf(`{"agents":[%s,%s]}`, with("external_id", `"a"`), with("external_id", `"b"`)), key("k"))
		watch.untilBlocked(t, 1)
		if err := take(ctx, tx, "a"); err != nil { // whoever began to wait first is the first to notice, and gives up
			return err
		}
		return undone
	})
	if !errors.Is(err, undone) {
		t.Errorf("the batch was not the one to give up: %v", err)
	}
	if body := (<-answered).Want(t, http.StatusOK).Body; strings.Count(body, `"status":201`) != 2 || s.count(t) != 2 {
		t.Errorf("%d agents: %s", s.count(t), body)
	}
	// Two of ours: each name is taken once, and each batch is told which it got, if not at once then when it asks again.
	const names = 20
	batch := func(order func(i int) int) string {
		var drafts []string
		for i := range names {
			drafts = append(drafts, with("external_id", fmt.Sprintf(`"n%d"`, order(i))))
		}
		return `{"agents":[` + strings.Join(drafts, ",") + `]}`
	}
	batches := []string{batch(func(i int) int { return i }), batch(func(i int) int { return names - 1 - i })}
	answers := together(len(batches), func(i int) apitest.Answer {
		answer := s.Do(t, "POST", "/api/v1/agents/batch", s.ada, batches[i], key(fmt.Sprint(i)))
		for tries := 1; tries < 5 && answer.Status == http.StatusServiceUnavailable; tries++ {
			answer = s.Do(t, "POST", "/api/v1/agents/batch", s.ada, batches[i], key(fmt.Sprint(i)))
		}
		return answer
	})
	created := 0
	for i, answer := range answers {
		got := strings.Count(answer.Want(t, http.StatusOK).Body, `"status":201`)
		if got+strings.Count(answer.Body, `"code":"CONFLICT"`) != names {
			t.Errorf("batch %d: %s", i, answer.Body)
		}
		created += got
	}
	if created != names || s.count(t) != names+2 {
		t.Errorf("%d created, %d agents", created, s.count(t)-2)
	}
}

// C12: where the server is told to keep transactions serializable, those that cannot be are run again, so that each
// success is one step.
func TestC12_Serializable(t *testing.T) {
	t.Parallel()
	s := start(t, func(settings *httpapi.Settings) {
		settings.Database.URL += config.Secret("&default_transaction_isolation=serializable")
	})
	watch := s.watch(t)
	path := s.path(t, writer)
	s.DB.Exec(t, `begin`)
	s.DB.Exec(t, `update plant.agents set version = version + 1, name = 'Theirs'`)
	answered := s.goes(t, "PUT", path, `{"description":"Ours"}`)
	watch.untilBlocked(t, 1)
	s.DB.Exec(t, `commit`) // what ours has seen is no longer so
	agent := apitest.Decode[catalog.Agent](t, (<-answered).Want(t, http.StatusOK))
	if agent.Version != 3 || agent.Name != "Theirs" || agent.Description != "Ours" {
		t.Errorf("got %+v", agent)
	}
	answers := together(12, func(int) apitest.Answer { return s.Do(t, "PUT", path, s.ada, `{}`) })
	counts := statuses(answers)
	final := apitest.Decode[catalog.Agent](t, s.Do(t, "GET", path, s.ada, "")).Version
	if counts[http.StatusOK] == 0 || counts[http.StatusOK]+counts[http.StatusServiceUnavailable] != len(answers) || final != int64(3+counts[http.StatusOK]) {
		t.Errorf("%v, and version %d", counts, final)
	}
}

// What a store returns is what its last try did, not the sum of all: a callback may run more than once.
func TestC12_CallbacksRunAgain(t *testing.T) {
	t.Parallel()
	s := start(t)
	agent := s.publish(t, writer)
	tries := 0
	ada := auth.WithPrincipal(t.Context(), auth.Principal{Issuer: s.Issuer, Subject: "ada", Owner: "ada", Role: auth.Partner})
	err := s.DB.InTx(ada, func(ctx context.Context, tx database.Tx) error {
		tries++
		if _, err := database.Exec(ctx, tx, `update plant.agents set name = name || '!', version = version + 1 where id = $1`, agent.ID); err != nil {
			return err
		}
		if tries < 3 {
			_, err := database.Exec(ctx, tx, `do $$ begin raise exception 'forced' using errcode = '40001'; end $$`)
			return fmt.Errorf("somewhere on the way: %w", err)
		}
		return nil
	})
	got := apitest.Decode[catalog.Agent](t, s.Do(t, "GET", "/api/v1/agents/"+agent.ID.String(), s.ada, ""))
	if err != nil || tries != 3 || got.Name != agent.Name+"!" || got.Version != 2 {
		t.Errorf("%v after %d tries: %+v", err, tries, got)
	}
	// One that is out of time is not run again.
	tries = 0
	ctx, cancel := context.WithCancel(ada)
	err = s.DB.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		tries++
		_, err := database.Exec(ctx, tx, `do $$ begin raise exception 'forced' using errcode = '40P01'; end $$`)
		cancel()
		return err
	})
	if tries != 1 || !errors.Is(err, database.ErrBusy) {
		t.Errorf("%v after %d tries", err, tries)
	}
}
