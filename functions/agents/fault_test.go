package agents

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"runtime/pprof"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// What a service that meets faults is given: little, so that tests are short.
const (
	faultyDeadline = 800 * time.Millisecond // of a request
	faultyAcquire  = 300 * time.Millisecond // to get a connection
	faultyConns    = 4
	// slowness is what a busy machine may add to a deadline.
	slowness = time.Second
	// healing is how soon everything has to be whole after the fault has ended.
	healing = 2 * time.Second
)

// network is the way of a service to its database.
type network struct{ proxy *toxiproxy.Proxy }

// startFaulty runs the function with a network that can be broken between it and its database.
func startFaulty(t *testing.T, opts ...apitest.Option) (service, *network) {
	t.Helper()
	zerolog.SetGlobalLevel(zerolog.Disabled) // toxics log to standard error
	// Goroutines inherit the label, so that this service's can be told from those of tests beside it.
	pprof.SetGoroutineLabels(pprof.WithLabels(t.Context(), pprof.Labels("test", t.Name())))
	wire := &network{}
	through := func(settings *httpapi.Settings) {
		settings.HTTP.RequestTimeout, settings.Database.AcquireTimeout, settings.Database.MaxConns = faultyDeadline, faultyAcquire, faultyConns
		address, err := url.Parse(settings.Database.URL.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		wire.proxy = toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), t.Name(), "127.0.0.1:0", address.Host)
		wire.mend(t)
		t.Cleanup(wire.cut)
		address.Host = wire.proxy.Listen
		settings.Database.URL = config.Secret(address.String())
	}
	return start(t, append([]apitest.Option{through}, opts...)...), wire
}

// cut ends every connection and lets none be made.
func (n *network) cut() { n.proxy.Stop() }

func (n *network) mend(t *testing.T) {
	t.Helper()
	if err := n.proxy.Start(); err != nil {
		t.Fatal(err)
	}
}

// poison breaks the network in one of toxiproxy's ways, for connections that are there and for new ones.
func (n *network) poison(t *testing.T, toxic string) {
	t.Helper()
	if _, err := n.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		t.Fatalf("%s: %v", toxic, err)
	}
}

func (n *network) heal(t *testing.T) { n.proxy.Toxics.ResetToxics(t.Context()) }

// goroutines counts those of the test's service that are somewhere in a package.
func goroutines(t *testing.T, in string) int {
	t.Helper()
	var stacks bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&stacks, 1); err != nil {
		t.Fatal(err)
	}
	sum := 0
	for stack := range strings.SplitSeq(stacks.String(), "\n\n") {
		if strings.Contains(stack, fmt.Sprintf(`"test":%q`, t.Name())) && strings.Contains(stack, in) {
			count, _, _ := strings.Cut(stack, " ")
			n, _ := strconv.Atoi(count)
			sum += n
		}
	}
	return sum
}

// meets sends a request while something is broken: it is answered well, or with a 503 that says when to come back and
// nothing of what is inside, in either case before its deadline.
func (s service) meets(t *testing.T, method, path, token, body string, headers ...apitest.Header) apitest.Answer {
	t.Helper()
	begin := time.Now()
	answer := s.Do(t, method, path, token, body, headers...)
	if took := time.Since(begin); took > faultyDeadline+slowness {
		t.Errorf("%s %s took %v", method, path, took)
	}
	s.isStated(t, answer)
	return answer
}

// isStated checks what is told of a fault.
func (s service) isStated(t *testing.T, answer apitest.Answer) {
	t.Helper()
	if answer.Status/100 == 2 {
		return
	}
	if answer.Status != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		t.Errorf("got %d %v %s", answer.Status, answer.Header, answer.Body)
	}
	for _, inside := range []string{"plant_test", "127.0.0.1", "ERROR", "FATAL", "select", "commit", "context", "password", "dial"} {
		if strings.Contains(answer.Body, inside) {
			t.Errorf("the answer says %q: %s", inside, answer.Body)
		}
	}
}

// crowd sends more requests at once than there are connections, of every kind, and counts their statuses.
func (s service) crowd(t *testing.T, path string) map[int]int {
	t.Helper()
	requests := []struct{ method, path, body string }{
		{"GET", path, ""},
		{"GET", "/api/v1/agents", ""},
		{"PUT", path, `{"name":"x"}`},
		{"POST", "/api/v1/agents", writer},
		{"GET", "/api/v1/skills", ""},
		{"PUT", path + "/status", `{"status":"working"}`},
	}
	return statuses(together(2*len(requests), func(i int) apitest.Answer {
		r := requests[i%len(requests)]
		return s.meets(t, r.method, r.path, s.ada, r.body)
	}))
}

