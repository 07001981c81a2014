package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/waooaw/plant/scripts/internal/process"
)

// Standby copies the server into a new home, starts the copy, and returns when it answers. It follows the server, and can
// be read, until it is promoted: by pg_promote(), which the server need not live for. Stop it as any other; its logins are
// the server's. The home has to be one that the server's user can reach.
func (s *Server) Standby(ctx context.Context, home string, out io.Writer, settings ...string) (*Server, error) {
	if s.cluster.bin == "" {
		return nil, errors.New("make a standby: it takes the programs of PostgreSQL on this machine, not a container's")
	}
	home, err := filepath.Abs(home)
	if err != nil {
		return nil, err
	}
	password, _ := s.url.User.Password()
	if err := os.WriteFile(filepath.Join(home, "owner-password"), []byte(password), 0o600); err != nil {
		return nil, fmt.Errorf("make a standby: %w", err)
	}
	data := dataOf(home)
	if err := errors.Join(os.Mkdir(data, 0o700), s.cluster.account.give(data)); err != nil {
		return nil, fmt.Errorf("make a standby: %w", err)
	}
	// --write-recovery-conf makes the copy a standby of where it came from.
	cmd := exec.CommandContext(ctx, filepath.Join(s.cluster.bin, "pg_basebackup"), "--pgdata", data, "--host", s.url.Hostname(), "--port", s.url.Port(),
		"--username", owner, "--checkpoint=fast", "--write-recovery-conf")
	cmd.Dir, cmd.Env = "/", append(os.Environ(), "PGPASSWORD="+password)
	s.cluster.account.apply(cmd)
	if output, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make a standby: pg_basebackup: %w\n%s", err, process.LastLines(string(output)))
	}
	return Start(ctx, home, out, settings...)
}
