package agents

import (
	stdcmp "cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/hiring"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// reviews are those of an agent that a caller lists.
func (s service) reviews(t *testing.T, agent uuid.UUID, query, token string) []review {
	t.Helper()
	return apitest.Decode[[]review](t, s.Do(t, "GET", "/api/v1/agents/"+agent.String()+"/reviews"+query, token, "").Want(t, http.StatusOK))
}

func TestReview_Life(t *testing.T) {
	t.Parallel()
	s := start(t)
	carl := s.carl(t)
	agent := s.publish(t, writer).ID
	hire := s.hire(t, agent)
	path := hire.Address() + "/review"
	s.Do(t, "POST", path, carl, `{"rating":5}`).WantProblem(t, http.StatusConflict, "TRIAL_RUNS")
	s.Do(t, "GET", path, carl, "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	s.Do(t, "PUT", hire.Address()+"/status", carl, `{"status":"active"}`).Want(t, http.StatusOK)
	answer := s.Do(t, "POST", path, carl, `{"rating":4,"text":"Cafe\u0301:\n\tgood"}`).Want(t, http.StatusCreated)
	made := apitest.Decode[review](t, answer)
	want := review{HireID: hire.ID, AgentID: agent, Rating: 4, Text: "Café:\n\tgood", Version: 1}
	if diff := cmp.Diff(want, made, cmpopts.IgnoreFields(review{}, "ID", "CreatedAt", "UpdatedAt")); diff != "" || answer.Header.Get("Location") != path {
		t.Errorf("made %+v at %s: %s", made, answer.Header.Get("Location"), diff)
	}
	read := s.Do(t, "GET", path, carl, "").Want(t, http.StatusOK)
	listed := s.Do(t, "GET", "/api/v1/agents/"+agent.String()+"/reviews", "", "").Want(t, http.StatusOK)
	if read.Body != answer.Body || read.Header.Get("ETag") != answer.Header.Get("ETag") || listed.Body != "["+strings.TrimSpace(read.Body)+"]" {
		t.Errorf("answered %s, read %s, listed %s", answer.Body, read.Body, listed.Body)
	}
	s.Do(t, "POST", path, carl, `{"rating":1}`).WantProblem(t, http.StatusConflict, "CONFLICT")
	replied := apitest.Decode[review](t, s.Do(t, "POST", path+"/reply", s.ada, `{"text":"Thank\nyou"}`, key("k")).Want(t, http.StatusOK))
	if replied.Reply == nil || *replied.Reply != "Thank\nyou" || replied.RepliedAt == nil || replied.Version != 2 || replied.Rating != 4 {
		t.Errorf("replied %+v", replied)
	}
	if again := s.Do(t, "POST", path+"/reply", s.ada, `{"text":"Thank\nyou"}`, key("k")).Want(t, http.StatusOK); again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("replied again: %s", again.Body)
	}
	s.Do(t, "POST", path+"/reply", s.ada, `{"text":"Never mind"}`).WantProblem(t, http.StatusConflict, "CONFLICT")
	if got := apitest.Decode[catalog.Agent](t, s.Do(t, "GET", "/api/v1/agents/"+agent.String(), s.ada, "")); got.AvgRating != 4 || got.RetentionRate != 1 {
		t.Errorf("its metrics are %+v", got.Metrics)
	}
	// The list by rating follows.
	if got := s.all(t, "/api/v1/agents?min_rating=4"); len(got) != 1 {
		t.Errorf("min_rating finds %d", len(got))
	}
}

// A governor hides a review and shows it again: it is neither shown nor counted meanwhile, but to those whom it concerns.
func TestReview_Hidden(t *testing.T) {
	t.Parallel()
	s := start(t)
	carl := s.carl(t)
	agent := s.publish(t, writer).ID
	var paths []string
	for _, stars := range []int{1, 5} {
		path := s.active(t, agent).Address() + "/review"
		s.Do(t, "POST", path, carl, fmt.Sprintf(`{"rating":%d,"text":"%d stars"}`, stars, stars)).Want(t, http.StatusCreated)
		paths = append(paths, path)
	}
	rated := func(want float64, reviews int) {
		t.Helper()
		got := apitest.Decode[catalog.Agent](t, s.Do(t, "GET", "/api/v1/agents/"+agent.String(), s.ada, ""))
		if list := s.reviews(t, agent, "", ""); got.AvgRating != want || len(list) != reviews {
			t.Errorf("rated %v by %d, want %v by %d", got.AvgRating, len(list), want, reviews)
		}
	}
	rated(3, 2)
	match := func(value string) apitest.Header { return apitest.Header{Name: "If-Match", Value: value} }
	s.Do(t, "PUT", paths[0]+"/hidden", s.grace, `{"hidden":true}`, match(`"2"`)).WantProblem(t, http.StatusPreconditionFailed, "STALE")
	hidden := apitest.Decode[review](t, s.Do(t, "PUT", paths[0]+"/hidden", s.grace, `{"hidden":true}`, match(`"1"`)).Want(t, http.StatusOK))
	if !hidden.Hidden || hidden.Version != 2 {
		t.Errorf("hidden as %+v", hidden)
	}
	rated(5, 1)
	s.Do(t, "PUT", paths[0]+"/hidden", s.grace, `{"hidden":true}`).Want(t, http.StatusOK)
	rated(5, 1)
	for _, token := range []string{carl, s.ada, s.grace} {
		s.Do(t, "GET", paths[0], token, "").Want(t, http.StatusOK)
		if got := len(s.reviews(t, agent, "", token)); got != 1 {
			t.Errorf("%d are listed", got)
		}
	}
	if got := len(s.reviews(t, agent, "?include_hidden=true", s.grace)); got != 2 {
		t.Errorf("a governor lists %d", got)
	}
	all := "/api/v1/agents/" + agent.String() + "/reviews?include_hidden=true"
	for _, token := range []string{carl, s.ada} {
		s.Do(t, "GET", all, token, "").WantProblem(t, http.StatusForbidden, "FORBIDDEN")
	}
	if got := s.Do(t, "GET", all, "", "").WantProblem(t, http.StatusUnauthorized, "UNAUTHENTICATED").Header.Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("nobody is challenged with %q", got)
	}
	// A reply to what is hidden is there when that is shown again.
	s.Do(t, "POST", paths[0]+"/reply", s.ada, `{"text":"Sorry"}`).Want(t, http.StatusOK)
	s.Do(t, "PUT", paths[0]+"/hidden", s.grace, `{"hidden":false}`).Want(t, http.StatusOK)
	rated(3, 2)
	for _, body := range []string{`{}`, `{"hidden":null}`, `{"hidden":1}`, `{"hidden":"true"}`, `{"Hidden":true}`, `{"hidden":true,"rating":1}`} {
		s.Do(t, "PUT", paths[0]+"/hidden", s.grace, body).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	}
}

