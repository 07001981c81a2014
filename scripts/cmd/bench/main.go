// Command bench measures Plant on this machine. See scripts/bench.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/scripts/internal/crash"
	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/scripts/internal/stand"
	"github.com/waooaw/plant/shared/config"
)

type settings struct {
	Home string `env:"PLANT_HOME, default=.local"`

	rows, rounds, clients, searchClients int
	kills, eventCount                    int
	seed                                 uint64
	length                               time.Duration
	only, scenario                       string
}

// parts are what is measured without being asked for; those that take long are asked for by name.
var (
	parts     = []string{"get", "list", "search", "create", "audit", "feed", "page", "start", "memory", "events"}
	longParts = []string{"metrics"}
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "FAILED: "+err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	s, err := config.Load[settings](ctx)
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet("scripts/bench", flag.ContinueOnError)
	flags.IntVar(&s.rows, "rows", usualRows, "agents in the catalogue; with more than usual, only get and list are measured, and set against few")
	flags.IntVar(&s.rounds, "rounds", 5, "rounds of function and pgbench, by turns; medians are shown")
	flags.IntVar(&s.clients, "clients", 32, "clients of get, list and create")
	flags.IntVar(&s.searchClients, "search-clients", 8, "clients of search")
	flags.DurationVar(&s.length, "length", 3*time.Second, "of each measurement; a scenario takes ten times as long")
	flags.IntVar(&s.kills, "kill", 0, "how often to kill PostgreSQL under writers, instead")
	flags.Uint64Var(&s.seed, "seed", 0, "of the kills; a random one where it is 0")
	flags.IntVar(&s.eventCount, "events", 10_000_000, "raw events behind the metrics, at most; and a tenth of them, and so on")
	flags.StringVar(&s.scenario, "scenario", "", "a load to run instead: "+strings.Join(scenarioNames, ", ")+" or all")
	flags.StringVar(&s.only, "only", strings.Join(parts, ","), "what to measure")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for part := range strings.SplitSeq(s.only, ",") {
		if all := slices.Concat(parts, longParts); !slices.Contains(all, part) {
			return fmt.Errorf("--only %s: there are %s", part, strings.Join(all, ", "))
		}
	}
	for name := range strings.SplitSeq(s.scenario, ",") {
		if name != "" && name != "all" && !slices.Contains(scenarioNames, name) {
			return fmt.Errorf("--scenario %s: there are %s", name, strings.Join(scenarioNames, ", "))
		}
	}
	if s.only == "metrics" {
		s.rows = metricsAgents
	}
	if s.rows > usualRows {
		s.only = "get,list,page"
		_, _ = fmt.Fprintf(out, "· with more than %d agents: %s\n", usualRows, s.only)
	}
	if s.kills > 0 {
		return kill(ctx, s, out)
	}
	b, err := setUp(ctx, s, out)
	defer b.close()
	if err != nil {
		return err
	}
	if s.scenario != "" {
		return b.runScenarios(ctx, s.scenario)
	}
	if s.only == "metrics" {
		return b.compareMetrics(ctx)
	}
	return b.compare(ctx)
}

// kill kills PostgreSQL under writers, on a stand of its own.
func kill(ctx context.Context, s settings, out io.Writer) error {
	own, err := stand.Open(ctx, "", filepath.Join(s.Home, "bench-kill"), out)
	if err != nil {
		return err
	}
	defer own.Close()
	agents, err := own.Start(ctx, "agents")
	if err != nil {
		return err
	}
	defer functions.StopAll(agents)
	report, err := crash.Run(ctx, own, agents, crash.Config{Rounds: s.kills, Seed: s.seed}, out)
	_, _ = fmt.Fprintln(out, report)
	return err
}

// bench is all that a run needs.
type bench struct {
	settings
	out            io.Writer
	stand          *stand.Stand
	owner          *pgx.Conn
	pgbench        *pgbench
	agents, search *functions.Function
	few            map[string]float64 // requests a second of a small catalogue, where the one at hand is large
}

const (
	usualRows = 100_000
	// leastMeant agents are searched by meaning too. Of fewer nothing is measured that counts, and a model takes its time.
	leastMeant = 10_000
)

// alone is what a function is told that has the machine to itself: a platform would run several instances.
var alone = []string{"DATABASE_MAX_CONNS=12", "MAX_IN_FLIGHT=500"}

// setUp starts what a run needs. What it has started it returns even with an error.
func setUp(ctx context.Context, s settings, out io.Writer) (*bench, error) {
	b := &bench{settings: s, out: out}
	var err error
	if b.stand, err = stand.Open(ctx, "", filepath.Join(s.Home, "bench"), out); err != nil {
		return b, err
	}
	if b.owner, err = b.stand.Owner(ctx); err != nil {
		return b, err
	}
	if b.pgbench, err = newPgbench(b.stand.AppURL, b.stand.Home); err != nil {
		return b, err
	}
	if b.agents, err = b.stand.Start(ctx, "agents", alone...); err != nil {
		return b, err
	}
	if b.search, err = b.stand.Start(ctx, "search", alone...); err != nil {
		return b, err
	}
	if s.rows > usualRows {
		if err := b.measureFew(ctx); err != nil {
			return b, err
		}
	}
	if err := ensureCatalogue(ctx, b.owner, s.rows, out); err != nil || s.rows > usualRows || s.rows < leastMeant {
		return b, err
	}
	return b, b.indexVectors(ctx)
}

// close ends everything that setUp started.
func (b *bench) close() {
	for _, f := range []*functions.Function{b.agents, b.search} {
		if f != nil {
			functions.StopAll(f)
		}
	}
	if b.owner != nil {
		_ = b.owner.Close(context.Background())
	}
	if b.stand != nil {
		b.stand.Close()
	}
}
