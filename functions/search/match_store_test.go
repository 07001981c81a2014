package search

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/database"
	"github.com/waooaw/plant/shared/database/dbtest"
)

// What each agent covers by the rows themselves, without what stands on the links: $1 are skills.
const coveredByRows = `
	select a.id::text || array(select k.name from unnest($1::uuid[]) with ordinality w (id, n) join plant.skills k on k.id = w.id where w.id = any (a.skill_ids) order by n)::text
		|| array(select k.name from unnest($1::uuid[]) with ordinality w (id, n) join plant.skills k on k.id = w.id where w.id <> all (a.skill_ids) order by n)::text
	from plant.agents a where a.id = any ($2) order by array_position($2, a.id)`

// A18, A19: of any catalogue and filter, what is answered follows from the rows: coverage and gaps of each agent and team,
// as many agents as brute force finds, the best first, and the teams of brute force. None that the filter hides is answered
// or takes another's place.
func TestA18_A19_MatchFollowsFromTheRows(t *testing.T) {
	t.Parallel()
	s := start(t)
	random := rand.New(rand.NewPCG(5, 6)) // the same catalogue in every run
	skills := s.addSkills(t, 8)
	statuses, industries, currencies := []string{"available", "working", "offline"}, []string{"marketing", "education", "sales"}, []string{"INR", "USD"}
	pick := func(of []string) string { return of[random.IntN(len(of))] }
	type made struct {
		agent
		id                uuid.UUID
		currency          string
		deleted           bool
		completed, failed int
	}
	var all []made
	for range 250 {
		a := made{agent: agent{status: pick(statuses), industry: pick(industries), rate: 1 + random.IntN(40)}, currency: pick(currencies), deleted: random.IntN(6) == 0}
		for _, i := range random.Perm(len(skills))[:random.IntN(4)] {
			a.skills = append(a.skills, skills[i])
		}
		a.id = s.add(t, a.agent)
		a.completed, a.failed = random.IntN(20), random.IntN(10)
		s.measure(t, a.id, a.completed+a.failed, a.completed, 0, 0)
		if a.currency != "INR" {
			s.DB.Exec(t, `update plant.agents set currency = $2 where id = $1`, a.id, a.currency)
		}
		if a.deleted {
			s.DB.Exec(t, `update plant.agents set deleted_at = now() where id = $1`, a.id)
		}
		all = append(all, a)
	}
	for range 60 {
		var wanted []uuid.UUID
		for _, i := range random.Perm(len(skills))[:1+random.IntN(len(skills))] {
			wanted = append(wanted, skills[i])
		}
		limit := 1 + random.IntN(50)
		more := []any{"limit", limit, "weights", map[string]any{"coverage": 1}}
		passes := func(a made) bool { return a.status == "available" }
		also := func(name string, value any, condition func(made) bool) {
			before := passes
			more, passes = append(more, name, value), func(a made) bool { return before(a) && condition(a) }
		}
		if random.IntN(3) == 0 {
			some := []string{pick(statuses), pick(statuses)}
			more, passes = append(more, "status", some), func(a made) bool { return slices.Contains(some, a.status) }
		}
		if industry := pick(industries); random.IntN(3) == 0 {
			also("industry", strings.ToUpper(industry), func(a made) bool { return a.industry == industry })
		}
		if currency := pick(currencies); random.IntN(3) == 0 {
			also("currency", currency, func(a made) bool { return a.currency == currency })
		}
		if rate := 1 + random.IntN(40); random.IntN(3) == 0 {
			also("max_hourly_rate", rate, func(a made) bool { return a.rate <= rate })
		}
		size := maxRequired
		if random.IntN(3) == 0 {
			size = 1 + random.IntN(3)
			more = append(more, "team_size", size)
		}

		// Only coverage counts, so that the order is by it and then by id.
		var best []offer
		for _, a := range all {
			o := offer{agent: a.id, rate: int64(a.rate) * 100}
			for i, skill := range wanted {
				if slices.Contains(a.skills, skill) {
					o.skills |= 1 << i
				}
			}
			if passes(a) && !a.deleted && o.skills != 0 {
				best = append(best, o)
			}
		}
		slices.SortStableFunc(best, func(a, b offer) int { return b.skills.len() - a.skills.len() })
		ids := []uuid.UUID{}
		for _, o := range best {
			ids = append(ids, o.agent)
		}
		got := s.match(t, asks(t, wanted, more...))
		if diff := gocmp.Diff(ids[:min(len(ids), limit)], matchedIDs(got)); diff != "" {
			t.Fatalf("%d skills, %v: %s", len(wanted), more, diff)
		}
		byTeams, exact := smallestTeams(best, allSkills(len(wanted)), size)
		byTeams = slices.DeleteFunc(byTeams, func(team []offer) bool { return len(team) == 1 })
		if diff := gocmp.Diff(agentsOf(byTeams), teamsOf(got)); diff != "" || !exact || !got.Exact {
			t.Fatalf("%d skills, %v: %s", len(wanted), more, diff)
		}

		var told []string
		for _, a := range got.Agents {
			told = append(told, a.ID.String()+array(a.CoveredSkills)+array(a.Gaps))
			if a.Coverage != rounded(float64(len(a.CoveredSkills))/float64(len(wanted))) {
				t.Errorf("a coverage of %v with %d of %d skills", a.Coverage, len(a.CoveredSkills), len(wanted))
			}
		}
		rows := dbtest.Scalar[[]string](t, s.DB, `select coalesce(array_agg(line), '{}') from (`+coveredByRows+`) l (line)`, wanted, matchedIDs(got))
		if diff := gocmp.Diff(rows, told, gocmp.Comparer(func(a, b []string) bool { return slices.Equal(a, b) })); diff != "" {
			t.Fatalf("coverage and gaps: %s", diff)
		}
		for _, team := range got.Teams {
			var members []uuid.UUID
			for _, member := range team.Agents {
				members = append(members, member.ID)
			}
			names := dbtest.Scalar[string](t, s.DB, `select array(select k.name from unnest($1::uuid[]) with ordinality w (id, n) join plant.skills k on k.id = w.id
				where exists (select from plant.agents a where a.id = any ($2) and w.id = any (a.skill_ids)) order by n)::text`, wanted, members)
			if names != array(team.CoveredSkills) {
				t.Fatalf("the team %v covers %s by its rows, and is told to cover %s", members, names, array(team.CoveredSkills))
			}
			rate := dbtest.Scalar[string](t, s.DB, `select sum(hourly_rate)::text from plant.agents where id = any ($1)`, members)
			if team.HourlyRate != nil && team.HourlyRate.String() != rate {
				t.Fatalf("the team %v costs %s by its rows, and is told to cost %v", members, rate, team.HourlyRate)
			}
		}
	}
}

