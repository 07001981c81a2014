package search

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/catalog"
)

// match is what was found, as it is being told.
type match struct {
	required []requiredSkill
	weights  matchWeights
	agents   map[uuid.UUID]catalog.Agent
}

// skillsOf returns the required skills of a set, in the order that they were asked for.
func (m match) skillsOf(set skillSet) []requiredSkill {
	skills := []requiredSkill{}
	for i, skill := range m.required {
		if set.has(i) {
			skills = append(skills, skill)
		}
	}
	return skills
}

func (m match) coverageOf(set skillSet) Covered {
	return Covered{
		Coverage:      rounded(float64(set.len()) / float64(len(m.required))),
		CoveredSkills: m.skillsOf(set), Gaps: m.skillsOf(allSkills(len(m.required)) &^ set),
	}
}

// single returns the ranked agents, but for those that have gone meanwhile.
func (m match) single(ranked []candidate) []matchedAgent {
	answer := []matchedAgent{}
	for _, c := range ranked {
		agent, there := m.agents[c.AgentID]
		if !there {
			continue
		}
		covered := m.coverageOf(skillSet(c.Mask)) //nolint:gosec // the bits are what matters, the sign among them
		levels := 0
		for _, skill := range covered.CoveredSkills {
			levels += skill.level()
		}
		n := float64(len(m.required))
		answer = append(answer, matchedAgent{
			Agent: agent, Covered: covered, Quality: c.rounded(), Score: rounded(c.Score),
			ScoreParts: scoreParts{
				Coverage:      rounded(m.weights.Coverage * float64(len(covered.CoveredSkills)) / n),
				Certification: rounded(m.weights.Certification * float64(levels) / (3 * n)),
				Quality:       rounded(m.weights.Quality * c.Quality),
				Price:         rounded(m.weights.Price * c.Price),
			},
			Why: fmt.Sprintf("%s %s. It %s, and costs %v %s an hour.", agent.Name, covered.words("has", "lacks"), c.trackRecord, agent.HourlyRate, agent.Currency),
		})
	}
	return answer
}

// teams returns the teams of more than one agent, but for those that somebody has left meanwhile.
func (m match) teams(teams [][]offer) []matchedTeam {
	answer := []matchedTeam{}
	for _, members := range teams {
		if len(members) > 1 && !slices.ContainsFunc(members, func(o offer) bool { _, there := m.agents[o.agent]; return !there }) {
			answer = append(answer, m.team(members))
		}
	}
	return answer
}

// hoursOfMonth make a price of an hourly rate.
const hoursOfMonth = 160

func (m match) team(members []offer) matchedTeam {
	var t matchedTeam
	var set skillSet
	var rate int64
	var names, currencies []string
	for _, o := range members {
		agent := m.agents[o.agent]
		set |= o.skills
		rate += o.rate
		names, currencies = append(names, agent.Name), append(currencies, agent.Currency)
		t.Agents = append(t.Agents, teamMember{
			ID: agent.ID, Name: agent.Name, HourlyRate: catalog.Hundredths(o.rate), Price: catalog.Hundredths(o.rate * hoursOfMonth),
			Currency: agent.Currency, CoveredSkills: m.skillsOf(o.skills),
		})
	}
	t.Covered = m.coverageOf(set)
	t.Why = fmt.Sprintf("%s together %s.", listed(names), t.words("have", "lack"))
	if len(slices.Compact(currencies)) == 1 {
		hourly, monthly := catalog.Hundredths(rate), catalog.Hundredths(rate*hoursOfMonth)
		t.Currency, t.HourlyRate, t.Price = &currencies[0], &hourly, &monthly
		t.Why = fmt.Sprintf("%s, for %v %s an hour.", strings.TrimSuffix(t.Why, "."), hourly, currencies[0])
	}
	return t
}

// note says what the teams tell.
func (m match) note(teams [][]offer, size int) string {
	if len(teams) == 0 {
		return "Nobody has any of the required skills, within what was asked."
	}
	var set skillSet
	for _, o := range teams[0] {
		set |= o.skills
	}
	gaps, n := m.coverageOf(set).Gaps, len(teams[0])
	switch {
	case len(gaps) == 0 && n == 1:
		return "One agent has all required skills: no team is needed."
	case len(gaps) == 0:
		return fmt.Sprintf("Nobody has all required skills alone; %d agents have them together.", n)
	case size > 0 && n == size:
		return fmt.Sprintf("No %s, within what was asked, have all required skills; these leave %s open.", counted(n, "agent"), namesOf(gaps))
	default:
		return fmt.Sprintf("Nobody has %s, within what was asked; %s all the others.", namesOf(gaps), map[bool]string{true: "one agent has", false: fmt.Sprintf("%d agents have", n)}[n == 1])
	}
}

// words say it after a name, or after several.
func (c Covered) words(has, lacks string) string {
	of := len(c.CoveredSkills) + len(c.Gaps)
	text := fmt.Sprintf("%s %d of %s (%s)", has, len(c.CoveredSkills), counted(of, "required skill"), namesOf(c.CoveredSkills))
	if len(c.Gaps) == 0 {
		text = has + " all of " + namesOf(c.CoveredSkills)
		if of == 1 {
			text = has + " " + namesOf(c.CoveredSkills)
		}
	}
	var certified []string
	for _, skill := range c.CoveredSkills {
		if skill.CertificationLevel != nil {
			certified = append(certified, skill.Name+" at "+*skill.CertificationLevel+" level")
		}
	}
	if certified != nil {
		text += ", of which " + listed(certified) + map[bool]string{true: " is", false: " are"}[len(certified) == 1] + " certified"
	}
	if len(c.Gaps) > 0 {
		text += ", and " + lacks + " " + namesOf(c.Gaps)
	}
	return text
}

func namesOf(skills []requiredSkill) string {
	var names []string
	for _, skill := range skills {
		names = append(names, skill.Name)
	}
	return listed(names)
}

// mostListed are named; of more there is only the number.
const mostListed = 5

// listed is "a", "a and b", "a, b and c".
func listed(names []string) string {
	switch n := len(names); {
	case n == 0:
		return "none"
	case n == 1:
		return names[0]
	case n > mostListed:
		return fmt.Sprintf("%s and %d others", strings.Join(names[:mostListed-1], ", "), n-mostListed+1)
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
}

// rounded has six decimals: enough to tell scores apart.
func rounded(x float64) float64 { return math.Round(x*1e6) / 1e6 }
