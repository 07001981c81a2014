package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// bestSimple is the best nDCG@10 of simple methods, as the collection's README has measured them; less than it by more than
// tolerance is a step back.
var bestSimple = map[string]float64{
	"agent / lexical": 0.837, "agent / low_overlap": 0.426, "agent / typo": 0.746,
	"role / lexical": 0.684, "role / semantic": 0.130, "role / typo": 0.616,
	"skill / lexical": 0.774, "skill / role_to_skill": 0.192, "skill / semantic": 0.085, "skill / typo": 0.735,
	"onet / lexical": 0.647, "onet / semantic": 0.057, "onet / task_to_role": 0.274, "onet / typo": 0.498,
}

const tolerance = 0.01

// goal of a macro mean over strata: what it has to be, and what it had better be.
type goal struct{ least, aim float64 }

var (
	mainGoal = goal{0.56, 0.60}
	onetGoal = goal{0.38, 0.42}
)

// reached says whether a figure reaches a goal.
func reached(what string, value, least float64) string {
	if value >= least {
		return fmt.Sprintf("%s≥ %.3f met", what, least)
	}
	return fmt.Sprintf("%s≥ %.3f missed", what, least)
}

// report says how good answers are: by stratum, and on average over strata, however many queries each has.
func report(answers []answer) string {
	strata := map[string][]answer{}
	var all []time.Duration
	for _, a := range answers {
		strata[a.query.group()] = append(strata[a.query.group()], a)
		all = append(all, a.took)
	}
	names := slices.Sorted(maps.Keys(strata))
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 1, ' ', 0)
	row := func(cells ...string) { _, _ = fmt.Fprintln(table, "| "+strings.Join(cells, "\t| ")+"\t|") }
	row("stratum", "queries", "nDCG@10", "MRR@10", "recall@10", "BM25", "trigrams", "p50", "p95", "goal")
	row(slices.Repeat([]string{"---"}, 10)...)
	for _, part := range []struct {
		name string
		goal goal
		has  func(string) bool
	}{
		{"macro mean", mainGoal, func(name string) bool { return !isONET(name) }},
		{"onet macro mean", onetGoal, isONET},
	} {
		var means []summary
		for _, name := range names {
			if !part.has(name) {
				continue
			}
			s := summarise(strata[name])
			means = append(means, s)
			verdict := ""
			if best, ok := bestSimple[name]; ok {
				verdict = reached("", s.ndcg, best-tolerance)
			}
			row(append(append([]string{name}, s.cells()...), verdict)...)
		}
		if len(means) == 0 {
			continue
		}
		macro := macroMean(means)
		row(append(append([]string{part.name}, macro.cells()...), reached("", macro.ndcg, part.goal.least)+reached(", aim ", macro.ndcg, part.goal.aim))...)
	}
	_ = table.Flush() // into memory
	fmt.Fprintf(&text, "\n%d queries, one after another: p50 %s, p95 %s\n", len(all), milliseconds(quantile(all, 0.5)), milliseconds(quantile(all, 0.95)))
	return text.String()
}

func isONET(group string) bool { return strings.HasPrefix(group, "onet / ") }

// summary is the means of a stratum.
type summary struct {
	queries        int
	quality                // of search
	bm25, trigrams float64 // nDCG
	p50, p95       time.Duration
}

func summarise(answers []answer) summary {
	s := summary{queries: len(answers)}
	took := make([]time.Duration, len(answers))
	for i, a := range answers {
		q := a.quality()
		s.ndcg, s.mrr, s.recall = s.ndcg+q.ndcg, s.mrr+q.mrr, s.recall+q.recall
		s.bm25 += qualityOf(a.simple.bm25, a.query.Relevant).ndcg
		s.trigrams += qualityOf(a.simple.trigrams, a.query.Relevant).ndcg
		took[i] = a.took
	}
	s.divide(len(answers))
	s.p50, s.p95 = quantile(took, 0.5), quantile(took, 0.95)
	return s
}

// macroMean is the mean over strata.
func macroMean(strata []summary) summary {
	var m summary
	for _, s := range strata {
		m.queries += s.queries
		m.ndcg, m.mrr, m.recall = m.ndcg+s.ndcg, m.mrr+s.mrr, m.recall+s.recall
		m.bm25, m.trigrams = m.bm25+s.bm25, m.trigrams+s.trigrams
	}
	m.divide(len(strata))
	return m
}

func (s *summary) divide(by int) {
	for _, sum := range []*float64{&s.ndcg, &s.mrr, &s.recall, &s.bm25, &s.trigrams} {
		*sum /= float64(by)
	}
}

func (s summary) cells() []string {
	cells := []string{strconv.Itoa(s.queries)}
	for _, value := range []float64{s.ndcg, s.mrr, s.recall, s.bm25, s.trigrams} {
		cells = append(cells, fmt.Sprintf("%.3f", value))
	}
	if s.p50 == 0 {
		return append(cells, "", "")
	}
	return append(cells, milliseconds(s.p50), milliseconds(s.p95))
}

// quantile of durations, by the nearest rank.
func quantile(all []time.Duration, of float64) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(int(of*float64(len(sorted))), len(sorted)-1)]
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f ms", d.Seconds()*1000) }
