package database

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"cloud.google.com/go/cloudsqlconn"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/waooaw/plant/shared/config"
)

// instance is a Cloud SQL instance, and the login to it.
type instance struct {
	name     string
	password config.Rotating // not set where IAM lets the login in

	mu     sync.Mutex
	dialer *cloudsqlconn.Dialer // nil until the first connection
	works  string               // the password that let a connection in last
}

// instanceConfig is a pool's configuration for an instance. The connector's tunnel is TLS 1.3 with certificates for both
// sides, so the driver adds none.
func instanceConfig(cfg Config) (*pgxpool.Config, *instance, error) {
	if cfg.User == "" {
		return nil, nil, errors.New("CLOUDSQL_INSTANCE needs CLOUDSQL_USER")
	}
	pc, err := pgxpool.ParseConfig("host=127.0.0.1 sslmode=disable")
	if err != nil {
		return nil, nil, err
	}
	pc.ConnConfig.Database, pc.ConnConfig.User, pc.ConnConfig.Password = cfg.Name, cfg.User, ""
	i := &instance{name: cfg.Instance, password: cfg.Password}
	pc.ConnConfig.DialFunc = i.dial
	pc.BeforeConnect = i.setPassword
	return pc, i, nil
}

// dial implements pgconn.DialFunc: the connector knows the address.
func (i *instance) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	dialer, err := i.open(ctx)
	if err != nil {
		return nil, err
	}
	return dialer.Dial(ctx, i.name)
}

// open returns the connector. It is made for the first connection, which keeps it from an instance's start, and a failure
// is not kept. It refreshes certificates only when a connection needs one: in the background an instance has no processor.
func (i *instance) open(ctx context.Context) (*cloudsqlconn.Dialer, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.dialer != nil {
		return i.dialer, nil
	}
	options := []cloudsqlconn.Option{
		cloudsqlconn.WithLazyRefresh(), cloudsqlconn.WithDefaultDialOptions(cloudsqlconn.WithPrivateIP()), cloudsqlconn.WithBuiltInMetrics(false),
	}
	if !i.password.IsSet() {
		options = append(options, cloudsqlconn.WithIAMAuthN())
	}
	dialer, err := cloudsqlconn.NewDialer(context.WithoutCancel(ctx), options...)
	if err != nil {
		return nil, fmt.Errorf("open the Cloud SQL connector: %w", err)
	}
	i.dialer = dialer
	return dialer, nil
}

// close lets go of the connector. Without an instance there is none.
func (i *instance) close() {
	if i == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.dialer != nil {
		_ = i.dialer.Close() // it says only that it is closed already
	}
}

type passwordKey struct{}

// setPassword implements the pool's BeforeConnect.
func (i *instance) setPassword(ctx context.Context, cfg *pgx.ConnConfig) (err error) {
	var chosen bool
	if cfg.Password, chosen = ctx.Value(passwordKey{}).(string); chosen {
		return nil
	}
	if cfg.Password, err = i.password.Reveal(ctx); err != nil {
		return &Error{kind: ErrUnavailable, cause: err}
	}
	return nil
}

// worked notes the password that let a connection in.
func (i *instance) worked(password string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.works = password
}

const invalidPassword = "28P01"

// logIn takes a connection of the pool. Where a new one was refused for its password, that is read anew, and where this is
// refused too, the last one that was let in is tried: so the password can change in the secret first, and then in the
// database, with connections made at any moment in between.
func (db *DB) logIn(ctx context.Context) (*pgxpool.Conn, error) {
	begin := time.Now()
	conn, err := db.pool.Acquire(ctx)
	if db.instance == nil || !db.instance.password.IsSet() || !isState(err, invalidPassword) {
		return conn, err
	}
	fresh, unread := db.instance.password.RevealSince(ctx, begin)
	if unread != nil {
		return nil, &Error{kind: ErrUnavailable, cause: unread}
	}
	conn, err = db.pool.Acquire(context.WithValue(ctx, passwordKey{}, fresh))
	if !isState(err, invalidPassword) {
		return conn, err
	}
	db.instance.mu.Lock()
	works := db.instance.works
	db.instance.mu.Unlock()
	if works == "" || works == fresh {
		return conn, err
	}
	return db.pool.Acquire(context.WithValue(ctx, passwordKey{}, works))
}