// array is how SQL writes the names of skills.
func array(skills []requiredSkill) string {
	var names []string
	for _, skill := range skills {
		names = append(names, `"`+skill.Name+`"`)
	}
	return "{" + strings.Join(names, ",") + "}"
}

// The best are the best of all, whose quality was looked at or not: as the figures of each say, by themselves.
func TestMatch_RanksAllByAllFigures(t *testing.T) {
	t.Parallel()
	s := start(t)
	random := rand.New(rand.NewPCG(7, 8))
	skills := s.addSkills(t, 4)
	var required []requiredSkill
	for i, id := range skills {
		level := []string{"foundation", "advanced", "expert"}[i%3]
		required = append(required, requiredSkill{ID: id, CertificationLevel: &level})
	}
	type figures struct {
		id    uuid.UUID
		value matchWeights // of each part
		rate  float64
	}
	const agents = 700 // more than any look at first
	all, logarithms := make([]figures, agents), 0.0
	for i := range all {
		a, f := agent{rate: 1 + random.IntN(100)}, &all[i]
		for _, skill := range random.Perm(len(skills))[:1+random.IntN(3)] {
			a.skills = append(a.skills, skills[skill])
			f.value.Coverage += 0.25
			f.value.Certification += float64(required[skill].level()) / 12
		}
		f.id = s.add(t, a)
		f.rate, logarithms = float64(a.rate), logarithms+math.Log(float64(a.rate))
		jobs := random.IntN(200)
		done := random.IntN(jobs + 1)
		s.measure(t, f.id, jobs, done, 0, 0)
		f.value.Quality = 0.5*float64(done+16)/float64(jobs+20) + 0.5*(3.5-1)/4
	}
	usual := math.Exp(logarithms / agents)
	for _, weights := range []matchWeights{usualWeights, {Quality: 1}, {Coverage: 0.9, Quality: 0.1}, {Price: 0.5, Quality: 0.5}, {Certification: 1, Price: 0.1}} {
		weights = weights.shares()
		score := func(f figures) float64 {
			return weights.Coverage*f.value.Coverage + weights.Certification*f.value.Certification + weights.Quality*f.value.Quality + weights.Price*usual/(usual+f.rate)
		}
		slices.SortFunc(all, func(a, b figures) int { return cmp.Compare(score(b), score(a)) })
		for _, limit := range []int{1, 10, 50} {
			found, err := matchStore{s.DB.DB}.candidates(t.Context(), required, MatchCriteria{}, weights, limit)
			if err != nil || countRanked(found) != limit {
				t.Fatalf("found %d of %d, %v", countRanked(found), limit, err)
			}
			for i, c := range found[:limit] { // equals may come in either order
				if want := score(all[i]); math.Abs(c.Score-want) > 1e-9 {
					t.Errorf("%+v: the agent at place %d scores %v, want %v", weights, i, c.Score, want)
				}
			}
		}
	}
}

