// Command smoke asks a running Plant what users ask first. See scripts/smoke.
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
	"time"

	"github.com/waooaw/plant/scripts/internal/smoke"
	"github.com/waooaw/plant/shared/config"
)

type settings struct {
	Token config.Secret `env:"PLANT_TOKEN"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED: "+err.Error())
		os.Exit(1)
	}
}

var errUsage = errors.New("say where: scripts/smoke URL [--write] [--wait 60s]")

const defaultWait = 30 * time.Second

func run(ctx context.Context, args []string, out io.Writer) error {
	s, err := config.Load[settings](ctx)
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet("scripts/smoke", flag.ContinueOnError)
	write := flags.Bool("write", false, "publish an agent, and delete it")
	wait := flags.Duration("wait", defaultWait, "how long to wait until all functions are ready")
	var places []string
	for { // flags may stand on both sides of the URL
		if err := flags.Parse(args); err != nil {
			return err
		}
		if flags.NArg() == 0 {
			break
		}
		places, args = append(places, flags.Arg(0)), flags.Args()[1:]
	}
	if len(places) != 1 {
		return errUsage
	}
	cfg := smoke.Config{URL: places[0], Wait: *wait, Out: out}
	if *write {
		if cfg.Token = s.Token.Reveal(); cfg.Token == "" {
			return errors.New("--write needs the token of a partner in PLANT_TOKEN")
		}
	}
	return smoke.Run(ctx, cfg)
}
