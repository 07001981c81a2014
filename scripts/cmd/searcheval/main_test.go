package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/shared/config"
)

// tiny is a collection with one of everything that is hard to load: a control character, a role without skills, one that
// requires a skill that is not there, a name that two have, a tag that is too long.
var tiny = map[string][]any{
	"corpus_skills.jsonl.gz": {
		record{ID: "skill:1", Name: "weld pipes", Description: "Join pipes of steel by heat."},
		record{ID: "skill:2", Name: "bake bread", Description: "Mix dough, let it rise and bake it in an oven."},
		record{ID: "skill:3", Name: "prune trees", Description: "Cut branches so that fruit trees bear more."},
		record{ID: "skill:4", Name: "Bake Bread", Description: "Run an industrial bakery line."},
		record{ID: "skill:5", Name: "keep accounts", Description: "Record invoices and payments in ledgers."},
		record{ID: "skill:6", Name: "teach swimming", Description: "Show children how to swim."},
		record{ID: "skill:7", Name: "tune pianos", Description: "Adjust strings until a piano sounds right."},
		record{ID: "skill:8", Name: "groom horses", Description: "Brush and wash horses."},
	},
	"corpus_roles.jsonl.gz": {
		record{ID: "role:1", Name: "baker", Description: "Bakers make bread\u0085 and pastry.", RequiredSkillIDs: []string{"skill:2", "skill:4", "skill:404"}},
		record{ID: "role:2", Name: "welder", Description: "Welders join metal.", RequiredSkillIDs: []string{"skill:1"}},
		record{ID: "role:3", Name: "gardener", Description: "Gardeners look after plants."},
		record{ID: "role:4", Name: "Welder", Description: "Underwater welders mend ships.", RequiredSkillIDs: []string{"skill:1"}},
	},
	"corpus_agents.jsonl.gz": {
		record{ID: "agent:1", Name: "Ledger Bot", Description: "Books invoices overnight.", Specialization: "finance", Tags: []string{"accounting", strings.Repeat("long", 20), " "}},
		record{ID: "agent:2", Name: "Recipe Finder", Description: "Finds a recipe for what is in the fridge."},
		record{ID: "agent:3", Name: "Recipe Finder", Description: "Finds vegan recipes."},
		record{ID: "agent:4", Name: "Route Planner", Description: "Plans the shortest way for parcels.", Specialization: "logistics"},
	},
	"corpus_roles_onet.jsonl.gz": {
		record{ID: "onet:1", Name: "Chief Executives", Description: "Determine policies of companies."},
		record{ID: "onet:2", Name: "Bakers", Description: "Mix and bake ingredients to produce breads."},
		record{ID: "onet:3", Name: "Piano Tuners", Description: "Tune pianos."},
		record{ID: "onet:4", Name: "Riggers", Description: "Set up or repair rigging for construction projects."},
	},
	"queries_dev.jsonl": {
		query{ID: "1", Text: "making bread", Kind: "skill", Stratum: "lexical", Relevant: []string{"skill:2", "skill:4"}},
		query{ID: "2", Text: "baker bread", Kind: "skill", Stratum: "role_to_skill", Relevant: []string{"skill:2", "skill:4"}},
		query{ID: "3", Text: "bakrs", Kind: "role", Stratum: "typo", Relevant: []string{"role:1"}},
		query{ID: "4", Text: "underwater " + strings.Repeat("welder ", 80), Kind: "role", Stratum: "lexical", Relevant: []string{"role:4"}},
		query{ID: "5", Text: "book my invoices", Kind: "agent", Stratum: "lexical", Relevant: []string{"agent:1"}},
	},
	"queries_onet_dev.jsonl": {
		query{ID: "onet-1", Text: "tune a piano", Kind: "role", Stratum: "task_to_role", Relevant: []string{"onet:3"}},
	},
}

// write puts a collection into a folder.
func write(t *testing.T, files map[string][]any) string {
	t.Helper()
	dir := t.TempDir()
	for name, values := range files {
		var lines bytes.Buffer
		for _, value := range values {
			if err := json.NewEncoder(&lines).Encode(value); err != nil {
				t.Fatal(err)
			}
		}
		if strings.HasSuffix(name, ".gz") {
			var packed bytes.Buffer
			zip := gzip.NewWriter(&packed)
			_, err := zip.Write(lines.Bytes())
			if err != nil || zip.Close() != nil {
				t.Fatal(err)
			}
			lines = packed
		}
		if err := os.WriteFile(filepath.Join(dir, name), lines.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A whole run over a tiny collection loses no record, finds what is meant, and finds the same the second time.
func TestEvaluate(t *testing.T) {
	t.Setenv("PLANT_HOME", t.TempDir())
	s, err := config.Load[settings](t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.dir, s.checkout, s.show = write(t, tiny), "../../..", 1
	var out strings.Builder
	first, err := evaluate(t.Context(), s, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if len(first) != 6 {
		t.Errorf("%d queries were answered, want 6", len(first))
	}
	found := map[string][]string{}
	for _, a := range first {
		found[a.query.ID] = a.found
		if a.quality().ndcg != 1 || len(a.simple.bm25)+len(a.simple.trigrams) == 0 || a.took == 0 {
			t.Errorf("%q: got %+v, want %q first", a.query.Text, a, a.query.Relevant)
		}
	}
	for _, want := range []string{"indexing 8 texts", "indexing 16 texts", "indexing 4 texts", `wanted "Ledger Bot"`, `found  "Ledger Bot"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	s.queries = filepath.Join(s.dir, "queries_onet_dev.jsonl")
	second, err := evaluate(t.Context(), s, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if len(second) != 1 {
		t.Errorf("%d queries were answered, want the one that was asked for", len(second))
	}
	for _, a := range second {
		if diff := cmp.Diff(found[a.query.ID], a.found); diff != "" {
			t.Errorf("%q was answered otherwise the second time (-first +second):\n%s", a.query.Text, diff)
		}
	}
}

func TestRead_Refuses(t *testing.T) {
	t.Parallel()
	for name, queries := range map[string][]any{
		"no queries":       {},
		"unknown record":   {query{ID: "1", Text: "bread", Kind: "skill", Relevant: []string{"skill:404"}}},
		"unknown kind":     {query{ID: "1", Text: "bread", Kind: "job", Relevant: []string{"skill:1"}}},
		"nothing relevant": {query{ID: "1", Text: "bread", Kind: "skill"}},
		"blank":            {query{ID: "1", Text: " \u0085 ", Kind: "skill", Relevant: []string{"skill:1"}}},
	} {
		dir := write(t, map[string][]any{"corpus_skills.jsonl.gz": tiny["corpus_skills.jsonl.gz"], "queries_dev.jsonl": queries})
		if _, err := read(dir, ""); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"there --queries file", "--queries file there"} {
		var s settings
		if err := s.parse(strings.Fields(args)); err != nil || s.dir != "there" || s.queries != "file" {
			t.Errorf("%s: got %q, %q, %v", args, s.dir, s.queries, err)
		}
	}
	for _, args := range []string{"", "here there", "--sideways here"} {
		var s settings
		if err := s.parse(strings.Fields(args)); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
