package local

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
)

const (
	// maxTerms and maxGrams bound what a model takes in memory: less than 25 MB.
	maxTerms = 40_000
	maxGrams = 50_000
)

const (
	// window is how many words apart two terms still occur together.
	window = 8
	// smoothing of contexts' frequencies, which would make too much of rare ones.
	smoothing = 0.75
	// whole is 1 in the co-occurrences, which are counted in whole numbers: their sums are the same in any order.
	whole = 1 << 16
)

// Train learns a model from all documents. The same documents make the same model, in whatever order they come.
func Train(ctx context.Context, docs iter.Seq2[Document, error]) (*Model, error) {
	c := corpus{ids: map[string]int32{}}
	for doc, err := range docs {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		c.add(doc)
	}
	t := c.settle()
	meanings, err := c.meanings(ctx, len(t.ends))
	if err != nil {
		return nil, err
	}
	g, err := t.grams(ctx)
	if err != nil {
		return nil, err
	}
	forms := newMatrix(len(t.ends), formDimensions)
	for i := range t.ends {
		copy(forms.row(i), g.form(g.known(t.text(i))))
	}
	return store(t, pack(meanings), pack(forms), g)
}

// corpus is what is learnt from.
type corpus struct {
	ids  map[string]int32
	in   []uint32 // documents that each term is in
	docs []doc
}

// doc is a document's terms: those of its name, then those of its text.
type doc struct {
	terms []int32
	names int // how many are of its name
}

func (d doc) name() []int32 { return d.terms[:d.names] }
func (d doc) text() []int32 { return d.terms[d.names:] }

func (c *corpus) add(document Document) {
	var d doc
	for _, text := range []string{document.Name, document.Text} {
		d.names = len(d.terms)
		for stem := range stems(text) {
			id, known := c.ids[stem]
			if !known {
				id = int32(len(c.ids)) //nolint:gosec // a catalogue has no 2³¹ words
				c.ids[stem] = id
				c.in = append(c.in, 0)
			}
			d.terms = append(d.terms, id)
		}
	}
	for _, id := range distinct(d.terms) {
		c.in[id]++
	}
	d.terms = slices.Clip(d.terms)
	c.docs = append(c.docs, d)
}

func distinct(ids []int32) []int32 {
	return slices.Compact(slices.Sorted(slices.Values(ids)))
}

// settle numbers the terms in the order of their texts, and leaves out the rarest where they are too many.
func (c *corpus) settle() terms {
	kept := slices.SortedFunc(maps.Keys(c.ids), func(a, b string) int {
		return cmp.Or(cmp.Compare(c.in[c.ids[b]], c.in[c.ids[a]]), strings.Compare(a, b))
	})
	kept = kept[:min(len(kept), maxTerms)]
	slices.Sort(kept)
	t := terms{documents: count(c.docs)}
	t.texts = strings.Join(kept, "")
	numbers := slices.Repeat([]int32{-1}, len(c.in))
	end := 0
	for i, text := range kept {
		old := c.ids[text]
		numbers[old] = int32(i)
		end += len(text)
		t.ends = append(t.ends, uint32(end)) //nolint:gosec // below maxTerms * maxTermBytes
		t.in = append(t.in, c.in[old])
	}
	c.ids, c.in = nil, nil
	for i, d := range c.docs {
		var settled doc
		for n, old := range d.terms {
			if id := numbers[old]; id >= 0 {
				settled.terms = append(settled.terms, id)
				if n < d.names {
					settled.names++
				}
			}
		}
		c.docs[i] = settled
	}
	return t
}

// meanings returns a normalised vector a term.
func (c *corpus) meanings(ctx context.Context, n int) (matrix, error) {
	occurrences, err := c.occurrences(ctx, n)
	if err != nil {
		return matrix{}, err
	}
	information(occurrences)
	vectors, values, err := leftSingular(ctx, occurrences, meaningDimensions)
	if err != nil {
		return matrix{}, err
	}
	for i := range n {
		row := vectors.row(i)
		for k, value := range values {
			row[k] *= float32(math.Sqrt(value))
		}
		scale(row, 1)
	}
	return vectors, nil
}

// place is where in the documents a term is.
type place struct{ doc, at int32 }

