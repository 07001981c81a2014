package main

import (
	"context"
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

	"golang.org/x/sync/errgroup"

	"github.com/waooaw/plant/scripts/internal/process"
	"github.com/waooaw/plant/shared/auth/localissuer"
)

const (
	readyTimeout  = 20 * time.Second
	readyPoll     = 20 * time.Millisecond
	functionGrace = 10 * time.Second // for a function to end after SIGTERM, as on the platform
)

// function is one of Plant's functions, running as a process of its own.
type function struct {
	name    string
	address *url.URL
	logFile string
	cmd     *exec.Cmd
	done    chan struct{}
	err     error // how it ended, once done is closed
}

// buildFunctions compiles the three functions; Go's cache makes that quick where nothing changed.
func buildFunctions(ctx context.Context, home string, out io.Writer) error {
	if _, err := os.Stat(program(home, functionNames[0])); err != nil {
		process.Say(out, "compiling the functions: the first time takes a minute or two")
	}
	building, ctx := errgroup.WithContext(ctx)
	for _, name := range functionNames {
		building.Go(func() error {
			cmd := exec.CommandContext(ctx, "go", "build", "-o", program(home, name), "github.com/waooaw/plant/functions/"+name+"/cmd")
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

// openAPI asks a function's program for its document.
func openAPI(ctx context.Context, home, name string) ([]byte, error) {
	document, err := exec.CommandContext(ctx, program(home, name), "-openapi").Output()
	if err != nil {
		return nil, fmt.Errorf("ask %s for its OpenAPI document: %w", name, err)
	}
	return document, nil
}

// startFunctions starts every function on a free port of this machine, with the application's login.
// What it has started it returns even with an error.
func startFunctions(ctx context.Context, s settings, databaseURL, issuerURL string) ([]*function, error) {
	cursorKey, err := process.KeptSecret(filepath.Join(s.Home, "cursor-key"))
	if err != nil {
		return nil, err
	}
	issuers, err := json.Marshal(localissuer.Trust(issuerURL).Issuers)
	if err != nil {
		return nil, err
	}
	shared := []string{
		"PLANT_APP_DATABASE_URL=" + databaseURL, "DATABASE_MAX_CONNS=8", "CURSOR_KEY=" + cursorKey,
		"AUTH_ISSUERS=" + string(issuers), "CORS_ORIGINS=" + issuerURL,
	}
	var functions []*function
	for _, name := range functionNames {
		f, err := startFunction(ctx, s.Home, name, shared)
		if err != nil {
			return functions, err
		}
		functions = append(functions, f)
	}
	return functions, nil
}

func startFunction(ctx context.Context, home, name string, environment []string) (*function, error) {
	port, err := process.FreePort(ctx)
	if err != nil {
		return nil, err
	}
	host := net.JoinHostPort("127.0.0.1", port)
	f := &function{
		name: name, address: &url.URL{Scheme: "http", Host: host}, logFile: filepath.Join(home, "logs", name+".log"), done: make(chan struct{}),
	}
	output, err := os.Create(f.logFile)
	if err != nil {
		return nil, err
	}
	f.cmd = exec.Command(program(home, name)) //nolint:noctx // what we have built; stopAll ends it in order
	f.cmd.Env = append(plainEnvironment(), environment...)
	f.cmd.Env = append(f.cmd.Env, "HOST=127.0.0.1", "PORT="+port, "FUNCTION_TARGET="+strings.ToUpper(name[:1])+name[1:])
	f.cmd.Stdout, f.cmd.Stderr = output, output
	process.Detach(f.cmd)
	if err := f.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), output.Close())
	}
	go func() {
		f.err = f.cmd.Wait()
		if f.err == nil {
			f.err = errors.New("exit status 0")
		}
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

// awaitReady returns when every function says that it is ready.
func awaitReady(ctx context.Context, functions []*function) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	waiting, ctx := errgroup.WithContext(ctx)
	for _, f := range functions {
		waiting.Go(func() error { return f.awaitReady(ctx) })
	}
	return waiting.Wait()
}

func (f *function) awaitReady(ctx context.Context) error {
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for {
		if f.isReady(ctx) {
			return nil
		}
		select {
		case <-f.done:
			return f.failure()
		case <-ctx.Done():
			return &failure{fmt.Errorf("the function %s does not get ready", f.name), f.logFile}
		case <-ticker.C:
		}
	}
}

func (f *function) isReady(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.address.JoinPath("/api/v1", f.name, "ready").String(), nil)
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

// failure says how the function ended, once it has.
func (f *function) failure() error {
	return &failure{fmt.Errorf("the function %s ended by itself: %w", f.name, f.err), f.logFile}
}

// stopAll ends the functions, all at once, and returns when they have ended.
func stopAll(functions []*function) {
	for _, f := range functions {
		_ = f.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	}
	deadline := time.After(functionGrace)
	for _, f := range functions {
		select {
		case <-f.done:
		case <-deadline:
			_ = f.cmd.Process.Kill()
			<-f.done
		}
	}
}
