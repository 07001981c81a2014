package metrics

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

const storedEvents = `select count(*) from plant.job_events`

// One that is wrong leaves the others alone, and each is told what became of it, in their order.
func TestEvents_EachByItself(t *testing.T) {
	t.Parallel()
	s := start(t)
	good := completed("1", time.Minute)
	got := s.results(t, "/api/v1/events", s.ada, batchOf(t,
		good.of(agent), good.of(agent), good.of(otherAgent), completed("2", time.Minute).of(bobsAgent), completed("3", time.Minute).of(noAgent),
		completed("4", time.Minute).of(agent).with(event{"kind": "job_paused"}), completed("5", -6*time.Minute).of(agent), completed("6", 90*24*time.Hour+time.Minute).of(agent),
		completed("7", time.Minute), completed("8", 90*24*time.Hour-time.Minute).of(agent), completed("9", -4*time.Minute).of(agent)))
	want := []string{
		"stored", "duplicate", "stored", "refused 403", "refused 404", "refused 422 body.kind", "refused 422 body.occurred_at", "refused 422 body.occurred_at",
		"refused 422 body", "stored", "stored",
	}
	if diff := cmp.Diff(want, statuses(got)); diff != "" {
		t.Error(diff)
	}
	if got[5].EventID != "4" || got[5].Problem.RequestID == "" || got[3].EventID != "2" {
		t.Errorf("got %+v", got)
	}
	if stored := dbtest.Scalar[int](t, s.DB, storedEvents); stored != 4 {
		t.Errorf("%d are stored", stored)
	}
}

// Whose agent it is comes before what is sent of it; what is deleted is not there.
func TestEvents_OfWhom(t *testing.T) {
	t.Parallel()
	s := start(t)
	bob, grace := s.Token(t, auth.Partner, "bob"), s.Token(t, auth.Governor, "grace")
	path, wrong := "/api/v1/agents/"+agent+"/events", `{"events":[7]}`
	s.Do(t, "POST", path, bob, wrong).WantProblem(t, http.StatusForbidden, "FORBIDDEN")
	for _, id := range []string{noAgent, uuid.Nil.String()} {
		s.Do(t, "POST", "/api/v1/agents/"+id+"/events", bob, wrong).WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	}
	for i, token := range []string{s.ada, grace, s.scheduler} {
		if got := statuses(s.results(t, path, token, batchOf(t, completed(fmt.Sprint(i), time.Minute)))); got[0] != "stored" {
			t.Errorf("caller %d: %v", i, got)
		}
		if got := statuses(s.results(t, path, token, wrong)); !strings.HasPrefix(got[0], "refused 422") {
			t.Errorf("caller %d: %v", i, got)
		}
	}
	s.DB.Exec(t, `update plant.agents set deleted_at = now() where id = $1`, agent)
	s.Do(t, "POST", path, s.ada, batchOf(t, completed("x", 0))).WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	if got := statuses(s.results(t, "/api/v1/events", s.ada, batchOf(t, completed("x", 0).of(agent)))); got[0] != "refused 404" {
		t.Errorf("got %v", got)
	}
}

// The database itself refuses those who report for others, whatever the function lets through.
func TestEvents_OwnersInTheDatabase(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, caller := range []auth.Principal{{}, {Issuer: s.Issuer, Owner: "ada", Role: auth.Customer}, {Issuer: s.Issuer, Owner: "bob", Role: auth.Partner}, {Issuer: "other", Owner: "ada", Role: auth.Partner}} {
		e := agentEventDraft{EventDraft: EventDraft{EventID: "1", JobID: "1", Kind: "job_completed", OccurredAt: time.Now().Truncate(time.Microsecond)}}
		e.AgentID = [16]byte{1, 0x90, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0xa}
		if got := record(auth.WithPrincipal(t.Context(), caller), t, eventStore{s.DB.DB}, []agentEventDraft{e}); got[0] != "foreign" {
			t.Errorf("%+v: %v", caller, got)
		}
	}
}

