package agents

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// hostile texts would do harm wherever text became part of a statement, a pattern or a query language.
var hostile = []string{
	`' or '1'='1`, `'; drop table agents; --`, `" or ""="`, `\' or 1=1--`, `$$;select pg_sleep(9)$$`, `%`, `_`, `%%`, `a%`, `\`, `\\`,
	`' & !'`, `:*`, `a:*`, `(`, `)`, `a|b`, `a & b`, `!a`, `<->`, `*`, `?`, `{`, `[`, `${jndi:ldap://x}`, `{{7*7}}`, `@id`, `$1`, `1e1`, `null`,
}

func TestI13_TextOfACallerIsOnlyText(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.publish(t, writer)
	for _, filter := range []string{"industry", "specialization", "tag", "language", "owner"} {
		for _, text := range hostile {
			answer := s.Do(t, "GET", "/api/v1/agents?"+filter+"="+url.QueryEscape(text), "", "")
			if len(text) <= 35 && (answer.Status != http.StatusOK || answer.Body != "[]\n" && answer.Body != "[]") {
				t.Errorf("%s=%s: got %d %s", filter, text, answer.Status, answer.Body)
			}
		}
	}
	for _, text := range hostile {
		for _, parameter := range []string{"status", "sort", "cursor", "limit", "skip", "skill_id", "job_role_id", "team_id", "min_rating", "max_hourly_rate", "updated_since", "count"} {
			if answer := s.Do(t, "GET", "/api/v1/agents?"+parameter+"="+url.QueryEscape(text), "", ""); answer.Status != http.StatusUnprocessableEntity &&
				(text != "1e1" || answer.Status != http.StatusOK) {
				t.Errorf("%s=%s: got %d %s", parameter, text, answer.Status, answer.Body)
			}
		}
		s.Do(t, "GET", "/api/v1/agents/"+url.PathEscape(text), "", "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
		s.Do(t, "GET", "/api/v1/industries/"+url.PathEscape(text), "", "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	}
	if got := s.Do(t, "GET", "/api/v1/agents?count=exact", "", "").Header.Get("X-Total-Count"); got != "1" {
		t.Errorf("%s agents are left", got)
	}
}

// What is stored comes back letter by letter, and is found by itself alone.
func TestI15_MetacharactersAreLiteral(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, text := range hostile {
		body, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		agent := s.publish(t, strings.Replace(with("specialization", string(body)), `"Campaign Writer"`, string(body), 1))
		if agent.Name != text || agent.Specialization != text {
			t.Errorf("stored %q as %q and %q", text, agent.Name, agent.Specialization)
		}
	}
	for _, text := range hostile {
		found := apitest.Decode[[]catalog.Agent](t, s.Do(t, "GET", "/api/v1/agents?specialization="+url.QueryEscape(text), "", "").Want(t, http.StatusOK))
		if len(found) != 1 || found[0].Specialization != text {
			t.Errorf("%q finds %d agents", text, len(found))
		}
	}
}

// There is no grammar of filters: whatever is not a filter is refused by name, at once and however long.
func TestI14_UnknownParameters(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, query := range []string{"filter=a", "$filter=a eq 1", "industry[eq]=sales", "Industry=sales", "sort[]=name", "owner.id=x", strings.Repeat("(", 5000) + "=1"} {
		name, value, _ := strings.Cut(query, "=")
		s.Do(t, "GET", "/api/v1/agents?"+url.QueryEscape(name)+"="+url.QueryEscape(value), "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	}
	s.Do(t, "GET", "/api/v1/agents?industry=sales&industry=marketing", "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	s.Do(t, "GET", "/api/v1/agents?tag="+strings.Repeat("a", 5000), "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	for _, query := range []string{"tag=%zz", "a;b=1", "tag=%ff"} {
		request, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/api/v1/agents", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.URL.RawQuery = query
		s.Send(t, request).WantProblem(t, http.StatusBadRequest, "MALFORMED_REQUEST")
	}
}

// raw sends a request as it is written and returns the answer.
func raw(t *testing.T, serverURL, request string) (status int, header http.Header, body string) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(serverURL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}

func TestI16_PathTricks(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.publish(t, writer).ID.String()
	for _, path := range []string{
		"/api/v1/agents/..%2f..%2fagents", "/api/v1/agents/../agents", "/api/v1/./agents", "//api/v1/agents", "/api//v1/agents", "/api/v1/agents//",
		"/api/v1/agents/" + id + "%2fstatus", "/api/v1/agents/%2e%2e/skills", "/api/v1/agents/..;/skills", "/api/v1/agents;x=1", `/api/v1/agents/..\skills`,
		"/api/v1/agents/%5c..", "/API/V1/agents", "/api/v1/agents/" + id + ";v=1", "/api/v1/agents/" + id + "%00", "/api/v1/agentsX", "/api/v2/agents", "/../etc/passwd",
		"/api/v1/agents/" + id + "/", // the only one that is there
	} {
		status, _, body := raw(t, s.URL, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		want := http.StatusNotFound
		if strings.HasSuffix(path, id+"/") {
			want = http.StatusOK
		}
		if status != want {
			t.Errorf("%s: got %d %s", path, status, body)
		}
	}
}

func TestI17_OneLogLineARequest(t *testing.T) {
	t.Parallel()
	s := start(t)
	before := strings.Count(s.Log.String(), "\n")
	s.Do(t, "GET", "/api/v1/agents/%0d%0a%7b%22severity%22:%22ERROR%22%7d", "", "")
	s.Do(t, "GET", "/api/v1/agents?tag=%0d%0aX", "", "")
	raw(t, s.URL, "GET /api/v1/agents HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\"b{}\r\nConnection: close\r\n\r\n")
	_, header, _ := raw(t, s.URL, "GET /api/v1/agents/health HTTP/1.1\r\nHost: x\r\nX-Request-Id: sane-1\r\nConnection: close\r\n\r\n")
	if header.Get("X-Request-Id") != "sane-1" {
		t.Errorf("X-Request-Id is %q", header.Get("X-Request-Id"))
	}
	lines := strings.Split(strings.TrimSpace(s.Log.String()), "\n")[before:]
	if len(lines) != 4 {
		t.Errorf("%d lines for 4 requests: %s", len(lines), s.Log)
	}
	for _, line := range lines {
		var entry struct{ Severity, Message string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Message != "request" || entry.Severity != "INFO" {
			t.Errorf("%v: %s", err, line)
		}
	}
}

func TestI20_Methods(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := "/api/v1/agents/" + s.publish(t, writer).ID.String()
	tests := map[string][]string{
		"/api/v1/agents":       {"GET", "HEAD", "POST"},
		path:                   {"DELETE", "GET", "HEAD", "PATCH", "PUT"},
		path + "/status":       {"PUT"},
		"/api/v1/skills":       {"GET", "HEAD"},
		"/api/v1/agents/ready": {"GET", "HEAD"},
	}
	for path, allowed := range tests {
		for _, method := range []string{"TRACE", "NONSENSE", "OPTIONS", "COPY"} {
			answer := s.Do(t, method, path, s.ada, "").WantProblem(t, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
			got := strings.Split(answer.Header.Get("Allow"), ", ")
			slices.Sort(got)
			// A fixed word such as health also has the methods of {id}, which it could be.
			for _, method := range allowed {
				if !slices.Contains(got, method) {
					t.Errorf("%s: Allow is %v, without %s", path, got, method)
				}
			}
		}
	}
	overridden := s.Do(t, "POST", "/api/v1/agents", s.ada, writer, apitest.Header{Name: "X-HTTP-Method-Override", Value: "DELETE"})
	overridden.Want(t, http.StatusCreated)
	s.Do(t, "GET", path, "", "", apitest.Header{Name: "X-HTTP-Method-Override", Value: "DELETE"}).Want(t, http.StatusOK)
	s.Do(t, "GET", path, "", "").Want(t, http.StatusOK)
}

func TestI21_CrossOrigin(t *testing.T) {
	t.Parallel()
	nothing := start(t, func(settings *httpapi.Settings) {
		settings.Database.URL = config.Secret("postgres://nobody@127.0.0.1:1/none") // a preflight asks no database
	})
	tests := map[string]bool{
		"https://portal.example": true, "https://evil.example": false, "null": false, "https://portal.example.evil.example": false,
		"https://evilportal.example": false, "http://portal.example": false, "https://portal.example:444": false, "HTTPS://PORTAL.EXAMPLE": false,
	}
	for origin, allowed := range tests {
		from := apitest.Header{Name: "Origin", Value: origin}
		preflight := nothing.Do(t, "OPTIONS", "/api/v1/agents", "", "", from, apitest.Header{Name: "Access-Control-Request-Method", Value: "POST"}).Want(t, http.StatusNoContent)
		health := nothing.Do(t, "GET", "/api/v1/agents/health", "", "", from).Want(t, http.StatusOK)
		for _, answer := range []apitest.Answer{preflight, health} {
			got := answer.Header.Get("Access-Control-Allow-Origin")
			if allowed && got != origin || !allowed && got != "" {
				t.Errorf("%s: Access-Control-Allow-Origin is %q", origin, got)
			}
			if !slices.Contains(answer.Header.Values("Vary"), "Origin") || answer.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s: %v", origin, answer.Header)
			}
		}
		if got := preflight.Header.Get("Access-Control-Allow-Methods"); (got != "") != allowed {
			t.Errorf("%s: Access-Control-Allow-Methods is %q", origin, got)
		}
		if exposed := health.Header.Get("Access-Control-Expose-Headers"); allowed && !strings.Contains(exposed, "ETag") {
			t.Errorf("%s: exposed are %q", origin, exposed)
		}
	}
}

// Every operation of the document is routed here, is served, and nothing else is.
func TestI30_Inventory(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, operation := range apitest.Operations(t, Function) {
		method, path, _ := strings.Cut(operation, " ")
		if got := s.Do(t, method, strings.NewReplacer("{id}", apitest.AnID, "{agent_id}", apitest.AnID).Replace(path), "", "").Status; got == http.StatusMethodNotAllowed {
			t.Errorf("%s is described and not there", operation)
		}
	}
	for _, path := range []string{
		"/", "/api", "/api/v1", "/api/v1/agent", "/openapi.json", "/openapi.yaml", "/docs", "/schemas/Agent", "/schemas/Agent.json", "/debug/pprof/", "/metrics",
		"/internal/other", "/api/v1/team", "/api/v1/agents/x/y/z", "/api/v1/health", "/.env", "/.git/config",
	} {
		s.Do(t, "GET", path, s.Token(t, auth.Governor, "grace"), "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
	}
}

// Names are kept in NFC, otherwise letter by letter.
func TestI22_UnicodeNames(t *testing.T) {
	t.Parallel()
	s := start(t)
	tests := map[string]string{
		"Caf\u0065\u0301":        "Café",
		"İstanbul ıI":            "İstanbul ıI",
		"\u202eexe.fdp":          "\u202eexe.fdp",
		"zero\u200bwidth":        "zero\u200bwidth",
		"👩‍👩‍👧‍👦 family":         "👩‍👩‍👧‍👦 family",
		"Раураl":                 "Раураl",
		"हिन्दी लेखक":            "हिन्दी लेखक",
		strings.Repeat("é", 255): strings.Repeat("é", 255),
	}
	for sent, want := range tests {
		body, err := json.Marshal(sent)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.publish(t, with("name", string(body))).Name; got != want {
			t.Errorf("%q became %q, want %q", sent, got, want)
		}
	}
	for _, name := range []string{`""`, `"  "`, `"\u00a0"`, `"` + strings.Repeat("é", 256) + `"`} {
		s.Do(t, "POST", "/api/v1/agents", s.ada, with("name", name)).WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	}
	s.publish(t, with("tags", `["caf\u00e9"]`))
	for _, tag := range []string{"café", "cafe\u0301"} {
		found := apitest.Decode[[]catalog.Agent](t, s.Do(t, "GET", "/api/v1/agents?tag="+url.QueryEscape(tag), "", ""))
		if len(found) != 1 {
			t.Errorf("tag %q finds %d", tag, len(found))
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		name := rapid.StringMatching(`[\p{L}\p{N}\p{S}][\p{L}\p{M}\p{N}\p{S} ]{0,40}`).Draw(r, "name")
		body, err := json.Marshal(name)
		if err != nil {
			r.Fatal(err)
		}
		first := s.publish(t, with("name", string(body))).Name
		body, err = json.Marshal(first)
		if err != nil {
			r.Fatal(err)
		}
		if again := s.publish(t, with("name", string(body))).Name; again != first {
			r.Fatalf("%q became %q, then %q", name, first, again)
		}
	})
}

func TestI28_PayloadsAreData(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, name := range []string{`=cmd|' /C calc'!A0`, `<script>alert(1)</script>`, `+1+1`, `@SUM(1)`, `-->`, `"><img src=x onerror=x>`} {
		body, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		agent := s.publish(t, with("name", string(body)))
		answer := s.Do(t, "GET", "/api/v1/agents/"+agent.ID.String(), "", "", apitest.Header{Name: "Accept", Value: "text/html"}).Want(t, http.StatusOK)
		if diff := cmp.Diff(name, apitest.Decode[catalog.Agent](t, answer).Name); diff != "" {
			t.Error(diff)
		}
		if got := answer.Header.Get("Content-Type"); got != "application/json" {
			t.Errorf("Content-Type is %q", got)
		}
	}
}
