package postgres

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// anyMajor stands for a major version where the newest will do.
const anyMajor = 0

// found is a server on this machine.
type found struct {
	bin    string
	major  int
	vector bool // has pgvector of at least minVector
}

// look finds the servers of this machine that are new enough.
func look(ctx context.Context) []found {
	var folders []string
	if bin, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		folders = append(folders, strings.TrimSpace(string(bin)))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin", "/usr/pgsql-*/bin",
	} {
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

// best prefers a server with pgvector, then the newest, of those of one major version or of any.
func best(servers []found, major int) (found, bool) {
	servers = slices.DeleteFunc(slices.Clone(servers), func(f found) bool { return major != anyMajor && f.major != major })
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

// sharedDirs are where a server's extensions may be: as its pg_config says, and Debian's, which has none without the
// development files.
func sharedDirs(ctx context.Context, bin string, major int) []string {
	if shared, err := exec.CommandContext(ctx, filepath.Join(bin, "pg_config"), "--sharedir").Output(); err == nil {
		return []string{strings.TrimSpace(string(shared))}
	}
	if bin == debianBin(major) {
		return []string{fmt.Sprintf("/usr/share/postgresql/%d", major)}
	}
	return nil
}

// debianBin is where Debian's packages put a server's programs.
func debianBin(major int) string { return fmt.Sprintf("/usr/lib/postgresql/%d/bin", major) }

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

// defaultVersion reads the control file of an extension; "" is none.
func defaultVersion(control string) string {
	if match := defaultPattern.FindStringSubmatch(control); match != nil {
		return match[1]
	}
	return ""
}

// atLeast compares the dotted numbers that versions begin with.
func atLeast(version, least string) bool {
	has, wants := strings.Split(versionPattern.FindString(version), "."), strings.Split(least, ".")
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
