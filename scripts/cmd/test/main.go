// Command test checks the whole project. See scripts/test.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/waooaw/plant/scripts/internal/postgres"
	"github.com/waooaw/plant/scripts/internal/process"
	"github.com/waooaw/plant/shared/config"
)

const (
	minCoverage    = 85               // of each module's statements, in percent
	interruptGrace = 40 * time.Second // for a command to stop what it started

	endToEndTimeout = "20m" // on a fresh machine it compiles everything, instrumented
)

type settings struct {
	CI      bool   `env:"CI"`
	Home    string `env:"PLANT_HOME, default=.local"`
	Offline string `env:"PLANT_TERRAFORM_OFFLINE, default=../shared/terraform-offline"`
}

func main() {
	begin := time.Now()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx)
	stop()
	fmt.Printf("\n%.0f s in all\n", time.Since(begin).Seconds())
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED: "+err.Error())
		os.Exit(1)
	}
	fmt.Println("all checks passed")
}

// checks is one run of all checks. A check that fails does not keep the others from running.
type checks struct {
	home, root string
	database   string // the tests' server
	offline    string // the folder of the stand-in for Terraform's providers
	quick      bool
	strict     bool // nothing may be left out
	failed     []string
	leftOut    []string
}

func run(ctx context.Context) error {
	s, err := config.Load[settings](ctx)
	if err != nil {
		return err
	}
	c := &checks{strict: s.CI}
	flag.BoolVar(&c.quick, "quick", false, "leave out the race detector, the end-to-end run and coverage")
	flag.Parse()
	if c.home, err = filepath.Abs(filepath.Join(s.Home, "test")); err != nil {
		return err
	}
	if c.offline, err = filepath.Abs(s.Offline); err != nil {
		return err
	}
	if c.root, err = os.Getwd(); err != nil {
		return err
	}
	modules, err := workspace(ctx)
	if err != nil {
		return err
	}
	if err := ensure(ctx, "shellcheck", "python3"); err != nil {
		return err
	}
	server, err := postgres.Start(ctx, c.home, os.Stdout)
	if err != nil {
		return err
	}
	defer server.Stop()
	c.database = server.OwnerURL
	c.all(ctx, modules)
	if len(c.leftOut) > 0 {
		fmt.Println("\nleft out: " + strings.Join(c.leftOut, "; "))
	}
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if len(c.failed) > 0 {
		return errors.New(strings.Join(c.failed, ", "))
	}
	return nil
}

func (c *checks) all(ctx context.Context, modules []module) {
	coverage := filepath.Join(c.home, "coverage")
	if err := errors.Join(os.RemoveAll(coverage), os.MkdirAll(filepath.Join(coverage, "e2e"), 0o750)); err != nil {
		c.failed = append(c.failed, err.Error())
		return
	}
	c.check(ctx, "shell scripts", c.root, nil, append([]string{"shellcheck"}, shellScripts(c.root)...)...)
	c.terraform(ctx)
	for _, m := range modules {
		alone := []string{"GOWORK=off"}
		c.check(ctx, m.name+": go.mod is tidy", m.dir, alone, "go", "mod", "tidy", "-diff")
		c.check(ctx, m.name+": builds by itself", m.dir, alone, "go", "build", "./...")
		c.check(ctx, m.name+": style", m.dir, alone, "go", "tool", "-modfile="+filepath.Join(c.root, ".tools", "go.mod"), "golangci-lint", "run", "./...")
		test := []string{"go", "test", "-shuffle=on"}
		if !c.quick {
			test = append(test, "-race", "-coverpkg=github.com/waooaw/plant/...", "-coverprofile="+filepath.Join(coverage, m.file()))
		}
		c.check(ctx, m.name+": tests", m.dir, []string{"PLANT_TEST_DATABASE_URL=" + c.database, "PLANT_TERRAFORM_OFFLINE=" + c.offline}, append(test, "./...")...)
	}
	if c.quick {
		return
	}
	// What only a whole run reaches counts too. GOCOVERDIR itself is go test's own.
	c.check(ctx, "scripts/dev from end to end", c.root, []string{"PLANT_COVERAGE=" + filepath.Join(coverage, "e2e")},
		"go", "test", "-count=1", "-timeout="+endToEndTimeout, "-tags=e2e", "-v", "./scripts/internal/e2e")
	c.check(ctx, "coverage of the end-to-end run", c.root, nil,
		"go", "tool", "covdata", "textfmt", "-i="+filepath.Join(coverage, "e2e"), "-o="+filepath.Join(coverage, "e2e.out"))
	if ctx.Err() != nil {
		return
	}
	if err := c.checkCoverage(coverage, modules); err != nil {
		c.failed = append(c.failed, err.Error())
	}
}

// check runs one command in the open and notes whether it failed.
func (c *checks) check(ctx context.Context, name, dir string, environment []string, command ...string) {
	if ctx.Err() != nil {
		return
	}
	fmt.Printf("\n== %s\n", name)
	begin := time.Now()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), environment...)
	// The go command waits for what it runs when it is interrupted, and only then. So all of them are, the end-to-end run
	// has the time to stop what it started, and nothing is left when this returns.
	process.Detach(cmd)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = interruptGrace
	if err := cmd.Run(); err != nil {
		fmt.Printf("-- %v: %s\n", err, strings.Join(command, " "))
		c.failed = append(c.failed, name)
	}
	if ctx.Err() != nil && cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // mostly there is nobody
	}
	fmt.Printf("-- %.1f s\n", time.Since(begin).Seconds())
}

// ensure installs the programs that are missing, as the distribution's packages of the same names.
func ensure(ctx context.Context, programs ...string) error {
	missing := slices.DeleteFunc(programs, func(program string) bool {
		_, err := exec.LookPath(program)
		return err == nil
	})
	if len(missing) == 0 {
		return nil
	}
	names := strings.Join(missing, " and ")
	if _, err := exec.LookPath("apt-get"); err != nil || !process.CanInstall(ctx) {
		return errors.New("install " + names + " and try again")
	}
	process.Say(os.Stdout, "%s is missing: installing the distribution's", names)
	if err := process.AptInstall(ctx, missing...); err == nil {
		return nil
	}
	if err := process.AptUpdate(ctx, os.Stdout); err != nil {
		return err
	}
	return process.AptInstall(ctx, missing...)
}
