// Package postgres runs a private PostgreSQL with pgvector for a laptop or a test machine, and installs both where they
// are missing. It never touches a cluster of the system's.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/waooaw/plant/scripts/internal/process"
)

const (
	minMajor    = 15
	minVector   = "0.8"
	vectorImage = "pgvector/pgvector:pg17"
)

// Installation is where a server's programs are, or the container image that has them.
type Installation struct {
	Bin   string // folder of postgres and initdb
	Image string // container image, where Bin is ""
}

// found is a server on this machine.
type found struct {
	bin    string
	major  int
	vector bool // has pgvector of at least minVector
}

// Ensure returns an installation with pgvector. Where there is none it installs what is missing, by the first way that
// this machine has: distribution packages, pgvector from the distribution's source, Homebrew, a container. It says on
// out what it does. When no way works, the error says in one sentence what to install.
func Ensure(ctx context.Context, out io.Writer) (Installation, error) {
	if server, ok := best(look(ctx)); ok && server.vector {
		return Installation{Bin: server.bin}, nil
	}
	unlock, err := process.Lock(filepath.Join(os.TempDir(), fmt.Sprintf("plant-install-%d.lock", os.Getuid())))
	if err != nil {
		return Installation{}, fmt.Errorf("wait for another installation: %w", err)
	}
	defer unlock()
	if server, ok := best(look(ctx)); ok && server.vector {
		return Installation{Bin: server.bin}, nil // somebody else was faster
	}
	install, way := ways(ctx)
	if install == nil {
		if exec.CommandContext(ctx, "docker", "info").Run() == nil {
			process.Say(out, "no PostgreSQL with pgvector here: using the container image %s", vectorImage)
			return Installation{Image: vectorImage}, nil
		}
		return Installation{}, fmt.Errorf("install PostgreSQL %d or newer with pgvector %s or newer, start Docker, or set DATABASE_URL, and try again", minMajor, minVector)
	}
	if err := install(ctx, out); err != nil {
		return Installation{}, fmt.Errorf("install PostgreSQL with pgvector by %s: %w", way, err)
	}
	server, ok := best(look(ctx))
	if !ok || !server.vector {
		return Installation{}, fmt.Errorf("%s installed no PostgreSQL %d with pgvector %s that can be found", way, minMajor, minVector)
	}
	return Installation{Bin: server.bin}, nil
}

// ways returns how software is installed on this machine, or nil.
func ways(ctx context.Context) (install func(context.Context, io.Writer) error, way string) {
	_, apt := exec.LookPath("apt-get")
	_, brew := exec.LookPath("brew")
	switch {
	case apt == nil && process.CanInstall(ctx):
		return installByApt, "apt"
	case brew == nil:
		return installByBrew, "Homebrew"
	}
	return nil, ""
}

func installByBrew(ctx context.Context, out io.Writer) error {
	process.Say(out, "installing PostgreSQL 17 and pgvector with Homebrew")
	return process.Run(ctx, "brew", "install", "postgresql@17", "pgvector")
}

// look finds the servers of this machine.
func look(ctx context.Context) []found {
	var folders []string
	if bin, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		folders = append(folders, strings.TrimSpace(string(bin)))
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin", "/usr/pgsql-*/bin"} {
		matches, _ := filepath.Glob(pattern) // the patterns are well-formed
		folders = append(folders, matches...)
	}
	if initdb, err := exec.LookPath("initdb"); err == nil {
		folders = append(folders, filepath.Dir(initdb))
	}
	var servers []found
	for _, folder := range folders {
		if server, ok := inspect(ctx, folder); ok && !slices.Contains(servers, server) {
			servers = append(servers, server)
		}
	}
	return servers
}

// best prefers a server with pgvector, then the newest.
func best(servers []found) (found, bool) {
	if len(servers) == 0 {
		return found{}, false
	}
	return slices.MaxFunc(servers, func(a, b found) int {
		if a.vector != b.vector {
			if a.vector {
				return 1
			}
			return -1
		}
		return a.major - b.major
	}), true
}

func inspect(ctx context.Context, bin string) (found, bool) {
	for _, program := range []string{"postgres", "initdb"} {
		if _, err := os.Stat(filepath.Join(bin, program)); err != nil {
			return found{}, false
		}
	}
	version, err := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "--version").Output()
	if err != nil {
		return found{}, false
	}
	major := majorOf(string(version))
	server := found{bin: bin, major: major}
	for _, shared := range sharedDirs(ctx, bin, major) {
		control, err := os.ReadFile(filepath.Join(shared, "extension", "vector.control"))
		server.vector = server.vector || err == nil && atLeast(defaultVersion(string(control)), minVector)
	}
	return server, major >= minMajor
}

func sharedDirs(ctx context.Context, bin string, major int) []string {
	dirs := []string{fmt.Sprintf("/usr/share/postgresql/%d", major)}
	if shared, err := exec.CommandContext(ctx, filepath.Join(bin, "pg_config"), "--sharedir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(shared)))
	}
	return dirs
}

var (
	versionPattern = regexp.MustCompile(`\d+(\.\d+)*`)
	defaultPattern = regexp.MustCompile(`(?m)^default_version\s*=\s*'([^']+)'`)
)

// majorOf reads "postgres (PostgreSQL) 15.18 (Debian …)"; 0 is none.
func majorOf(version string) int {
	first, _, _ := strings.Cut(versionPattern.FindString(version), ".")
	major, _ := strconv.Atoi(first) // what is no number is 0
	return major
}

func defaultVersion(control string) string {
	if match := defaultPattern.FindStringSubmatch(control); match != nil {
		return match[1]
	}
	return ""
}

// atLeast compares dotted numbers.
func atLeast(version, least string) bool {
	if version == "" {
		return false
	}
	has, wants := strings.Split(version, "."), strings.Split(least, ".")
	for i, want := range wants {
		w, _ := strconv.Atoi(want) // a constant of ours
		h := 0
		if i < len(has) {
			h, _ = strconv.Atoi(has[i]) // what is no number is 0: too old
		}
		if h != w {
			return h > w
		}
	}
	return true
}

var errNoSource = errors.New("no package source of the distribution was found")
