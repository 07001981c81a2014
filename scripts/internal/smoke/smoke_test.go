package smoke_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/waooaw/plant/scripts/internal/smoke"
)

// plant answers as Plant does, so far as it is asked. A test breaks one thing of it.
type plant struct {
	broken  string // the request that is answered wrongly
	deleted bool
	tokens  map[string]int // requests by their token
}

const agent = `{"id":"01920000-0000-7000-8000-000000000001","hourly_rate":2.5}`

func (p *plant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.tokens[r.Header.Get("Authorization")]++
	request := r.Method + " " + r.URL.Path
	h := w.Header()
	if request == p.broken {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	problem := func(status int, code string) {
		h.Set("Content-Type", "application/problem+json")
		h.Set("WWW-Authenticate", "Bearer")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"code":"%s","request_id":"1"}`, code)
	}
	say := func(status int, body string) {
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body)
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'self'")
	h.Set("ETag", `"1.0"`)
	h.Set("Cache-Control", "public, max-age=5")
	path := strings.TrimSuffix(r.URL.Path, "/")
	switch {
	case strings.HasSuffix(path, "/health"), strings.HasSuffix(path, "/ready"), path == "/api/v1/changes":
		h.Set("Cache-Control", "no-store")
		say(200, `{"changes":[]}`)
	case strings.HasPrefix(path, "/internal/"):
		say(404, "")
	case path == "/api/v1/no-such-thing", p.deleted && strings.HasSuffix(path, "0001"):
		problem(404, "NOT_FOUND")
	case r.Method == http.MethodPost && r.Header.Get("Authorization") == "":
		problem(401, "UNAUTHENTICATED")
	case r.Method == http.MethodPost:
		h.Set("Location", "/api/v1/agents/01920000-0000-7000-8000-000000000001")
		say(201, agent)
	case r.Method == http.MethodDelete:
		p.deleted = true
		say(204, "")
	case strings.HasSuffix(path, "0001"), strings.HasSuffix(path, "/status"), strings.HasSuffix(path, "/metrics"):
		say(200, agent)
	case path == "/api/v1/audit/checkpoint":
		say(200, "plant.test/log\n1\nroot\n\n— plant.test/log signature\n")
	case path == "/openapi.json":
		say(200, `{"openapi":"3.1.0"}`)
	default:
		say(200, "["+agent+"]")
	}
}

func run(t *testing.T, p *plant, token string) (printed string, err error) {
	t.Helper()
	p.tokens = map[string]int{}
	server := httptest.NewServer(p)
	defer server.Close()
	var out bytes.Buffer
	err = smoke.Run(t.Context(), smoke.Config{URL: server.URL + "/", Token: token, Wait: 10 * time.Millisecond, Out: &out})
	return out.String(), err
}

func TestRun(t *testing.T) {
	t.Parallel()
	p := &plant{}
	if printed, err := run(t, p, ""); err != nil || p.tokens[""] == 0 || len(p.tokens) != 1 {
		t.Errorf("%v, tokens %v\n%s", err, p.tokens, printed)
	}
	if p.deleted {
		t.Error("what was only to be read was deleted")
	}
	if printed, err := run(t, p, "secret"); err != nil || p.tokens["Bearer secret"] != 5 || !p.deleted {
		t.Errorf("%v, tokens %v, deleted %v\n%s", err, p.tokens, p.deleted, printed)
	}
}

// Each thing that is not as it should be is named, and the others are asked all the same.
func TestRun_Broken(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{
		"GET /api/v1/search/health", "GET /api/v1/agents", "GET /api/v1/agents/", "GET /api/v1/agents/available/search", "GET /api/v1/teams",
		"GET /api/v1/changes", "GET /api/v1/audit/checkpoint", "GET /openapi.json", "GET /docs/", "POST /internal/index",
		"PUT /api/v1/agents/01920000-0000-7000-8000-000000000001", "DELETE /api/v1/agents/01920000-0000-7000-8000-000000000001",
	} {
		t.Run(broken, func(t *testing.T) {
			t.Parallel()
			printed, err := run(t, &plant{broken: broken}, "secret")
			if err == nil {
				t.Errorf("nobody noticed\n%s", printed)
			}
			method, path, _ := strings.Cut(broken, " ")
			found := false
			for line := range strings.Lines(printed) {
				found = found || strings.HasPrefix(line, "FAILED") && strings.Contains(line, method) && strings.Contains(line, path)
			}
			if !found || strings.Contains(printed, "secret") {
				t.Errorf("%s", printed)
			}
		})
	}
}

func TestRun_Nowhere(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "localhost:8080", "ftp://localhost", "http://"} {
		if err := smoke.Run(t.Context(), smoke.Config{URL: url, Out: &bytes.Buffer{}}); err == nil || !strings.Contains(err.Error(), "no http:// or https:// URL") {
			t.Errorf("%q: %v", url, err)
		}
	}
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	var out bytes.Buffer
	if err := smoke.Run(t.Context(), smoke.Config{URL: server.URL, Out: &out, Wait: time.Millisecond}); err == nil {
		t.Errorf("nobody is there\n%s", &out)
	}
}
