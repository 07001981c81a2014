package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
	"github.com/waooaw/plant/shared/logging"
)

type word struct {
	Body struct {
		Word string `json:"word"`
	}
}

func said(text string) *word {
	w := &word{}
	w.Body.Word = text
	return w
}

// probe is a function whose operations do what a test needs. Waiting ones say on started that they run, and go on when
// release is closed.
type probe struct {
	started chan struct{}
	release chan struct{}
}

func newProbe() probe { return probe{started: make(chan struct{}, 100), release: make(chan struct{})} }

func (p probe) function() httpapi.Function {
	return httpapi.Function{Name: "probe", Title: "Probe", Register: func(api *httpapi.API, db *database.DB) error {
		on := api.Operations
		wait := func(ctx context.Context, _ *struct{}) (*word, error) {
			p.started <- struct{}{}
			select {
			case <-p.release:
				return said("done"), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		huma.Get(on, "/api/v1/probe/wait", wait)
		huma.Post(on, "/api/v1/probe/wait", wait)
		huma.Get(on, "/api/v1/probe/panic", func(context.Context, *struct{}) (*word, error) { panic("marker-of-the-panic") })
		huma.Get(on, "/api/v1/probe/long", func(context.Context, *struct{}) (*word, error) {
			return said(strings.Repeat("long ", 8<<20)), nil // more than the sockets hold
		})
		huma.Get(on, "/api/v1/probe/broken", func(context.Context, *struct{}) (*word, error) {
			return nil, errors.New("marker-of-the-cause")
		})
		huma.Get(on, "/api/v1/probe/slow-query", func(ctx context.Context, _ *struct{}) (*word, error) {
			_, err := database.Scalar[string](ctx, db, `select pg_sleep(60)::text`)
			return said("late"), err
		})
		huma.Post(on, "/api/v1/probe/echo", func(_ context.Context, in *word) (*word, error) { return in, nil })
		huma.Post(on, "/api/v1/probe/secret", func(context.Context, *struct{}) (*word, error) { return said("secret"), nil },
			httpapi.Needs(auth.Governor))
		return nil
	}}
}

func TestF28_PanicIsAnsweredOnceAndLogged(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, newProbe().function())
	request, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/api/v1/probe/panic", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var problem httpapi.Problem
	if err := json.NewDecoder(response.Body).Decode(&problem); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != 500 || problem.Code != "INTERNAL" || strings.Contains(problem.Detail, "marker") {
		t.Errorf("got %d %+v", response.StatusCode, problem)
	}
	if log := s.Log.String(); strings.Count(log, `"panic":"marker-of-the-panic"`) != 1 || !strings.Contains(log, problem.RequestID) {
		t.Errorf("the panic is not logged once: %s", log)
	}
	s.Do(t, "GET", "/api/v1/probe/health", "", "").Want(t, http.StatusOK)
}

func TestCause_IsLoggedAndNotAnswered(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, newProbe().function())
	request, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/api/v1/probe/broken?", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != 500 || !strings.Contains(s.Log.String(), `"error":"marker-of-the-cause"`) {
		t.Errorf("got %d, log: %s", response.StatusCode, s.Log)
	}
}

func TestRequestTimeout_EndsTheQuery(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, newProbe().function(), func(settings *httpapi.Settings) { settings.HTTP.RequestTimeout = 100 * time.Millisecond })
	answer := s.Do(t, "GET", "/api/v1/probe/slow-query", "", "").WantProblem(t, http.StatusServiceUnavailable, "UNAVAILABLE")
	if answer.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// Reads are shed before writes, writes at the limit, health never.
func TestL2_L3_ShedsReadsFirst(t *testing.T) {
	t.Parallel()
	p := newProbe()
	s := apitest.Start(t, p.function(), func(settings *httpapi.Settings) { settings.HTTP.MaxInFlight = 5 })
	answers := make(chan int)
	ask := func(method string) {
		go func() {
			request, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/api/v1/probe/wait", nil)
			if err != nil {
				answers <- 0
				return
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				answers <- 0
				return
			}
			_ = response.Body.Close()
			answers <- response.StatusCode
		}()
	}
	for range 4 { // four fifths of the places
		ask("GET")
		<-p.started
	}
	s.Do(t, "GET", "/api/v1/probe/wait", "", "").WantProblem(t, http.StatusServiceUnavailable, "OVERLOADED")
	ask("POST") // the last place is a write's
	<-p.started
	shed := s.Do(t, "POST", "/api/v1/probe/wait", "", "").WantProblem(t, http.StatusServiceUnavailable, "OVERLOADED")
	if shed.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	s.Do(t, "GET", "/api/v1/probe/health", "", "").Want(t, http.StatusOK)
	close(p.release)
	for range 5 {
		if status := <-answers; status != http.StatusOK {
			t.Errorf("an admitted request got %d", status)
		}
	}
}

