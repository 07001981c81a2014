package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// module is one of the workspace.
type module struct{ name, dir string }

// file is where the module's coverage goes.
func (m module) file() string { return strings.ReplaceAll(m.name, "/", "-") + ".out" }

// path is the module's import path.
func (m module) path() string {
	if m.name == "plant" {
		return "github.com/waooaw/plant"
	}
	return "github.com/waooaw/plant/" + m.name
}

// workspace lists the modules of go.work.
func workspace(ctx context.Context) ([]module, error) {
	list, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Path}} {{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("list the workspace's modules: %w", err)
	}
	var modules []module
	for line := range strings.Lines(string(list)) {
		path, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		name := strings.TrimPrefix(strings.TrimPrefix(path, "github.com/waooaw/plant"), "/")
		if name == "" {
			name = "plant"
		}
		modules = append(modules, module{name, dir})
	}
	return modules, nil
}

// shellScripts returns the verbs and .ci/run: every file of theirs that bash runs.
func shellScripts(root string) []string {
	files, _ := filepath.Glob(filepath.Join(root, "scripts", "*")) // the pattern is well-formed
	scripts := []string{filepath.Join(root, ".ci", "run")}
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && bytes.HasPrefix(text, []byte("#!/usr/bin/env bash")) {
			scripts = append(scripts, file)
		}
	}
	return scripts
}
