package search

import (
	"bytes"
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/google/uuid"
)

// skillSet is a set of required skills, a bit for each.
type skillSet uint64

func (s skillSet) len() int             { return bits.OnesCount64(uint64(s)) }
func (s skillSet) has(skill int) bool   { return s&(1<<skill) != 0 }
func (s skillSet) in(all skillSet) bool { return s&^all == 0 }

// allSkills is the set of the first n skills.
func allSkills(n int) skillSet { return skillSet(1)<<n - 1 }

// offer is an agent as teams see it.
type offer struct {
	agent  uuid.UUID
	skills skillSet
	rate   int64 // hundredths an hour
}

func (o offer) compare(other offer) int {
	return cmp.Or(cmp.Compare(o.rate, other.rate), bytes.Compare(o.agent[:], other.agent[:]))
}

const (
	// maxTeams are answered: the cheapest of the smallest.
	maxTeams = 3
	// exactSkills are always covered exactly: there are 2¹² sets of them at most, each of which is looked at once. It takes
	// about a millisecond, and 100 where all sets are on offer and the larger ones are dearer.
	exactSkills = 12
	// coverSteps bound how long the smallest teams for more skills are looked for: about 50 ms.
	coverSteps = 2_000_000
)

// smallestTeams returns the teams of at most size agents that leave the fewest of the skills open, of those the smallest,
// of those the cheapest, and of those the ones whose ids come first; at most maxTeams, and none where no offer has any of
// the skills. They are exact unless there are more than exactSkills and the search would take too long. Then there is one team by the greedy rule: its size is at
// most 1 + ln n times the smallest for n skills (Chvátal 1979) and, where size cuts it short, it covers at least 1 − 1/e
// of what the best one does (Nemhauser, Wolsey and Fisher 1978).
func smallestTeams(offers []offer, skills skillSet, size int) (teams [][]offer, exact bool) {
	offers = undominated(offers, skills)
	var open skillSet
	for _, o := range offers {
		open |= o.skills
	}
	if open == 0 {
		return nil, true
	}
	search := newCoverSearch(offers)
	if open.len() <= exactSkills {
		search.steps = math.MaxInt
	}
	most := min(size, open.len())
	for gaps := range open.len() {
		for n := 1; n <= most; n++ {
			found := search.teams(open, n, gaps)
			if search.steps < 0 {
				return [][]offer{greedyTeam(offers, open, size)}, false
			}
			if len(found) > 0 {
				return search.offersOf(found), true
			}
		}
	}
	return nil, true
}

// undominated returns the offers that some answer can need, by id: maxTeams others that have all of an offer's skills and
// cost no more make it superfluous, since each can stand in its place.
func undominated(offers []offer, skills skillSet) []offer {
	offers = slices.Clone(offers)
	slices.SortFunc(offers, offer.compare)
	var kept []offer
	var sets []skillSet // of those that are kept, close together: most of the time goes into looking through them
	for _, o := range offers {
		o.skills &= skills
		better := 0
		for _, set := range sets {
			if o.skills.in(set) {
				if better++; better == maxTeams {
					break
				}
			}
		}
		if o.skills != 0 && better < maxTeams {
			kept, sets = append(kept, o), append(sets, o.skills)
		}
	}
	slices.SortFunc(kept, func(a, b offer) int { return bytes.Compare(a.agent[:], b.agent[:]) })
	return kept
}

// team is some of the offers, by their places, ascending: so by id.
type team struct {
	members []int
	rate    int64
}

func (t team) compare(other team) int {
	return cmp.Or(cmp.Compare(t.rate, other.rate), slices.Compare(t.members, other.members))
}

// with is the team and one more.
func (t team) with(member int, rate int64) team {
	at, _ := slices.BinarySearch(t.members, member)
	return team{slices.Insert(slices.Clone(t.members), at, member), t.rate + rate}
}

// coverSearch finds the cheapest teams for what is still open, and remembers them: one of the open skills is either had by
// the next agent, or stays open.
type coverSearch struct {
	offers []offer
	having [64][]int // the offers that have a skill
	rarest []int     // skills, those that the fewest have first: they leave the least to choose from
	widest int       // the most skills of an offer
	known  map[coverState][]team
	steps  int // that are left
}

type coverState struct {
	open       skillSet
	size, gaps int
}

func newCoverSearch(offers []offer) *coverSearch {
	s := &coverSearch{offers: offers, known: map[coverState][]team{}, steps: coverSteps}
	for i, o := range offers {
		s.widest = max(s.widest, o.skills.len())
		for skill := range s.having {
			if o.skills.has(skill) {
				s.having[skill] = append(s.having[skill], i)
			}
		}
	}
	for skill := range s.having {
		s.rarest = append(s.rarest, skill)
	}
	slices.SortStableFunc(s.rarest, func(a, b int) int { return len(s.having[a]) - len(s.having[b]) })
	return s
}

// teams returns the cheapest teams of at most size agents that leave at most so many gaps in what is open. It answers
// nothing of use once steps are used up.
func (s *coverSearch) teams(open skillSet, size, gaps int) []team {
	if open.len() <= gaps {
		return []team{{}}
	}
	if open.len()-gaps > size*s.widest || s.steps < 0 {
		return nil
	}
	state := coverState{open, size, gaps}
	if best, ok := s.known[state]; ok {
		return best
	}
	var best []team
	keep := func(t team) {
		at, there := slices.BinarySearchFunc(best, t, team.compare)
		if !there && at < maxTeams {
			best = slices.Insert(best, at, t)
			best = best[:min(len(best), maxTeams)]
		}
	}
	next := s.rarest[slices.IndexFunc(s.rarest, open.has)]
	s.steps -= len(s.having[next])
	for _, i := range s.having[next] {
		o, left := s.offers[i], open&^s.offers[i].skills
		if left.len()-gaps > (size-1)*s.widest || len(best) == maxTeams && o.rate > best[maxTeams-1].rate {
			continue
		}
		s.steps -= 4 // what is remembered has to be found
		for _, rest := range s.teams(left, size-1, gaps) {
			keep(rest.with(i, o.rate))
		}
	}
	if gaps > 0 {
		for _, rest := range s.teams(open&^(1<<next), size, gaps-1) {
			keep(rest)
		}
	}
	s.known[state] = best
	return best
}

func (s *coverSearch) offersOf(teams []team) [][]offer {
	all := make([][]offer, len(teams))
	for i, t := range teams {
		for _, member := range t.members {
			all[i] = append(all[i], s.offers[member])
		}
	}
	return all
}

// greedyTeam takes, again and again, the offer that has the most of what is still open.
func greedyTeam(offers []offer, open skillSet, size int) []offer {
	var members []offer
	for open != 0 && len(members) < size {
		best := slices.MaxFunc(offers, func(a, b offer) int {
			return cmp.Or((a.skills&open).len()-(b.skills&open).len(), b.compare(a))
		})
		members, open = append(members, best), open&^best.skills
	}
	// Those who came later may have made an earlier one superfluous.
	for i := len(members) - 1; i >= 0; i-- {
		var others skillSet
		for j, o := range members {
			if j != i {
				others |= o.skills
			}
		}
		if members[i].skills.in(others) {
			members = slices.Delete(members, i, i+1)
		}
	}
	slices.SortFunc(members, func(a, b offer) int { return bytes.Compare(a.agent[:], b.agent[:]) })
	return members
}
