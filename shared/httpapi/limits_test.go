package httpapi_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
	"github.com/waooaw/plant/shared/logging"
	"github.com/waooaw/plant/shared/ratelimit"
	"github.com/waooaw/plant/shared/redis"
)

// limited is an option: these limits instead of none. Tests use 3 a minute: no other comes within 20 seconds.
func limited(cfg ratelimit.Config) apitest.Option {
	return func(settings *httpapi.Settings) { settings.Limits = cfg }
}

// startLimited runs a function whose operations answer at once.
func startLimited(t *testing.T, cfg ratelimit.Config) *apitest.Service {
	t.Helper()
	p := newProbe()
	p.started = make(chan struct{}, 1000)
	close(p.release)
	return apitest.Start(t, p.function(), limited(cfg))
}

const limitedPath = "/api/v1/probe/wait"

var restOf = regexp.MustCompile(`^"(caller|address)";r=(\d+);t=(\d+)$`)

// wantQuota checks an answer's RateLimit fields.
func wantQuota(t *testing.T, answer apitest.Answer, name string, limit, remaining int) {
	t.Helper()
	if got, want := answer.Header.Get("RateLimit-Policy"), `"`+name+`";q=`+strconv.Itoa(limit)+`;w=60`; got != want {
		t.Errorf("RateLimit-Policy is %s, want %s", got, want)
	}
	got := restOf.FindStringSubmatch(answer.Header.Get("RateLimit"))
	if got == nil || got[1] != name || got[2] != strconv.Itoa(remaining) {
		t.Fatalf("RateLimit is %q, want %s, %d left", answer.Header.Get("RateLimit"), name, remaining)
	}
	reset, _ := strconv.Atoi(got[3])
	if reset < 1 || reset > 60/limit {
		t.Errorf("the next request comes in %d s", reset)
	}
	after := answer.Header.Get("Retry-After")
	if answer.Status != http.StatusTooManyRequests {
		if after != "" {
			t.Errorf("Retry-After is %s at a %d", after, answer.Status)
		}
		return
	}
	if wait, err := strconv.Atoi(after); err != nil || wait < reset || wait > 60/limit {
		t.Errorf("Retry-After is %q, the window ends in %d s", after, reset)
	}
}

func TestL4_OneCallerFloods(t *testing.T) {
	t.Parallel()
	s := startLimited(t, ratelimit.Config{Caller: 3, Address: 60000})
	carl, carol := s.Token(t, auth.Customer, "carl"), s.Token(t, auth.Customer, "carol")
	began := time.Now()
	for i := range 50 {
		answer := s.Do(t, "GET", limitedPath, carl, "")
		if i < 3 {
			wantQuota(t, answer.Want(t, http.StatusOK), "caller", 3, 2-i)
			continue
		}
		wantQuota(t, answer.WantProblem(t, http.StatusTooManyRequests, "RATE_LIMITED"), "caller", 3, 0)
		after, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
		if wait := 20*time.Second - time.Since(began); time.Duration(after)*time.Second < wait {
			t.Errorf("Retry-After is %d s, it takes %s", after, wait)
		}
		if cache := answer.Header.Get("Cache-Control"); cache != "private, no-store" {
			t.Errorf("the refusal may be kept: %s", cache)
		}
	}
	// Neither a new token nor another operation is a new quota, and what may not be done is counted as well.
	s.Do(t, "POST", limitedPath, s.Token(t, auth.Governor, "carl"), "").Want(t, http.StatusTooManyRequests)
	for i := range 3 {
		wantQuota(t, s.Do(t, "POST", "/api/v1/probe/secret", carol, "").Want(t, http.StatusForbidden), "caller", 3, 2-i)
		s.Do(t, "GET", limitedPath, "", "").Want(t, http.StatusOK)
	}
	s.Do(t, "GET", limitedPath, carol, "").Want(t, http.StatusTooManyRequests)
}

