package search

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/waooaw/plant/shared/catalog"
	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

// foundOther is what skills and job roles that were found answer alike.
type foundOther struct {
	ID            uuid.UUID
	Name          string
	Certification *catalog.Certification
	Score         float64
	Explain       *explanation
}

// others are the searches for something other than agents, how to write one of what they find, and where it is kept.
func others(t *testing.T) map[string]func(s service, name, description string) (id uuid.UUID) {
	t.Helper()
	return map[string]func(s service, name, description string) uuid.UUID{
		"skills": func(s service, name, description string) uuid.UUID {
			id := newID(t)
			s.DB.Exec(t, `insert into plant.skills (id, name, description, category) values ($1, $2, $3, 'technical')`, id, name, description)
			return id
		},
		"job_roles": func(s service, name, description string) uuid.UUID {
			id := newID(t)
			skill := newID(t)
			s.DB.Exec(t, `insert into plant.skills (id, name, category) values ($1, $2, 'technical')`, skill, "Qwerty "+skill.String())
			s.DB.Exec(t, `insert into plant.job_roles (id, name, description, required_skills, seniority_level) values ($1, $2, $3, $4, 'mid')`, id, name, description, []uuid.UUID{skill})
			return id
		},
	}
}

func searchFor(table string) string {
	return "/api/v1/" + strings.ReplaceAll(table, "_", "-") + "/search"
}

func (s service) findOthers(t testing.TB, table, query string, parameters ...string) []foundOther {
	t.Helper()
	return apitest.Decode[[]foundOther](t, s.Do(t, "GET", address(searchFor(table), query, parameters...), "", "").Want(t, http.StatusOK))
}

func otherNames(found []foundOther) []string {
	names := []string{}
	for _, one := range found {
		names = append(names, one.Name)
	}
	return names
}

func TestSearchOthers_WordsAndTypos(t *testing.T) {
	t.Parallel()
	for table, add := range others(t) {
		s := start(t)
		add(s, "Keyword research", "Groups search terms by intent.")
		add(s, "Copywriting", "Short text that makes a reader act, and keyword lists.")
		gone := add(s, "Keyword auction", "")
		s.add(t, agent{name: "Keyword agent"}) // another kind
		s.DB.Exec(t, `update plant.`+table+` set deleted_at = now() where id = $1`, gone)
		for query, want := range map[string][]string{
			"keyword":     {"Keyword research", "Copywriting"}, // in the name, in the description
			"INTENTS":     {"Keyword research"},
			"keywrod":     {"Keyword research", "Copywriting"},
			"copywritng":  {"Copywriting"},
			"auction":     {},
			"zzzxqy":      {},
			"the":         {},
			`'; drop x--`: {},
		} {
			if diff := cmp.Diff(want, otherNames(s.findOthers(t, table, query))); diff != "" {
				t.Errorf("%s %q: %s", table, query, diff)
			}
		}
		s.DB.Exec(t, `update plant.`+table+` set deleted_at = null where id = $1`, gone)
		if found := s.findOthers(t, table, "auction"); len(found) != 1 || found[0].ID != gone {
			t.Errorf("%s: found %v after it was restored", table, otherNames(found))
		}
	}
}

func TestSearchOthers_Meaning(t *testing.T) {
	t.Parallel()
	s := startMeaningful(t)
	for _, add := range others(t) {
		add(s.service, "Contract attorney", "")
		add(s.service, "Doctor visits", "")
	}
	s.index(t)
	for table := range others(t) {
		found := s.findOthers(t, table, "pact lawyer", "explain", "true")
		if len(found) == 0 || found[0].Name != "Contract attorney" {
			t.Errorf("%s: a paraphrase finds %v", table, otherNames(found))
			continue
		}
		if e := found[0].Explain; e == nil || e.Meaning.Rank == nil || *e.Meaning.Rank != 1 || e.Meaning.Score <= 0 || e.Words.Rank != nil {
			t.Errorf("%s: explained as %+v", table, e)
		}
	}
}

func TestSearchOthers_ExpiredCertification(t *testing.T) {
	t.Parallel()
	for table, add := range others(t) {
		s := start(t)
		certify := func(name, expires string) {
			id := add(s, name+" negotiation", "")
			s.DB.Exec(t, `update plant.`+table+` set certification_level = 'expert', certification_evidence_url = 'https://evidence.example', certification_issuer = 'Board',
				certified_at = now() - interval '2 days', certified_by_issuer = 'https://issuer.example', certified_by = 'grace', certification_expires_at = `+expires+` where id = $1`, id)
		}
		certify("Expired", `now() - interval '1 day'`)
		certify("Fresh", `now() + interval '1 day'`)
		certify("Endless", `null`)
		add(s, "Plain negotiation", "")
		found := s.findOthers(t, table, "negotiation")
		if len(found) != 4 {
			t.Fatalf("%s: found %v", table, otherNames(found))
		}
		for _, one := range found {
			name, _, _ := strings.Cut(one.Name, " ")
			switch c := one.Certification; {
			case (c == nil) != (name == "Plain"):
				t.Errorf("%s: %s is certified as %+v", table, name, c)
			case c != nil && c.Expired != (name == "Expired"):
				t.Errorf("%s: %s says expired=%v", table, name, c.Expired)
			}
		}
	}
}

