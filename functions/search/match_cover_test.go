package search

import (
	"bytes"
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// nthAgent is the id of the nth agent of a test, which come in this order.
func nthAgent(n int) uuid.UUID { return uuid.UUID{14: byte(n >> 8), 15: byte(n)} }

// bruteForce tries every team of at most size offers: those that leave the fewest skills open, of those the smallest, of
// those the cheapest, and of those the ones whose ids come first.
func bruteForce(offers []offer, skills skillSet, size int) [][]offer {
	type scored struct {
		members      []offer
		gaps         int
		rate         int64
		spelledByIDs []byte
	}
	var all []scored
	for choice := 1; choice < 1<<len(offers); choice++ {
		var s scored
		open := skills
		for i, o := range offers {
			if choice&(1<<i) != 0 {
				s.members, s.rate, open = append(s.members, o), s.rate+o.rate, open&^o.skills
				s.spelledByIDs = append(s.spelledByIDs, o.agent[:]...)
			}
		}
		s.gaps = open.len()
		if len(s.members) <= size && open != skills {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b scored) int {
		return cmp.Or(a.gaps-b.gaps, len(a.members)-len(b.members), cmp.Compare(a.rate, b.rate), bytes.Compare(a.spelledByIDs, b.spelledByIDs))
	})
	var best [][]offer
	for _, s := range all {
		if s.gaps == all[0].gaps && len(s.members) == len(all[0].members) && len(best) < maxTeams {
			best = append(best, s.members)
		}
	}
	return best
}

// agentsOf are the agents of teams, which is what tells teams apart.
func agentsOf(teams [][]offer) [][]uuid.UUID {
	all := [][]uuid.UUID{}
	for _, members := range teams {
		var ids []uuid.UUID
		for _, o := range members {
			ids = append(ids, o.agent)
		}
		all = append(all, ids)
	}
	return all
}

func TestSmallestTeams_AreThoseOfBruteForce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(r, "skills")
		// Few skills each and few rates make gaps, larger teams and ties.
		some := rapid.IntRange(1, 4).Draw(r, "skills each")
		rates := rapid.Int64Range(1, int64(rapid.SampledFrom([]int{1, 3, 1000}).Draw(r, "rates")))
		var offers []offer
		for i := range rapid.IntRange(0, 11).Draw(r, "offers") {
			var has skillSet
			for range some {
				has |= 1 << rapid.IntRange(0, n-1).Draw(r, "skill")
			}
			offers = append(offers, offer{nthAgent(i), has, rates.Draw(r, "rate")})
		}
		size := rapid.SampledFrom([]int{1, 2, 3, maxRequired}).Draw(r, "size")
		want := bruteForce(offers, allSkills(n), size)
		got, exact := smallestTeams(offers, allSkills(n), size)
		if !exact {
			r.Fatal("it is not exact")
		}
		if diff := gocmp.Diff(agentsOf(want), agentsOf(got)); diff != "" {
			r.Fatalf("%d skills, teams of at most %d, %v: %s", n, size, offers, diff)
		}
	})
}

// Twelve skills are always exact, in bounded time: also where all sets of them are on offer, and the larger the dearer.
func TestSmallestTeams_TwelveSkillsAreExact(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	const skills = 12
	instances := map[string]func(set skillSet) (rate int64, offered bool){
		"any rate":           func(skillSet) (int64, bool) { return 1 + random.Int64N(1000), true },
		"larger and dearer":  func(s skillSet) (int64, bool) { return int64(100*s.len()) + random.Int64N(100), s.len() < skills },
		"three each at most": func(s skillSet) (int64, bool) { return int64(100*s.len()) + random.Int64N(100), s.len() <= 3 },
		"five each at most":  func(s skillSet) (int64, bool) { return 1 + random.Int64N(1000), s.len() <= 5 },
		"two each at most":   func(skillSet) (int64, bool) { return 1 + random.Int64N(10), true },
	}
	for name, offered := range instances {
		var offers []offer
		for range maxTeams {
			for set := skillSet(1); set.in(allSkills(skills)); set++ {
				if rate, ok := offered(set); ok && (name != "two each at most" || set.len() <= 2) {
					offers = append(offers, offer{nthAgent(len(offers)), set, rate})
				}
			}
		}
		for _, size := range []int{maxRequired, 2, 1} {
			begin := time.Now()
			teams, exact := smallestTeams(offers, allSkills(skills), size)
			if took := time.Since(begin); took > time.Minute { // it takes 0.2 s at most, and ten times as long with the race detector
				t.Errorf("%s, %d at most: took %v", name, size, took)
			}
			if !exact || len(teams) != maxTeams {
				t.Errorf("%s, %d at most: %d teams, exact is %v", name, size, len(teams), exact)
			}
		}
	}
}

