// Command backup saves a database into a folder. See scripts/backup.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/waooaw/plant/scripts/internal/backup"
	"github.com/waooaw/plant/scripts/internal/postgres"
	"github.com/waooaw/plant/shared/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED: "+err.Error())
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: scripts/backup [FOLDER]")

func run(ctx context.Context, args []string, out io.Writer) error {
	place, err := config.Load[postgres.Place](ctx)
	if err != nil {
		return err
	}
	folder := filepath.Join(place.Home, "backups", time.Now().UTC().Format("20060102T150405Z"))
	switch len(args) {
	case 0:
	case 1:
		folder = args[0]
	default:
		return errUsage
	}
	url, stop, err := place.OwnerURL(ctx, out)
	if err != nil {
		return err
	}
	defer stop()
	return backup.Save(ctx, url, folder, out)
}
