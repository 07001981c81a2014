package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/scripts/internal/gateway"
	"github.com/waooaw/plant/shared/httpapi"
)

// document of a function with one operation and what all of them share.
func document(name, extra string) []byte {
	return []byte(fmt.Sprintf(`{"openapi":"3.1.0","info":{"title":%[1]q,"version":"1"},"paths":{"/api/v1/%[1]s/health":{"get":{"summary":"Health"}}},
		"components":{"schemas":{"Problem":{"type":"object"}%[2]s}},
		"x-problem-types":[{"slug":"not-found","code":"NOT_FOUND","status":404,"title":"There is <nothing> here","help":"Look elsewhere."}]}`, name, extra))
}

func documents() map[string][]byte {
	return map[string][]byte{"agents": document("agents", ""), "search": document("search", `,"Found":{"type":"array"}`), "metrics": document("metrics", "")}
}

// start runs a gateway before three functions that answer their name and what they were asked.
func start(t *testing.T) (gatewayURL string, functions map[string]*httptest.Server) {
	t.Helper()
	functions = map[string]*httptest.Server{}
	cfg := gateway.Config{Functions: map[string]*url.URL{}, Documents: documents(), Issuer: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "issuer")
	})}
	for _, name := range []string{"agents", "search", "metrics"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, "%s %s %s for=%s", name, r.Method, r.RequestURI, r.Header.Get("X-Forwarded-For"))
		}))
		t.Cleanup(server.Close)
		address, err := url.Parse(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		functions[name], cfg.Functions[name] = server, address
	}
	handler, err := gateway.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL, functions
}

func get(t *testing.T, address string) (int, http.Header, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return send(t, request)
}

func send(t *testing.T, request *http.Request) (int, http.Header, string) {
	t.Helper()
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(body)
}

func TestGateway_RoutesAsItCame(t *testing.T) {
	t.Parallel()
	at, _ := start(t)
	tests := map[string]string{
		"/api/v1/agents":  "agents",
		"/api/v1/agents/": "agents",
		"/api/v1/agents/search?query=a%20b&x=%2f;": "search",
		"/api/v1/agents/x%2Fy/metrics":             "agents",
		"/api/v1/agents/1/metrics?window=all":      "metrics",
		"/api/v1/agents/%e4%bd%a0/metrics":         "metrics",
		"/api/v1/agents/a%2Cb%7Cc%2f":              "agents",
		"/api/v1/agents?tag=%zz":                   "agents",
		"/anything":                                "agents",
		"/internals":                               "agents",
		"/API/v1/search":                           "agents",
		"/api/v1/agents/search/":                   "search",
		"/api/v1/agents/%73earch":                  "search",
		"/api/v1/agents?":                          "agents",
		"/api/v1/agents?a=1&a=2&;=%00+%2B":         "agents",
		"/.well-known/oauth-protected-resource":    "search",
		"/api/v1/marketplace/summary":              "metrics",
	}
	for path, function := range tests {
		status, _, body := get(t, at+path)
		if want := function + " GET " + path + " for=127.0.0.1"; status != http.StatusOK || body != want {
			t.Errorf("%s: %d %q, want %q", path, status, body, want)
		}
	}
}

