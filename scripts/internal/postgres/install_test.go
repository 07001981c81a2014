package postgres

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakePrograms makes these the only programs that there are. Each writes down how it is called, and does what is said
// for the calls it knows. Tests that use it run one after the other: the PATH is the process's.
func fakePrograms(t *testing.T, names []string, known map[string]string) (calls func() []string) {
	t.Helper()
	dir := t.TempDir()
	log := filepath.Join(dir, "calls")
	var script strings.Builder
	script.WriteString("#!/bin/sh\necho \"${0##*/} $*\" >>" + log + "\ncase \"${0##*/} $*\" in\n")
	for call, does := range known {
		script.WriteString(call + ") " + does + ";;\n")
	}
	script.WriteString("esac\n")
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script.String()), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// Who is not root goes through sudo, which changes nothing of what is called.
	if err := os.WriteFile(filepath.Join(dir, "sudo"), []byte("#!/bin/sh\nshift\n[ \"$1\" = true ] || exec \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	return func() []string {
		text, err := os.ReadFile(log)
		if err != nil {
			return nil
		}
		return strings.Split(strings.TrimSpace(string(text)), "\n")
	}
}

const (
	install   = "env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends install "
	noPackage = "echo '  Candidate: (none)'"
)

var aptPrograms = []string{"apt-get", "apt-cache", "env", "sh", "rm", "make"}

// installServerCalls install PostgreSQL 99 and keep Debian from making a cluster of it.
var installServerCalls = []string{
	install + "postgresql-common",
	"sh -c mkdir -p /etc/postgresql-common/createcluster.d && echo create_main_cluster = false >/etc/postgresql-common/createcluster.d/plant.conf",
	install + "postgresql-99",
	"rm -f /etc/postgresql-common/createcluster.d/plant.conf",
	"apt-cache policy postgresql-server-dev-99",
}

//nolint:paralleltest // the PATH is the process's
func TestInstallByApt_Package(t *testing.T) {
	calls := fakePrograms(t, aptPrograms, map[string]string{
		"'apt-cache policy postgresql-server-dev-99'": "echo '  Candidate: 99.1-1'",
		"'apt-cache policy postgresql-99-pgvector'":   "echo '  Candidate: 0.8.1-2'",
	})
	if err := installByApt(t.Context(), io.Discard, 99); err != nil {
		t.Fatal(err)
	}
	want := append(append([]string{}, installServerCalls...), "apt-cache policy postgresql-99-pgvector", install+"postgresql-99-pgvector")
	if diff := cmp.Diff(want, calls()); diff != "" {
		t.Error(diff)
	}
}

