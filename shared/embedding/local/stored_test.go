package local

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestModel_Stored(t *testing.T) {
	t.Parallel()
	m := train(t, catalogue(40))
	data := stored(t, m)
	var again Model
	if err := again.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	clear(data) // it is the caller's
	for _, text := range []string{"lawyer", "lawyre", "a chef"} {
		if diff := cmp.Diff(m.Query(text), again.Query(text)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
	if again.Model() != m.Model() || string(stored(t, &again)) != string(stored(t, m)) {
		t.Error("what is read is not what was stored")
	}
}

func TestModel_Damaged(t *testing.T) {
	t.Parallel()
	m := train(t, catalogue(40))
	good := stored(t, m)
	want := m.Model()
	damaged := func(what string, data []byte) {
		t.Helper()
		if err := m.UnmarshalBinary(data); err == nil || m.Model() != want || m.Query("lawyer") == nil {
			t.Errorf("%s: %v, and the model is %q", what, err, m.Model())
		}
	}
	damaged("nothing", nil)
	damaged("only a format", []byte(format))
	damaged("too much", append(slices.Clone(good), 0))
	for n := 0; n < len(good); n += 97 {
		damaged("cut", good[:n])
		flipped := slices.Clone(good)
		flipped[n] ^= 1 << (n % 8)
		damaged("a bit", flipped)
	}
	for what, change := range map[string]func(body []byte){
		"many terms":        func(b []byte) { binary.LittleEndian.PutUint32(b[4:], math.MaxUint32) },
		"more terms":        func(b []byte) { b[4]++ },
		"more text":         func(b []byte) { b[8]++ },
		"many n-grams":      func(b []byte) { binary.LittleEndian.PutUint32(b[12:], math.MaxUint32) },
		"no documents":      func(b []byte) { clear(b[:4]) },
		"an end before":     func(b []byte) { b[16+4] = 0 },
		"an end far behind": func(b []byte) { b[16+3] = 0xff },
		"a last end":        func(b []byte) { b[16+4*(len(m.terms.ends)-1)]-- },
		"terms, not sorted": func(b []byte) { b[16+8*len(m.terms.ends)] = 'z' },
		"a scale of NaN":    func(b []byte) { copy(b[16+8*len(m.terms.ends)+len(m.terms.texts):], "\xff\xff\xff\xff") },
	} {
		data := slices.Clone(good)
		change(data[headerSize:])
		damaged(what, sealed(data))
	}
}

// sealed gives damaged data the sum of what it holds.
func sealed(data []byte) []byte {
	sum := sha256.Sum256(data[headerSize:])
	copy(data[len(format):], sum[:])
	return data
}

// Whatever is stored, it is a model that makes vectors, or an error.
func FuzzModel(f *testing.F) {
	m := train(f, catalogue(8))
	f.Add(stored(f, m)[headerSize:])
	f.Add(stored(f, train(f, nil))[headerSize:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		var m Model
		if err := m.UnmarshalBinary(sealed(append(make([]byte, 0, headerSize+len(body)), append([]byte(format+string(make([]byte, sha256.Size))), body...)...))); err != nil {
			return
		}
		for _, text := range []string{"lawyer", "lawyre qwrtplk", "律师"} {
			wantVector(t, text, m.Query(text))
		}
	})
}