func TestDrain_LetsRequestsEndAndTakesNoNewOnes(t *testing.T) {
	t.Parallel()
	p := newProbe()
	service, err := p.function().Open(t.Context(), httpapi.Settings{
		HTTP:     httpapi.Config{CursorKey: "k", RequestTimeout: time.Minute, BodyTimeout: time.Minute, MaxInFlight: 10},
		Database: database.Config{URL: "postgres://nobody@127.0.0.1:1/none", MaxConns: 1},
	}, logging.New(io.Discard, logging.Config{}))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(service.API)
	defer server.Close()
	finished := make(chan int)
	go func() {
		response, err := http.Get(server.URL + "/api/v1/probe/wait") //nolint:noctx // ends with the test's server
		if err != nil {
			finished <- 0
			return
		}
		_ = response.Body.Close()
		finished <- response.StatusCode
	}()
	<-p.started
	drained := make(chan struct{})
	go func() {
		service.API.Drain(time.Minute)
		close(drained)
	}()
	awaitStatus(t, server.URL+"/api/v1/probe/ready", http.StatusServiceUnavailable)
	awaitStatus(t, server.URL+"/api/v1/probe/wait", http.StatusServiceUnavailable)
	select {
	case <-drained:
		t.Error("drained before the request ended")
	default:
	}
	close(p.release)
	if status := <-finished; status != http.StatusOK {
		t.Errorf("the request in flight got %d", status)
	}
	<-drained
}

// awaitStatus asks until the answer has the status; the test's own deadline bounds it.
func awaitStatus(t *testing.T, url string, want int) {
	t.Helper()
	for t.Context().Err() == nil {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		request, err := http.NewRequestWithContext(ctx, "GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		cancel()
		if err != nil {
			continue
		}
		_ = response.Body.Close()
		if response.StatusCode == want {
			return
		}
	}
}

func TestReady_NamesTheDatabase(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, newProbe().function())
	s.Do(t, "GET", "/api/v1/probe/ready", "", "").Want(t, http.StatusOK)
	broken := apitest.Start(t, newProbe().function(), func(settings *httpapi.Settings) {
		settings.Database.URL = config.Secret("postgres://nobody:marker-password@127.0.0.1:1/none")
	})
	answer := broken.Do(t, "GET", "/api/v1/probe/ready", "", "").WantProblem(t, http.StatusServiceUnavailable, "UNAVAILABLE")
	if got := apitest.Decode[httpapi.Problem](t, answer); len(got.Errors) != 1 || got.Errors[0].Location != "database" {
		t.Errorf("the failing dependency is not named: %s", answer.Body)
	}
	if strings.Contains(broken.Log.String()+answer.Body, "marker-password") {
		t.Error("the password is shown")
	}
	superuser := apitest.Start(t, newProbe().function(), func(settings *httpapi.Settings) {
		settings.Database.URL = config.Secret(s.DB.OwnerURL)
	})
	superuser.Do(t, "GET", "/api/v1/probe/ready", "", "").WantProblem(t, http.StatusServiceUnavailable, "UNAVAILABLE")
}

// L6 and L7: bodies that are too slow, too large or endless.
func TestL6_SlowBodyIsCut(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, newProbe().function(), func(settings *httpapi.Settings) { settings.HTTP.BodyTimeout = 100 * time.Millisecond })
	got := raw(t, s.URL, "POST /api/v1/probe/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"wo")
	if !strings.HasPrefix(got, "HTTP/1.1 408") {
		t.Errorf("got %s", got)
	}
}

// Whoever does not read what it asked for loses the connection, and holds nothing any more.
func TestL6_SlowReaderIsCut(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, newProbe().function(), func(settings *httpapi.Settings) { settings.HTTP.AnswerTimeout = 100 * time.Millisecond })
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET /api/v1/probe/long HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(10 * time.Second)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !strings.Contains(s.Log.String(), "/api/v1/probe/long") {
		select {
		case <-deadline:
			t.Fatal("the request does not end")
		case <-ticker.C:
		}
	}
}

