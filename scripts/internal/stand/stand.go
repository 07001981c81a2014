// Package stand runs Plant as benches and fault tests need it: a PostgreSQL of its own that may be killed, an issuer, and
// functions as real processes, which are called directly, as the load balancer calls them.
package stand

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/scripts/internal/postgres"
	"github.com/waooaw/plant/shared/auth"
	"github.com/waooaw/plant/shared/auth/localissuer"
	plantsql "github.com/waooaw/plant/sql"
)

// Stand is a PostgreSQL with Plant's schema and an issuer. Its functions are started one by one.
type Stand struct {
	Home   string
	Server *postgres.Server
	AppURL string // of the functions' login

	issuer    *localissuer.Issuer
	issuerURL string
	keys      *http.Server
	started   atomic.Int32
}

const (
	tokenLife     = 12 * time.Hour // longer than any bench
	headerTimeout = 5 * time.Second
)

// Open builds the functions of a checkout and starts a PostgreSQL in a home, with the schema and no data. Settings are the
// server's, such as max_connections=60. Close the stand when it is done.
func Open(ctx context.Context, checkout, home string, out io.Writer, settings ...string) (*Stand, error) {
	home, err := filepath.Abs(home)
	if err != nil {
		return nil, err
	}
	s := &Stand{Home: home}
	if err := s.open(ctx, checkout, out, settings); err != nil {
		s.Close()
		return nil, fmt.Errorf("set up: %w", err)
	}
	return s, nil
}

func (s *Stand) open(ctx context.Context, checkout string, out io.Writer, settings []string) (err error) {
	if err := os.MkdirAll(filepath.Join(s.Home, "logs"), 0o755); err != nil {
		return err
	}
	if err := functions.Build(ctx, checkout, s.Home, out); err != nil {
		return err
	}
	if s.Server, err = postgres.Start(ctx, s.Home, out, settings...); err != nil {
		return err
	}
	conn, err := s.Owner(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if err := plantsql.Migrate(ctx, conn, plantsql.Latest); err != nil {
		return err
	}
	if s.AppURL, err = postgres.AppLogin(ctx, s.Server.OwnerURL, filepath.Join(s.Home, "app-password")); err != nil {
		return err
	}
	return s.serveKeys(ctx)
}

// serveKeys serves the issuer's keys on a free port.
func (s *Stand) serveKeys(ctx context.Context) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.issuerURL = "http://" + listener.Addr().String()
	if s.issuer, err = localissuer.New(); err != nil {
		return errors.Join(err, listener.Close())
	}
	s.keys = &http.Server{Handler: s.issuer.Handler(s.issuerURL), ReadHeaderTimeout: headerTimeout}
	go func() { _ = s.keys.Serve(listener) }() // until Close
	return nil
}

// Close ends the server and the issuer. Functions are ended by those who have started them, before.
func (s *Stand) Close() {
	if s.keys != nil {
		_ = s.keys.Close()
	}
	if s.Server != nil {
		s.Server.Stop()
	}
}

// Owner connects to the database as its owner.
func (s *Stand) Owner(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, s.Server.OwnerURL)
}

// Token returns the token of someone with a role. It lasts as long as any bench.
func (s *Stand) Token(role auth.Role, subject string) (string, error) {
	return s.issuer.Mint(s.issuerURL, localissuer.Claims{Subject: subject, Role: role, TTL: tokenLife})
}

// Launch starts a function without waiting until it is ready. It is not limited by rates. What is given of the
// environment wins over what every function is told.
func (s *Stand) Launch(ctx context.Context, name string, environment ...string) (*functions.Function, error) {
	return s.launch(ctx, s.Home, name, environment)
}

func (s *Stand) launch(ctx context.Context, programs, name string, environment []string) (*functions.Function, error) {
	all, err := functions.Environment(s.Home, name, s.AppURL, s.issuerURL)
	if err != nil {
		return nil, err
	}
	all = append(all, "DATABASE_MAX_CONNS=8", "RATE_LIMIT_CALLER=0", "RATE_LIMIT_ADDRESS=0")
	log := fmt.Sprintf("%s-%d.log", name, s.started.Add(1))
	return functions.Start(ctx, programs, name, log, append(all, environment...))
}

// Start is Launch that returns when the function is ready.
func (s *Stand) Start(ctx context.Context, name string, environment ...string) (*functions.Function, error) {
	return s.StartOf(ctx, s.Home, name, environment...)
}

// StartOf is Start for a function that was built into another home, of another version, say.
func (s *Stand) StartOf(ctx context.Context, programs, name string, environment ...string) (*functions.Function, error) {
	f, err := s.launch(ctx, programs, name, environment)
	if err != nil {
		return nil, err
	}
	if err := functions.AwaitReady(ctx, f); err != nil {
		functions.StopAll(f)
		return nil, err
	}
	return f, nil
}
