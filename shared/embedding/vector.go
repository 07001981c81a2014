package embedding

import (
	"encoding/binary"
	"fmt"
	"math"
)

// check normalises the vectors that a provider has answered to so many texts, in place, where they are vectors.
func check(vectors [][]float32, texts int) error {
	if len(vectors) != texts {
		return wrong(fmt.Sprintf("%d vectors for %d texts", len(vectors), texts))
	}
	for _, v := range vectors {
		if len(v) != Dimensions {
			return wrong(fmt.Sprintf("a vector of %d numbers, not %d", len(v), Dimensions))
		}
		if !Normalize(v) {
			return wrong("a vector that is no direction")
		}
	}
	return nil
}

// Normalize gives a vector the length 1, and reports whether it has a direction: finite numbers that are not all zero.
func Normalize(v []float32) bool {
	length := lengthOf(v)
	if !(length > 0) || math.IsInf(length, 0) {
		return false
	}
	for i, x := range v {
		v[i] = float32(float64(x) / length)
	}
	return true
}

// lengthOf returns a vector's length, NaN or infinite where one of its numbers is.
func lengthOf(v []float32) float64 {
	squares := 0.0
	for _, x := range v {
		squares += float64(x) * float64(x)
	}
	return math.Sqrt(squares)
}

const bytesPerNumber = 4

// encode is how vectors are kept in a cache: their numbers, little-endian.
func encode(v []float32) []byte {
	text := make([]byte, 0, bytesPerNumber*len(v))
	for _, x := range v {
		text = binary.LittleEndian.AppendUint32(text, math.Float32bits(x))
	}
	return text
}

// unitError bounds what rounding to 32 bits does to the length of a vector.
const unitError = 1e-4

// decode reads what encode has made of a normalised vector, and reports whether it is one.
func decode(text []byte) ([]float32, bool) {
	if len(text) != bytesPerNumber*Dimensions {
		return nil, false
	}
	v := numbers(text)
	return v, math.Abs(lengthOf(v)-1) <= unitError // not for NaN
}

// numbers reads little-endian numbers.
func numbers(text []byte) []float32 {
	v := make([]float32, len(text)/bytesPerNumber)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(text[bytesPerNumber*i:]))
	}
	return v
}
