package search

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/httpapi"
)

// matches finds who can do what is required: single agents, and the smallest teams.
type matches struct{ store matchStore }

// requiredSkill is a skill that is asked for.
type requiredSkill struct {
	ID                 uuid.UUID `json:"id" format:"uuid"`
	Name               string    `json:"name"`
	CertificationLevel *string   `json:"certification_level" enum:"foundation,advanced,expert" nullable:"true" doc:"null where the skill is not certified, or not any more"`
}

// level is the certification as a number: 0 is none, 3 the highest.
func (s requiredSkill) level() int {
	if s.CertificationLevel == nil {
		return 0
	}
	return 1 + slices.Index([]string{"foundation", "advanced", "expert"}, *s.CertificationLevel)
}

// Covered is how much of the required skills somebody has.
type Covered struct {
	Coverage      float64         `json:"coverage" minimum:"0" maximum:"1" doc:"share of the required skills that are covered"`
	CoveredSkills []requiredSkill `json:"covered_skills"`
	Gaps          []requiredSkill `json:"gaps" doc:"the others"`
}

// matchedAgent is an agent and how well it answers what is required.
type matchedAgent struct {
	catalog.Agent
	Covered
	Quality    trackRecord `json:"quality" doc:"what the agent really did"`
	Score      float64     `json:"score" minimum:"0" maximum:"1" doc:"the sum of its parts; comparable within an answer, since prices are compared with each other"`
	ScoreParts scoreParts  `json:"score_parts"`
	Why        string      `json:"why" doc:"the same in plain words"`
}

// scoreParts are what a score is the sum of, each with its weight.
type scoreParts struct {
	Coverage      float64 `json:"coverage" doc:"share of the required skills"`
	Certification float64 `json:"certification" doc:"mean over the required skills: expert 1, advanced 2/3, foundation 1/3, not certified or not covered 0"`
	Quality       float64 `json:"quality" doc:"the score of quality"`
	Price         float64 `json:"price" doc:"g ÷ (g + hourly rate), g being the geometric mean of the rates of all that match: half where it is usual"`
}

// matchedTeam is agents that have more of the required skills together than one has alone.
type matchedTeam struct {
	Agents []teamMember `json:"agents" doc:"by id"`
	Covered
	Currency   *string        `json:"currency" nullable:"true" doc:"null where its agents' currencies differ"`
	HourlyRate *catalog.Money `json:"hourly_rate" nullable:"true" doc:"of all of them together; null where their currencies differ"`
	Price      *catalog.Money `json:"price" nullable:"true" doc:"the same for a month of 160 hours"`
	Why        string         `json:"why" doc:"the same in plain words"`
}

type teamMember struct {
	ID            uuid.UUID       `json:"id" format:"uuid"`
	Name          string          `json:"name"`
	HourlyRate    catalog.Money   `json:"hourly_rate"`
	Price         catalog.Money   `json:"price"`
	Currency      string          `json:"currency"`
	CoveredSkills []requiredSkill `json:"covered_skills"`
}

type matched struct {
	RequiredSkills []requiredSkill `json:"required_skills"`
	Agents         []matchedAgent  `json:"agents" doc:"single agents that have any of the required skills, the best first"`
	Teams          []matchedTeam   `json:"teams" doc:"the smallest teams that leave the fewest gaps, the cheapest first, at most three; none where a single agent leaves no more"`
	Exact          bool            `json:"exact" doc:"that no smaller or cheaper team does the same is proven; always so for up to 12 skills. Otherwise a team is at most 1 + ln n times as large as need be for n skills"`
	Note           string          `json:"note" doc:"what the teams tell, in plain words"`
}

type matchAnswer struct{ Body matched }

const (
	maxRequired = 64 // skills: as many as a set has bits
	maxEchoed   = 64 // characters of a name that an error repeats
)

func (m matches) role(ctx context.Context, in *struct {
	httpapi.ByID
	Body *MatchCriteria `doc:"may be left out"`
},
) (*matchAnswer, error) {
	return m.ofRole(ctx, in.ID, in.Body)
}