func TestGateway_ForwardedFor(t *testing.T) {
	t.Parallel()
	at, _ := start(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, at+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Forwarded-For", "192.0.2.1")
	_, _, body := send(t, request)
	if want := "agents DELETE /x for=192.0.2.1, 127.0.0.1"; body != want {
		t.Errorf("got %q, want %q", body, want)
	}
}

// A body, a status and headers pass as they are, both ways; what is said of the caller's own connection does not.
func TestGateway_PassesOn(t *testing.T) {
	t.Parallel()
	functions := map[string]*url.URL{}
	for _, name := range []string{"agents", "search", "metrics"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Etag", r.Header.Get("If-Match"))
			w.Header().Set("X-Seen", r.Host+"|"+r.Header.Get("X-Forwarded-Proto")+"|"+r.Header.Get("X-Hop")+"|"+r.Header.Get("Accept-Encoding"))
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.Copy(w, r.Body)
		}))
		t.Cleanup(server.Close)
		address, err := url.Parse(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		functions[name] = address
	}
	handler, err := gateway.New(gateway.Config{Functions: functions, Documents: documents(), Issuer: http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	const body = "{\"a\": \"\x00\xff\"}"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, server.URL+"/api/v1/agents/1", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "plant.example"
	for name, value := range map[string]string{"If-Match": `"7"`, "X-Hop": "1", "Connection": "X-Hop", "X-Forwarded-Proto": "gopher", "Accept-Encoding": "identity"} {
		request.Header.Set(name, value)
	}
	status, header, got := send(t, request)
	if status != http.StatusTeapot || got != body || header.Get("Etag") != `"7"` {
		t.Errorf("got %d %q %q", status, got, header.Get("Etag"))
	}
	if want := "plant.example|http||identity"; header.Get("X-Seen") != want {
		t.Errorf("the function sees %q, want %q", header.Get("X-Seen"), want)
	}
}

// What has to be escaped and is not would reach the function escaped, and an escaped slash beside it as a real one.
func TestI16_GatewayRefusesUnescapedPaths(t *testing.T) {
	t.Parallel()
	at, _ := start(t)
	for _, path := range []string{"/api/v1/agents/a%2fb|c", "/api/v1/agents/ü", "/api/v1/agents/^"} {
		connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(at, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = connection.Close() }()
		if _, err := fmt.Fprintf(connection, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(connection)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(answer); !strings.HasPrefix(text, "HTTP/1.1 400 ") || !strings.Contains(text, "MALFORMED_REQUEST") {
			t.Errorf("%s: got %s, want 400", path, text)
		}
	}
}

func wantProblem(t *testing.T, address string, want int, code string) {
	t.Helper()
	status, header, body := get(t, address)
	var p httpapi.Problem
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("%s: %v: %s", address, err, body)
	}
	if status != want || p.Code != code || p.RequestID == "" || p.Timestamp.IsZero() || header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s: %d %s", address, status, body)
	}
	if want == http.StatusServiceUnavailable && header.Get("Retry-After") == "" {
		t.Errorf("%s: no Retry-After", address)
	}
}

func TestI16_GatewayRefusesUncleanPaths(t *testing.T) {
	t.Parallel()
	at, _ := start(t)
	for _, path := range []string{
		"//api/v1/agents", "/api/../internal", "/api/v1/./agents", "/internal", "/internal/sequence", "/internal/", "/api//v1", "/api/v1/%2e%2e/x",
		"/internal%2Fsequence", "/%69nternal/sequence", "/internal?x=1", "/%2e/internal", "/api/v1/..", "/.", "/%2F%2Fx",
	} {
		wantProblem(t, at+path, http.StatusNotFound, "NOT_FOUND")
	}
}

func TestGateway_FunctionIsDown(t *testing.T) {
	t.Parallel()
	at, functions := start(t)
	functions["metrics"].Close()
	wantProblem(t, at+"/api/v1/agents/1/metrics", http.StatusServiceUnavailable, "UNAVAILABLE")
	if status, _, _ := get(t, at+"/api/v1/agents"); status != http.StatusOK {
		t.Errorf("the others: %d", status)
	}
	wantProblem(t, at+"/ready", http.StatusServiceUnavailable, "UNAVAILABLE")
	if _, _, body := get(t, at+"/ready"); !strings.Contains(body, "not ready: metrics") {
		t.Errorf("what is not ready is not named: %s", body)
	}
}

