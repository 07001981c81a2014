package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waooaw/plant/shared/auth"
)

// compare measures what was asked for, and prints it beside its goals.
func (b *bench) compare(ctx context.Context) error {
	endpoints, err := b.endpoints(ctx)
	if err != nil {
		return err
	}
	rates := map[string]float64{}
	if len(endpoints) > 0 {
		if rates, err = b.compareEndpoints(ctx, endpoints); err != nil {
			return err
		}
	}
	others := newTable("", "measured", "goal")
	b.compareGrowth(others, rates)
	for _, part := range []struct {
		name    string
		measure func(context.Context, *table) error
	}{{"audit", b.compareAudit}, {"feed", b.compareFeed}, {"page", b.comparePages}, {"start", b.compareStarts}, {"memory", b.compareMemory}, {"events", b.compareEvents}} {
		if !strings.Contains(b.only, part.name) {
			continue
		}
		if err := part.measure(ctx, others); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	if len(others.rows) > 1 {
		b.say("%s\n", others)
	}
	return ctx.Err()
}

func (b *bench) say(format string, args ...any) { _, _ = fmt.Fprintf(b.out, format, args...) }

// verdict says a goal, and whether it was missed.
func verdict(goal string, missed bool) string {
	if missed {
		return goal + " missed"
	}
	return goal
}

// mostOpen requests a second are sent by the open generator, which needs a tenth of a millisecond for each.
const mostOpen = 2000

// result of an endpoint: the medians of its rounds, and what an open load was answered with.
type result struct {
	function, pgbench, ratio float64
	processor                float64 // microseconds that the function takes of a core for each request
	open                     measured
	errors                   int
	example                  string
}

func (b *bench) compareEndpoints(ctx context.Context, endpoints []endpoint) (rates map[string]float64, err error) {
	rates = map[string]float64{}
	b.say("\n%d agents, %d rounds of %v by turns, medians; open: half of the function's rate, but at most %d/s, since the generator takes of the same processors\n\n", b.rows, b.rounds, b.length, mostOpen)
	table := newTable("", "clients", "function/s", "pgbench/s", "ratio", "goal", "CPU", "open/s", "p50", "p95", "p99", "errors")
	for _, e := range endpoints {
		r, err := b.measure(ctx, e)
		if err != nil {
			return nil, err
		}
		rates[e.name] = r.function
		if r.example != "" {
			b.say("%s: %s\n", e.name, r.example)
		}
		table.add(e.name, strconv.Itoa(e.clients), number(r.function), number(r.pgbench), fmt.Sprintf("%.2f", r.ratio), verdict(fmt.Sprintf("%.2f", e.goal), r.ratio < e.goal), fmt.Sprintf("%.0f µs", r.processor),
			number(r.open.perSecond), inMilliseconds(r.open.p50), inMilliseconds(r.open.p95), inMilliseconds(r.open.p99), strconv.Itoa(r.errors))
	}
	b.say("%s\n", table)
	return rates, nil
}

// measure runs an endpoint and its SQL by turns, so that what else the machine does meets both.
func (b *bench) measure(ctx context.Context, e endpoint) (result, error) {
	var r result
	var functionRates, pgbenchRates, ratios, processor []float64
	closed(ctx, e.function.Address.Host, e.next, e.clients, b.length/3) // connections, prepared statements, caches
	for range b.rounds {
		before := processorTime(e.function.Pid())
		ours := closed(ctx, e.function.Address.Host, e.next, e.clients, b.length)
		processor = append(processor, float64((processorTime(e.function.Pid())-before).Microseconds())/float64(max(1, ours.requests)))
		theirs, err := b.pgbench.run(ctx, e.name, e.script, e.clients, b.length)
		if err != nil {
			return r, err
		}
		r.errors += ours.errors
		if ours.example != "" {
			r.example = ours.example
		}
		functionRates, pgbenchRates = append(functionRates, ours.perSecond), append(pgbenchRates, theirs.perSecond)
		ratios = append(ratios, ours.perSecond/theirs.perSecond)
		if e.name == "create" {
			if err := b.forgetCreated(ctx); err != nil {
				return r, err
			}
		}
	}
	r.function, r.pgbench, r.ratio, r.processor = median(functionRates), median(pgbenchRates), median(ratios), median(processor)
	r.open = open(ctx, e.next, min(r.function/2, mostOpen), b.length)
	r.errors += r.open.errors
	if r.open.example != "" {
		r.example = r.open.example
	}
	if e.name == "create" {
		if err := b.forgetCreated(ctx); err != nil {
			return r, err
		}
	}
	return r, ctx.Err()
}

// forgetCreated removes what creates have left, so that the next round finds what this one found.
func (b *bench) forgetCreated(ctx context.Context) error {
	for _, statement := range []string{
		`delete from plant.agents where owner = '` + benchOwner + `'`, `truncate plant.idempotency_keys`,
		`vacuum (analyze) plant.agents`, `vacuum plant.search_documents`, `vacuum plant.search_postings`, `vacuum plant.search_vectors`, `vacuum plant.agent_skills`, `vacuum plant.agent_statistics`, `checkpoint`,
	} {
		if _, err := b.owner.Exec(ctx, statement); err != nil {
			return fmt.Errorf("remove what was created: %w", err)
		}
	}
	return pastTriggers(ctx, b.owner, `truncate plant.amendments, plant.tree_hashes, plant.checkpoints`) // last, for the removals are amended too
}

const auditGoal = 0.70 // of the creates without amendments

// compareAudit measures creates with and without the trigger that writes amendments, by turns.
func (b *bench) compareAudit(ctx context.Context, table *table) error {
	token, err := b.stand.Token(auth.Partner, benchOwner)
	if err != nil {
		return err
	}
	next := create(b.agents.Address.Host, token)
	var with, without, ratios []float64
	for round := range b.rounds + 1 {
		var rates [2]float64
		for i, verb := range []string{"enable", "disable"} {
			if _, err := b.owner.Exec(ctx, `alter table plant.agents `+verb+` trigger _amended`); err != nil {
				return err
			}
			m := closed(ctx, b.agents.Address.Host, next, b.clients, b.length)
			if m.errors > 0 {
				return fmt.Errorf("%d creates failed: %s", m.errors, m.example)
			}
			rates[i] = m.perSecond
			if err := b.forgetCreated(ctx); err != nil {
				return err
			}
		}
		if round == 0 { // connections, prepared statements, caches
			continue
		}
		with, without, ratios = append(with, rates[0]), append(without, rates[1]), append(ratios, rates[0]/rates[1])
	}
	if _, err := b.owner.Exec(ctx, `alter table plant.agents enable trigger _amended`); err != nil {
		return err
	}
	ratio := median(ratios)
	table.add("amendments: create with ÷ without them", fmt.Sprintf("%.2f (%s/s ÷ %s/s)", ratio, number(median(with)), number(median(without))),
		verdict(fmt.Sprintf("≥ %.2f", auditGoal), ratio < auditGoal))
	return nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func number(n float64) string { return strconv.FormatFloat(n, 'f', 0, 64) }

func inMilliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', 1, 64) + " ms"
}
