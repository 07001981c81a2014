package routes_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/waooaw/plant/shared/routes"
)

func TestTable_Function(t *testing.T) {
	t.Parallel()
	table, err := routes.Load()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{
		"/":                                  "agents",
		"/api/v1/agents":                     "agents",
		"/api/v1/agents/":                    "agents",
		"/api/v1/agentsX":                    "agents",
		"/api/v1/agents/1":                   "agents",
		"/api/v1/agents/health":              "agents",
		"/api/v1/agents/available/search":    "search",
		"/api/v1/agents/search/":             "search",
		"/api/v1/agents/1/search":            "agents",
		"/api/v1/agents/1/metrics":           "metrics",
		"/api/v1/agents//metrics":            "agents",
		"/api/v1/agents/1/metrics/":          "metrics",
		"/api/v1/agents/1/metrics/chart.svg": "metrics",
		"/api/v1/agents/1/2/metrics":         "agents",
		"/api/v1/search/health":              "search",
		"/api/v1/metrics/ready":              "metrics",
		"/api/v1/marketplace":                "agents",
		"/api/v1/marketplace/summary":        "metrics",
		"/mcp":                               "search",
		"/mcpx":                              "agents",
	}
	for path, want := range tests {
		if got := table.Function(path); got != want {
			t.Errorf("%s goes to %s, want %s", path, got, want)
		}
	}
}

func TestParse_Refuses(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"", "api", "/a/", "/a//b", "/**/a", "/a*", "/{id}", "/*/*/*/*/*/*"} {
		if _, err := routes.Parse([]byte(`[{"function":"f","patterns":["` + pattern + `"]}]`)); err == nil {
			t.Errorf("pattern %q was accepted", pattern)
		}
	}
	for _, text := range []string{"", "{}", `[{"function":"f"}]`, `[{"patterns":["/a"]}]`, `[{"function":"f","patterns":["/a"],"x":1}]`} {
		if _, err := routes.Parse([]byte(text)); err == nil {
			t.Errorf("table %q was accepted", text)
		}
	}
}

// A pattern matches what the regular expression that it stands for matches.
func TestTable_MatchesItsRegularExpression(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		segment := rapid.SampledFrom([]string{"a", "b", "*"})
		segments := rapid.SliceOfN(segment, 1, 4).Draw(t, "segments")
		expression := "^"
		for _, s := range segments {
			expression += "/" + strings.ReplaceAll(s, "*", "[^/]+")
		}
		if rapid.Bool().Draw(t, "rest") {
			segments, expression = append(segments, "**"), expression+"/[^/]+(/[^/]*)*"
		}
		pattern := "/" + strings.Join(segments, "/")
		table, err := routes.Parse([]byte(`[{"function":"f","patterns":["` + pattern + `"]}]`))
		if err != nil {
			t.Fatal(err)
		}
		path := "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 6).Draw(t, "path"), "/")
		want := regexp.MustCompile(expression + "$").MatchString(path)
		if got := table.Function(path) == "f"; got != want {
			t.Fatalf("%s matches %s: %v, want %v", pattern, path, got, want)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`[{"function":"f","patterns":["/a/*/**"]}]`), "/a/b/c")
	f.Add([]byte(`[]`), "")
	f.Add([]byte(`[{"function":"f","patterns":["/a"]}]`), "//")
	f.Fuzz(func(t *testing.T, text []byte, path string) {
		table, err := routes.Parse(text)
		if err != nil {
			return
		}
		if table.Function(path) == "" {
			t.Errorf("%q goes nowhere", path)
		}
	})
}
