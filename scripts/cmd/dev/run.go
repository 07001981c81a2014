package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/scripts/internal/gateway"
	"github.com/waooaw/plant/scripts/internal/postgres"
	"github.com/waooaw/plant/shared/auth/localissuer"
	"github.com/waooaw/plant/shared/tracing"
)

const (
	readTimeout   = 30 * time.Second // of a request at the gateway
	headerTimeout = 5 * time.Second
	gatewayGrace  = 8 * time.Second // for requests in flight when the gateway stops
)

// run starts every part in order, tells where they are, and ends them in reverse order when ctx or one of them ends.
func run(ctx context.Context, s settings, out io.Writer) (err error) {
	var listening net.ListenConfig
	listener, err := listening.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("port %d is taken: set PLANT_PORT to another one", s.Port)
	}
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	if err := os.MkdirAll(filepath.Join(s.Home, "logs"), 0o755); err != nil {
		return err
	}

	// Compiling and starting the server have nothing to do with each other.
	var server *postgres.Server
	defer func() {
		if server != nil {
			server.Stop()
		}
	}()
	var database databaseURLs
	preparing, both := errgroup.WithContext(ctx)
	preparing.Go(func() error { return functions.Build(both, "", s.Home, out) })
	preparing.Go(func() (err error) {
		ownerURL := s.DatabaseURL.Reveal()
		if ownerURL == "" {
			if server, err = postgres.Start(both, s.Home, out); err != nil {
				return err
			}
			ownerURL = server.OwnerURL
		}
		database, err = prepareDatabase(both, ownerURL, s, out)
		return err
	})
	if err := preparing.Wait(); err != nil {
		return err
	}

	issuerURL := "http://localhost:" + strconv.Itoa(s.Port)
	issuer, err := localissuer.Open(filepath.Join(s.Home, "issuer"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.Home, "issuer-url"), []byte(issuerURL), 0o600); err != nil {
		return err
	}
	running, err := startFunctions(ctx, s, database.app, issuerURL)
	defer func() { functions.StopAll(running...) }()
	if err != nil {
		return err
	}
	handler, err := newGateway(ctx, s, running, issuer.Handler(issuerURL))
	if err != nil {
		return err
	}
	gatewayServer := &http.Server{Handler: handler, ReadTimeout: readTimeout, ReadHeaderTimeout: headerTimeout}
	serving := make(chan error, 1)
	go func() { serving <- gatewayServer.Serve(listener) }()
	defer func() {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), gatewayGrace)
		defer cancel()
		_ = gatewayServer.Shutdown(stopping) // what does not end in time is cut
	}()
	if err := functions.AwaitReady(ctx, running...); err != nil {
		return err
	}
	announce(out, s, issuerURL, database, running)
	return waitForEnd(ctx, server, running, serving)
}

// waitForEnd returns when ctx ends, or says which part ended by itself.
func waitForEnd(ctx context.Context, server *postgres.Server, running []*functions.Function, serving <-chan error) error {
	var databaseEnds <-chan struct{} // nil, which never ends, where the database is not ours
	if server != nil {
		databaseEnds = server.Done()
	}
	ended := make(chan *functions.Function, len(running))
	for _, f := range running {
		go func() {
			<-f.Done()
			ended <- f
		}()
	}
	select {
	case <-ctx.Done():
		return nil
	case <-databaseEnds:
		return functions.NewFailure(errors.New("PostgreSQL ended by itself"), server.LogFile)
	case f := <-ended:
		if ctx.Err() != nil {
			return nil
		}
		return f.Failure()
	case err := <-serving:
		return fmt.Errorf("the gateway ended by itself: %w", err)
	}
}

// startFunctions starts every function with the application's login. What it has started it returns even with an error.
func startFunctions(ctx context.Context, s settings, databaseURL, issuerURL string) ([]*functions.Function, error) {
	var running []*functions.Function
	for _, name := range functions.Names {
		environment, err := functions.Environment(s.Home, name, databaseURL, issuerURL)
		if err != nil {
			return running, err
		}
		environment = append(environment, "DATABASE_MAX_CONNS=8", "CORS_ORIGINS="+issuerURL, "CLIENT_ADDRESS_FROM_RIGHT=1")
		f, err := functions.Start(ctx, s.Home, name, name+".log", environment)
		if err != nil {
			return running, err
		}
		running = append(running, f)
	}
	return running, nil
}

func newGateway(ctx context.Context, s settings, running []*functions.Function, issuer http.Handler) (http.Handler, error) {
	tracer, err := tracing.New(s.Trace, "gateway", slog.Default())
	if err != nil {
		return nil, err
	}
	cfg := gateway.Config{Functions: map[string]*url.URL{}, Documents: map[string][]byte{}, Issuer: issuer, Tracer: tracer}
	for _, f := range running {
		document, err := functions.OpenAPI(ctx, s.Home, f.Name)
		if err != nil {
			return nil, err
		}
		cfg.Functions[f.Name], cfg.Documents[f.Name] = f.Address, document
	}
	return gateway.New(cfg)
}

// announce tells where everything is, with a line that can be pasted.
func announce(out io.Writer, s settings, base string, database databaseURLs, running []*functions.Function) {
	_, _ = fmt.Fprintf(out, "\nPlant is ready at %s\n\n", base) // nobody reads what cannot be written
	_, _ = fmt.Fprintf(out, "  reference  %s/docs/\n  OpenAPI    %s/openapi.json\n  problems   %s/problems/\n", base, base, base)
	for _, f := range running {
		_, _ = fmt.Fprintf(out, "  %-9s  %s  (%s)\n", f.Name, f.Address, f.LogFile)
	}
	_, _ = fmt.Fprintf(out, "  data       %s\n  verifier   %s (of the audit's checkpoints)\n\n", database.shown, filepath.Join(s.Home, functions.VerifierKeyFile))
	_, _ = fmt.Fprintf(out, "Try it:\n\n  curl -s '%s/api/v1/agents/available/search?query=social+media&limit=3'\n\n", base)
	_, _ = fmt.Fprintf(out, "Tokens: %sscripts/token --role partner --sub ada\nCtrl-C stops all of it.\n", tokenEnvironment(s))
}

// tokenEnvironment is what scripts/token has to be told where the home is not the default.
func tokenEnvironment(s settings) string {
	if byDefault, err := filepath.Abs(".local"); err == nil && byDefault == s.Home {
		return ""
	}
	return "PLANT_HOME=" + s.Home + " "
}
