// Package backup copies a database into a folder and back, and proves that what came back is what went.
//
// Beside the dump lies a fingerprint of the same moment: rows and checksums of every table, sequences, the log of
// amendments, and what searches find. Cloud SQL has backups of its own; these leave it.
package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/scripts/internal/postgres"
)

const (
	dumpFile        = "database.dump"
	fingerprintFile = "fingerprint.json"
)

// Save writes a database, as its owner sees it, into a new folder.
func Save(ctx context.Context, databaseURL, folder string, out io.Writer) error {
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		return fmt.Errorf("a backup is written into a folder of its own: %w", err)
	}
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	// The dump and the fingerprint see the same moment, whatever is written meanwhile.
	var snapshot string
	if err := tx.QueryRow(ctx, `select pg_export_snapshot()`).Scan(&snapshot); err != nil {
		return fmt.Errorf("hold a moment: %w", err)
	}
	err = run(ctx, conn, databaseURL, "pg_dump", "--format=custom", "--no-owner", "--enable-row-security",
		"--snapshot="+snapshot, "--file="+filepath.Join(folder, dumpFile))
	if err != nil {
		return err
	}
	print, err := fingerprintOf(ctx, tx)
	if err != nil {
		return fmt.Errorf("take the fingerprint: %w", err)
	}
	if err := print.check(); err != nil {
		return fmt.Errorf("what was saved is not sound: %w", err)
	}
	text, err := json.MarshalIndent(print, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, fingerprintFile), append(text, '\n'), 0o600); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%s: %s\n", folder, print) // nobody reads what cannot be written
	return nil
}

// ErrDiffers tells that what came back is not what went.
var ErrDiffers = errors.New("the restored database is not the one that was saved")

// Restore brings a saved database into an empty one, and compares. The owner has to have the name that it had.
func Restore(ctx context.Context, folder, databaseURL string, out io.Writer) error {
	text, err := os.ReadFile(filepath.Join(folder, fingerprintFile))
	if err != nil {
		return fmt.Errorf("a backup is a folder that scripts/backup has written: %w", err)
	}
	var want fingerprint
	if err := json.Unmarshal(text, &want); err != nil {
		return fmt.Errorf("read the fingerprint: %w", err)
	}
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if err := prepare(ctx, conn, want.Owner); err != nil {
		return err
	}
	// Without comments: those of extensions are their owner's to make, who may be another.
	err = run(ctx, conn, databaseURL, "pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", "--no-comments", "--enable-row-security",
		filepath.Join(folder, dumpFile))
	if err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, `analyze`); err != nil {
		return fmt.Errorf("analyze: %w", err)
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	got, err := fingerprintOf(ctx, tx)
	if err != nil {
		return fmt.Errorf("take the fingerprint: %w", err)
	}
	if differences := want.differences(got); len(differences) > 0 {
		return fmt.Errorf("%w:\n%s", ErrDiffers, strings.Join(differences, "\n"))
	}
	_, _ = fmt.Fprintf(out, "restored, and the same: %s\n", got) // nobody reads what cannot be written
	return nil
}

// prepare refuses a database that is not empty, and makes what belongs to the whole server.
func prepare(ctx context.Context, conn *pgx.Conn, owner string) error {
	const state = `
		select current_user, exists (
			select from pg_class c join pg_namespace n on n.oid = c.relnamespace
			where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and c.relkind in ('r', 'p') and not exists (
				select from pg_depend d where d.objid = c.oid and d.deptype = 'e'))`
	var login string
	var used bool
	if err := conn.QueryRow(ctx, state).Scan(&login, &used); err != nil {
		return fmt.Errorf("look into the database: %w", err)
	}
	switch {
	case used:
		return errors.New("the database is not empty: restore into a new one, by --into NAME say")
	case login != owner:
		return fmt.Errorf("the tables' policies are for their owner, %s: restore with that login, not as %s", owner, login)
	}
	const group = `do $$ begin
			create role plant_app nologin nosuperuser nocreatedb nocreaterole noinherit nobypassrls noreplication;
		exception when duplicate_object or unique_violation then null; end $$`
	if _, err := conn.Exec(ctx, group); err != nil {
		return fmt.Errorf("make the group plant_app: %w", err)
	}
	return nil
}

// Create makes an empty database beside another, and returns its URL.
func Create(ctx context.Context, databaseURL, name string) (string, error) {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return "", fmt.Errorf("connect to the database: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, `create database `+pgx.Identifier{name}.Sanitize()); err != nil {
		return "", fmt.Errorf("make the database: %w", err)
	}
	u, err := url.Parse(databaseURL)
	if err != nil {
		return "", errors.New("the database's URL cannot be read")
	}
	u.Path = "/" + name
	return u.String(), nil
}

// run runs one of PostgreSQL's programs on a database. The password is in its environment, where no other user sees it.
func run(ctx context.Context, conn *pgx.Conn, databaseURL, name string, arguments ...string) error {
	major, _, _ := strings.Cut(conn.PgConn().ParameterStatus("server_version"), ".")
	version, err := strconv.Atoi(major)
	if err != nil {
		return fmt.Errorf("read the server's version: %w", err)
	}
	program, err := postgres.ClientProgram(ctx, name, version)
	if err != nil {
		return err
	}
	u, err := url.Parse(databaseURL)
	if err != nil {
		return errors.New("the database's URL cannot be read")
	}
	password, _ := u.User.Password()
	u.User = url.User(u.User.Username())
	cmd := exec.CommandContext(ctx, program, append([]string{"--dbname=" + u.String()}, arguments...)...)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+password)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, output)
	}
	return nil
}