// What cannot be searched to its end is found by the greedy rule, within its bound, and says so. Eight offers split all
// skills among them here, so the smallest team has no more; others have more skills each, but in no order.
func TestSmallestTeams_GreedyWithinItsBound(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	greedy := 0
	for range 8 {
		const smallest = 8 // of 64 skills, 8 each
		var offers []offer
		order := random.Perm(maxRequired)
		for i := range smallest {
			var set skillSet
			for _, skill := range order[i*8 : (i+1)*8] {
				set |= 1 << skill
			}
			offers = append(offers, offer{nthAgent(i), set, 100})
		}
		for i := range 400 {
			var set skillSet
			for range 14 {
				set |= 1 << random.IntN(maxRequired)
			}
			offers = append(offers, offer{nthAgent(smallest + i), set, 1 + random.Int64N(100)})
		}
		begin := time.Now()
		teams, exact := smallestTeams(offers, allSkills(maxRequired), maxRequired)
		if took := time.Since(begin); took > 30*time.Second { // it takes 0.1 s
			t.Errorf("took %v", took)
		}
		var covered skillSet
		for _, o := range teams[0] {
			covered |= o.skills
		}
		if covered != allSkills(maxRequired) {
			t.Errorf("leaves %d skills open", (allSkills(maxRequired) &^ covered).len())
		}
		if most := smallest * (1 + math.Log(maxRequired)); float64(len(teams[0])) > most {
			t.Errorf("a team of %d, where %d are enough", len(teams[0]), smallest)
		}
		if exact && len(teams[0]) > smallest {
			t.Errorf("a team of %d is not the smallest", len(teams[0]))
		}
		if !exact {
			greedy++
		}
	}
	if greedy == 0 {
		t.Error("all instances were searched to their end: they show nothing of the greedy rule")
	}
}

func TestGreedyTeam_AtMostSize(t *testing.T) {
	t.Parallel()
	offers := []offer{{nthAgent(0), 0b0111, 9}, {nthAgent(1), 0b1000, 1}, {nthAgent(2), 0b1100, 2}, {nthAgent(3), 0b0011, 3}}
	for size, want := range map[int][]offer{1: offers[:1], 2: offers[:2], 4: offers[:2]} {
		if diff := gocmp.Diff(agentsOf([][]offer{want}), agentsOf([][]offer{greedyTeam(offers, 0b1111, size)})); diff != "" {
			t.Errorf("%d at most: %s", size, diff)
		}
	}
	// The first is superfluous once those who have the rest of what it has are there.
	offers = []offer{{nthAgent(0), 0b01110, 1}, {nthAgent(1), 0b00011, 1}, {nthAgent(2), 0b11100, 1}}
	if diff := gocmp.Diff(agentsOf([][]offer{offers[1:]}), agentsOf([][]offer{greedyTeam(offers, 0b11111, 5)})); diff != "" {
		t.Error(diff)
	}
}

func TestOffersOf_EachAgentOnce(t *testing.T) {
	t.Parallel()
	got := offersOf([]candidate{
		{AgentID: nthAgent(1), Mask: 0b011, Rate: 5},
		{AgentID: nthAgent(1), Mask: 0b001, Rate: 5},
		{AgentID: nthAgent(2), Mask: math.MinInt64, Rate: 6},
	})
	want := []offer{{nthAgent(1), 0b011, 5}, {nthAgent(2), 1 << 63, 6}}
	if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(offer{})); diff != "" {
		t.Error(diff)
	}
}
