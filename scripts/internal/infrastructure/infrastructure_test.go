package infrastructure_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sethvargo/go-envconfig"

	"github.com/waooaw/plant/scripts/internal/infrastructure"
	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

const (
	checkout      = "../../.."
	configuration = "terraform"
)

type settings struct {
	CI      bool   `env:"CI"`
	Offline string `env:"PLANT_TERRAFORM_OFFLINE, default=../../../../shared/terraform-offline"`
}

// initialised returns a copy of a configuration that Terraform may write in. Without Terraform or its providers, the test is
// left out, as scripts/test says of it, and with CI=true it fails.
func initialised(t *testing.T, folder string) *infrastructure.Folder {
	t.Helper()
	s, err := config.Load[settings](t.Context())
	if err != nil {
		t.Fatal(err)
	}
	leave := t.Skip // only CI has to have Terraform, which users install themselves
	if s.CI {
		leave = t.Fatal
	}
	if _, err := exec.LookPath(infrastructure.Program); err != nil {
		leave("terraform is not on the PATH")
	}
	configFile, err := infrastructure.Offline(t.Context(), s.Offline)
	if err != nil {
		t.Fatal(err)
	}
	copied, err := infrastructure.Copy(t.Context(), checkout, folder, t.TempDir(), configFile)
	if errors.Is(err, infrastructure.ErrNoProviders) && configFile == "" {
		leave(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return copied
}

func judge(t *testing.T, f *infrastructure.Folder, arguments ...string) []infrastructure.Violation {
	t.Helper()
	plan, err := f.Plan(t.Context(), "judged", arguments...)
	if err != nil {
		t.Fatal(err)
	}
	found, err := infrastructure.Judge(plan)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// T6: each rule refuses the plan that breaks it, and no other rule does.
func TestT6_ForbiddenPlans(t *testing.T) {
	t.Parallel()
	fixtures, err := os.ReadDir(filepath.Join(checkout, configuration, "tests", "forbidden"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, fixture := range fixtures {
		names = append(names, fixture.Name())
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(infrastructure.Rules)), names); diff != "" {
		t.Errorf("a fixture for each rule: %s", diff)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var rules []string
			for _, violation := range judge(t, initialised(t, filepath.Join(configuration, "tests", "forbidden", name))) {
				rules = append(rules, violation.Rule)
			}
			if diff := cmp.Diff([]string{name}, rules); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// T6: what the environments plan breaks none. The functions start with what they are told, and are reached as they should.
func TestT6_Environments(t *testing.T) {
	t.Parallel()
	f := initialised(t, configuration)
	for _, environment := range environments(t) {
		plan, err := f.Plan(t.Context(), environment, "-var-file="+environment+".tfvars", "-var=manifest=tests/packages/manifest.json", "-var=database_replica_region=asia-south1")
		if err != nil {
			t.Fatal(err)
		}
		found, err := infrastructure.Judge(plan)
		if err != nil {
			t.Fatal(err)
		}
		for _, violation := range found {
			t.Errorf("%s: %v", environment, violation)
		}
		startFunctions(t, environment, plan)
		compareRoutes(t, plan)
	}
}

// secrets are values that the references stand for.
var secrets = map[string]string{
	"AUDIT_KEY":  "not looked at here",
	"CACHE_KEY":  "a key for tests of the cache",
	"CURSOR_KEY": "a key for tests",
	"REDIS_CA":   "",
	"REDIS_URL":  "rediss://:marker@10.16.0.4:6378/0",
}

// startFunctions opens each function of a plan, as the platform would, of its environment.
func startFunctions(t *testing.T, environment string, text []byte) {
	t.Helper()
	var plan struct {
		Changes []struct {
			Type   string
			Change struct{ After json.RawMessage }
		} `json:"resource_changes"`
	}
	if err := json.Unmarshal(text, &plan); err != nil {
		t.Fatal(err)
	}
	started := 0
	for _, c := range plan.Changes {
		if c.Type != "google_cloudfunctions2_function" {
			continue
		}
		var function struct {
			Name    string
			Service []struct {
				Variables map[string]string `json:"environment_variables"`
			} `json:"service_config"`
		}
		if err := json.Unmarshal(c.Change.After, &function); err != nil {
			t.Fatal(err)
		}
		variables := function.Service[0].Variables
		for name, value := range variables {
			if strings.HasPrefix(value, "secret://projects/") {
				variables[name] = secrets[name]
			}
		}
		settings, err := config.LoadFrom[httpapi.Settings](t.Context(), envconfig.MapLookuper(variables))
		if err != nil {
			t.Errorf("%s: %s: %v", environment, function.Name, err)
			continue
		}
		register := func(*httpapi.API, *database.DB) error { return nil }
		service, err := httpapi.Function{Name: function.Name, Title: function.Name, Register: register}.Open(t.Context(), settings, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Errorf("%s: %s: %v", environment, function.Name, err)
			continue
		}
		service.Close()
		if !settings.Database.HasReplica() {
			t.Errorf("%s: %s does not know the replica", environment, function.Name)
		}
		started++
	}
	if started != 3 {
		t.Errorf("%s: started %d functions", environment, started)
	}
}

func environments(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(checkout, configuration, "*.tfvars"))
	if err != nil || len(files) != 3 {
		t.Fatalf("got %v, %v, want three", files, err)
	}
	for i, file := range files {
		files[i] = strings.TrimSuffix(filepath.Base(file), ".tfvars")
	}
	return files
}

// The tests of an environment are about what is deployed: their variables are those of its file, line by line.
func TestEnvironmentsAreTestedAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, environment := range environments(t) {
		want := words(read(t, environment+".tfvars"))
		_, rest, _ := strings.Cut(read(t, "tests/"+environment+".tftest.hcl"), "variables {\n")
		block, _, _ := strings.Cut(rest, "\n}\n")
		got := words(block)
		got = slices.DeleteFunc(got, func(line string) bool { return strings.HasPrefix(line, "manifest =") })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", environment, diff)
		}
	}
}

// words returns the lines of a text with single blanks, without comments.
func words(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(checkout, configuration, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	variableSet = regexp.MustCompile(`\b([A-Z][A-Z0-9]+_[A-Z0-9_]+)\s+= `)
	variableTag = regexp.MustCompile("`env:\"([A-Z0-9_]+)")
)

// Every environment variable that a function is told is one that it reads.
func TestVariablesOfFunctionsExist(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"GOFLAGS": true, "GOPROXY": true, "GOTOOLCHAIN": true} // of its build
	for _, folder := range []string{"shared", "functions"} {
		for _, text := range goFiles(t, folder) {
			for _, tag := range variableTag.FindAllStringSubmatch(text, -1) {
				known[tag[1]] = true
			}
		}
	}
	for _, name := range []string{"functions.tf", "demo.tfvars", "uat.tfvars", "prod.tfvars"} {
		found := variableSet.FindAllStringSubmatch(read(t, name), -1)
		if name == "functions.tf" && len(found) < 10 {
			t.Errorf("found only %v", found)
		}
		for _, variable := range found {
			if !known[variable[1]] {
				t.Errorf("%s sets %s, which nothing reads", name, variable[1])
			}
		}
	}
}

var (
	scheduledRoute = regexp.MustCompile(`"/internal/([a-z-]+)"`)
	scheduledJob   = regexp.MustCompile(`(?m)^\s+([a-z]+)\s+= \{ deadline = .*function = "([a-z]+)"`)
)

// Every operation that a scheduler is to call has a job that calls its function.
func TestScheduledWorkIsScheduled(t *testing.T) {
	t.Parallel()
	jobs := map[string]string{}
	for _, job := range scheduledJob.FindAllStringSubmatch(read(t, "scheduler.tf"), -1) {
		jobs[job[1]] = job[2]
	}
	found := 0
	for path, text := range goFiles(t, "functions") {
		if filepath.Base(path) != "routes.go" {
			continue
		}
		for _, route := range scheduledRoute.FindAllStringSubmatch(text, -1) {
			found++
			if want, got := filepath.Base(filepath.Dir(path)), jobs[route[1]]; got != want {
				t.Errorf("the job %s calls %q, want %s", route[1], got, want)
			}
		}
	}
	if found == 0 {
		t.Error("no function has scheduled work")
	}
}

// goFiles returns the text of every Go file below a folder of the checkout that is no test, by its path.
func goFiles(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(filepath.Join(checkout, folder), func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		files[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
