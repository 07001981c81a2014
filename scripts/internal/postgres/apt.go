package postgres

import (
	"context"
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

// newerSuites of Debian have pgvector's source; the first that serves it is taken.
var newerSuites = []string{"trixie", "forky", "sid"}

// noCluster keeps Debian's packages from creating and starting a cluster of the system's.
const noCluster = "create_main_cluster = false\n"

// installByApt installs the newest server that the distribution has where there is none, and pgvector for it: its
// package, or else built from the source package of a newer suite.
func installByApt(ctx context.Context, out io.Writer) error {
	server, ok := best(look(ctx))
	if !ok {
		if err := process.AptUpdate(ctx, out); err != nil {
			return err
		}
		var err error
		if server.major, err = newestServer(ctx); err != nil {
			return err
		}
		process.Say(out, "PostgreSQL is missing: installing the distribution's postgresql-%d", server.major)
		if err := installServer(ctx, out, server.major); err != nil {
			return err
		}
	}
	vector := fmt.Sprintf("postgresql-%d-pgvector", server.major)
	if hasCandidate(ctx, vector) {
		process.Say(out, "pgvector is missing: installing the distribution's %s", vector)
		if err := process.AptInstall(ctx, vector); err == nil {
			return nil
		}
		if err := process.AptUpdate(ctx, out); err != nil {
			return err
		}
		return process.AptInstall(ctx, vector)
	}
	return buildVector(ctx, out, server.major)
}

// installServer first installs what makes clusters, tells it not to, and then the server. The setting goes again.
func installServer(ctx context.Context, out io.Writer, major int) error {
	if err := process.AptInstall(ctx, "postgresql-common"); err != nil {
		return err
	}
	const setting = "/etc/postgresql-common/createcluster.d/plant.conf"
	write := process.AsRoot("sh", "-c", "mkdir -p "+filepath.Dir(setting)+" && printf '"+strings.TrimSpace(noCluster)+"\\n' > "+setting)
	if err := process.Run(ctx, write[0], write[1:]...); err != nil {
		return err
	}
	remove := process.AsRoot("rm", "-f", setting)
	defer func() { _ = process.Run(context.WithoutCancel(ctx), remove[0], remove[1:]...) }()
	return process.AptInstall(ctx, fmt.Sprintf("postgresql-%d", major))
}

var serverPackage = regexp.MustCompile(`(?m)^postgresql-(\d+)\s`)

func newestServer(ctx context.Context) (int, error) {
	list, err := exec.CommandContext(ctx, "apt-cache", "search", "--names-only", `^postgresql-[0-9]+$`).Output()
	if err != nil {
		return 0, fmt.Errorf("ask apt for PostgreSQL: %w", err)
	}
	newest := 0
	for _, match := range serverPackage.FindAllStringSubmatch(string(list), -1) {
		major, _ := strconv.Atoi(match[1]) // the pattern lets only digits through
		newest = max(newest, major)
	}
	if newest < minMajor {
		return 0, fmt.Errorf("the distribution has no PostgreSQL %d or newer", minMajor)
	}
	return newest, nil
}

func hasCandidate(ctx context.Context, name string) bool {
	policy, err := exec.CommandContext(ctx, "apt-cache", "policy", name).Output()
	return err == nil && strings.Contains(string(policy), "Candidate:") && !strings.Contains(string(policy), "Candidate: (none)")
}

// buildVector builds pgvector from the distribution's source package of a newer suite. Its lists and downloads live in a
// folder of their own, so that the system's apt is left as it is.
func buildVector(ctx context.Context, out io.Writer, major int) error {
	folder, err := os.MkdirTemp("", "plant-pgvector-")
	if err != nil {
		return fmt.Errorf("build pgvector: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	process.Say(out, "pgvector is missing and has no package here: building it from the distribution's source")
	tools := []string{fmt.Sprintf("postgresql-server-dev-%d", major), "make", "gcc", "libc6-dev", "dpkg-dev"}
	if err := process.AptInstall(ctx, tools...); err != nil {
		if err := process.AptUpdate(ctx, out); err != nil {
			return err
		}
		if err := process.AptInstall(ctx, tools...); err != nil {
			return err
		}
	}
	source, err := fetchVector(ctx, out, folder)
	if err != nil {
		return err
	}
	options := []string{"-C", source, "with_llvm=no", "OPTFLAGS=", fmt.Sprintf("PG_CONFIG=/usr/lib/postgresql/%d/bin/pg_config", major)}
	if err := process.Run(ctx, "make", options...); err != nil {
		return err
	}
	install := process.AsRoot(append([]string{"make", "install"}, options...)...)
	if err := process.Run(ctx, install[0], install[1:]...); err != nil {
		return err
	}
	process.Say(out, "pgvector is built and installed")
	return nil
}

// fetchVector unpacks pgvector's source below folder and returns where.
func fetchVector(ctx context.Context, out io.Writer, folder string) (string, error) {
	current, err := codename("/etc/os-release")
	if err != nil {
		return "", err
	}
	failed := errNoSource
	for _, suite := range newerSuites {
		parts := filepath.Join(folder, suite)
		if err := writeSources(sourceFiles(), parts, current, suite); err != nil {
			failed = err
			continue
		}
		apt := func(args ...string) *exec.Cmd {
			cmd := exec.CommandContext(ctx, "apt-get", append([]string{
				"-q", "-o", "Dir::Etc::SourceList=" + filepath.Join(parts, "none"), "-o", "Dir::Etc::SourceParts=" + parts,
				"-o", "Dir::State::Lists=" + filepath.Join(parts, "lists"), "-o", "Dir::Cache=" + filepath.Join(parts, "cache"),
				"-o", "APT::Sandbox::User=",
			}, args...)...)
			cmd.Dir = parts
			return cmd
		}
		for _, dir := range []string{"lists/partial", "cache/archives/partial"} {
			if err := os.MkdirAll(filepath.Join(parts, dir), 0o750); err != nil {
				return "", err
			}
		}
		process.Say(out, "fetching pgvector's source of Debian %s", suite)
		if output, err := apt("update").CombinedOutput(); err != nil {
			failed = fmt.Errorf("list sources of %s: %w\n%s", suite, err, process.LastLines(string(output)))
			continue
		}
		if output, err := apt("source", "pgvector").CombinedOutput(); err != nil {
			failed = fmt.Errorf("fetch pgvector of %s: %w\n%s", suite, err, process.LastLines(string(output)))
			continue
		}
		if unpacked, _ := filepath.Glob(filepath.Join(parts, "pgvector-*")); len(unpacked) > 0 { // the pattern is well-formed
			return unpacked[0], nil
		}
	}
	return "", failed
}

func codename(osRelease string) (string, error) {
	text, err := os.ReadFile(osRelease)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "VERSION_CODENAME="); ok {
			return strings.Trim(name, `"`), nil
		}
	}
	return "", fmt.Errorf("%s names no release", osRelease)
}

// sourceFiles are the machine's own lists of package sources.
func sourceFiles() []string {
	files := []string{"/etc/apt/sources.list"}
	for _, pattern := range []string{"/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources"} {
		more, _ := filepath.Glob(pattern) // the patterns are well-formed
		files = append(files, more...)
	}
	return files
}

// writeSources writes the lists of the distribution's own sources again, for source packages of another suite.
func writeSources(files []string, folder, from, to string) error {
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return err
	}
	written := false
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		rewrite := rewriteList
		if filepath.Ext(file) == ".sources" {
			rewrite = rewriteStanzas
		}
		sources := rewrite(string(text), from, to)
		if sources == "" {
			continue
		}
		name := filepath.Join(folder, fmt.Sprintf("%d%s", i, filepath.Ext(file)))
		if err := os.WriteFile(name, []byte(sources), 0o600); err != nil {
			return err
		}
		written = true
	}
	if !written {
		return errNoSource
	}
	return nil
}

// rewriteList rewrites one-line entries, `deb [options] URI suite component…`; others are left out.
func rewriteList(text, from, to string) string {
	var kept []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[0] != "deb" || !slices.Contains(fields, from) {
			continue
		}
		fields[0] = "deb-src"
		fields[slices.Index(fields, from)] = to
		kept = append(kept, strings.Join(fields, " ")+"\n")
	}
	return strings.Join(kept, "")
}

// rewriteStanzas rewrites deb822 entries, separated by blank lines; others are left out.
func rewriteStanzas(text, from, to string) string {
	var kept []string
	for stanza := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		var lines []string
		ours := false
		for line := range strings.Lines(stanza) {
			line = strings.TrimRight(line, "\n")
			key, value, _ := strings.Cut(line, ":")
			switch strings.ToLower(key) {
			case "types":
				line = "Types: deb-src"
			case "suites":
				ours = slices.Contains(strings.Fields(value), from)
				line = "Suites: " + to
			}
			if !strings.HasPrefix(line, "#") {
				lines = append(lines, line)
			}
		}
		if ours {
			kept = append(kept, strings.Join(lines, "\n")+"\n")
		}
	}
	return strings.Join(kept, "\n")
}
