// Package release brings a checkout to an environment, and back: packages, schema, infrastructure, traffic. It runs the
// programs that people would, in their order, and shows what they print.
package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/waooaw/plant/scripts/internal/infrastructure"
)

// Config says what is released, where, and how.
type Config struct {
	Checkout    string        // the checkout's folder
	Environment string        // demo, uat or prod
	Canary      int           // percent of the traffic that the new revisions get first; 0 is all at once
	Soak        time.Duration // how long each step of a canary lasts
	Out         io.Writer
	Now         func() time.Time
}

// release is one run.
type release struct {
	Config

	outputs outputs
}

// outputs are those of the configuration, as they are in the state.
type outputs struct {
	DatabaseHost   string
	DeployAccount  string
	Functions      []string
	Migrated       bool
	PackagesBucket string
	Pool           string
	Project        string
	Region         string
	URL            string
}

func (r *release) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.Out, "\n== "+format+"\n", args...) // nobody reads what cannot be written
}

func (r *release) folder() string { return filepath.Join(r.Checkout, "terraform") }

// run runs a program in the open.
func (r *release) run(ctx context.Context, dir, program string, arguments ...string) error {
	cmd := r.command(ctx, dir, program, arguments)
	cmd.Stdout, cmd.Stderr = r.Out, r.Out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", describe(program, arguments), err)
	}
	return nil
}

// output runs a program and returns what it prints, without blanks around it.
func (r *release) output(ctx context.Context, dir, program string, arguments ...string) (string, error) {
	cmd := r.command(ctx, dir, program, arguments)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", describe(program, arguments), err, bytes.TrimSpace(complaint.Bytes()))
	}
	return strings.TrimSpace(string(text)), nil
}

func (r *release) command(ctx context.Context, dir, program string, arguments []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, arguments...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TF_IN_AUTOMATION=1", "TF_INPUT=0", "CLOUDSDK_CORE_DISABLE_PROMPTS=1")
	// What is being applied ends in good order when it is interrupted, and keeps its state; interrupted twice, it does not. So
	// it is in a group that no terminal interrupts, and goes on where this process is killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return interrupt(cmd.Process.Pid) }
	cmd.WaitDelay = interruptGrace
	return cmd
}

// interrupt does to a group what Ctrl-C in a terminal would: a script passes it on to nobody.
func interrupt(group int) error {
	err := syscall.Kill(-group, syscall.SIGINT)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

const interruptGrace = 2 * time.Minute

// describe is a command without its longer arguments.
func describe(program string, arguments []string) string {
	return filepath.Base(program) + " " + strings.Join(arguments[:min(len(arguments), 3)], " ")
}

func (r *release) script(ctx context.Context, name string, arguments ...string) error {
	return r.run(ctx, r.Checkout, filepath.Join(r.Checkout, "scripts", name), arguments...)
}

var projectLine = regexp.MustCompile(`(?m)^project\s*=\s*"([a-z0-9-]+)"`)

const placeholder = "000000-000000-000000"

// prepare checks what has to hold before anything is changed.
func (r *release) prepare(ctx context.Context) error {
	r.say("pre-flight checks")
	text, err := os.ReadFile(filepath.Join(r.folder(), r.Environment+".tfvars"))
	if err != nil {
		return fmt.Errorf("there is no environment %q: %w", r.Environment, err)
	}
	project := projectLine.FindSubmatch(text)
	switch {
	case project == nil:
		return fmt.Errorf("terraform/%s.tfvars names no project", r.Environment)
	case bytes.Contains(text, []byte(placeholder)):
		return fmt.Errorf("terraform/%s.tfvars has no billing account yet: see the prerequisites in terraform/README.md", r.Environment)
	}
	for _, program := range []string{infrastructure.Program, "gcloud", "git", "go"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s is missing: see the prerequisites in terraform/README.md", program)
		}
	}
	changes, err := r.output(ctx, r.Checkout, "git", "status", "--porcelain")
	if err != nil {
		return err
	}
	if changes != "" {
		return fmt.Errorf("what is deployed has to be a commit; these are not:\n%s", changes)
	}
	r.outputs.Project = string(project[1])
	if _, err := r.output(ctx, r.Checkout, "gcloud", "projects", "describe", r.outputs.Project, "--format=value(projectId)"); err != nil {
		return fmt.Errorf("the project is out of reach: gcloud auth login, or ask for access: %w", err)
	}
	if err := r.run(ctx, r.folder(), infrastructure.Program, "init", "-reconfigure", "-backend-config=bucket="+r.outputs.Project+"-terraform"); err != nil {
		return err
	}
	return r.readOutputs(ctx)
}

