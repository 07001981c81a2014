package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// A small bench from end to end: every endpoint answers without an error, the tables are there, and the picture is drawn.
func TestRun(t *testing.T) {
	t.Setenv("PLANT_HOME", t.TempDir())
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(root)
	const quick = "--rounds=1 --clients=4 --search-clients=2 "
	bench := func(args string) string {
		t.Helper()
		var out strings.Builder
		if err := run(t.Context(), strings.Fields(quick+args), &out); err != nil {
			t.Fatalf("%s: %v\n%s", args, err, &out)
		}
		return out.String()
	}
	out := bench("--rows=7000 --length=300ms")
	for _, name := range []string{"get", "list", "search", "create"} {
		row := rowOf(out, name)
		if len(row) != 12 || row[11] != "0" || row[4] == "0.00" || row[4] == "NaN" {
			t.Errorf("%s: %q", name, row)
		}
	}
	for _, name := range []string{"page 69 ÷ first page", "agents: start to first 200 ÷ pgbench -C", "search: peak memory"} {
		if len(rowOf(out, name)) != 3 {
			t.Errorf("no row of %s in\n%s", name, out)
		}
	}
	out = bench("--rows=7000 --length=200ms --scenario=all")
	for _, name := range scenarioNames {
		if row := rowOf(out, name); len(row) != 8 {
			t.Errorf("%s: %q in\n%s", name, row, out)
		}
	}
	if picture, err := os.ReadFile(filepath.Join(root, ".dist", "bench", "latency.png")); err != nil || !strings.HasPrefix(string(picture), "\x89PNG") {
		t.Errorf("no picture: %v", err)
	}
	if out := bench("--kill=1 --seed=7"); !strings.Contains(out, "0 lost, 0 doubled") || !strings.Contains(out, "seed 7") {
		t.Errorf("got %s", out)
	}
}

// rowOf returns the cells of a table's row.
func rowOf(out, name string) (cells []string) {
	for line := range strings.SplitSeq(out, "\n") {
		if strings.HasPrefix(line, "| "+name+" ") {
			for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
				cells = append(cells, strings.TrimSpace(cell))
			}
		}
	}
	return cells
}

func TestRun_Refuses(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"--only=gets", "--scenario=war", "--sideways"} {
		var out strings.Builder
		if err := run(t.Context(), []string{args}, &out); err == nil {
			t.Errorf("%s: no error", args)
		}
	}
}

func TestParseLog(t *testing.T) {
	t.Parallel()
	got := parseLog("2026-11-23 16:00:00.000 UTC LOG:  statement: begin\n" +
		"2026-11-23 16:00:00.001 UTC LOG:  execute stmtcache_ab12: \n\tselect a, -- the first\n\t\tb from t where c = $1 and d = $2\n" +
		"2026-11-23 16:00:00.001 UTC DETAIL:  parameters: $1 = 'it''s', $2 = NULL\n" +
		"2026-11-23 16:00:00.002 UTC ERROR:  something else\n")
	want := []statement{{sql: "begin"}, {sql: "\nselect a, -- the first\n\tb from t where c = $1 and d = $2", args: []string{"'it''s'", "NULL"}}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(statement{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("begin;\nselect a, b from t where c = 'it''s' and d = NULL;\n", script(got, same)); diff != "" {
		t.Error(diff)
	}
}

// pgbench takes a colon and a letter for a variable of its own, even in a string.
func TestPlain(t *testing.T) {
	t.Parallel()
	for literal, want := range map[string]string{
		`'{"a":true}'`: `E'{"a"\x3atrue}'`, `'a\b:c'`: `E'a\\b\x3ac'`, `'10:30'`: `'10:30'`, `(:n)::text`: `(:n)::text`, `NULL`: `NULL`,
	} {
		if got := plain(literal); got != want {
			t.Errorf("%s: got %s, want %s", literal, got, want)
		}
	}
}

// A pace of steps is due when the steps before it are through, and ends.
func TestSteps(t *testing.T) {
	t.Parallel()
	pace := steps{{10, time.Second}, {100, time.Second}}
	for _, test := range []struct {
		elapsed time.Duration
		hits    uint64
		want    time.Duration
		end     bool
	}{
		{0, 0, 0, false},
		{0, 5, 500 * time.Millisecond, false},
		{700 * time.Millisecond, 5, 0, false},
		{time.Second, 10, 0, false},
		{time.Second, 60, 500 * time.Millisecond, false},
		{2 * time.Second, 110, 0, true},
	} {
		if got, end := pace.Pace(test.elapsed, test.hits); got != test.want || end != test.end {
			t.Errorf("%v, %d hits: got %v, %v, want %v, %v", test.elapsed, test.hits, got, end, test.want, test.end)
		}
	}
	for elapsed, want := range map[time.Duration]float64{0: 10, 1500 * time.Millisecond: 100, 3 * time.Second: 0} {
		if got := pace.Rate(elapsed); got != want {
			t.Errorf("%v: got %v/s, want %v", elapsed, got, want)
		}
	}
}

func TestOverloadNotes(t *testing.T) {
	t.Parallel()
	pace := steps{{1, time.Second}, {4, time.Second}, {1, 2 * time.Second}}
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	samples := []sample{
		{at: ms(500), status: 200},
		{at: ms(1100), status: 200},
		{at: ms(1200), status: 503, latency: ms(3), retryAfter: true},
		{at: ms(1300), status: 503, latency: ms(5)},
		{at: ms(1400), status: 201, write: true},
		{at: ms(2500), status: 503},
		{at: ms(3500), status: 200, latency: ms(20)},
	}
	want := []string{
		"overload: 2/s answered well, 2/s refused (1 without Retry-After) in p95 5.0 ms",
		"overload: 0.0 % of the writes refused, 50.0 % of all; well again 0.5 s after it ended",
	}
	if diff := cmp.Diff(want, overloadNotes(samples, pace)); diff != "" {
		t.Error(diff)
	}
	if got := overloadNotes(samples, vegeta.Rate{}); got != nil {
		t.Errorf("no steps: %v", got)
	}
	if m := summarise(samples); m.requests != 7 || m.errors != 3 || m.p50 != 0 || m.p99 != ms(20) {
		t.Errorf("got %+v", m)
	}
}

// The catalogue's texts and the queries are the same on every machine.
func TestProse_IsAlwaysTheSame(t *testing.T) {
	t.Parallel()
	var texts [2]string
	for i := range texts {
		p := newProse(rand.New(rand.NewPCG(catalogueSeed, 0)))
		texts[i] = p.name() + p.specialization() + p.description()
	}
	if diff := cmp.Diff(texts[0], texts[1]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(queries(20), queries(20)); diff != "" {
		t.Error(diff)
	}
}
