package local

import (
	"math"
	"sort"
	"strings"
)

// terms are the stems that a model knows, sorted.
type terms struct {
	texts     string   // one after the other
	ends      []uint32 // of each, in texts
	documents uint32   // that the model has learnt from
	in        []uint32 // documents that each is in
}

func (t *terms) text(i int) string {
	begin := uint32(0)
	if i > 0 {
		begin = t.ends[i-1]
	}
	return t.texts[begin:t.ends[i]]
}

func (t *terms) find(stem string) (int, bool) {
	return sort.Find(len(t.ends), func(i int) int { return strings.Compare(stem, t.text(i)) })
}

// idf is how much a term tells, for being rare.
func (t *terms) idf(i int) float32 {
	return float32(math.Log1p((float64(t.documents) + 0.5) / (float64(t.in[i]) + 0.5)))
}

// rows are vectors of one length, whose numbers are kept as int8 times a scale a vector.
type rows struct {
	columns int
	scales  []float32
	x       []byte
}

// addTo adds row i, weighted.
func (r *rows) addTo(sum []float32, i int, weight float32) {
	weight *= r.scales[i]
	row := r.x[i*r.columns:][:r.columns]
	sum = sum[:len(row)]
	for j, x := range row {
		sum[j] += weight * float32(int8(x)) //nolint:gosec // stored as two's complement
	}
}

// dot returns row i's product with a vector.
func (r *rows) dot(i int, v []float32) float64 {
	row := r.x[i*r.columns:][:r.columns]
	v = v[:len(row)]
	sum := float32(0)
	for j, x := range row {
		sum += v[j] * float32(int8(x)) //nolint:gosec // stored as two's complement
	}
	return float64(sum * r.scales[i])
}

const largestByte = 127

// pack makes rows of a matrix.
func pack(m matrix) rows {
	r := rows{columns: m.columns, scales: make([]float32, m.rows), x: make([]byte, len(m.x))}
	for i := range m.rows {
		largest := float32(0)
		for _, x := range m.row(i) {
			largest = max(largest, x, -x)
		}
		if largest == 0 {
			continue
		}
		r.scales[i] = largest / largestByte
		for j, x := range m.row(i) {
			r.x[i*m.columns+j] = byte(int8(math.Round(float64(x / r.scales[i])))) //nolint:gosec // it is in ±127
		}
	}
	return r
}
