// Package apitest runs one function in a test as users meet it: over HTTP on a real listener, with tokens of a real
// issuer, on a database of the test's own.
package apitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/auth/localissuer"
	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/logging"
)

// Service is a function that runs.
type Service struct {
	URL    string
	DB     *dbtest.Database
	Issuer string // the issuer's URL: the iss claim
	Log    *Log   // what the function has logged so far
	issuer *localissuer.Issuer
}

// CursorKey is the key that services sign cursors with.
const CursorKey = config.Secret("a key for tests")

// PublicURL is where services say that they are.
const PublicURL = "https://plant.example"

// Log collects log lines. It is safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String returns all that was logged.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Option changes a service's settings before it starts.
type Option func(*httpapi.Settings)

// Start runs a function until the test ends.
func Start(t testing.TB, function httpapi.Function, opts ...Option) *Service {
	t.Helper()
	issuer, err := localissuer.New()
	if err != nil {
		t.Fatal(err)
	}
	var keys http.Handler
	issuing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { keys.ServeHTTP(w, r) }))
	t.Cleanup(issuing.Close)
	keys = issuer.Handler(issuing.URL)
	return open(t, &Service{DB: dbtest.New(t), Issuer: issuing.URL, Log: &Log{}, issuer: issuer}, function, opts)
}

// Join runs a function beside another, on the same database and with the same tokens.
func Join(t testing.TB, beside *Service, function httpapi.Function, opts ...Option) *Service {
	t.Helper()
	return open(t, &Service{DB: beside.DB, Issuer: beside.Issuer, Log: &Log{}, issuer: beside.issuer}, function, opts)
}

// open starts the function of a service whose URL is still missing.
func open(t testing.TB, s *Service, function httpapi.Function, opts []Option) *Service {
	t.Helper()
	settings := httpapi.Settings{
		Auth: localissuer.Trust(s.Issuer),
		Database: database.Config{
			URL: config.Secret(s.DB.AppURL), MaxConns: 4, AcquireTimeout: 10 * time.Second, StatementTimeout: 10 * time.Second, LockTimeout: 5 * time.Second,
		},
		HTTP: httpapi.Config{
			CursorKey: CursorKey, PublicURL: PublicURL, RequestTimeout: 20 * time.Second, BodyTimeout: 5 * time.Second, AnswerTimeout: 10 * time.Second, MaxInFlight: 200,
			CORSOrigins: []string{"https://portal.example"},
		},
	}
	for _, opt := range opts {
		opt(&settings)
	}
	service, err := function.Open(t.Context(), settings, logging.New(s.Log, settings.Log))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(service.API)
	t.Cleanup(func() {
		server.Close()
		service.Close()
	})
	s.URL = server.URL
	return s
}

// Token returns the token of someone with a role.
func (s *Service) Token(t testing.TB, role auth.Role, subject string) string {
	t.Helper()
	token, err := s.issuer.Mint(s.Issuer, localissuer.Claims{Subject: subject, Role: role, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Answer is what a request was answered with.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Header is a header field of a request.
type Header struct{ Name, Value string }

// Do sends a request and returns its answer. The body may be "", in which case no Content-Type is sent; the token may be
// "". Every answer is checked against what all of them have to be.
func (s *Service) Do(t testing.TB, method, path, token, body string, headers ...Header) Answer {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for _, h := range headers {
		if h.Value == "" {
			request.Header.Del(h.Name)
			continue
		}
		request.Header.Add(h.Name, h.Value)
		if h.Name == "Content-Type" {
			request.Header.Set(h.Name, h.Value)
		}
	}
	return s.Send(t, request)
}

// Send sends a request that was made by hand.
func (s *Service) Send(t testing.TB, request *http.Request) Answer {
	t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer := Answer{Status: response.StatusCode, Header: response.Header, Body: string(text)}
	if err := answer.check(request.Method, ownWords(request.URL.Path)); err != nil {
		t.Errorf("%s %s: %v", request.Method, request.URL, err)
	}
	return answer
}

// ownWords reports whether a path is that of another standard, which has its own words for what is wrong.
func ownWords(path string) bool { return strings.HasPrefix(path, "/api/v1/ard/") || path == "/mcp" }

// check is the oracle over every answer: nothing internal leaks, problems are whole, headers are there.
func (a Answer) check(method string, ownWords bool) error {
	if a.Header.Get("X-Request-Id") == "" || a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Server-Timing") == "" || a.Header.Get("Cache-Control") == "" {
		return fmt.Errorf("an answer lacks headers: %v", a.Header)
	}
	for _, internal := range []string{"SQLSTATE", "pgx", "goroutine ", ".go:", "plant."} {
		if a.Status >= http.StatusBadRequest && strings.Contains(a.Body, internal) {
			return fmt.Errorf("an error leaks %q: %s", internal, a.Body)
		}
	}
	if a.Status < http.StatusBadRequest || method == http.MethodHead {
		return nil
	}
	if a.Status >= http.StatusInternalServerError && a.Status != http.StatusServiceUnavailable {
		return fmt.Errorf("answered %d: %s", a.Status, a.Body)
	}
	if ownWords {
		return nil
	}
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		return fmt.Errorf("an error is %q: %s", got, a.Body)
	}
	var p httpapi.Problem
	if err := json.Unmarshal([]byte(a.Body), &p); err != nil {
		return fmt.Errorf("a problem that cannot be read: %w: %s", err, a.Body)
	}
	if p.Status != a.Status || p.Code == "" || p.Title == "" || p.Detail == "" || p.RequestID != a.Header.Get("X-Request-Id") || !strings.HasPrefix(p.Type, "/problems/") || p.Timestamp.IsZero() {
		return fmt.Errorf("a problem that is not whole: %s", a.Body)
	}
	return nil
}

// Want fails the test unless the answer has the status, and returns the answer.
func (a Answer) Want(t testing.TB, status int) Answer {
	t.Helper()
	if a.Status != status {
		t.Fatalf("got %d, want %d: %s", a.Status, status, a.Body)
	}
	return a
}

// WantProblem fails the test unless the answer is a problem with the status and code.
func (a Answer) WantProblem(t testing.TB, status int, code string) Answer {
	t.Helper()
	if got := Decode[httpapi.Problem](t, a).Code; a.Status != status || got != code {
		t.Fatalf("got %d %s, want %d %s: %s", a.Status, got, status, code, a.Body)
	}
	return a
}

// Decode reads the answer's body.
func Decode[T any](t testing.TB, a Answer) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(a.Body), &value); err != nil {
		t.Fatalf("%v: %s", err, a.Body)
	}
	return value
}
