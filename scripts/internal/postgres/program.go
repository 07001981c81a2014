package postgres

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// ClientProgram returns one of PostgreSQL's programs, such as pg_dump, for a server of a major version: of that version or a
// newer one, as it has to be.
func ClientProgram(ctx context.Context, name string, major int) (string, error) {
	var candidates []string
	for _, server := range look(ctx) {
		candidates = append(candidates, filepath.Join(server.bin, name))
	}
	folders, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name) // where only the clients are installed
	candidates = append(candidates, folders...)
	if path, err := exec.LookPath(name); err == nil {
		candidates = append(candidates, path)
	}
	for _, path := range candidates {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if version, err := exec.CommandContext(ctx, path, "--version").Output(); err == nil && majorOf(string(version)) >= major {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no %s for PostgreSQL %d: install postgresql-client-%d", name, major, major)
}

// OwnerURL returns the given URL, or else that of the server in a home, which is started where it does not run; stop then
// ends it.
func OwnerURL(ctx context.Context, given, home string, out io.Writer) (url string, stop func(), err error) {
	stop = func() {}
	if given != "" {
		return given, stop, nil
	}
	if url = RunningURL(home); url != "" {
		return url, stop, nil
	}
	server, err := Start(ctx, home, out)
	if err != nil {
		return "", stop, err
	}
	return server.OwnerURL, server.Stop, nil
}
