// Command dev runs all of Plant on this machine: PostgreSQL, the three functions and a gateway in front of them. See
// scripts/dev.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/scripts/internal/process"
	"github.com/waooaw/plant/shared/config"
	"github.com/waooaw/plant/shared/tracing"
)

// settings of a local run.
type settings struct {
	// Home keeps everything of the run: data, keys, logs, programs.
	Home string `env:"PLANT_HOME, default=.local"`
	// Port of this machine that the gateway listens on.
	Port int `env:"PLANT_PORT, default=8080"`
	// DatabaseURL is of the owner of a database that runs already; "" runs a private server.
	DatabaseURL config.Secret `env:"DATABASE_URL"`
	// Trace is of the gateway; the functions read the same variables.
	Trace tracing.Config

	empty bool // leave out the demo data
}

func main() {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup is heeded
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	err := start(ctx, os.Args[1:])
	stop()
	if err != nil {
		if f, ok := errors.AsType[*functions.Failure](err); ok {
			fmt.Fprintf(os.Stderr, "\nthe end of %s:\n%s\n\n", f.LogFile, process.Tail(f.LogFile))
		}
		fmt.Fprintln(os.Stderr, "stopped: "+err.Error())
		os.Exit(1)
	}
}

// start runs Plant until ctx ends, which is no error, or a part of it does.
func start(ctx context.Context, args []string) error {
	s, err := config.Load[settings](ctx)
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet("scripts/dev", flag.ContinueOnError)
	flags.BoolVar(&s.empty, "empty", false, "leave out the demo data")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if s.Home, err = filepath.Abs(s.Home); err != nil {
		return err
	}
	err = run(ctx, s, os.Stdout)
	if ctx.Err() != nil { // whatever it broke off is no failure
		fmt.Println("stopped")
		return nil
	}
	return err
}
