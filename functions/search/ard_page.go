package search

import (
	"encoding/base64"

	"github.com/google/uuid"
)

// ranked is an agent that was found, and its score in hundredths.
type ranked struct {
	id    uuid.UUID
	score uint8
}

type ranking []ranked

const rankedBytes = len(uuid.UUID{}) + 1

func (p ranking) first(n int) ranking { return p[:min(n, len(p))] }

func (p ranking) ids() []uuid.UUID {
	ids := make([]uuid.UUID, len(p))
	for i, one := range p {
		ids[i] = one.id
	}
	return ids
}

func (p ranking) score(id uuid.UUID) int {
	for _, one := range p {
		if one.id == id {
			return int(one.score)
		}
	}
	return 0
}

// pack makes a position of what is left of a search, so that later pages go on in the order of the first.
func (p ranking) pack() []string {
	packed := make([]byte, 0, len(p)*rankedBytes)
	for _, one := range p {
		packed = append(append(packed, one.id[:]...), one.score)
	}
	return []string{base64.RawURLEncoding.EncodeToString(packed)}
}

func unpack(position []string) (ranking, bool) {
	if len(position) != 1 {
		return nil, false
	}
	packed, err := base64.RawURLEncoding.DecodeString(position[0])
	if err != nil || len(packed)%rankedBytes != 0 {
		return nil, false
	}
	var left ranking
	for ; len(packed) > 0; packed = packed[rankedBytes:] {
		left = append(left, ranked{uuid.UUID(packed[:rankedBytes-1]), packed[rankedBytes-1]})
	}
	return left, true
}
