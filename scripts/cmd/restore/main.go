// Command restore brings a saved database into an empty one. See scripts/restore.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

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

var errUsage = errors.New("usage: scripts/restore FOLDER [--into NAME]")

func run(ctx context.Context, args []string, out io.Writer) error {
	place, err := config.Load[postgres.Place](ctx)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return errUsage
	}
	flags := flag.NewFlagSet("scripts/restore", flag.ContinueOnError)
	into := flags.String("into", "", "make a database of this name, and restore into it")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return errUsage
	}
	url, stop, err := place.OwnerURL(ctx, out)
	if err != nil {
		return err
	}
	defer stop()
	if *into != "" {
		if url, err = backup.Create(ctx, url, *into); err != nil {
			return err
		}
	}
	return backup.Restore(ctx, args[0], url, out)
}
