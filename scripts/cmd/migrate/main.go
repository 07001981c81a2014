// Command migrate brings the schema of a database up or down. See scripts/migrate.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/scripts/internal/postgres"
	"github.com/waooaw/plant/shared/config"
	plantsql "github.com/waooaw/plant/sql"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: scripts/migrate [up | down | status | to N]")

func run(ctx context.Context, args []string, out io.Writer) error {
	place, err := config.Load[postgres.Place](ctx)
	if err != nil {
		return err
	}
	url, stop, err := place.OwnerURL(ctx, out)
	if err != nil {
		return err
	}
	defer stop()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return migrate(ctx, conn, args, out)
}

func migrate(ctx context.Context, conn *pgx.Conn, args []string, out io.Writer) error {
	status, err := plantsql.StatusOf(ctx, conn)
	if err != nil {
		return err
	}
	target, err := targetOf(args, status)
	if err != nil {
		return err
	}
	if target != status.Version {
		if err := plantsql.Migrate(ctx, conn, target); err != nil {
			return err
		}
	}
	for i, name := range status.Names {
		mark := " "
		if int32(i) < target {
			mark = "x"
		}
		_, _ = fmt.Fprintf(out, "[%s] %s\n", mark, name) // nobody reads what cannot be written
	}
	return nil
}

// targetOf returns the version that the arguments ask for; that of now for status.
func targetOf(args []string, status plantsql.Status) (int32, error) {
	latest := status.Latest()
	if len(args) == 0 {
		args = []string{"up"}
	}
	switch {
	case len(args) == 1 && args[0] == "up":
		return latest, nil
	case len(args) == 1 && args[0] == "status":
		return status.Version, nil
	case len(args) == 1 && args[0] == "down":
		return max(0, status.Version-1), nil
	case len(args) == 2 && args[0] == "to":
		target, err := strconv.ParseInt(args[1], 10, 32)
		if err != nil || target < 0 || int32(target) > latest {
			return 0, fmt.Errorf("there are migrations 0 to %d, not %q", latest, args[1])
		}
		return int32(target), nil
	default:
		return 0, errUsage
	}
}
