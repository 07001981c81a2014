package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/waooaw/plant/shared/auth"
)

// The service level that the marketplace was promised.
const (
	slaP95       = 500 * time.Millisecond
	slaPerSecond = 1000.0
	slaErrors    = 0.001
)

// scenario is a load with something that happens meanwhile.
type scenario struct {
	name, what string
	pace       vegeta.Pacer
	length     time.Duration
	prepare    func(context.Context) (course, error)
}

// course is what a scenario consists of.
type course struct {
	next      load
	meanwhile func(context.Context) error // what happens beside the load; may be nil
	end       func()                      // lets go of what was prepared; may be nil
}

const (
	rated = 1200.0 // requests a second of an ordinary peak
	// parts of a scenario, each as long as a measurement.
	scenarioParts = 10
)

var scenarioNames = []string{"daily", "campaign", "maintenance", "upgrade", "overload"}

// scenarios, every part of which takes as long as a measurement.
func (b *bench) scenarios() ([]scenario, error) {
	token, err := b.stand.Token(auth.Partner, benchOwner)
	if err != nil {
		return nil, err
	}
	whole := scenarioParts * b.length
	with := func(meanwhile func(context.Context) error) func(context.Context) (course, error) {
		return func(context.Context) (course, error) {
			return course{next: b.mix(b.agents.Address.Host, b.search.Address.Host, token), meanwhile: meanwhile}, nil
		}
	}
	return []scenario{
		{
			name: "daily", what: "50, 80 and 100 % of an ordinary peak (row L1)", length: whole, prepare: with(nil),
			pace: steps{{rated / 2, whole / 4}, {rated * 0.8, whole / 4}, {rated, whole / 2}},
		},
		{
			name: "campaign", what: "from half of that to twice as much", length: whole, prepare: with(nil),
			pace: vegeta.LinearPacer{StartAt: perSecond(rated / 2), Slope: rated * 1.5 / whole.Seconds()},
		},
		{
			name: "maintenance", what: "vacuum, new indexes and a dump of the database meanwhile", length: whole, prepare: with(b.maintain),
			pace: perSecond(rated),
		},
		{
			name: "upgrade", what: "to another version behind a gateway, and back (row F32)", length: whole,
			pace: perSecond(rated), prepare: func(ctx context.Context) (course, error) { return b.upgrade(ctx, token) },
		},
		{
			name: "overload", what: "five times an ordinary peak, and back (rows L2, L3)", length: whole, prepare: with(nil),
			pace: steps{{rated, whole / 4}, {rated * 5, whole / 4}, {rated, whole / 2}},
		},
	}, nil
}

func perSecond(rate float64) vegeta.Rate { return vegeta.Rate{Freq: int(rate), Per: time.Second} }

// mix is what portals ask for: mostly single agents, some lists and searches, a few writes.
func (b *bench) mix(agents, search, token string) load {
	get, list, find, publish := b.get(agents), b.list(agents), find(search, queries(200)), create(agents, token)
	return func(random *rand.Rand) call {
		switch p := random.IntN(100); {
		case p < 80:
			return get(random)
		case p < 92:
			return list(random)
		case p < 97:
			return find(random)
		default:
			return publish(random)
		}
	}
}

// steps is a pace of constant rates, one after the other.
type steps []struct {
	perSecond float64
	length    time.Duration
}

// Pace implements vegeta.Pacer.
func (s steps) Pace(elapsed time.Duration, hits uint64) (time.Duration, bool) {
	due, begin := 0.0, time.Duration(0)
	for _, step := range s {
		inStep := step.perSecond * step.length.Seconds()
		if float64(hits) < due+inStep {
			at := begin + time.Duration((float64(hits)-due)/step.perSecond*float64(time.Second))
			return max(0, at-elapsed), false
		}
		due, begin = due+inStep, begin+step.length
	}
	return 0, true
}

// Rate implements vegeta.Pacer.
func (s steps) Rate(elapsed time.Duration) float64 {
	for _, step := range s {
		if elapsed < step.length {
			return step.perSecond
		}
		elapsed -= step.length
	}
	return 0
}

// sample is one answer of a scenario.
type sample struct {
	at, latency time.Duration // since the scenario began; of the whole request
	status      int           // 0 where there was no answer
	write       bool
	retryAfter  bool
}

