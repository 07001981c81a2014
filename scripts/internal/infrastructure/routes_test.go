package infrastructure_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/routes"
)

// lead is one rule of the URL map.
type lead struct {
	To        string
	Templates []string
}

// mapOf reads the URL map of a plan: its rules from the resource, and where they lead from the output, since a plan does not
// know the services' names yet.
func mapOf(t *testing.T, text []byte) []lead {
	t.Helper()
	var plan struct {
		Changes []struct {
			Address string
			Change  struct{ After json.RawMessage }
		} `json:"resource_changes"`
		Planned struct {
			Outputs struct{ Routes struct{ Value []lead } }
		} `json:"planned_values"`
	}
	if err := json.Unmarshal(text, &plan); err != nil {
		t.Fatal(err)
	}
	var want, got [][]string
	for _, rule := range plan.Planned.Outputs.Routes.Value {
		want = append(want, rule.Templates)
	}
	for _, c := range plan.Changes {
		if c.Address != "google_compute_url_map.plant" {
			continue
		}
		var urlMap struct {
			Matchers []struct {
				Name  string
				Rules []struct {
					Priority int
					Matches  []struct {
						Template string `json:"path_template_match"`
					} `json:"match_rules"`
					Action []struct {
						Fault []struct {
							Abort []struct {
								Status int `json:"http_status"`
							}
						} `json:"fault_injection_policy"`
					} `json:"route_action"`
				} `json:"route_rules"`
			} `json:"path_matcher"`
			Tests []json.RawMessage `json:"test"`
		}
		if err := json.Unmarshal(c.Change.After, &urlMap); err != nil {
			t.Fatal(err)
		}
		if len(urlMap.Tests) > 100 {
			t.Errorf("the URL map has %d tests", len(urlMap.Tests))
		}
		last := -1
		for i, rule := range urlMap.Matchers[0].Rules {
			if rule.Priority <= last {
				t.Errorf("rule %d comes before the one above it", i)
			}
			last = rule.Priority
			var templates []string
			for _, match := range rule.Matches {
				templates = append(templates, match.Template)
			}
			if i == 0 {
				if diff := cmp.Diff([]string{"/internal", "/internal/**"}, templates); diff != "" || rule.Action[0].Fault[0].Abort[0].Status != 404 {
					t.Errorf("the first rule keeps scheduled work to itself: %s", diff)
				}
				continue
			}
			got = append(got, templates)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		t.Errorf("the output says other rules than the map has: %s", diff)
	}
	return plan.Planned.Outputs.Routes.Value
}

// template is a path template as the load balancer's proxy reads one: * is one segment, ** any rest, the empty one too.
func template(t *testing.T, pattern string) *regexp.Regexp {
	t.Helper()
	const segment = `[a-zA-Z0-9\-._~%!$&'()+,;:@]`
	var text strings.Builder
	for i, part := range strings.Split(pattern, "/") {
		if i > 0 {
			text.WriteString("/")
		}
		switch part {
		case "*":
			text.WriteString(segment + "+")
		case "**":
			text.WriteString(`[a-zA-Z0-9\-._~%!$&'()+,;:@/]*`)
		default:
			text.WriteString(regexp.QuoteMeta(part))
		}
	}
	compiled, err := regexp.Compile("^" + text.String() + "$")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// compareRoutes asks the URL map and the table of the functions about every path that could be told apart, and then some.
func compareRoutes(t *testing.T, plan []byte) {
	t.Helper()
	table, err := routes.Load()
	if err != nil {
		t.Fatal(err)
	}
	rules := mapOf(t, plan)
	leadsTo := func(path string) string {
		for _, rule := range rules {
			for _, pattern := range rule.Templates {
				if template(t, pattern).MatchString(path) {
					return rule.To
				}
			}
		}
		return routes.Default
	}
	paths := []string{"/", "/api", "/api/v1/agents", "/api/v1/agents/x", "/api/v1/agents/x/history", "/api/v1/skills", "/api/v1/hires/x", "/.well-known/other"}
	for _, route := range table {
		for _, pattern := range route.Patterns {
			for _, rest := range []string{"x", "x/y", "metrics", "search"} {
				path := strings.ReplaceAll(strings.ReplaceAll(pattern, "**", rest), "*", "01920000-0000-7000-8000-000000000001")
				paths = append(paths, path, path+"X", path+"/more", strings.TrimSuffix(path, "/"+rest))
			}
		}
	}
	slices.Sort(paths)
	for _, path := range slices.Compact(paths) {
		for _, slash := range []string{"", "/"} {
			if strings.HasSuffix(path, "/") && slash != "" {
				continue
			}
			if want, got := table.Function(path+slash), leadsTo(path+slash); got != want {
				t.Errorf("%s leads to %s, want %s", path+slash, got, want)
			}
		}
	}
	for _, path := range []string{"/openapi.json", "/openapi.yaml", "/docs", "/docs/", "/docs/index.html", "/problems/not-found"} {
		if got := leadsTo(path); got != "site" {
			t.Errorf("%s leads to %s", path, got)
		}
	}
	if len(paths) < 50 {
		t.Errorf("only %d paths were asked for: %v", len(paths), fmt.Sprint(paths))
	}
}