// occurrences counts, for each of n terms, how often it occurs together with each.
func (c *corpus) occurrences(ctx context.Context, n int) (*sparse, error) {
	places := make([][]place, n)
	for d, doc := range c.docs {
		for at, id := range doc.terms {
			places[id] = append(places[id], place{int32(d), int32(at)})
		}
	}
	near := [window + 1]uint64{}
	for gap := range near {
		near[gap] = uint64(whole / (1 + 0.1*float64(gap)))
	}
	s := &sparse{columns: n}
	sums := make([]uint64, n)
	for id := range int32(n) { //nolint:gosec // of at most maxTerms
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		begin := len(s.at)
		together := func(with int32, weight uint64) {
			if with == id {
				return
			}
			if sums[with] == 0 {
				s.at = append(s.at, with)
			}
			sums[with] += weight
		}
		last := place{-1, -1}
		for _, p := range places[id] {
			doc := c.docs[p.doc]
			at := int(p.at)
			field, other := doc.name(), doc.text()
			if at >= doc.names {
				field, other = other, field
				at -= doc.names
			}
			for gap := 1; gap <= window; gap++ {
				if at >= gap {
					together(field[at-gap], near[gap])
				}
				if at+gap < len(field) {
					together(field[at+gap], near[gap])
				}
			}
			// Once a document a term of the name occurs with each of the text, however far.
			if first := last.doc != p.doc || int(last.at) < doc.names && int(p.at) >= doc.names; first {
				weight := uint64(2 * whole / (1 + 0.02*float64(len(doc.text()))))
				for _, with := range distinct(other) {
					together(with, weight)
				}
			}
			last = p
		}
		slices.Sort(s.at[begin:])
		for _, with := range s.at[begin:] {
			s.x = append(s.x, float32(sums[with]))
			sums[with] = 0
		}
		s.ends = append(s.ends, len(s.at))
	}
	return s, nil
}

// information turns counts into positive pointwise mutual information.
func information(s *sparse) {
	totals := make([]float64, len(s.ends))
	smoothed := make([]float64, len(s.ends))
	all := 0.0
	for i := range s.ends {
		_, x := s.row(i)
		for _, n := range x {
			totals[i] += float64(n)
		}
		smoothed[i] = math.Pow(totals[i], smoothing)
		all += smoothed[i]
	}
	kept, begin := 0, 0
	for i, end := range s.ends {
		for n := begin; n < end; n++ {
			j := s.at[n]
			if pmi := math.Log(float64(s.x[n]) * all / (totals[i] * smoothed[j])); pmi > 0 {
				s.at[kept], s.x[kept] = j, float32(pmi)
				kept++
			}
		}
		begin, s.ends[i] = end, kept
	}
	s.at, s.x = s.at[:kept], s.x[:kept]
}

// grams returns the terms' n-grams.
func (t *terms) grams(ctx context.Context) (grams, error) {
	in := map[uint32]int{}
	for i := range t.ends {
		for _, hash := range gramsOf(t.text(i)) {
			in[hash]++
		}
	}
	maps.DeleteFunc(in, func(_ uint32, n int) bool { return n < 2 }) // it tells nothing about likeness
	hashes := slices.SortedFunc(maps.Keys(in), func(a, b uint32) int {
		return cmp.Or(cmp.Compare(in[b], in[a]), cmp.Compare(a, b))
	})
	hashes = hashes[:min(len(hashes), maxGrams)]
	slices.Sort(hashes)
	idf := make([]float32, len(hashes))
	for i, hash := range hashes {
		idf[i] = rarity(len(t.ends), in[hash])
	}
	spelt := &sparse{columns: len(hashes)}
	for i := range t.ends {
		begin := len(spelt.at)
		for _, hash := range gramsOf(t.text(i)) {
			if g, known := slices.BinarySearch(hashes, hash); known {
				spelt.at = append(spelt.at, int32(g)) //nolint:gosec // below maxGrams
				spelt.x = append(spelt.x, idf[g])
			}
		}
		scale(spelt.x[begin:], 1)
		spelt.ends = append(spelt.ends, len(spelt.at))
	}
	vectors, _, err := leftSingular(ctx, spelt.transposed(), formDimensions)
	if err != nil {
		return grams{}, err
	}
	for i := range hashes {
		for k := range vectors.row(i) {
			vectors.row(i)[k] *= idf[i]
		}
	}
	return grams{hashes, pack(vectors)}, nil
}