// Answers that shared caches keep tell nobody's quota; all others do, once the request was counted.
func TestLimits_PublicAnswersTellNothing(t *testing.T) {
	t.Parallel()
	quotas := map[string]int{"caller": 3, "address": 10}
	s := startLimited(t, ratelimit.Config{Caller: quotas["caller"], Address: quotas["address"]})
	token := s.Token(t, auth.Customer, "carl")
	tests := []struct {
		method, path, token string
		status, left        int
		quota               string
	}{
		{"GET", limitedPath, "", 200, 0, ""},
		{"HEAD", limitedPath, "", 200, 0, ""},
		{"GET", limitedPath, token, 200, 2, "caller"},
		{"POST", limitedPath, "", 200, 6, "address"},
		{"GET", "/api/v1/probe/healthy", "", 404, 5, "address"},
		{"GET", limitedPath, "nonsense", 401, 4, "address"},
		{"GET", "/api/v1/probe/health", "", 200, 0, ""},
		{"GET", limitedPath, token, 200, 1, "caller"},
	}
	for _, test := range tests {
		answer := s.Do(t, test.method, test.path, test.token, "")
		if answer.Status != test.status {
			t.Errorf("%s %s: %d", test.method, test.path, answer.Status)
		}
		if test.quota != "" {
			wantQuota(t, answer, test.quota, quotas[test.quota], test.left)
		} else if got := answer.Header.Get("RateLimit") + answer.Header.Get("RateLimit-Policy"); got != "" {
			t.Errorf("%s %s tells %s", test.method, test.path, got)
		}
	}
}

// Whoever tries tokens is refused before they are looked at; whoever asks how the function is never is.
func TestA25_GuessedTokens(t *testing.T) {
	t.Parallel()
	for _, path := range []string{limitedPath, "/api/v1/probe/secret", "/api/v1/probe/health", "/api/v1/probe/ready/", "/api/v1/probe/healthy"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			s := startLimited(t, ratelimit.Config{Caller: 1200, Address: 3})
			for i := range 10 {
				answer := s.Do(t, "GET", path, "guess"+strconv.Itoa(i), "")
				if limited := answer.Status == http.StatusTooManyRequests; limited != (i >= 3) {
					t.Errorf("guess %d: %d", i, answer.Status)
				}
			}
			s.Do(t, "GET", limitedPath, s.Token(t, auth.Governor, "grace"), "").Want(t, http.StatusTooManyRequests)
			for range 10 {
				s.Do(t, "GET", "/api/v1/probe/health", "", "").Want(t, http.StatusOK)
				s.Do(t, "GET", "/api/v1/probe/ready/", "", "").Want(t, http.StatusOK)
			}
		})
	}
}

// What a client writes into X-Forwarded-For is no new quota, however many proxies of ours stand before the function.
func TestA25_SpoofedForwardedFor(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		fromRight int
		added     string // by our proxies
	}{{"none", 0, ""}, {"gateway", 1, "192.0.2.1"}, {"load balancer", 2, "192.0.2.1,198.18.0.1"}, {"IPv6", 1, "2001:db8:1:2::1"}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := startLimited(t, ratelimit.Config{Address: 3, AddressFromRight: test.fromRight})
			spoofed := []string{"", "203.0.113.1", "203.0.113.2, 203.0.113.3", "::1", "127.0.0.1", ", ,", "unknown"}
			for i, spoof := range spoofed {
				headers := []apitest.Header{{Name: "X-Forwarded-For", Value: spoof}}
				if test.added != "" {
					headers = append(headers, apitest.Header{Name: "X-Forwarded-For", Value: test.added})
				}
				answer := s.Do(t, "POST", limitedPath, "", "", headers...)
				if limited := answer.Status == http.StatusTooManyRequests; limited != (i >= 3) {
					t.Errorf("request %d, %q: %d", i, spoof, answer.Status)
				}
			}
			if test.fromRight == 0 {
				return
			}
			other := apitest.Header{Name: "X-Forwarded-For", Value: "192.0.2.2, 198.18.0.1"}
			if test.fromRight == 1 {
				other.Value = "192.0.2.1, 192.0.2.2"
			}
			s.Do(t, "POST", limitedPath, "", "", other).Want(t, http.StatusOK)
		})
	}
}

// Both quotas are asked of a Redis that takes connections and never answers.
func TestF17_RedisHangs(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() }) // nobody accepts: the kernel does
	s := startLimited(t, ratelimit.Config{Caller: 3, Address: 60, Redis: redis.Config{URL: config.Secret("redis://:marker-password@" + listener.Addr().String())}})
	token := s.Token(t, auth.Customer, "carl")
	fastest := time.Minute
	for i := range 3 {
		began := time.Now()
		wantQuota(t, s.Do(t, "GET", limitedPath, token, "").Want(t, http.StatusOK), "caller", 3, 2-i)
		fastest = min(fastest, time.Since(began))
	}
	if fastest > 250*time.Millisecond { // 50, and this machine has other things to do
		t.Errorf("every request took %s or more", fastest)
	}
	s.Do(t, "GET", limitedPath, token, "").WantProblem(t, http.StatusTooManyRequests, "RATE_LIMITED")
}

