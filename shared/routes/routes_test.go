package routes_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/waooaw/plant/shared/routes"
)

// Every path of the API's contract, the functions' own checks, and neighbours that look like them.
func TestTable_Function(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"search": `
			/api/v1/agents/available/search  /api/v1/agents/search  /api/v1/agents/search/  /api/v1/agents/1/similar
			/api/v1/skills/search  /api/v1/skills/similarity  /api/v1/job-roles/search
			/api/v1/job-roles/1/match  /api/v1/match  /api/v1/recommendations  /api/v1/suggest
			/api/v1/ard/search  /api/v1/ard/explore  /api/v1/ard/agents  /api/v1/ard/
			/.well-known/ai-catalog.json  /.well-known/oauth-protected-resource  /mcp  /mcp/
			/api/v1/search/health  /api/v1/search/ready`,
		"metrics": `
			/api/v1/events  /api/v1/agents/1/events  /api/v1/agents/1/events/
			/api/v1/agents/1/metrics  /api/v1/agents/1/metrics/  /api/v1/agents/1/metrics/timeseries
			/api/v1/agents/1/metrics/chart.svg  /api/v1/agents/1/metrics/chart.png  /api/v1/agents/1/metrics/badge.svg
			/api/v1/marketplace/summary  /api/v1/marketplace/trending  /api/v1/marketplace/leaderboard
			/api/v1/metrics/health  /api/v1/metrics/ready`,
		"agents": `
			/api/v1/agents  /api/v1/agents/  /api/v1/agents/1  /api/v1/agents/batch  /api/v1/agents/compare
			/api/v1/agents/1/status  /api/v1/agents/1/restore  /api/v1/agents/1/transfer  /api/v1/agents/1/history
			/api/v1/agents/1/card  /api/v1/agents/1/hires  /api/v1/agents/1/reviews
			/api/v1/skills  /api/v1/skills/1  /api/v1/skills/1/certify  /api/v1/skills/1/certification
			/api/v1/job-roles  /api/v1/job-roles/1  /api/v1/job-roles/1/skills  /api/v1/job-roles/1/certify
			/api/v1/industries  /api/v1/industries/sales  /api/v1/teams  /api/v1/teams/1  /api/v1/teams/1/agents/2
			/api/v1/hires  /api/v1/hires/1  /api/v1/hires/1/status  /api/v1/hires/1/review  /api/v1/hires/1/review/reply
			/api/v1/hires/1/review/hidden  /api/v1/changes  /api/v1/audit/run  /api/v1/audit/export
			/api/v1/audit/tampering/1  /api/v1/audit/checkpoint  /api/v1/audit/proof/inclusion
			/api/v1/agents/health  /api/v1/agents/ready
			/  /api/v1/agentsX  /api/v1/agents/1/search  /api/v1/agents//metrics  /api/v1/agents/1/2/metrics
			/api/v1/agents/1/metricsX  /api/v1/agents/search//  /api/v1/marketplace  /mcpx  mcp  /internal/index`,
	}
	table, err := routes.Load()
	if err != nil {
		t.Fatal(err)
	}
	for want, paths := range tests {
		for path := range strings.FieldsSeq(paths) {
			if got := table.Function(path); got != want {
				t.Errorf("%s goes to %s, want %s", path, got, want)
			}
		}
	}
	if got := table.Function(""); got != routes.Default {
		t.Errorf("no path goes to %s, want %s", got, routes.Default)
	}
}

// parse makes a table that sends each pattern to a function of its own: f0, f1, …
func parse(patterns ...string) (routes.Table, error) {
	var table routes.Table
	for i, pattern := range patterns {
		table = append(table, routes.Route{Function: "f" + string(rune('0'+i)), Patterns: []string{pattern}})
	}
	text, err := json.Marshal(table)
	if err != nil {
		return nil, err
	}
	return routes.Parse(text)
}

func TestParse_Patterns(t *testing.T) {
	t.Parallel()
	tests := map[string]string{ // pattern → part of the error; "" is none
		"/a":               "",
		"/a/*/c.d_e~f-9/*": "",
		"/*/*/*/*/**":      "",
		"/**":              "",
		"":                 "does not begin with a slash",
		"a":                "does not begin with a slash",
		"/":                "empty segment",
		"/a/":              "empty segment",
		"/a//b":            "empty segment",
		"/a/../b":          "dot segment",
		"/./a":             "dot segment",
		"/**/a":            "** before its end",
		"/a*":              "part of a segment",
		"/***":             "part of a segment",
		"/{id}":            `segment "{id}"`,
		"/a?b":             "would escape",
		"/a%20b":           "would escape",
		"/é":               "would escape",
		"/*/*/*/*/*/*":     "more than 5 wildcards",
		"/*/*/*/*/*/**":    "more than 5 wildcards",
	}
	for pattern, want := range tests {
		_, err := parse(pattern)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, want %q", pattern, err, want)
		}
	}
}

