package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// pgbench runs scripts of SQL against the bench's database, as the functions' login.
type pgbench struct{ program, url, dir string }

func newPgbench(url, dir string) (*pgbench, error) {
	program, err := postgresProgram("pgbench")
	return &pgbench{program, url, dir}, err
}

// postgresProgram finds one of PostgreSQL's own programs. Debian keeps them beside the server, off the PATH.
func postgresProgram(name string) (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) > 0 {
		return found[len(found)-1], nil
	}
	program, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is missing: install PostgreSQL's own package: %w", name, err)
	}
	return program, nil
}

// figures of a pgbench run.
type figures struct {
	perSecond float64
	latency   time.Duration // mean of a transaction; with a connection for each, that included
}

var (
	pgbenchRate    = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)
	pgbenchLatency = regexp.MustCompile(`(?m)^latency average = ([0-9.]+) ms`)
	pgbenchFailed  = regexp.MustCompile(`(?m)^number of failed transactions: ([1-9][0-9]*)`)
)

// run runs a script under prepared statements, from so many connections and for so long.
func (p *pgbench) run(ctx context.Context, name, script string, clients int, length time.Duration) (figures, error) {
	return p.call(ctx, name, script, "-c", strconv.Itoa(clients), "-j", "2", "-T", strconv.Itoa(max(1, int(length.Seconds()))))
}

// connecting runs a script with a connection for each transaction.
func (p *pgbench) connecting(ctx context.Context, name, script string, times int) (figures, error) {
	return p.call(ctx, name, script, "-C", "-c", "1", "-j", "1", "-t", strconv.Itoa(times))
}

func (p *pgbench) call(ctx context.Context, name, script string, args ...string) (figures, error) {
	file := filepath.Join(p.dir, name+".sql")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		return figures{}, err
	}
	args = append([]string{"-n", "-M", "prepared", "-f", file}, args...)
	output, err := exec.CommandContext(ctx, p.program, append(args, p.url)...).CombinedOutput()
	if err != nil {
		return figures{}, fmt.Errorf("pgbench of %s: %w\n%s", name, err, strings.ReplaceAll(string(output), p.url, "…"))
	}
	if failed := pgbenchFailed.FindSubmatch(output); failed != nil {
		return figures{}, fmt.Errorf("pgbench of %s: %s transactions failed", name, failed[1])
	}
	rate, latency := pgbenchRate.FindSubmatch(output), pgbenchLatency.FindSubmatch(output)
	if rate == nil || latency == nil {
		return figures{}, fmt.Errorf("pgbench of %s says neither tps nor latency:\n%s", name, output)
	}
	perSecond, err := strconv.ParseFloat(string(rate[1]), 64)
	if err != nil {
		return figures{}, err
	}
	milliseconds, err := strconv.ParseFloat(string(latency[1]), 64)
	return figures{perSecond, time.Duration(milliseconds * float64(time.Millisecond))}, err
}
