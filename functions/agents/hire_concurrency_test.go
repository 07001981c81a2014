package agents

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/hiring"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// C4: of many who want an exclusive agent at once, one gets it; all get what is not exclusive.
func TestC4_OneHiresWhatIsExclusive(t *testing.T) {
	t.Parallel()
	s := start(t)
	for exclusive, want := range map[string]map[int]int{"true": {http.StatusCreated: 1, http.StatusConflict: 39}, "false": {http.StatusCreated: 40}} {
		agent := s.publish(t, with("exclusive", exclusive))
		s.tried(t, agent.ID, 400*time.Hour)
		answers := together(40, func(i int) apitest.Answer {
			return s.Do(t, "POST", "/api/v1/agents/"+agent.ID.String()+"/hires", s.Token(t, auth.Customer, fmt.Sprintf("customer-%d", i)), monthly)
		})
		if diff := cmp.Diff(want, statuses(answers)); diff != "" {
			t.Error(diff)
		}
		for _, answer := range answers {
			if answer.Status == http.StatusConflict {
				answer.WantProblem(t, http.StatusConflict, "AGENT_TAKEN")
			}
		}
	}
}

// C5 and C6: a key stands for one hire, of one caller, agent and body.
func TestC5_C6_HireOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	a, b := s.path(t, writer)+"/hires", s.path(t, writer)+"/hires"
	carl, cora := s.carl(t), s.Token(t, auth.Customer, "cora")
	answers := together(50, func(int) apitest.Answer { return s.askAgain(t, "POST", a, carl, monthly, "k") })
	for _, answer := range answers {
		if answer.Want(t, http.StatusCreated).Body != answers[0].Body || answer.Header.Get("Location") != answers[0].Header.Get("Location") {
			t.Errorf("got %s, and first %s", answer.Body, answers[0].Body)
		}
	}
	s.Do(t, "POST", a, carl, `{"duration":"quarterly"}`, key("k")).WantProblem(t, http.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED")
	s.Do(t, "POST", b, carl, monthly, key("k")).Want(t, http.StatusCreated)
	s.Do(t, "POST", a, cora, monthly, key("k")).Want(t, http.StatusCreated)
	if got := len(s.hires(t, "", s.grace)); got != 3 {
		t.Errorf("%d hires, want 3", got)
	}
	// One review of a hire, whoever asks at once, and each key has the answer that it got.
	hire := s.active(t, s.publish(t, writer).ID)
	written := together(20, func(i int) apitest.Answer {
		return s.Do(t, "POST", hire.Address()+"/review", carl, fmt.Sprintf(`{"rating":%d}`, 1+i%5))
	})
	if diff := cmp.Diff(map[int]int{http.StatusCreated: 1, http.StatusConflict: 19}, statuses(written)); diff != "" {
		t.Error(diff)
	}
	replied := together(20, func(i int) apitest.Answer {
		return s.Do(t, "POST", hire.Address()+"/review/reply", s.ada, fmt.Sprintf(`{"text":"%d"}`, i))
	})
	if got := statuses(replied)[http.StatusOK]; got != 1 {
		t.Errorf("%d replies", got)
	}
}

// C7: the first answer stays the answer, whatever became of the hire; after a day the key is free.
func TestC7_HireAnsweredAgain(t *testing.T) {
	t.Parallel()
	s := start(t)
	carl := s.carl(t)
	path := s.path(t, writer) + "/hires"
	first := s.Do(t, "POST", path, carl, monthly, key("k")).Want(t, http.StatusCreated)
	s.Do(t, "PUT", first.Header.Get("Location")+"/status", carl, `{"status":"cancelled"}`).Want(t, http.StatusOK)
	if again := s.Do(t, "POST", path, carl, monthly, key("k")).Want(t, http.StatusCreated); again.Body != first.Body || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("answered again %s", again.Body)
	}
	s.DB.Exec(t, `update plant.idempotency_keys set expires_at = now() - interval '1 second'`)
	if anew := s.Do(t, "POST", path, carl, monthly, key("k")).Want(t, http.StatusCreated); anew.Header.Get("Location") == first.Header.Get("Location") {
		t.Error("the key of yesterday still stands")
	}
}

