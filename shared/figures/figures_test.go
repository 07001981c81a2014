package figures

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The pieces of a span cover it, each moment once, with few rollups.
func TestPiecesOf_CoverASpanOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 9600).Draw(r, "from")) * Quarter)
		s := Span{from, from.Add(time.Duration(rapid.IntRange(1, 9600).Draw(r, "length")) * Quarter)}
		at, rows := s.From, 0
		for _, p := range piecesOf([]Span{s}) {
			if p.From != at || !p.To.After(p.From) || p.bucket != 0 {
				r.Fatalf("%v after %v", p, at)
			}
			length := Quarter
			if p.grain == "day" {
				length = Day
			}
			if p.From.Truncate(length) != p.From || p.To.Truncate(length) != p.To {
				r.Fatalf("%v is of no whole %v", p, length)
			}
			at, rows = p.To, rows+int(p.To.Sub(p.From)/length)
		}
		if most := int(s.To.Sub(s.From)/Day) + 2*95; at != s.To || rows > most {
			r.Fatalf("%v is covered to %v, by %d rollups", s, at, rows)
		}
	})
}
