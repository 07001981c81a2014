package apitest

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/routes"
)

// AnID stands for any resource's id.
const AnID = "01900000-0000-7000-8000-000000000001"

// Operations returns what a function's published document describes, as "METHOD path", sorted. The test fails where an
// operation is routed to another function, or does not say what it does.
func Operations(t testing.TB, function httpapi.Function) []string {
	t.Helper()
	document, err := function.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var described struct {
		Paths map[string]map[string]struct{ Summary string }
	}
	if err := json.Unmarshal(document, &described); err != nil {
		t.Fatal(err)
	}
	table, err := routes.Load()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for path, methods := range described.Paths {
		if to := table.Function(strings.ReplaceAll(path, "{id}", AnID)); to != function.Name {
			t.Errorf("%s goes to %s", path, to)
		}
		for method, operation := range methods {
			if operation.Summary == "" || strings.Contains(operation.Summary, "v1") {
				t.Errorf("%s %s says %q of itself", method, path, operation.Summary)
			}
			list = append(list, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(list)
	return list
}
