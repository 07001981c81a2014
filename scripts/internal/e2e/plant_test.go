//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/waooaw/plant/scripts/internal/process"
	"github.com/waooaw/plant/shared/config"
)

const (
	firstStart = 10 * time.Minute // compiles everything, instrumented
	laterStart = time.Minute
	stopping   = 30 * time.Second
)

// interrupted ends every scripts/dev that runs, and thereby the test, which then cleans up as after any failure.
var interrupted, _ = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)

// plant is one running scripts/dev.
type plant struct {
	home, port, url string
	cmd             *exec.Cmd
	output          *output
	done            chan struct{}
	err             error // how it ended, once done is closed
}

// output keeps what scripts/dev prints. It is safe for concurrent use.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// start runs scripts/dev in a home and on a port, and waits until it says that it is ready.
func start(t *testing.T, home, port string, patience time.Duration, environment ...string) *plant {
	t.Helper()
	p := launch(t, home, port, environment...)
	p.awaitReady(t, patience)
	return p
}

func (p *plant) awaitReady(t *testing.T, patience time.Duration) {
	t.Helper()
	deadline := time.After(patience)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !strings.Contains(p.output.String(), "Ctrl-C stops all of it.") {
		select {
		case <-p.done:
			t.Fatalf("scripts/dev ended: %v\n%s", p.err, p.output)
		case <-deadline:
			t.Fatalf("scripts/dev is not ready after %v\n%s", patience, p.output)
		case <-ticker.C:
		}
	}
}

func launch(t *testing.T, home, port string, environment ...string) *plant {
	t.Helper()
	return launchWith(t, home, port, nil, environment...)
}

func launchWith(t *testing.T, home, port string, args []string, environment ...string) *plant {
	t.Helper()
	p := &plant{home: home, port: port, url: "http://localhost:" + port, output: &output{}, done: make(chan struct{})}
	if interrupted.Err() != nil {
		t.Fatal("interrupted")
	}
	p.cmd = exec.CommandContext(interrupted, filepath.Join(root(t), "scripts", "dev"), args...)
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.Env = append(p.environment(t), environment...)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	process.Detach(p.cmd)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() { p.signal(t, syscall.SIGTERM) })
	return p
}

// environment of the scripts. Where coverage is wanted, all that they build is instrumented.
func (p *plant) environment(t *testing.T) []string {
	t.Helper()
	type settings struct {
		Coverage string `env:"PLANT_COVERAGE"`
	}
	s, err := config.Load[settings](t.Context())
	if err != nil {
		t.Fatal(err)
	}
	environment := append(os.Environ(), "PLANT_HOME="+p.home, "PLANT_PORT="+p.port)
	if s.Coverage != "" {
		environment = append(environment, "GOFLAGS=-cover", "GOCOVERDIR="+s.Coverage)
	}
	return environment
}

// signal sends a signal to scripts/dev alone and waits until it has ended.
func (p *plant) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	_ = p.cmd.Process.Signal(signal) // it may have ended
	select {
	case <-p.done:
	case <-time.After(stopping):
		t.Errorf("scripts/dev does not end after %v\n%s", signal, p.output)
		_ = p.cmd.Process.Kill()
	}
}

// wantNothingLeft fails the test where a process of the home still runs, or its port is taken, after a moment.
func (p *plant) wantNothingLeft(t *testing.T) {
	t.Helper()
	deadline := time.After(stopping)
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		left := processesOf(t, p.home)
		if len(left) == 0 {
			break
		}
		select {
		case <-deadline:
			t.Fatalf("still running: %v", left)
		case <-ticker.C:
		}
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:"+p.port)
	if err != nil {
		t.Fatalf("the port is not free: %v", err)
	}
	_ = listener.Close()
}

