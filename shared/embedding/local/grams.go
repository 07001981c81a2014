package local

import (
	"cmp"
	"hash/fnv"
	"math"
	"slices"
)

const (
	shortestGram = 3 // runes
	longestGram  = 5
)

// grams are the character n-grams of the known terms, each known by a hash.
type grams struct {
	hashes  []uint32 // ascending
	vectors rows

	// Where each is found, and by what length the terms' own vectors of n-grams are divided.
	terms [][]int32
	norms []float32
}

// gramsOf returns the hashes of the n-grams of a word between marks of its begin and end, each once, ascending.
func gramsOf(word string) []uint32 {
	runes := []rune("<" + string(word) + ">")
	var hashes []uint32
	for begin := range runes {
		for n := shortestGram; n <= longestGram && begin+n <= len(runes); n++ {
			hash := fnv.New32a()
			_, _ = hash.Write([]byte(string(runes[begin : begin+n])))
			hashes = append(hashes, hash.Sum32())
		}
	}
	slices.Sort(hashes)
	return slices.Compact(hashes)
}

// form returns the normalised vector of how a word is spelt, all zero where none of it is known.
func (g *grams) form(hashes []uint32) []float32 {
	form := make([]float32, formDimensions)
	for _, hash := range hashes {
		if i, known := slices.BinarySearch(g.hashes, hash); known {
			g.vectors.addTo(form, i, 1)
		}
	}
	scale(form, 1)
	return form
}

// index notes where each n-gram is found.
func (g *grams) index(t *terms) {
	g.terms = make([][]int32, len(g.hashes))
	g.norms = make([]float32, len(t.ends))
	for term := range t.ends {
		for _, hash := range gramsOf(t.text(term)) {
			if i, known := slices.BinarySearch(g.hashes, hash); known {
				g.terms[i] = append(g.terms[i], int32(term)) //nolint:gosec // of at most maxTerms
			}
		}
	}
	for i := range g.hashes {
		for _, term := range g.terms[i] {
			g.norms[term] += g.idf(i) * g.idf(i)
		}
	}
	for term, squares := range g.norms {
		g.norms[term] = float32(math.Sqrt(float64(squares)))
	}
}

// idf is how much an n-gram tells, for being rare.
func (g *grams) idf(i int) float32 {
	return float32(math.Log1p(float64(len(g.norms)) / float64(len(g.terms[i]))))
}

// near is a term that is spelt like a word.
type near struct {
	term     int
	likeness float64 // cosine of their forms
}

// candidates are compared by form: those that have most n-grams in common.
const candidates = 32

// like returns the terms that are spelt most like a word, and more so than likeness.
func (g *grams) like(t *terms, hashes []uint32, spelling []float32) []near {
	common := make([]float32, len(g.norms))
	for _, hash := range hashes {
		if i, known := slices.BinarySearch(g.hashes, hash); known {
			square := g.idf(i) * g.idf(i)
			for _, term := range g.terms[i] {
				common[term] += square
			}
		}
	}
	var found []near
	for term, x := range common {
		if x > 0 {
			found = append(found, near{term, float64(x / g.norms[term])})
		}
	}
	byLikeness := func(a, b near) int { return cmp.Or(cmp.Compare(b.likeness, a.likeness), cmp.Compare(a.term, b.term)) }
	slices.SortFunc(found, byLikeness)
	found = found[:min(len(found), candidates)]
	for i := range found {
		found[i].likeness = dot(spelling, g.form(gramsOf(t.text(found[i].term))))
	}
	slices.SortFunc(found, byLikeness)
	found = found[:min(len(found), alike)]
	return slices.DeleteFunc(found, func(n near) bool { return n.likeness <= likeness })
}

func dot(a, b []float32) float64 {
	sum := 0.0
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return sum
}
