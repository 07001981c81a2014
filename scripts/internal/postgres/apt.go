package postgres

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/waooaw/plant/scripts/internal/process"
)

// installByApt installs a server where there is none, the newest that the distribution has unless one is asked for, and
// pgvector for it: its package, or else built from the source package of a newer suite.
func installByApt(ctx context.Context, out io.Writer, major int) error {
	server, ok := best(ofDebian(look(ctx)), major)
	if !ok {
		server.major = major
		if server.major == anyMajor {
			var err error
			if server.major, err = newestServer(ctx, out); err != nil {
				return err
			}
		}
		process.Say(out, "PostgreSQL is missing: installing the distribution's postgresql-%d", server.major)
		if err := installServer(ctx, out, server.major); err != nil {
			return err
		}
	}
	if candidate(ctx, devPackage(server.major)) == "" {
		aptUpdate(ctx, out) // a machine that has no lists yet
	}
	vector := fmt.Sprintf("postgresql-%d-pgvector", server.major)
	if atLeast(candidate(ctx, vector), minVector) {
		process.Say(out, "pgvector is missing: installing the distribution's %s", vector)
		return aptInstall(ctx, out, vector)
	}
	return buildVector(ctx, out, server.major)
}

// ofDebian keeps those servers that the distribution's packages extend.
func ofDebian(servers []found) []found {
	var kept []found
	for _, server := range servers {
		if server.bin == debianBin(server.major) {
			kept = append(kept, server)
		}
	}
	return kept
}

func devPackage(major int) string { return fmt.Sprintf("postgresql-server-dev-%d", major) }

// aptInstall brings the lists of packages up to date only where it has to.
func aptInstall(ctx context.Context, out io.Writer, packages ...string) error {
	if process.AptInstall(ctx, packages...) == nil {
		return nil
	}
	aptUpdate(ctx, out) // the lists may be missing, or older than the mirror
	return process.AptInstall(ctx, packages...)
}

// aptUpdate fails silently: one broken list of many is no reason to stop, and what is missing then says so itself.
func aptUpdate(ctx context.Context, out io.Writer) { _ = process.AptUpdate(ctx, out) }

func runAsRoot(ctx context.Context, command ...string) error {
	command = process.AsRoot(command...)
	return process.Run(ctx, command[0], command[1:]...)
}

// noCluster keeps Debian's packages from creating and starting a cluster of the system's while they are installed.
const noCluster = "/etc/postgresql-common/createcluster.d/plant.conf"

// installServer first installs what makes clusters, tells it not to, and then the server. The setting goes again.
func installServer(ctx context.Context, out io.Writer, major int) error {
	if err := aptInstall(ctx, out, "postgresql-common"); err != nil {
		return err
	}
	if err := runAsRoot(ctx, "sh", "-c", "mkdir -p "+filepath.Dir(noCluster)+" && echo create_main_cluster = false >"+noCluster); err != nil {
		return err
	}
	defer func() { _ = runAsRoot(context.WithoutCancel(ctx), "rm", "-f", noCluster) }()
	return aptInstall(ctx, out, fmt.Sprintf("postgresql-%d", major))
}

var serverPackage = regexp.MustCompile(`(?m)^postgresql-(\d+)\s`)

func newestServer(ctx context.Context, out io.Writer) (int, error) {
	newest := newestListed(ctx)
	if newest == 0 {
		aptUpdate(ctx, out)
		newest = newestListed(ctx)
	}
	if newest < minMajor {
		return 0, fmt.Errorf("the distribution has no PostgreSQL %d or newer", minMajor)
	}
	return newest, nil
}

func newestListed(ctx context.Context) int {
	list, err := exec.CommandContext(ctx, "apt-cache", "search", "--names-only", `^postgresql-[0-9]+$`).Output()
	if err != nil {
		return 0
	}
	newest := 0
	for _, match := range serverPackage.FindAllStringSubmatch(string(list), -1) {
		major, _ := strconv.Atoi(match[1]) // the pattern lets only digits through
		newest = max(newest, major)
	}
	return newest
}

// candidate is the version of a package that would be installed, or "".
func candidate(ctx context.Context, name string) string {
	policy, err := exec.CommandContext(ctx, "apt-cache", "policy", name).Output()
	if err != nil {
		return ""
	}
	return candidateOf(string(policy))
}

func candidateOf(policy string) string {
	for line := range strings.Lines(policy) {
		if version, ok := strings.CutPrefix(strings.TrimSpace(line), "Candidate: "); ok && version != "(none)" {
			return version
		}
	}
	return ""
}
