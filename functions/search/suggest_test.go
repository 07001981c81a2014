package search

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waooaw/plant/shared/httpapi"
	"github.com/waooaw/plant/shared/httpapi/apitest"
)

func suggestPath(prefix string) string {
	return "/api/v1/suggest?" + url.Values{"prefix": {prefix}}.Encode()
}

func (s service) suggest(t testing.TB, prefix string) []suggestion {
	t.Helper()
	return apitest.Decode[[]suggestion](t, s.Do(t, "GET", suggestPath(prefix), "", "").Want(t, http.StatusOK))
}

// texts that are suggested, in order.
func (s service) texts(t testing.TB, prefix string) []string {
	t.Helper()
	texts := []string{}
	for _, one := range s.suggest(t, prefix) {
		texts = append(texts, one.Text)
	}
	return texts
}

func TestSuggest_Order(t *testing.T) {
	t.Parallel()
	s := start(t)
	writer := s.add(t, agent{name: "Content Writer"})
	s.add(t, agent{name: "CONTENT writer"}) // the same text
	skill := s.addSkill(t, "Writing contracts")
	role := s.addRole(t, "Lead content planner", skill)
	s.addSkill(t, "E-mail design")
	s.add(t, agent{name: "Maths Tutor"})
	want := []suggestion{
		{"Content Writer", "agent", writer}, {"Lead content planner", "job_role", role}, {"Writing contracts", "skill", skill},
	}
	for _, prefix := range []string{"cont", "CONT", " Cont"} {
		if diff := cmp.Diff(want, s.suggest(t, prefix)); diff != "" {
			t.Errorf("%q: %s", prefix, diff)
		}
	}
	for prefix, want := range map[string][]string{
		"content w":    {"Content Writer"},
		"content plan": {"Lead content planner"},
		"c":            {"Content Writer", "Lead content planner", "Writing contracts"},
		"e-m":          {"E-mail design"},
		"mail":         {"E-mail design"},
		"wri":          {"Writing contracts", "Content Writer"},
		"maths tutor":  {"Maths Tutor"},
		"ath":          {},
		// misspelt
		"contnet":      {"Content Writer", "Lead content planner"},
		"contnt wri":   {"Content Writer"},
		"wrtiing":      {"Writing contracts"},
		"contractz":    {"Writing contracts"},
		"matsh tutro":  {"Maths Tutor"},
		"maths tutors": {"Maths Tutor"},
		"lead contnet": {"Lead content planner"},
		// nonsense
		"zzzxqy": {}, "qqq": {}, "🙂": {}, "-": {}, "...": {},
	} {
		if diff := cmp.Diff(want, s.texts(t, prefix)); diff != "" {
			t.Errorf("%q: %s", prefix, diff)
		}
	}
}

func TestSuggest_AtMostTenDistinct(t *testing.T) {
	t.Parallel()
	s := start(t)
	var want []string
	for _, letter := range strings.Split("abcdefghijklm", "") {
		for range 3 {
			s.add(t, agent{name: "Planner " + strings.ToUpper(letter)})
			s.add(t, agent{name: letter + " planner"})
		}
		want = append(want, "Planner "+strings.ToUpper(letter))
	}
	if diff := cmp.Diff(want[:10], s.texts(t, "planner")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Planner K", "k planner"}, append(s.texts(t, "planner k"), s.texts(t, "k pl")...)); diff != "" {
		t.Error(diff)
	}
	for prefix, want := range map[string]int{"p": 10, "plannr": 10, "a": 2} {
		first := s.suggest(t, prefix)
		if len(first) != want {
			t.Errorf("%q suggests %v, want %d", prefix, first, want)
		}
		if diff := cmp.Diff(first, s.suggest(t, prefix)); diff != "" {
			t.Errorf("%q suggests something else the next time: %s", prefix, diff)
		}
	}
}

// What is misspelt in a description, or was in a name once, is no less misspelt.
func TestSuggest_MisspeltElsewhere(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.add(t, agent{name: "Marketing Helper", description: "Knows all of markting."})
	id := s.add(t, agent{name: "Contnet Keeper"})
	s.add(t, agent{name: "Content Writer"})
	s.DB.Exec(t, `update plant.agents set name = 'Content Keeper' where id = $1`, id)
	for prefix, want := range map[string][]string{"markting": {"Marketing Helper"}, "contnet wri": {"Content Writer"}} {
		if diff := cmp.Diff(want, s.texts(t, prefix)); diff != "" {
			t.Errorf("%q: %s", prefix, diff)
		}
	}
}

