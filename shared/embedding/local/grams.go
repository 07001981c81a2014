package local

import (
	"cmp"
	"math"
	"slices"
	"unicode/utf8"
)

const (
	shortestGram = 3 // runes
	longestGram  = 5
)

// grams are the character n-grams of the known terms, each known by a hash.
type grams struct {
	hashes  []uint32 // ascending
	vectors rows     // the sum of a word's is its form

	// What is made of the terms, not stored: the terms that have an n-gram, how much it tells for being rare, and the length
	// of each term's vector of what its n-grams tell.
	terms   [][]int32
	idfs    []float32
	lengths []float32
}

// gramsOf returns the hashes, FNV-1a, of the n-grams of a word between marks of its begin and end: each once, ascending.
func gramsOf(word string) []uint32 {
	const basis, prime = 2166136261, 16777619
	word = "<" + word + ">"
	hashes := make([]uint32, 0, (longestGram-shortestGram+1)*len(word))
	for begin := range word {
		hash := uint32(basis)
		rest := word[begin:]
		for n := 1; n <= longestGram && rest != ""; n++ {
			_, size := utf8.DecodeRuneInString(rest)
			for _, b := range []byte(rest[:size]) {
				hash = (hash ^ uint32(b)) * prime
			}
			if rest = rest[size:]; n >= shortestGram {
				hashes = append(hashes, hash)
			}
		}
	}
	slices.Sort(hashes)
	return slices.Compact(hashes)
}

// known yields the numbers of a word's n-grams that are known.
func (g *grams) known(word string) []int32 {
	var known []int32
	for _, hash := range gramsOf(word) {
		if i, ok := slices.BinarySearch(g.hashes, hash); ok {
			known = append(known, int32(i)) //nolint:gosec // below maxGrams
		}
	}
	return known
}

// form returns the normalised vector of how a word is spelt, by its n-grams: all zero where none of it is known.
func (g *grams) form(known []int32) []float32 {
	form := make([]float32, formDimensions)
	for _, i := range known {
		g.vectors.addTo(form, int(i), 1)
	}
	scale(form, 1)
	return form
}

// index notes which terms have each n-gram.
func (g *grams) index(t *terms) {
	g.terms = make([][]int32, len(g.hashes))
	g.idfs = make([]float32, len(g.hashes))
	g.lengths = make([]float32, len(t.ends))
	for term := range t.ends {
		for _, i := range g.known(t.text(term)) {
			g.terms[i] = append(g.terms[i], int32(term)) //nolint:gosec // below maxTerms
		}
	}
	for i, terms := range g.terms {
		g.idfs[i] = rarity(len(t.ends), len(terms))
		for _, term := range terms {
			g.lengths[term] += g.idfs[i] * g.idfs[i]
		}
	}
	for term, squares := range g.lengths {
		g.lengths[term] = float32(math.Sqrt(float64(squares)))
	}
}

// rarity is how much an n-gram tells that is in so many terms of all.
func rarity(all, in int) float32 { return float32(math.Log1p(float64(all) / float64(in))) }

// near is a term that is spelt like a word.
type near struct {
	term     int32
	likeness float64
}

// candidates are compared by form: those that have most n-grams in common.
const candidates = 32

// like returns the terms that are spelt most like a word, and more so than likeness, the most like one first.
func (g *grams) like(t *terms, known []int32, spelling []float32) []near {
	common := make([]float32, len(g.lengths))
	for _, i := range known {
		for _, term := range g.terms[i] {
			common[term] += g.idfs[i] * g.idfs[i]
		}
	}
	byLikeness := func(a, b near) int { return cmp.Or(cmp.Compare(b.likeness, a.likeness), cmp.Compare(a.term, b.term)) }
	found := make([]near, 0, candidates+1)
	for term, x := range common {
		if x == 0 {
			continue
		}
		n := near{int32(term), float64(x / g.lengths[term])} //nolint:gosec // below maxTerms
		if len(found) == candidates && n.likeness <= found[candidates-1].likeness {
			continue
		}
		at, _ := slices.BinarySearchFunc(found, n, byLikeness)
		found = slices.Insert(found, at, n)
		found = found[:min(len(found), candidates)]
	}
	for i, n := range found {
		found[i].likeness = dot(spelling, g.form(g.known(t.text(int(n.term)))))
	}
	slices.SortFunc(found, byLikeness)
	found = found[:min(len(found), alike)]
	return slices.DeleteFunc(found, func(n near) bool { return n.likeness <= likeness })
}

func dot(a, b []float32) float64 {
	sum := float32(0)
	for i, x := range a {
		sum += x * b[i]
	}
	return float64(sum)
}
