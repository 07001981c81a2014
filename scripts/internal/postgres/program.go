package postgres

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/waooaw/plant/shared/config"
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

// Place says which database a verb works on.
type Place struct {
	Home        string        `env:"PLANT_HOME, default=.local"`
	DatabaseURL config.Secret `env:"DATABASE_URL"`
}

// OwnerURL returns the URL that was given, or else that of the server in the home, which is started where it does not run;
// stop then ends it.
func (p Place) OwnerURL(ctx context.Context, out io.Writer) (url string, stop func(), err error) {
	stop = func() {}
	if p.DatabaseURL != "" {
		return p.DatabaseURL.Reveal(), stop, nil
	}
	if url = RunningURL(p.Home); url != "" {
		return url, stop, nil
	}
	server, err := Start(ctx, p.Home, out)
	if err != nil {
		return "", stop, err
	}
	return server.OwnerURL, server.Stop, nil
}
