package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/waooaw/plant/scripts/internal/process"
)

// newerSuites of Debian have pgvector's source; the first that serves it is taken.
var newerSuites = []string{"trixie", "forky", "sid"}

// etc is where the machine says what it runs; a test has another.
var etc = "/etc"

var errNoSource = errors.New("this machine lists no package source of its own release")

// buildVector builds pgvector from the distribution's source package of a newer suite. Its lists and downloads live in a
// folder of their own, so that the system's apt is left as it is.
func buildVector(ctx context.Context, out io.Writer, major int) error {
	folder, err := os.MkdirTemp("", "plant-pgvector-")
	if err != nil {
		return fmt.Errorf("build pgvector: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	process.Say(out, "pgvector is missing and has no package here: building it from the distribution's source")
	if err := aptInstall(ctx, out, devPackage(major), "make", "gcc", "libc6-dev", "dpkg-dev"); err != nil {
		return err
	}
	source, err := fetchVector(ctx, out, folder)
	if err != nil {
		return err
	}
	process.Say(out, "compiling pgvector")
	// Without OPTFLAGS it would be built for this very processor; the just-in-time compiler is off in our clusters.
	options := []string{"-C", source, "with_llvm=no", "OPTFLAGS=", "PG_CONFIG=" + filepath.Join(debianBin(major), "pg_config")}
	if err := process.Run(ctx, "make", append(options, fmt.Sprintf("-j%d", runtime.NumCPU()))...); err != nil {
		return err
	}
	if err := runAsRoot(ctx, append([]string{"make", "install"}, options...)...); err != nil {
		return err
	}
	process.Say(out, "pgvector is built and installed")
	return nil
}

// fetchVector unpacks pgvector's source below folder and returns where.
func fetchVector(ctx context.Context, out io.Writer, folder string) (string, error) {
	current, err := codename(filepath.Join(etc, "os-release"))
	if err != nil {
		return "", err
	}
	var failed error
	for _, suite := range newerSuites {
		parts := filepath.Join(folder, suite)
		if err := writeSources(sourceFiles(), parts, current, suite); err != nil {
			return "", err
		}
		process.Say(out, "fetching pgvector's source of Debian %s", suite)
		if failed = aptSource(ctx, parts); failed != nil {
			continue
		}
		if unpacked, _ := filepath.Glob(filepath.Join(parts, "pgvector-*", "Makefile")); len(unpacked) > 0 { // the pattern is well-formed
			return filepath.Dir(unpacked[0]), nil
		}
		failed = errors.New("the source of pgvector has no Makefile")
	}
	return "", failed
}

// aptSource fetches and unpacks pgvector into a folder, by the lists of sources in it.
func aptSource(ctx context.Context, folder string) error {
	for _, dir := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(folder, dir), 0o750); err != nil {
			return err
		}
	}
	var said []byte
	// A list of somebody else's packages may lack this suite, so updating may fail and fetching still work.
	for _, task := range [][]string{{"update"}, {"source", "pgvector"}} {
		cmd := exec.CommandContext(ctx, "apt-get", append([]string{
			"-q", "-o", "Dir::Etc::SourceList=" + filepath.Join(folder, "none"), "-o", "Dir::Etc::SourceParts=" + folder,
			"-o", "Dir::State::Lists=" + filepath.Join(folder, "lists"), "-o", "Dir::Cache=" + filepath.Join(folder, "cache"),
			"-o", "APT::Sandbox::User=root",
		}, task...)...)
		cmd.Dir = folder
		output, err := cmd.CombinedOutput()
		said = append(said, output...)
		if err != nil && task[0] == "source" {
			return fmt.Errorf("fetch the source of pgvector: %w\n%s", err, process.LastLines(string(said)))
		}
	}
	return nil
}

// codename of the release that this machine runs.
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
	files := []string{filepath.Join(etc, "apt/sources.list")}
	for _, pattern := range []string{"*.list", "*.sources"} {
		more, _ := filepath.Glob(filepath.Join(etc, "apt/sources.list.d", pattern)) // the patterns are well-formed
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
			continue // sources.list need not be there
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

// distributionComponent is the one that Debian's own archive has and pgvector is in; most others' archives lack it.
const distributionComponent = "main"

// rewriteList rewrites one-line entries, `deb [options] URI suite component…`; others are left out.
func rewriteList(text, from, to string) string {
	var kept []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[0] != "deb" || !slices.Contains(fields, from) || !slices.Contains(fields, distributionComponent) {
			continue
		}
		fields[0] = "deb-src"
		fields[slices.Index(fields, from)] = to
		kept = append(kept, strings.Join(fields, " ")+"\n")
	}
	return strings.Join(kept, "")
}

// rewriteStanzas rewrites deb822 entries; others are left out.
func rewriteStanzas(text, from, to string) string {
	var kept []string
	for _, stanza := range stanzas(text) {
		ours, withComponent := false, false
		for i, field := range stanza {
			key, value, _ := strings.Cut(field, ":")
			switch strings.ToLower(key) {
			case "types":
				stanza[i] = "Types: deb-src\n"
			case "suites":
				ours = slices.Contains(strings.Fields(value), from)
				stanza[i] = "Suites: " + to + "\n"
			case "components":
				withComponent = slices.Contains(strings.Fields(value), distributionComponent)
			}
		}
		if ours && withComponent {
			kept = append(kept, strings.Join(stanza, ""))
		}
	}
	return strings.Join(kept, "\n")
}

// stanzas returns the fields of each entry, without comments. A field goes on in indented lines, which are kept as they
// are: a key may stand in them.
func stanzas(text string) [][]string {
	var all [][]string
	var stanza []string
	end := func() {
		if len(stanza) > 0 {
			all = append(all, stanza)
		}
		stanza = nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n") + "\n"
		switch {
		case line == "\n":
			end()
		case strings.HasPrefix(line, "#"):
		case strings.ContainsAny(line[:1], " \t") && len(stanza) > 0:
			stanza[len(stanza)-1] += line
		default:
			stanza = append(stanza, line)
		}
	}
	end()
	return all
}
