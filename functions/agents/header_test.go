package agents

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// I17: whatever a header or an address holds, a request that is answered has one line in the log, of fields of our own.
func TestI17_HostileHeaders(t *testing.T) {
	t.Parallel()
	s := start(t)
	forged := `{"severity":"ERROR","message":"forged"}`
	// Each is a whole header line. net/http itself refuses those that are cut by a bare CR or LF: they never reach the function.
	lines := map[string]int{
		"X-Request-Id: a\r" + forged: 400, "X-Request-Id: a\n" + forged: 400, "X-Request-Id: a\x00b": 400, "X\rY: a": 400, "X Y: a": 400,
		"X-Request-Id: a\r\n " + forged: 200, "X-Request-Id: " + forged: 200, "X-Request-Id: \xff\xfe": 200, "X-Request-Id: a\tb": 200,
		"X-Request-Id: " + strings.Repeat("a", 129): 200, "X-Request-Id: <script>": 200, "X-Request-Id: %0d%0aX": 200, "X-Request-Id: é": 200,
		"User-Agent: " + forged: 200, "traceparent: " + forged: 200, "X-Cloud-Trace-Context: " + forged: 200, "If-None-Match: \xff": 200, "Origin: " + forged: 200,
		"Authorization: Bearer a\tb": 401, "Authorization: " + forged: 401, "Referer: \xff": 200, "X-Forwarded-For: " + forged: 200, "Accept: \xff": 200,
	}
	logged := 0
	for line, want := range lines {
		status, header, body := raw(t, s.URL, "GET /api/v1/agents HTTP/1.1\r\nHost: x\r\n"+line+"\r\nConnection: close\r\n\r\n")
		if status != want {
			t.Errorf("%.60q: got %d %s", line, status, body)
		}
		if want != http.StatusBadRequest {
			logged++
			if id := header.Get("X-Request-Id"); len(id) != 36 || strings.Contains(body, "forged") {
				t.Errorf("%.60q: X-Request-Id is %q: %s", line, id, body)
			}
		}
	}
	entries := bytes.Split(bytes.TrimSpace([]byte(s.Log.String())), []byte("\n"))
	if len(entries) != logged {
		t.Errorf("%d lines for %d requests: %s", len(entries), logged, s.Log)
	}
	for _, entry := range entries {
		var read struct {
			Severity, Message string
			RequestID         string `json:"request_id"`
		}
		if err := json.Unmarshal(entry, &read); err != nil || read.Message != "request" || read.Severity != "INFO" || len(read.RequestID) != 36 {
			t.Errorf("%v: %s", err, entry)
		}
	}
}

// I20: every address answers 405 to what it does not have, and says what it has.
func TestI20_EveryAddress(t *testing.T) {
	t.Parallel()
	s := start(t)
	operations, _ := published(t)
	id := s.publish(t, writer).ID.String()
	methods := map[string][]string{}
	for _, op := range operations {
		methods[op.at(id)] = append(methods[op.at(id)], op.Method)
	}
	for path, has := range methods {
		if slices.Contains(has, "GET") {
			has = append(has, "HEAD")
		}
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "OPTIONS", "PROPFIND", "get"} {
			if slices.Contains(has, method) || strings.HasPrefix(path, "/api/v1/agents/") && !strings.Contains(path, id) {
				continue // a word such as health or compare has what {id} has, which it could be
			}
			status, header, body := raw(t, s.URL, method+" "+path+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+s.ada+"\r\nX-HTTP-Method-Override: GET\r\nConnection: close\r\n\r\n")
			allowed := strings.Split(header.Get("Allow"), ", ")
			slices.Sort(allowed)
			if slices.Sort(has); status != http.StatusMethodNotAllowed || !slices.Equal(allowed, has) || strings.Contains(body, "MIME-Version") {
				t.Errorf("%s %s: got %d, Allow %v, want %v: %s", method, path, status, allowed, has, body)
			}
		}
	}
	for _, override := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"} {
		s.Do(t, "POST", "/api/v1/agents/"+id+"/restore?_method=DELETE", s.ada, "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
		s.Do(t, "GET", "/api/v1/agents/"+id, s.ada, "", apitest.Header{Name: override, Value: "DELETE"}).Want(t, http.StatusOK)
	}
}

// I21: a problem is read across origins as an answer is, by those who may and by nobody else.
func TestI21_ProblemsAcrossOrigins(t *testing.T) {
	t.Parallel()
	s := start(t)
	requests := []struct {
		method, path, token, body string
		want                      int
	}{
		{"GET", "/api/v1/agents", "", "", 200},
		{"GET", "/api/v1/agents?limit=0", "", "", 422},
		{"GET", "/api/v1/agents?a=%00", "", "", 422},
		{"GET", "/nothing", "", "", 404},
		{"GET", "/api/v1/agents/x", "", "", 404},
		{"POST", "/api/v1/agents", "", writer, 401},
		{"POST", "/api/v1/agents", s.ada, "{", 400},
		{"GET", "/api/v1/agents", "x", "", 401},
		{"POST", "/api/v1/agents", s.Token(t, auth.Customer, "carl"), writer, 403},
		{"POST", "/api/v1/agents", s.ada, writer, 201},
		{"TRACE", "/api/v1/agents", "", "", 405},
		{"OPTIONS", "/api/v1/agents", "", "", 405}, // no preflight: it asks for no method
	}
	for _, request := range requests {
		for origin, want := range map[string]string{"https://portal.example": "https://portal.example", "https://evil.example": "", "null": ""} {
			answer := s.Do(t, request.method, request.path, request.token, request.body, apitest.Header{Name: "Origin", Value: origin})
			if answer.Status != request.want || answer.Header.Get("Access-Control-Allow-Origin") != want || !slices.Contains(answer.Header.Values("Vary"), "Origin") {
				t.Errorf("%s %s of %s: %d %v", request.method, request.path, origin, answer.Status, answer.Header)
			}
		}
	}
	for _, method := range []string{"POST", "DELETE", "NONSENSE"} { // a preflight is answered wherever it goes, and grants no more
		preflight := s.Do(t, "OPTIONS", "/nothing", "", "", apitest.Header{Name: "Origin", Value: "https://portal.example"},
			apitest.Header{Name: "Access-Control-Request-Method", Value: method}, apitest.Header{Name: "Access-Control-Request-Headers", Value: "x-evil"})
		granted := preflight.Want(t, http.StatusNoContent).Header
		if strings.Contains(granted.Get("Access-Control-Allow-Methods"), "NONSENSE") || strings.Contains(granted.Get("Access-Control-Allow-Headers"), "evil") ||
			strings.Contains(granted.Get("Access-Control-Allow-Methods")+granted.Get("Access-Control-Allow-Headers"), "*") {
			t.Errorf("granted %v", granted)
		}
	}
}
