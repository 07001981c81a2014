package database

import (
	"time"

	"github.com/waooaw/plant/shared/config"
)

// Config of the connection.
type Config struct {
	// URL is a postgres:// URL with the application's own login: a member of plant_app that owns nothing.
	URL config.Secret `env:"PLANT_APP_DATABASE_URL, required"`
	// MaxConns bounds the pool: instances × MaxConns over all functions has to stay below max_connections − 20.
	MaxConns int32 `env:"DATABASE_MAX_CONNS, default=4"`
	// AcquireTimeout ends the wait for a connection of the pool, one that is made for it included.
	AcquireTimeout time.Duration `env:"DATABASE_ACQUIRE_TIMEOUT, default=2s"`
	// StatementTimeout ends a statement that runs longer, in the server.
	StatementTimeout time.Duration `env:"DATABASE_STATEMENT_TIMEOUT, default=5s"`
	// LockTimeout ends a statement that waits longer for a lock, in the server.
	LockTimeout time.Duration `env:"DATABASE_LOCK_TIMEOUT, default=2s"`
}
