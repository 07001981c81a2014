// Package dbtest gives each test a PostgreSQL database of its own, cloned from a template that is migrated once.
//
// scripts/test starts a server and sets PLANT_TEST_DATABASE_URL; to run go test by hand, set it to a server with
// pgvector, as a role that may create databases and roles.
package dbtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/database"
	plantsql "github.com/waooaw/plant/sql"
)

// Database is one test's own.
type Database struct {
	*database.DB        // logged in as the functions are: a member of plant_app
	AppURL       string // of that login
	OwnerURL     string // of the owner, whom row-level security does not stop in tests
	owner        *pgx.Conn
}

const (
	appLogin = "plant_test_app"
	setUp    = 2 * time.Minute // bounds creating the template, on a slow machine
)

type environment struct {
	URL string `env:"PLANT_TEST_DATABASE_URL"`
}

// template is made once a process, and once a server, under an advisory lock.
var template = sync.OnceValues(func() (name string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), setUp)
	defer cancel()
	env, err := config.Load[environment](ctx)
	if err != nil {
		return "", err
	}
	if env.URL == "" {
		return "", errors.New("PLANT_TEST_DATABASE_URL is not set: run scripts/test, or set it to a PostgreSQL with pgvector")
	}
	hash, err := hashOfMigrations()
	if err != nil {
		return "", err
	}
	return ensureTemplate(ctx, env.URL, "plant_template_"+hash)
})

// New returns a database with every migration and no data beyond theirs. It is dropped when the test ends.
func New(t testing.TB) *Database {
	t.Helper()
	from, err := template()
	if err != nil {
		t.Fatalf("make the template database: %v", err)
	}
	env, err := config.Load[environment](t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name := "plant_test_" + hex.EncodeToString(newID(t))
	admin(t, env.URL, `create database `+name+` template `+from)
	d := &Database{OwnerURL: withDatabase(t, env.URL, name, nil), AppURL: withDatabase(t, env.URL, name, url.UserPassword(appLogin, appLogin))}
	d.DB, err = database.Open(t.Context(), database.Config{
		URL: config.Secret(d.AppURL), MaxConns: 4, StatementTimeout: 10 * time.Second, LockTimeout: 5 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	d.owner, err = pgx.Connect(t.Context(), d.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.Close()
		_ = d.owner.Close(context.Background())
		admin(t, env.URL, `drop database if exists `+name+` with (force)`)
	})
	return d
}

// Exec runs a statement as the owner, to arrange what a test needs.
func (d *Database) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	if _, err := d.owner.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// Scalar asks for one value as the owner, to see what a test has done.
func Scalar[T any](t testing.TB, d *Database, sql string, args ...any) T {
	t.Helper()
	var value T
	if err := d.owner.QueryRow(t.Context(), sql, args...).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func newID(t testing.TB) []byte {
	t.Helper()
	id, err := uuid.NewRandom()
	if err != nil {
		t.Fatal(err)
	}
	return id[:8]
}

// admin runs a statement on the server that belongs to no test's database.
func admin(t testing.TB, serverURL, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), setUp)
	defer cancel()
	conn, err := pgx.Connect(ctx, serverURL)
	if err != nil {
		t.Fatalf("connect to the test server: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatal(err)
	}
}

func withDatabase(t testing.TB, serverURL, name string, user *url.Userinfo) string {
	t.Helper()
	u, err := url.Parse(serverURL)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	if user != nil {
		u.User = user
	}
	return u.String()
}

func hashOfMigrations() (string, error) {
	h := sha256.New()
	err := fs.WalkDir(plantsql.Migrations, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(plantsql.Migrations, path)
		_, _ = fmt.Fprintf(h, "%s %d\n%s", path, len(text), text)
		return err
	})
	const hexDigits = 12
	return hex.EncodeToString(h.Sum(nil))[:hexDigits], err
}

// ensureTemplate makes the template and the application's login where they are missing. The template gets its name only
// when it is whole, so that an interrupted attempt leaves none behind.
func ensureTemplate(ctx context.Context, serverURL, name string) (string, error) {
	conn, err := pgx.Connect(ctx, serverURL)
	if err != nil {
		return "", fmt.Errorf("connect to the test server: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	const lock = 7_345_120_911 // any number that nothing else on the server uses
	if _, err := conn.Exec(ctx, `select pg_advisory_lock($1)`, lock); err != nil {
		return "", err
	}
	var exists bool
	if err := conn.QueryRow(ctx, `select exists (select from pg_database where datname = $1)`, name).Scan(&exists); err != nil || exists {
		return name, err
	}
	unfinished := name + "_unfinished"
	for _, sql := range []string{`drop database if exists ` + unfinished + ` with (force)`, `create database ` + unfinished} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return "", err
		}
	}
	if err := migrate(ctx, serverURL, unfinished); err != nil {
		return "", err
	}
	for _, sql := range []string{
		`do $$ begin
			create role ` + appLogin + ` login password '` + appLogin + `' in role plant_app;
		exception when duplicate_object or unique_violation then null; end $$`,
		`alter database ` + unfinished + ` rename to ` + name,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return "", err
		}
	}
	return name, nil
}

func migrate(ctx context.Context, serverURL, name string) error {
	u, err := url.Parse(serverURL)
	if err != nil {
		return err
	}
	u.Path = "/" + name
	conn, err := pgx.Connect(ctx, u.String())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return plantsql.Migrate(ctx, conn, plantsql.Latest)
}
