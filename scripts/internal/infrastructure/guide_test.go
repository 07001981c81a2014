package infrastructure_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	scriptNamed  = regexp.MustCompile(`scripts/([a-z-]+)`)
	fileLinked   = regexp.MustCompile(`\]\(([^):#]+)(?:#[^)]*)?\)`)
	outputNamed  = regexp.MustCompile(`output -raw ([a-z_]+)`)
	commandWord  = regexp.MustCompile(`^ *(?:[A-Z_]+=\S+ )*([a-z][a-z0-9./-]*)`)
	variableUsed = regexp.MustCompile("`([a-z]+_[a-z_]+)`")
)

// known programs of the guides: what a reader has, by the prerequisites.
var known = []string{"cd", "curl", "dig", "gcloud", "git", "psql", "terraform", "export", "for", "do", "done", "if", "then", "fi", "echo"}

// Every command of the guide, and of what the build runs, is one that there is.
func TestGuide_CommandsExist(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"README.md", "cloudbuild.yaml", "migrate.yaml"} {
		text := read(t, name)
		scripts := scriptNamed.FindAllStringSubmatch(text, -1)
		if len(scripts) == 0 {
			t.Errorf("%s names no script", name)
		}
		for _, script := range scripts {
			if info, err := os.Stat(filepath.Join(checkout, "scripts", script[1])); err != nil || !info.IsDir() && info.Mode()&0o111 == 0 {
				t.Errorf("%s: there is no %s", name, script[0])
			}
		}
	}
	guide := read(t, "README.md")
	for _, line := range pasted(guide) {
		word := commandWord.FindStringSubmatch(line)
		if word == nil || !strings.HasPrefix(word[1], "scripts/") && !slices.Contains(known, word[1]) {
			t.Errorf("README.md: what is %q?", line)
		}
	}
	outputs := read(t, "outputs.tf")
	for _, output := range outputNamed.FindAllStringSubmatch(guide, -1) {
		if !strings.Contains(outputs, `output "`+output[1]+`"`) {
			t.Errorf("README.md: there is no output %s", output[1])
		}
	}
	for _, link := range fileLinked.FindAllStringSubmatch(guide, -1) {
		if _, err := os.Stat(filepath.Join(checkout, configuration, link[1])); err != nil {
			t.Errorf("README.md leads to %s, which is not there", link[1])
		}
	}
	variables := read(t, "variables.tf")
	for _, used := range variableUsed.FindAllStringSubmatch(guide, -1) {
		if !strings.Contains(variables, `variable "`+used[1]+`"`) && !slices.Contains(notVariables, used[1]) {
			t.Errorf("README.md: there is no variable %s", used[1])
		}
	}
}

var (
	stepID  = regexp.MustCompile(`(?m)^  - id: (\S+)$`)
	waitFor = regexp.MustCompile(`(?m)^    waitFor: \[(.*)\]$`)
)

// Cloud Build refuses a build in which a step waits for one that comes after it.
func TestBuild_WaitsForEarlierSteps(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"cloudbuild.yaml", "migrate.yaml"} {
		text := read(t, name)
		steps := stepID.FindAllStringSubmatchIndex(text, -1)
		if len(steps) == 0 {
			t.Errorf("%s has no step", name)
		}
		earlier := []string{`"-"`} // waits for none
		for i, step := range steps {
			end := len(text)
			if i+1 < len(steps) {
				end = steps[i+1][0]
			}
			id := text[step[2]:step[3]]
			if waits := waitFor.FindStringSubmatch(text[step[0]:end]); waits != nil {
				for other := range strings.SplitSeq(waits[1], ", ") {
					if !slices.Contains(earlier, other) {
						t.Errorf("%s: %s waits for %s, which is no step before it", name, id, other)
					}
				}
			}
			earlier = append(earlier, id)
		}
	}
}

var (
	resourceBlock = regexp.MustCompile(`(?ms)^resource "([a-z0-9_]+)" "([a-z0-9_]+)" \{\n(.*?)^\}$`)
	// inRegion is of what is lost with a region: what is in it, and what is in that.
	inRegion     = regexp.MustCompile(`= var\.(database_replica_)?region\b|(?m)^  (bucket|instance|repository) += google_`)
	stateAddress = regexp.MustCompile(`\bgoogle_[a-z0-9_]+\.[a-z0-9_]+\b`)
)

// What the guide takes out of the state and imports is there, and when a region is lost, that is all that was in it.
func TestGuide_State(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(checkout, configuration, "*.tf"))
	if err != nil {
		t.Fatal(err)
	}
	resources := map[string]bool{} // whether they are in a region
	for _, file := range files {
		for _, block := range resourceBlock.FindAllStringSubmatch(read(t, filepath.Base(file)), -1) {
			resources[block[1]+"."+block[2]] = inRegion.MatchString(block[3])
		}
	}
	guide := read(t, "README.md")
	for _, line := range pasted(guide) {
		for _, address := range stateAddress.FindAllString(line, -1) {
			if _, found := resources[address]; !found {
				t.Errorf("there is no %s", address)
			}
		}
	}
	_, failover, _ := strings.Cut(guide, "## Failover")
	var taken []string
	for _, line := range pasted(failover) {
		if strings.HasPrefix(line, "terraform state rm ") {
			taken = append(taken, stateAddress.FindAllString(line, -1)...)
		}
	}
	for address, regional := range resources {
		if regional && !slices.Contains(taken, address) {
			t.Errorf("the guide leaves %s, of a lost region, in the state", address)
		}
	}
}

// pasted returns the lines of a guide that are commands to paste.
func pasted(guide string) []string {
	var lines []string
	fence := ""
	for line := range strings.Lines(guide) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case fence == "" && strings.HasPrefix(line, "```"):
			fence = line
		case strings.HasPrefix(line, "```"):
			fence = ""
		case fence == "```":
			lines = append(lines, line)
		}
	}
	return lines
}

// notVariables look like variables of the configuration, but are PostgreSQL's and others' names.
var notVariables = []string{"plant_app", "plant_owner", "max_instances", "min_instances", "max_connections", "deletion_protection", "text_fields", "secret_environment_variables"}
