// Command rollback brings the former release of an environment back. See scripts/rollback.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/waooaw/plant/scripts/internal/release"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED: "+err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: scripts/rollback ENV")
	}
	checkout, err := os.Getwd()
	if err != nil {
		return err
	}
	return release.Rollback(ctx, release.Config{Checkout: checkout, Environment: args[0], Out: os.Stdout, Now: time.Now})
}
