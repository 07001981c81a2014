package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/waooaw/plant/scripts/internal/functions"
)

// callTimeout bounds one call. It is longer than any answer may take, so that what hangs is told from what is slow.
const callTimeout = 20 * time.Second

// ErrNoAnswer is of a call whose connection broke: it may have been worked on, or not.
var ErrNoAnswer = errors.New("no answer")

// Caller calls a function as clients do, and holds each answer against what all of them have to be.
type Caller struct {
	Function *functions.Function
	Token    string // "" to be nobody
	Client   *http.Client
}

// NewClient returns a client that keeps as many connections as it has callers.
func NewClient(callers int) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}, Timeout: callTimeout}
}

// Answer is what a call was answered with.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Code   string // of a problem
}

// String is the status and the beginning of the body.
func (a Answer) String() string {
	const shown = 500
	return fmt.Sprintf("%d %.*s", a.Status, shown, a.Body)
}

// Unavailable reports whether the answer says to come again.
func (a Answer) Unavailable() bool {
	return a.Status == http.StatusServiceUnavailable || a.Status == http.StatusGatewayTimeout || a.Code == "IDEMPOTENCY_IN_PROGRESS"
}

// Do calls, with JSON where body is not "", and header fields given as names and values by turns. The error is ErrNoAnswer,
// or tells of an answer that none may be: 5xx but 503 and 504, or a problem that is not whole.
func (c Caller) Do(ctx context.Context, method, path, body string, header ...string) (Answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.Function.Address.String()+path, strings.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.Token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return c.Send(request)
}

// Send is Do for a request that was made by hand.
func (c Caller) Send(request *http.Request) (Answer, error) {
	response, err := c.Client.Do(request) //nolint:gosec // to a function of our own
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	answer := Answer{Status: response.StatusCode, Header: response.Header, Body: text}
	if err := answer.check(); err != nil {
		return answer, fmt.Errorf("%s %s: %w: %v", request.Method, request.URL.Path, err, answer)
	}
	return answer, nil
}

// check is the oracle over every answer.
func (a *Answer) check() error {
	if a.Header.Get("X-Request-Id") == "" {
		return errors.New("an answer without X-Request-Id")
	}
	if a.Status < http.StatusBadRequest {
		return nil
	}
	if a.Status >= http.StatusInternalServerError && a.Status != http.StatusServiceUnavailable && a.Status != http.StatusGatewayTimeout {
		return errors.New("a failure of ours")
	}
	var problem struct {
		Status    int    `json:"status"`
		Code      string `json:"code"`
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal(a.Body, &problem); err != nil || a.Header.Get("Content-Type") != "application/problem+json" {
		return errors.New("an error that is no problem document")
	}
	if problem.Status != a.Status || problem.Code == "" || problem.RequestID != a.Header.Get("X-Request-Id") {
		return errors.New("a problem that is not whole")
	}
	if a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") == "" {
		return errors.New("503 without Retry-After")
	}
	for _, internal := range []string{"SQLSTATE", "pgx", "goroutine ", ".go:", "plant."} {
		if strings.Contains(string(a.Body), internal) {
			return fmt.Errorf("an error leaks %q", internal)
		}
	}
	a.Code = problem.Code
	return nil
}
