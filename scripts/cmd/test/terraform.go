package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/waooaw/plant/scripts/internal/infrastructure"
)

const configuration = "terraform" // in the checkout

// terraform checks the infrastructure: by the providers' stand-in where that is there, and otherwise by the providers
// themselves. What it plans is judged by the tests of scripts/internal/infrastructure.
func (c *checks) terraform(ctx context.Context) {
	const name = "terraform"
	if _, err := exec.LookPath(infrastructure.Program); err != nil {
		c.leaveOut(name + ": it is not on the PATH")
		return
	}
	if _, err := os.Stat(filepath.Join(c.offline, "check")); err == nil {
		c.check(ctx, name, c.root, nil, filepath.Join(c.offline, "check"), configuration)
		return
	}
	work, err := os.MkdirTemp("", "plant-terraform-")
	if err != nil {
		c.failed = append(c.failed, err.Error())
		return
	}
	defer func() { _ = os.RemoveAll(work) }()
	folder, err := infrastructure.Copy(ctx, c.root, configuration, work, "")
	switch {
	case errors.Is(err, infrastructure.ErrNoProviders):
		c.leaveOut(name + ": PLANT_TERRAFORM_OFFLINE is no folder, and the registry gives no providers")
		return
	case err != nil:
		c.failed = append(c.failed, err.Error())
		return
	}
	c.check(ctx, name+": format", c.root, nil, infrastructure.Program, "fmt", "-check", "-diff", "-recursive", configuration)
	for _, step := range []string{"validate", "test"} {
		c.check(ctx, name+": "+step, folder.Dir, folder.Environment, infrastructure.Program, step, "-no-color")
	}
}

// leaveOut notes what cannot be checked on this machine. Where changes are decided on, that is a failure.
func (c *checks) leaveOut(what string) {
	if c.strict {
		c.failed = append(c.failed, what)
		return
	}
	fmt.Println("\n-- left out: " + what)
	c.leftOut = append(c.leftOut, what)
}