// processesOf returns the command lines that name a folder.
func processesOf(t *testing.T, folder string) []string {
	t.Helper()
	list, err := exec.CommandContext(t.Context(), "ps", "-eo", "pid=,args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(list)) {
		if strings.Contains(line, folder) && !strings.Contains(line, "ps -eo") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// pid returns the process that a command line of the home belongs to.
func (p *plant) pid(t *testing.T, part string) int {
	t.Helper()
	for _, line := range processesOf(t, p.home) {
		var pid int
		if _, err := fmt.Sscan(line, &pid); err == nil && strings.Contains(line, part) {
			return pid
		}
	}
	t.Fatalf("no process %q in %v", part, processesOf(t, p.home))
	return 0
}

// answer is what a request was answered with.
type answer struct {
	status int
	header http.Header
	body   string
}

func (p *plant) do(t *testing.T, method, path, token, body string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

// want fails the test unless the answer has the status and every part.
func (a answer) want(t *testing.T, status int, parts ...string) answer {
	t.Helper()
	if a.status != status {
		t.Errorf("got %d, want %d: %s", a.status, status, a.body)
	}
	for _, part := range parts {
		if !strings.Contains(a.body, part) {
			t.Errorf("%q is not in %s", part, a.body)
		}
	}
	return a
}

// script runs one of the verbs and returns what it prints.
func (p *plant) script(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(root(t), "scripts", name), args...)
	cmd.Env = p.environment(t)
	printed, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("scripts/%s: %v\n%s", name, err, printed)
	}
	return strings.TrimSpace(string(printed))
}

// newHome returns a folder that the server's user can pass through; otherwise its data would go elsewhere and stay there.
func newHome(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	for _, dir := range []string{home, filepath.Dir(home)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return home
}

func newPort(t *testing.T) string {
	t.Helper()
	port, err := process.FreePort(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// One test, since each start takes its time: what it asks comes in the order in which a newcomer would.
func TestPlant(t *testing.T) {
	p := start(t, newHome(t), newPort(t), firstStart)
	token := p.script(t, "token", "--role", "partner", "--sub", "ada")

	t.Run("the printed line works", func(t *testing.T) {
		line := regexp.MustCompile(`(?m)^  (curl .*)$`).FindStringSubmatch(p.output.String())
		if line == nil {
			t.Fatalf("no line to paste in %s", p.output)
		}
		printed, err := exec.CommandContext(t.Context(), "bash", "-c", line[1]).Output()
		if err != nil || !strings.HasPrefix(string(printed), `[{"id":`) {
			t.Errorf("%s: %v: %s", line[1], err, printed)
		}
	})
	t.Run("demo data", func(t *testing.T) {
		for path, least := range map[string]int{"agents": 60, "skills": 40, "job-roles": 15, "industries": 3} {
			var total int
			counted := p.do(t, "GET", "/api/v1/"+path+"?count=exact&limit=1", "", "").want(t, 200)
			if _, err := fmt.Sscan(counted.header.Get("X-Total-Count"), &total); err != nil || total < least {
				t.Errorf("%d %s, want at least %d", total, path, least)
			}
		}
	})
	for _, slash := range []string{"", "/"} {
		t.Run("an agent's life, paths ending in "+fmt.Sprintf("%q", slash), func(t *testing.T) { agentLife(t, p, token, slash) })
	}
	governor := p.script(t, "token", "--role", "governor", "--sub", "grace")
	t.Run("skills, job roles, industries and teams", func(t *testing.T) { governance(t, p, token, governor) })
	t.Run("an agent is tried, hired and reviewed", func(t *testing.T) { hiring(t, p, token, governor) })
	t.Run("what an agent did is reported, measured and drawn", func(t *testing.T) { measuring(t, p, token) })
	t.Run("a change is followed and proved", func(t *testing.T) { audit(t, p, token, governor) })
	t.Run("open protocols", func(t *testing.T) { openProtocols(t, p, token) })
	t.Run("pages and documents", func(t *testing.T) {
		p.do(t, "GET", "/", "", "").want(t, 200, "<h1>Plant</h1>")
		p.do(t, "GET", "/openapi.json", "", "").want(t, 200, `"/api/v1/agents/{id}"`, `"/api/v1/agents/search"`, `"/api/v1/agents/{id}/metrics"`)
		p.do(t, "GET", "/openapi.yaml", "", "").want(t, 200, "/api/v1/agents/{id}")
		p.do(t, "GET", "/problems/not-found", "", "").want(t, 200, "NOT_FOUND")
		p.do(t, "GET", "/problems/own-agent", "", "").want(t, 200, "OWN_AGENT")
		p.do(t, "GET", "/problems/industry-locked", "", "").want(t, 200, "INDUSTRY_LOCKED")
		p.do(t, "GET", "/ready", "", "").want(t, 200, `"ready"`)
		p.do(t, "GET", "/.well-known/openid-configuration", "", "").want(t, 200, p.url+"/.well-known/jwks.json")
		p.do(t, "GET", "/internal/rollup", "", "").want(t, 404, "NOT_FOUND")
		docs := p.do(t, "GET", "/docs/", "", "").want(t, 200, "swagger-ui")
		if strings.Contains(strings.ReplaceAll(docs.body, p.url, ""), "//cdn") || strings.Contains(docs.body, "unpkg") {
			t.Error("the reference loads from elsewhere")
		}
	})
	t.Run("three functions, three processes", func(t *testing.T) {
		for _, name := range []string{"agents", "search", "metrics"} {
			p.pid(t, filepath.Join(p.home, "bin", name))
		}
	})
	t.Run("migrations tell where they stand", func(t *testing.T) {
		if printed := p.script(t, "migrate", "status"); !strings.Contains(printed, "[x] 001_access.sql") || strings.Contains(printed, "[ ]") {
			t.Error(printed)
		}
	})
	t.Run("a smoke test passes, and leaves nothing behind", func(t *testing.T) {
		if printed := p.script(t, "smoke", p.url, "--write"); !strings.Contains(printed, "answers are as they should be") {
			t.Error(printed)
		}
		p.do(t, "GET", "/api/v1/agents?tag=smoke-test", "", "").want(t, 200, "[]")
	})
	t.Run("a backup is restored, and the same", func(t *testing.T) {
		folder := filepath.Join(p.home, "saved")
		p.script(t, "backup", folder)
		if printed := p.script(t, "restore", folder, "--into", "restored"); !strings.Contains(printed, "restored, and the same") {
			t.Error(printed)
		}
	})
	t.Run("a second start of the same home is refused", func(t *testing.T) {
		other := launch(t, p.home, newPort(t))
		<-other.done
		if !strings.Contains(other.output.String(), "in use by another scripts/dev") {
			t.Error(other.output)
		}
	})
	t.Run("a second start on the same port is refused", func(t *testing.T) {
		other := launch(t, newHome(t), p.port)
		<-other.done
		if !strings.Contains(other.output.String(), "is taken: set PLANT_PORT") {
			t.Error(other.output)
		}
	})
	p.signal(t, syscall.SIGTERM)
	if p.err != nil {
		t.Errorf("SIGTERM: %v\n%s", p.err, p.output)
	}
	p.wantNothingLeft(t)

	t.Run("a later start is quick and has everything", func(t *testing.T) {
		begin := time.Now()
		p := start(t, p.home, p.port, laterStart)
		t.Logf("ready after %v", time.Since(begin).Round(time.Millisecond))
		p.do(t, "GET", "/api/v1/agents?owner=ada", "", "").want(t, 200, "Outreach Planner")
		p.signal(t, syscall.SIGINT)
		p.wantNothingLeft(t)
	})
	t.Run("a crash of one part stops the rest", func(t *testing.T) {
		p := start(t, p.home, p.port, laterStart)
		if err := syscall.Kill(p.pid(t, filepath.Join(p.home, "bin", "search")), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-p.done
		if p.err == nil || !strings.Contains(p.output.String(), "stopped: the function search ended by itself") {
			t.Errorf("%v: %s", p.err, p.output)
		}
		p.wantNothingLeft(t)
	})
	t.Run("a kill leaves nothing, and the next start heals", func(t *testing.T) {
		q := start(t, p.home, p.port, laterStart)
		q.signal(t, syscall.SIGKILL)
		q.wantNothingLeft(t)
		q = start(t, p.home, p.port, laterStart)
		q.do(t, "GET", "/ready", "", "").want(t, 200)
		q.signal(t, syscall.SIGTERM)
		q.wantNothingLeft(t)
	})
	t.Run("without demo data, where that is asked for", func(t *testing.T) {
		p := launchWith(t, newHome(t), newPort(t), []string{"--empty"})
		p.awaitReady(t, firstStart)
		for path, want := range map[string]string{"agents": "0", "skills": "0", "industries": "3"} {
			counted := p.do(t, "GET", "/api/v1/"+path+"?count=exact", "", "").want(t, 200)
			if got := counted.header.Get("X-Total-Count"); got != want {
				t.Errorf("%s %s", got, path)
			}
		}
		p.signal(t, syscall.SIGTERM)
		p.wantNothingLeft(t)
	})
	t.Run("with a database of one's own, beside another run", func(t *testing.T) {
		p := start(t, p.home, p.port, laterStart)
		url, err := os.ReadFile(filepath.Join(p.home, "database-url"))
		if err != nil {
			t.Fatal(err)
		}
		home := newHome(t)
		other := start(t, home, newPort(t), firstStart, "DATABASE_URL="+string(url))
		other.do(t, "GET", "/api/v1/agents?owner=ada", "", "").want(t, 200, "Outreach Planner")
		if _, err := os.Stat(filepath.Join(home, "postgres")); err == nil {
			t.Error("a private server was made beside DATABASE_URL")
		}
		p.do(t, "GET", "/ready", "", "").want(t, 200)
	})
}
