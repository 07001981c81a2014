package agents

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// refused is a body and how it is refused: by a code, and by a place where one is to blame.
type refused struct {
	name, body, code, location string
}

// wantRefused sends each body to every operation that takes an agent, and wants the same answer of all.
func wantRefused(t *testing.T, s service, tests []refused) {
	t.Helper()
	agent := s.publish(t, writer)
	path := "/api/v1/agents/" + agent.ID.String()
	status := map[string]int{"MALFORMED_REQUEST": http.StatusBadRequest, "INVALID": http.StatusUnprocessableEntity}
	for _, test := range tests {
		for method, path := range map[string]string{"POST": "/api/v1/agents", "PUT": path, "PATCH": path} {
			answer := s.Do(t, method, path, s.ada, test.body)
			var problem httpapi.Problem
			_ = json.Unmarshal([]byte(answer.Body), &problem) // what is no problem has no code
			located := slices.ContainsFunc(problem.Errors, func(f *httpapi.Fault) bool { return f.Location == test.location })
			if answer.Status != status[test.code] || problem.Code != test.code || test.location != "" && !located {
				t.Errorf("%s, %s: got %d %s", test.name, method, answer.Status, answer.Body)
			}
		}
	}
	after := apitest.Decode[catalog.Agent](t, s.Do(t, "GET", path, "", ""))
	if after.Version != agent.Version {
		t.Errorf("a refused change made version %d", after.Version)
	}
	if got := s.Do(t, "GET", "/api/v1/agents?count=exact", "", "").Header.Get("X-Total-Count"); got != "1" {
		t.Errorf("refused requests left %s agents", got)
	}
}

// with is the writer's draft with one more member, or another value of one.
func with(member, value string) string {
	var draft map[string]json.RawMessage
	if err := json.Unmarshal([]byte(writer), &draft); err != nil {
		panic(err) // a constant of this package
	}
	draft[member] = json.RawMessage("MARK")
	var parts []string
	for name, text := range draft {
		parts = append(parts, fmt.Sprintf("%q:%s", name, text))
	}
	slices.Sort(parts)
	return strings.Replace("{"+strings.Join(parts, ",")+"}", "MARK", value, 1)
}

func TestI1_Depth(t *testing.T) {
	t.Parallel()
	nested := func(depth int) string {
		return with("tags", strings.Repeat("[", depth-1)+strings.Repeat("]", depth-1))
	}
	wantRefused(t, start(t), []refused{
		{"100 deep is only of the wrong kind", nested(100), "INVALID", "body.tags[0]"},
		{"101 deep", nested(101), "MALFORMED_REQUEST", ""},
		{"10,001 deep", nested(10_001), "MALFORMED_REQUEST", ""},
		{"open brackets", strings.Repeat("[", 1_000_000), "MALFORMED_REQUEST", ""},
	})
}

func TestI3_Encoding(t *testing.T) {
	t.Parallel()
	wantRefused(t, start(t), []refused{
		{"lone surrogate", with("name", `"\ud800"`), "MALFORMED_REQUEST", ""},
		{"surrogates the wrong way round", with("name", `"\udc00\ud800"`), "MALFORMED_REQUEST", ""},
		{"bad UTF-8", with("name", "\"\xff\""), "MALFORMED_REQUEST", ""},
		{"overlong slash", with("name", "\"\xc0\xaf\""), "MALFORMED_REQUEST", ""},
		{"bad UTF-8 in a name", with("\xff", "1"), "MALFORMED_REQUEST", ""},
	})
}