// readOutputs reads what the state tells. Before the first apply has ended well it does not tell everything, and nothing
// counts as migrated.
func (r *release) readOutputs(ctx context.Context) error {
	text, err := r.output(ctx, r.folder(), infrastructure.Program, "output", "-json")
	if err != nil {
		return err
	}
	var all map[string]struct {
		Value any `json:"value"`
	}
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return fmt.Errorf("read the outputs: %w", err)
	}
	migrated, _ := all["migrated"].Value.(bool)
	for name, target := range map[string]*string{
		"database_host": &r.outputs.DatabaseHost, "deploy_account": &r.outputs.DeployAccount, "packages_bucket": &r.outputs.PackagesBucket,
		"pool": &r.outputs.Pool, "region": &r.outputs.Region, "url": &r.outputs.URL,
	} {
		*target, _ = all[name].Value.(string)
		migrated = migrated && *target != ""
	}
	r.outputs.Migrated = migrated
	functions, _ := all["functions"].Value.([]any)
	r.outputs.Functions = nil
	for _, name := range functions {
		r.outputs.Functions = append(r.outputs.Functions, fmt.Sprint(name))
	}
	return nil
}

const planFile = ".terraform/release.plan" // in the folder of the configuration

// plan plans, and has the plan judged.
func (r *release) plan(ctx context.Context, variables ...string) error {
	arguments := []string{"plan", "-out=" + planFile, "-var-file=" + r.Environment + ".tfvars"}
	for _, variable := range variables {
		arguments = append(arguments, "-var="+variable)
	}
	if err := r.run(ctx, r.folder(), infrastructure.Program, arguments...); err != nil {
		return err
	}
	text, err := r.output(ctx, r.folder(), infrastructure.Program, "show", "-json", planFile)
	if err != nil {
		return err
	}
	found, err := infrastructure.Judge([]byte(text))
	if err != nil {
		return err
	}
	if len(found) > 0 {
		failures := make([]error, len(found))
		for i, violation := range found {
			failures[i] = errors.New(violation.String())
		}
		return fmt.Errorf("the plan is not one to apply: %w", errors.Join(failures...))
	}
	return nil
}

// applyPlan applies what was planned, and nothing else.
func (r *release) applyPlan(ctx context.Context) error {
	if err := r.run(ctx, r.folder(), infrastructure.Program, "apply", planFile); err != nil {
		return err
	}
	return r.readOutputs(ctx)
}

func (r *release) apply(ctx context.Context, variables ...string) error {
	if err := r.plan(ctx, variables...); err != nil {
		return err
	}
	return r.applyPlan(ctx)
}

// migrate runs scripts/migrate inside the network, which alone reaches the database.
func (r *release) migrate(ctx context.Context) error {
	r.say("schema")
	return r.run(ctx, r.Checkout, "gcloud", "builds", "submit", ".", "--config=terraform/migrate.yaml", "--project="+r.outputs.Project,
		"--region="+r.outputs.Region, "--service-account="+r.outputs.DeployAccount,
		"--substitutions=_HOST="+r.outputs.DatabaseHost+",_POOL="+r.outputs.Pool)
}

func (r *release) smoke(ctx context.Context) error {
	return r.script(ctx, "smoke", r.outputs.URL, "--wait", smokeWait)
}

const smokeWait = "2m" // for revisions that are only being started
