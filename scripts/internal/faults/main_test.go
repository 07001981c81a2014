package faults

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/scripts/internal/crash"
	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/scripts/internal/stand"
	"github.com/waooaw/plant/shared/auth"
)

const (
	checkout = "../../.."
	patience = 30 * time.Second // for what has to happen at all
	poll     = 5 * time.Millisecond
)

// common is the stand that tests share. A test that breaks its server is not parallel, so that it has it to itself.
var common struct {
	once  sync.Once
	home  string
	stand *stand.Stand
	err   error
}

func TestMain(m *testing.M) {
	status := m.Run()
	if common.stand != nil {
		common.stand.Close()
	}
	_ = os.RemoveAll(common.home)
	os.Exit(status)
}

func commonStand(t *testing.T) *stand.Stand {
	t.Helper()
	common.once.Do(func() {
		// It outlives the test that happens to come first.
		if common.home, common.err = os.MkdirTemp("", "plant-faults-"); common.err != nil { //nolint:usetesting // see above
			return
		}
		if common.err = os.Chmod(common.home, 0o755); common.err != nil { // the server's user has to pass through
			return
		}
		common.stand, common.err = stand.Open(context.Background(), checkout, common.home, io.Discard)
	})
	if common.err != nil {
		t.Fatal(common.err)
	}
	return common.stand
}

// ownHome returns a folder that the server's user can reach, unlike Go's own temporary ones.
func ownHome(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	for _, folder := range []string{filepath.Dir(home), home} {
		if err := os.Chmod(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return home
}

// ownStand is a stand for one test alone, with settings of its server. It begins with the programs of the common one:
// where nothing has changed, they need not be linked again.
func ownStand(t *testing.T, settings ...string) *stand.Stand {
	t.Helper()
	home := ownHome(t)
	if err := os.CopyFS(filepath.Join(home, "bin"), os.DirFS(filepath.Join(commonStand(t).Home, "bin"))); err != nil {
		t.Fatal(err)
	}
	s, err := stand.Open(t.Context(), checkout, home, io.Discard, settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// start starts the agents function on a stand until the test ends. A test that fails shows the end of its log.
func start(t *testing.T, s *stand.Stand, environment ...string) *functions.Function {
	t.Helper()
	return started(t)(s.Start(t.Context(), "agents", environment...))
}

func started(t *testing.T) func(*functions.Function, error) *functions.Function {
	t.Helper()
	return func(f *functions.Function, err error) *functions.Function {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { functions.StopAll(f) })
		return f
	}
}

func token(t *testing.T, s *stand.Stand, role auth.Role, subject string) string {
	t.Helper()
	text, err := s.Token(role, subject)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// ownerOf connects to a stand's database as its owner until the test ends.
func ownerOf(t *testing.T, s *stand.Stand) *pgx.Conn {
	t.Helper()
	return connect(t, s.Server.OwnerURL)
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func scalar[T any](t *testing.T, conn *pgx.Conn, query string, args ...any) T {
	t.Helper()
	var value T
	if err := conn.QueryRow(t.Context(), query, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

func execute(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// eventually waits until something holds, or fails the test.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("it does not come to this: %s", what)
		case <-ticker.C:
		}
	}
}

// isReady asks a function whether it is ready.
func isReady(t *testing.T, f *functions.Function) bool {
	t.Helper()
	answer, err := crash.Caller{Function: f, Client: crash.NewClient(1)}.Do(t.Context(), "GET", "/api/v1/agents/ready", "")
	return err == nil && answer.Status == 200
}

func storedAgents(t *testing.T, owner *pgx.Conn, subject string) int {
	t.Helper()
	return scalar[int](t, owner, `select count(*) from plant.agents where owner = $1 and deleted_at is null`, subject)
}

// isHealthy asks a function whether its process is up.
func isHealthy(t *testing.T, f *functions.Function) bool {
	t.Helper()
	answer, err := crash.Caller{Function: f, Client: crash.NewClient(1)}.Do(t.Context(), "GET", "/api/v1/agents/health", "")
	return err == nil && answer.Status == 200
}
