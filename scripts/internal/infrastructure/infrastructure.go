// Package infrastructure runs Terraform, and judges what it plans: some things are never to be applied, whoever asks.
package infrastructure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrNoProviders tells that neither the stand-in for the providers nor the registry is there.
var ErrNoProviders = errors.New("terraform cannot get its providers")

// Program is terraform's name on the PATH.
const Program = "terraform"

// Offline is how Terraform finds its providers without the registry: the configuration file that its install prints, or ""
// where the folder is not there.
func Offline(ctx context.Context, folder string) (string, error) {
	install := filepath.Join(folder, "install")
	if _, err := os.Stat(install); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	cmd := exec.CommandContext(ctx, install)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	output, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("install the providers' stand-in: %w\n%s", err, complaint.Bytes())
	}
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	return lines[len(lines)-1], nil
}

// Folder is a configuration that Terraform was initialised in.
type Folder struct {
	Dir         string
	Environment []string // beside the process's own
}

// localState takes the place of the state that all share.
const localState = "terraform {\n  backend \"local\" {}\n}\n"

// Copy copies a configuration to where Terraform may write, with what it reads of the checkout, and initialises it there,
// with a state of its own. The configuration file is Offline's. Without providers it is ErrNoProviders.
func Copy(ctx context.Context, checkout, configuration, target, configFile string) (*Folder, error) {
	for _, part := range []string{configuration, "shared/routes"} {
		if err := os.CopyFS(filepath.Join(target, part), os.DirFS(filepath.Join(checkout, part))); err != nil {
			return nil, err
		}
	}
	dir := filepath.Join(target, configuration)
	for _, left := range []string{".terraform", ".terraform.lock.hcl"} {
		if err := os.RemoveAll(filepath.Join(dir, left)); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "state_override.tf"), []byte(localState), 0o600); err != nil {
		return nil, err
	}
	f := &Folder{Dir: dir, Environment: []string{
		"TF_IN_AUTOMATION=1", "TF_INPUT=0", "TF_DATA_DIR=", "TF_WORKSPACE=",
		"GOOGLE_OAUTH_ACCESS_TOKEN=none", // the provider wants one even where it asks nobody
	}}
	if configFile != "" {
		f.Environment = append(f.Environment, "TF_CLI_CONFIG_FILE="+configFile)
	}
	if _, err := f.Run(ctx, "init", "-no-color"); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoProviders, err)
	}
	return f, nil
}

// Run runs a command of Terraform's and returns what it printed.
func (f *Folder) Run(ctx context.Context, arguments ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, Program, arguments...)
	cmd.Dir, cmd.Env = f.Dir, append(os.Environ(), f.Environment...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	output, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("terraform %s: %w\n%s%s", arguments[0], err, output, complaint.Bytes())
	}
	return output, nil
}

// Plan plans all of it anew, and returns the plan as terraform show -json writes it.
func (f *Folder) Plan(ctx context.Context, name string, arguments ...string) ([]byte, error) {
	file := name + ".plan"
	all := append([]string{"plan", "-no-color", "-lock=false", "-refresh=false", "-out=" + file}, arguments...)
	if _, err := f.Run(ctx, all...); err != nil {
		return nil, err
	}
	return f.Run(ctx, "show", "-json", file)
}
