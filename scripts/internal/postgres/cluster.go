package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/waooaw/plant/scripts/internal/process"
)

// owner of the cluster: its superuser.
const owner = "plant_owner"

// cluster is a data directory and the user that its server runs as.
type cluster struct {
	bin, data string
	account   *account
}

// ensureCluster returns the cluster of a home, making it the first time.
func ensureCluster(ctx context.Context, bin, home, password string, out io.Writer) (cluster, error) {
	c := cluster{bin: bin, data: dataOf(home)}
	if os.Geteuid() == 0 {
		var err error
		if c.account, err = unprivileged(); err != nil {
			return c, err
		}
		if !reachable(home) {
			if c.data, err = elsewhere(home, out); err != nil {
				return c, err
			}
		}
	}
	if majorOfData(c.data) != anyMajor {
		return c, nil
	}
	process.Say(out, "making a private PostgreSQL in %s", c.data)
	if err := c.make(ctx, password); err != nil {
		return c, fmt.Errorf("make the cluster: %w", err)
	}
	return c, nil
}

// dataOf a home is where its cluster is, or a link to there.
func dataOf(home string) string { return filepath.Join(home, "postgres") }

// majorOfData is the version that a data directory was made by, or anyMajor where there is none.
func majorOfData(data string) int {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if err != nil {
		return anyMajor
	}
	return majorOf(string(text))
}

// elsewhere makes room for the data of a home that the server's user cannot reach, because a folder above it, which is
// not ours to open, is closed to it. The home gets a link to there.
func elsewhere(home string, out io.Writer) (string, error) {
	folder := filepath.Join("/var/tmp", nameOf(home))
	data, link := filepath.Join(folder, "postgres"), dataOf(home)
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	if !isOurs(folder) { // anybody may write beside it
		return "", fmt.Errorf("%s is somebody else's: remove it, or set another PLANT_HOME", folder)
	}
	if err := os.Chmod(folder, 0o755); err != nil { //nolint:gosec // the server's user has to pass through
		return "", err
	}
	switch target, err := os.Readlink(link); {
	case errors.Is(err, fs.ErrNotExist):
		process.Say(out, "%s is closed to the server's user: its data go to %s", home, data)
		return data, os.Symlink(data, link)
	case err != nil || target != data:
		return "", fmt.Errorf("the data in %s are closed to the server's user: open the folders above them (chmod o+x), or set another PLANT_HOME", link)
	}
	return data, nil
}

// nameOf a home is short, and unlike that of every other home.
func nameOf(home string) string {
	const digits = 16
	return "plant-" + fmt.Sprintf("%x", sha256.Sum256([]byte(home)))[:digits]
}

// make makes the cluster under another name first, so that an interrupted attempt leaves none behind.
func (c cluster) make(ctx context.Context, password string) error {
	draft := c.data + ".unfinished"
	if err := os.RemoveAll(draft); err != nil {
		return err
	}
	if err := os.Mkdir(draft, 0o700); err != nil {
		return err
	}
	if err := c.account.give(draft); err != nil {
		return err
	}
	// Where the machine has no such locale, letters beyond ASCII are compared byte by byte.
	err := c.initdb(ctx, draft, "C.UTF-8", password)
	if err != nil && strings.Contains(err.Error(), "invalid locale") {
		err = c.initdb(ctx, draft, "C", password)
	}
	if err != nil {
		return err
	}
	return os.Rename(draft, c.data)
}

func (c cluster) initdb(ctx context.Context, data, locale, password string) error {
	file, err := os.CreateTemp("", "plant-password-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }()
	_, err = file.WriteString(password)
	if err := errors.Join(err, file.Close(), c.account.give(file.Name())); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, "initdb"), "--pgdata", data, "--username", owner, "--pwfile", file.Name(),
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", locale, "--data-checksums")
	cmd.Dir = "/"
	c.account.apply(cmd)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, process.LastLines(string(output)))
	}
	return nil
}

// socketFolder makes the folder of the server's socket, beside its data. The path of a socket has at most 103 bytes on
// some systems, and PostgreSQL takes a list of folders, separated by commas: where the home is too long, or has a comma
// or a quote, it is a short one elsewhere, and temporary is true.
func (c cluster) socketFolder() (folder string, temporary bool, err error) {
	const longest = 103 - len("/.s.PGSQL.65535")
	folder = filepath.Join(filepath.Dir(c.data), "socket")
	if len(folder) > longest || strings.ContainsAny(folder, `,"`) {
		folder, err = os.MkdirTemp("/tmp", "plant-")
		return folder, true, errors.Join(err, c.account.give(folder))
	}
	// A server that was killed has left its socket.
	if err := errors.Join(os.RemoveAll(folder), os.Mkdir(folder, 0o700)); err != nil {
		return "", false, err
	}
	return folder, false, c.account.give(folder)
}

// commonSettings are of every private server, in a container too.
var commonSettings = []string{
	"-c", "max_connections=200", "-c", "shared_buffers=256MB", "-c", "max_wal_size=2GB", "-c", "wal_level=replica",
	"-c", "log_min_messages=warning", "-c", "log_line_prefix=%m ", "-c", "timezone=UTC", "-c", "jit=off",
}

// server returns the command that runs the cluster. Of two settings of one name the later wins.
func (c cluster) server(socket, port string, settings []string) *exec.Cmd {
	args := append([]string{"-D", c.data, "-p", port, "-k", socket, "-c", "listen_addresses=127.0.0.1"}, commonSettings...)
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	cmd := exec.Command(filepath.Join(c.bin, "postgres"), args...) //nolint:noctx // it outlives the context that starts it, and Stop ends it
	cmd.Dir = "/"
	c.account.apply(cmd)
	return cmd
}

// holder is the process that the data directory says it is open in, or 0.
func (c cluster) holder() int {
	text, err := os.ReadFile(filepath.Join(c.data, "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, _ := strconv.Atoi(first) // what is no number is 0
	return pid
}
