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
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/scripts/internal/process"
)

const (
	owner        = "plant_owner"
	databaseName = "plant"
	startTimeout = time.Minute
	stopTimeout  = 10 * time.Second
	startPoll    = 20 * time.Millisecond
	maxStarts    = 5 // after kill -9 a start can fail until the dead process is reaped
)

// Server is a private server that runs as a child of this process.
type Server struct {
	// OwnerURL is of the database plant, as the owner of the cluster.
	OwnerURL string

	cmd    *exec.Cmd
	done   chan struct{}
	err    error // of the process, once done is closed
	unlock func()
	home   string
	socket string
}

// Start runs the server of a home, making its cluster the first time, and returns when it answers. It listens on a free
// port of this machine alone. A home has one server at a time: where another process holds it, the error says so.
func Start(ctx context.Context, home string, out io.Writer) (*Server, error) {
	installation, err := Ensure(ctx, out)
	if err != nil {
		return nil, err
	}
	home, err = filepath.Abs(home)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(home, "logs"), 0o755); err != nil {
		return nil, fmt.Errorf("make %s: %w", home, err)
	}
	unlock, err := process.TryLock(filepath.Join(home, "postgres.lock"))
	if err != nil {
		return nil, fmt.Errorf("the PostgreSQL of %s is in use by another scripts/dev or scripts/migrate: stop it, or set another PLANT_HOME", home)
	}
	s := &Server{unlock: unlock, home: home}
	if err := s.start(ctx, installation, out); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, installation Installation, out io.Writer) error {
	password, err := process.KeptSecret(filepath.Join(s.home, "owner-password"))
	if err != nil {
		return err
	}
	port, err := process.FreePort(ctx)
	if err != nil {
		return err
	}
	serverURL := url.URL{
		Scheme: "postgres", User: url.UserPassword(owner, password),
		Host: net.JoinHostPort("127.0.0.1", port), Path: "/postgres", RawQuery: "sslmode=disable",
	}
	var makeCommand func() (*exec.Cmd, error)
	if installation.Image != "" {
		makeCommand = func() (*exec.Cmd, error) { return container(installation.Image, s.home, password, port), nil }
	} else {
		cluster, err := ensureCluster(ctx, installation.Bin, s.home, password, out)
		if err != nil {
			return err
		}
		// The path of a socket has at most 107 bytes, which a home can exceed.
		if s.socket, err = os.MkdirTemp("", "plant-pg-"); err != nil {
			return err
		}
		if err := cluster.give(s.socket); err != nil {
			return err
		}
		makeCommand = func() (*exec.Cmd, error) { return cluster.server(s.socket, port), nil }
	}
	if err := s.run(ctx, makeCommand, serverURL.String()); err != nil {
		return err
	}
	s.OwnerURL, err = ensureDatabase(ctx, serverURL)
	if err != nil {
		return err
	}
	return os.WriteFile(s.urlFile(), []byte(s.OwnerURL), 0o600)
}

// run starts the process and waits until it answers. One that ends early is started again a few times.
func (s *Server) run(ctx context.Context, makeCommand func() (*exec.Cmd, error), serverURL string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	logFile := filepath.Join(s.home, "logs", "postgres.log")
	for attempt := 1; ; attempt++ {
		cmd, err := makeCommand()
		if err != nil {
			return err
		}
		output, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		cmd.Stdout, cmd.Stderr = output, output
		process.Detach(cmd)
		if err := cmd.Start(); err != nil {
			return errors.Join(fmt.Errorf("start PostgreSQL: %w", err), output.Close())
		}
		s.cmd, s.done = cmd, make(chan struct{})
		go func() {
			s.err = cmd.Wait()
			_ = output.Close()
			close(s.done)
		}()
		err = s.await(ctx, serverURL)
		if err == nil {
			return nil
		}
		if !errors.Is(err, errEnded) || attempt == maxStarts {
			return fmt.Errorf("start PostgreSQL: %w; the end of %s:\n%s", err, logFile, process.Tail(logFile))
		}
	}
}

var errEnded = errors.New("the server ended at once")

// await returns when the server answers.
func (s *Server) await(ctx context.Context, serverURL string) error {
	ticker := time.NewTicker(startPoll)
	defer ticker.Stop()
	for {
		conn, err := pgx.Connect(ctx, serverURL)
		if err == nil {
			return conn.Close(ctx)
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

// Stop ends the server in good order, or by force when that takes too long, and gives the home free.
func (s *Server) Stop() {
	if s.cmd != nil {
		for _, signal := range stopSignals {
			_ = s.cmd.Process.Signal(signal) // it may have ended
			select {
			case <-s.done:
			case <-time.After(stopTimeout):
				continue
			}
			break
		}
	}
	_ = os.Remove(s.urlFile())
	if s.socket != "" {
		_ = os.RemoveAll(s.socket)
	}
	s.unlock()
}

func (s *Server) urlFile() string { return filepath.Join(s.home, "database-url") }

// RunningURL returns the owner's URL of the server that runs in a home, or "" where none does.
func RunningURL(home string) string {
	text, err := os.ReadFile(filepath.Join(home, "database-url"))
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
		return "", fmt.Errorf("connect to PostgreSQL: %w", err)
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
