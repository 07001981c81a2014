package httpapi_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

type foreignError struct {
	Wrong string `json:"wrong"`
}

// foreign is a function with addresses of other standards: operations with their own words, and a protocol of its own that
// repeats what it is sent, with who sends it.
func foreign() httpapi.Function {
	return httpapi.Function{Name: "probe", Title: "Probe", Register: func(api *httpapi.API, _ *database.DB) error {
		api.Dialects = append(api.Dialects, httpapi.Dialect{Prefix: "/api/v1/ard/", Body: foreignError{}, Says: func(p *httpapi.Problem) (int, any) {
			return min(p.Status, 499), foreignError{p.Code}
		}})
		huma.Post(api.Operations, "/api/v1/ard/echo", func(_ context.Context, in *word) (*word, error) { return in, nil })
		huma.Get(api.Operations, "/api/v1/ard/panic", func(context.Context, *struct{}) (*word, error) { panic("marker") })
		api.Mount("/mcp", api.Address("/whose"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			caller, _ := auth.FromContext(r.Context())
			if strings.Contains(string(body), "teapot") {
				http.Error(w, "teapot", http.StatusTeapot)
				return
			}
			_, _ = io.WriteString(w, caller.Subject+string(body))
		}))
		return nil
	}}
}

func TestDialect_SaysEveryProblem(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, foreign())
	for _, test := range []struct {
		method, path, token, body string
		status                    int
		want                      string
	}{
		{"POST", "/api/v1/ard/echo", "", `{"word":"a"}`, 200, `{"word":"a"}`},
		{"POST", "/api/v1/ard/echo", "", `{"word":1}`, 422, `{"wrong":"INVALID"}`},
		{"POST", "/api/v1/ard/echo", "", `{`, 400, `{"wrong":"MALFORMED_REQUEST"}`},
		{"POST", "/api/v1/ard/echo", "forged", `{"word":"a"}`, 401, `{"wrong":"UNAUTHENTICATED"}`},
		{"PUT", "/api/v1/ard/echo", "", ``, 405, `{"wrong":"METHOD_NOT_ALLOWED"}`},
		{"GET", "/api/v1/ard/nothing", "", ``, 404, `{"wrong":"NOT_FOUND"}`},
		{"GET", "/api/v1/ard/panic", "", ``, 499, `{"wrong":"INTERNAL"}`},
		{"HEAD", "/api/v1/ard/panic", "", ``, 499, ``},
		{"GET", "/api/v1/ard/panic?a=%zz", "", ``, 400, `{"wrong":"MALFORMED_REQUEST"}`},
	} {
		got := s.Do(t, test.method, test.path, test.token, test.body)
		if got.Status != test.status || strings.TrimSpace(got.Body) != test.want || got.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: got %d %s %s", test.method, test.path, got.Status, got.Header.Get("Content-Type"), got.Body)
		}
	}
	document, err := foreign().OpenAPI()
	if err != nil || !strings.Contains(string(document), "ForeignError") {
		t.Errorf("the reference does not tell: %v %s", err, document)
	}
	s.Do(t, "GET", "/api/v1/probe/nothing", "", "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
}

func TestMount(t *testing.T) {
	t.Parallel()
	s := apitest.Start(t, foreign(), func(settings *httpapi.Settings) { settings.Limits.Caller = 2 })
	carl := s.Token(t, auth.Customer, "carl")
	for name, test := range map[string]struct {
		token, body, want string
		status            int
		header            apitest.Header
	}{
		"nobody":              {"", ` {"a": 1.0}`, ` {"a": 1.0}`, 200, apitest.Header{Name: "X-Nothing"}},
		"carl":                {carl, `{}`, `carl{}`, 200, apitest.Header{Name: "Origin", Value: "https://portal.example"}},
		"its own error":       {"", `{"a":"teapot"}`, "teapot\n", 418, apitest.Header{Name: "X-Nothing"}},
		"a forged token":      {"forged", `{}`, "UNAUTHENTICATED", 401, apitest.Header{Name: "X-Nothing"}},
		"another page":        {"", `{}`, "FORBIDDEN", 403, apitest.Header{Name: "Origin", Value: "https://portal.example.evil"}},
		"a list":              {"", " \n[{}]", "MALFORMED_REQUEST", 400, apitest.Header{Name: "X-Nothing"}},
		"two documents":       {"", `{}{}`, "MALFORMED_REQUEST", 400, apitest.Header{Name: "X-Nothing"}},
		"a control character": {"", `{"a":"\u0000"}`, "INVALID", 422, apitest.Header{Name: "X-Nothing"}},
		"a large body":        {"", `"` + strings.Repeat("a", 1<<20) + `"`, "TOO_LARGE", 413, apitest.Header{Name: "X-Nothing"}},
		"no JSON":             {"", `{}`, "UNSUPPORTED_MEDIA_TYPE", 415, apitest.Header{Name: "Content-Type", Value: "text/plain"}},
	} {
		got := s.Do(t, "POST", "/mcp", test.token, test.body, test.header)
		if got.Status != test.status || !strings.Contains(got.Body, test.want) {
			t.Errorf("%s: got %d %s", name, got.Status, got.Body)
		}
		if challenge := got.Header.Get("WWW-Authenticate"); test.status == http.StatusUnauthorized && challenge != `Bearer error="invalid_token", resource_metadata="`+apitest.PublicURL+`/whose"` {
			t.Errorf("%s: %s", name, challenge)
		}
	}
	s.Do(t, "POST", "/mcp", carl, `{}`).Want(t, http.StatusOK)
	s.Do(t, "POST", "/mcp", carl, `{}`).Want(t, http.StatusTooManyRequests)
	if got := s.Do(t, "GET", "/mcp", "", ""); got.Status != http.StatusMethodNotAllowed || got.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %d %v", got.Status, got.Header)
	}
}
