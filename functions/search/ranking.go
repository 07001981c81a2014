package search

import (
	"encoding/base64"
	"encoding/binary"
	"math"

	"github.com/google/uuid"
)

// ranked is an agent that was found, and its score in ten-thousandths: what cursors and page tokens keep of it.
type ranked struct {
	id    uuid.UUID
	score uint16
}

type ranking []ranked

const rankedBytes = len(uuid.UUID{}) + 2

func (p ranking) first(n int) ranking { return p[:min(n, len(p))] }

func (p ranking) ids() []uuid.UUID {
	ids := make([]uuid.UUID, len(p))
	for i, one := range p {
		ids[i] = one.id
	}
	return ids
}

// score returns the score of one of them, from 0 to 1.
func (p ranking) score(id uuid.UUID) float64 {
	for _, one := range p {
		if one.id == id {
			return float64(one.score) / wholeScore
		}
	}
	return 0
}

// wholeScore is a score of 1 as it is kept.
const wholeScore = 10_000

func rankedAs(id uuid.UUID, score float64) ranked {
	return ranked{id, uint16(math.Round(min(max(score, 0), 1) * wholeScore))}
}

// position is what a cursor or a page token keeps of what is left of a search, so that later pages go on in the order of
// the first.
func (p ranking) position() []string {
	packed := make([]byte, 0, len(p)*rankedBytes)
	for _, one := range p {
		packed = binary.BigEndian.AppendUint16(append(packed, one.id[:]...), one.score)
	}
	return []string{base64.RawURLEncoding.EncodeToString(packed)}
}

// at returns the ranking of a position, if it is one.
func at(position []string) (ranking, bool) {
	if len(position) != 1 {
		return nil, false
	}
	packed, err := base64.RawURLEncoding.DecodeString(position[0])
	if err != nil {
		return nil, false
	}
	return unpack(packed)
}

// unpack reads a ranking as positions keep it, and as the statement that searches returns it.
func unpack(packed []byte) (ranking, bool) {
	if len(packed)%rankedBytes != 0 {
		return nil, false
	}
	left := make(ranking, 0, len(packed)/rankedBytes)
	for ; len(packed) > 0; packed = packed[rankedBytes:] {
		left = append(left, ranked{uuid.UUID(packed[:rankedBytes-2]), binary.BigEndian.Uint16(packed[rankedBytes-2:])})
	}
	return left, true
}
