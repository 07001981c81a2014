package release_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waooaw/plant/scripts/internal/release"
)

// world is a checkout, and the programs that it meets on the PATH.
type world struct {
	t      *testing.T
	folder string
	out    bytes.Buffer
	day    int
}

const outputs = `{"database_host":{"value":"10.16.0.3"},"deploy_account":{"value":"projects/p/serviceAccounts/deploy"},"functions":{"value":["agents","metrics","search"]},
"migrated":{"value":MIGRATED},"packages_bucket":{"value":"packages"},"pool":{"value":"projects/p/pool"},"project":{"value":"waooaw-plant-test"},
"region":{"value":"asia-south1"},"url":{"value":"https://api.test"}}`

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, folder: t.TempDir()}
	for _, part := range []string{"bin", "scripts"} {
		if err := os.CopyFS(filepath.Join(w.folder, part), os.DirFS(filepath.Join("testdata", part))); err != nil {
			t.Fatal(err)
		}
		programs, err := filepath.Glob(filepath.Join(w.folder, part, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, program := range programs {
			if err := os.Chmod(program, 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, folder := range []string{"terraform", "world/bucket"} {
		if err := os.MkdirAll(filepath.Join(w.folder, folder), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	w.write("../terraform/demo.tfvars", "environment = \"demo\"\nproject     = \"waooaw-plant-test\"\nbilling_account = \"012345-6789AB-CDEF01\"\n")
	w.write("outputs", outputs)
	w.write("commit", "one")
	t.Setenv("PATH", filepath.Join(w.folder, "bin")+":"+os.Getenv("PATH")) //nolint:forbidigo // the programs that stand in come first
	t.Setenv("WORLD", filepath.Join(w.folder, "world"))
	t.Setenv("GOFLAGS", "-buildvcs=false") // the git that stands in is none that go could ask
	return w
}

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.folder, "world", name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) read(name string) string {
	text, _ := os.ReadFile(filepath.Join(w.folder, "world", name)) // what is not there is empty
	return strings.TrimSpace(string(text))
}

func (w *world) config(canary int) release.Config {
	w.day++
	day := w.day
	return release.Config{
		Checkout: w.folder, Environment: "demo", Canary: canary, Soak: time.Millisecond, Out: &w.out,
		Now: func() time.Time { return time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC) },
	}
}

// steps returns what was run since the last look, in short: what only looks is left out.
func (w *world) steps() []string {
	w.t.Helper()
	var steps []string
	for line := range strings.Lines(w.read("log")) {
		words := strings.Fields(line)
		short := func(from, to int) string { return strings.Join(words[min(from, len(words)):min(to, len(words))], " ") }
		switch {
		case strings.HasPrefix(line, "terraform plan"):
			steps = append(steps, "plan "+strings.TrimPrefix(strings.Join(words[4:], " "), "-var-file=demo.tfvars "))
		case strings.HasPrefix(line, "terraform apply"), words[0] == "smoke", words[0] == "package":
			steps = append(steps, strings.TrimPrefix(short(0, 2), "terraform "))
		case strings.HasPrefix(line, "gcloud run services update-traffic"):
			steps = append(steps, "traffic "+words[4]+" "+words[len(words)-1])
		case strings.HasPrefix(line, "gcloud builds"):
			steps = append(steps, "migrate")
		case words[0] == "rotate-secret":
			steps = append(steps, short(0, 2))
		case strings.HasPrefix(line, "gcloud storage cp --recursive gs:"):
			steps = append(steps, "fetch "+filepath.Base(filepath.Dir(words[4])))
		case strings.HasPrefix(line, "gcloud storage cp -"):
			steps = append(steps, "keep "+filepath.Base(words[len(words)-1]))
		}
	}
	w.write("log", "")
	return steps
}

func (w *world) want(what string, want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.steps()); diff != "" {
		w.t.Errorf("%s: %s", what, diff)
	}
}

// deployed is a world in which release one runs.
func deployed(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	if err := release.Deploy(t.Context(), w.config(0)); err != nil {
		t.Fatalf("%v\n%s", err, &w.out)
	}
	w.steps()
	w.write("commit", "two")
	return w
}

func (w *world) names() (current, former string) {
	return w.read("bucket/releases/current"), w.read("bucket/releases/former")
}

const (
	one = "20260101T000000Z-one"
	two = "20260102T000000Z-two"
)

// What moves all traffic to the revisions of release one, and to the latest.
var (
	pinned = []string{"traffic agents --to-revisions=agents-2=100", "traffic metrics --to-revisions=metrics-2=100", "traffic search --to-revisions=search-2=100"}
	latest = []string{"traffic agents --to-latest", "traffic metrics --to-latest", "traffic search --to-latest"}
)

// The first time the database comes before its schema, and the logins that the schema is for after it.
func TestDeploy_FirstTime(t *testing.T) { //nolint:paralleltest // the PATH is everybody's
	w := newWorld(t)
	if err := release.Deploy(t.Context(), w.config(0)); err != nil {
		t.Fatalf("%v\n%s", err, &w.out)
	}
	w.want("steps", "package", "plan -var=database_migrated=false", "apply", "rotate-secret audit-key", "migrate",
		"plan ", "apply", "smoke https://api.test", "keep "+one, "keep current")
	if current, former := w.names(); current != one || former != "" {
		t.Errorf("runs %q, before it %q", current, former)
	}
}

// A first apply that ended halfway is the first one again.
func TestDeploy_FirstTimeHalfway(t *testing.T) { //nolint:paralleltest // likewise
	w := newWorld(t)
	w.write("state", `{"migrated":{"value":true},"project":{"value":"waooaw-plant-test"},"url":{"value":"https://api.test"}}`)
	if err := release.Deploy(t.Context(), w.config(0)); err != nil {
		t.Fatalf("%v\n%s", err, &w.out)
	}
	if steps := w.steps(); !slices.Contains(steps, "plan -var=database_migrated=false") {
		t.Errorf("%q", steps)
	}
}

// Until there is a certificate nothing answers, and there is no release to go back to: the same again goes on from there.
func TestDeploy_FirstTimeBeforeItsCertificate(t *testing.T) { //nolint:paralleltest // likewise
	w := newWorld(t)
	w.write("smoke-fails", "2")
	for range 2 {
		if err := release.Deploy(t.Context(), w.config(0)); err == nil || !strings.Contains(err.Error(), "wait for the certificate") {
			t.Errorf("got %v", err)
		}
	}
	w.steps()
	if err := release.Deploy(t.Context(), w.config(0)); err != nil {
		t.Fatalf("%v\n%s", err, &w.out)
	}
	w.want("steps", "package", "migrate", "plan -var=canary=false", "apply", latest[0], latest[1], latest[2], "smoke https://api.test", "keep 20260103T000000Z-one", "keep current")
}

func TestDeploy_Later(t *testing.T) { //nolint:paralleltest // likewise
	w := deployed(t)
	if err := release.Deploy(t.Context(), w.config(0)); err != nil {
		t.Fatalf("%v\n%s", err, &w.out)
	}
	w.want("steps", "package", "migrate", "plan -var=canary=false", "apply", latest[0], latest[1], latest[2], "smoke https://api.test", "keep "+two, "keep former", "keep current")
	if current, former := w.names(); current != two || former != one {
		t.Errorf("runs %q, before it %q", current, former)
	}
}

func TestDeploy_Canary(t *testing.T) { //nolint:paralleltest // likewise
	w := deployed(t)
	if err := release.Deploy(t.Context(), w.config(40)); err != nil {
		t.Fatalf("%v\n%s", err, &w.out)
	}
	if got := w.read("all-at-once"); got != "" {
		t.Errorf("all of the traffic at once for %q", got)
	}
	w.want("steps", "package", "migrate", "plan -var=canary=true", pinned[0], pinned[1], pinned[2], "apply",
		"traffic agents --to-revisions=agents-3=40,agents-2=60", "traffic metrics --to-revisions=metrics-3=40,metrics-2=60",
		"traffic search --to-revisions=search-3=40,search-2=60", "smoke https://api.test", "smoke https://api.test",
		latest[0], latest[1], latest[2], "smoke https://api.test",
		"keep "+two, "keep former", "keep current")
	if got := w.read("agents.serving"); got != "3" {
		t.Errorf("revision %s serves", got)
	}
}

// Where the traffic cannot be pinned, a canary would get all of it: nothing is applied.
func TestDeploy_CanaryCannotPin(t *testing.T) { //nolint:paralleltest // likewise
	w := deployed(t)
	w.write("traffic-fails", "")
	if err := release.Deploy(t.Context(), w.config(40)); err == nil || !strings.Contains(err.Error(), "nothing was applied") {
		t.Errorf("got %v", err)
	}
	w.want("steps", slices.Concat([]string{"package", "migrate", "plan -var=canary=true"}, pinned)...)
}

// What was left pinned does not keep the traffic from the next release.
func TestDeploy_LetsGoOfAPin(t *testing.T) { //nolint:paralleltest // likewise
	w := deployed(t)
	w.write("apply-fails", "")
	if err := release.Deploy(t.Context(), w.config(40)); err == nil {
		t.Error("no error")
	}
	if err := os.Remove(filepath.Join(w.folder, "world", "apply-fails")); err != nil {
		t.Fatal(err)
	}
	if err := release.Deploy(t.Context(), w.config(0)); err != nil {
		t.Fatalf("%v\n%s", err, &w.out)
	}
	if got := w.read("agents.serving"); got != "3" || w.read("agents.pinned") != "" {
		t.Errorf("revision %s serves", got)
	}
}

// A deployment that fails leaves callers and the state of Terraform with the release of before, whatever has failed.
func TestDeploy_GoesBack(t *testing.T) { //nolint:paralleltest // likewise
	restored := []string{"fetch " + one, "plan -var=manifest=../.dist/former/manifest.json", "apply", latest[0], latest[1], latest[2], "smoke https://api.test"}
	for name, test := range map[string]struct { //nolint:paralleltest // likewise
		canary int
		before []string // it fails
	}{
		"smoke test": {0, []string{"package", "migrate", "plan -var=canary=false", "apply", latest[0], latest[1], latest[2], "smoke https://api.test"}},
		"first step of a canary": {50, []string{
			"package", "migrate", "plan -var=canary=true", pinned[0], pinned[1], pinned[2], "apply",
			"traffic agents --to-revisions=agents-3=50,agents-2=50", "traffic metrics --to-revisions=metrics-3=50,metrics-2=50",
			"traffic search --to-revisions=search-3=50,search-2=50", "smoke https://api.test",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := deployed(t)
			w.write("smoke-fails", "1")
			err := release.Deploy(t.Context(), w.config(test.canary))
			if err == nil || !strings.Contains(err.Error(), "not deployed, "+one+" runs as before") {
				t.Errorf("got %v", err)
			}
			w.want("steps", slices.Concat(test.before, pinned, restored)...)
			if text, err := os.ReadFile(filepath.Join(w.folder, ".dist", "former", "manifest.json")); err != nil || string(text) != "{\"commit\":\"one\"}\n" {
				t.Errorf("went back to %s, %v", text, err)
			}
			if current, former := w.names(); current != one || former != "" {
				t.Errorf("runs %q, before it %q", current, former)
			}
		})
	}
}

// Ctrl-C interrupts what runs once, and goes back: a second interrupt has Terraform abort, without its state.
func TestDeploy_Interrupted(t *testing.T) { //nolint:paralleltest // likewise
	w := deployed(t)
	w.write("apply-waits", "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	go func() { ended <- release.Deploy(ctx, w.config(0)) }()
	for w.read("group") == "" {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "not deployed, "+one+" runs as before") {
		t.Errorf("got %v", err)
	}
	// A terminal interrupts all of its foreground group.
	if group := w.read("group"); group == strconv.Itoa(syscall.Getpgrp()) {
		t.Error("Terraform is in the group of its parent")
	}
	if got := w.read("interrupts"); got != "interrupted" {
		t.Errorf("interrupted by %q", got)
	}
}

// What is found before anything was changed changes nothing.
func TestDeploy_Refused(t *testing.T) { //nolint:paralleltest // likewise
	for name, test := range map[string]struct { //nolint:paralleltest // likewise
		file, text, want string
		steps            []string
	}{
		"uncommitted changes":  {"uncommitted", " M README.md", "README.md", nil},
		"no access":            {"no-access", "", "gcloud auth login", nil},
		"no billing account":   {"../terraform/demo.tfvars", "project = \"p\"\nbilling_account = \"000000-000000-000000\"", "billing account", nil},
		"no project":           {"../terraform/demo.tfvars", "", "names no project", nil},
		"a migration fails":    {"migrate-fails", "", "builds submit", []string{"package", "migrate"}},
		"a plan is not judged": {"plan.json", "nonsense", "read the plan", []string{"package", "migrate", "plan -var=canary=false"}},
		"a plan is forbidden": {
			"plan.json", `{"resource_changes":[{"address":"google_sql_user.owner","type":"google_sql_user","change":{"after":{"password":"x"}}}]}`,
			"secret-in-the-plain",
			[]string{"package", "migrate", "plan -var=canary=false"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := deployed(t)
			w.write(test.file, test.text)
			if err := release.Deploy(t.Context(), w.config(0)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			w.want("steps", test.steps...)
		})
	}
}

func TestDeploy_Nonsense(t *testing.T) { //nolint:paralleltest // the PATH is everybody's
	w := deployed(t)
	for _, canary := range []int{-1, 100} {
		if err := release.Deploy(t.Context(), w.config(canary)); err == nil {
			t.Errorf("a canary of %d %% was taken", canary)
		}
	}
	other := w.config(0)
	other.Environment = "production"
	if err := release.Deploy(t.Context(), other); err == nil {
		t.Error("an environment that there is not was taken")
	}
}

// Where going back fails too, both are told.
func TestDeploy_CannotGoBack(t *testing.T) { //nolint:paralleltest // likewise
	w := deployed(t)
	w.write("apply-fails", "")
	if err := release.Deploy(t.Context(), w.config(0)); err == nil || !strings.Contains(err.Error(), "going back failed as well") {
		t.Errorf("got %v", err)
	}
}

func TestRollback(t *testing.T) { //nolint:paralleltest // likewise
	w := deployed(t)
	if err := release.Rollback(t.Context(), w.config(0)); err == nil || !strings.Contains(err.Error(), "no former release") {
		t.Errorf("a first release was rolled back: %v", err)
	}
	w.day--
	if err := release.Deploy(t.Context(), w.config(0)); err != nil {
		t.Fatal(err)
	}
	w.steps()
	if err := release.Rollback(t.Context(), w.config(0)); err != nil {
		t.Fatalf("%v\n%s", err, &w.out)
	}
	w.want("steps", "fetch "+one, pinned[0], pinned[1], pinned[2],
		"plan -var=manifest=../.dist/former/manifest.json", "apply", latest[0], latest[1], latest[2], "smoke https://api.test", "keep former", "keep current")
	if current, former := w.names(); current != one || former != two {
		t.Errorf("runs %q, before it %q", current, former)
	}
}

// The verb itself, with the programs that stand in: what is new goes where it is needed, and nobody sees it pass.
func TestRotateSecret(t *testing.T) { //nolint:paralleltest // likewise
	checkout, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct { //nolint:paralleltest // likewise
		added   string // what the value begins with
		readers int
		printed []string
	}{
		"audit-key":      {"PRIVATE+KEY+plant.waooaw-plant-test/log+", 2, []string{"checkpoints are verified by: plant.waooaw-plant-test/log+", "audit_old_keys = [\"oldest+key\", \"former+key\"]"}},
		"cache-key":      {"", 2, nil},
		"cursor-key":     {"", 3, nil},
		"database-owner": {"", 0, nil},
		"embedding-key":  {"a key of thirty-two letters, or more", 2, nil},
		"redis-url":      {"rediss://:marker-auth@10.16.0.4:6378/0", 3, nil},
		"redis-ca":       {"-----BEGIN A-----\n-----BEGIN B-----", 3, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write("verifier", "former+key")
			w.write("formers", "oldest+key")
			cmd := exec.CommandContext(t.Context(), filepath.Join(checkout, "scripts", "rotate-secret"), name)
			cmd.Env, cmd.Stdin = append(os.Environ(), "PLANT_HOME="+w.folder), strings.NewReader("a key of thirty-two letters, or more\n")
			printed, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, printed)
			}
			if got := w.read("secrets"); got != "plant-"+name {
				t.Errorf("added to %q", got)
			}
			kept, err := os.ReadFile(filepath.Join(w.folder, "world", "plant-"+name+".value"))
			value := string(kept)
			if err != nil || !strings.HasPrefix(value, test.added) {
				t.Errorf("added %q, %v, want %q…", value, err, test.added)
			}
			// Some who read it, as Cloud Build does, take what is around it for a part of it.
			if name != "redis-ca" && value != strings.TrimSpace(value) {
				t.Errorf("there are blanks around %q", value)
			}
			for _, want := range test.printed {
				if !strings.Contains(string(printed), want) {
					t.Errorf("printed %q, want %q", printed, want)
				}
			}
			if len(value) < 32 && name != "redis-ca" {
				t.Errorf("%q is too short to be safe", value)
			}
			if log := w.read("log"); strings.Contains(log, value) || strings.Contains(string(printed), value) || strings.Contains(log, "marker") {
				t.Error("the value can be seen")
			}
			if got := strings.Count(w.read("log"), "gcloud run services update "); got != test.readers {
				t.Errorf("%d functions read it anew, want %d", got, test.readers)
			}
			// What signs with the new key knows the former one: an instance may read the secret as soon as it is there.
			told := strings.Index(w.read("log"), "gcloud run services update agents --project=waooaw-plant-test --region=asia-south1 --update-env-vars=^;^AUDIT_OLD_KEYS=oldest+key,former+key")
			if name == "audit-key" && (told < 0 || told > strings.Index(w.read("log"), "gcloud secrets versions add")) {
				t.Errorf("the function does not know the former key in time: %s", w.read("log"))
			}
			if got := w.read("annotations"); name == "audit-key" && !strings.HasSuffix(got, ";formers=oldest+key,former+key") {
				t.Errorf("noted is %q", got)
			}
			if sent := w.read("sent"); name == "database-owner" && (!strings.Contains(sent, `{"password":"`+value+`"}`) || !strings.Contains(sent, "Bearer marker-token")) {
				t.Errorf("sent %q", sent)
			}
		})
	}
	// The first key of a project has none before it.
	w := newWorld(t)
	first := exec.CommandContext(t.Context(), filepath.Join(checkout, "scripts", "rotate-secret"), "audit-key")
	first.Env = append(os.Environ(), "PLANT_HOME="+w.folder)
	if printed, err := first.CombinedOutput(); err != nil || strings.Contains(string(printed), "audit_old_keys") || strings.Contains(w.read("log"), "AUDIT_OLD_KEYS") {
		t.Errorf("%v\n%s", err, printed)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(checkout, "scripts", "rotate-secret"), "no-such-secret")
	if err := cmd.Run(); err == nil {
		t.Error("a secret that there is not was rotated")
	}
}
