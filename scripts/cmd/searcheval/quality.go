package main

import (
	"math"
	"slices"
)

// depth is how many answers count.
const depth = 10

// quality says how good the answers of a query are, from 0 to 1, where each record either answers it or does not.
type quality struct{ ndcg, mrr, recall float64 }

// qualityOf judges what was found, the best first.
func qualityOf(found, relevant []string) quality {
	var q quality
	hits, ideal := 0, 0.0
	for i, id := range found[:min(len(found), depth)] {
		if !slices.Contains(relevant, id) {
			continue
		}
		if hits == 0 {
			q.mrr = 1 / float64(i+1)
		}
		hits++
		q.ndcg += gain(i)
	}
	for i := range min(len(relevant), depth) {
		ideal += gain(i)
	}
	q.ndcg /= ideal
	q.recall = float64(hits) / float64(len(relevant))
	return q
}

// gain of an answer at a place, counted from 0.
func gain(i int) float64 { return 1 / math.Log2(float64(i+2)) }
