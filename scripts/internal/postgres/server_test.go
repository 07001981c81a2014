package postgres

import (
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/scripts/internal/process"
)

const patience = 30 * time.Second

// openHome returns a home that the server's user can reach, unlike Go's own temporary folders.
func openHome(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	for _, dir := range []string{filepath.Dir(home), home} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return home
}

func startServer(t *testing.T, home string) *Server {
	t.Helper()
	s, err := Start(t.Context(), home, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func connect(t *testing.T, databaseURL string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func execute(t *testing.T, databaseURL string, statements ...string) {
	t.Helper()
	conn := connect(t, databaseURL)
	for _, statement := range statements {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func scalar[T any](t *testing.T, databaseURL, query string) T {
	t.Helper()
	var value T
	if err := connect(t, databaseURL).QueryRow(t.Context(), query).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

func wantEnded(t *testing.T, s *Server) {
	t.Helper()
	select {
	case <-s.Done():
	case <-time.After(patience):
		t.Fatal("the server has not ended")
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	home := openHome(t)
	s := startServer(t, home)

	execute(t, s.OwnerURL, `create extension vector`, `create extension pg_trgm`, `create table kept (n int)`, `insert into kept values (1)`)
	for query, want := range map[string]string{
		`select current_database()`: "plant",
		`show listen_addresses`:     "127.0.0.1",
		`show fsync`:                "on",
		`show data_checksums`:       "on",
		`show max_connections`:      "200",
		`show password_encryption`:  "scram-sha-256",
		`select pg_encoding_to_char(encoding) from pg_database where datname = 'plant'`: "UTF8",
	} {
		if got := scalar[string](t, s.OwnerURL, query); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}

	// A password is asked for, on the socket too.
	u, err := url.Parse(s.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(owner, "wrong")
	socket := url.URL{
		Scheme: "postgres", User: u.User, Path: u.Path,
		RawQuery: url.Values{"host": {filepath.Join(home, "socket")}, "port": {u.Port()}}.Encode(),
	}
	for _, wrong := range []string{u.String(), socket.String()} {
		if _, err := pgx.Connect(t.Context(), wrong); err == nil || !strings.Contains(err.Error(), wrongPassword) {
			t.Errorf("got %v, want %s", err, wrongPassword)
		}
	}

	// A home has one server.
	_, err = Start(t.Context(), home, io.Discard)
	if !errors.Is(err, process.ErrLocked) || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("got %v, want ErrLocked that names this process", err)
	}
	if got := RunningURL(home); got != s.OwnerURL {
		t.Errorf("RunningURL: got %q, want the server's", got)
	}
	s.Stop()
	wantEnded(t, s)
	if got := RunningURL(home); got != "" {
		t.Errorf("RunningURL of a home without a server: %q", got)
	}

	// The next start has the data. Stopping the old one once more does it no harm.
	next := startServer(t, home)
	s.Stop()
	if got := RunningURL(home); got != next.OwnerURL {
		t.Errorf("RunningURL: got %q, want the next server's", got)
	}
	if got := scalar[int](t, next.OwnerURL, `select n from kept`); got != 1 {
		t.Errorf("got %d, want 1", got)
	}
}

func TestStart_AfterKill(t *testing.T) {
	t.Parallel()
	home := openHome(t)
	s := startServer(t, home)
	execute(t, s.OwnerURL, `create table kept (n int)`, `insert into kept values (1)`)
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	wantEnded(t, s)
	// Its children may not have ended yet, and its postmaster.pid is there: neither keeps the next from starting.
	s.Stop()
	s = startServer(t, home)
	if got := scalar[int](t, s.OwnerURL, `select n from kept`); got != 1 {
		t.Errorf("got %d, want 1", got)
	}
}

func TestStart_WhileTheOldOneEnds(t *testing.T) {
	t.Parallel()
	home := openHome(t)
	old := startServer(t, home)
	// A smart shutdown waits for this connection, so that the old server holds its data while the new one starts.
	conn := connect(t, old.OwnerURL)
	if err := old.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	old.unlock() // as if the process that ran it were gone
	var said strings.Builder
	started := make(chan error)
	go func() {
		s, err := Start(t.Context(), home, &said)
		if err == nil {
			s.Stop()
		}
		started <- err
	}()
	waitFor(t, "a start that was refused", func() bool { return strings.Contains(process.Tail(old.LogFile), "postmaster.pid") })
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-started; err != nil {
		t.Error(err)
	}
}

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	ticker := time.NewTicker(startPoll)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		case <-ticker.C:
		}
	}
}

func TestStart_Interrupted(t *testing.T) {
	t.Parallel()
	home := openHome(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for {
			if _, err := os.Stat(filepath.Join(dataOf(home)+".unfinished", "PG_VERSION")); err == nil || ctx.Err() != nil {
				cancel()
				return
			}
		}
	}()
	if s, err := Start(ctx, home, io.Discard); err == nil {
		s.Stop()
		t.Fatal("an interrupted start succeeded")
	}
	s := startServer(t, home) // begins anew
	if got := scalar[int](t, s.OwnerURL, `select 1`); got != 1 {
		t.Errorf("got %d, want 1", got)
	}
}

func TestStart_OtherPassword(t *testing.T) {
	t.Parallel()
	home := openHome(t)
	startServer(t, home).Stop()
	if err := os.WriteFile(filepath.Join(home, "owner-password"), []byte("OTHER"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Start(t.Context(), home, io.Discard)
	if err == nil {
		s.Stop()
	}
	if err == nil || !strings.Contains(err.Error(), "is not the password") {
		t.Errorf("got %v, want an error that says so", err)
	}
}

func TestStart_PathThatNoSocketTakes(t *testing.T) {
	t.Parallel()
	for _, name := range []string{strings.Repeat("long", 30), "a, b", `a"b`} {
		s := startServer(t, filepath.Join(openHome(t), name))
		if s.socketFolder == "" {
			t.Fatalf("the socket is in the home %s", name)
		}
		s.Stop()
		if _, err := os.Stat(s.socketFolder); err == nil {
			t.Errorf("%s was left behind", s.socketFolder)
		}
	}
}

func TestStart_ClosedHome(t *testing.T) {
	t.Parallel()
	home := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	// Only root runs the server as another user, who cannot pass through; for anyone else the home is good.
	folder := home
	if os.Geteuid() == 0 {
		folder = filepath.Join("/var/tmp", nameOf(home))
		t.Cleanup(func() { _ = os.RemoveAll(folder) })
	}
	for range 2 {
		s := startServer(t, home)
		if got, want := scalar[string](t, s.OwnerURL, `show data_directory`), filepath.Join(folder, "postgres"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		s.Stop()
	}
	if target, err := os.Readlink(dataOf(home)); os.Geteuid() == 0 && (err != nil || !strings.HasPrefix(target, folder)) {
		t.Errorf("the home links to %q, %v", target, err)
	}
}

func TestStart_DataClosedLater(t *testing.T) {
	t.Parallel()
	home := openHome(t)
	startServer(t, home).Stop()
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Join("/var/tmp", nameOf(home))) })
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := Start(t.Context(), home, io.Discard)
	if err == nil {
		s.Stop()
	}
	told := err != nil && strings.Contains(err.Error(), "chmod o+x")
	if asRoot := os.Geteuid() == 0; told != asRoot || !asRoot && err != nil {
		t.Errorf("got %v, want an error that tells root what to do, and nobody else", err)
	}
}

func TestStart_BadSetting(t *testing.T) {
	t.Parallel()
	home := openHome(t)
	startServer(t, home).Stop()
	settings, err := os.OpenFile(filepath.Join(dataOf(home), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := settings.WriteString("no_such_setting = 1\n"); err != nil {
		t.Fatal(err)
	}
	_ = settings.Close()
	s, err := Start(t.Context(), home, io.Discard)
	if err == nil {
		s.Stop()
	}
	if !errors.Is(err, errEnded) || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("got %v, want the end of the server's log", err)
	}
}
