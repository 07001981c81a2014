package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var modules = []module{{"plant", "/x"}, {"functions/agents", "/x/functions/agents"}}

func TestModuleOf(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"github.com/waooaw/plant/shared/auth/config.go":      "plant",
		"github.com/waooaw/plant/functions/agents/agent.go":  "functions/agents",
		"github.com/waooaw/plant/functions/agents/cmd/x.go":  "functions/agents",
		"github.com/waooaw/plant/functions/agentsX/agent.go": "plant",
		"github.com/other/x.go":                              "",
	}
	for file, want := range tests {
		if got := moduleOf(file, modules); got != want {
			t.Errorf("%s is of %q, want %q", file, got, want)
		}
	}
}

// A statement counts as covered when any of the runs has covered it.
func TestCheckCoverage(t *testing.T) {
	t.Parallel()
	const prefix = "mode: set\n"
	line := func(file string, start, statements, count string) string {
		return "github.com/waooaw/plant/" + file + ":" + start + ".1," + start + ".9 " + statements + " " + count + "\n"
	}
	tests := []struct {
		name  string
		runs  []string
		wrong string
	}{
		{"all by two runs together", []string{line("a.go", "1", "10", "1") + line("a.go", "2", "10", "0"), line("a.go", "2", "10", "1") + line("functions/agents/b.go", "1", "1", "1")}, ""},
		{"one module is low", []string{line("a.go", "1", "9", "1") + line("a.go", "2", "1", "0") + line("functions/agents/b.go", "1", "84", "1") + line("functions/agents/b.go", "2", "16", "0")}, "functions/agents"},
		{"nothing was run", []string{""}, "plant, functions/agents"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for i, run := range test.runs {
				if err := os.WriteFile(filepath.Join(dir, string(rune('a'+i))+".out"), []byte(prefix+run), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got := ""
			if err := (&checks{}).checkCoverage(dir, modules); err != nil {
				_, got, _ = strings.Cut(err.Error(), "%: ")
			}
			if diff := cmp.Diff(test.wrong, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWorkspace(t *testing.T) {
	t.Parallel()
	got, err := workspace(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range got {
		names = append(names, m.name)
		if m.path() != "github.com/waooaw/"+strings.TrimSuffix("plant/"+strings.TrimPrefix(m.name, "plant"), "/") {
			t.Errorf("%s has the path %s", m.name, m.path())
		}
	}
	if diff := cmp.Diff([]string{"plant", "functions/agents", "functions/metrics", "functions/search"}, names); diff != "" {
		t.Error(diff)
	}
	if scripts := shellScripts(got[0].dir); len(scripts) < 5 {
		t.Errorf("shell scripts: %v", scripts)
	}
}
