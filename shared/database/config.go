package database

import (
	"time"

	"github.com/waooaw/plant/shared/config"
)

// Config of the connection.
type Config struct {
	// URL is a postgres:// URL with the application's own login: a member of plant_app that owns nothing.
	URL config.Secret `env:"PLANT_APP_DATABASE_URL"`
	// Instance is a Cloud SQL instance, PROJECT:REGION:NAME, in place of a URL. It is reached at its private address.
	Instance string `env:"CLOUDSQL_INSTANCE"`
	// ReadURL and ReadInstance are those of a replica that follows it, if any: see MayLag. The login is the same.
	ReadURL      config.Secret `env:"PLANT_APP_READ_DATABASE_URL"`
	ReadInstance string        `env:"CLOUDSQL_READ_INSTANCE"`
	// Name of the instance's database.
	Name string `env:"CLOUDSQL_DATABASE, default=plant"`
	// User is the application's own login to the instance. By IAM it is the function's service account without
	// .gserviceaccount.com.
	User string `env:"CLOUDSQL_USER"`
	// Password of the login; without one it is by IAM. It may be rotated: add the new one to the secret, then give it to the
	// login.
	Password config.Rotating `env:"CLOUDSQL_PASSWORD"`
	// MaxConns bounds each pool: instances × MaxConns over all functions has to stay below max_connections − 20.
	MaxConns int32 `env:"DATABASE_MAX_CONNS, default=4"`
	// AcquireTimeout ends the wait for a connection of the pool, one that is made for it included.
	AcquireTimeout time.Duration `env:"DATABASE_ACQUIRE_TIMEOUT, default=2s"`
	// StatementTimeout ends a statement that runs longer, in the server.
	StatementTimeout time.Duration `env:"DATABASE_STATEMENT_TIMEOUT, default=5s"`
	// LockTimeout ends a statement that waits longer for a lock, in the server.
	LockTimeout time.Duration `env:"DATABASE_LOCK_TIMEOUT, default=2s"`
}
