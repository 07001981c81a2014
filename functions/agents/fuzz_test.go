package agents

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// startFuzzed is start for a fuzz test, which has one service for all of its inputs.
func startFuzzed(f *testing.F) service {
	f.Helper()
	s := apitest.Start(f, Function)
	return service{s, s.Token(f, auth.Partner, "ada"), s.Token(f, auth.Governor, "grace")}
}

// onWire writes what cannot stand in a request's first line as the escapes that it arrives as.
func onWire(query string) string {
	var b strings.Builder
	for _, c := range []byte(query) {
		if c <= ' ' || c >= 0x7f || c == '#' {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// FuzzFilters: no query is too much for the list of agents. It is answered, or refused for what it says.
func FuzzFilters(f *testing.F) {
	for _, query := range []string{
		"", "industry=marketing", "specialization=Content writing", "status=available", "status=retired", "skill_id=" + apitest.AnID, "job_role_id={" + apitest.AnID + "}",
		"team_id=00000000-0000-0000-0000-000000000000", "tag=a&language=de", "owner=me", "owner=ada", "min_rating=4.5", "min_rating=1e-400", "min_rating=NaN", "max_hourly_rate=0x1p4",
		"max_hourly_rate=9999999999.99", "max_hourly_rate=1e308", "max_hourly_rate=5e-324", "updated_since=2026-01-31T09:30:00Z", "updated_since=9999-12-31T23:59:59.999999999+23:59",
		"updated_since=0001-01-01T00:00:00-23:59", "updated_since=-4713-01-01T00:00:00Z", "limit=1&skip=10000&count=exact", "limit=9223372036854775808", "count=estimated&sort=-rating",
		"cursor=AAAA", "sort=name&cursor=", "include_deleted=true", "industry=%", "tag=%00", "tag=%ff", "tag=a%", "tag=\u202e\u0130", "owner='; drop table plant.agents--", "q=1", "&&;=&==",
		"access_token=x", "tag=" + strings.Repeat("e\u0301", 50), "specialization=" + strings.Repeat("\u0344", 60), "sort=@limit", "tag=@tag", "language={}", "skill_id=" + strings.Repeat("0", 400),
	} {
		f.Add(query)
	}
	s := startFuzzed(f)
	s.Do(f, "POST", "/api/v1/agents", s.ada, writer).Want(f, http.StatusCreated)
	f.Fuzz(func(t *testing.T, query string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/api/v1/agents", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.URL.RawQuery = onWire(query)
		answer := s.Send(t, request)
		if answer.Status >= http.StatusInternalServerError {
			t.Fatalf("%q: %d %s", query, answer.Status, answer.Body)
		}
		if answer.Status == http.StatusOK {
			apitest.Decode[[]catalog.Agent](t, answer)
		}
	})
}

// FuzzBody: no body is too much for publishing an agent. What is accepted is read back as it was answered.
func FuzzBody(f *testing.F) {
	for _, body := range []string{
		writer, "", "{}", "null", "[]", `{"name":1}`, writer + writer, with("name", `""`), with("name", `"\u0000"`), with("name", `"\ud800"`), with("name", "\"\xff\""), with("name", `"cafe\u0301"`),
		with("name", `"\u202e\u2066"`), with("hourly_rate", "1e2"), with("hourly_rate", "0.001"), with("hourly_rate", "1e400"), with("hourly_rate", "-0"), with("hourly_rate", "9999999999.99"),
		with("hourly_rate", `"85"`), with("trial_days", "9223372036854775808"), with("trial_days", "90"), with("trial_days", "null"), with("tags", `["a","a",""]`), with("tags", `[null]`),
		with("tags", `["`+strings.Repeat("\u0344", 50)+`"]`), with("languages", `["de","x-y"]`), with("allowed_durations", `[]`), with("allowed_durations", `["monthly","monthly"]`),
		with("skill_ids", `["`+apitest.AnID+`"]`), with("skill_ids", `["00000000-0000-0000-0000-000000000000"]`), with("job_role_id", `"urn:uuid:`+apitest.AnID+`"`), with("team_id", `{}`),
		with("external_id", `"e"`), with("external_id", `null`), with("currency", `"\u20ac"`), with("industry", `"MARKETING"`), with("industry", `"mark\u0131ting"`), with("exclusive", "1"),
		with("owner", `"bob"`), with("Name", `"x"`), with("description", `"`+strings.Repeat("\U0001F600", 100)+`"`), strings.Repeat("[", 200), `{"a":` + strings.Repeat(`{"a":`, 90),
	} {
		f.Add([]byte(body))
	}
	s := startFuzzed(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		answer := s.Do(t, "POST", "/api/v1/agents", s.ada, string(body), apitest.Header{Name: "Content-Type", Value: "application/json"})
		if answer.Status >= http.StatusInternalServerError {
			t.Fatalf("%q: %d %s", body, answer.Status, answer.Body)
		}
		if answer.Status != http.StatusCreated {
			return
		}
		if !utf8.Valid(body) {
			t.Errorf("accepted %q", body)
		}
		if read := s.Do(t, "GET", answer.Header.Get("Location"), "", "").Want(t, http.StatusOK); read.Body != answer.Body {
			t.Errorf("answered %s, and read %s", answer.Body, read.Body)
		}
	})
}
