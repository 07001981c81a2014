// Package functions builds Plant's functions and runs them as processes of this machine, each through the functions
// framework, as the platform does.
package functions

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sync/errgroup"

	"github.com/waooaw/plant/scripts/internal/process"
	"github.com/waooaw/plant/shared/audit"
	"github.com/waooaw/plant/shared/auth/localissuer"
)

// Names are the functions, as in routes.json; FUNCTION_TARGET is the same with a capital.
var Names = []string{"agents", "search", "metrics"}

const (
	readyTimeout = 20 * time.Second
	readyPoll    = 20 * time.Millisecond
	grace        = 10 * time.Second // for a function to end after SIGTERM, as on the platform
)

// Function is one of Plant's functions, running as a process of its own.
type Function struct {
	Name    string
	Address *url.URL
	LogFile string

	cmd  *exec.Cmd
	done chan struct{}
	err  error // how it ended, once done is closed
}

// Failure of a function, or of another part whose log tells more.
type Failure struct {
	error
	LogFile string
}

// NewFailure returns an error that names the log to look into.
func NewFailure(err error, logFile string) *Failure { return &Failure{err, logFile} }

// Unwrap returns the error without its log.
func (f *Failure) Unwrap() error { return f.error }

// Build compiles the functions of a checkout into a home; Go's cache makes that quick where nothing changed.
func Build(ctx context.Context, checkout, home string, out io.Writer) error {
	if _, err := os.Stat(program(home, Names[0])); err != nil {
		process.Say(out, "compiling the functions: the first time takes a minute or two")
	}
	building, ctx := errgroup.WithContext(ctx)
	for _, name := range Names {
		building.Go(func() error {
			cmd := exec.CommandContext(ctx, "go", "build", "-o", program(home, name), "github.com/waooaw/plant/functions/"+name+"/cmd")
			cmd.Dir = checkout
			cmd.Env = append(os.Environ(), "GOWORK=") // the functions are modules of their own: the workspace knows them
			if output, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("compile %s: %w\n%s", name, err, output)
			}
			return nil
		})
	}
	return building.Wait()
}

func program(home, name string) string { return filepath.Join(home, "bin", name) }

// OpenAPI asks a function's program for its document.
func OpenAPI(ctx context.Context, home, name string) ([]byte, error) {
	document, err := exec.CommandContext(ctx, program(home, name), "-openapi").Output()
	if err != nil {
		return nil, fmt.Errorf("ask %s for its OpenAPI document: %w", name, err)
	}
	return document, nil
}

// The home's log of amendments: its name, and the files that keep its verifier key and its checkpoints.
const (
	auditOrigin      = "localhost/plant"
	VerifierKeyFile  = "audit.pub"
	CheckpointsFile  = "audit-checkpoints"
	signerKeyFile    = "audit-key"
	verifierFileMode = 0o644
)

// Environment is what a function is told: the application's login to the database, the issuer that it trusts, and keys that
// the home keeps, of cursors and, for the one that signs, of checkpoints.
func Environment(home, name, databaseURL, issuerURL string) ([]string, error) {
	cursorKey, err := process.KeptSecret(filepath.Join(home, "cursor-key"))
	if err != nil {
		return nil, err
	}
	issuers, err := json.Marshal(localissuer.Trust(issuerURL).Issuers)
	if err != nil {
		return nil, err
	}
	environment := []string{"PLANT_APP_DATABASE_URL=" + databaseURL, "CURSOR_KEY=" + cursorKey, "PUBLIC_URL=" + issuerURL, "AUTH_ISSUERS=" + string(issuers)}
	if name != "agents" {
		return environment, nil
	}
	signerKey, err := process.Kept(filepath.Join(home, signerKeyFile), func() (string, error) {
		key, _, err := note.GenerateKey(rand.Reader, auditOrigin)
		return key, err
	})
	if err != nil {
		return nil, err
	}
	verifierKey, err := audit.VerifierKey(signerKey)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(home, signerKeyFile), err)
	}
	if err := os.WriteFile(filepath.Join(home, VerifierKeyFile), []byte(verifierKey+"\n"), verifierFileMode); err != nil {
		return nil, err
	}
	return append(environment, "AUDIT_KEY="+signerKey, "AUDIT_CHECKPOINT_FILE="+filepath.Join(home, CheckpointsFile)), nil
}

