package main

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestQualityOf(t *testing.T) {
	t.Parallel()
	// By hand: 1/log2(2) = 1, 1/log2(3) = 0.63093, 1/log2(4) = 0.5, 1/log2(11) = 0.28906, 1/log2(12) = 0.27894.
	for _, test := range []struct {
		name, found, relevant string
		want                  quality
	}{
		{"the first", "a b c", "a", quality{1, 1, 1}},
		{"the second", "b a c", "a", quality{0.63093, 0.5, 1}},
		{"the tenth", "b c d e f g h i j a", "a", quality{0.28906, 0.1, 1}},
		{"the eleventh", "b c d e f g h i j k a", "a", quality{0, 0, 0}},
		{"none", "", "a", quality{0, 0, 0}},
		{"one of two, first", "a x", "a b", quality{1 / 1.63093, 1, 0.5}},
		{"two of two, first and third", "a x b", "a b", quality{1.5 / 1.63093, 1, 1}},
		{"of more than ten", "a b c d e f g h i j", "a b c d e f g h i j k l", quality{1, 1, 10.0 / 12}},
	} {
		got := qualityOf(strings.Fields(test.found), strings.Fields(test.relevant))
		for i, pair := range [][2]float64{{got.ndcg, test.want.ndcg}, {got.mrr, test.want.mrr}, {got.recall, test.want.recall}} {
			if math.Abs(pair[0]-pair[1]) > 0.00005 {
				t.Errorf("%s: figure %d is %.5f, want %.5f", test.name, i, pair[0], pair[1])
			}
		}
	}
}

// A macro mean is over strata, whatever their sizes; goals are said to be met or missed.
func TestReport(t *testing.T) {
	t.Parallel()
	of := func(kind, stratum, relevant, found string, took time.Duration) answer {
		return answer{query: query{Kind: kind, Stratum: stratum, Relevant: []string{relevant}}, found: []string{found}, simple: simpleAnswer{bm25: []string{relevant}}, took: took}
	}
	const ms = time.Millisecond
	got := report([]answer{
		of(skillKind, "lexical", "s1", "s1", ms), of(skillKind, "lexical", "s1", "s1", 2*ms), of(skillKind, "lexical", "s1", "s1", 3*ms),
		of(agentKind, "lexical", "a1", "a2", 4*ms), of(roleKind, "semantic", "onet:1", "onet:2", 100*ms),
	})
	want := strings.TrimPrefix(`
| stratum         | queries | nDCG@10 | MRR@10 | recall@10 | BM25  | trigrams | p50      | p95      | goal                               |
| ---             | ---     | ---     | ---    | ---       | ---   | ---      | ---      | ---      | ---                                |
| agent / lexical | 1       | 0.000   | 0.000  | 0.000     | 1.000 | 0.000    | 4.0 ms   | 4.0 ms   | ≥ 0.827 missed                     |
| skill / lexical | 3       | 1.000   | 1.000  | 1.000     | 1.000 | 0.000    | 2.0 ms   | 3.0 ms   | ≥ 0.764 met                        |
| macro mean      | 4       | 0.500   | 0.500  | 0.500     | 1.000 | 0.000    |          |          | ≥ 0.560 missed, aim ≥ 0.600 missed |
| onet / semantic | 1       | 0.000   | 0.000  | 0.000     | 1.000 | 0.000    | 100.0 ms | 100.0 ms | ≥ 0.047 missed                     |
| onet macro mean | 1       | 0.000   | 0.000  | 0.000     | 1.000 | 0.000    |          |          | ≥ 0.380 missed, aim ≥ 0.420 missed |

5 queries, one after another: p50 3.0 ms, p95 100.0 ms
`, "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		most int
		want string
	}{
		{"a\u0085b\u0000c\u007f", 10, "abc"},
		{" two\n\tlines\u2028and more ", 100, "two lines and more"},
		{"e\u0301", 1, "é"},
		{"longer than ten", 12, "longer than"},
	} {
		if got := line(test.text, test.most); got != test.want {
			t.Errorf("%q: got %q, want %q", test.text, got, test.want)
		}
	}
	if got, want := plain("one\n\ttwo\u0080"), "one\n\ttwo"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