// Two instances count together, and let go of Redis when they end.
func TestLimits_AreEveryInstances(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	statuses := map[int]int{}
	ask := func(service *httpapi.Service) {
		recorder := httptest.NewRecorder()
		service.API.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), "GET", limitedPath, nil))
		statuses[recorder.Code]++
	}
	for i := range 2 {
		p := newProbe()
		close(p.release)
		service, err := p.function().Open(t.Context(), httpapi.Settings{
			HTTP:     httpapi.Config{CursorKey: "k", RequestTimeout: time.Minute, BodyTimeout: time.Minute, MaxInFlight: 10},
			Database: database.Config{URL: "postgres://nobody@127.0.0.1:1/none", MaxConns: 1},
			Limits:   ratelimit.Config{Address: 3, Redis: redis.Config{URL: config.Secret("redis://" + server.Addr()), Timeout: time.Minute}},
		}, logging.New(io.Discard, logging.Config{}))
		if err != nil {
			t.Fatal(err)
		}
		defer service.Close()
		ask(service)
		ask(service)
		if i == 0 {
			continue
		}
		if statuses[http.StatusOK] != 3 || statuses[http.StatusTooManyRequests] != 1 {
			t.Errorf("got %v", statuses)
		}
		service.Close()
		server.FlushAll()
		if ask(service); len(server.Keys()) > 0 {
			t.Error("Redis is asked when the service has ended")
		}
	}
}

func TestLimits_MalformedRedisURL(t *testing.T) {
	t.Parallel()
	_, err := newProbe().function().Open(t.Context(), httpapi.Settings{
		Database: database.Config{URL: "postgres://nobody@127.0.0.1:1/none", MaxConns: 1}, Limits: ratelimit.Config{Redis: redis.Config{URL: "cache:6379"}},
	}, logging.New(io.Discard, logging.Config{}))
	if err == nil {
		t.Error("it started")
	}
}

func TestLimits_AreDocumented(t *testing.T) {
	t.Parallel()
	document, err := newProbe().function().OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var described struct {
		Paths map[string]map[string]struct{ Responses map[string]any }
		Types []httpapi.ProblemType `json:"x-problem-types"`
	}
	if err := json.Unmarshal(document, &described); err != nil {
		t.Fatal(err)
	}
	for path, methods := range described.Paths {
		for method, operation := range methods {
			if operation.Responses["429"] == nil {
				t.Errorf("%s %s does not say that it is limited", method, path)
			}
		}
	}
	for _, problem := range described.Types {
		if problem == httpapi.RateLimited {
			return
		}
	}
	t.Error("the problem is not listed")
}

// BenchmarkLimits is what the address's limit costs a request whose handler does nothing.
func BenchmarkLimits(b *testing.B) {
	for name, perMinute := range map[string]int{"off": 0, "on": 1 << 30} {
		for _, method := range []string{"GET", "POST"} { // without and with the fields in the answer
			b.Run(method+" "+name, func(b *testing.B) {
				p := newProbe()
				close(p.release)
				p.started = make(chan struct{}, 1)
				service, err := p.function().Open(b.Context(), httpapi.Settings{
					HTTP:     httpapi.Config{CursorKey: "k", RequestTimeout: time.Minute, BodyTimeout: time.Minute, MaxInFlight: 10},
					Database: database.Config{URL: "postgres://nobody@127.0.0.1:1/none", MaxConns: 1},
					Limits:   ratelimit.Config{Address: perMinute},
				}, logging.New(io.Discard, logging.Config{}))
				if err != nil {
					b.Fatal(err)
				}
				defer service.Close()
				request := httptest.NewRequestWithContext(b.Context(), method, limitedPath, nil)
				b.ReportAllocs()
				for b.Loop() {
					service.API.ServeHTTP(httptest.NewRecorder(), request)
					<-p.started
				}
			})
		}
	}
}
