package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waooaw/plant/scripts/internal/functions"
	"github.com/waooaw/plant/shared/auth"
)

const (
	batchSize      = 1000
	batchAgents    = 50     // of one partner, say: whose jobs a batch tells of
	goalEvents     = 20_000 // a second
	goalDisturbed  = 1.5    // p95 of gets while events come ÷ without
	getsPerSecond  = 1000
	eventReporters = 2
)

// compareEvents measures how many events a second are taken, in batches, with exact rollups; and what the goal's rate of
// them does to gets that come at a constant rate, by turns.
func (b *bench) compareEvents(ctx context.Context, t *table) error {
	metrics, err := b.stand.Start(ctx, "metrics", alone...)
	if err != nil {
		return err
	}
	defer functions.StopAll(metrics)
	token, err := b.stand.Token(auth.Governor, benchOwner)
	if err != nil {
		return err
	}
	if err := forgetEvents(ctx, b.owner); err != nil {
		return err
	}
	host := metrics.Address.Host
	report, gets := b.events(host, token), b.get(b.agents.Address.Host)
	answered := closed(ctx, host, report, eventReporters, b.length/3).answered()
	var rates, processor, ratios, alonePart, together, batches []float64
	failed, refused := 0, 0
	for range b.rounds {
		before := processorTime(metrics.Pid())
		m := closed(ctx, host, report, eventReporters, b.length)
		if m.errors > 0 {
			return errors.New(m.example)
		}
		answered += m.answered()
		rates = append(rates, m.perSecond*batchSize)
		processor = append(processor, float64((processorTime(metrics.Pid())-before).Microseconds())/float64(max(1, m.requests)*batchSize))

		undisturbed := open(ctx, gets, getsPerSecond, b.length)
		var disturbed, reported measured
		var both sync.WaitGroup
		both.Go(func() { reported = open(ctx, report, goalEvents/batchSize, b.length) })
		both.Go(func() { disturbed = open(ctx, gets, getsPerSecond, b.length) })
		both.Wait()
		failed += disturbed.errors + undisturbed.errors
		refused += reported.errors
		answered += reported.answered()
		ratios = append(ratios, disturbed.p95.Seconds()/undisturbed.p95.Seconds())
		alonePart, together = append(alonePart, undisturbed.p95.Seconds()), append(together, disturbed.p95.Seconds())
		batches = append(batches, reported.p95.Seconds())
	}
	rate, ratio := median(rates), median(ratios)
	t.add("events: a second, in batches of "+strconv.Itoa(batchSize), fmt.Sprintf("%s (%.0f µs of the function's processor each)", number(rate), median(processor)), verdict("≥ "+strconv.Itoa(goalEvents), rate < goalEvents))
	t.add(fmt.Sprintf("get: p95 of %d/s beside %d events/s ÷ without", getsPerSecond, goalEvents),
		fmt.Sprintf("%.2f (%.1f ms ÷ %.1f ms; a batch's p95 %.0f ms; %d gets and %d batches refused)", ratio, median(together)*1000, median(alonePart)*1000, median(batches)*1000, failed, refused), disturbedVerdict(ratio, failed, refused))
	peak, err := memory(metrics.Pid(), "VmHWM")
	if err != nil {
		return err
	}
	t.add("metrics: peak memory", fmt.Sprintf("%.1f MB", peak), verdict(fmt.Sprintf("≤ %.0f MB", goalMemory), peak > goalMemory))
	return b.checkEvents(ctx, t, answered)
}

// disturbedVerdict is on the p95 of gets beside events ÷ without. Refusing is quick, so one that was refused misses it.
func disturbedVerdict(ratio float64, getsFailed, batchesRefused int) string {
	return verdict(fmt.Sprintf("≤ %.1f, none refused", goalDisturbed), ratio > goalDisturbed || getsFailed > 0 || batchesRefused > 0)
}

// checkEvents sets what is stored against so many batches that were answered, and the rollups against what is stored. It
// forgets all of it.
func (b *bench) checkEvents(ctx context.Context, t *table, answered int) error {
	var events, ended, rolled, counted int64
	if err := b.owner.QueryRow(ctx, `
		select (select count(*) from plant.job_events), (select count(distinct (agent_id, job_id)) from plant.job_events where kind <> 'job_started'),
			(select coalesce(sum(jobs), 0)::bigint from plant.job_rollups where grain = 'quarter'), (select coalesce(sum(jobs), 0)::bigint from plant.job_rollups where grain = 'all')`,
	).Scan(&events, &ended, &rolled, &counted); err != nil {
		return err
	}
	sent := int64(answered) * batchSize
	t.add("events: stored − acknowledged, in "+strconv.Itoa(answered)+" batches", strconv.FormatInt(events-sent, 10), verdict("0", events != sent))
	t.add("events: jobs that ended, by rollups − by "+strconv.FormatInt(events, 10)+" events", strconv.FormatInt(rolled-ended, 10), verdict("0", rolled != ended || counted != ended))
	return forgetEvents(ctx, b.owner)
}

// forgetEvents removes what agents did.
func forgetEvents(ctx context.Context, owner *pgx.Conn) error {
	for _, statement := range []string{
		`truncate plant.job_events, plant.jobs, plant.job_rollups`,
		`update plant.agent_statistics set total_jobs = 0, completed_jobs = 0, duration_ms_sum = 0, duration_samples = 0, cost_sum = 0, cost_samples = 0, p95_duration_ms = null`,
		`select count(plant.make_event_day((now() at time zone 'UTC')::date - n)) from generate_series(-1, 90) n`,
		`vacuum (analyze) plant.agent_statistics`, `checkpoint`,
	} {
		if _, err := owner.Exec(ctx, statement); err != nil {
			return fmt.Errorf("remove events: %w", err)
		}
	}
	return nil
}

// events makes batches: jobs of fifty agents, each with its start and its end within the last ten minutes.
func (b *bench) events(host, token string) load {
	header := map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"}
	return func(random *rand.Rand) call {
		const recent = 10 * time.Minute
		first := 1 + random.IntN(max(1, b.rows-batchAgents))
		now, run := time.Now().UTC(), strconv.FormatUint(random.Uint64(), 36)
		body := append(make([]byte, 0, 256*batchSize), `{"events":[`...)
		for i := range batchSize {
			if i > 0 {
				body = append(body, ',')
			}
			job := i / 2
			body = append(append(body, `{"agent_id":"`...), agentID(first+job%batchAgents)...)
			body = append(strconv.AppendInt(append(append(append(body, `","event_id":"`...), run...), '-'), int64(i), 10), `","job_id":"`...)
			body = append(strconv.AppendInt(append(append(body, run...), '-'), int64(job), 10), `","kind":"job_`...)
			at := now.Add(-time.Duration(random.Int64N(int64(recent))))
			switch {
			case i%2 == 0:
				body = append(body, `started","occurred_at":"`...)
			case job%16 == 0:
				body = append(body, `failed","cost":0.25,"occurred_at":"`...)
			default:
				body = append(strconv.AppendInt(append(body, `completed","cost":0.25,"duration_ms":`...), 1000+int64(random.ExpFloat64()*30_000), 10), `,"occurred_at":"`...)
			}
			body = append(at.AppendFormat(body, "2006-01-02T15:04:05.000000Z"), `"}`...)
		}
		return call{host: host, method: http.MethodPost, path: "/api/v1/events", header: header, body: string(append(body, `]}`...)), want: http.StatusOK}
	}
}