// I10, A16: what a review and a reply may be.
func TestI10_A16_ReviewBodies(t *testing.T) {
	t.Parallel()
	s := start(t)
	carl := s.carl(t)
	hire := s.active(t, s.publish(t, writer).ID)
	path := hire.Address() + "/review"
	long := `"` + strings.Repeat("é", 4001) + `"`
	refuse := func(at, token, member, body string) {
		t.Helper()
		problem := apitest.Decode[httpapi.Problem](t, s.Do(t, "POST", at, token, body).WantProblem(t, http.StatusUnprocessableEntity, "INVALID"))
		if len(problem.Errors) == 0 || problem.Errors[0].Location != "body."+member {
			t.Errorf("%.60s: %+v", body, problem)
		}
	}
	for member, values := range map[string][]string{
		"rating": {"0", "6", "-1", "4.5", "9007199254740993", "9223372036854775808", "1e400", "-0.5", `"5"`, "null", "true", "[5]"},
		"text":   {long, `"` + strings.Repeat(growing, 2001) + `"`, `"a\u0000b"`, `"\u0007"`, "null", "1", `["x"]`},
		"reply":  {`"x"`}, "hidden": {"false"}, "id": {`"x"`}, "hire_id": {`"x"`}, "agent_id": {`"x"`}, "version": {"1"}, "customer": {`"x"`}, "created_at": {`"x"`}, "Rating": {"5"},
	} {
		for _, value := range values {
			refuse(path, carl, member, object(map[string]string{"rating": "5"}, member, value))
		}
	}
	s.Do(t, "POST", path, carl, `{"text":"no stars"}`).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	s.Do(t, "POST", path+"/reply", s.ada, `{"text":"too early"}`).WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	s.Do(t, "POST", path, carl, `{"rating":5,"text":"`+strings.Repeat("é", 4000)+`"}`).Want(t, http.StatusCreated)
	for member, values := range map[string][]string{
		"text": {`""`, long, `"a\u0000b"`, `"\u001b"`, "null", "1"}, "rating": {"5"}, "hidden": {"true"}, "reply": {`"x"`}, "replied_at": {`"2026-01-01T00:00:00Z"`},
	} {
		for _, value := range values {
			refuse(path+"/reply", s.ada, member, object(map[string]string{"text": `"x"`}, member, value))
		}
	}
	if got := apitest.Decode[review](t, s.Do(t, "GET", path, carl, "")); got.Version != 1 || got.Reply != nil {
		t.Errorf("refused, and it is %+v", got)
	}
}

