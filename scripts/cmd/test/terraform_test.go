package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeTerraform is a terraform that can do everything, or nothing but say its version.
func fakeTerraform(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "terraform"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
}

func checkout(t *testing.T) *checks {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	return &checks{root: root, offline: filepath.Join(root, "there is no such folder")}
}

// What cannot be checked is said, and where changes are decided on it fails.
func TestTerraform_LeftOut(t *testing.T) { //nolint:paralleltest // the PATH is everybody's
	for _, program := range []string{"", "exit 1"} { // there is none, or it has no providers
		for _, strict := range []bool{false, true} {
			if fakeTerraform(t, program); program == "" {
				t.Setenv("PATH", t.TempDir())
			}
			c := checkout(t)
			c.strict = strict
			c.terraform(t.Context())
			if want, got := map[bool]int{false: 1, true: 0}[strict], len(c.leftOut); got != want {
				t.Errorf("%q, strict %v: left out %v", program, strict, c.leftOut)
			}
			if want, got := map[bool]int{false: 0, true: 1}[strict], len(c.failed); got != want {
				t.Errorf("%q, strict %v: failed %v", program, strict, c.failed)
			}
		}
	}
}

// Without the stand-in the same is checked by the providers themselves.
func TestTerraform_Registry(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	t.Setenv("LOG", log)
	fakeTerraform(t, `echo "$1" >>"$LOG"; [ "$1" != validate ]`)
	c := checkout(t)
	c.terraform(t.Context())
	if diff := cmp.Diff([]string{"terraform: validate"}, c.failed); diff != "" {
		t.Error(diff)
	}
	calls, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("init fmt validate test", strings.Join(strings.Fields(string(calls)), " ")); diff != "" {
		t.Error(diff)
	}
}
