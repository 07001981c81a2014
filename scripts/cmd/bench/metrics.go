package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/scripts/internal/process"
)

const (
	metricsAgents = 10_000
	goalMetrics   = 20 * time.Millisecond
	goalSummary   = 50 * time.Millisecond
)

// compareMetrics measures reading what agents did, with ever more raw events behind it: it reads rollups only, so that it
// does not grow with them.
func (b *bench) compareMetrics(ctx context.Context) error {
	if b.rows != metricsAgents {
		return fmt.Errorf("metrics are measured with --rows %d", metricsAgents)
	}
	metrics, err := b.stand.Start(ctx, "metrics", alone...)
	if err != nil {
		return err
	}
	defer functions.StopAll(metrics)
	get := func(path string) load {
		return func(random *rand.Rand) call {
			return call{
				host: metrics.Address.Host, method: http.MethodGet, path: strings.Replace(path, "{id}", agentID(1+random.IntN(metricsAgents)), 1), want: http.StatusOK,
			}
		}
	}
	const of = "/api/v1/agents/{id}/metrics"
	reads := []struct {
		name, path string
		goal       time.Duration
	}{
		{"24h", of + "?window=24h", goalMetrics},
		{"7d", of + "?window=7d", goalMetrics},
		{"30d", of + "?window=30d", goalMetrics},
		{"90d", of + "?window=90d", goalMetrics},
		{"all", of + "?window=all", goalMetrics},
		{"30 days of India", of + "/timeseries?tz=Asia/Kolkata", 0},
		{"summary", "/api/v1/marketplace/summary", goalSummary},
		{"trending", "/api/v1/marketplace/trending?window=30d", 0},
	}
	header := []string{"p95, with events:"}
	for _, read := range reads {
		goal := read.name
		if read.goal > 0 {
			goal += " ≤ " + strconv.FormatInt(read.goal.Milliseconds(), 10) + " ms"
		}
		header = append(header, goal)
	}
	table := newTable(header...)
	for events := 100_000; events <= b.eventCount; events *= 10 {
		begin := time.Now()
		if err := loadEvents(ctx, b.owner, events); err != nil {
			return fmt.Errorf("load %d events: %w", events, err)
		}
		process.Say(b.out, "%d events were loaded and rolled up in %.0f s", events, time.Since(begin).Seconds())
		row := []string{strconv.Itoa(events)}
		for _, read := range reads {
			m := closed(ctx, metrics.Address.Host, get(read.path), 1, b.length)
			if m.errors > 0 {
				return errors.New(m.example)
			}
			row = append(row, verdict(inMilliseconds(m.p95), read.goal > 0 && m.p95 > read.goal))
		}
		table.add(row...)
	}
	b.say("%s\n", table)
	return forgetEvents(ctx, b.owner)
}

// loadEvents stores so many events of the last 89 days by COPY, past the trigger, and rolls them up once.
func loadEvents(ctx context.Context, owner *pgx.Conn, count int) error {
	if err := forgetEvents(ctx, owner); err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(catalogueSeed, 3)) //nolint:gosec // the same every time is what is wanted
	now := time.Now().UTC().Truncate(time.Microsecond)
	agents := make([]string, metricsAgents)
	for i := range agents {
		agents[i] = agentID(i + 1)
	}
	n, agent := -1, ""
	next := pgx.CopyFromFunc(func() ([]any, error) {
		if n++; n == count {
			return nil, nil
		}
		job := n / 2
		at := now.Add(-time.Duration(float64(job) / float64(count/2+1) * float64(89*24*time.Hour))).Truncate(time.Microsecond) // day by day, the latest first
		kind, duration := "job_started", any(nil)
		if n%2 == 0 {
			agent = agents[random.IntN(1+random.IntN(metricsAgents))] // some have far more than others
		} else {
			kind, duration = "job_completed", 1000+int64(random.ExpFloat64()*30_000)
			if job%16 == 0 {
				kind = "job_failed"
			}
		}
		return []any{agent, strconv.Itoa(n), at, strconv.Itoa(job), kind, duration, at}, nil
	})
	kinds, err := owner.LoadType(ctx, "plant.job_event_kind")
	if err != nil {
		return err
	}
	owner.TypeMap().RegisterType(kinds)
	tx, err := owner.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // after the commit it does nothing
	if _, err := tx.Exec(ctx, `set local session_replication_role = replica`); err != nil {
		return err
	}
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"plant", "job_events"}, []string{"agent_id", "event_id", "occurred_at", "job_id", "kind", "duration_ms", "received_at"}, next); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	for _, statement := range []string{`set work_mem = '256MB'`, `select plant.rebuild_job_rollups()`, `reset work_mem`, `vacuum (analyze)`, `checkpoint`} {
		if _, err := owner.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}