// What is said is amended without its words, and who hid it is on record. Hires are in no amendment at all.
func TestD13_ReviewsAreAmendedWithoutTheirWords(t *testing.T) {
	t.Parallel()
	s := start(t)
	agent := s.publish(t, writer).ID
	hire := s.active(t, agent)
	path := hire.Address() + "/review"
	const words, answer = "my phone number is 5550100", "mine is 5550199"
	made := apitest.Decode[review](t, s.Do(t, "POST", path, s.carl(t), `{"rating":1,"text":"`+words+`"}`).Want(t, http.StatusCreated))
	s.Do(t, "POST", path+"/reply", s.ada, `{"text":"`+answer+`"}`).Want(t, http.StatusOK)
	s.Do(t, "PUT", path+"/hidden", s.grace, `{"hidden":true}`).Want(t, http.StatusOK)
	s.Do(t, "PUT", hire.Address()+"/status", s.carl(t), `{"status":"ended"}`).Want(t, http.StatusOK)
	changes := apitest.Decode[feed](t, s.Do(t, "GET", "/api/v1/changes", "", "").Want(t, http.StatusOK)).Changes
	var of []string
	for _, change := range changes {
		if change.EntityID == made.ID {
			of = append(of, fmt.Sprintf("%s %s %d", change.EntityType, change.Action, change.Version))
		}
		if change.EntityID == hire.ID || change.EntityType == "hire" {
			t.Errorf("the feed tells of the hire: %+v", change)
		}
	}
	if diff := cmp.Diff([]string{"review create 1", "review update 2", "review update 3"}, of); diff != "" {
		t.Error(diff)
	}
	export := s.Do(t, "GET", "/api/v1/audit/export", s.grace, "").Want(t, http.StatusOK).Body
	for _, personal := range []string{words, answer, `"carl"`} {
		if strings.Contains(export, personal) {
			t.Errorf("the export holds %s", personal)
		}
	}
	if got := dbtest.Scalar[string](t, s.DB, `select actor_role || ' ' || change from plant.amendments where entity_id = $1 and version = 3`, made.ID); got != `governor {"hidden":[false,true]}` {
		t.Errorf("that it was hidden is told as %s", got)
	}
	report := apitest.Decode[auditReport](t, s.Do(t, "POST", "/api/v1/audit/run", s.grace, "{}").Want(t, http.StatusOK))
	if !report.Compliant || report.Entities["review"] != 1 {
		t.Errorf("got %+v", report)
	}
	// Who gets past the triggers is found out.
	s.DB.Exec(t, `update plant.agent_statistics set rating_sum = 5, reviews = 1`)
	s.DB.Exec(t, `alter table plant.reviews disable trigger review_moves`)
	s.DB.Exec(t, `alter table plant.reviews disable trigger _amended`)
	s.DB.Exec(t, `update plant.reviews set rating = 5`)
	s.DB.Exec(t, `alter table plant.reviews enable trigger _amended`)
	report = apitest.Decode[auditReport](t, s.Do(t, "POST", "/api/v1/audit/run", s.grace, "{}").Want(t, http.StatusOK))
	broken := map[string]int64{}
	for _, rule := range report.Rules {
		if rule.Violations > 0 {
			broken[rule.ID] = rule.Violations
		}
	}
	if diff := cmp.Diff(map[string]int64{"L0-02": 1, "L0-03": 1, "L1-AGENT-04": 1}, broken); diff != "" {
		t.Error(diff)
	}
	found := apitest.Decode[tampering](t, s.Do(t, "GET", "/api/v1/audit/tampering/"+made.ID.String(), s.grace, "").Want(t, http.StatusOK))
	if !found.Tampered || found.EntityType != "review" {
		t.Errorf("got %+v", found)
	}
}

