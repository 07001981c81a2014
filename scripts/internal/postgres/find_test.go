package postgres

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMajorOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)": 15,
		"postgres (PostgreSQL) 17beta1":                        17,
		"17\n":                                                 17,
		"PostgreSQL":                                           0,
		"":                                                     0,
	} {
		if got := majorOf(text); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}

func TestDefaultVersion(t *testing.T) {
	t.Parallel()
	for control, want := range map[string]string{
		"comment = 'vector data type'\ndefault_version = '0.8.0'\nrelocatable = true\n": "0.8.0",
		"default_version='0.10.1'":   "0.10.1",
		"#default_version = '0.8.0'": "",
		"":                           "",
	} {
		if got := defaultVersion(control); got != want {
			t.Errorf("%q: got %q, want %q", control, got, want)
		}
	}
}

func TestAtLeast(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"0.8": true, "0.8.0": true, "0.8.0-1": true, "0.10.0": true, "1.0": true, "1": true,
		"0.7.4": false, "0.6.0-1": false, "0": false, "": false, "none": false,
	} {
		if got := atLeast(version, "0.8"); got != want {
			t.Errorf("%q at least 0.8: got %v, want %v", version, got, want)
		}
	}
}

func TestBest(t *testing.T) {
	t.Parallel()
	old := found{bin: "/15", major: 15, vector: true}
	bare := found{bin: "/17", major: 17}
	newer := found{bin: "/16", major: 16, vector: true}
	tests := map[string]struct {
		servers []found
		major   int
		want    found
		none    bool
	}{
		"the newest of those with pgvector": {servers: []found{old, bare, newer}, want: newer},
		"one without, where none has it":    {servers: []found{bare}, want: bare},
		"the version of the data":           {servers: []found{old, bare, newer}, major: 15, want: old},
		"the version of the data, bare":     {servers: []found{old, bare, newer}, major: 17, want: bare},
		"not the version of the data":       {servers: []found{old, bare, newer}, major: 18, none: true},
		"none":                              {none: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := best(test.servers, test.major)
			if ok == test.none || got != test.want {
				t.Errorf("got %v, %v, want %v", got, ok, test.want)
			}
		})
	}
}

// fakeServer makes a folder with the programs of a server, which say what they are told.
func fakeServer(t *testing.T, version, vector string) string {
	t.Helper()
	bin, shared := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(shared, "extension"), 0o700); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		filepath.Join(bin, "postgres"):  "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n",
		filepath.Join(bin, "initdb"):    "#!/bin/sh\n",
		filepath.Join(bin, "pg_config"): "#!/bin/sh\necho " + shared + "\n",
	}
	if vector != "" {
		files[filepath.Join(shared, "extension", "vector.control")] = "default_version = '" + vector + "'\n"
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

func TestInspect(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		version, vector string
		want            found
		none            bool
	}{
		"with pgvector":     {version: "16.4", vector: "0.8.0", want: found{major: 16, vector: true}},
		"an older pgvector": {version: "16.4", vector: "0.7.4", want: found{major: 16}},
		"without pgvector":  {version: "15.1", want: found{major: 15}},
		"an older server":   {version: "14.9", vector: "0.8.0", none: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bin := fakeServer(t, test.version, test.vector)
			got, ok := inspect(t.Context(), bin)
			if test.none {
				if ok {
					t.Errorf("got %v, want none", got)
				}
				return
			}
			test.want.bin = bin
			if !ok || got != test.want {
				t.Errorf("got %v, %v, want %v", got, ok, test.want)
			}
		})
	}
	if got, ok := inspect(t.Context(), t.TempDir()); ok {
		t.Errorf("an empty folder: got %v, want none", got)
	}
}

func TestOfDebian(t *testing.T) {
	t.Parallel()
	packaged := found{bin: "/usr/lib/postgresql/15/bin", major: 15}
	got := ofDebian([]found{{bin: "/opt/pg/bin", major: 17}, packaged})
	if len(got) != 1 || got[0] != packaged {
		t.Errorf("got %v, want %v", got, packaged)
	}
}

func TestCandidateOf(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ policy, want string }{
		"there is one":  {"pgvector:\n  Installed: (none)\n  Candidate: 0.8.0-1\n  Version table:\n", "0.8.0-1"},
		"there is none": {"pgvector:\n  Installed: (none)\n  Candidate: (none)\n", ""},
		"not known":     {"", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, candidateOf(test.policy)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
