package local

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"sync"
	"unicode/utf8"
)

// A model is stored as its format, the SHA-256 of what follows, and little-endian numbers:
//
//	documents, terms, bytes of their texts, n-grams
//	terms: end of each in the texts · documents it is in · texts · scales and numbers of their meanings, and of their forms
//	n-grams: hashes · scales and numbers of their vectors
const (
	format     = "plantlm\x01"
	headerSize = len(format) + sha256.Size
)

// ErrDamaged is a stored model that cannot be read.
var ErrDamaged = errors.New("the stored embedding model is damaged, or of another version")

// MarshalBinary implements encoding.BinaryMarshaler.
func (m *Model) MarshalBinary() ([]byte, error) { return slices.Clone(m.data), nil }

// store makes a model of its parts.
func store(t terms, meanings, forms rows, g grams) (*Model, error) {
	data := append([]byte(format), make([]byte, sha256.Size)...)
	data = appendNumbers(data, []uint32{t.documents, count(t.ends), count([]byte(t.texts)), count(g.hashes)})
	data = appendNumbers(data, t.ends)
	data = appendNumbers(data, t.in)
	data = append(data, t.texts...)
	data = appendRows(data, meanings)
	data = appendRows(data, forms)
	data = appendNumbers(data, g.hashes)
	data = appendRows(data, g.vectors)
	sum := sha256.Sum256(data[headerSize:])
	copy(data[len(format):], sum[:])
	m := &Model{}
	return m, m.UnmarshalBinary(data)
}

func count[T any](of []T) uint32 { return uint32(len(of)) } //nolint:gosec // maxTerms and maxGrams bound it

func appendNumbers(data []byte, numbers []uint32) []byte {
	for _, n := range numbers {
		data = binary.LittleEndian.AppendUint32(data, n)
	}
	return data
}

func appendRows(data []byte, r rows) []byte {
	for _, scale := range r.scales {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(scale))
	}
	return append(data, r.x...)
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler. Damaged data is an error, and leaves the model as it was.
func (m *Model) UnmarshalBinary(data []byte) error {
	if len(data) < headerSize || string(data[:len(format)]) != format {
		return ErrDamaged
	}
	data = bytes.Clone(data)
	sum := sha256.Sum256(data[headerSize:])
	if !bytes.Equal(data[len(format):headerSize], sum[:]) {
		return ErrDamaged
	}
	r := reader{rest: data[headerSize:]}
	read := &Model{name: "local-" + hex.EncodeToString(sum[:8]), data: data}
	sizes := r.numbers(4)
	if r.failed || sizes[1] > maxTerms || sizes[3] > maxGrams {
		return ErrDamaged
	}
	read.terms.documents = sizes[0]
	read.terms.ends = r.numbers(int(sizes[1]))
	read.terms.in = r.numbers(int(sizes[1]))
	read.terms.texts = string(r.bytes(int(sizes[2])))
	read.meanings = r.rows(int(sizes[1]), meaningDimensions)
	read.forms = r.rows(int(sizes[1]), formDimensions)
	read.grams.hashes = r.numbers(int(sizes[3]))
	read.grams.vectors = r.rows(int(sizes[3]), formDimensions)
	if r.failed || len(r.rest) > 0 || !read.terms.valid() || !ascending(read.grams.hashes) {
		return ErrDamaged
	}
	read.index = sync.OnceValue(read.newIndex)
	*m = *read
	return nil
}

// valid reports whether the terms are ones that can be looked up.
func (t *terms) valid() bool {
	for i, end := range t.ends {
		if int(end) > len(t.texts) || i > 0 && end < t.ends[i-1] || t.in[i] > t.documents {
			return false
		}
		if text := t.text(i); !utf8.ValidString(text) || i > 0 && t.text(i-1) >= text {
			return false
		}
	}
	return len(t.ends) == 0 && t.texts == "" || len(t.ends) > 0 && int(t.ends[len(t.ends)-1]) == len(t.texts)
}

func ascending(numbers []uint32) bool {
	for i := range numbers {
		if i > 0 && numbers[i-1] >= numbers[i] {
			return false
		}
	}
	return true
}

// reader takes what is stored from the front, until there is too little.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) bytes(n int) []byte {
	if r.failed = r.failed || n > len(r.rest); r.failed {
		return nil
	}
	taken := r.rest[:n:n]
	r.rest = r.rest[n:]
	return taken
}

const bytesPerNumber = 4

func (r *reader) numbers(n int) []uint32 {
	stored := r.bytes(bytesPerNumber * n)
	numbers := make([]uint32, len(stored)/bytesPerNumber)
	for i := range numbers {
		numbers[i] = binary.LittleEndian.Uint32(stored[bytesPerNumber*i:])
	}
	return numbers
}

func (r *reader) rows(n, columns int) rows {
	read := rows{columns: columns, scales: make([]float32, n)}
	for i, bits := range r.numbers(n) {
		scale := math.Float32frombits(bits)
		if !(scale >= 0) || scale > maxScale {
			r.failed = true
		}
		read.scales[i] = scale
	}
	read.x = r.bytes(n * columns)
	return read
}

// maxScale is far above what training makes, and far below what could overflow.
const maxScale = 1e6