// A20: whom the pooled connection served last leaves nothing behind: on one connection, each of many who take turns sees
// their own, and nobody sees anything.
func TestA20_HiresOnOneConnection(t *testing.T) {
	t.Parallel()
	s := start(t, func(settings *httpapi.Settings) { settings.Database.MaxConns = 1 })
	agent := s.publish(t, writer).ID
	path := "/api/v1/agents/" + agent.String()
	customers := map[string]string{}
	for i := range 6 {
		name := fmt.Sprintf("customer-%d", i)
		token := s.Token(t, auth.Customer, name)
		customers[token] = name
		s.Do(t, "POST", path+"/hires", token, monthly).Want(t, http.StatusCreated)
	}
	stranger := s.Token(t, auth.Customer, "stranger")
	for range 10 {
		for token, name := range customers {
			for _, hire := range s.hires(t, "", token) {
				if hire.Customer != name {
					t.Fatalf("%s sees a hire of %s", name, hire.Customer)
				}
			}
			if got := len(s.hires(t, "", s.grace)); got != len(customers) {
				t.Fatalf("a governor sees %d", got)
			}
			if got := len(s.hires(t, "", stranger)); got != 0 {
				t.Fatalf("a stranger sees %d", got)
			}
			s.Do(t, "GET", path+"/reviews", "", "").Want(t, http.StatusOK)
		}
	}
	// Nobody at all, by plain SQL as the function's login.
	if got := s.asFunction(t, "", "", `select count(*) from plant.hires`); got != "0" {
		t.Errorf("nobody sees %s hires", got)
	}
}

// asFunction runs a statement as the function's login does for somebody, tells what came of it, and undoes it.
func (s service) asFunction(t *testing.T, role, name, sql string) (came string) {
	t.Helper()
	undo := errors.New("undone")
	ctx := auth.WithPrincipal(t.Context(), auth.Principal{Issuer: s.Issuer, Subject: name, Owner: name, Role: auth.Role(role)})
	err := s.DB.InTx(ctx, func(ctx context.Context, tx database.Tx) error {
		if strings.HasPrefix(sql, "select count") {
			n, err := database.Scalar[int](ctx, tx, sql)
			came = strconv.Itoa(n)
			return stdcmp.Or(err, undo)
		}
		n, err := database.Exec(ctx, tx, sql)
		came = fmt.Sprintf("%d changed", n)
		return stdcmp.Or(err, undo)
	})
	switch {
	case errors.Is(err, undo):
		return came
	case errors.Is(err, database.ErrForbidden):
		return "forbidden"
	case errors.Is(err, database.ErrInvalid):
		return "invalid"
	default:
		t.Errorf("%s: %v", sql, err)
		return "failed"
	}
}