func TestSearchOthers_LimitAndOrder(t *testing.T) {
	t.Parallel()
	for table, add := range others(t) {
		s := start(t)
		const many = 55
		for i := range many {
			add(s, "Writing "+strings.Repeat("x", i+3), "")
		}
		found := s.findOthers(t, table, "writing", "limit", "50")
		if len(found) != 50 || !slices.IsSortedFunc(found, func(a, b foundOther) int {
			if a.Score != b.Score {
				return int((b.Score - a.Score) * 1e6)
			}
			return strings.Compare(a.ID.String(), b.ID.String())
		}) {
			t.Errorf("%s: %d are not in order: %v", table, len(found), found)
		}
		if diff := cmp.Diff(found[:7], s.findOthers(t, table, "writing", "limit", "7")); diff != "" {
			t.Errorf("%s: a lower limit answers others: %s", table, diff)
		}
		if got := len(s.findOthers(t, table, "writing")); got != 10 {
			t.Errorf("%s: without a limit %d are answered, want 10", table, got)
		}
		if exact := s.findOthers(t, table, found[0].Name)[0]; exact.ID != found[0].ID || exact.Score <= found[0].Score {
			t.Errorf("%s: the very name finds %s with a score of %v", table, exact.Name, exact.Score)
		}
	}
}

func TestSearchOthers_Explain(t *testing.T) {
	t.Parallel()
	for table, add := range others(t) {
		s := start(t)
		add(s, "Content writing", "")
		if body := s.Do(t, "GET", address(searchFor(table), "content"), "", "").Body; strings.Contains(body, "explain") {
			t.Errorf("%s: explains without being asked to: %s", table, body)
		}
		found := s.findOthers(t, table, "content wrtiing", "explain", "true")
		if len(found) != 1 {
			t.Fatalf("%s: found %v", table, otherNames(found))
		}
		if e := found[0].Explain; e == nil || e.Words.Rank == nil || e.Words.Score <= 0 || e.Typos.Rank == nil || e.Typos.Score <= 0 || e.Meaning.Rank != nil {
			t.Errorf("%s: explained as %+v", table, e)
		}
	}
}

func TestI2_I4_I10_SearchOthersBadParameters(t *testing.T) {
	t.Parallel()
	s := start(t)
	for table := range others(t) {
		for parameters, location := range map[string]string{
			"": "query.query", "query=": "query.query", "query=%20": "query.query", "query=a%00b": "query.query", "query=" + strings.Repeat("a", 513): "query.query",
			"query=a&query=b": "query.query", "query=a&limit=0": "query.limit", "query=a&limit=51": "query.limit", "query=a&limit=1.0": "query.limit",
			"query=a&explain=perhaps": "query.explain", "query=a&industry=sales": "query.industry", "query=a&cursor=x": "query.cursor",
		} {
			answer := s.Do(t, "GET", searchFor(table)+"?"+parameters, "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
			if faults := apitest.Decode[httpapi.Problem](t, answer).Errors; len(faults) != 1 || faults[0].Location != location {
				t.Errorf("%s: got %s, want one at %s", parameters, answer.Body, location)
			}
		}
		s.Do(t, "GET", searchFor(table)+"?query=a%ff", "", "").WantProblem(t, http.StatusBadRequest, "MALFORMED_REQUEST")
	}
}

// A18: no answer of the function holds a word of what was deleted, by whatever it is asked for.
func TestA18_NothingDeletedLeaks(t *testing.T) {
	t.Parallel()
	s := startMeaningful(t)
	const marker = "xylophonist"
	live := s.add(t, agent{name: "Xylophone Writer", description: "Contract review."})
	gone := s.add(t, agent{name: marker + " Writer", description: "Contract review.", tags: []string{marker}})
	s.addSkill(t, "Xylophone tuning")
	skill := s.addSkill(t, marker+" tuning")
	role := s.addRole(t, marker+" lead", skill)
	s.addRole(t, "Xylophone lead", skill)
	s.index(t)
	ask := func() (leaks []string) {
		for _, query := range []string{marker, "xylophonst", "xylophone", "writer", "tuning lead", "xyl"} {
			for _, path := range []string{
				address(allAgents, query, "explain", "true"), address(availableAgents, query), address(searchFor("skills"), query, "explain", "true"), address(searchFor("job_roles"), query),
				suggestPath(query), similarTo(live) + "?limit=50",
			} {
				if strings.Contains(s.Do(t, "GET", path, "", "").Want(t, http.StatusOK).Body, marker) {
					leaks = append(leaks, path)
				}
			}
			body, err := json.Marshal(map[string]string{"text": query})
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(s.Do(t, "POST", similarSkills, "", string(body)).Want(t, http.StatusOK).Body, marker) {
				leaks = append(leaks, similarSkills+string(body))
			}
		}
		return leaks
	}
	if len(ask()) == 0 {
		t.Error("nothing is found before it is deleted")
	}
	s.DB.Exec(t, `update plant.agents set deleted_at = now() where id = $1`, gone)
	s.DB.Exec(t, `update plant.job_roles set deleted_at = now() where id = $1`, role)
	s.DB.Exec(t, `update plant.job_roles set required_skills = array(select id from plant.skills where id <> $1 limit 1) where deleted_at is null`, skill)
	s.DB.Exec(t, `update plant.skills set deleted_at = now() where id = $1`, skill)
	if leaks := ask(); len(leaks) > 0 {
		t.Errorf("leaks in %v", leaks)
	}
	s.Do(t, "GET", similarTo(gone), "", "").WantProblem(t, http.StatusNotFound, "NOT_FOUND")
}