//nolint:paralleltest // the PATH is the process's
func TestInstallByApt_Source(t *testing.T) {
	machine := t.TempDir()
	for name, text := range map[string]string{"os-release": "ID=debian\nVERSION_CODENAME=bookworm\n", "apt/sources.list": "deb http://mirror.example bookworm main\n"} {
		file := filepath.Join(machine, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	etc = machine
	t.Cleanup(func() { etc = "/etc" })
	calls := fakePrograms(t, aptPrograms, map[string]string{
		"'apt-cache policy postgresql-server-dev-99'": noPackage, // no lists yet
		"'apt-cache policy postgresql-99-pgvector'":   "echo '  Candidate: 0.6.0-1'",
		// The first suite has no source.
		"*'source pgvector'": `case "$PWD" in */trixie) echo 'E: Unable to find a source package'; exit 100;; *) /bin/mkdir pgvector-0.8.0; : >pgvector-0.8.0/Makefile;; esac`,
	})
	if err := installByApt(t.Context(), io.Discard, 99); err != nil {
		t.Fatal(err)
	}
	got := calls()
	var folder string // of the second suite's lists, somewhere temporary
	for i, call := range got {
		if sources, ok := strings.CutSuffix(call, " update"); ok && i > len(installServerCalls) {
			_, folder, _ = strings.Cut(sources, "Dir::Etc::SourceParts=")
			folder, _, _ = strings.Cut(folder, " ")
		}
		if strings.Contains(call, "Dir::") {
			_, task, _ := strings.Cut(call, "APT::Sandbox::User=root ")
			got[i] = "apt-get … " + task
		}
	}
	if filepath.Base(folder) != "forky" || strings.HasPrefix(folder, "/etc") {
		t.Errorf("the second suite's lists are in %q", folder)
	}
	if _, err := os.Stat(folder); err == nil {
		t.Errorf("%s was left behind", folder)
	}
	build := "-C " + folder + "/pgvector-0.8.0 with_llvm=no OPTFLAGS= PG_CONFIG=/usr/lib/postgresql/99/bin/pg_config"
	if len(got) > 1 {
		got[len(got)-2], _, _ = strings.Cut(got[len(got)-2], " -j")
	}
	want := append(append([]string{}, installServerCalls...),
		"apt-get -q update", "apt-cache policy postgresql-99-pgvector",
		install+"postgresql-server-dev-99 make gcc libc6-dev dpkg-dev",
		"apt-get … update", "apt-get … source pgvector", "apt-get … update", "apt-get … source pgvector",
		"make "+build, "make install "+build)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

//nolint:paralleltest // the PATH is the process's
func TestInstallByApt_Fails(t *testing.T) {
	calls := fakePrograms(t, aptPrograms, map[string]string{"env*": "echo 'E: Unable to locate package'; exit 100"})
	err := installByApt(t.Context(), io.Discard, 99)
	if err == nil || !strings.Contains(err.Error(), "Unable to locate package") {
		t.Errorf("got %v, want what apt said", err)
	}
	want := []string{install + "postgresql-common", "apt-get -q update", install + "postgresql-common"}
	if diff := cmp.Diff(want, calls()); diff != "" {
		t.Error(diff)
	}
}

//nolint:paralleltest // the PATH is the process's
func TestNewestServer(t *testing.T) {
	tests := map[string]struct {
		list  string
		want  int
		fails bool
	}{
		"some":    {list: `printf 'postgresql-9 - old\npostgresql-17 - new\npostgresql-15 - old\n'`, want: 17},
		"too old": {list: `echo 'postgresql-14 - old'`, fails: true},
		"none":    {list: ":", fails: true},
		"no apt":  {list: "exit 1", fails: true},
	}
	//nolint:paralleltest // the PATH is the process's
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fakePrograms(t, aptPrograms, map[string]string{"'apt-cache search'*": test.list})
			got, err := newestServer(t.Context(), io.Discard)
			if got != test.want || (err != nil) != test.fails {
				t.Errorf("got %d, %v, want %d", got, err, test.want)
			}
		})
	}
}

//nolint:paralleltest // the PATH is the process's
func TestInstallByBrew(t *testing.T) {
	calls := fakePrograms(t, []string{"brew"}, nil)
	for _, major := range []int{anyMajor, 16} {
		if err := installByBrew(t.Context(), io.Discard, major); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"brew install postgresql@17 pgvector", "brew install postgresql@16 pgvector"}, calls()); diff != "" {
		t.Error(diff)
	}
}

//nolint:paralleltest // the PATH is the process's
func TestWayToInstall(t *testing.T) {
	//nolint:paralleltest // the PATH is the process's
	for name, test := range map[string]struct {
		programs []string
		fails    bool
	}{
		"apt":      {programs: []string{"apt-get"}},
		"Homebrew": {programs: []string{"brew"}},
		"nothing":  {fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			fakePrograms(t, test.programs, nil)
			install, err := wayToInstall(t.Context())
			if (err != nil) != test.fails || (install == nil) != test.fails {
				t.Errorf("got %v", err)
			}
		})
	}
}

//nolint:paralleltest // the PATH is the process's
func TestEnsure_NoWay(t *testing.T) {
	fakePrograms(t, nil, nil)
	_, err := ensure(t.Context(), io.Discard, 99)
	const want = "PostgreSQL 99 with pgvector 0.8 or newer is missing: install both and try again; or start Docker, or set DATABASE_URL"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

//nolint:paralleltest // the PATH is the process's
func TestContainer(t *testing.T) {
	calls := fakePrograms(t, []string{"docker"}, map[string]string{"'docker image inspect'*": "exit 1"})
	if !dockerAnswers(t.Context()) {
		t.Error("an engine that answers is not seen")
	}
	if err := pull(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
	cmd := container(t.Context(), vectorImage, "/home/plant", "secret", "5433")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(calls(), "\n")
	name := nameOf("/home/plant")
	for _, want := range []string{
		"docker info\ndocker image inspect " + vectorImage + "\ndocker pull -q " + vectorImage + "\ndocker rm -f " + name + "\ndocker run --rm --name " + name + " ",
		"--publish 127.0.0.1:5433:5432 --volume /home/plant/container:/var/lib/postgresql/data " + vectorImage + " -c max_connections=200 ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nis not in\n%s", want, got)
		}
	}
	if strings.Contains(got, "secret") {
		t.Error("the password is among the arguments, which every user of the machine can see")
	}
}
