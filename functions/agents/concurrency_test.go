package agents

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// together runs n of the same at once, none before all are there, and returns what each answered.
func together[T any](n int, do func(i int) T) []T {
	answers := make([]T, n)
	begin := make(chan struct{})
	var running sync.WaitGroup
	for i := range n {
		running.Go(func() {
			<-begin
			answers[i] = do(i)
		})
	}
	close(begin)
	running.Wait()
	return answers
}

// until waits for something to become true, and fails the test where it does not in time.
func until(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	late := time.NewTimer(within)
	defer late.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-late.C:
			t.Fatalf("not within %v: %s", within, what)
		case <-again.C:
		}
	}
}

// patience is how long a condition may take that nothing holds up, on a slow machine.
const patience = 10 * time.Second

// watcher sees the service's connections from beside, while the test's own connection holds something.
type watcher struct{ db *database.DB }

func (s service) watch(t *testing.T) watcher {
	t.Helper()
	db, err := database.Open(t.Context(), database.Config{URL: config.Secret(s.DB.OwnerURL), MaxConns: 2, StatementTimeout: patience, LockTimeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return watcher{db}
}

// sees counts the connections of the application's login to this test's database that are in such a state.
func (w watcher) sees(t testing.TB, state string) int {
	t.Helper()
	n, err := database.Scalar[int](t.Context(), w.db, `select count(*) from pg_stat_activity where datname = current_database()
		and application_name = 'plant' and usename <> current_user and (`+state+`)`)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const (
	isBlocked = `wait_event_type = 'Lock'`
	isAtWork  = `state <> 'idle'`
)

func (w watcher) untilBlocked(t testing.TB, n int) {
	t.Helper()
	until(t, patience, fmt.Sprintf("%d statements wait for a lock", n), func() bool { return w.sees(t, isBlocked) == n })
}

func statuses(answers []apitest.Answer) map[int]int {
	counts := map[int]int{}
	for _, answer := range answers {
		counts[answer.Status]++
	}
	return counts
}

// C2: without a condition the last one wins. Each write is one version, and none is lost from the count.
func TestC2_LastWins(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := s.path(t, writer)
	const writers = 50
	answers := together(writers, func(i int) apitest.Answer {
		return s.Do(t, []string{"PUT", "PATCH"}[i%2], path, s.ada, fmt.Sprintf(`{"description":"%d"}`, i))
	})
	byVersion := map[int64]catalog.Agent{}
	for _, answer := range answers {
		agent := apitest.Decode[catalog.Agent](t, answer.Want(t, http.StatusOK))
		byVersion[agent.Version] = agent
	}
	for version := int64(2); version <= writers+1; version++ {
		if _, made := byVersion[version]; !made {
			t.Errorf("nobody made version %d", version)
		}
	}
	last := apitest.Decode[catalog.Agent](t, s.Do(t, "GET", path, s.ada, "").Want(t, http.StatusOK))
	if diff := cmp.Diff(byVersion[writers+1], last); diff != "" {
		t.Errorf("the last version is not what is read: %s", diff)
	}
}

// C4: of many who take one external_id at once, one gets it, in whichever normal form it is written.
func TestC4_OneTakesTheName(t *testing.T) {
	t.Parallel()
	s := start(t)
	const composed, decomposed = "caf\u00e9", "cafe\u0301"
	answers := together(100, func(i int) apitest.Answer {
		return s.Do(t, "POST", "/api/v1/agents", s.ada, with("external_id", fmt.Sprintf("%q", []string{composed, decomposed}[i%2])))
	})
	if diff := cmp.Diff(map[int]int{http.StatusCreated: 1, http.StatusConflict: 99}, statuses(answers)); diff != "" {
		t.Error(diff)
	}
	for _, answer := range answers {
		if answer.Status == http.StatusConflict {
			answer.WantProblem(t, http.StatusConflict, "CONFLICT")
		}
	}
	if got := s.all(t, "/api/v1/agents"); len(got) != 1 || *got[0].ExternalID != composed {
		t.Errorf("there are %+v", got)
	}
	// Who changes to it, brings it back or takes it over meets the same rule.
	other := s.path(t, with("external_id", `"other"`))
	s.Do(t, "PUT", other, s.ada, fmt.Sprintf(`{"external_id":%q}`, decomposed)).WantProblem(t, http.StatusConflict, "CONFLICT")
	free := s.path(t, writer)
	changes := together(20, func(i int) apitest.Answer {
		return s.Do(t, "PUT", []string{other, free}[i%2], s.ada, `{"external_id":"wanted"}`)
	})
	holders := dbtest.Scalar[int](t, s.DB, `select count(*) from plant.agents where external_id = 'wanted'`)
	if got := statuses(changes); got[http.StatusOK] != 10 || got[http.StatusConflict] != 10 || holders != 1 {
		t.Errorf("%v, and %d hold it", got, holders)
	}
}

// askAgain sends a request until it is no longer told that the first one still runs.
func (s service) askAgain(t testing.TB, method, path, token, body, idempotencyKey string) apitest.Answer {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		answer := s.Do(t, method, path, token, body, key(idempotencyKey))
		if !strings.Contains(answer.Body, `"IDEMPOTENCY_IN_PROGRESS"`) || time.Now().After(deadline) {
			return answer
		}
	}
}

// C5: whoever asks again while the first request runs gets its answer in the end, to the byte.
func TestC5_OneEffectOneAnswer(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := s.path(t, writer)
	for _, test := range []struct {
		path, body string
		status     int
	}{
		{"/api/v1/agents", writer, http.StatusCreated},
		{"/api/v1/agents/batch", `{"agents":[` + writer + `,` + with("name", `""`) + `]}`, http.StatusOK},
		{path + "/transfer", `{"owner":"bob"}`, http.StatusOK},
	} {
		first := 0
		answers := together(50, func(int) apitest.Answer { return s.askAgain(t, "POST", test.path, s.ada, test.body, "k") })
		for _, answer := range answers {
			answer.Want(t, test.status)
			if answer.Header.Get("Idempotent-Replayed") == "" {
				first++
			}
			// The problems within a batch are kept with it, so that its answer is the same too.
			if answer.Body != answers[0].Body || answer.Header.Get("ETag") != answers[0].Header.Get("ETag") || answer.Header.Get("Location") != answers[0].Header.Get("Location") {
				t.Errorf("%s answered %s, and %s", test.path, answers[0].Body, answer.Body)
			}
		}
		if first != 1 {
			t.Errorf("%s: %d were the first", test.path, first)
		}
	}
	if got, versions := s.count(t), dbtest.Scalar[int](t, s.DB, `select sum(version)::int from plant.agents`); got != 3 || versions != 4 {
		t.Errorf("%d agents with %d versions, want 3 with 4", got, versions)
	}
}

// C6: a key stands for one body of one caller on one route, when all of them come at once too.
func TestC6_KeysAreOnesOwn(t *testing.T) {
	t.Parallel()
	s := start(t)
	bob := s.Token(t, auth.Partner, "bob")
	type request struct{ path, token, body string }
	requests := []request{
		{"/api/v1/agents", s.ada, with("name", `"A"`)},
		{"/api/v1/agents", s.ada, with("name", `"B"`)}, // the same key as the one before, for something else
		{"/api/v1/agents", bob, with("name", `"A"`)},
		{"/api/v1/agents/batch", s.ada, `{"agents":[` + writer + `]}`},
	}
	answers := together(40, func(i int) apitest.Answer {
		r := requests[i%len(requests)]
		return s.askAgain(t, "POST", r.path, r.token, r.body, "k")
	})
	outcomes := make([]map[int]int, len(requests))
	for i := range requests {
		var own []apitest.Answer
		for j := i; j < len(answers); j += len(requests) {
			own = append(own, answers[j])
		}
		outcomes[i] = statuses(own)
	}
	slices.SortFunc(outcomes[:2], func(a, b map[int]int) int { return b[http.StatusCreated] - a[http.StatusCreated] })
	want := []map[int]int{
		{http.StatusCreated: 10}, {http.StatusUnprocessableEntity: 10}, {http.StatusCreated: 10}, {http.StatusOK: 10},
	}
	if diff := cmp.Diff(want, outcomes); diff != "" {
		t.Error(diff)
	}
	for _, answer := range answers {
		if answer.Status == http.StatusUnprocessableEntity {
			answer.WantProblem(t, http.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED")
		}
	}
	if got := s.count(t); got != 3 {
		t.Errorf("%d agents, want 3", got)
	}
}

// C7: the answer stays the answer for a day, whatever became of its effect, and repeating it brings nothing back. After a
// day the key is new to all who come at once.
func TestC7_KeysLastADay(t *testing.T) {
	t.Parallel()
	s := start(t)
	first := s.Do(t, "POST", "/api/v1/agents", s.ada, writer, key("k")).Want(t, http.StatusCreated)
	s.Do(t, "DELETE", first.Header.Get("Location"), s.ada, "").Want(t, http.StatusNoContent)
	age := func(by string) {
		s.DB.Exec(t, `update plant.idempotency_keys set expires_at = expires_at - $1::interval`, by)
	}
	for _, by := range []string{"0", "23 hours 59 minutes"} {
		age(by)
		again := s.Do(t, "POST", "/api/v1/agents", s.ada, writer, key("k")).Want(t, http.StatusCreated)
		if again.Body != first.Body || again.Header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("after %s: %s", by, again.Body)
		}
		s.Do(t, "GET", first.Header.Get("Location"), s.ada, "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	}
	age("1 minute")
	answers := together(20, func(int) apitest.Answer {
		return s.askAgain(t, "POST", "/api/v1/agents", s.ada, with("name", `"Another"`), "k")
	})
	for _, answer := range answers {
		if answer.Want(t, http.StatusCreated).Body == first.Body || answer.Body != answers[0].Body {
			t.Errorf("the key is still taken: %s", answer.Body)
		}
	}
	if got := s.count(t); got != 2 {
		t.Errorf("%d agents, want 2", got)
	}
}

// C15: who goes away takes the work along: the statement ends within a second, and nothing of it was written.
func TestC15_WhoGoesAwayLeavesNothing(t *testing.T) {
	t.Parallel()
	s := start(t)
	watch := s.watch(t)
	path := s.path(t, writer)
	for _, request := range []struct{ method, path, body string }{
		{"PUT", path, `{"name":"Changed"}`},
		{"DELETE", path, ""},
		{"POST", "/api/v1/agents", writer},
		{"POST", path + "/transfer", `{"owner":"bob"}`},
		{"POST", "/api/v1/agents/batch", `{"agents":[` + writer + `]}`},
		{"GET", "/api/v1/agents", ""},
		{"GET", path, ""},
	} {
		s.DB.Exec(t, `begin`)
		s.DB.Exec(t, `lock table plant.agents in access exclusive mode`)
		ctx, leave := context.WithCancel(t.Context())
		asked, err := http.NewRequestWithContext(ctx, request.method, s.URL+request.path, strings.NewReader(request.body))
		if err != nil {
			t.Fatal(err)
		}
		asked.Header = http.Header{"Authorization": {"Bearer " + s.ada}, "Content-Type": {"application/json"}, "Idempotency-Key": {"k"}}
		ended := make(chan error, 1)
		go func() {
			response, err := http.DefaultClient.Do(asked)
			if err == nil {
				err = fmt.Errorf("answered %d", response.StatusCode)
				_ = response.Body.Close()
			}
			ended <- err
		}()
		watch.untilBlocked(t, 1)
		leave()
		if err := <-ended; !strings.Contains(err.Error(), "context canceled") {
			t.Errorf("%s %s: %v", request.method, request.path, err)
		}
		until(t, time.Second, request.method+" "+request.path+" is cancelled in the database", func() bool { return watch.sees(t, isAtWork) == 0 })
		s.DB.Exec(t, `commit`)
	}
	s.DB.Exec(t, `update plant.agent_statistics set total_jobs = 0`) // behind whatever might still be going on
	kept := dbtest.Scalar[int](t, s.DB, `select count(*) from plant.idempotency_keys`)
	agent := apitest.Decode[catalog.Agent](t, s.Do(t, "GET", path, s.ada, "").Want(t, http.StatusOK))
	if agent.Version != 1 || s.count(t) != 1 || kept != 0 {
		t.Errorf("version %d, %d agents, %d keys", agent.Version, s.count(t), kept)
	}
	if log := s.Log.String(); strings.Contains(log, `"severity":"ERROR"`) {
		t.Errorf("a caller who left is told as an error: %s", log)
	}
	s.Do(t, "POST", "/api/v1/agents", s.ada, writer, key("k")).Want(t, http.StatusCreated)
}
