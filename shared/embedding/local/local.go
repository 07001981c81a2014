// Package local is an embedding model that is learnt from the catalogue's own texts, by nobody else and without a network.
//
// A text's vector is the weighted sum of its terms', in two parts. Meaning is what terms occur with: the positive pointwise
// mutual information of terms, reduced to its strongest dimensions (Levy, Goldberg, Dagan 2015). Form is what terms are
// spelt with: their character n-grams, reduced likewise, so that a misspelt word lies near the one that was meant. What is
// neither known nor spelt like anything known says nothing: a text of nothing else has no vector.
package local

import (
	"context"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/waooaw/plant/shared/embedding"
)

const (
	meaningDimensions = 256
	formDimensions    = embedding.Dimensions - meaningDimensions
	// formWeight is how much of the likeness of two texts is their terms' form.
	formWeight = 0.35
	// nameWeight is how many times a word of a document's name counts.
	nameWeight = 5
)

const (
	// likeness of form is the least from which an unknown word is taken to mean what a known term does.
	likeness = 0.5
	// alike is how many known terms lend an unknown word their meaning.
	alike = 5
)

// Document is what the model learns from, and embeds.
type Document struct {
	Name string // it counts more than the text
	Text string // all else that tells what it is about
}

// Model embeds texts. It does not change, and is safe for concurrent use.
type Model struct {
	name     string
	data     []byte // as it is stored; what is large below lies in it
	terms    terms
	meanings rows // of the terms
	forms    rows // of the terms
	grams    grams
	index    func() *index // made when the first unknown word is asked for
}

// Model implements embedding.Embedder: the name is that of the model's content, so the same texts make the same model.
func (m *Model) Model() string { return m.name }

// Embed implements embedding.Embedder. The first line of a document's text is its name. A text that says nothing to this
// model has a nil vector.
func (m *Model) Embed(ctx context.Context, kind embedding.Kind, texts []string) ([][]float32, error) {
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if kind == embedding.Query {
			vectors[i] = m.Query(text)
			continue
		}
		name, rest, _ := strings.Cut(text, "\n")
		vectors[i] = m.Document(Document{Name: name, Text: rest})
	}
	return vectors, nil
}

// Document returns a document's normalised vector, nil where it says nothing to this model.
func (m *Model) Document(d Document) []float32 {
	counts := map[string]int{}
	for stem := range stems(d.Name) {
		counts[stem] += nameWeight
	}
	for stem := range stems(d.Text) {
		counts[stem]++
	}
	vector, _ := m.embed(counts)
	return vector
}

// Query returns the normalised vector of what somebody looks for, nil where it says nothing to this model.
func (m *Model) Query(text string) []float32 {
	vector, _ := m.Understand(text)
	return vector
}

// Understand is Query, and how much of the query it stands for, from 0 to 1: the rest of its words are neither known nor
// spelt like any that are.
func (m *Model) Understand(query string) (vector []float32, share float64) {
	counts := map[string]int{}
	for stem := range stems(query) {
		counts[stem]++
	}
	return m.embed(counts)
}

func (m *Model) embed(counts map[string]int) (vector []float32, share float64) {
	vector = make([]float32, embedding.Dimensions)
	meaning, form := vector[:meaningDimensions], vector[meaningDimensions:]
	known, all := 0.0, 0.0
	for _, stem := range slices.Sorted(maps.Keys(counts)) { // in one order, that the sums be the same
		weight := float32(math.Log1p(float64(counts[stem])))
		id, found := m.terms.find(stem)
		if found {
			weight *= m.terms.idf(id)
			m.meanings.addTo(meaning, id, weight)
			m.forms.addTo(form, id, weight)
		} else {
			weight *= rarity(int(m.terms.documents), 1) // of a word that one text has
			found = m.guess(meaning, form, stem, float32(math.Log1p(float64(counts[stem]))))
		}
		all += float64(weight)
		if found {
			known += float64(weight)
		}
	}
	scale(meaning, math.Sqrt(1-formWeight))
	scale(form, math.Sqrt(formWeight))
	if !scale(vector, 1) {
		return nil, 0
	}
	return vector, known / all
}

// guess adds an unknown word's form, and what the terms mean that are spelt like it, and reports whether there are any.
func (m *Model) guess(meaning, form []float32, stem string, weight float32) bool {
	grams := m.grams.known(stem)
	spelling := m.grams.form(grams)
	found := m.like(grams, spelling)
	if len(found) == 0 {
		return false
	}
	guessed := make([]float32, meaningDimensions)
	for _, near := range found {
		nearness := near.likeness - likeness
		m.meanings.addTo(guessed, near.term, float32(nearness*nearness))
	}
	// The less it looks like a known term, the less of its meaning is known: all of it where it looks the same.
	share := (found[0].likeness - likeness) / (1 - likeness)
	scale(guessed, share*share)
	weight *= m.terms.idf(found[0].term) // it may be that one, misspelt
	axpy(meaning, guessed, weight)
	axpy(form, spelling, weight)
	return true
}

// scale gives a vector the length, and reports whether it has a direction.
func scale(v []float32, length float64) bool {
	squares := 0.0
	for _, x := range v {
		squares += float64(x) * float64(x)
	}
	if squares == 0 {
		return false
	}
	factor := float32(length / math.Sqrt(squares))
	for i := range v {
		v[i] *= factor
	}
	return true
}