func TestGateway_PagesAndDocuments(t *testing.T) {
	t.Parallel()
	at, _ := start(t)
	tests := map[string][]string{
		"/":                                 {"<h1>Plant</h1>", "/docs/"},
		"/ready":                            {`{"functions":["agents","metrics","search"],"status":"ready"}`},
		"/problems/":                        {"NOT_FOUND", "/problems/not-found"},
		"/problems/not-found":               {"There is &lt;nothing&gt; here", "Look elsewhere."},
		"/openapi.json":                     {`"/api/v1/agents/health"`, `"/api/v1/search/health"`, `"/api/v1/metrics/health"`, `"Found"`},
		"/openapi.yaml":                     {"/api/v1/agents/health:"},
		"/docs/":                            {"swagger-ui-bundle.js", "/openapi.json"},
		"/.well-known/openid-configuration": {"issuer"},
		"/.well-known/jwks.json":            {"issuer"},
	}
	for path, parts := range tests {
		status, header, body := get(t, at+path)
		if status != http.StatusOK {
			t.Errorf("%s: %d", path, status)
		}
		for _, part := range parts {
			if !strings.Contains(body, part) {
				t.Errorf("%s: %q is not in %s", path, part, body)
			}
		}
		if strings.HasPrefix(path, "/problems") && header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s is %s", path, header.Get("Content-Type"))
		}
	}
	for _, folder := range []string{"/docs", "/problems"} {
		if status, header, _ := get(t, at+folder); status != http.StatusMovedPermanently || header.Get("Location") != folder+"/" {
			t.Errorf("%s: %d %s", folder, status, header.Get("Location"))
		}
	}
	_, _, first := get(t, at+"/openapi.json")
	var document map[string]any
	if err := json.Unmarshal([]byte(first), &document); err != nil {
		t.Fatal(err)
	}
	members := slices.Sorted(maps.Keys(document))
	if diff := cmp.Diff([]string{"components", "info", "openapi", "paths", "x-problem-types"}, members); diff != "" {
		t.Errorf("members of the document: %s", diff)
	}
	other, _ := start(t)
	if _, _, second := get(t, other+"/openapi.json"); first != second {
		t.Errorf("the document differs from run to run: %s", cmp.Diff(first, second))
	}
}

// The reference gets everything from the gateway, and its policy keeps the rest away.
func TestGateway_ReferenceKeepsToItself(t *testing.T) {
	t.Parallel()
	at, _ := start(t)
	_, header, page := get(t, at+"/docs/")
	if policy := header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'self';") || strings.Contains(policy, "http") {
		t.Errorf("its policy is %q", policy)
	}
	assets := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page, -1)
	if len(assets) < 4 {
		t.Errorf("it names %d assets: %s", len(assets), page)
	}
	for _, asset := range assets {
		if !strings.HasPrefix(asset[1], "/docs/") {
			t.Errorf("it loads %s", asset[1])
			continue
		}
		if status, _, _ := get(t, at+asset[1]); status != http.StatusOK {
			t.Errorf("%s: %d", asset[1], status)
		}
	}
}

func TestNew_RefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	address := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	all := map[string]*url.URL{"agents": address, "search": address, "metrics": address}
	conflicting, twice, malformed, older, richer, disagreeing := documents(), documents(), documents(), documents(), documents(), documents()
	conflicting["search"] = document("search", `,"Found":{"type":"array"}`)
	conflicting["metrics"] = document("metrics", `,"Found":{"type":"object"}`)
	twice["metrics"] = document("agents", "")
	malformed["metrics"] = []byte("{")
	older["metrics"] = bytes.Replace(older["metrics"], []byte("3.1.0"), []byte("3.0.3"), 1)
	richer["metrics"] = bytes.Replace(richer["metrics"], []byte(`"paths"`), []byte(`"security":[],"paths"`), 1)
	cut := documents()
	cut["search"] = bytes.Replace(cut["search"], []byte(`"Health"`), []byte(`"Health","summary":"again"`), 1)
	disagreeing["metrics"] = bytes.Replace(disagreeing["metrics"], []byte("Look elsewhere."), []byte("Look here."), 1)
	tests := map[string]gateway.Config{
		"a function is missing":           {Functions: map[string]*url.URL{"agents": address, "search": address}, Documents: documents()},
		"schemas of one name differ":      {Functions: all, Documents: conflicting},
		"an operation is described twice": {Functions: all, Documents: twice},
		"a document is malformed":         {Functions: all, Documents: malformed},
		"a member stands twice":           {Functions: all, Documents: cut},
		"a document is OpenAPI 3.0":       {Functions: all, Documents: older},
		"merging would lose a member":     {Functions: all, Documents: richer},
		"problems of one name differ":     {Functions: all, Documents: disagreeing},
	}
	for name, cfg := range tests {
		cfg.Issuer = http.NotFoundHandler()
		if _, err := gateway.New(cfg); err == nil {
			t.Errorf("%s, and it was accepted", name)
		}
	}
}