// recovers waits until all requests are answered well again, and checks that nothing was left behind.
func (s service) recovers(t *testing.T, after, path string, watch watcher) {
	t.Helper()
	until(t, healing+slowness, after+": whole again", func() bool {
		counts := s.crowd(t, path)
		return counts[http.StatusOK]+counts[http.StatusCreated] == 12
	})
	until(t, healing, after+": nothing is at work", func() bool { return watch.sees(t, isAtWork) == 0 })
	if open := watch.sees(t, `true`); open > faultyConns {
		t.Errorf("%s: %d connections", after, open)
	}
	until(t, healing, after+": no goroutine waits for the database", func() bool { return goroutines(t, "pgx/v5/pgconn") == 0 })
	until(t, healing, after+": no request is worked on", func() bool { return goroutines(t, "httpapi.(*API).ServeHTTP") == 0 })
}

// F6: whatever becomes of the connections, requests end in time, none pile up, and all is well soon after.
func TestF6_NetworkBreaks(t *testing.T) {
	t.Parallel()
	s, wire := startFaulty(t)
	watch := s.watch(t)
	path := s.path(t, writer)
	s.crowd(t, path)
	if goroutines(t, "httpapi.(*API).ServeHTTP")+goroutines(t, "http.(*Server).Serve") == 0 {
		t.Fatal("the service's goroutines cannot be told from others")
	}
	for _, toxic := range []string{
		`{"type":"reset_peer","stream":"downstream","attributes":{"timeout":0}}`,
		`{"type":"reset_peer","stream":"upstream","attributes":{"timeout":0}}`,
		`{"type":"timeout","stream":"downstream","attributes":{"timeout":0}}`, // nothing comes through, and nobody says so
		`{"type":"timeout","stream":"upstream","attributes":{"timeout":0}}`,
		`{"type":"limit_data","stream":"downstream","attributes":{"bytes":50}}`,
		`{"type":"limit_data","stream":"upstream","attributes":{"bytes":50}}`,
		"", // the server's port is closed
	} {
		if toxic == "" {
			wire.cut()
		} else {
			wire.poison(t, toxic)
		}
		if counts := s.crowd(t, path); counts[http.StatusServiceUnavailable] == 0 {
			t.Errorf("%s: nobody noticed: %v", toxic, counts)
		}
		s.Do(t, "GET", "/api/v1/agents/health", "", "").Want(t, http.StatusOK)
		if toxic == "" {
			wire.mend(t)
		}
		wire.heal(t)
		s.recovers(t, toxic, path, watch)
	}
}

// F7: a slow network makes answers slow up to their deadline, and no slower.
func TestF7_NetworkIsSlow(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		toxics []string
		well   bool // everything is answered well all the same
	}{
		"50 ms":         {[]string{`{"type":"latency","attributes":{"latency":50}}`}, true},
		"500 ms":        {[]string{`{"type":"latency","attributes":{"latency":500}}`}, false},
		"5000 ms":       {[]string{`{"type":"latency","attributes":{"latency":5000}}`}, false},
		"jitter":        {[]string{`{"type":"latency","attributes":{"latency":10,"jitter":10}}`, `{"type":"latency","stream":"upstream","attributes":{"latency":5,"jitter":5}}`}, true},
		"1 KB a second": {[]string{`{"type":"bandwidth","attributes":{"rate":1}}`, `{"type":"bandwidth","stream":"upstream","attributes":{"rate":1}}`}, false},
		"slices":        {[]string{`{"type":"slicer","attributes":{"average_size":20,"size_variation":10,"delay":10}}`, `{"type":"slicer","stream":"upstream","attributes":{"average_size":20,"size_variation":10,"delay":10}}`}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, wire := startFaulty(t)
			watch := s.watch(t)
			path := s.path(t, writer)
			s.crowd(t, path) // connects, and prepares the statements
			for _, toxic := range test.toxics {
				wire.poison(t, toxic)
			}
			if test.well {
				for _, request := range []struct{ method, path, body string }{{"GET", path, ""}, {"GET", "/api/v1/agents", ""}, {"PUT", path, `{"name":"y"}`}} {
					if answer := s.meets(t, request.method, request.path, s.ada, request.body); answer.Status != http.StatusOK {
						t.Errorf("%s %s: %d %s", request.method, request.path, answer.Status, answer.Body)
					}
				}
			}
			counts := s.crowd(t, path)
			if late := counts[http.StatusServiceUnavailable]; late == 0 && !test.well {
				t.Errorf("nobody was late: %v", counts)
			}
			wire.heal(t)
			s.recovers(t, name, path, watch)
		})
	}
}
