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
	vectors rows     // their sum over a word is its form
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

// index tells which terms have an n-gram.
type index struct {
	terms   [][]int32 // of each n-gram
	tell    []float32 // how much each n-gram tells, for being rare
	lengths []float32 // of each term's vector of what its n-grams tell
}

func (m *Model) newIndex() *index {
	x := &index{terms: make([][]int32, len(m.grams.hashes)), tell: make([]float32, len(m.grams.hashes)), lengths: make([]float32, len(m.terms.ends))}
	for term := range m.terms.ends {
		for _, i := range m.grams.known(m.terms.text(term)) {
			x.terms[i] = append(x.terms[i], int32(term))
		}
	}
	for i, terms := range x.terms {
		x.tell[i] = rarity(len(x.lengths), len(terms))
		for _, term := range terms {
			x.lengths[term] += x.tell[i] * x.tell[i]
		}
	}
	for term, squares := range x.lengths {
		x.lengths[term] = float32(math.Sqrt(float64(squares)))
	}
	return x
}

// rarity is how much an n-gram tells that is in so many terms of all.
func rarity(all, in int) float32 { return float32(math.Log1p(float64(all) / float64(in))) }

// near is a term that is spelt like a word.
type near struct {
	term     int
	likeness float64 // cosine of their forms
}

// candidates are compared by form: those that have most n-grams in common.
const candidates = 32

// like returns the terms that are spelt most like a word, and more so than likeness, the most like one first.
func (m *Model) like(known []int32, form []float32) []near {
	x := m.index()
	common := make([]float32, len(x.lengths))
	for _, i := range known {
		for _, term := range x.terms[i] {
			common[term] += x.tell[i] * x.tell[i]
		}
	}
	byLikeness := func(a, b near) int { return cmp.Or(cmp.Compare(b.likeness, a.likeness), cmp.Compare(a.term, b.term)) }
	found := make([]near, 0, candidates+1)
	for term, sum := range common {
		if sum == 0 {
			continue
		}
		n := near{term, float64(sum / x.lengths[term])}
		if len(found) == candidates && n.likeness <= found[candidates-1].likeness {
			continue
		}
		at, _ := slices.BinarySearchFunc(found, n, byLikeness)
		found = slices.Insert(found, at, n)
		found = found[:min(len(found), candidates)]
	}
	for i, n := range found {
		found[i].likeness = m.forms.dot(n.term, form)
	}
	slices.SortFunc(found, byLikeness)
	found = found[:min(len(found), alike)]
	return slices.DeleteFunc(found, func(n near) bool { return n.likeness <= likeness })
}
