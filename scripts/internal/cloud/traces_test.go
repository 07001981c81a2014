package cloud

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/scripts/internal/gateway"
	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/localgoogle"
	"github.com/waooaw/plant/shared/tracing"
)

// traceID of a test's nth request.
func traceID(n int) string { return fmt.Sprintf("0af7651916cd43dd8448eb211c80%04x", n) }

const callersSpan = "b7ad6b7169203331"

// traceTimeout is how long a busy machine may take to keep a trace; of what is not kept, none is for a while.
const traceTimeout = time.Minute

// startGateway runs a gateway before all three functions, which send their traces to Cloud Trace, the gateway its own to a
// collector: both are localgoogle's.
func startGateway(t *testing.T, more ...string) (address string, running map[string]*functions.Function) {
	t.Helper()
	collector := httptest.NewServer(&common.google.Traces)
	t.Cleanup(collector.Close)
	tracer, err := tracing.New(tracing.Config{Endpoint: collector.URL, Timeout: traceTimeout}, "gateway", slog.New(slog.NewJSONHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	running = map[string]*functions.Function{}
	cfg := gateway.Config{Functions: map[string]*url.URL{}, Documents: map[string][]byte{}, Issuer: http.NotFoundHandler(), Tracer: tracer}
	for _, name := range functions.Names {
		running[name] = start(t, name, more...)
		cfg.Functions[name] = running[name].Address
		if cfg.Documents[name], err = functions.OpenAPI(t.Context(), common.stand.Home, name); err != nil {
			t.Fatal(err)
		}
	}
	handler, err := gateway.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL, running
}

// One trace goes through gateway, function and SQL, is sent before the answer is, and its id is in the function's log line.
func TestTraces_ThroughGatewayFunctionAndSQL(t *testing.T) {
	prepare(t)
	address, running := startGateway(t, "OTEL_EXPORTER_OTLP_ENDPOINT=https://telemetry.googleapis.com", "TRACE_TIMEOUT="+traceTimeout.String())
	token, err := common.stand.Token(auth.Partner, "ada")
	if err != nil {
		t.Fatal(err)
	}
	status, header, body := call(t, http.MethodPost, address+"/api/v1/agents", `{"name":"Traced","specialization":"x","industry":"sales","hourly_rate":1}`,
		map[string]string{"Authorization": "Bearer " + token, "traceparent": "00-" + traceID(0) + "-" + callersSpan + "-01"})
	if status != http.StatusCreated {
		t.Fatalf("create: %d %s", status, body)
	}
	agent := header.Get("Location")
	tests := []struct{ function, path, route string }{
		{"agents", agent, "/api/v1/agents/{id}"},
		{"agents", "/api/v1/agents?limit=2", "/api/v1/agents"},
		{"search", "/api/v1/agents/search?query=" + marker, "/api/v1/agents/search"},
		{"metrics", agent + "/metrics", "/api/v1/agents/{id}/metrics"},
	}
	check(t, running["agents"], traceID(0), "POST /api/v1/agents")
	for i, test := range tests {
		id := traceID(i + 1)
		status, _, body := call(t, http.MethodGet, address+test.path, "", map[string]string{
			"traceparent": "00-" + id + "-" + callersSpan + "-01", "User-Agent": marker, "X-Forwarded-For": "198.51.100.7",
		})
		if status != http.StatusOK {
			t.Fatalf("%s: %d %s", test.path, status, body)
		}
		check(t, running[test.function], id, "GET "+test.route)
	}
}

// check looks at the trace of a request: gateway's server and client, the function, and below that SQL.
func check(t *testing.T, f *functions.Function, id, name string) {
	t.Helper()
	spans := common.google.Traces.Of(id)
	find := func(service, parent string) localgoogle.Span {
		t.Helper()
		i := slices.IndexFunc(spans, func(s localgoogle.Span) bool { return s.Service == service && s.ParentID == parent })
		if i < 0 {
			t.Fatalf("%s: no span of %s below %s in %+v", name, service, parent, spans)
		}
		return spans[i]
	}
	server := find("plant-gateway", callersSpan)
	client := find("plant-gateway", server.SpanID)
	function := find("plant-"+f.Name, client.SpanID)
	if function.Name != name {
		t.Errorf("the function's span is %q, want %q", function.Name, name)
	}
	statements := 0
	for _, span := range spans {
		if strings.Contains(span.Attributes["db.query.text"], "plant.") || strings.Contains(strings.ToLower(span.Attributes["db.query.text"]), "select") {
			statements++
		}
		if text := fmt.Sprint(span); strings.Contains(text, marker) || strings.Contains(text, "198.51.100.7") || strings.Contains(text, "127.0.0.1:") {
			t.Errorf("%s: a span tells who asked for what: %s", name, text)
		}
	}
	if statements == 0 {
		t.Errorf("%s: no statement in %+v", name, spans)
	}
	for _, line := range lines(t, f) {
		if line["logging.googleapis.com/trace"] == "projects/"+localgoogle.Project+"/traces/"+id {
			if line["logging.googleapis.com/spanId"] != function.SpanID {
				t.Errorf("%s: the log line is of span %v, want %s", name, line["logging.googleapis.com/spanId"], function.SpanID)
			}
			return
		}
	}
	t.Errorf("%s: no log line is of the trace", name)
}

// A collector that fails costs one request its patience, and no request its answer.
func TestTraces_CollectorFails(t *testing.T) {
	prepare(t)
	f := start(t, "metrics", "OTEL_EXPORTER_OTLP_ENDPOINT=https://telemetry.googleapis.com", "TRACE_RATIO=1")
	common.google.Traces.Fail(true)
	defer common.google.Traces.Fail(false)
	before := common.google.Traces.Requests()
	for range 5 {
		if status, _, body := call(t, http.MethodGet, f.Address.String()+"/api/v1/metrics/health", "", nil); status != http.StatusOK {
			t.Errorf("got %d %s", status, body)
		}
	}
	if sent := common.google.Traces.Requests() - before; sent > 1 {
		t.Errorf("sent %d times after a failure", sent-1)
	}
}

// What people say, and what opens doors, is in no log line; every request has one line, with its trace.
func TestLogs_HoldNothingSecretOrPersonal(t *testing.T) {
	prepare(t)
	address, running := startGateway(t)
	token, err := common.stand.Token(auth.Partner, marker)
	if err != nil {
		t.Fatal(err)
	}
	agent := `{"name":"` + marker + `","specialization":"` + marker + `","industry":"sales","hourly_rate":1,"description":"` + marker + `"}`
	requests := []struct {
		method, path, body, token string
	}{
		{"POST", "/api/v1/agents", agent, token},
		{"POST", "/api/v1/agents", agent, marker + "." + marker + "." + marker},
		{"POST", "/api/v1/agents", `{"` + marker + `":"` + marker + `"`, token},
		{"POST", "/api/v1/agents", strings.Replace(agent, "sales", marker, 1), token},
		{"POST", "/api/v1/agents/batch", `{"agents":[` + agent + `,{"name":"` + marker + `"}]}`, token},
		{"GET", "/api/v1/agents?specialization=" + marker, "", ""},
		{"GET", "/api/v1/agents?cursor=" + marker, "", ""},
		{"GET", "/api/v1/agents?access_token=" + marker, "", ""},
		{"GET", "/api/v1/agents/search?query=" + marker, "", ""},
		{"GET", "/api/v1/agents/search?query=" + marker + "%00", "", ""},
		{"GET", "/api/v1/agents/x/metrics?window=" + marker, "", token},
	}
	for _, r := range requests {
		headers := map[string]string{
			"User-Agent": marker, "Cookie": "session=" + marker, "X-Api-Key": marker, "Referer": "https://example.com/" + marker, "X-Forwarded-For": "198.51.100.7",
			"X-Request-Id": "logs-of-this-test",
		}
		if r.token != "" {
			headers["Authorization"] = "Bearer " + r.token
		}
		if r.method == http.MethodPost && !strings.HasSuffix(r.path, "batch") {
			headers["Idempotency-Key"] = marker
		}
		call(t, r.method, address+r.path, r.body, headers)
	}
	told := 0
	for _, f := range running {
		if text := logOf(t, f); strings.Contains(text, marker) || strings.Contains(text, token) || strings.Contains(text, "198.51.100.7") {
			t.Errorf("the log of %s holds what it must not: %s", f.Name, text)
		}
		for _, line := range lines(t, f) {
			for _, field := range []string{"severity", "message", "time", "logging.googleapis.com/trace"} {
				if text, _ := line[field].(string); text == "" {
					t.Errorf("%s: a line without %s: %v", f.Name, field, line)
				}
			}
			if line["request_id"] == "logs-of-this-test" && line["message"] == "request" {
				told++
				if _, ok := line["httpRequest"].(map[string]any); !ok {
					t.Errorf("%s: a line without httpRequest: %v", f.Name, line)
				}
			}
		}
	}
	if told != len(requests) {
		t.Errorf("%d requests have %d lines", len(requests), told)
	}
}