// ofRole matches what a job role requires; the criteria may be nil.
func (m matches) ofRole(ctx context.Context, id uuid.UUID, criteria *MatchCriteria) (*matchAnswer, error) {
	required, err := m.store.ofRole(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(required) == 0 || len(required) > maxRequired {
		return nil, httpapi.Invalid.Problem(fmt.Sprintf("the job role requires %s", counted(len(required), "skill")),
			&httpapi.Fault{Location: "path.id", Message: fmt.Sprintf("requires %s: 1 to %d can be matched at once", counted(len(required), "skill"), maxRequired)})
	}
	if criteria == nil {
		criteria = &MatchCriteria{}
	}
	return m.answer(ctx, required, *criteria)
}

func (m matches) skills(ctx context.Context, in *struct{ Body matchDraft }) (*matchAnswer, error) {
	required, err := m.required(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	return m.answer(ctx, required, in.Body.MatchCriteria)
}

// required returns the skills that a draft asks for, or the problem that names each of those that do not exist.
func (m matches) required(ctx context.Context, draft matchDraft) ([]requiredSkill, error) {
	ids, names := make([]*uuid.UUID, len(draft.RequiredSkills)), make([]*string, len(draft.RequiredSkills))
	for i, text := range draft.RequiredSkills {
		if id, err := uuid.Parse(text); err == nil && len(text) == len(id.String()) {
			ids[i] = &id
		} else {
			names[i] = &text
		}
	}
	found, err := m.store.asked(ctx, ids, names)
	if err != nil {
		return nil, err
	}
	var faults []*httpapi.Fault
	for i, text := range draft.RequiredSkills {
		if !slices.ContainsFunc(found, func(skill askedSkill) bool { return skill.Place == i }) {
			fault := &httpapi.Fault{Location: "body.required_skills[" + strconv.Itoa(i) + "]", Message: "there is no such skill"}
			if utf8.RuneCountInString(text) <= maxEchoed {
				fault.Value = text
			}
			faults = append(faults, fault)
		}
	}
	required := make([]requiredSkill, 0, len(found))
	for _, skill := range found {
		required = append(required, skill.requiredSkill)
	}
	if draft.JobRoleID != nil {
		ofRole, err := m.store.ofRole(ctx, *draft.JobRoleID)
		switch {
		case errors.Is(err, database.ErrNotFound):
			faults = append(faults, &httpapi.Fault{Location: "body.job_role_id", Message: "there is no such job role", Value: draft.JobRoleID.String()})
		case err != nil:
			return nil, err
		}
		required = append(required, ofRole...)
	}
	required = distinctSkills(required)
	if len(faults) == 0 && (len(required) == 0 || len(required) > maxRequired) {
		faults = append(faults, &httpapi.Fault{Location: "body", Message: fmt.Sprintf("asks for %s: 1 to %d can be matched at once", counted(len(required), "skill"), maxRequired)})
	}
	if len(faults) > 0 {
		return nil, httpapi.Invalid.Problem("what is required cannot be matched", faults...)
	}
	return required, nil
}

// distinctSkills leaves out what was asked for before.
func distinctSkills(skills []requiredSkill) []requiredSkill {
	distinct := skills[:0]
	for _, skill := range skills {
		if !slices.ContainsFunc(distinct, func(other requiredSkill) bool { return other.ID == skill.ID }) {
			distinct = append(distinct, skill)
		}
	}
	return distinct
}

const usualLimit = 10

func (m matches) answer(ctx context.Context, required []requiredSkill, c MatchCriteria) (*matchAnswer, error) {
	if c.Industry != "" {
		known, err := m.store.hasIndustry(ctx, c.Industry)
		if err != nil {
			return nil, err
		}
		if !known {
			return nil, httpapi.Invalid.Problem("what is asked for does not exist", &httpapi.Fault{Location: "body.industry", Message: "there is no such industry"})
		}
	}
	weights := c.weights().shares()
	found, err := m.store.candidates(ctx, required, c, weights, cmp.Or(c.Limit, usualLimit))
	if err != nil {
		return nil, err
	}
	made := match{required: required, weights: weights, agents: map[uuid.UUID]catalog.Agent{}}
	ranked := found[:countRanked(found)]
	offers := offersOf(found[len(ranked):])
	teams, exact := smallestTeams(offers, allSkills(len(required)), cmp.Or(c.TeamSize, maxRequired))
	exact = exact && len(offers) < maxOffers
	var ids []uuid.UUID
	for _, one := range ranked {
		ids = append(ids, one.AgentID)
	}
	for _, o := range slices.Concat(teams...) {
		ids = append(ids, o.agent)
	}
	agents, err := m.store.agents(ctx, ids, c)
	if err != nil {
		return nil, err
	}
	for _, agent := range agents {
		made.agents[agent.ID] = agent
	}
	return &matchAnswer{Body: matched{
		RequiredSkills: required, Agents: made.single(ranked), Teams: made.teams(teams), Exact: exact, Note: made.note(teams, c.TeamSize),
	}}, nil
}

func countRanked(found []candidate) int {
	n := slices.IndexFunc(found, func(c candidate) bool { return !c.Ranked })
	if n < 0 {
		return len(found)
	}
	return n
}

// offersOf returns each candidate for teams once: the cheapest of a skill may be among those of several as well.
func offersOf(found []candidate) []offer {
	var offers []offer
	for _, c := range found { // those of one agent stand together
		if n := len(offers); n > 0 && offers[n-1].agent == c.AgentID {
			offers[n-1].skills |= skillSet(c.Mask) //nolint:gosec // the bits are what matters, the sign among them
			continue
		}
		offers = append(offers, offer{agent: c.AgentID, skills: skillSet(c.Mask), rate: c.Rate}) //nolint:gosec // as above
	}
	return offers
}