// runScenarios runs those that are asked for, prints a table, and draws their latency over time.
func (b *bench) runScenarios(ctx context.Context, asked string) error {
	all, err := b.scenarios()
	if err != nil {
		return err
	}
	table := newTable("scenario", "", "requests/s", "p50", "p95", "p99", "errors", "SLA")
	var drawn []panel
	var notes []string
	for _, s := range all {
		if asked != "all" && !slices.Contains(strings.Split(asked, ","), s.name) {
			continue
		}
		b.say("· %s: %s\n", s.name, s.what)
		samples, example, err := b.runScenario(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		m := summarise(samples)
		verdict := "kept"
		switch {
		case s.name == "overload":
			verdict = "sheds"
			notes = append(notes, overloadNotes(samples, s.pace)...)
		case m.p95 >= slaP95 || m.perSecond <= slaPerSecond && s.name != "daily" || float64(m.errors) > slaErrors*float64(m.requests):
			verdict = "missed"
		}
		if example != "" {
			notes = append(notes, s.name+", an error: "+example)
		}
		table.add(s.name, s.what, number(m.perSecond), inMilliseconds(m.p50), inMilliseconds(m.p95), inMilliseconds(m.p99), fmt.Sprintf("%d of %d", m.errors, m.requests), verdict)
		drawn = append(drawn, panel{s.name + ": " + s.what, samples})
	}
	b.say("\nSLA: p95 < %v, > %.0f requests/s at the peak, < %.1f %% errors\n\n%s\n", slaP95, slaPerSecond, slaErrors*100, table)
	for _, note := range notes {
		b.say("%s\n", note)
	}
	folder := filepath.Join(".dist", "bench")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	file := filepath.Join(folder, "latency.png")
	if err := draw(drawn, file); err != nil {
		return fmt.Errorf("draw %s: %w", file, err)
	}
	b.say("latency over time: %s\n", file)
	return b.forgetCreated(ctx)
}

func (b *bench) runScenario(ctx context.Context, s scenario) (samples []sample, example string, err error) {
	c, err := s.prepare(ctx)
	if err != nil {
		return nil, "", err
	}
	if c.end != nil {
		defer c.end()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	happening := make(chan error, 1)
	go func() {
		if c.meanwhile == nil {
			happening <- nil
			return
		}
		happening <- c.meanwhile(ctx)
	}()
	begin := time.Now()
	for result := range attack(ctx, c.next, s.pace, s.length) {
		samples = append(samples, sample{
			at: result.Timestamp.Sub(begin), latency: result.Latency, status: int(result.Code), write: result.Method == http.MethodPost,
			retryAfter: result.Headers.Get("Retry-After") != "",
		})
		if result.Error != "" {
			example = result.Error
		}
	}
	if err := <-happening; err != nil {
		return nil, "", err
	}
	return samples, example, ctx.Err()
}

func failed(s sample) bool { return s.status < 200 || s.status >= 400 }

func summarise(samples []sample) measured {
	m := measured{requests: len(samples)}
	var latencies []time.Duration
	var last time.Duration
	for _, s := range samples {
		latencies = append(latencies, s.latency)
		last = max(last, s.at)
		if failed(s) {
			m.errors++
		}
	}
	slices.Sort(latencies)
	m.perSecond = float64(len(samples)) / math.Max(1, last.Seconds())
	m.p50, m.p95, m.p99 = quantile(latencies, 0.50), quantile(latencies, 0.95), quantile(latencies, 0.99)
	return m
}

// overloadNotes says what rows L2 and L3 ask: how much was answered well of what could be, how quickly the rest was
// refused, what share of writes and reads that was, and when all was well again.
func overloadNotes(samples []sample, pace vegeta.Pacer) []string {
	phases, ok := pace.(steps)
	if !ok {
		return nil
	}
	begin, end := phases[0].length, phases[0].length+phases[1].length
	var good, refused, unsaid, writes, writesRefused int
	var refusals []time.Duration
	recovered := time.Duration(0)
	for _, s := range samples {
		during := s.at >= begin && s.at < end
		switch {
		case during && failed(s):
			refused++
			refusals = append(refusals, s.latency)
			if !s.retryAfter {
				unsaid++
			}
		case during:
			good++
		case s.at >= end && (failed(s) || s.latency > slaP95):
			recovered = max(recovered, s.at-end)
		}
		if during && s.write {
			writes++
			if failed(s) {
				writesRefused++
			}
		}
	}
	slices.Sort(refusals)
	return []string{
		fmt.Sprintf("overload: %.0f/s answered well, %.0f/s refused (%d without Retry-After) in p95 %s", float64(good)/phases[1].length.Seconds(),
			float64(refused)/phases[1].length.Seconds(), unsaid, inMilliseconds(quantile(refusals, 0.95))),
		fmt.Sprintf("overload: %.1f %% of the writes refused, %.1f %% of all; well again %.1f s after it ended", 100*float64(writesRefused)/math.Max(1, float64(writes)),
			100*float64(refused)/math.Max(1, float64(good+refused)), recovered.Seconds()),
	}
}

// maintain does what is done to a database that is in use.
func (b *bench) maintain(ctx context.Context) error {
	for _, statement := range []string{
		`vacuum (analyze) plant.agents`, `reindex index concurrently plant.agents_by_created_at`, `reindex table concurrently plant.agent_statistics`,
		`vacuum (analyze) plant.search_documents`, `reindex index concurrently plant.search_postings_by_impact`, `analyze`, `checkpoint`,
	} {
		if _, err := b.owner.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return b.dump(ctx)
}