func TestI4_ControlCharacters(t *testing.T) {
	t.Parallel()
	s := start(t)
	var tests []refused
	for _, field := range []string{"name", "specialization", "industry", "description", "currency", "external_id", "job_role_id", "team_id"} {
		tests = append(tests, refused{"NUL in " + field, with(field, `"a\u0000b"`), "INVALID", "body." + field})
	}
	for _, field := range []string{"tags", "languages", "skill_ids", "allowed_durations"} {
		tests = append(tests, refused{"NUL in " + field, with(field, `["a\u0000b"]`), "INVALID", "body." + field + "[0]"})
	}
	tests = append(tests,
		refused{"escape character", with("description", `"a\u001bb"`), "INVALID", "body.description"},
		refused{"carriage return", with("description", `"a\r\nb"`), "INVALID", "body.description"},
		refused{"C1 control character", with("name", `"a\u0085b"`), "INVALID", "body.name"},
		refused{"newline in a name", with("name", `"a\nb"`), "INVALID", "body.name"},
		refused{"tab in a tag", with("tags", `["a\tb"]`), "INVALID", "body.tags[0]"})
	wantRefused(t, s, tests)
	s.Do(t, "POST", "/api/v1/agents", s.ada, with("description", `"a\n\tb"`)).Want(t, http.StatusCreated)
	for _, path := range []string{"/api/v1/agents/%00", "/api/v1/industries/a%00b", "/api/v1/%00"} {
		s.Do(t, "GET", path, "", "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	}
	for _, query := range []string{"industry=%00", "tag=a%00", "cursor=%00", "owner=%0a", "sort=%00", "updated_since=%00"} {
		s.Do(t, "GET", "/api/v1/agents?"+query, "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	}
	for _, sqlstate := range []string{"22021", "22P05"} {
		if strings.Contains(s.Log.String(), "SQLSTATE "+sqlstate) {
			t.Errorf("a NUL reached the database: SQLSTATE %s is in the log", sqlstate)
		}
	}
}

func TestI5_DuplicateKeys(t *testing.T) {
	t.Parallel()
	wantRefused(t, start(t), []refused{
		{"same value", `{"name":"a","name":"a"}`, "MALFORMED_REQUEST", ""},
		{"escaped", `{"name":"a","n\u0061me":"b"}`, "MALFORMED_REQUEST", ""},
		{"unknown and twice", `{"x":1,"x":2}`, "MALFORMED_REQUEST", ""},
		{"another case is another key, and unknown", with("Name", `"b"`), "INVALID", "body.Name"},
	})
	s := start(t)
	s.Do(t, "POST", "/api/v1/agents/batch", s.ada, `{"agents":[{"name":"a","name":"b"}]}`).WantProblem(t, http.StatusBadRequest, "MALFORMED_REQUEST")
	s.Do(t, "POST", "/api/v1/agents/batch", s.ada, `{"agents":[],"agents":[]}`).WantProblem(t, http.StatusBadRequest, "MALFORMED_REQUEST")
}

func TestI6_UnknownKeys(t *testing.T) {
	t.Parallel()
	wantRefused(t, start(t), []refused{
		{"unknown", with("rate", "1"), "INVALID", "body.rate"},
		{"wrong case", with("HOURLY_RATE", "1"), "INVALID", "body.HOURLY_RATE"},
		{"schema link", with("$schema", `"x"`), "INVALID", "body.$schema"},
	})
}

func TestI7_NotOneObject(t *testing.T) {
	t.Parallel()
	wantRefused(t, start(t), []refused{
		{"trailing bytes", writer + "x", "MALFORMED_REQUEST", ""},
		{"two documents", writer + writer, "MALFORMED_REQUEST", ""},
		{"byte order mark", "\ufeff" + writer, "MALFORMED_REQUEST", ""},
		{"blanks", "  ", "MALFORMED_REQUEST", ""},
		{"cut", writer[:20], "MALFORMED_REQUEST", ""},
		{"single quotes", `{'name':'a'}`, "MALFORMED_REQUEST", ""},
		{"comment", `{/**/}`, "MALFORMED_REQUEST", ""},
		{"null", "null", "INVALID", "body"},
		{"array", "[]", "INVALID", "body"},
		{"string", `"x"`, "INVALID", "body"},
	})
	s := start(t)
	s.Do(t, "POST", "/api/v1/agents", s.ada, "", apitest.Header{Name: "Content-Type", Value: "application/json"}).
		WantProblem(t, http.StatusBadRequest, "MALFORMED_REQUEST")
}

func TestI7_NullWhereThereIsNone(t *testing.T) {
	t.Parallel()
	wantRefused(t, start(t), []refused{
		{"name", with("name", "null"), "INVALID", "body.name"},
		{"specialization", with("specialization", "null"), "INVALID", "body.specialization"},
		{"hourly_rate", with("hourly_rate", "null"), "INVALID", "body.hourly_rate"},
		{"a tag", with("tags", "[null]"), "INVALID", "body.tags[0]"},
	})
}

func TestI8_L8_ContentType(t *testing.T) {
	t.Parallel()
	s := start(t)
	tests := map[string]int{
		"application/json":                  201,
		"Application/JSON; charset=UTF-8":   201,
		"application/json; charset=utf-16":  415,
		"text/json":                         415,
		"text/plain":                        415,
		"multipart/form-data; boundary=x":   415,
		"application/x-www-form-urlencoded": 415,
		"application/merge-patch+json":      415, // only of a PATCH
		"application/json; charset":         415,
		"nonsense":                          415,
	}
	for contentType, want := range tests {
		s.Do(t, "POST", "/api/v1/agents", s.ada, writer, apitest.Header{Name: "Content-Type", Value: contentType}).Want(t, want)
	}
	s.Do(t, "POST", "/api/v1/agents", s.ada, writer, apitest.Header{Name: "Content-Type"}).WantProblem(t, 415, "UNSUPPORTED_MEDIA_TYPE")
	for _, encoding := range []string{"gzip", "br", "nonsense"} {
		s.Do(t, "POST", "/api/v1/agents", s.ada, writer, apitest.Header{Name: "Content-Encoding", Value: encoding}).WantProblem(t, 415, "UNSUPPORTED_MEDIA_TYPE")
	}
	agent := s.publish(t, writer)
	s.Do(t, "PATCH", "/api/v1/agents/"+agent.ID.String(), s.ada, `{}`, apitest.Header{Name: "Content-Type", Value: "application/merge-patch+json"}).Want(t, 200)
}

func TestI10_Numbers(t *testing.T) {
	t.Parallel()
	s := start(t)
	var tests []refused
	for _, value := range []string{"0", "-1", "-0", "0.001", "85.001", "10000000000", "1e400", "-1e400", "1e-400", `"85"`, "true", "[85]", "9007199254740993.5"} {
		tests = append(tests, refused{"hourly_rate " + value, with("hourly_rate", value), "INVALID", "body.hourly_rate"})
	}
	for _, value := range []string{"-1", "91", "1.5", "9223372036854775808", "1e400", `"7"`} {
		tests = append(tests, refused{"trial_days " + value, with("trial_days", value), "INVALID", "body.trial_days"})
	}
	wantRefused(t, s, tests)
	for value, want := range map[string]string{"85": "85.00", "85.0": "85.00", "85.5": "85.50", "8.5e1": "85.00", "0.01": "0.01", "9999999999.99": "9999999999.99"} {
		answer := s.Do(t, "POST", "/api/v1/agents", s.ada, with("hourly_rate", value)).Want(t, http.StatusCreated)
		if !strings.Contains(answer.Body, `"hourly_rate":`+want+",") {
			t.Errorf("%s: want %s in %s", value, want, answer.Body)
		}
	}
	for _, days := range []string{"0", "90"} {
		answer := s.Do(t, "POST", "/api/v1/agents", s.ada, with("trial_days", days)).Want(t, http.StatusCreated)
		if !strings.Contains(answer.Body, `"trial_days":`+days+",") {
			t.Errorf("trial_days %s: %s", days, answer.Body)
		}
	}
	for _, query := range []string{"min_rating=-1", "min_rating=5.1", "min_rating=NaN", "min_rating=1e400", "max_hourly_rate=0", "max_hourly_rate=-1", "max_hourly_rate=Inf", "max_hourly_rate=x"} {
		s.Do(t, "GET", "/api/v1/agents?"+query, "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	}
}

// A rate of any number of paise within bounds comes back as it was sent, and makes a price of 160 times as much.
func TestI10_MoneyIsExact(t *testing.T) {
	t.Parallel()
	s := start(t)
	rapid.Check(t, func(r *rapid.T) {
		paise := rapid.Int64Range(1, 999_999_999_999).Draw(r, "paise")
		rate := catalog.Hundredths(paise)
		agent := s.publish(t, with("hourly_rate", rate.String()))
		if !agent.HourlyRate.Equal(rate) || !agent.Price.Equal(catalog.Hundredths(paise*160)) {
			r.Fatalf("sent %v, got %v and price %v", rate, agent.HourlyRate, agent.Price)
		}
	})
}
