package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/waooaw/plant/scripts/internal/process"
)

// cluster is a data directory and the user that its server runs as.
type cluster struct {
	bin, data string
	account   *account // nil: the same as this process
}

// account is an unprivileged user: PostgreSQL refuses to run as root.
type account struct{ uid, gid uint32 }

// ensureCluster returns the cluster of a home, making it the first time.
func ensureCluster(ctx context.Context, bin, home, password string, out io.Writer) (cluster, error) {
	c := cluster{bin: bin, data: filepath.Join(home, "postgres")}
	if os.Geteuid() == 0 {
		var err error
		if c.account, err = unprivileged(); err != nil {
			return c, err
		}
		if !reachable(home) {
			// The server's user cannot pass through a folder above, which is not ours to open.
			c.data = filepath.Join("/var/tmp", fmt.Sprintf("plant-%x", sha256.Sum256([]byte(home)))[:len("plant-")+16], "postgres")
			process.Say(out, "%s is closed to the server's user: its data goes to %s", home, c.data)
		}
	}
	if _, err := os.Stat(filepath.Join(c.data, "PG_VERSION")); err == nil {
		return c, nil
	}
	process.Say(out, "making a private PostgreSQL in %s", c.data)
	if err := os.RemoveAll(c.data); err != nil { // what an interrupted attempt left
		return c, fmt.Errorf("make the cluster: %w", err)
	}
	if err := os.MkdirAll(c.data, 0o755); err != nil {
		return c, fmt.Errorf("make the cluster: %w", err)
	}
	if err := c.give(c.data); err != nil {
		return c, err
	}
	return c, c.initdb(ctx, password)
}

func (c cluster) initdb(ctx context.Context, password string) error {
	file, err := os.CreateTemp("", "plant-password-")
	if err != nil {
		return fmt.Errorf("make the cluster: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }()
	_, err = file.WriteString(password)
	if err := errors.Join(err, file.Close(), c.give(file.Name())); err != nil {
		return fmt.Errorf("make the cluster: %w", err)
	}
	locale := "C.UTF-8"
	if runtime.GOOS == "darwin" {
		locale = "C"
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, "initdb"), "--pgdata", c.data, "--username", owner, "--pwfile", file.Name(),
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", locale, "--data-checksums", "--no-sync")
	cmd.Dir = "/"
	c.account.apply(cmd)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make the cluster: %w\n%s", err, process.LastLines(string(output)))
	}
	return nil
}

// server returns the command that runs the cluster.
func (c cluster) server(socket string, port string) *exec.Cmd {
	//nolint:noctx // a server's own folder; it outlives the context that starts it, and Stop ends it
	cmd := exec.Command(filepath.Join(c.bin, "postgres"), "-D", c.data, "-p", port, "-k", socket,
		"-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", "-c", "shared_buffers=256MB",
		"-c", "log_min_messages=warning", "-c", "log_line_prefix=%m ", "-c", "wal_level=replica", "-c", "max_wal_size=2GB",
		"-c", "timezone=UTC", "-c", "jit=off")
	cmd.Dir = "/"
	c.account.apply(cmd)
	return cmd
}

// give makes a file or folder the server's.
func (c cluster) give(path string) error {
	if c.account == nil {
		return nil
	}
	if err := os.Chown(path, int(c.account.uid), int(c.account.gid)); err != nil {
		return fmt.Errorf("give %s to the server's user: %w", path, err)
	}
	return nil
}

// unprivileged returns the user postgres, or nobody.
func unprivileged() (*account, error) {
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(found.Uid, 10, 32)
		if err != nil {
			continue
		}
		gid, err := strconv.ParseUint(found.Gid, 10, 32)
		if err == nil {
			return &account{uint32(uid), uint32(gid)}, nil
		}
	}
	return nil, errors.New("no unprivileged user to run PostgreSQL as: run this as another user than root")
}

// reachable reports whether others may pass through every folder down to this one.
func reachable(path string) bool {
	const passOthers = 0o001
	for at := path; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil || info.Mode().Perm()&passOthers == 0 {
			return false
		}
		if at == filepath.Dir(at) {
			return true
		}
	}
}

// container returns the command that runs the server in a container, in the foreground. Its data stay in the home.
func container(image, home, password string, port string) *exec.Cmd {
	name := fmt.Sprintf("plant-%x", sha256.Sum256([]byte(home)))[:len("plant-")+16]
	//nolint:noctx // constants and our own home; it outlives the context that starts it, and Stop ends it
	cmd := exec.Command("docker", "run", "--rm", "--name", name, "--env", "POSTGRES_USER="+owner, "--env", "POSTGRES_PASSWORD",
		"--publish", "127.0.0.1:"+port+":5432", "--volume", filepath.Join(home, "container")+":/var/lib/postgresql/data", image)
	cmd.Env = append(os.Environ(), "POSTGRES_PASSWORD="+password)
	return cmd
}