// What the function's login may do by plain SQL is what the caller may do, and a bit less: policies and grants stand behind
// the handlers.
func TestHire_PoliciesStandBehindTheHandlers(t *testing.T) {
	t.Parallel()
	s := start(t)
	agent := s.publish(t, writer).ID
	trial, active := s.hire(t, agent), s.active(t, agent)
	s.Do(t, "POST", active.Address()+"/review", s.carl(t), `{"rating":1}`).Want(t, http.StatusCreated)
	insert := `insert into plant.hires (id, agent_id, customer_issuer, customer, duration) values (gen_random_uuid(), '` + agent.String() + `', '` + s.Issuer + `', 'carl', 'monthly')`
	for _, test := range []struct{ role, name, sql, want string }{
		{"customer", "carl", `select count(*) from plant.hires`, "2"},
		{"customer", "cora", `select count(*) from plant.hires`, "0"},
		{"partner", "carl", `select count(*) from plant.hires`, "0"},
		{"partner", "ada", `select count(*) from plant.hires`, "2"},
		{"customer", "ada", `select count(*) from plant.hires`, "0"},
		{"service", "carl", `select count(*) from plant.hires`, "0"},
		{"", "carl", `select count(*) from plant.hires`, "0"},
		{"governor", "", `select count(*) from plant.hires`, "2"},
		{"customer", "carl", insert, "1 changed"},
		{"customer", "cora", insert, "forbidden"},
		{"partner", "carl", insert, "forbidden"},
		{"governor", "grace", insert, "forbidden"}, // in somebody else's name
		{"customer", "carl", `insert into plant.hires (id, agent_id, customer_issuer, customer, duration, price) values (gen_random_uuid(), '` + agent.String() + `', '` + s.Issuer + `', 'carl', 'monthly', 0)`, "forbidden"},
		{"customer", "carl", `update plant.hires set price = 0`, "forbidden"},
		{"customer", "carl", `update plant.hires set customer = 'cora'`, "forbidden"},
		{"governor", "grace", `delete from plant.hires`, "forbidden"},
		{"customer", "cora", `update plant.hires set status = 'cancelled'`, "0 changed"},
		{"partner", "ada", `update plant.hires set status = 'cancelled' where id = '` + trial.ID.String() + `'`, "forbidden"},
		{"partner", "ada", `update plant.hires set status = 'ended' where id = '` + active.ID.String() + `'`, "1 changed"},
		{"customer", "carl", `update plant.hires set status = 'ended' where id = '` + trial.ID.String() + `'`, "invalid"},
		{"customer", "carl", `insert into plant.reviews (id, hire_id, rating) values (gen_random_uuid(), '` + trial.ID.String() + `', 5)`, "invalid"},
		{"customer", "cora", `insert into plant.reviews (id, hire_id, rating) values (gen_random_uuid(), '` + active.ID.String() + `', 5)`, "forbidden"},
		{"customer", "carl", `update plant.reviews set hidden = true`, "0 changed"},
		{"partner", "ada", `update plant.reviews set hidden = true`, "forbidden"},
		{"partner", "bob", `update plant.reviews set reply = 'x'`, "0 changed"},
		{"governor", "grace", `update plant.reviews set reply = 'x'`, "forbidden"},
		{"partner", "ada", `update plant.reviews set reply = 'x'`, "1 changed"},
		{"governor", "grace", `update plant.reviews set hidden = true`, "1 changed"},
		{"customer", "carl", `update plant.reviews set rating = 5`, "forbidden"},
		{"governor", "grace", `delete from plant.reviews`, "forbidden"},
		{"governor", "grace", `select plant.settle_trials('` + agent.String() + `')`, "forbidden"},
	} {
		if got := s.asFunction(t, test.role, test.name, test.sql); got != test.want {
			t.Errorf("%s %s: %s: got %s, want %s", test.role, test.name, test.sql, got, test.want)
		}
	}
}

// I26: whatever days a trial has, over whatever changes of a clock in summer, it has so many times 24 hours.
func TestI26_TrialsAreDaysOf24Hours(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, days := range []int{1, 7, 30, 90} {
		agent := s.publish(t, with("trial_days", fmt.Sprint(days))).ID
		for _, zone := range []string{"America/New_York", "Europe/Berlin", "Asia/Kathmandu"} {
			id := uuid.Must(uuid.NewV7())
			s.DB.Exec(t, `do $$ begin
				set local timezone = '`+zone+`';
				insert into plant.hires (id, agent_id, customer_issuer, customer, duration, created_at) values ('`+id.String()+`', '`+agent.String()+`', '`+s.Issuer+`', 'carl', 'monthly', '2024-10-20 12:00:00.123456+00');
			end $$`)
			hire := apitest.Decode[hiring.Hire](t, s.Do(t, "GET", "/api/v1/hires/"+id.String(), s.carl(t), "").Want(t, http.StatusOK))
			if want := hire.CreatedAt.Add(time.Duration(days) * 24 * time.Hour); !hire.TrialEndsAt.Equal(want) || hire.CreatedAt.Nanosecond() != 123456000 {
				t.Errorf("%d days in %s: from %s to %s", days, zone, hire.CreatedAt, hire.TrialEndsAt)
			}
		}
	}
}
