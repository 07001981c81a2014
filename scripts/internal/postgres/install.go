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
	"time"

	"github.com/waooaw/plant/scripts/internal/process"
)

const (
	minMajor      = 15
	minVector     = "0.8"
	dockerTimeout = 10 * time.Second // for an engine to say that it is there
)

// installation is where a server's programs are, or the container image that has them.
type installation struct {
	bin   string // folder of postgres and initdb
	image string // container image, where bin is ""
}

// ensure returns an installation with pgvector, of one major version or of any. Where there is none it installs what is
// missing, by the first way that this machine has: distribution packages, pgvector from the distribution's source,
// Homebrew, a container. It says on out what it does. When no way works, the error says in one sentence what to do.
func ensure(ctx context.Context, out io.Writer, major int) (installation, error) {
	if server, ok := best(look(ctx), major); ok && server.vector {
		return installation{bin: server.bin}, nil
	}
	lock := filepath.Join(os.TempDir(), fmt.Sprintf("plant-install-%d.lock", os.Getuid()))
	unlock, err := process.TryLock(lock)
	if errors.Is(err, process.ErrLocked) {
		process.Say(out, "waiting for another installation")
		unlock, err = process.Lock(lock)
	}
	if err != nil {
		return installation{}, fmt.Errorf("install PostgreSQL: %w", err)
	}
	defer unlock()
	if server, ok := best(look(ctx), major); ok && server.vector {
		return installation{bin: server.bin}, nil // somebody else was faster
	}
	install, err := wayToInstall(ctx)
	if err == nil {
		err = install(ctx, out, major)
	}
	if server, ok := best(look(ctx), major); ok && server.vector {
		return installation{bin: server.bin}, nil
	}
	if major == anyMajor && dockerAnswers(ctx) {
		process.Say(out, "no PostgreSQL with pgvector here: using the container image %s", vectorImage)
		return installation{image: vectorImage}, pull(ctx, out)
	}
	if err == nil {
		err = errors.New("what was installed cannot be found")
	}
	return installation{}, fmt.Errorf("PostgreSQL %s with pgvector %s or newer is missing: %w", wanted(major), minVector, err)
}

func wanted(major int) string {
	if major == anyMajor {
		return fmt.Sprintf("%d or newer", minMajor)
	}
	return fmt.Sprint(major)
}

type installer func(ctx context.Context, out io.Writer, major int) error

// wayToInstall returns how software is installed on this machine, or an error that says what to do instead.
func wayToInstall(ctx context.Context) (installer, error) {
	_, apt := exec.LookPath("apt-get")
	_, brew := exec.LookPath("brew")
	_, sudo := exec.LookPath("sudo")
	switch {
	case apt == nil && process.CanInstall(ctx):
		return installByApt, nil
	case brew == nil:
		return installByBrew, nil
	case apt == nil && sudo == nil:
		return nil, errors.New("run `sudo -v` and try again, so that it can be installed; or start Docker, or set DATABASE_URL")
	case apt == nil:
		return nil, errors.New("run this once as root, so that it can be installed; or start Docker, or set DATABASE_URL")
	}
	return nil, errors.New("install both and try again; or start Docker, or set DATABASE_URL")
}

func installByBrew(ctx context.Context, out io.Writer, major int) error {
	if major == anyMajor {
		major = 17 // the newest that Homebrew's pgvector has been built for longest
	}
	process.Say(out, "installing PostgreSQL %d and pgvector with Homebrew", major)
	return process.Run(ctx, "brew", "install", fmt.Sprintf("postgresql@%d", major), "pgvector")
}

func dockerAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, dockerTimeout)
	defer cancel()
	return exec.CommandContext(ctx, "docker", "info").Run() == nil
}