// I10, I11, I26: bounds of each member. What is outside is refused by itself, with its place; what is inside is exact.
func TestI10_I11_I26_Events(t *testing.T) {
	t.Parallel()
	s := start(t)
	good := completed("x", time.Minute)
	raw := func(member, value string) string {
		text := batchOf(t, good.with(event{member: "@"}))
		return strings.Replace(text, `"@"`, value, 1)
	}
	const year = "31536000000"
	for member, values := range map[string][]string{
		"duration_ms": {"-1", "31536000001", "9007199254740993", "9223372036854775808", "1.5", `"1"`, "null", "true", "[]"},
		"cost":        {"-0.01", "10000000000", "0.001", "1e-9", `"1"`, "null"},
		"occurred_at": {
			`""`, `"yesterday"`, `"2026-11-27"`, `"2026-11-27T10:00:00"`, `"2016-12-31T23:59:60Z"`, `"0000-01-01T00:00:00Z"`, `"9999-12-31T23:59:59Z"`, `"10000-01-01T00:00:00Z"`,
			`"2026-02-30T00:00:00Z"`, `"` + time.Now().Add(-time.Hour).UTC().Format("2006-01-02T15:04:05") + `.0000001Z"`, "0", "null",
		},
		"event_id": {`""`, `" "`, `"a b"`, `"é"`, `"` + strings.Repeat("x", 129) + `"`, "7", "null"},
		"job_id":   {`""`, `"a\nb"`, `"` + strings.Repeat("x", 129) + `"`, "{}"},
		"kind":     {`""`, `"JOB_COMPLETED"`, `"job_paused"`, "1", "null"},
		"agent_id": {`"` + agent + `"`}, // it stands in the path
		"Kind":     {`"job_completed"`},
		"owner":    {`"ada"`},
	} {
		for _, value := range values {
			answer := s.Do(t, "POST", "/api/v1/agents/"+agent+"/events", s.ada, raw(member, value))
			if answer.Status == http.StatusUnprocessableEntity && strings.Contains(value, `\`) {
				continue
			}
			got := apitest.Decode[struct{ Results []eventResult }](t, answer.Want(t, http.StatusOK)).Results
			if status := statuses(got)[0]; !strings.HasPrefix(status, "refused 422 body") || member != "kind" && !strings.HasPrefix(status, "refused 422 body."+member) && !strings.HasSuffix(status, " body") {
				t.Errorf("%s %s: %s", member, value, status)
			}
		}
	}
	s.Do(t, "POST", "/api/v1/agents/"+agent+"/events", s.ada, raw("duration_ms", "1e400")).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	s.Do(t, "POST", "/api/v1/agents/"+agent+"/events", s.ada, raw("duration_ms", "NaN")).WantProblem(t, http.StatusBadRequest, "MALFORMED_REQUEST")
	for i, value := range []string{"0", "1", year} {
		id := fmt.Sprint("d", i)
		if got := statuses(s.results(t, "/api/v1/agents/"+agent+"/events", s.ada, strings.Replace(raw("duration_ms", value), `"x"`, `"`+id+`"`, 1))); got[0] != "stored" {
			t.Errorf("duration %s: %v", value, got)
		}
		if got := dbtest.Scalar[int64](t, s.DB, `select duration_ms from plant.job_events where event_id = $1`, id); fmt.Sprint(got) != value {
			t.Errorf("duration %s is %d", value, got)
		}
	}
	zoned := time.Now().Add(-time.Minute).Truncate(time.Microsecond).In(time.FixedZone("", 5*3600+45*60))
	s.report(t, agent, good.with(event{"event_id": "zoned", "occurred_at": zoned.Format(time.RFC3339Nano), "cost": 9999999999.99}))
	if got := dbtest.Scalar[time.Time](t, s.DB, `select occurred_at from plant.job_events where event_id = 'zoned' and cost = 9999999999.99`); !got.Equal(zoned) {
		t.Errorf("stored %v, want %v", got, zoned)
	}
}

// A batch has 1 to 1,000 events.
func TestEvents_SizeOfABatch(t *testing.T) {
	t.Parallel()
	s := start(t)
	many := make([]event, 1001)
	for i := range many {
		many[i] = completed(fmt.Sprint(i), time.Minute)
	}
	path := "/api/v1/agents/" + agent + "/events"
	s.Do(t, "POST", path, s.ada, batchOf(t, many...)).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	s.Do(t, "POST", path, s.ada, `{"events":[]}`).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	if stored := dbtest.Scalar[int](t, s.DB, storedEvents); stored != 0 {
		t.Errorf("%d are stored of batches that were refused", stored)
	}
	for i, result := range s.report(t, agent, many[:1000]...) {
		if result.Status != "stored" || result.EventID != fmt.Sprint(i) {
			t.Fatalf("event %d: %+v", i, result)
		}
	}
}

// C5, C6: the same batch many times at once is stored once, and what was stored first under an id stays.
func TestC5_C6_EventsAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	var events []event
	for i := range 40 {
		events = append(events, completed(fmt.Sprint(i), time.Duration(i)*time.Minute).of([]string{agent, otherAgent}[i%2]).with(event{"duration_ms": 100}))
	}
	forth, back := batchOf(t, events...), make([]event, len(events))
	for i, e := range events {
		back[len(back)-1-i] = e.with(event{"duration_ms": 100, "kind": "job_failed"})
	}
	bodies := []string{forth, batchOf(t, back...)}
	const callers = 30
	counts := map[string]int{}
	var mu sync.Mutex
	var calls sync.WaitGroup
	for i := range callers {
		calls.Go(func() {
			for _, result := range s.results(t, "/api/v1/events", s.ada, bodies[i%2]) {
				mu.Lock()
				counts[result.Status]++
				mu.Unlock()
			}
		})
	}
	calls.Wait()
	if want := map[string]int{"stored": len(events), "duplicate": (callers - 1) * len(events)}; !cmp.Equal(want, counts) {
		t.Errorf("got %v, want %v", counts, want)
		t.Log(s.Log.String())
	}
	if got := dbtest.Scalar[int](t, s.DB, `select sum(total_jobs)::int from plant.agent_statistics`); got != len(events) {
		t.Errorf("%d jobs", got)
	}
}

// C7: an event is known for as long as it may come again: up to 90 days it is a duplicate, then it is too late.
func TestC7_EventsAreKnownForAsLongAsTheyMayCome(t *testing.T) {
	t.Parallel()
	s := start(t)
	old := completed("old", 90*24*time.Hour-time.Hour)
	if got := statuses(s.report(t, agent, old)); got[0] != "stored" {
		t.Fatal(got)
	}
	kept := apitest.Decode[keptRows](t, s.Do(t, "POST", "/internal/rollup", s.scheduler, "").Want(t, http.StatusOK))
	if kept.Made != 97 || kept.Dropped != 0 {
		t.Errorf("kept %+v", kept)
	}
	if got := statuses(s.report(t, agent, old)); got[0] != "duplicate" {
		t.Error(got)
	}
}

// Trials that ended by themselves are written down, which changes no figure.
func TestRollup_SettlesTrials(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.lapse(t, agent, 1)
	before := s.figures(t, agent, "7d")
	kept := apitest.Decode[keptRows](t, s.Do(t, "POST", "/internal/rollup", s.scheduler, "").Want(t, http.StatusOK))
	if after := s.figures(t, agent, "7d"); kept.Settled != 1 || before.TrialsEnded != 1 || !cmp.Equal(before, after) {
		t.Errorf("kept %+v, before %+v, after %+v", kept, before, after)
	}
	if got := dbtest.Scalar[string](t, s.DB, `select status from plant.hires`); got != "ended" {
		t.Errorf("the hire is %s", got)
	}
}

// Statistics are locked in the order that events lock them in, whatever the order in which trials lapsed: neither waits for
// the other in a circle.
func TestRollup_SettlesInTheOrderOfEvents(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.lapse(t, agent, 1)
	s.lapse(t, otherAgent, 2)
	const lock = `select from plant.agent_statistics where agent_id = $1 for no key update nowait`
	s.DB.Exec(t, `begin`)
	s.DB.Exec(t, lock, agent)
	answered := make(chan apitest.Answer, 1)
	go func() { answered <- s.Do(t, "POST", "/internal/rollup", s.scheduler, "") }()
	until(t, "settling waits for whom events are of first", func() bool {
		return dbtest.Scalar[bool](t, s.DB, `select exists (select from pg_locks where not granted and transactionid = pg_current_xact_id()::xid)`)
	})
	s.DB.Exec(t, lock, otherAgent)
	s.DB.Exec(t, `commit`)
	if kept := apitest.Decode[keptRows](t, (<-answered).Want(t, http.StatusOK)); kept.Settled != 2 {
		t.Errorf("kept %+v", kept)
	}
}

// However many trials lapsed, a transaction holds few of their agents.
func TestRollup_SettlesInSmallTransactions(t *testing.T) {
	t.Parallel()
	s := start(t)
	const agents = 2*settledAtOnce + 1
	for _, agent := range addAgents(t, s.DB, agents) {
		s.lapse(t, agent.String(), 1)
	}
	kept := apitest.Decode[keptRows](t, s.Do(t, "POST", "/internal/rollup", s.scheduler, "").Want(t, http.StatusOK))
	if kept.Settled != agents {
		t.Errorf("kept %+v", kept)
	}
	if got := dbtest.Scalar[int](t, s.DB, `select count(distinct xmin::text) from plant.hires where status = 'ended'`); got != 3 {
		t.Errorf("settled by %d transactions", got)
	}
}

// lapse adds a trial of an agent that lapsed so many days ago.
func (s service) lapse(t *testing.T, agent string, days int) {
	t.Helper()
	s.DB.Exec(t, `insert into plant.hires (id, agent_id, customer_issuer, customer, duration, status, created_at, trial_days)
		values (gen_random_uuid(), $1, 'i', 'carl', 'monthly', 'trial', now() - $2 * interval '1 day' - interval '7 days', 7)`, agent, days)
}

// Days whose events are all older than 91 days are dropped, and figures stay.
func TestRollup_DropsOldDays(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, days := range []int{91, 92, 93} {
		s.DB.Exec(t, `select plant.make_event_day((now() at time zone 'UTC')::date - $1::int)`, days)
		s.DB.Exec(t, `insert into plant.job_events (agent_id, event_id, occurred_at, received_at, job_id, kind, duration_ms)
			select $1, 'e' || $2, at, at, 'j' || $2, 'job_completed', 1000
			from (select ((now() at time zone 'UTC')::date - $2::int)::timestamp at time zone 'UTC' as at) d`, agent, days)
	}
	first := apitest.Decode[keptRows](t, s.Do(t, "POST", "/internal/rollup", s.scheduler, "").Want(t, http.StatusOK))
	again := apitest.Decode[keptRows](t, s.Do(t, "POST", "/internal/rollup", s.scheduler, "").Want(t, http.StatusOK))
	if first.Dropped != 2 || first.Made != 98 || again != (keptRows{}) {
		t.Errorf("first %+v, again %+v", first, again)
	}
	if got := dbtest.Scalar[int](t, s.DB, storedEvents); got != 1 {
		t.Errorf("%d events are left", got)
	}
	s.DB.Exec(t, `select plant.rebuild_job_rollups()`) // which knows the jobs still
	if got := s.figures(t, agent, "all"); got.TotalJobs != 3 {
		t.Errorf("%d jobs are known", got.TotalJobs)
	}
	s.Do(t, "POST", "/internal/rollup", s.Token(t, auth.Governor, "grace"), "").WantProblem(t, http.StatusForbidden, "FORBIDDEN")
}

// Whoever reads the events for long, as a dump does, delays that old days are dropped, and nothing else: days are made, and
// events come in.
func TestRollup_DropsNoDayThatIsRead(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, days := range []int{92, 93} {
		s.DB.Exec(t, `select plant.make_event_day((now() at time zone 'UTC')::date - $1::int)`, days)
	}
	run := func() keptRows {
		return apitest.Decode[keptRows](t, s.Do(t, "POST", "/internal/rollup", s.scheduler, "").Want(t, http.StatusOK))
	}
	for i, locked := range []string{"plant.job_events", "plant." + dbtest.Scalar[string](t, s.DB, `select 'job_events_' || to_char((now() at time zone 'UTC')::date - 93, 'YYYYMMDD')`)} {
		s.DB.Exec(t, `begin`)
		s.DB.Exec(t, `lock table only `+locked+` in access share mode`)
		if got := run(); got.Dropped != 0 {
			t.Errorf("while %s is read: %+v", locked, got)
		}
		if got := statuses(s.report(t, agent, completed(fmt.Sprint(i), time.Minute))); got[0] != "stored" {
			t.Errorf("while %s is read: %v", locked, got)
		}
		s.DB.Exec(t, `commit`)
	}
	if got := run(); got.Dropped != 2 {
		t.Errorf("then: %+v", got)
	}
}

// A job ends once, with the earliest of its ends, in whatever order they come; a day is exact on both sides of midnight.
func TestEvents_AJobEndsOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	late, early := completed("late", time.Minute).with(event{"job_id": "j", "duration_ms": 5000}), completed("early", 50*time.Hour).with(event{"job_id": "j", "kind": "job_failed"})
	s.report(t, agent, late)
	if got := s.figures(t, agent, "24h"); got.TotalJobs != 1 || got.CompletedJobs != 1 || *got.P50DurationMS < 4900 {
		t.Errorf("got %+v", got)
	}
	s.report(t, agent, early)
	if got := s.figures(t, agent, "24h"); got.TotalJobs != 0 || got.SuccessRate != nil || got.DurationSamples != 0 {
		t.Errorf("got %+v", got)
	}
	for _, window := range []string{"7d", "all"} {
		if got := s.figures(t, agent, window); got.TotalJobs != 1 || got.CompletedJobs != 0 || *got.SuccessRate != 0 || got.P50DurationMS != nil {
			t.Errorf("%s: %+v", window, got)
		}
	}
}