// A name that changes, or is no more, is suggested no more; one that comes is at once.
func TestSuggest_FollowsWrites(t *testing.T) {
	t.Parallel()
	s := start(t)
	id := s.add(t, agent{name: "Zebra Keeper"})
	check := func(prefix string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(append([]string{}, want...), s.texts(t, prefix)); diff != "" {
			t.Errorf("%q: %s", prefix, diff)
		}
	}
	check("keep", "Zebra Keeper")
	s.DB.Exec(t, `update plant.agents set name = 'Okapi Carer' where id = $1`, id)
	check("keep")
	check("zebra")
	check("zerba")
	check("okapi", "Okapi Carer")
	s.DB.Exec(t, `update plant.agents set deleted_at = now() where id = $1`, id)
	check("okapi")
	check("oakpi")
	check("carer")
	s.DB.Exec(t, `update plant.agents set deleted_at = null where id = $1`, id)
	check("carer", "Okapi Carer")
}

// I15: what LIKE and tsquery would take for operators stands for itself.
func TestI15_SuggestMetacharacters(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.add(t, agent{name: "Content Writer"})
	s.add(t, agent{name: `100%_sure\'&|!:* agent`})
	s.add(t, agent{name: `%off`})
	for prefix, want := range map[string][]string{
		`%`: {`%off`}, `%o`: {`%off`}, `100%`: {`100%_sure\'&|!:* agent`}, `100%_sure\'&|!:* a`: {`100%_sure\'&|!:* agent`}, `100_`: {}, `100%s`: {},
		`_`: {}, `c_ntent`: {}, `con%`: {}, `c%t`: {}, `con*`: {}, `con:*`: {}, `\`: {}, `'`: {}, `''`: {}, `content' or '1'='1`: {}, `$1`: {}, `@prefix`: {}, `(`: {},
	} {
		if diff := cmp.Diff(want, s.texts(t, prefix)); diff != "" {
			t.Errorf("%q: %s", prefix, diff)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		prefix := rapid.StringN(1, 100, -1).Draw(r, "prefix")
		answer := s.Do(t, "GET", suggestPath(prefix), "", "")
		if answer.Status != http.StatusOK && answer.Status != http.StatusUnprocessableEntity {
			r.Fatalf("%q: %d %s", prefix, answer.Status, answer.Body)
		}
	})
}

func TestSuggest_AnyScript(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.add(t, agent{name: "विपणन लेखक"})
	s.add(t, agent{name: "சந்தைப்படுத்தல்"})
	s.add(t, agent{name: "营销 内容"})
	s.add(t, agent{name: "Café Größe"})
	for prefix, want := range map[string]string{"विप": "विपणन लेखक", "लेख": "विपणन लेखक", "சந்": "சந்தைப்படுத்தல்", "营": "营销 内容", "内": "营销 内容", "cafe\u0301": "Café Größe", "grÖ": "Café Größe"} {
		if diff := cmp.Diff([]string{want}, s.texts(t, prefix)); diff != "" {
			t.Errorf("%q: %s", prefix, diff)
		}
	}
	for _, prefix := range []string{strings.Repeat("a", 100), strings.Repeat("𐐀", 100), strings.Repeat("a ", 50), strings.Repeat("abc ", 25), "\U0010ffff", "a\u200bb"} {
		s.suggest(t, prefix)
	}
	long := strings.Repeat("𐐀", 255)
	s.add(t, agent{name: long})
	if diff := cmp.Diff([]string{long}, s.texts(t, strings.Repeat("𐐀", 100))); diff != "" {
		t.Error(diff)
	}
}

func TestI2_I4_SuggestBadParameters(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, parameters := range []string{"", "prefix=", "prefix=%20%E2%80%83", "prefix=" + strings.Repeat("a", 101), "prefix=a%00b", "prefix=a%0a", "prefix=a&prefix=b"} {
		answer := s.Do(t, "GET", "/api/v1/suggest?"+parameters, "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
		if faults := apitest.Decode[httpapi.Problem](t, answer).Errors; len(faults) != 1 || faults[0].Location != "query.prefix" {
			t.Errorf("%s: %s", parameters, answer.Body)
		}
	}
	s.Do(t, "GET", "/api/v1/suggest?prefix=a%ff", "", "").WantProblem(t, http.StatusBadRequest, "MALFORMED_REQUEST")
	s.Do(t, "GET", "/api/v1/suggest?prefix=a&limit=3", "", "").WantProblem(t, http.StatusUnprocessableEntity, "INVALID")
	if answer := s.Do(t, "GET", suggestPath("nobody"), "", "").Want(t, http.StatusOK); strings.TrimSpace(answer.Body) != "[]" || !strings.HasPrefix(answer.Header.Get("Cache-Control"), "public") {
		t.Errorf("nothing is %q, %v", answer.Body, answer.Header)
	}
}
