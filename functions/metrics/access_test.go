package metrics

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// callers of the matrix, in its columns' order. Ada owns the agent that operations are tried on; Bob does not.
var callers = []string{"nobody", "no role", "unknown role", "customer", "owner", "other partner", "governor", "scheduler"}

// matrix says what each operation answers each caller. This table is the law; an operation without a row fails the test.
var matrix = map[string][8]int{
	"GET /api/v1/agents/{id}/metrics":            everyone,
	"GET /api/v1/agents/{id}/metrics/timeseries": everyone,
	"GET /api/v1/agents/{id}/metrics/chart.svg":  everyone,
	"GET /api/v1/agents/{id}/metrics/chart.png":  everyone,
	"GET /api/v1/agents/{id}/metrics/badge.svg":  everyone,
	"GET /api/v1/marketplace/summary":            everyone,
	"GET /api/v1/marketplace/trending":           everyone,
	"GET /api/v1/marketplace/leaderboard":        everyone,
	"GET /api/v1/metrics/health":                 everyone,
	"GET /api/v1/metrics/ready":                  everyone,
	"POST /api/v1/agents/{id}/events":            {401, 403, 403, 403, 200, 403, 200, 200},
	"POST /api/v1/events":                        {401, 403, 403, 403, 200, 200, 200, 200}, // each event by itself: see TestEvents_EachByItself
}

// What only scheduled work calls is in no document.
const internal = "POST /internal/rollup"

var everyone = [8]int{200, 200, 200, 200, 200, 200, 200, 200}

// A13, A14 and I30: what each caller gets of each operation, and that these are all there are.
func TestA13_A14_I30_Matrix(t *testing.T) {
	t.Parallel()
	s := start(t)
	operations := apitest.Operations(t, Function)
	for _, operation := range operations {
		if _, listed := matrix[operation]; !listed {
			t.Errorf("%s has no row", operation)
		}
	}
	if len(operations) != len(matrix) {
		t.Errorf("%d operations, %d rows", len(operations), len(matrix))
	}
	tokens := []string{
		"", s.Token(t, "", "rob"), s.Token(t, "superuser", "eve"), s.Token(t, auth.Customer, "carl"), s.ada, s.Token(t, auth.Partner, "bob"), s.Token(t, auth.Governor, "grace"), s.scheduler,
	}
	rows := map[string][8]int{internal: {401, 403, 403, 403, 403, 403, 403, 200}}
	for operation, row := range matrix {
		rows[operation] = row
	}
	for operation, want := range rows {
		method, path, _ := strings.Cut(operation, " ")
		body := ""
		if method == "POST" && operation != internal {
			body = `{"events":[{}]}`
		}
		var got [8]int
		for i, token := range tokens {
			got[i] = s.Do(t, method, strings.ReplaceAll(path, "{id}", agent), token, body).Status
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, of %v: %s", operation, callers, diff)
		}
	}
}