func TestParse_Tables(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		`[]`:                                   "",
		``:                                     "read routes",
		`null`:                                 "no list",
		`{}`:                                   "read routes",
		`[{"function":"f"}]`:                   "f has no patterns",
		`[{"patterns":["/a"]}]`:                `"" is no function`,
		`[null]`:                               `"" is no function`,
		`[{"function":"F","patterns":["/a"]}]`: `"F" is no function`,
		`[{"function":"agents","patterns":["/a"]}]`:                               "answers what no other does",
		`[{"function":"f","patterns":["/a"],"x":1}]`:                              "unknown",
		`[{"Function":"f","patterns":["/a"]}]`:                                    "unknown",
		`[{"function":"f","function":"g","patterns":["/a"]}]`:                     "duplicate",
		`[{"function":"f","patterns":["/a"]}] []`:                                 "read routes",
		`[{"function":"f","patterns":["/a","/a"]}]`:                               "/a comes before it",
		`[{"function":"f","patterns":["/*"]},{"function":"g","patterns":["/a"]}]`: "/* comes before it",
	}
	for text, want := range tests {
		_, err := routes.Parse([]byte(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

// expression is the regular expression that a pattern stands for.
func expression(pattern string) *regexp.Regexp {
	pattern, rest := strings.CutSuffix(pattern, "/**")
	text := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, "[^/]+")
	if rest {
		return regexp.MustCompile(`(?s)^` + text + `/.*$`)
	}
	return regexp.MustCompile(`^` + text + `/?$`)
}

func patterns() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		pattern := "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "*"}), 1, 3).Draw(t, "segments"), "/")
		return pattern + rapid.SampledFrom([]string{"", "/**"}).Draw(t, "rest")
	})
}

func TestTable_MatchesItsRegularExpression(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pattern := patterns().Draw(t, "pattern")
		table, err := parse(pattern)
		if err != nil {
			t.Fatal(err)
		}
		path := "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "*", ""}), 1, 6).Draw(t, "path"), "/")
		want := expression(pattern).MatchString(path)
		if got := table.Function(path) == "f0"; got != want {
			t.Fatalf("%s matches %s: %v, want %v", pattern, path, got, want)
		}
	})
}

// A pattern is refused where, and only where, an earlier one takes every path that it could.
func TestParse_RefusesWhatIsNeverReached(t *testing.T) {
	t.Parallel()
	paths, last := []string{}, []string{""}
	for range 5 { // segments; c stands for whatever no pattern names
		var longer []string
		for _, path := range last {
			longer = append(longer, path+"/a", path+"/b", path+"/c")
		}
		paths, last = append(paths, longer...), longer
	}
	rapid.Check(t, func(t *rapid.T) {
		first, second := patterns().Draw(t, "first"), patterns().Draw(t, "second")
		earlier, later := expression(first), expression(second)
		reached := false
		for _, path := range paths {
			for _, path := range []string{path, path + "/"} {
				reached = reached || later.MatchString(path) && !earlier.MatchString(path)
			}
		}
		if _, err := parse(first, second); (err == nil) != reached {
			t.Fatalf("%s, then %s: got %v; can the second be reached: %v", first, second, err, reached)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("/a/*/**", "/a/b/c")
	f.Add("/a/**", "/a/")
	f.Add("/a", "//")
	f.Add("/*", "/*")
	f.Add("/a.b~c", "")
	f.Fuzz(func(t *testing.T, pattern, path string) {
		table, err := parse(pattern)
		if err != nil {
			return
		}
		want := routes.Default
		if expression(pattern).MatchString(path) {
			want = "f0"
		}
		if got := table.Function(path); got != want {
			t.Errorf("%q and %q: goes to %s, want %s", pattern, path, got, want)
		}
	})
}

func BenchmarkTable_Function(b *testing.B) {
	table, err := routes.Load()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		table.Function("/api/v1/agents/01900000-0000-7000-8000-000000000001") // matches nothing: the longest way
	}
}
