// Package smoke asks a running Plant what users ask first, through whatever stands in front of it.
package smoke

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	answerTimeout = 20 * time.Second // of a function that is only being started, too
	pause         = time.Second      // between two looks whether it is ready
	maxAnswer     = 16 << 20         // the reference's scripts are the longest
)

// Config is what is asked.
type Config struct {
	URL   string        // of the load balancer or the gateway
	Token string        // of a partner, for an agent that is published and deleted; "" writes nothing
	Wait  time.Duration // how long to wait until all functions are ready
	Out   io.Writer     // gets a line for each question
}

// Run asks everything, and returns an error that says how much was wrong.
func Run(ctx context.Context, cfg Config) error {
	base, err := url.Parse(cfg.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return fmt.Errorf("%q is no http:// or https:// URL", cfg.URL)
	}
	s := &run{Config: cfg, base: base, client: &http.Client{
		Timeout: answerTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	s.URL = strings.TrimSuffix(s.URL, "/")
	defer s.client.CloseIdleConnections()
	s.awaitReady(ctx)
	s.read(ctx)
	if cfg.Token != "" {
		s.write(ctx)
	}
	if s.failed > 0 {
		return fmt.Errorf("%d of %d answers are not as they should be", s.failed, s.asked)
	}
	_, _ = fmt.Fprintf(s.Out, "all %d answers are as they should be\n", s.asked) // nobody reads what cannot be written
	return nil
}

// run is one run over all questions.
type run struct {
	Config

	base          *url.URL
	client        *http.Client
	token         string // of what is asked now
	asked, failed int
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// expectation says what is wrong with an answer, or nothing.
type expectation func(answer) error

// ask sends a request, prints what became of it, and returns the answer.
func (s *run) ask(ctx context.Context, method, path, body string, expected expectation) answer {
	begin := time.Now()
	got, err := s.send(ctx, method, path, body)
	if err == nil {
		err = expected(got)
	}
	s.asked++
	mark := "ok    "
	if err != nil {
		s.failed++
		mark = "FAILED"
	}
	line := fmt.Sprintf("%s %7.1f ms  %-6s %s", mark, float64(time.Since(begin).Microseconds())/1000, method, path)
	if err != nil {
		line += ": " + err.Error()
	}
	_, _ = fmt.Fprintln(s.Out, line) // nobody reads what cannot be written
	return got
}

func (s *run) send(ctx context.Context, method, path, body string) (answer, error) {
	address := path
	if strings.HasPrefix(path, "/") {
		address = s.URL + path
	}
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if s.token != "" {
		request.Header.Set("Authorization", "Bearer "+s.token)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return answer{response.StatusCode, response.Header, text}, err
}

func status(want int) expectation {
	return func(a answer) error {
		if a.status != want {
			return fmt.Errorf("answered %d, not %d: %.200s", a.status, want, bytes.TrimSpace(a.body))
		}
		return nil
	}
}

func all(expectations ...expectation) expectation {
	return func(a answer) error {
		for _, expected := range expectations {
			if err := expected(a); err != nil {
				return err
			}
		}
		return nil
	}
}

func holds(text string) expectation {
	return func(a answer) error {
		if !bytes.Contains(a.body, []byte(text)) {
			return fmt.Errorf("has no %q in it: %.200s", text, a.body)
		}
		return nil
	}
}

func header(name, want string) expectation {
	return func(a answer) error {
		if got := a.header.Get(name); !strings.Contains(got, want) || got == "" {
			return fmt.Errorf("has the %s %q, not %q", name, got, want)
		}
		return nil
	}
}

// array accepts a JSON array of objects.
func array(a answer) error {
	var list []map[string]any
	if err := json.Unmarshal(a.body, &list); err != nil || list == nil {
		return fmt.Errorf("is no list: %.200s", a.body)
	}
	return nil
}

// problem accepts a whole problem document.
func problem(code string) expectation {
	return all(header("Content-Type", "application/problem+json"), holds(`"code":"`+code+`"`), holds(`"request_id"`))
}

var functions = []string{"agents", "search", "metrics"}

// awaitReady waits until every function is ready, and lets read say what is not.
func (s *run) awaitReady(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.Wait)
	defer cancel()
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for _, name := range functions {
		for {
			got, err := s.send(ctx, http.MethodGet, "/api/v1/"+name+"/ready", "")
			if err == nil && got.status == http.StatusOK {
				break
			}
			select {
			case <-ticker.C:
				continue
			case <-ctx.Done():
				return
			}
		}
	}
}

// read asks what changes nothing.
func (s *run) read(ctx context.Context) {
	ok := status(http.StatusOK)
	for _, name := range functions {
		s.ask(ctx, http.MethodGet, "/api/v1/"+name+"/health", "", all(ok, header("Cache-Control", "no-store")))
		s.ask(ctx, http.MethodGet, "/api/v1/"+name+"/ready", "", ok)
	}
	agents := s.ask(ctx, http.MethodGet, "/api/v1/agents?limit=1", "", all(ok, array, header("Cache-Control", "public"), header("X-Content-Type-Options", "nosniff")))
	s.ask(ctx, http.MethodGet, "/api/v1/agents/?limit=1", "", all(ok, array)) // a slash at the end does not matter
	s.ask(ctx, http.MethodGet, "/api/v1/agents/available/search?query=writer&limit=3", "", all(ok, array))
	for _, resource := range []string{"skills", "job-roles", "industries", "teams"} {
		s.ask(ctx, http.MethodGet, "/api/v1/"+resource+"?limit=1", "", all(ok, array))
	}
	var first []struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(agents.body, &first) == nil && len(first) > 0 {
		path := "/api/v1/agents/" + first[0].ID
		s.ask(ctx, http.MethodGet, path, "", all(ok, holds(first[0].ID), header("ETag", `"`)))
		s.ask(ctx, http.MethodGet, path+"/metrics", "", ok)
	}
	s.ask(ctx, http.MethodGet, "/api/v1/changes?after=0", "", all(ok, holds(`"changes":[`), header("Cache-Control", "no-store")))
	s.ask(ctx, http.MethodGet, "/api/v1/audit/checkpoint", "", all(ok, holds("\n\n— "))) // what signs it
	s.ask(ctx, http.MethodGet, "/openapi.json", "", all(ok, holds(`"openapi"`)))
	s.ask(ctx, http.MethodGet, "/docs/", "", all(ok, header("Content-Security-Policy", "default-src 'self'")))
	s.ask(ctx, http.MethodGet, "/problems/", "", ok)
	s.ask(ctx, http.MethodGet, "/api/v1/no-such-thing", "", all(status(http.StatusNotFound), problem("NOT_FOUND")))
	s.refused(ctx)
	if s.base.Scheme == "https" {
		s.ask(ctx, http.MethodGet, "http://"+s.base.Hostname()+"/api/v1/agents", "", all(status(http.StatusPermanentRedirect), header("Location", "https://")))
		s.ask(ctx, http.MethodGet, "/api/v1/agents/health", "", header("Strict-Transport-Security", "max-age"))
	}
}

// refused asks for what nobody gets: writing without a token, and what only the scheduler reaches.
func (s *run) refused(ctx context.Context) {
	s.ask(ctx, http.MethodPost, "/api/v1/agents", `{}`, all(status(http.StatusUnauthorized), problem("UNAUTHENTICATED"), header("WWW-Authenticate", "Bearer")))
	for _, path := range []string{"/internal/sequence", "/internal/index", "/internal/rollup"} {
		s.ask(ctx, http.MethodPost, path, "", status(http.StatusNotFound))
	}
}

// write publishes an agent and deletes it. It is offline, so that nobody hires it meanwhile.
func (s *run) write(ctx context.Context) {
	s.token = s.Token // for what is read, too: no cache answers then
	const draft = `{"name":"Smoke test","specialization":"Smoke test","industry":"marketing","hourly_rate":1,"tags":["smoke-test"]}`
	created := s.ask(ctx, http.MethodPost, "/api/v1/agents", draft, all(status(http.StatusCreated), header("Location", "/api/v1/agents/"), header("ETag", `"`)))
	path := created.header.Get("Location")
	if path == "" {
		return
	}
	s.ask(ctx, http.MethodPut, path+"/status", `{"status":"offline"}`, status(http.StatusOK))
	s.ask(ctx, http.MethodPut, path, `{"hourly_rate":2.5}`, all(status(http.StatusOK), holds(`"hourly_rate":2.5`)))
	s.ask(ctx, http.MethodDelete, path, "", status(http.StatusNoContent))
	s.ask(ctx, http.MethodGet, path, "", all(status(http.StatusNotFound), problem("NOT_FOUND")))
}
