// Package sql holds the schema, one readable file a change, and the demo data, and applies them.
package sql

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/tern/v2/migrate"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed demo/*.sql
var demo embed.FS

// Migrations holds the migration files, in order of their names.
var Migrations fs.FS = sub(migrations, "migrations")

// Latest is the target that applies every migration.
const Latest int32 = -1

const (
	versionTable = "public.schema_version"
	// A migration that waits for a lock makes everything behind it wait too: better it fails and is run again.
	setLockTimeout = `set lock_timeout = '5s'`
)

func sub(files embed.FS, dir string) fs.FS {
	inner, err := fs.Sub(files, dir)
	if err != nil {
		panic(err) // the name is a constant of this file
	}
	return inner
}

// Status is where a database stands.
type Status struct {
	Version int32    // the last migration that was applied; 0 is none
	Names   []string // all migrations, the first being number 1
}

// Latest returns the version that has every migration.
func (s Status) Latest() int32 { return int32(len(s.Names)) } //nolint:gosec // a few dozen files

func migrator(ctx context.Context, conn *pgx.Conn) (*migrate.Migrator, error) {
	m, err := migrate.NewMigrator(ctx, conn, versionTable)
	if err != nil {
		return nil, fmt.Errorf("prepare migrations: %w", err)
	}
	if err := m.LoadMigrations(Migrations); err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return m, nil
}

// Migrate brings the database up or down to a version; Latest is the newest. Each migration is one transaction. Runners
// exclude each other by an advisory lock; one that was interrupted is completed by the next.
func Migrate(ctx context.Context, conn *pgx.Conn, to int32) error {
	m, err := migrator(ctx, conn)
	if err != nil {
		return err
	}
	// Before each one, as tern resets all settings after each. Not sooner: waiting for another runner may take longer.
	// An error is the migration's too: it runs on the same connection, within the same transaction.
	m.OnStart = func(int32, string, string, string) { _, _ = conn.Exec(ctx, setLockTimeout) }
	if to == Latest {
		to = int32(len(m.Migrations)) //nolint:gosec // a few dozen files
	}
	if err := m.MigrateTo(ctx, to); err != nil {
		return fmt.Errorf("migrate to %d: %w%s", to, err, hint(err))
	}
	return nil
}

// hint says what to do where an owner that is no superuser may not bring pgvector along.
func hint(err error) string {
	var server *pgconn.PgError
	if errors.As(err, &server) && server.Code == "42501" && strings.Contains(server.Message, "extension") {
		return "; have a superuser run once in this database: create extension vector; create extension pg_trgm"
	}
	return ""
}

// StatusOf tells where the database stands.
func StatusOf(ctx context.Context, conn *pgx.Conn) (Status, error) {
	m, err := migrator(ctx, conn)
	if err != nil {
		return Status{}, err
	}
	version, err := m.GetCurrentVersion(ctx)
	if err != nil {
		return Status{}, fmt.Errorf("read the version: %w", err)
	}
	status := Status{Version: version}
	for _, one := range m.Migrations {
		status.Names = append(status.Names, one.Name)
	}
	return status, nil
}

// LoadDemo loads the demo data, all or nothing. What is there already stays as it is.
func LoadDemo(ctx context.Context, conn *pgx.Conn) error {
	files, err := fs.Glob(demo, "demo/*.sql")
	if err != nil {
		return fmt.Errorf("read demo data: %w", err)
	}
	slices.Sort(files)
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, file := range files {
			text, err := fs.ReadFile(demo, file)
			if err != nil {
				return fmt.Errorf("read demo data: %w", err)
			}
			if _, err := tx.Exec(ctx, string(text)); err != nil {
				return fmt.Errorf("load %s: %w", file, err)
			}
		}
		return nil
	})
}
