// Command deploy brings the checkout to an environment. See scripts/deploy.
package main

import (
	"context"
	"errors"
	"flag"
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

var errUsage = errors.New("usage: scripts/deploy ENV [--canary 10] [--soak 5m]")

const defaultSoak = 5 * time.Minute

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	flags := flag.NewFlagSet("scripts/deploy", flag.ContinueOnError)
	canary := flags.Int("canary", 0, "percent of the traffic that goes first")
	soak := flags.Duration("soak", defaultSoak, "how long each step of a canary lasts")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return errUsage
	}
	checkout, err := os.Getwd()
	if err != nil {
		return err
	}
	return release.Deploy(ctx, release.Config{Checkout: checkout, Environment: args[0], Canary: *canary, Soak: *soak, Out: os.Stdout, Now: time.Now})
}