// C9: however moves of one hire run into each other, they answer as if they had come one after the other: each that
// succeeds is legal after the one before it, and makes the next version.
func TestC9_MovesComeOneAfterTheOther(t *testing.T) {
	t.Parallel()
	s := start(t)
	carl := s.carl(t)
	agent := s.publish(t, writer).ID
	follows := map[string][]string{"trial": {"active", "cancelled"}, "active": {"ended"}}
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 9))
		path := s.hire(t, agent).Address()
		moves := make([]string, 9)
		for i := range moves {
			moves[i] = []string{"active", "cancelled", "ended"}[random.IntN(3)]
		}
		answers := together(len(moves), func(i int) apitest.Answer {
			token := carl
			if moves[i] == "ended" {
				token = s.ada
			}
			return s.Do(t, "PUT", path+"/status", token, fmt.Sprintf(`{"status":%q}`, moves[i]))
		})
		made := map[int64]string{1: "trial"}
		for i, answer := range answers {
			if answer.Status == http.StatusConflict {
				continue
			}
			hire := apitest.Decode[hiring.Hire](t, answer.Want(t, http.StatusOK))
			if made[hire.Version] != "" || hire.Status != moves[i] {
				t.Errorf("seed %d: version %d was made twice, or %s became %s", seed, hire.Version, moves[i], hire.Status)
			}
			made[hire.Version] = hire.Status
		}
		last := apitest.Decode[hiring.Hire](t, s.Do(t, "GET", path, carl, "").Want(t, http.StatusOK))
		for version := int64(2); version <= last.Version; version++ {
			if !slices.Contains(follows[made[version-1]], made[version]) {
				t.Errorf("seed %d: %q came after %q: %v", seed, made[version], made[version-1], made)
			}
		}
		if made[last.Version] != last.Status || len(made) != int(last.Version) {
			t.Errorf("seed %d: %v, and it is %+v", seed, made, last)
		}
	}
	if got := dbtest.Scalar[int](t, s.DB, wrongFigures); got != 0 {
		t.Errorf("%d agents have other figures than their hires", got)
	}
}

// C10: who deletes an agent while others hire it, or go on with a trial in its last moment, deletes it or not: none is
// both deleted and hired.
func TestC10_HiredAndDeletedAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	carl := s.carl(t)
	outcomes := map[int]int{}
	for round := range 30 {
		path := s.path(t, writer)
		agent := s.all(t, "/api/v1/agents?limit=1")[0]
		lapsing := s.tried(t, agent.ID, 168*time.Hour-time.Duration(round*10)*time.Millisecond)
		answers := together(4, func(i int) apitest.Answer {
			switch {
			case i == 0 && round%3 > 0: // in the other rounds only the trial, which may have lapsed, is in the way
				return s.Do(t, "POST", path+"/hires", carl, monthly)
			case i == 1:
				return s.Do(t, "PUT", lapsing.Address()+"/status", carl, `{"status":"active"}`)
			default:
				return s.Do(t, "DELETE", path, s.ada, "")
			}
		})
		for _, answer := range answers {
			outcomes[answer.Status]++
			if !slices.Contains([]int{200, 201, 204, 404, 409}, answer.Status) {
				t.Errorf("got %d %s", answer.Status, answer.Body)
			}
		}
	}
	const both = `select count(*) from plant.hires h join plant.agents a on a.id = h.agent_id and a.deleted_at is not null where h.status = 'active' or h.status = 'trial' and h.trial_ends_at > now()`
	if got := dbtest.Scalar[int](t, s.DB, both); got != 0 {
		t.Errorf("%d deleted agents are hired", got)
	}
	if outcomes[http.StatusNoContent] == 0 || outcomes[http.StatusConflict] == 0 {
		t.Errorf("nothing ran into each other: %v", outcomes)
	}
}

const (
	// wrongFigures counts the agents whose statistics are not what their hires and reviews make, counted one by one.
	wrongFigures = `
		select count(*) from plant.agent_statistics s where (s.hires, s.active_hires, s.open_trials, s.trials_ended + plant.lapsed_trials(s.agent_id), s.trials_retained, s.reviews, s.rating_sum)
			is distinct from (select (count(*), count(*) filter (where status = 'active'), count(*) filter (where status = 'trial'),
				count(*) filter (where trial_days > 0 and (status <> 'trial' or trial_ends_at <= now())), count(*) filter (where trial_days > 0 and activated_at is not null),
				(select count(*) from plant.reviews r where r.agent_id = s.agent_id and not hidden), (select coalesce(sum(rating), 0)::bigint from plant.reviews r where r.agent_id = s.agent_id and not hidden))
				from plant.hires h where h.agent_id = s.agent_id)
			or s.lapses_at is distinct from null and s.lapses_at > (select min(trial_ends_at) from plant.hires h where h.agent_id = s.agent_id and status = 'trial')
			or s.lapses_at is null and exists (select from plant.hires h where h.agent_id = s.agent_id and status = 'trial')`
	// takenTwice counts the exclusive agents of which more than one hire runs.
	takenTwice = `
		select count(*) from plant.agents a where exclusive and 1 < (
			select count(*) from plant.hires h where h.agent_id = a.id and (status = 'active' or status = 'trial' and trial_ends_at > now()))`
)