// Start starts a function that Build has put into the home, on a free port of this machine, with a log of its own under
// the home. It does not wait until the function answers.
func Start(ctx context.Context, home, name, log string, environment []string) (*Function, error) {
	port, err := process.FreePort(ctx)
	if err != nil {
		return nil, err
	}
	host := net.JoinHostPort("127.0.0.1", port)
	f := &Function{Name: name, Address: &url.URL{Scheme: "http", Host: host}, done: make(chan struct{})}
	logs := filepath.Join(home, "logs")
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return nil, err
	}
	output, err := os.Create(filepath.Join(logs, log))
	if err != nil {
		return nil, err
	}
	f.LogFile = output.Name()
	f.cmd = exec.Command(program(home, name)) //nolint:noctx // what we have built; StopAll ends it in order
	f.cmd.Env = append(plainEnvironment(), environment...)
	f.cmd.Env = append(f.cmd.Env, "HOST=127.0.0.1", "PORT="+port, "FUNCTION_TARGET="+strings.ToUpper(name[:1])+name[1:])
	f.cmd.Stdout, f.cmd.Stderr = output, output
	process.Detach(f.cmd)
	if err := f.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), output.Close())
	}
	go func() {
		f.err = f.cmd.Wait()
		_ = output.Close()
		close(f.done)
	}()
	return f, nil
}

// plainEnvironment is ours without what only the owner of the database may have.
func plainEnvironment() []string {
	var kept []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "DATABASE_URL=") {
			kept = append(kept, variable)
		}
	}
	return kept
}

// AwaitReady returns when every function says that it is ready, or with a Failure when one ends or takes too long.
func AwaitReady(ctx context.Context, functions ...*Function) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	waiting, ctx := errgroup.WithContext(ctx)
	for _, f := range functions {
		waiting.Go(func() error { return f.awaitReady(ctx) })
	}
	return waiting.Wait()
}

func (f *Function) awaitReady(ctx context.Context) error {
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for {
		if f.isReady(ctx) {
			return nil
		}
		select {
		case <-f.done:
			return f.Failure()
		case <-ctx.Done():
			return NewFailure(fmt.Errorf("the function %s does not get ready", f.Name), f.LogFile)
		case <-ticker.C:
		}
	}
}

func (f *Function) isReady(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.Address.JoinPath("/api/v1", f.Name, "ready").String(), nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// Done is closed when the function has ended.
func (f *Function) Done() <-chan struct{} { return f.done }

// Err says how the function ended, once it has: nil for exit status 0.
func (f *Function) Err() error { return f.err }

// Failure says that the function ended by itself, once it has.
func (f *Function) Failure() error {
	how := f.err
	if how == nil {
		how = errors.New("exit status 0")
	}
	return NewFailure(fmt.Errorf("the function %s ended by itself: %w", f.Name, how), f.LogFile)
}

// Pid is the number of the function's process.
func (f *Function) Pid() int { return f.cmd.Process.Pid }

// Signal sends a signal to the function, which may have ended.
func (f *Function) Signal(signal os.Signal) { _ = f.cmd.Process.Signal(signal) }

// StopAll ends the functions, all at once, and returns when they have ended.
func StopAll(functions ...*Function) {
	for _, f := range functions {
		f.Signal(syscall.SIGTERM)
	}
	deadline := time.After(grace)
	for _, f := range functions {
		select {
		case <-f.done:
		case <-deadline:
			f.Signal(syscall.SIGKILL)
			<-f.done
		}
	}
}
