package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/waooaw/plant/scripts/internal/process"
)

const (
	databaseName = "plant"
	startTimeout = time.Minute
	stopTimeout  = 10 * time.Second // of each way to stop
	startPoll    = 20 * time.Millisecond
	restartPause = 100 * time.Millisecond
	maxStarts    = 3 // where the port was taken between finding it free and listening
	// lastHold is how long a server that was killed may still hold its data: until its processes have ended.
	lastHold = 15 * time.Second
)

// stopSignals end a server: in good order (fast shutdown), at once (immediate), by force.
var stopSignals = []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL}

// Server is a private server that runs as a child of this process.
type Server struct {
	// OwnerURL is of the database plant, as the owner of the cluster.
	OwnerURL string
	// LogFile is where the server writes.
	LogFile string

	launch       func(port string) *exec.Cmd
	cluster      cluster
	url          url.URL // of the database postgres
	cmd          *exec.Cmd
	done         chan struct{}
	unlock       func()
	stop         sync.Once
	home         string
	socketFolder string // to remove, or ""
}

// Start runs the server of a home, making its cluster the first time, and returns when it answers. It listens on a free
// port of this machine alone, and on a socket. A home has one server at a time: where another process holds it, the
// error says which. On Linux the server ends with this process, however that ends. Settings, such as max_connections=60,
// win over those that all private servers have.
func Start(ctx context.Context, home string, out io.Writer, settings ...string) (*Server, error) {
	home, err := filepath.Abs(home)
	if err != nil {
		return nil, err
	}
	programs, err := ensure(ctx, out, majorOfData(dataOf(home)))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(home, "logs"), 0o755); err != nil {
		return nil, fmt.Errorf("make %s: %w", home, err)
	}
	unlock, err := process.TryLock(filepath.Join(home, "postgres.lock"))
	if errors.Is(err, process.ErrLocked) {
		return nil, fmt.Errorf("the PostgreSQL of %s is in use by another scripts/dev or scripts/migrate: stop it, or set another PLANT_HOME: %w", home, err)
	}
	if err != nil {
		return nil, err
	}
	s := &Server{unlock: unlock, home: home, LogFile: filepath.Join(home, "logs", "postgres.log")}
	if err := s.start(ctx, programs, out, settings); err != nil {
		s.Stop()
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, programs installation, out io.Writer, settings []string) error {
	password, err := process.KeptSecret(filepath.Join(s.home, "owner-password"))
	if err != nil {
		return err
	}
	s.launch = func(port string) *exec.Cmd { return container(ctx, programs.image, s.home, password, port) }
	if programs.image == "" {
		c, err := ensureCluster(ctx, programs.bin, s.home, password, out)
		if err != nil {
			return err
		}
		socket, temporary, err := c.socketFolder()
		if err != nil {
			return err
		}
		if temporary {
			s.socketFolder = socket
		}
		s.cluster = c
		s.launch = func(port string) *exec.Cmd { return c.server(socket, port, settings) }
	}
	s.url = url.URL{Scheme: "postgres", User: url.UserPassword(owner, password), Path: "/postgres", RawQuery: "sslmode=disable"}
	if err := s.run(ctx, process.FreePort); err != nil {
		return err
	}
	s.OwnerURL, err = ensureDatabase(ctx, s.url)
	if err != nil {
		return err
	}
	return os.WriteFile(s.urlFile(), []byte(s.OwnerURL), 0o600)
}

// run starts the process on a port and waits until it answers. One that ends at once is started again: on another port, or
// for as long as a server that was killed may still hold the data.
func (s *Server) run(ctx context.Context, choosePort func(context.Context) (string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	holdEnds := time.Now().Add(lastHold)
	for attempt := 1; ; attempt++ {
		port, err := choosePort(ctx)
		if err != nil {
			return err
		}
		s.url.Host = net.JoinHostPort("127.0.0.1", port)
		if err := s.spawn(s.launch(port)); err != nil {
			return err
		}
		err = s.await(ctx)
		if err == nil {
			return nil
		}
		holder := s.cluster.holder()
		switch {
		case !errors.Is(err, errEnded), holder == 0 && attempt >= maxStarts:
			return fmt.Errorf("%w; the end of %s:\n%s", err, s.LogFile, process.Tail(s.LogFile))
		case holder != 0 && time.Now().After(holdEnds):
			return fmt.Errorf("%s is open in process %d: end it (kill -INT %d), or, if that is no PostgreSQL, remove postmaster.pid there", s.cluster.data, holder, holder)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(restartPause):
		}
	}
}

// spawn starts the process, with its output to the log.
func (s *Server) spawn(cmd *exec.Cmd) error {
	output, err := os.OpenFile(s.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = output, output
	process.Detach(cmd)
	if err := cmd.Start(); err != nil {
		return errors.Join(err, output.Close())
	}
	done := make(chan struct{})
	s.cmd, s.done = cmd, done
	go func() {
		_ = cmd.Wait() // the log says why it ended
		_ = output.Close()
		close(done)
	}()
	return nil
}

var errEnded = errors.New("the server ended at once")

const wrongPassword = "28P01" // SQLSTATE

// await returns when the server answers.
func (s *Server) await(ctx context.Context) error {
	ticker := time.NewTicker(startPoll)
	defer ticker.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.url.String())
		if err == nil {
			return conn.Close(ctx)
		}
		if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == wrongPassword {
			return fmt.Errorf("%s is not the password that the data in %s were made with: put it back, or remove both to begin anew",
				filepath.Join(s.home, "owner-password"), dataOf(s.home))
		}
		select {
		case <-s.done:
			return errEnded
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", err)
		case <-ticker.C:
		}
	}
}

// Done is closed when the server has ended, by itself or by Stop.
func (s *Server) Done() <-chan struct{} { return s.done }

// Stop ends the server in good order, or by force when that takes too long, and gives the home free. Once is enough.
func (s *Server) Stop() {
	s.stop.Do(func() {
		if s.cmd != nil {
			s.end()
		}
		_ = os.Remove(s.urlFile())
		if s.socketFolder != "" {
			_ = os.RemoveAll(s.socketFolder)
		}
		s.unlock()
	})
}

func (s *Server) end() {
	for _, signal := range stopSignals {
		_ = s.cmd.Process.Signal(signal) // it may have ended
		select {
		case <-s.done:
			return
		case <-time.After(stopTimeout):
		}
	}
}

func (s *Server) urlFile() string { return urlFileOf(s.home) }

func urlFileOf(home string) string { return filepath.Join(home, "database-url") }

// RunningURL returns the owner's URL of the server that runs in a home, or "" where none does.
func RunningURL(home string) string {
	text, err := os.ReadFile(urlFileOf(home))
	if err != nil {
		return ""
	}
	unlock, err := process.TryLock(filepath.Join(home, "postgres.lock"))
	if err == nil { // nobody holds the home: the file was left behind
		unlock()
		return ""
	}
	return string(text)
}

// ensureDatabase makes the database plant and returns its URL.
func ensureDatabase(ctx context.Context, server url.URL) (string, error) {
	conn, err := pgx.Connect(ctx, server.String())
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }()
	var exists bool
	if err := conn.QueryRow(ctx, `select exists (select from pg_database where datname = $1)`, databaseName).Scan(&exists); err != nil {
		return "", fmt.Errorf("look for the database: %w", err)
	}
	if !exists {
		if _, err := conn.Exec(ctx, `create database `+databaseName); err != nil {
			return "", fmt.Errorf("make the database: %w", err)
		}
	}
	server.Path = "/" + databaseName
	return server.String(), nil
}
