package agents

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// spellings of an id that a lenient parser would take for it.
func spellings(id string) []string {
	return []string{"{" + id + "}", "urn:uuid:" + id, strings.ReplaceAll(id, "-", ""), `"` + id + `"`, " " + id, id + " ", strings.Replace(id, "-", "", 1)}
}

// A23: an id is written in one way. What is no id names nothing in a path.
func TestA23_OneSpellingOfAnID(t *testing.T) {
	t.Parallel()
	s := start(t)
	skill := s.skill(t, "A")
	agent := s.publish(t, with("skill_ids", `["`+skill.String()+`"]`)).ID.String()
	s.Do(t, "GET", "/api/v1/agents/"+strings.ToUpper(agent), "", "").Want(t, http.StatusOK)
	for _, id := range spellings(agent) {
		s.Do(t, "GET", "/api/v1/agents/"+url.PathEscape(id), "", "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
		s.Do(t, "PUT", "/api/v1/agents/"+url.PathEscape(id), s.ada, `{}`).WantProblem(t, http.StatusNotFound, "NOT_FOUND")
		s.Do(t, "DELETE", "/api/v1/agents/"+url.PathEscape(id), s.ada, "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	}
	for _, id := range spellings(skill.String()) {
		s.Do(t, "GET", "/api/v1/skills/"+url.PathEscape(id), "", "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	}
}

// The id of nothing is the id of nothing, and not a filter that was left out.
func TestList_OfTheZeroID(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.publish(t, writer)
	const zero = "00000000-0000-0000-0000-000000000000"
	for _, filter := range []string{"skill_id", "job_role_id", "team_id"} {
		s.Do(t, "GET", "/api/v1/agents?"+filter+"="+zero, "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	}
	s.Do(t, "GET", "/api/v1/agents/"+zero, "", "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
}

// I10: numbers of a query are decimal ones, and not whatever Go takes for a number.
func TestI10_NumbersOfAQuery(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.publish(t, writer)
	for _, number := range []string{"0x1p1", "0X1P1", "0_1", "1_0", "inf", "Infinity", "NaN", "nan", "+Inf", "1e400", "1,5", "", "٣", " 1", "1 "} {
		for _, parameter := range []string{"min_rating", "max_hourly_rate", "min_success_rate", "max_p95_duration_ms"} {
			want := http.StatusUnprocessableEntity
			if number == "" {
				want = http.StatusOK // as if it had been left out
			}
			if answer := s.Do(t, "GET", "/api/v1/agents?"+parameter+"="+url.QueryEscape(number), "", ""); answer.Status != want {
				t.Errorf("%s=%q: got %d %s", parameter, number, answer.Status, answer.Body)
			}
		}
	}
	for _, number := range []string{"9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551616", "1.0", "1e1", "0x1", "1_0", "٣", " 1", "NaN", "-1"} {
		for _, parameter := range []string{"limit", "skip"} {
			s.Do(t, "GET", "/api/v1/agents?"+parameter+"="+url.QueryEscape(number), "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
		}
	}
	for query, want := range map[string]int{
		"max_hourly_rate=84.99": 0, "max_hourly_rate=85": 1, "max_hourly_rate=85.00": 1, "max_hourly_rate=8.5e1": 1, "max_hourly_rate=9999999999.99": 1,
		"max_hourly_rate=84.999999": 0, "min_rating=0": 1, "min_rating=-0": 1, "min_rating=5": 0, "min_rating=1e-9": 0,
	} {
		if found := s.all(t, "/api/v1/agents?"+query); len(found) != want {
			t.Errorf("%s finds %d, want %d", query, len(found), want)
		}
	}
}