// C13: many customers hire, go on, cancel, end and review, agents become exclusive and are so no more, trials lapse, while
// the network breaks again and again. At every look no exclusive agent has two hires that run, and all figures are what is
// counted; in the end all that was acknowledged is there, and no more than that but what was told to be in doubt.
func TestC13_HiresUnderFaults(t *testing.T) {
	t.Parallel()
	const (
		agents, workers = 6, 8
		steps           = 500 // of all workers
		seed            = 14
	)
	s, wire := startFaulty(t)
	watch := s.watch(t)
	ids, paths := make([]string, agents), make([]string, agents)
	for i := range paths {
		agent := s.publish(t, with("exclusive", fmt.Sprint(i%2 == 0)))
		ids[i], paths[i] = agent.ID.String(), "/api/v1/agents/"+agent.ID.String()
	}
	holds := func() {
		for sql, what := range map[string]string{takenTwice: "exclusive agents are taken twice", wrongFigures: "agents have other figures than their hires"} {
			if got, err := database.Scalar[int](t.Context(), watch.db, sql); err != nil || got != 0 {
				t.Errorf("%d %s, %v", got, what, err)
			}
		}
	}
	var acknowledged, doubtful, taken, moved atomic.Int64
	var working sync.WaitGroup
	for w := range uint64(workers) {
		token := s.Token(t, auth.Customer, fmt.Sprintf("customer-%d", w))
		working.Go(func() {
			random := rand.New(rand.NewPCG(seed, w))
			var mine []string
			for taken.Add(1) <= steps {
				i := random.IntN(agents)
				var answer apitest.Answer
				switch turn := random.IntN(10); {
				case turn == 0:
					holds()
					if _, err := database.Exec(t.Context(), watch.db, `select plant.settle_lapsed(2)`); err != nil {
						t.Error(err)
					}
					continue
				case turn == 1: // a trial of a week ago, which is about to lapse
					_, err := database.Exec(t.Context(), watch.db, `insert into plant.hires (id, agent_id, customer_issuer, customer, duration, created_at)
						values (gen_random_uuid(), $1, 'https://past.example', 'past', 'monthly', now() - interval '7 days' + $2 * interval '1 millisecond')`, ids[i], random.IntN(2000))
					if err != nil && database.Broken(err) != "hires_exclusive_key" {
						t.Error(err)
					}
					continue
				case turn == 2:
					answer = s.Do(t, "PUT", paths[i], s.ada, fmt.Sprintf(`{"exclusive":%v}`, random.IntN(2) == 0))
				case turn == 3 && len(mine) > 0:
					answer = s.Do(t, "POST", mine[random.IntN(len(mine))]+"/review", token, fmt.Sprintf(`{"rating":%d}`, 1+random.IntN(5)))
				case turn == 4 && len(mine) > 0:
					answer = s.Do(t, "PUT", mine[random.IntN(len(mine))]+"/review/hidden", s.grace, fmt.Sprintf(`{"hidden":%v}`, random.IntN(2) == 0))
				case turn < 8 && len(mine) > 0:
					answer = s.Do(t, "PUT", mine[random.IntN(len(mine))]+"/status", token, fmt.Sprintf(`{"status":%q}`, []string{"active", "ended", "cancelled"}[random.IntN(3)]))
					if answer.Status == http.StatusOK {
						moved.Add(1)
					}
				default:
					answer = s.Do(t, "POST", paths[i]+"/hires", token, monthly)
					switch {
					case answer.Status == http.StatusCreated:
						acknowledged.Add(1)
						mine = append(mine, answer.Header.Get("Location"))
					case answer.Status == http.StatusServiceUnavailable && strings.Contains(answer.Body, "not known"):
						doubtful.Add(1)
					}
				}
				if !slices.Contains([]int{200, 201, 404, 409, 503}, answer.Status) {
					t.Errorf("got %d %s", answer.Status, answer.Body)
				}
			}
		})
	}
	wire.breaksAgain(t, rand.New(rand.NewPCG(seed, workers)), watch, &taken, steps)
	working.Wait()
	s.recoversReading(t, paths[0], watch)
	holds()
	stored := dbtest.Scalar[int64](t, s.DB, `select count(*) from plant.hires where customer_issuer <> 'https://past.example'`)
	if least := acknowledged.Load(); stored < least || stored > least+doubtful.Load() {
		t.Errorf("%d acknowledged, %d in doubt, and %d stored", least, doubtful.Load(), stored)
	}
	if acknowledged.Load() < 20 || moved.Load() < 20 {
		t.Errorf("only %d were hired, and %d went on or ended", acknowledged.Load(), moved.Load())
	}
}