// Whatever is written to an agent, by whomever, its links say the same.
func TestAgentSkills_SayWhatTheAgentSays(t *testing.T) {
	t.Parallel()
	s := start(t)
	skills := s.addSkills(t, 3)
	id := s.add(t, agent{skills: skills[:2]})
	const differ = `
		select count(*) from plant.agent_skills l join plant.agents a on a.id = l.agent_id
		where (l.industry, l.currency, l.status, l.rate, l.live) is distinct from (a.industry, a.currency, a.status, (a.hourly_rate * 100)::bigint, a.deleted_at is null)`
	writes := map[string]any{
		`status = $2`: []any{"working", "offline", "available"}, `hourly_rate = $2`: []any{0.01, 9999999999.99, 85.5}, `currency = $2`: []any{"USD", "INR"},
		`deleted_at = $2`: []any{"2026-01-01", nil}, `name = $2`: []any{"Other"}, `skill_ids = $2`: []any{skills, skills[2:], []uuid.UUID{}, skills[:1]},
		`skill_ids = $2, status = 'offline', hourly_rate = 7`: []any{skills, skills[1:]},
	}
	rapid.Check(t, func(r *rapid.T) {
		write := rapid.SampledFrom(slices.Sorted(maps.Keys(writes))).Draw(r, "write")
		value := rapid.SampledFrom(writes[write].([]any)).Draw(r, "value")
		s.DB.Exec(t, `update plant.agents set `+write+` where id = $1`, id, value)
		if got := dbtest.Scalar[int](t, s.DB, differ); got != 0 {
			r.Fatalf("%s, %v: %d links say something else", write, value, got)
		}
	})
}

// A match finds what was committed just before it.
func TestMatch_FollowsWrites(t *testing.T) {
	t.Parallel()
	s := start(t)
	skills := s.addSkills(t, 2)
	id := s.add(t, agent{skills: skills[:1], rate: 10})
	finds := func(want bool, more ...any) {
		t.Helper()
		if got := len(s.match(t, asks(t, skills[:1], more...)).Agents) == 1; got != want {
			t.Errorf("%v: found is %v", more, got)
		}
	}
	write := func(set string) { s.DB.Exec(t, `update plant.agents set `+set+` where id = $1`, id) }
	finds(true)
	write(`status = 'working'`)
	finds(false)
	finds(true, "status", []string{"working", "offline"})
	write(`status = 'available', hourly_rate = 10.01`)
	finds(false, "max_hourly_rate", 10)
	finds(true, "max_hourly_rate", 10.01)
	finds(true, "industry", "Sales")
	finds(false, "industry", "education")
	write(`deleted_at = now()`)
	finds(false, "status", []string{"available", "working", "offline"})
	write(`deleted_at = null, skill_ids = array['` + skills[1].String() + `']::uuid[]`)
	finds(false)
}

// I13: the text of the statement depends on which filters are asked for, never on what they are asked with.
func TestI13_MatchStatementText(t *testing.T) {
	t.Parallel()
	s := start(t)
	skill := s.addSkill(t, "Reading")
	s.add(t, agent{skills: []uuid.UUID{skill}})
	amount := catalog.Hundredths(1)
	for i, c := range []MatchCriteria{
		{}, {Industry: `' or true --`}, {Currency: `'; drop table agents; --`}, {Status: []string{`available`, `' or true --`}}, {MaxHourlyRate: &amount},
	} {
		found, err := matchStore{s.DB.DB}.candidates(t.Context(), []requiredSkill{{ID: skill}}, c, usualWeights, 10)
		if want := map[int]int{0: 2, 3: 2}[i]; err != nil || len(found) != want { // once ranked, once for teams
			t.Errorf("%+v: found %d, %v", c, len(found), err)
		}
	}
	statement := candidatesFound(database.NewWhere([]string{`l.live`}, nil))
	if strings.Contains(statement, "%!") || strings.Count(statement, fmt.Sprint(maxOffers)) != 1 {
		t.Errorf("the statement is %s", statement)
	}
}
