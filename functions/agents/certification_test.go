package agents

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// certifiable is what skills and job roles answer alike.
type certifiable struct {
	Version       int64
	Certification *catalog.Certification
}

func TestCertification_Life(t *testing.T) {
	t.Parallel()
	s := start(t)
	const expires = "2999-05-06T07:08:09.120000+02:00"
	for _, resource := range []string{"skills", "job-roles"} {
		path := s.keep(t, resource, "Negotiation")
		table := strings.ReplaceAll(resource, "-", "_")
		if body := s.Do(t, "GET", path, "", "").Body; strings.Contains(body, "certification\"") {
			t.Errorf("certified from birth: %s", body)
		}
		body := fmt.Sprintf(`{"level":"advanced","evidence_url":"https://evidence.example/a?b=c#d","issuer":"Cafe\u0301 Board","expires_at":%q}`, expires)
		answer := s.Do(t, "POST", path+"/certify", s.grace, body, key("k")).Want(t, http.StatusOK)
		got := apitest.Decode[certifiable](t, answer)
		until := time.Date(2999, 5, 6, 5, 8, 9, 120_000_000, time.UTC)
		want := &catalog.Certification{Level: "advanced", EvidenceURL: "https://evidence.example/a?b=c#d", Issuer: "Café Board", ExpiresAt: &until}
		if diff := cmp.Diff(want, got.Certification, cmpopts.IgnoreFields(catalog.Certification{}, "CertifiedAt")); diff != "" || got.Version != 2 || time.Since(got.Certification.CertifiedAt) > time.Hour {
			t.Errorf("version %d: %s", got.Version, diff)
		}
		if again := s.Do(t, "POST", path+"/certify", s.grace, body, key("k")).Want(t, http.StatusOK); again.Body != answer.Body || again.Header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("certified again: %s", again.Body)
		}
		read := s.Do(t, "GET", path, "", "")
		listed := s.Do(t, "GET", "/api/v1/"+resource, "", "").Body
		if read.Body != answer.Body || read.Header.Get("ETag") != answer.Header.Get("ETag") || !strings.Contains(listed, strings.TrimSpace(read.Body)) {
			t.Errorf("answered %s, read %s, listed %s", answer.Body, read.Body, listed)
		}
		// It expires by itself: no version tells of it, the tag does. What moves the time here is a change by hand.
		s.DB.Exec(t, `update plant.`+table+` set certified_at = now() - interval '2 days', certification_expires_at = now() - interval '1 day' where certified_at is not null`)
		late := s.Do(t, "GET", path, "", "", apitest.Header{Name: "If-None-Match", Value: read.Header.Get("ETag")}).Want(t, http.StatusOK)
		if got := apitest.Decode[certifiable](t, late); !got.Certification.Expired || got.Version != 3 || !strings.Contains(s.Do(t, "GET", "/api/v1/"+resource, "", "").Body, `"expired":true`) {
			t.Errorf("expired is %+v at version %d", got.Certification, got.Version)
		}
		// Another takes its place, here one that never expires.
		never := apitest.Decode[certifiable](t, s.Do(t, "POST", path+"/certify", s.grace, `{"level":"expert","evidence_url":"https://e","issuer":"B","expires_at":null}`).Want(t, http.StatusOK))
		if c := never.Certification; c.ExpiresAt != nil || c.Expired || c.Level != "expert" || never.Version != 4 {
			t.Errorf("got %+v at version %d", c, never.Version)
		}
		s.Do(t, "DELETE", path+"/certification", s.grace, "", apitest.Header{Name: "If-Match", Value: `"3"`}).WantProblem(t, http.StatusPreconditionFailed, "STALE")
		s.Do(t, "DELETE", path+"/certification", s.grace, "", apitest.Header{Name: "If-Match", Value: `"4"`}).Want(t, http.StatusNoContent)
		if left := apitest.Decode[certifiable](t, s.Do(t, "GET", path, "", "")); left.Certification != nil || left.Version != 5 {
			t.Errorf("left %+v", left)
		}
		s.Do(t, "DELETE", path+"/certification", s.grace, "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
		// What is deleted cannot be certified; a certification outlives it.
		s.Do(t, "POST", path+"/certify", s.grace, body).Want(t, http.StatusOK)
		s.Do(t, "DELETE", path, s.grace, "").Want(t, http.StatusNoContent)
		s.Do(t, "POST", path+"/certify", s.grace, body).WantProblem(t, http.StatusNotFound, "NOT_FOUND")
		s.Do(t, "DELETE", path+"/certification", s.grace, "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
		if back := apitest.Decode[certifiable](t, s.Do(t, "POST", path+"/restore", s.grace, "").Want(t, http.StatusOK)); back.Certification == nil {
			t.Error("restored without its certification")
		}
	}
}

func TestCertification_Refused(t *testing.T) {
	t.Parallel()
	s := start(t)
	whole := map[string]string{"level": `"expert"`, "evidence_url": `"https://evidence.example/1"`, "issuer": `"Board"`}
	draft := func(member, value string) string {
		var parts []string
		for name, text := range whole {
			if name != member {
				parts = append(parts, fmt.Sprintf("%q:%s", name, text))
			}
		}
		if value != "" {
			parts = append(parts, fmt.Sprintf("%q:%s", member, value))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	tests := map[string][]string{
		"level": {`"Expert"`, `"master"`, `""`, "1", "null", `["expert"]`},
		"evidence_url": {
			`""`, `"http://evidence.example"`, `"evidence.example/1"`, `"//evidence.example"`, `"/1"`, `"https://"`, `"https:///x"`, `"https:evidence.example"`, `"HTTPS://e"`, `"ftp://e"`,
			`"javascript:alert(1)"`, `"https://user:pass@evidence.example"`, `"https://user@evidence.example"`, `" https://e"`, `"https://e/a b"`, `"https://e/\"x"`, `"https://é.example"`,
			`"https://e/%zz"`, `"https://[::1"`, `"https://:443/x"`, `"https://?x"`, `"https://e/` + strings.Repeat("a", 2048) + `"`, "null", "1", `"https://e\n"`,
		},
		"issuer":     {`""`, `" "`, `"\u200b"`, `"a\nb"`, `"a\tb"`, `"` + strings.Repeat("a", 256) + `"`, `"` + strings.Repeat(`\u0344`, 200) + `"`, "null", "1"},
		"expires_at": {`"2026-01-31"`, `"tomorrow"`, `""`, `"2020-01-31T00:00:00Z"`, `"0001-01-01T00:00:00Z"`, `"0000-01-01T00:00:00Z"`, `"9999-12-31T23:59:59-01:00"`, `"10000-01-01T00:00:00Z"`, `"2999-02-30T00:00:00Z"`, `"2999-01-01T00:00:00"`, "4102444800", "true"},
		"nonsense":   {"1"}, "Level": {`"expert"`}, "certified_at": {`"2026-01-31T00:00:00Z"`}, "certified_by": {`"x"`}, "expired": {"false"},
	}
	for _, resource := range []string{"skills", "job-roles"} {
		path := s.keep(t, resource, "Negotiation")
		for member, values := range tests {
			for _, value := range values {
				problem := apitest.Decode[httpapi.Problem](t, s.Do(t, "POST", path+"/certify", s.grace, draft(member, value)).WantProblem(t, http.StatusUnprocessableEntity, "INVALID"))
				if len(problem.Errors) != 1 || problem.Errors[0].Location != "body."+member {
					t.Errorf("%s = %.60s: %+v", member, value, problem)
				}
			}
		}
		for member := range whole {
			s.Do(t, "POST", path+"/certify", s.grace, draft(member, "")).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
		}
		if after := apitest.Decode[certifiable](t, s.Do(t, "GET", path, "", "")); after.Version != 1 || after.Certification != nil {
			t.Errorf("refused bodies left %+v", after)
		}
		for _, value := range []string{`"https://e"`, `"https://e.example:8443/a/b.pdf?x=%20#y"`, `"https://[::1]/"`, `"https://e/` + strings.Repeat("a", 2038) + `"`} {
			s.Do(t, "POST", path+"/certify", s.grace, draft("evidence_url", value)).Want(t, http.StatusOK)
		}
		// A moment ahead of the database's clock is the future, and one behind is not, whatever the function's clock says.
		for ahead, want := range map[time.Duration]int{time.Minute: http.StatusOK, -time.Second: http.StatusUnprocessableEntity} {
			s.Do(t, "POST", path+"/certify", s.grace, draft("expires_at", `"`+time.Now().Add(ahead).Format(time.RFC3339Nano)+`"`)).Want(t, want)
		}
		s.Do(t, "POST", path+"/certify", s.grace, draft("expires_at", `"9999-12-31T23:59:59Z"`)).Want(t, http.StatusOK)
	}
}

// A certification is written the same wherever it stands, whatever fraction of a second its times have.
func TestCertification_ListedAsItIsRead(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := s.keep(t, "skills", `Quotes " and \ and é 👩‍👩‍👧`)
	for _, moment := range []string{"2999-01-01T00:00:00Z", "2999-12-31T23:59:59.999999Z", "2999-10-10T10:10:10.1Z", "2999-10-10T10:10:10.000001Z", "2999-10-10T10:10:10.100100Z", "2999-10-10T10:10:00Z"} {
		body := fmt.Sprintf(`{"level":"expert","evidence_url":"https://e","issuer":"A \" b \\ c  d","expires_at":%q}`, moment)
		s.Do(t, "POST", path+"/certify", s.grace, body).Want(t, http.StatusOK)
		s.DB.Exec(t, `update plant.skills set certified_at = certification_expires_at - interval '900 years'`)
		read, listed := s.Do(t, "GET", path, "", "").Body, s.Do(t, "GET", "/api/v1/skills", "", "").Body
		if want := "[" + strings.TrimSpace(read) + "]"; strings.TrimSpace(listed) != want {
			t.Errorf("read %s, listed %s", want, listed)
		}
	}
}