func TestL7_BodySize(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, newProbe().function())
	const around = len(`{"word":""}`)
	exact := `{"word":"` + strings.Repeat("a", 1<<20-around) + `"}`
	s.Do(t, "POST", "/api/v1/probe/echo", "", exact).Want(t, http.StatusOK)
	s.Do(t, "POST", "/api/v1/probe/echo", "", exact+" ").WantProblem(t, http.StatusRequestEntityTooLarge, "TOO_LARGE")
	declared := raw(t, s.URL, "POST /api/v1/probe/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10737418240\r\n\r\n{")
	if !strings.HasPrefix(declared, "HTTP/1.1 413") || !strings.Contains(declared, "Connection: close") {
		t.Errorf("10 GiB declared: %s", declared)
	}
	endless := "POST /api/v1/probe/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" +
		strings.Repeat(fmt.Sprintf("10000\r\n%s\r\n", strings.Repeat(" ", 0x10000)), 17)
	if got := raw(t, s.URL, endless); !strings.HasPrefix(got, "HTTP/1.1 413") {
		t.Errorf("endless: %.100s", got)
	}
}

// raw sends bytes as they are and returns the answer's head.
func raw(t *testing.T, url, request string) string {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// The server may answer and close before all is sent: then writing fails and reading tells why.
	_, _ = conn.Write([]byte(request))
	var head strings.Builder
	lines := bufio.NewScanner(conn)
	for lines.Scan() && lines.Text() != "" {
		head.WriteString(lines.Text() + "\n")
	}
	return head.String()
}

func TestAnonymousAndPrivateAnswersAreCachedApart(t *testing.T) {
	t.Parallel()
	p := newProbe()
	close(p.release)
	s := apitest.Start(t, p.function())
	token := s.Token(t, auth.Customer, "carl")
	tests := []struct{ name, method, path, token, want, vary string }{
		{"public read", "GET", "/api/v1/probe/wait", "", "public, max-age=5, stale-while-revalidate=30", "Origin"},
		{"read with a token", "GET", "/api/v1/probe/wait", token, "private, no-store", "Origin,Authorization"},
		{"write", "POST", "/api/v1/probe/wait", "", "no-store", "Origin"},
		{"health", "GET", "/api/v1/probe/health", "", "no-store", "Origin"},
		{"error", "GET", "/api/v1/probe/nothing", "", "no-store", "Origin"},
	}
	for _, test := range tests {
		got := s.Do(t, test.method, test.path, test.token, "")
		if cache, vary := got.Header.Get("Cache-Control"), strings.Join(got.Header.Values("Vary"), ","); cache != test.want || vary != test.vary {
			t.Errorf("%s: Cache-Control %q, Vary %q; want %q, %q", test.name, cache, vary, test.want, test.vary)
		}
	}
}

func TestNeeds(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, newProbe().function())
	answer := s.Do(t, "POST", "/api/v1/probe/secret", "", "").WantProblem(t, http.StatusUnauthorized, "UNAUTHENTICATED")
	if got := answer.Header.Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("WWW-Authenticate is %q", got)
	}
	answer = s.Do(t, "POST", "/api/v1/probe/secret", "nonsense", "").WantProblem(t, http.StatusUnauthorized, "UNAUTHENTICATED")
	if got := answer.Header.Get("WWW-Authenticate"); got != `Bearer error="invalid_token"` {
		t.Errorf("WWW-Authenticate is %q", got)
	}
	s.Do(t, "POST", "/api/v1/probe/secret", s.Token(t, auth.Partner, "ada"), "").WantProblem(t, http.StatusForbidden, "FORBIDDEN")
	s.Do(t, "POST", "/api/v1/probe/secret", s.Token(t, auth.Governor, "grace"), "").Want(t, http.StatusOK)
	s.Do(t, "GET", "/api/v1/probe/health?access_token=x", "", "").WantProblem(t, http.StatusBadRequest, "TOKEN_IN_QUERY")
}

func TestTrace_StandsInTheLog(t *testing.T) {
	t.Parallel()
	const id, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	tests := []struct{ name, header, value, want string }{
		{"W3C", "traceparent", "00-" + id + "-" + span + "-01", `"logging.googleapis.com/trace":"` + id + `","logging.googleapis.com/spanId":"` + span + `"`},
		{"Google", "X-Cloud-Trace-Context", id + "/255;o=1", `"logging.googleapis.com/spanId":"00000000000000ff"`},
		{"Google without a span", "X-Cloud-Trace-Context", id, `"logging.googleapis.com/trace":"` + id + `"`},
		{"malformed", "traceparent", "00-xyz-1-01", `"message":"request"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := apitest.Start(t, newProbe().function())
			s.Do(t, "GET", "/api/v1/probe/health", "", "", apitest.Header{Name: test.header, Value: test.value})
			if log := s.Log.String(); !strings.Contains(log, test.want) {
				t.Errorf("%s is not in %s", test.want, log)
			}
		})
	}
}
